# %% [markdown]
# # Joint model and chained equations: one table of popular pupils
#
# Multilevel data are imputed in two ways: by a joint model of all incomplete variables, as here and in jomo, or by chained equations
# (fully conditional specification), one model for each incomplete variable, as in mice. The data set `popmis` of mice has one incomplete
# variable, how popular a pupil is, so that there is nothing to chain, and two methods with the same model of this variable should
# agree. This notebook imputes it by both, sets mice's own results beside ours, and asks why some methods differ.
#
# The data belong to mice. If they are not on your computer, `fetch` says which line of R writes them and where to put the file.

# %%
import io
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import jmimpute as jm
from jmimpute.errors import AnalysisWarning

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # fewer draws and imputations, for a quick run
DRAWS, M, SEED = (300, 5, 1) if SHORT else (2000, 100, 1)
ANALYSIS = "popular ~ sex * texp + (1 + sex | school)"

pupils = jm.datasets.fetch("popmis")[["school", "sex", "texp", "popular"]]
print(jm.inspect(pupils, cluster="school"))

# %% [markdown]
# ## 1. The question
#
# Girls (`sex` is 1) are more popular than boys; is the difference smaller where the teacher has more experience (`texp`, in years)? The
# analysis has a random intercept, a random difference between girls and boys, and their cross-level interaction with experience. No
# school lacks popularity altogether.

# %% [markdown]
# ## 2. Two joint models
#
# With one incomplete variable the joint model is the model of the analysis itself: it can be no more congenial. The second lets the
# residual variance differ between schools, by a distribution of variances.

# %%
sources = {}
for name, covariance in {"joint model": "common", "joint model, variances by school": "random"}.items():
    model = jm.JointModel(ANALYSIS, pupils, covariance=covariance)
    fit = model.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
    print(f"{name}: {str(fit.diagnostics()).splitlines()[0]}")
    sources[name] = fit.impute(M, progressbar=False)

# %% [markdown]
# ## 3. Chained equations
#
# Predictors are columns, so the interaction is a passive variable, the product of two. One-stage imputation fits a mixed model by
# restricted maximum likelihood and draws its parameters; two-stage imputation fits each school by itself and then a model of the
# schools' coefficients, in which experience explains intercept and difference (that is the cross-level interaction); `mixed` is
# `2l.lmer` of mice. The last two do not know of schools. What the methods warn of is printed.

# %%
PRODUCT = {"sex_texp": "sex * texp"}
SLOPES = "~ sex + texp + sex_texp + (1 + sex | school)"
chosen = {
    "one-stage": ("one-stage", SLOPES, PRODUCT),
    "two-stage": ("two-stage", "~ sex + texp", None),
    "mixed": ("mixed", SLOPES, PRODUCT),
    "single-level norm": ("norm", "~ sex + texp + sex_texp", PRODUCT),
    "single-level pmm": ("pmm", "~ sex + texp + sex_texp", PRODUCT),
}
for name, (method, predictors, passive) in chosen.items():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sources[name] = jm.chained(
            pupils,
            {"popular": method},
            {"popular": predictors},
            cluster="school",
            m=M,
            passive=passive,
            random_seed=SEED,
            progressbar=False,
        )
    for warning in told:
        print(f"{name}: {warning.message}")

# %% [markdown]
# ## 4. mice
#
# Results that exist only as numbers enter a comparison by `published=`. These were made by mice 3.15.0, with 100 imputations, and pooled by
# mitml 0.4-4; the script that made them is `tests/reference/make/popmis_mice.R`. Product and experience are predictors without random
# coefficients, sex has one. `2l.pan` is the joint model of pan, for one variable; `2l.norm` has a variance for each school; `norm` and
# `pmm` do not know of schools.

# %%
COLUMNS = "method,term,estimate,std_error,df,mc_error,m,rows,cpu_seconds"
MICE = """
2l.pan,Intercept,3.32326,0.16998,7862,0.00567,100,2000,4.4
2l.pan,sex,1.32331,0.14818,2062,0.00690,100,2000,4.4
2l.pan,texp,0.11056,0.01080,7886,0.00036,100,2000,4.4
2l.pan,sex:texp,-0.03317,0.00943,2021,0.00044,100,2000,4.4
2l.pan,sd(Intercept|school),0.63690,,,,100,2000,4.4
2l.pan,sd(sex|school),0.46211,,,,100,2000,4.4
2l.pan,sd(residual),0.63849,,,,100,2000,4.4
2l.norm,Intercept,3.40634,0.17978,9525,0.00571,100,2000,60.4
2l.norm,sex,1.23272,0.15143,3341,0.00625,100,2000,60.4
2l.norm,texp,0.10360,0.01137,11414,0.00035,100,2000,60.4
2l.norm,sex:texp,-0.02549,0.00955,3940,0.00038,100,2000,60.4
2l.norm,sd(Intercept|school),0.68160,,,,100,2000,60.4
2l.norm,sd(sex|school),0.49579,,,,100,2000,60.4
2l.norm,sd(residual),0.63751,,,,100,2000,60.4
norm,Intercept,3.37300,0.12081,738,0.00727,100,2000,0.3
norm,sex,1.24549,0.14686,786,0.00871,100,2000,0.3
norm,texp,0.10748,0.00780,671,0.00048,100,2000,0.3
norm,sex:texp,-0.02633,0.00937,769,0.00056,100,2000,0.3
norm,sd(Intercept|school),0.29460,,,,100,2000,0.3
norm,sd(sex|school),0.29872,,,,100,2000,0.3
norm,sd(residual),0.86065,,,,100,2000,0.3
pmm,Intercept,3.35145,0.16529,366,0.01187,100,2000,0.5
pmm,sex,1.24554,0.20785,314,0.01550,100,2000,0.5
pmm,texp,0.10870,0.01227,236,0.00098,100,2000,0.5
pmm,sex:texp,-0.02724,0.01489,231,0.00120,100,2000,0.5
pmm,sd(Intercept|school),0.40161,,,,100,2000,0.5
pmm,sd(sex|school),0.43923,,,,100,2000,0.5
pmm,sd(residual),0.81247,,,,100,2000,0.5
"""
rows = pd.read_csv(io.StringIO(COLUMNS + MICE))
published = {f"mice {method}": table.drop(columns="method") for method, table in rows.groupby("method", sort=False)}
published["mice 2l.pan"]

# %% [markdown]
# Where R is there, mice can impute again, in a process of its own, and `jm.read_mice` reads what it wrote: the same analysis and the same
# rules then pool its imputations and ours.

# %%
SCRIPT = """
suppressMessages(library(mice))
data <- transform(read.csv("data.csv"), product = sex * texp)
predictors <- matrix(0, 5, 5, dimnames = list(names(data), names(data)))
predictors["popular", ] <- c(-2, 2, 1, 0, 1)
imp <- mice(data, m = M, maxit = 1, method = c("", "", "", "2l.pan", ""), predictorMatrix = predictors, seed = 1, print = FALSE)
long <- complete(imp, "long", include = TRUE)
write.csv(long[names(long) != "product"], "imp.csv", row.names = FALSE)
"""


def run_r(script: str, folder: Path | None = None) -> bool:
    """Whether R ran a script to its end; not if there is no R."""
    if shutil.which("Rscript") is None:
        return False
    return subprocess.run(["Rscript", "--vanilla", "-e", script], cwd=folder, capture_output=True).returncode == 0


if run_r("library(mice); library(pan)"):
    with tempfile.TemporaryDirectory() as folder:
        pupils.to_csv(Path(folder) / "data.csv", index=False)
        done = run_r(SCRIPT.replace("m = M", f"m = {M}"), Path(folder))
        sources["mice 2l.pan, a moment ago"] = jm.read_mice(Path(folder) / "imp.csv", original=pupils, cluster="school")
    print(f"mice made {M} imputations.")
else:
    print("There is no R with mice and pan on this computer: this step is skipped.")

# %% [markdown]
# ## 5. All in one comparison
#
# Estimates with standard errors; seconds are those of imputation, of a joint model with its fit, and known only of what was imputed
# here and of what was written down.

# %%
with warnings.catch_warnings():
    warnings.simplefilter("ignore", AnalysisWarning)  # what it says is in comparison.notes, printed below
    comparison = jm.compare(sources, ANALYSIS, published=published)
comparison.wide().transpose()

# %% [markdown]
# Thin lines are confidence intervals, thick ones Monte Carlo errors: how far an estimate would move with other imputations. Open dots
# are the published numbers.

# %%
jm.plots.comparison(comparison, ["sex", "sex:texp", "sd(Intercept|school)", "sd(sex|school)", "sd(residual)"])

# %% [markdown]
# How far each method is from the joint model, in standard errors of the method; below, which of these differences are larger than
# Monte Carlo error explains.

# %%
differences = comparison.differences("joint model")
differences.pivot(index="method", columns="term", values="in_std_errors").loc[
    [name for name in comparison.names if name != "joint model"], ["Intercept", "sex", "texp", "sex:texp"]
].round(2)

# %%
beyond = differences[(differences["part"] == "fixed") & differences["beyond_noise"].fillna(False)]
for name, table in beyond.groupby("method", sort=False):
    print(f"{name}: {', '.join(table['term'])}")

# %% [markdown]
# ## 6. Why methods differ
#
# What a comparison knows of how imputations were made, and of fits that should be looked at, it says itself:

# %%
for sentence in (*comparison.causes, *comparison.notes):
    print(f"- {sentence}")

# %% [markdown]
# With that, the table can be read:
#
# - **The same model gives the same answer.** The joint model, one-stage imputation and mice's `2l.pan` draw the same variable from the
#   same mixed model, by different algorithms and with different priors, and differ by no more than a small part of a standard error. So
#   does a variance for each school. Two-stage imputation is a little farther off: it fits schools one by one, and those with too few
#   values tell it nothing. Complete cases are as good as any: only the outcome is missing, and all its predictors are in the analysis.
#   That changes as soon as covariates are incomplete, or another variable predicts what is missing.
# - **Without schools the clusters fade.** `norm` and `pmm`, ours and mice's, fill holes with values that do not belong to a school. The
#   standard deviation of schools shrinks and the residual one grows, as the picture below shows.
# - **`mixed` takes predicted effects for effects.** They vary less, and so do the schools of its imputations.
# - **mice's `2l.norm` uses only predictors with random coefficients.** Experience and the product had none, and were left out without a
#   word: the interaction is pulled towards zero, as without schools. Predictors of such a method have to be told by `2` in mice; here a
#   formula that a method cannot have is refused.

# %%
figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
panels[0].set_ylabel("mean of imputed pupils")
for axes, name in zip(panels, ["joint model", "single-level norm", "single-level pmm"], strict=True):
    schools = jm.plots.implied_means_table(sources[name], "popular")
    axes.axline((5, 5), slope=1, color="#cccccc", linewidth=1)
    axes.scatter(schools["mean_observed"], schools["mean_missing"], s=12, color="#d55e00")
    axes.set(title=name, xlabel="mean of observed pupils")

# %% [markdown]
# A dot is a school. On the line its imputed pupils are as popular as its observed ones; flat clouds are schools that have become alike.
#
# With several incomplete variables the agreement is no longer exact: conditional models with random slopes need not belong to any joint
# model. [A simulation study](simulation_study.py) sets the two beside each other there.

# %% [markdown]
# # Inner London examinations: a variable of schools with holes
#
# 4059 pupils in 65 schools: a normalised exam score at 16 (`normexam`), the standardised London Reading Test at 11 (`standlrt`), each missing
# for a fifth of the pupils; and the average reading score of a school's intake (`avslrt`), which belongs to the school and is missing for
# whole schools. The data come with the R package jomo; Quartagno, Grund and Carpenter
# ([2019](https://doi.org/10.32614/RJ-2019-034)) impute them with `jomo2com`. The question: does the intake of a school matter for the exam,
# beyond a pupil's own reading?

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # fewer draws and imputations, for a quick run
DRAWS, M, SEED = (1000, 5, 1) if SHORT else (2000, 100, 1)
ANALYSIS = "normexam ~ standlrt + avslrt + sex + schgend + (1 | school)"

exams = jm.datasets.fetch("exam_scores").drop(columns=["student", "cons"])
exams.head()

# %% [markdown]
# ## 1. Which level is a variable of?
#
# `inspect` finds out: a variable of level 2 has one value a cluster. Where a school has two values of such a variable, or a value in some
# rows and none in others, it says so; here the schools are in order. Ten lack the intake altogether, in all their rows.

# %%
print(jm.inspect(exams, cluster="school"))

# %% [markdown]
# A row is a school. Exam and reading scores have a few holes everywhere; crosses are schools without an intake.

# %%
jm.plots.pattern(exams[["school", "normexam", "standlrt", "avslrt"]], cluster="school", by="cluster")

# %% [markdown]
# ## 2. The model of the paper
#
# A level-2 response has its own formula, of other variables of the school. Its residual is correlated with the random effects of the
# scores, and this is what tells about the intake of a school that lacks it: the reading scores of its pupils.
#
# The paper has no covariates. With the priors of jomo our posterior means are those that it printed, up to the error of its short chain.

# %%
paper = jm.JointModel(
    "normexam + standlrt ~ 1 + (1 | school)", exams[["school", "normexam", "standlrt", "avslrt"]],
    level2="avslrt ~ 1", priors=jm.priors.jomo(),
)  # fmt: skip
fit_paper = paper.fit(draws=DRAWS, target_accept=0.95, random_seed=SEED, progressbar=False)
print(str(fit_paper.diagnostics()).splitlines()[0])

# %%
PRINTED = {
    "beta[normexam, Intercept]": -0.009685026,
    "beta[standlrt, Intercept]": -0.002263212,
    "beta_level2[avslrt, Intercept]": -0.03268919,
    "Omega_e[normexam, normexam]": 0.8536697,
    "Omega_e[standlrt, normexam]": 0.5045721,
    "Omega_e[standlrt, standlrt]": 0.8876558,
    "Omega_u[normexam|Intercept, normexam|Intercept]": 0.2023980,
    "Omega_u[standlrt|Intercept, normexam|Intercept]": 0.1000588,
    "Omega_u[standlrt|Intercept, standlrt|Intercept]": 0.1240889,
    "Omega_u[avslrt, normexam|Intercept]": 0.1059953,
    "Omega_u[avslrt, standlrt|Intercept]": 0.0984494,
    "Omega_u[avslrt, avslrt]": 0.1306725,
}  # Quartagno et al. 2019, section 4, output of jomo2com
summary = fit_paper.summary()[["mean", "sd", "mcse_mean"]].astype(float).rename(columns={"mcse_mean": "mcse"})
summary.join(pd.Series(PRINTED, name="paper"), how="inner").round(4)

# %% [markdown]
# ## 3. A model for the analysis
#
# The analysis asks about `sex` and `schgend` too, so that they must be in the imputation model. And there is more that tells of the intake:
# `schav` says for every school whether it is low, middle or high. It is not in the analysis, but it is known where the intake is not: an
# auxiliary variable of level 2. We impute without it, as `models/exam_level2.toml` does, and with it.

# %%
LEVEL2 = {"without schav": "avslrt ~ schgend", "with schav": "avslrt ~ schgend + schav"}
models = {
    name: jm.JointModel("normexam + standlrt ~ sex + (1 | school)", exams, level2=level2) for name, level2 in LEVEL2.items()
}
print(models["with schav"])

# %% [markdown]
# The intake is nearly a linear function of the random effect of reading, so that the posterior is narrow in one direction: smaller steps,
# a higher `target_accept`, are worth their price.

# %%
fits = {
    name: model.fit(draws=2 * DRAWS, target_accept=0.98, random_seed=SEED, progressbar=False) for name, model in models.items()
}
for name, fit in fits.items():
    print(f"{name}: {str(fit.diagnostics()).splitlines()[0]}")
jm.plots.trace(fits["with schav"], ["Omega_u[avslrt, avslrt]", "Omega_u[avslrt, standlrt|Intercept]"])

# %% [markdown]
# ## 4. Impute, and check that schools stay schools
#
# A school must have one intake in all of its rows, in each imputation, and observed values must be as they were.

# %%
imputations = {name: fit.impute(M, progressbar=False) for name, fit in fits.items()}
for name, made in imputations.items():
    values = max(table.groupby("school")["avslrt"].nunique().max() for table in made)
    same = all(table["avslrt"].where(exams["avslrt"].notna()).equals(exams["avslrt"]) for table in made)
    print(f"{name}: at most {values} value(s) a school; observed values unchanged: {same}")

# %% [markdown]
# The intake against the mean of the reading scores that were observed in the school. Dots are schools whose intake is known; lines hold
# 95 % of the imputed values of a school that lacks it. They lie where such schools lie. Knowing whether the intake is low, middle or
# high makes them shorter, and moves some: dashed lines are what separates the known groups.

# %%
schools = exams.groupby("school").agg(
    reading=("standlrt", "mean"), intake=("avslrt", "first"), group=("schav", "first"), pupils=("standlrt", "count")
)
lacking = schools["intake"].isna()
groups = schools.groupby("group", observed=True)["intake"].agg(["min", "max"])
edges = [(groups.loc["low", "max"] + groups.loc["mid", "min"]) / 2, (groups.loc["mid", "max"] + groups.loc["high", "min"]) / 2]
colours = {"low": "tab:blue", "mid": "0.45", "high": "tab:orange"}
drawn = {
    name: pd.DataFrame([table.groupby("school")["avslrt"].first()[lacking] for table in made])
    for name, made in imputations.items()
}

figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), sharex=True, sharey=True, layout="constrained")
for axes, (name, values) in zip(panels, drawn.items(), strict=True):
    for group, colour in colours.items():
        known = schools[~lacking & (schools["group"] == group)]
        axes.plot(known["reading"], known["intake"], "o", color=colour, markersize=4, alpha=0.5, label=group)
        which = schools.index[lacking & (schools["group"] == group)]
        low, high = values[which].quantile(0.025), values[which].quantile(0.975)
        axes.vlines(schools.loc[which, "reading"], low, high, color=colour, linewidth=2)
    for edge in edges:
        axes.axhline(edge, color="0.7", linestyle="--", linewidth=0.8)
    axes.set(title=name, xlabel="mean of observed reading scores")
panels[0].set_ylabel("intake of the school (avslrt)")
panels[0].legend(title="schav", frameon=False)
plt.close(figure)
figure

# %% [markdown]
# How often does an imputed intake fall into the group that the school is known to be in? The model with `schav` knows the mean of each
# group, not its limits: a normal response has none.

# %%
limits = [-float("inf"), *edges, float("inf")]
shares = {}
for name, values in drawn.items():
    placed = values.apply(lambda column: pd.cut(column, limits, labels=["low", "mid", "high"]).astype(str))
    shares[name] = placed.eq(schools["group"].astype(str)[lacking], axis="columns").mean()
pd.DataFrame(shares).join(schools[["reading", "group", "pupils"]]).round(2)

# %% [markdown]
# ## 5. Analyse, pool, compare
#
# Complete cases drop all pupils of the ten schools, and half of all pupils.

# %%
comparison = jm.compare(imputations, ANALYSIS)
comparison.wide()

# %%
jm.plots.comparison(comparison, ["standlrt", "avslrt", "sex[girl]", "schgend[girlsch]", "schgend[mixedsch]"])

# %% [markdown]
# Pupils do better in schools with a better intake, whatever they themselves read at 11: `avslrt` is an effect of context. The fraction of
# missing information (`fmi`) of the coefficient tells how much of what could be known about it was lost with the missing values.

# %%
pooled = imputations["with schav"].analyze(ANALYSIS).pool()
pooled

# %% [markdown]
# How much of the variance between schools do the variables of the school explain? `R2` of mixed models, pooled:

# %%
imputations["with schav"].analyze(ANALYSIS).r_squared()

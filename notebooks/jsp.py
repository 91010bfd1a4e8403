# %% [markdown]
# # Junior School Project: the tutorial of jomo, redone
#
# Quartagno, Grund and Carpenter ([2019](https://doi.org/10.32614/RJ-2019-034)) introduce the R package jomo with pupils of the Junior School
# Project: test scores in English (year 3) and Ravens (year 1), and fluency in English in three categories (year 1), a fifth of each made
# missing. This notebook goes the same way with jmimpute, one step after the other: one level, two levels, random slopes, covariances
# that differ between schools; and sets the results beside what the paper printed.
#
# The data belong to jomo. If they are not on your computer, `fetch` says which line of R writes them and where to put the file.

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # fewer draws and imputations, for a quick run
DRAWS, M, SEED = (600, 5, 1) if SHORT else (2000, 100, 1)
ANALYSIS = "english ~ ravens + sex + fluent + (1 | school)"

pupils = jm.datasets.fetch("jsp")
pupils.head()

# %% [markdown]
# ## 1. What is missing
#
# The question is how English depends on Ravens, sex and fluency. All holes are sporadic: no school lacks a variable altogether.

# %%
inspection = jm.inspect(pupils[["school", "sex", "fluent", "ravens", "english"]], cluster="school")
print(inspection)

# %%
jm.plots.pattern(pupils[["school", "sex", "fluent", "ravens", "english"]], cluster="school")

# %% [markdown]
# ## 2. One level
#
# The paper first ignores schools. In jomo, responses are columns of `Y`, complete covariates columns of `X` with a constant; here a
# formula says it. Four chains run instead of one, so that there is a verdict on convergence, and imputations are draws from them: there
# is no burn-in and no number of iterations between imputations to choose.

# %%
single = jm.JointModel("english + ravens ~ sex", pupils, priors=jm.priors.jomo())
fit_single = single.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
print(str(fit_single.diagnostics()).splitlines()[0])

# %% [markdown]
# Beside our posterior means stands what jomo printed in the paper. Its numbers are means over one short chain, and have an error of their
# own; `mcse` is ours.

# %%
PRINTED_SINGLE = {
    "beta[english, Intercept]": 38.15030,
    "beta[english, sex]": 6.408079,
    "beta[ravens, Intercept]": 25.32372,
    "beta[ravens, sex]": -0.556898,
    "Omega_e[english, english]": 458.39885,
    "Omega_e[ravens, english]": 64.92863,
    "Omega_e[ravens, ravens]": 36.41841,
}  # Quartagno et al. 2019, section 3, output of jomo1con


def beside(fit, **printed):
    """Posterior means and their Monte Carlo errors beside printed numbers, where there are any."""
    summary = fit.summary(("beta", "Omega_e", "Omega_u") if "Omega_u" in fit.posterior else ("beta", "Omega_e")).astype(float)
    table = summary[["mean", "sd", "mcse_mean"]].rename(columns={"mcse_mean": "mcse"})
    return table.join(pd.DataFrame(printed), how="inner").round(3)


beside(fit_single, paper=PRINTED_SINGLE)

# %% [markdown]
# ## 3. Two levels, and a categorical response
#
# English, Ravens and fluency have random intercepts by school. Fluency is a factor, so it is nominal, as in jomo: two latent normals, and
# the category of the largest if any is positive, else the last one, "fully fluent". The printed model says all that was decided.

# %%
FORMULA = "english + ravens + fluent ~ sex + (1 | school)"
model = jm.JointModel(FORMULA, pupils)
print(model)

# %%
jm.plots.diagram(model)

# %% [markdown]
# The model is fitted twice: with the priors of jomo, to compare, and with the default ones. jomo's priors are those of Gibbs samplers:
# flat, and inverse-Wishart for the covariances of schools, whose scale is 1 on whatever scale a variable happens to be measured. Our
# default priors are weakly informative on the standardised scale. For English and Ravens both say next to nothing; the latent normals
# of fluency have few pupils in two categories and 47 schools, and there they matter.

# %%
as_jomo = jm.JointModel(FORMULA, pupils, priors=jm.priors.jomo())
fit_jomo = as_jomo.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
fit = model.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
for name, fitted in {"priors of jomo": fit_jomo, "default priors": fit}.items():
    print(f"{name}: {str(fitted.diagnostics()).splitlines()[0]}")

# %%
PRINTED = {
    "beta[english, Intercept]": 38.145706,
    "beta[english, sex]": 5.7460263,
    "beta[ravens, Intercept]": 25.207758,
    "beta[ravens, sex]": -0.5280992,
    "beta[fluent.1, Intercept]": -1.889772,
    "beta[fluent.2, Intercept]": -2.133932,
    "Omega_e[english, english]": 394.192120,
    "Omega_e[ravens, english]": 53.461640,
    "Omega_e[ravens, ravens]": 32.882006,
    "Omega_u[english|Intercept, english|Intercept]": 67.791552,
    "Omega_u[ravens|Intercept, ravens|Intercept]": 4.1667944,
    "Omega_u[fluent.1|Intercept, fluent.1|Intercept]": 0.6051437,
    "Omega_u[fluent.2|Intercept, fluent.2|Intercept]": 0.4628897,
}  # Quartagno et al. 2019, section 4, output of jomo1ranmix
SHIPPED = {
    "beta[fluent.1, Intercept]": -1.2145,
    "beta[fluent.2, Intercept]": -1.3151,
    "Omega_e[english, english]": 438.395,
    "Omega_e[ravens, english]": 62.812,
    "Omega_e[ravens, ravens]": 34.985,
    "Omega_u[english|Intercept, english|Intercept]": 65.621,
    "Omega_u[ravens|Intercept, ravens|Intercept]": 4.007,
    "Omega_u[fluent.1|Intercept, fluent.1|Intercept]": 0.084,
    "Omega_u[fluent.2|Intercept, fluent.2|Intercept]": 0.082,
}  # jomo 2.7-4, two chains of 110000 iterations
table = beside(fit_jomo, paper=PRINTED).join(pd.Series(SHIPPED, name="jomo 2.7-4"))
table.insert(3, "mean, default priors", fit.summary(("beta", "Omega_e", "Omega_u"))["mean"].astype(float).round(3))
table

# %% [markdown]
# With the priors of jomo the means are those of the paper, up to the errors of both. They are not those of jomo as it is today: version 2.7-4 accepts the latent
# normals of an observed category only between -3 and 4. Most pupils are fully fluent, with latents well below zero, some below -3; cutting
# them off pulls the intercepts of the latents to zero, takes the schools' variance out of fluency, and inflates the residual variance
# of English. `JointModel(..., priors=jm.priors.jomo(), latent_bounds=(-3, 4))` does the same, if you must.

# %% [markdown]
# ## 4. Impute, and look
#
# Imputed English scores may lie below zero, as in the paper: the model is normal and the score is not bounded. Pupils who lack a value are
# not a random part of all, so that curves and shares need not agree; they must be plausible.

# %%
imputations = fit.impute(M, progressbar=False)
jm.plots.density(imputations)

# %%
jm.plots.bars(imputations)

# %% [markdown]
# ## 5. Analyse and pool

# %%
analyses = imputations.analyze(ANALYSIS)
pooled = analyses.pool()
pooled

# %% [markdown]
# The paper pools five imputations; `jomo, m = 100` pools a hundred by the corrected sampler, without bounds on latents. `difference` is
# from our imputations with default priors, and `beyond_noise` says whether other random numbers could have made it. Where the Monte Carlo
# error of a result is not known, nothing is said. `in_std_errors` says whether a difference matters.

# %%
TERMS = ["Intercept", "ravens", "sex", "fluent[1]", "fluent[2]"]
paper = pd.DataFrame(
    {
        "term": TERMS,
        "estimate": [-16.133067, 1.622946, 6.837264, 5.000691, 14.345070],
        "std_error": [3.7371534, 0.1197557, 1.1452177, 4.2413878, 3.1391521],
        "m": 5,
    }
)  # Quartagno et al. 2019, section 4, MIcombine
corrected = pd.DataFrame(
    {
        "term": TERMS,
        "estimate": [-13.7861, 1.5981, 6.4912, 2.5024, 12.8240],
        "std_error": [4.2127, 0.1143, 1.2379, 4.9285, 3.2628],
        "mc_error": [0.24195, 0.00685, 0.06476, 0.30981, 0.17483],
        "m": 100,
    }
)  # jomo 2.7-4 without its bounds on latents, lme4 1.1-31
sources = {"default priors": imputations, "priors of jomo": fit_jomo.impute(M, progressbar=False)}
comparison = jm.compare(sources, ANALYSIS, published={"paper, m = 5": paper, "jomo, m = 100": corrected})
comparison.wide()

# %%
comparison.differences("default priors").query("part == 'fixed'").drop(columns=["reference", "part"]).round(3)

# %%
jm.plots.comparison(comparison, ["ravens", "sex", "fluent[1]", "fluent[2]"])

# %% [markdown]
# Imputation narrows the intervals that complete cases give: a pupil who lacks one value still tells about the others. Whether beginners
# and intermediate pupils differ (`fluent[1]`) nobody knows: there are few of either. Does fluency matter at all? A test of both
# coefficients at once:

# %%
print(analyses.test(["fluent"]))
print(f"\nImputations for standard errors that would change by 5 % at most: {pooled.required_m()}")

# %% [markdown]
# ## 6. Random slopes
#
# In jomo a matrix `Z` gives all responses the same random effects. Here each response may have its own: the difference between girls and
# boys varies between schools for the scores, and not for the latent normals of fluency, about which few pupils tell.

# %%
sloped = jm.JointModel(["english + ravens ~ sex + (1 + sex | school)", "fluent ~ sex + (1 | school)"], pupils)
fit_sloped = sloped.fit(draws=2 * DRAWS, random_seed=SEED, progressbar=False)
print(str(fit_sloped.diagnostics()).splitlines()[0])
fit_sloped.summary("sd_u").astype(float)[["mean", "sd", "eti95_lb", "eti95_ub"]].round(2)

# %% [markdown]
# How far the difference between girls and boys varies between schools is hardly known, and the imputations do not hang on it:

# %%
slopes = jm.compare({"intercepts": imputations, "slopes of sex": fit_sloped.impute(M, progressbar=False)}, ANALYSIS)
slopes.wide()

# %% [markdown]
# ## 7. Covariances that differ between schools
#
# With `covariance="random"`, jomo's `meth = "random"`, each school has a covariance matrix of its own, drawn from a distribution that all
# schools share. (`"cluster-specific"`, jomo's `"fixed"`, shares nothing and needs large schools.) Two scores will do to see what happens.

# %%
SCORES = "english + ravens ~ sex + (1 | school)"
varied = jm.JointModel(SCORES, pupils, covariance="random")
fit_varied = varied.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
print(str(fit_varied.diagnostics()).splitlines()[0])

# %% [markdown]
# Schools from the fewest English scores to the most. Orange dots are the standard deviations of what was observed; black dots and lines
# are those of the model, with 95 % intervals. They are drawn to what schools have in common, the more the fewer scores a school has.

# %%
spread = fit_varied.posterior["sd_e"].sel(response="english")
low, middle, high = spread.quantile([0.025, 0.5, 0.975], dim=("chain", "draw")).to_numpy()
english = pupils.groupby("school")["english"]
schools = pd.DataFrame({"scores": english.count(), "observed": english.std()}).join(
    pd.DataFrame({"model": middle, "low": low, "high": high}, index=spread["cluster"].to_numpy())
)
schools = schools.sort_values("scores", kind="stable")
figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
place = range(len(schools))
axes.vlines(place, schools["low"], schools["high"], color="0.6")
axes.plot(place, schools["model"], "o", color="black", markersize=4, label="model")
axes.plot(place, schools["observed"], "o", color="tab:orange", markersize=4, label="observed")
axes.set_xticks(place, schools["scores"].astype(str), fontsize=7)
axes.set(xlabel="English scores observed in the school", ylabel="standard deviation of English")
axes.legend(frameon=False, ncols=2)
plt.close(figure)
figure

# %% [markdown]
# Do the results of an analysis change? One with two scores only, since fluency was left out:

# %%
common = jm.JointModel(SCORES, pupils).fit(draws=DRAWS, random_seed=SEED, progressbar=False)
made = {"one covariance": common.impute(M, progressbar=False), "of each school": fit_varied.impute(M, progressbar=False)}
jm.compare(made, "english ~ ravens + sex + (1 | school)").wide()

# %% [markdown]
# The rest of the paper is about level-2 variables, as is [the notebook of the London examinations](exam_level2.py). Individual patient data
# of several studies, which it has in mind for random covariances, are in [another](impact.py).

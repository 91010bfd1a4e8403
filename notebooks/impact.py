# %% [markdown]
# # IMPACT: patients of fifteen studies, some of which did not record a variable
#
# Individual patient data: 11022 patients with traumatic brain injury in fifteen trials and observational studies, and who had died after
# six months (`mort`). Covariates are missing here and there, and, what is typical of such data, for whole studies. Which of them tell who
# dies? The data are those of the R package metamisc (Steyerberg et al. 2008, 2019); holes were made in them for the tutorial
# hanneoberman/multilevelmice.

# %%
import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # one patient in seven, fewer draws and imputations, for a quick run
SHARE, DRAWS, TUNE, M, SEED = (1 / 7, 250, 250, 5, 1) if SHORT else (1.0, 2000, 1000, 20, 1)
INCOMPLETE = ["pupil", "hypox", "hypots", "tsah"]
ANALYSIS = "mort ~ age + motor_score + pupil + hypox + hypots + tsah + (1 | name)"
warnings.simplefilter("ignore", jm.errors.JMImputeWarning)  # what diagnostics and fits have to say is printed

# %% [markdown]
# ## 1. The data
#
# Four incomplete covariates: how many pupils react to light (Both, One, None: an empty field is a missing value, None is not), lack of
# oxygen (`hypox`), low blood pressure (`hypots`), and blood between the membranes of the brain (`tsah`).
#
# In the file a study lacks a covariate for half of its patients at most. To see what systematically missing covariates do, we take the
# rest of such covariates away too: where more than two in five are missing in a study, all are.

# %%
columns = ["name", "mort", "age", "motor_score", *INCOMPLETE]
sampled = jm.datasets.fetch("impact_incomplete").groupby("name").sample(frac=SHARE, random_state=SEED).sort_index()
patients = sampled[columns].copy()
often = patients[INCOMPLETE].isna().groupby(patients["name"]).mean() > 0.4
for variable in INCOMPLETE:
    patients.loc[patients["name"].map(often[variable]), variable] = None
truth = jm.datasets.fetch("impact").loc[patients.index, columns]
print(jm.inspect(patients, cluster="name"))

# %% [markdown]
# A row is a study; crosses are covariates that it does not have at all. Complete cases would drop these studies whole.

# %%
jm.plots.pattern(patients, cluster="name", by="cluster")

# %% [markdown]
# ## 2. Two models
#
# All incomplete covariates are responses with random intercepts by study, whose covariances tell what a study without hypoxia has. The
# outcome of the analysis must be in the imputation model, as a covariate since it is complete. Pupils are ordered, the others binary.
#
# With one covariance matrix at level 1 the relations between, say, hypoxia and hypotension are the same in all studies. With
# `covariance="random"` each study has its own, drawn from a distribution that studies share: a study that lacks a covariate borrows
# from the others. Such matrices of latent normals are hard to learn, and their chains are slow.

# %%
FORMULA = "pupil + hypox + hypots + tsah ~ mort + age + motor_score + (1 | name)"
FAMILIES = {"pupil": jm.families.ordinal(["Both", "One", "None"]), "hypox": "binary", "hypots": "binary", "tsah": "binary"}
models = {
    "one covariance": jm.JointModel(FORMULA, patients, families=FAMILIES),
    "of each study": jm.JointModel(FORMULA, patients, families=FAMILIES, covariance="random"),
}
print(models["of each study"])

# %%
settings = {
    "draws": DRAWS,
    "tune": TUNE,
    "target_accept": 0.95,
    "keep_latents": 1000,
    "random_seed": SEED,
    "progressbar": False,
}
fits = {name: model.fit(**settings) for name, model in models.items()}
for name, fit in fits.items():
    print(f"{name}: {str(fit.diagnostics()).splitlines()[0]}\n")

# %% [markdown]
# How much the matrices of studies differ, the parameter `a`, is hard to learn from fifteen studies and from categories. Results of a model
# that has not converged are here to be looked at, not to be reported. Whether what is imputed has settled is another question, of means
# and shares of the completed data over the draws:

# %%
imputed = fits["of each study"].imputed_diagnostics(draws=1000, progressbar=False)
print(str(imputed).splitlines()[0])

# %% [markdown]
# ## 3. Studies
#
# Random effects of the studies on the latent scale, with intervals that hold 50 % and 95 % of the draws. Orange studies have no value of
# the variable; what is known of them comes from the others, and is little.

# %%
jm.plots.forest(fits["one covariance"], "u")

# %% [markdown]
# The correlation between the latent normals of hypoxia and hypotension, by study: posterior medians and 95 % intervals. Studies that lack
# one of the two (orange) have what studies have in common.

# %%
correlation = fits["of each study"].posterior["corr_e"].sel(response="hypox", response_="hypots")
low, middle, high = correlation.quantile([0.025, 0.5, 0.975], dim=("chain", "draw")).to_numpy()
studies = correlation["cluster"].to_numpy()
lacks = often.loc[studies, ["hypox", "hypots"]].any(axis=1).to_numpy()
overall = fits["one covariance"].posterior["corr_e"].sel(response="hypox", response_="hypots").mean().item()
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for place, lacking in enumerate(lacks):
    colour = "tab:orange" if lacking else "tab:blue"
    axes.hlines(place, low[place], high[place], color=colour)
    axes.plot(middle[place], place, "o", color=colour)
axes.axvline(overall, color="0.6", linestyle="--", linewidth=1)
axes.set_yticks(range(len(studies)), studies)
axes.set(xlabel="correlation of hypoxia and hypotension (dashed: one covariance for all)")
plt.close(figure)
figure

# %% [markdown]
# ## 4. Impute
#
# Shares of the studies: observed, or imputed where all are missing, beside the truth, the table before holes were made. Dots are means,
# lines hold 90 % of the imputations. Where a study did not record a variable, the model knows that studies differ, and not how this one
# does: the lines are long, and this is as it should be.

# %%
imputations = {name: fit.impute(M, progressbar=False) for name, fit in fits.items()}
figure, panels = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
for axes, variable in zip(panels, ["hypox", "hypots", "tsah"], strict=True):
    drawn = pd.DataFrame([table.groupby("name")[variable].mean() for table in imputations["one covariance"]]) * 100
    known = truth.groupby("name")[variable].mean() * 100
    for place, study in enumerate(studies):
        colour = "tab:orange" if often.loc[study, variable] else "tab:blue"
        axes.hlines(place, *np.quantile(drawn[study], [0.05, 0.95]), color=colour, linewidth=2)
        axes.plot(drawn[study].mean(), place, "o", color=colour, markersize=4)
        axes.plot(known[study], place, "x", color="black", markersize=6)
    axes.set(title=variable, xlabel="% of patients (x: truth)")
panels[0].set_yticks(range(len(studies)), studies)
plt.close(figure)
figure

# %% [markdown]
# ## 5. Analyse and pool
#
# A logistic model with a random intercept of the study. `complete data` is what it finds in the table without holes, `complete cases` in
# what is left of it without imputation.

# %%
comparison = jm.compare(imputations, ANALYSIS, truth=truth, family="binomial")
comparison.wide()

# %%
terms = ["age", "motor_score[5/6]", "pupil[One]", "pupil[None]", "hypox", "hypots", "tsah"]
jm.plots.comparison(comparison, [term for term in terms if term in comparison.terms])

# %% [markdown]
# The fraction of missing information (`fmi`) is higher for what studies did not record than for age and motor score, which are complete:
# their imputed values are little more than a guess at what such a study might have.

# %%
imputations["one covariance"].analyze(ANALYSIS, family="binomial").pool()

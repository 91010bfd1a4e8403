# %% [markdown]
# # Popularity of pupils: the whole workflow
#
# The data and the question of the tutorial by Oberman and Vink: how does the effect of a pupil's extraversion on popularity depend on
# the teacher's experience? 2000 pupils in 100 classes; popularity, extraversion, gender, the teacher's assessment and one value of
# experience are missing at random. The complete data are known, so that the last step can compare with the truth.

# %%
import os
import warnings

import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # fewer draws, imputations and groups, for a quick run
DRAWS, M, GROUPS, SEED = (100, 5, 2, 1) if SHORT else (2000, 50, 4, 1)
ANALYSIS = "popularity_ij ~ gender_ij + extraversion_ij * experience_j + (1 + extraversion_ij | cluster_id)"
warnings.simplefilter("ignore", jm.errors.JMImputeWarning)  # what diagnostics and fits have to say is printed

# %% [markdown]
# ## 1. Inspect

# %%
pupils = jm.datasets.fetch("popularity_mar")
inspection = jm.inspect(pupils, cluster="cluster_id")
print(inspection)

# %%
jm.plots.pattern(pupils, cluster="cluster_id")

# %% [markdown]
# Does it depend on other variables whether popularity is missing?

# %%
print(inspection.dependence("popularity_ij"))

# %%
jm.plots.flux(pupils)

# %% [markdown]
# ## 2. Suggest a model
#
# The teacher's assessment is not in the analysis, but it predicts popularity, and whether that is missing: an auxiliary variable. The
# interaction and the random slope are of an incomplete variable, which no joint model with one covariance matrix is congenial with.

# %%
suggestion = jm.suggest(ANALYSIS, pupils, auxiliary=["assessment_ij"])
print(suggestion)

# %% [markdown]
# ## 3. Impute
#
# Twice: by the suggested model, and, as its warning advises, by one model for each of several groups of teachers by experience, within
# which the effect of extraversion varies less, so that one covariance matrix will do. A class has one teacher, so that classes stay
# whole. Few classes say little about some variances: such chains are slow, and long ones are cheap. To set the results side by side, the
# rows are put in the order of the groups first.

# %%
experience = pupils.groupby("cluster_id")["experience_j"].transform("max")
group = pd.qcut(experience, GROUPS, labels=False)
pupils, group = pupils.loc[group.sort_values(kind="stable").index], group.sort_values(kind="stable")

suggested = jm.JointModel(data=pupils, **suggestion.arguments)
print(suggested)
fit = suggested.fit(draws=DRAWS, random_seed=SEED, progressbar=False)
print(str(fit.diagnostics()).splitlines()[0])

# %%
by_experience = []
for number, rows in pupils.groupby(group):
    model = jm.JointModel(data=rows, **{**suggestion.arguments, "covariance": "common"})
    by_experience.append(model.fit(draws=4 * DRAWS, target_accept=0.95, random_seed=SEED + number, progressbar=False))
    classes = rows["cluster_id"].nunique()
    print(f"group {number + 1}, {classes} classes: {str(by_experience[-1].diagnostics()).splitlines()[0]}")

# %% [markdown]
# ## 4. Look at the imputations

# %%
imputations = {
    "joint model": fit.impute(M, progressbar=False),
    "by experience": jm.concat([part.impute(M, progressbar=False) for part in by_experience], along="rows"),
}
jm.plots.density(imputations["by experience"])

# %%
jm.plots.clusters(imputations["by experience"], "extraversion_ij")

# %% [markdown]
# ## 5. Analyse, pool

# %%
pooled = {name: made.analyze(ANALYSIS).pool() for name, made in imputations.items()}
for name, result in pooled.items():
    print(f"{name}\n{result}\n")
print("Imputations for standard errors that would change by 5 % at most:", pooled["by experience"].required_m())

# %% [markdown]
# ## 6. Compare with the truth and with complete cases
#
# The truth is what the analysis finds in the complete data, whose rows must be in the same order.

# %%
complete = jm.datasets.fetch("popularity_complete").loc[pupils.index]
comparison = jm.compare(imputations, ANALYSIS, truth=complete)
comparison.wide()

# %%
jm.plots.comparison(comparison, ["gender_ij[girl]", "extraversion_ij", "experience_j", "extraversion_ij:experience_j"])

# %% [markdown]
# How far each is from the truth, in numbers:

# %%
estimates = comparison.wide("estimate")
estimates.drop(columns="complete data").sub(estimates["complete data"], axis=0).abs().round(4)

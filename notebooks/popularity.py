# %% [markdown]
# # Popularity of pupils: the whole workflow
#
# The data and the question of the tutorial by Oberman and Vink: how does the effect of a pupil's extraversion on popularity depend on
# the teacher's experience? 2000 pupils in 100 classes; popularity, extraversion, gender, the teacher's assessment and one value of
# experience are missing at random. The complete data are known, so that the last step can compare with the truth.
#
# Run with `.venv/bin/python notebooks/popularity.py DATA OUT`, where DATA holds `popularity_MAR.csv` and `popularity_complete.csv`.

# %%
import sys
from pathlib import Path

import pandas as pd

import jmimpute as jm

DATA = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
OUT = Path(sys.argv[2] if len(sys.argv) > 2 else "out/popularity")
OUT.mkdir(parents=True, exist_ok=True)
ANALYSIS = "popularity_ij ~ gender_ij + extraversion_ij * experience_j + (1 + extraversion_ij | cluster_id)"
M, SEED = 50, 1

# %% [markdown]
# ## 1. Inspect

# %%
pupils = pd.read_csv(DATA / "popularity_MAR.csv")
inspection = jm.inspect(pupils, cluster="cluster_id")
print(inspection)
print(inspection.dependence("popularity_ij"))
jm.plots.pattern(pupils, cluster="cluster_id").savefig(OUT / "pattern.png", dpi=100)
jm.plots.flux(pupils).savefig(OUT / "flux.png", dpi=100)

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
# Twice: by the suggested model, and, as its warning advises, by one model for each quarter of the teachers by experience, within
# which the effect of extraversion varies less, so that one covariance matrix will do. A class has one teacher, so that classes stay
# whole. Few classes say little about some variances: such chains are slow, and long ones are cheap.

# %%
suggested = jm.JointModel(data=pupils, **suggestion.arguments)
print(suggested)
fit = suggested.fit(draws=2000, random_seed=SEED, progressbar=False)
print(fit.diagnostics())

experience = pupils.groupby("cluster_id")["experience_j"].transform("max")
by_experience = []
for quarter in range(4):
    rows = pupils[pd.qcut(experience, 4, labels=False) == quarter]
    model = jm.JointModel(data=rows, **{**suggestion.arguments, "covariance": "common"})
    by_experience.append(model.fit(draws=8000, target_accept=0.95, random_seed=SEED + quarter, progressbar=False))
    print(by_experience[-1].diagnostics())

# %% [markdown]
# ## 4. Look at the imputations, analyse, pool

# %%
imputations = {
    "joint model": fit.impute(M, progressbar=False),
    "by experience": jm.concat([part.impute(M, progressbar=False) for part in by_experience], along="rows"),
}
analyses = {name: imputed.analyze(ANALYSIS) for name, imputed in imputations.items()}
pooled = {name: analysis.pool() for name, analysis in analyses.items()}
for name, result in pooled.items():
    print(f"\n{name}\n{result}")
print(pooled["by experience"].required_m())
jm.plots.density(imputations["by experience"]).savefig(OUT / "imputed.png", dpi=100)
jm.plots.clusters(imputations["by experience"], "extraversion_ij").savefig(OUT / "clusters.png", dpi=100)

# %% [markdown]
# ## 5. Compare with the truth and with complete cases

# %%
truth = jm.analyze([pd.read_csv(DATA / "popularity_complete.csv")], ANALYSIS).fits[0]
complete = pupils.dropna(subset=["popularity_ij", "gender_ij", "extraversion_ij", "experience_j"])
cases = jm.analyze([complete], ANALYSIS).fits[0]
table = pd.DataFrame({"truth": truth.values, "complete cases": cases.values}, index=pd.Index(truth.names, name="term"))
errors = pd.DataFrame({"truth": truth.std_errors, "complete cases": cases.std_errors}, index=table.index)
for name, result in pooled.items():
    table[name] = result.table["estimate"].to_numpy()
    errors[name] = result.table["std_error"].to_numpy()
comparison = table.join(errors.add_suffix(" (se)"))
comparison.to_csv(OUT / "comparison.csv")
print(comparison.round(4).to_string())
away = (table.drop(columns="truth").sub(table["truth"], axis=0)).abs()
print("\nDistance from the truth\n" + away.round(4).to_string())

# %%
methods = {name: result.table for name, result in pooled.items()}
half = 1.96 * cases.std_errors
methods["complete cases"] = pd.DataFrame(
    {"term": cases.names, "estimate": cases.values, "conf_low": cases.values - half, "conf_high": cases.values + half}
)
jm.plots.estimates(methods, truth=dict(zip(truth.names, truth.values, strict=True))).savefig(OUT / "estimates.png", dpi=100)

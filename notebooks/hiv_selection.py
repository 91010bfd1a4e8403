# %% [markdown]
# # HIV among men in Zambia: what refusals do to prevalence
#
# Of 6416 men in nine regions one in five refused the test. Whoever thinks to be positive may refuse, so that the prevalence among the
# tested is too low, if anything. A selection model estimates by how much, given something that acts on consent and not on the infection:
# an exclusion restriction. Here are two, interviewers and smoking, and what is left when neither is believed.
#
# Run with `.venv/bin/python notebooks/hiv_selection.py DATA OUT`, where DATA holds `hiv.csv`.

# %%
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import jmimpute as jm

DATA = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
OUT = Path(sys.argv[2] if len(sys.argv) > 2 else "out/hiv")
OUT.mkdir(parents=True, exist_ok=True)
OUTCOME = "hiv ~ age + I(age**2) + marital + condom + (1 | region)"
CONSENT = "~ age + I(age**2) + marital + condom + smoke + (1 | region)"
M, SEED = 50, 1

# %% [markdown]
# ## 1. Three models
#
# Under missing at random; with interviewers, who differ in how many consent and were assigned; and with smoking alone, as in some
# published examples. `check` judges what identifies rho before anything is sampled.

# %%
men = pd.read_csv(DATA / "hiv.csv")[["hiv", "age", "marital", "condom", "smoke", "region", "interviewerID", "hivconsent", "sw"]]
assigned = "interviewers are assigned, not chosen; smoking is unrelated to HIV given the other covariates"
clauses = {
    "missing at random": None,
    "interviewers": jm.selection(
        CONSENT + " + (1 | interviewerID)", ["smoke", "(1 | interviewerID)"], assigned, indicator="hivconsent"
    ),
    "smoking": jm.selection(CONSENT, "smoke", "smoking is unrelated to HIV given the other covariates", indicator="hivconsent"),
}
models = {
    name: jm.JointModel(OUTCOME, men, families={"hiv": "binary"}, missing=None if clause is None else {"hiv": clause})
    for name, clause in clauses.items()
}
for name in ("interviewers", "smoking"):
    print(name, models[name].check(), sep="\n", end="\n\n")

# %% [markdown]
# ## 2. Fit, and ask what the data tell of rho
#
# With smoking alone the sampler is content, and `identification` is not: rho reaches from one end to the other.

# %%
fits = {name: model.fit(draws=3000, target_accept=0.9, random_seed=SEED, progressbar=False) for name, model in models.items()}
for name, fit in fits.items():
    print(name, fit.diagnostics(), sep="\n", end="\n\n")
    if name != "missing at random":
        print(fit.identification(), end="\n\n")
        fit.plot_rho().savefig(OUT / f"rho_{name}.png", dpi=100)

# %% [markdown]
# ## 3. Prevalence
#
# Weighted by the weights of the survey. The answer hangs on what is excluded: this is why all of it belongs into a report.

# %%
prevalence = jm.mean("hiv", weights="sw")
imputations = {name: fit.impute(M, progressbar=False) for name, fit in fits.items()}
comparison = jm.compare(imputations, prevalence)
print(comparison)
comparison.table.to_csv(OUT / "prevalence.csv", index=False)
jm.plots.comparison(comparison).savefig(OUT / "prevalence.png", dpi=100)


def drawn_prevalence(made: jm.Imputations) -> tuple[float, float, float]:
    """Posterior mean and 95 % interval of the prevalence among these very men."""
    found = [np.average(table["hiv"], weights=table["sw"]) for table in made]
    return float(np.mean(found)), *map(float, np.quantile(found, [0.025, 0.975]))


rows = {name: drawn_prevalence(made) for name, made in imputations.items()}
summary = pd.DataFrame(rows, index=["prevalence", "low", "high"]).T
for name, fit in fits.items():
    if name != "missing at random":
        rho = fit.summary("rho_hiv").iloc[0]
        summary.loc[name, ["rho", "rho_low", "rho_high", "rho_ess", "rho_r_hat"]] = [
            float(rho[column]) for column in ("mean", "eti95_lb", "eti95_ub", "ess_bulk", "r_hat")
        ]
print(summary.round(3).to_string())
summary.to_csv(OUT / "summary.csv")

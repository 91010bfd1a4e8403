# %% [markdown]
# # HIV among men in Zambia: what refusals do to prevalence
#
# Of 6416 men in nine regions one in five refused the test. Whoever thinks to be positive may refuse, so that the prevalence among the
# tested is too low, if anything. A selection model estimates by how much, given something that acts on consent and not on the infection:
# an exclusion restriction. Here are two, interviewers and smoking, and what is left when neither is believed.
#
# The models take minutes. The short mode (environment variable `JMIMPUTE_SHORT=1`) takes one man in five, two chains and few draws: it shows the way,
# and neither its chains nor its numbers are to be trusted. The first output says which mode it was.

# %%
import os
import warnings

import numpy as np
import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"
DRAWS, TUNE, CHAINS, M, SEED = (100, 200, 2, 5, 1) if SHORT else (3000, 500, 4, 50, 1)
OUTCOME = "hiv ~ age + I(age**2) + marital + condom + (1 | region)"
CONSENT = "~ age + I(age**2) + marital + condom + smoke + (1 | region)"
warnings.simplefilter("ignore", jm.errors.JMImputeWarning)  # what diagnostics and fits have to say is printed

men = jm.datasets.fetch("hiv")
men = men[["hiv", "age", "marital", "condom", "smoke", "region", "interviewerID", "hivconsent", "sw"]]
if SHORT:
    men = men.iloc[::5].reset_index(drop=True)
print(f"{'Short' if SHORT else 'Full'} mode: {len(men)} men, {men['hiv'].isna().mean():.0%} without a test")

# %% [markdown]
# ## 1. Three models
#
# Under missing at random; with interviewers, who differ in how many consent and were assigned; and with smoking alone, as in some
# published examples. `check` judges what identifies rho before anything is sampled.

# %%
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
# A content sampler says nothing of whether the data say anything about rho: `identification` does.

# %%
settings = {"draws": DRAWS, "tune": TUNE, "chains": CHAINS, "target_accept": 0.9, "random_seed": SEED, "progressbar": False}
# By default what is binary and missing not at random is sampled by nutpie, which compiles its graph for half a minute.
samplers = {"smoking": "compiled"} if SHORT else {}
fits = {name: model.fit(**settings, sampler=samplers.get(name, "auto")) for name, model in models.items()}
for name, fit in fits.items():
    print(f"{name}: {str(fit.diagnostics()).splitlines()[0]}\n")
    if name != "missing at random":
        print(fit.identification(), end="\n\n")

# %% [markdown]
# Rho with interviewers as restriction:

# %%
fits["interviewers"].plot_rho()

# %% [markdown]
# And with smoking alone:

# %%
fits["smoking"].plot_rho()

# %% [markdown]
# ## 3. Prevalence
#
# Weighted by the weights of the survey. The answer hangs on what is excluded: this is why all of it belongs into a report.

# %%
prevalence = jm.mean("hiv", weights="sw")
imputations = {name: fit.impute(M, progressbar=False) for name, fit in fits.items()}
comparison = jm.compare(imputations, prevalence)
comparison.wide()

# %%
jm.plots.comparison(comparison)

# %% [markdown]
# Pooled standard errors hold the chance of the sample. Among these very men only the refusals are unknown: posterior means and 95 %
# intervals of their prevalence, and of rho.


# %%
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
summary.round(3)

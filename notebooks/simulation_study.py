# %% [markdown]
# # A simulation study: two covariates that whole clusters lack
#
# Resche-Rigon and White ([2018](https://doi.org/10.1177/0962280216666564)) simulated studies with an outcome and two covariates: some
# studies never measured one of them, and in the others values are missing here and there. This notebook repeats their base case, with
# `jm.study`: tables with known truth, many replications, and a table of how methods performed, with Monte Carlo errors. Such a study
# takes hours, and computers get switched off; so it is also shown how one goes on.
#
# Few replications make large Monte Carlo errors: look at the brackets before you look at the dots. The study at full length is
# `benchmarks/resche_rigon.py`.

# %%
import os
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

import jmimpute as jm

SHORT = os.environ.get("JMIMPUTE_SHORT") == "1"  # fewer replications, draws and settings, for a quick run
N, CORES, SEED = (2, 1, 1) if SHORT else (50, -1, 1)
DRAWS, M, SWEEPS = (200, 3, 2) if SHORT else (500, 5, 10)

# %% [markdown]
# ## 1. Tables with known truth
#
# Twenty clusters of a hundred rows, an outcome `y` with random slopes of both covariates, and each covariate missing in a fifth of the
# clusters altogether and in three of ten rows of the others, completely at random. A generator of numpy decides everything.

# %%
simulated = jm.study.resche_rigon(np.random.default_rng(SEED))
jm.plots.pattern(simulated.data, cluster="cluster", by="cluster")

# %% [markdown]
# What the analysis aims at is known:

# %%
ANALYSIS = "y ~ x1 + x2 + (1 + x1 + x2 | cluster)"
simulated.truth.to_frame("truth").transpose()

# %% [markdown]
# ## 2. One replication
#
# Three methods of imputation: the joint model of all three variables, whose covariance matrix differs between clusters by a distribution
# of such matrices, since slopes do; and chained equations with two-stage and one-stage imputation, with random slopes of everything.
# `jm.compare` analyses and pools them, and adds complete cases and the table before values were taken away. What the methods warn of on
# the way is not printed, one replication after the other, but counted.

# %%
SLOPES = {"x1": "~ x2 + y + (1 + x2 + y | cluster)", "x2": "~ x1 + y + (1 + x1 + y | cluster)"}


def joint(data, seed):
    """The joint model with covariance matrices that differ between clusters."""
    model = jm.JointModel("x1 + x2 + y ~ 1 + (1 | cluster)", data, covariance="random")
    return model.fit(draws=DRAWS, tune=DRAWS, chains=2, cores=1, random_seed=seed, progressbar=False).impute(
        M, progressbar=False
    )


def chained(data, seed, method):
    """Chained equations with random slopes of all predictors."""
    methods = dict.fromkeys(SLOPES, method)
    return jm.chained(data, methods, SLOPES, cluster="cluster", m=M, iterations=SWEEPS, random_seed=seed, progressbar=False)


METHODS = {
    "joint model": joint,
    "two-stage": partial(chained, method=jm.methods.TwoStage(estimator="moments")),
    "one-stage": partial(chained, method="one-stage"),
}


def replication(seed, systematic):
    """Simulate a table, impute it by every method, and give a row a method and term."""
    of_table, of_methods = seed.spawn(2)
    simulated = jm.study.resche_rigon(np.random.default_rng(of_table), systematic=systematic)
    number = int(of_methods.generate_state(1)[0])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sources = {name: impute(simulated.data, number) for name, impute in METHODS.items()}
        table = jm.compare(sources, ANALYSIS, truth=simulated.complete).table
    seconds = [
        {"method": name, "term": "CPU seconds", "estimate": source.provenance["seconds"]["cpu"]}
        for name, source in sources.items()
    ]
    return pd.concat([table, pd.DataFrame([*seconds, {"method": "all", "term": "warnings", "estimate": float(len(told))}])])


# %% [markdown]
# ## 3. Half of the study, then all of it
#
# `replicate` keeps every replication in a file of its own as soon as it is finished. Replication k draws its random numbers from the k-th
# child of the seed, however many there are and on however many cores. So a study that was killed is simply called again: what is there
# is not run anew, and the result is that of a study which was never stopped. Here it is stopped halfway on purpose.

# %%
folder = Path(tempfile.mkdtemp())
BASE = 0.2  # probability that a cluster lacks a covariate


def study(systematic, n):
    """Replications 1 to n of a setting: those that are not there yet are run."""
    run, settings = partial(replication, systematic=systematic), {"systematic": systematic, "methods": list(METHODS)}
    where = folder / f"systematic-{systematic}"
    return jm.study.replicate(run, n, SEED, where, settings=settings, cores=CORES, progressbar=False)


half = study(BASE, N // 2)
print(f"{len(list(half.folder.glob('replicate-*')))} of {N} replications are on disk.")

# %%
written = {path.name: path.stat().st_mtime_ns for path in half.folder.glob("replicate-*")}
start = time.perf_counter()
base = study(BASE, N)
print(f"{N - len(written)} replications were run in {time.perf_counter() - start:.0f} s.")
untouched = all((base.folder / name).stat().st_mtime_ns == when for name, when in written.items())
print(f"Files of the first half are {'as they were' if untouched else 'changed'}; {len(base.failures)} replications failed.")

# %% [markdown]
# ## 4. How the methods performed
#
# Bias, the spread of estimates over replications (empirical standard error), what the methods believe it is (model standard error), and
# the coverage of 95 % intervals; Monte Carlo errors in brackets.

# %%
truth = simulated.truth
performance = jm.study.performance(base.results[base.results["method"] != "all"], truth)


def in_brackets(rows):
    """A measure with its Monte Carlo error."""
    return rows["value"].map("{:.3f}".format) + " (" + rows["mc_error"].map("{:.3f}".format) + ")"


shown = performance[performance["term"].isin(["x1", "x2"])].assign(shown=in_brackets)
shown.pivot(index=["term", "method"], columns="measure", values="shown")[["bias", "empirical_se", "model_se", "coverage"]]

# %%
jm.plots.lollipop(performance, ["bias", "coverage"], ["x1", "x2"])

# %% [markdown]
# Standard deviations of the random slopes, and what the methods cost:

# %%
others = performance[
    performance["term"].isin(["sd(x1|cluster)", "sd(x2|cluster)", "CPU seconds"]) & (performance["measure"] == "mean")
]
others.assign(shown=in_brackets).pivot(index="method", columns="term", values="shown").fillna("")

# %%
counts = base.results.query("method == 'all'")["estimate"]
print(f"Warnings in a replication: {counts.mean():.1f} on average, at most {counts.max():.0f}.")

# %% [markdown]
# ## 5. Every interval
#
# The zip plot draws the interval of each replication, those farthest from the truth on top; orange ones miss it. Where coverage is right, the
# orange part begins at the dotted line; the grey band is its Monte Carlo error.

# %%
imputing = base.results[base.results["method"].isin(["complete cases", *METHODS])]
jm.plots.zip_plot(imputing, truth, "x1")

# %% [markdown]
# ## 6. Over settings
#
# The same with other shares of clusters that lack a covariate, each in a folder of its own. The nested-loop plot draws one measure over
# all settings; the steps below say which.

# %%
shares = [BASE, 0.4] if SHORT else [0.0, BASE, 0.4]
studies = {share: base if share == BASE else study(share, N) for share in shares}
results = pd.concat([each.results.assign(systematic=share) for share, each in studies.items()], ignore_index=True)
over_settings = jm.study.performance(
    results[results["method"].isin(["complete cases", *METHODS])], truth, by=["systematic", "method"]
)
jm.plots.nested_loop(over_settings, "x1", "empirical_se")

# %% [markdown]
# Values are missing completely at random, so that complete cases are not biased, but wasteful: rows, and whole clusters, that lack one
# covariate are lost, the more so the more clusters lack one. Imputation gives these rows back; whether its intervals are right is what
# coverage is for. With as few replications as here, only large differences between methods can be seen: a coverage of 95 % over 50
# replications has a Monte Carlo error of 3 percentage points.

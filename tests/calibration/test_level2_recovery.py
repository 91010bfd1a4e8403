"""Level-2 responses of all kinds, missing at random given a cluster's mean at level 1: the truth is found again.

Level-2 latents depend on the random intercept of the rows' response, of which six rows a cluster tell something, and clusters
with a high mean lack their level-2 values more often, so that complete clusters are a biased choice of all. Priors pull
correlations to 0 by about a tenth of their size where clusters are few, which is less than the limits allow.
"""

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

import jmimpute as jm
from jmimpute import names

LEVEL_2 = ("b", "n", "o")
FAMILIES = {"b": "binary", "n": "nominal", "o": "ordinal"}
ROWS = 6
SD_Y, SD_U = 1.0, 0.8
CUTS = np.array([0.8, 1.7])
# Of the random intercept, b, n.1, n.2 and o.
CORRELATION = np.array(
    [
        [1.0, 0.5, 0.4, -0.2, 0.6],
        [0.5, 1.0, 0.3, 0.0, 0.3],
        [0.4, 0.3, 1.0, 0.5, 0.2],
        [-0.2, 0.0, 0.5, 1.0, -0.1],
        [0.6, 0.3, 0.2, -0.1, 1.0],
    ]
)
BETA2 = np.array([[0.3, 0.2, -0.1, 0.8], [0.5, -0.4, 0.3, 0.4]])  # intercepts and slopes of X
N_SETS, CLUSTERS, CLUSTERS_OF_SETS = 20, 300, 150
ALLOWED = 4.0  # posterior standard deviations: with 20 quantities a false alarm in about 800 data sets
LIMIT = t.isf(norm.sf(ALLOWED), N_SETS - 1)  # of z over data sets: with 29 quantities a false alarm in about 500 runs
FEWEST = 150  # effective draws of a cut point, of 2000; cut points drawn between latents have some 40


def simulate(n_clusters, rng):
    """Complete table, and the same with clusters missing at random."""
    g = np.repeat(np.arange(n_clusters), ROWS)
    effects = rng.standard_normal((n_clusters, 5)) @ np.linalg.cholesky(CORRELATION).T
    y = 1.0 + SD_U * effects[g, 0] + SD_Y * rng.standard_normal(len(g))
    x = rng.standard_normal(n_clusters)
    w = np.column_stack([np.ones(n_clusters), x]) @ BETA2 + effects[:, 1:]
    nominal = np.where(w[:, 1:3].max(axis=1) > 0, w[:, 1:3].argmax(axis=1), 2)
    by_cluster = {"b": w[:, 0] > 0, "n": nominal, "o": np.searchsorted([0.0, *CUTS], w[:, 3])}
    complete = pd.DataFrame({"g": g, "y": y, "X": x[g]} | {name: 1.0 * values[g] for name, values in by_cluster.items()})
    mean = complete.groupby("g")["y"].transform("mean") - 1.0
    chance = 1.0 / (1.0 + np.exp(1.4 - 1.2 * mean))  # 25 % or so
    holed = complete.copy()
    for name in LEVEL_2:
        gone = (rng.random(n_clusters)[g] < chance).to_numpy()
        holed[name] = complete[name].where(~gone)
    return complete, holed


def fitted(holed, draws, seed):
    """A fit, of which 60 draws can be imputed from."""
    model = jm.JointModel("y ~ 1 + (1 | g)", holed, level2="b + n + o ~ X", families=FAMILIES)
    return model.fit(draws, 500, 2, random_seed=seed, keep_latents=60, cores=1, progressbar=False, thin=2)


def parameters(posterior):
    """Mean and standard deviation of the draws of each, and the truth, by label."""
    found = {}
    for k, label in enumerate(("b", "n.1", "n.2", "o")):
        for c, covariate in enumerate((names.INTERCEPT, "X")):
            draws = posterior[names.BETA_LEVEL2].sel({names.RESPONSE_LEVEL2: label, names.COVARIATE_LEVEL2: covariate})
            found[f"beta {label} {covariate}"] = (draws, BETA2[c, k])
    for a in range(5):
        for b in range(a):
            if (a, b) != (3, 2):
                draws = posterior[names.CORR_U].isel({names.EFFECT: a, names.EFFECT_: b})
                found[f"correlation {a} {b}"] = (draws, CORRELATION[a, b])
    for k, cut in enumerate(CUTS):
        found[f"cut {k}"] = (posterior[names.cutpoints_label("o")][..., k], cut)
    found["sd of intercepts"] = (posterior[names.SD_U].isel({names.EFFECT: 0}), SD_U)
    rows = {label: (float(draws.mean()), float(draws.std()), truth) for label, (draws, truth) in found.items()}
    return pd.DataFrame(rows, index=["mean", "sd", "truth"]).T


def shares(fit, complete, holed):
    """Share of each category among imputed clusters over imputations, less that in the complete table; by label."""
    first = ~complete.duplicated("g")
    imputations = fit.impute(60, progressbar=False)
    tables = [imputations.complete(k)[first.to_numpy()] for k in range(1, 61)]
    found = {}
    for name in LEVEL_2:
        gone = holed[name][first].isna().to_numpy()
        actual = complete[name][first][gone]
        for level in np.unique(complete[name]):
            imputed = np.mean([np.mean(table[name].to_numpy()[gone] == level) for table in tables])
            found[f"{name} {level:g}"] = imputed - np.mean(actual == level)
    return found


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_truth_is_found_among_many_clusters():
    complete, holed = simulate(CLUSTERS, np.random.default_rng(41))
    posterior = fitted(holed, 1000, 1).posterior
    table = parameters(posterior)
    z = (table["mean"] - table["truth"]) / table["sd"]
    print(table.assign(z=z).round(3).to_string())
    assert z.abs().max() < ALLOWED
    cuts = posterior[names.cutpoints_label("o")].to_numpy()
    sizes = [float(az.ess(cuts[..., k])) for k in range(len(CUTS))]
    assert min(sizes) > FEWEST, sizes


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_parameters_and_imputed_categories_are_unbiased():
    rng = np.random.default_rng(42)
    errors, differences, alone = [], [], []
    for seed in range(N_SETS):
        complete, holed = simulate(CLUSTERS_OF_SETS, rng)
        fit = fitted(holed, 400, seed)
        table = parameters(fit.posterior)
        errors.append(table["mean"] - table["truth"])
        differences.append(shares(fit, complete, holed))
        first = ~complete.duplicated("g")
        alone.append(
            np.mean(holed["o"][first] == 3.0) / np.mean(holed["o"][first].notna()) - np.mean(complete["o"][first] == 3.0)
        )
    for frame in (pd.DataFrame(errors), pd.DataFrame(differences)):
        z = frame.mean() / (frame.std() / np.sqrt(N_SETS))
        print(pd.DataFrame({"bias": frame.mean(), "z": z}).round(3).to_string())
        assert z.abs().max() < LIMIT
    assert np.mean(alone) / (np.std(alone, ddof=1) / np.sqrt(N_SETS)) < -ALLOWED  # complete clusters alone are biased

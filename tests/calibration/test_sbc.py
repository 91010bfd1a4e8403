"""Simulation-based calibration: data drawn from the model, parameters and missing cells ranked among their posterior draws.

Talts, Betancourt, Simpson, Vehtari and Gelman (2018). Priors must not depend on the data, so the internal scale is the
data's own. Ranks of 220 data sets are compared with the uniform distribution by chi-square tests on 10 bins; with some 20
quantities a model, the limit of p = 1e-5 gives a false alarm in 5 000 runs.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import invwishart

import jmimpute as jm
from jmimpute.imputation.impute import impute, missing_rows
from jmimpute.imputation.schedule import schedule
from jmimpute.sampling import chains, laplace, target
from jmimpute.sampling.elements import elements
from jmimpute.sampling.posterior import to_posterior
from tests.calibration.ranks import N_RANKED, assert_uniform
from tests.problems import statistics, unscaled

N_SETS = 220
SETTINGS = chains.Settings(draws=330, tune=250, chains=3, progressbar=False, target_accept=0.9)
CLUSTERS, ROWS = 7, 42
MODELS = {
    "intercepts, LKJ": (
        "y1 + y2 ~ x + (1 | g)",
        jm.priors.resolve(
            {"beta": jm.priors.normal(1.0), "Omega_e": jm.priors.lkj(2.0, 1.0), "Omega_u": jm.priors.lkj(2.0, 0.7)}
        ),
    ),
    "slopes and own covariates, inverse-Wishart": (
        ["y1 ~ x + (1 + x | g)", "y2 ~ 1 + (1 | g)"],
        jm.priors.resolve(
            {
                "beta": jm.priors.normal(1.0),
                "Omega_e": jm.priors.inverse_wishart(7.0, 4.0),
                "Omega_u": jm.priors.inverse_wishart(9.0, 3.0),
            }
        ),
    ),
}


def draw_covariance(prior, dim, rng):
    if isinstance(prior, jm.priors.InverseWishart):
        return np.atleast_2d(invwishart.rvs(prior.degrees(dim), prior.scale_matrix(dim), random_state=rng))
    sd = np.abs(prior.sd * rng.standard_normal(dim))
    rho = 2 * rng.beta(prior.eta, prior.eta) - 1  # LKJ in two dimensions
    return np.outer(sd, sd) * np.array([[1.0, rho], [rho, 1.0]])


def simulate(formulas, priors, rng):
    """A table with missing cells, its complete responses and the parameters that made it."""
    g = np.repeat(np.arange(CLUSTERS), ROWS // CLUSTERS)
    x = rng.normal(size=ROWS)
    skeleton = pd.DataFrame({"g": g, "x": x, "y1": rng.normal(size=ROWS), "y2": rng.normal(size=ROWS)})
    layout = jm.JointModel(formulas, skeleton).specification.layout
    beta = np.where(layout.beta_mask, priors.beta.sd * rng.standard_normal(layout.beta_mask.shape), 0.0)
    omega_e, omega_u = draw_covariance(priors.Omega_e, 2, rng), draw_covariance(priors.Omega_u, layout.n_effects, rng)
    u = rng.multivariate_normal(np.zeros(layout.n_effects), omega_u, size=CLUSTERS)
    design = np.column_stack([np.ones(ROWS), x])
    y = design @ beta + rng.multivariate_normal(np.zeros(2), omega_e, size=ROWS)
    for e in range(layout.n_effects):
        y[:, layout.effect_response[e]] += design[:, layout.effect_column[e]] * u[g, e]
    absent = np.random.default_rng(0).random(y.shape) < 0.25
    absent[g == 2, 1] = True  # systematically missing
    absent[5] = True
    table = skeleton.assign(**{f"y{a + 1}": np.where(absent[:, a], np.nan, y[:, a]) for a in range(2)})
    truth = {"beta": beta.T, "Omega_e": omega_e, "Omega_u": omega_u}
    return SimpleNamespace(table=table, y=y, absent=absent, truth=truth)


def ranks(formulas, priors, rng):
    """Rank of every parameter and of some missing cells (and their means) among their draws."""
    data = simulate(formulas, priors, rng)
    specification = replace(unscaled(jm.JointModel(formulas, data.table).specification), priors=priors)
    stats = statistics(specification)
    goal = target.build(specification, stats)
    drawn = chains.draw(goal, laplace.whiten(goal), SETTINGS, np.random.SeedSequence(int(rng.integers(2**32))).spawn(3))
    posterior = to_posterior([chain.draws for chain, _ in drawn], goal, specification)
    found = {}
    truth = posterior.isel(chain=[0], draw=[0]).copy(deep=True)
    for name, value in data.truth.items():
        truth[name].values[:] = value
    known = dict(elements(truth, tuple(data.truth)))
    thin = SETTINGS.draws * SETTINGS.chains // N_RANKED
    for label, draws in elements(posterior, tuple(data.truth)):
        found[label] = int(np.sum(draws.ravel()[::thin][:N_RANKED] < known[label].item()))
    pairs = schedule(N_RANKED, SETTINGS.chains, SETTINGS.draws)
    cells = impute(posterior, specification, stats, pairs, np.random.SeedSequence(int(rng.integers(2**32))).spawn(N_RANKED))
    for name, rows in missing_rows(specification).items():
        actual = data.y[rows, int(name[1]) - 1]
        picks = {"first": 0, "last": len(rows) - 1, "no response": int(np.flatnonzero(rows == 5)[0])}
        if name == "y2":
            picks["systematic"] = int(np.flatnonzero(data.table["g"].to_numpy()[rows] == 2)[1])
        for pick, k in picks.items():
            found[f"{name} {pick}"] = int(np.sum(cells[name][:, k] < actual[k]))
        found[f"{name} mean"] = int(np.sum(cells[name].mean(axis=1) < actual.mean()))
        found[f"{name} spread"] = int(np.sum(cells[name].std(axis=1) < actual.std()))
    return found


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.parametrize("name", list(MODELS))
def test_ranks_are_uniform(name):
    formulas, priors = MODELS[name]
    rng = np.random.default_rng(20)
    assert_uniform(pd.DataFrame([ranks(formulas, priors, rng) for _ in range(N_SETS)]))

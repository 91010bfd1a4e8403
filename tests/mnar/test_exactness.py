"""One posterior serves every delta: pattern-mixture models in closed form, and refits with other seeds."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning

pytestmark = pytest.mark.sampling

M = 400
DELTAS = (-2.0, 0.5, 3.0)
# Six z-scores: a false alarm in 10 000 runs.
LIMIT = norm.isf(0.5e-4 / 6)


def trial(seed=1, n=150):
    """An outcome that a third lack, and complete covariates."""
    rng = np.random.default_rng(seed)
    arm, base = rng.integers(0, 2, n), rng.normal(size=n)
    y = 1 + 0.5 * arm + base + rng.normal(size=n)
    return pd.DataFrame({"y": np.where(rng.random(n) < 0.33, np.nan, y), "arm": arm, "base": base})


def imputed(data, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = jm.JointModel("y ~ arm + base", data, priors=jm.priors.jomo())
        return model.fit(1000, 500, 4, random_seed=seed, progressbar=False).impute(M, progressbar=False)


def closed_form(data, delta):
    """Mean and variance of the OLS estimates of completed data under a pattern-mixture model.

    Among those observed y ~ N(x'b, s2), p(b) flat, s2 ~ inverse Wishart (1, 1), which is inverse gamma (1/2, 1/2); y of those
    missing is delta higher. Given s2, missing values have covariance s2 (I + X (Xo'Xo)^-1 X') about X b + delta.
    """
    x = np.column_stack([np.ones(len(data)), data["arm"], data["base"]])
    absent = data["y"].isna().to_numpy()
    seen, y = x[~absent], data["y"].to_numpy()[~absent]
    inverse = np.linalg.inv(seen.T @ seen)
    b = inverse @ seen.T @ y
    shape, rate = (1 + len(y) - 3) / 2, (1 + np.sum((y - seen @ b) ** 2)) / 2
    completed = np.zeros(len(data))
    completed[~absent], completed[absent] = y, x[absent] @ b + delta
    gain = np.linalg.solve(x.T @ x, x.T)
    spread = np.eye(absent.sum()) + x[absent] @ inverse @ x[absent].T
    return gain @ completed, np.diag(gain[:, absent] @ spread @ gain[:, absent].T) * rate / (shape - 1)


@pytest.fixture(scope="module")
def one_posterior():
    return imputed(trial(), seed=1)


@pytest.fixture(scope="module")
def grid(one_posterior):
    return jm.sensitivity(one_posterior, "y", jm.shift(DELTAS), "y ~ arm + base", progressbar=False)


@pytest.mark.parametrize("delta", DELTAS)
def test_the_grid_is_that_of_pattern_mixture_models_in_closed_form(grid, delta):
    mean, between = closed_form(trial(), delta)
    estimates = grid.fits[DELTAS.index(delta)].estimates
    z = (estimates.mean(axis=0) - mean) / np.sqrt(between / M)
    assert np.abs(z).max() < LIMIT
    z = (estimates.var(axis=0, ddof=1) / between - 1) / np.sqrt(2 / (M - 1))
    assert np.abs(z).max() < LIMIT


@pytest.mark.parametrize(("seed", "delta"), [(11, DELTAS[0]), (12, DELTAS[2])])
def test_the_grid_agrees_with_a_model_fitted_anew(grid, seed, delta):
    anew = imputed(trial(), seed).delta("y", jm.shift(delta)).analyze("y ~ arm + base")
    other, own = np.array([fit.values for fit in anew.fits]), grid.fits[DELTAS.index(delta)].estimates
    assert not np.array_equal(other, own)
    z = (own.mean(axis=0) - other.mean(axis=0)) / np.sqrt((own.var(axis=0) + other.var(axis=0)) / M)
    assert np.abs(z).max() < LIMIT


def test_a_prior_on_delta_is_part_of_the_variance_between_imputations(one_posterior):
    """Closed form again: B grows by the squared derivative of each estimate times the variance of delta."""
    sd = 2.0
    mean, between = closed_form(trial(), -1.0)
    slope = closed_form(trial(), 1.0)[0] - closed_form(trial(), 0.0)[0]
    fits = one_posterior.delta("y", jm.shift(-1, prior_sd=sd), random_seed=7).analyze("y ~ arm + base").fits
    estimates, total = np.array([fit.values for fit in fits]), between + (slope * sd) ** 2
    assert (total > 1.5 * between).any()
    assert np.abs((estimates.mean(axis=0) - mean) / np.sqrt(total / M)).max() < LIMIT
    assert np.abs((estimates.var(axis=0, ddof=1) / total - 1) / np.sqrt(2 / (M - 1))).max() < LIMIT

"""Weights on draws give the posterior under another prior, and are refused where there are no draws."""

import numpy as np
import pytest
from scipy import stats

import jmimpute as jm
from jmimpute.errors import PriorError, SamplingError, TableError
from jmimpute.sampling.reweighting import smoothed
from tests.sampling.test_identification import SHAPE, identified

MEAN, SD = 0.3, 0.15


def normal_posterior(prior=None):
    """A normal posterior of rho under a uniform prior, and an intercept that moves along with it."""
    rho = stats.truncnorm.ppf(np.random.default_rng(1).random(SHAPE), (-1 - MEAN) / SD, (1 - MEAN) / SD, MEAN, SD)
    return identified(rho, prior, ridge=-50.0)


def exact(prior):
    """Moments of the normal posterior times a new prior, on a grid."""
    grid = np.linspace(-0.999, 0.999, 4001)
    density = stats.norm.pdf(grid, MEAN, SD) * np.exp(prior(grid))
    density /= density.sum()
    mean = density @ grid
    cumulative = density.cumsum()
    return mean, np.sqrt(density @ (grid - mean) ** 2), *np.interp([0.025, 0.975], cumulative, grid)


PRIORS = {
    "normal": (jm.priors.truncated_normal(0.0, 0.3), lambda rho: stats.norm.logpdf(rho, 0.0, 0.3)),
    "fisher": (jm.priors.fisher_z(0.3), lambda rho: stats.norm.logpdf(np.arctanh(rho), 0, 0.3) - np.log(1 - rho**2)),
    "one-sided": (jm.priors.uniform(0.25, 1), lambda rho: np.where(rho < 0.25, -np.inf, 0.0)),
}


@pytest.mark.parametrize(("prior", "log_density"), PRIORS.values(), ids=PRIORS)
def test_moments_are_those_of_the_product(prior, log_density):
    """4000 draws; with half of them left in effect the errors of the mean are 0.003, of the ends of the interval 0.01."""
    found = normal_posterior().reweighted({"y": prior}, "beta[y, Intercept]")
    mean, sd, low, high = exact(log_density)
    row = found.table.loc["rho_y"]
    np.testing.assert_allclose(row[["mean", "sd"]], [mean, sd], atol=0.01)
    np.testing.assert_allclose(row[["low", "high"]], [low, high], atol=0.03)
    assert row["mean_before"] == pytest.approx(MEAN, abs=0.01)
    assert found.k_hat < 0.7 and 400 < found.ess < 4000
    # the intercept is -50 rho and a standard normal
    intercept = found.table.loc["beta[y, Intercept]"]
    assert intercept["mean"] == pytest.approx(-50 * row["mean"], abs=0.1)
    assert intercept["sd"] == pytest.approx(np.hypot(50 * row["sd"], 1), rel=0.02)
    assert f"rho_y ~ {prior}" in str(found)


def test_the_old_prior_is_divided_out():
    """Under the prior of the fit itself nothing changes, whatever it is."""
    prior = jm.priors.truncated_normal(0.1, 0.3)
    found = normal_posterior(prior).reweighted({"y": prior})
    assert found.table.loc["rho_y", "mean"] == pytest.approx(found.table.loc["rho_y", "mean_before"])
    assert found.k_hat == 0 and found.ess > 3000
    back = normal_posterior(prior).reweighted({"y": jm.priors.truncated_normal(0.1, 0.2)})
    assert back.table.loc["rho_y", "mean"] < found.table.loc["rho_y", "mean"] - 0.01


@pytest.mark.parametrize(
    "prior",
    [jm.priors.truncated_normal(-0.7, 0.1), jm.priors.uniform(-1, 0), jm.priors.uniform(-1, -0.9)],
    ids=str,
)
def test_what_is_too_far_is_refused(prior):
    with pytest.raises(SamplingError, match=r"too far from that of this fit to weight.*Fit the model again with this prior"):
        normal_posterior().reweighted({"y": prior})


def test_a_wider_prior_is_refused():
    with pytest.raises(PriorError, match=r"uniform\(-1, 1\) reaches beyond the prior of this fit, uniform\(0, 1\)"):
        normal_posterior(jm.priors.uniform(0, 1)).reweighted({"y": jm.priors.uniform()})


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"w": jm.priors.uniform()}, "rho of 'w' was not estimated in this fit. Choose among 'y'"),
        ({"y": 0.5}, "0.5 is not a prior of rho"),
        ({"y": jm.priors.by_cluster()}, "also about the spread between clusters"),
        ({}, "Give priors by variable"),
        (jm.priors.uniform(), "Give priors by variable"),
    ],
)
def test_priors_of_something_else(priors, message):
    with pytest.raises(PriorError, match=message):
        normal_posterior().reweighted(priors)


def test_rho_that_is_held_has_no_weights():
    with pytest.raises(PriorError, match="was not estimated in this fit. Choose among none"):
        identified(np.full(SHAPE, 0.5), 0.5).reweighted({"y": jm.priors.uniform()})


def test_unknown_parameters():
    with pytest.raises(TableError, match=r"no variable or parameter 'alpha'\. Choose among 'beta', 'sd_e' or 'rho_y'"):
        normal_posterior().reweighted({"y": jm.priors.fisher_z()}, ["beta", "alpha"])


def test_fewer_independent_draws_count_for_less():
    rho = normal_posterior().posterior["rho_y"].to_numpy()
    repeated = identified(np.repeat(rho[:, ::4], 4, axis=1))
    prior = {"y": jm.priors.fisher_z(0.7)}
    assert repeated.reweighted(prior).ess < 0.5 * normal_posterior().reweighted(prior).ess


def test_smoothing_keeps_what_is_large_large():
    """Log weights, not their negatives: psislw takes log likelihoods."""
    log_weights = np.random.default_rng(1).normal(size=2000)
    weights, k_hat = smoothed(log_weights, 1.0)
    assert np.corrcoef(weights, np.exp(log_weights))[0, 1] > 0.95 and k_hat < 0.7
    heavy, k_hat = smoothed(-2 * np.log(np.random.default_rng(1).random(2000)), 1.0)  # Pareto with shape 2
    assert k_hat > 1.3 and heavy.sum() == pytest.approx(1)
    nothing, k_hat = smoothed(np.full(2000, -np.inf), 1.0)
    assert not nothing.any() and k_hat == np.inf

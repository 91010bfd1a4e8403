"""One-stage imputation against nlme, its own asymptotic distribution, and at the boundary."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from jmimpute.chained import one_stage
from jmimpute.chained.mixed_model import make_design
from jmimpute.chained.one_stage import OneStage, estimate_parameters
from jmimpute.chained.unbounded import to_unbounded
from jmimpute.errors import ChainedWarning
from tests.chained.mixed_targets import REFERENCE, make_target, reference_target, simulated


def estimated(target):
    return estimate_parameters(target, make_design(target))


def distances(draws, mean, covariance):
    """Squared Mahalanobis distances: chi-square if the draws are normal with these moments."""
    away = draws - mean
    return np.einsum("na,ab,nb->n", away, np.linalg.inv(covariance), away)


def test_equals_nlme():
    """The covariance of the components is by finite differences there, good to about 1e-3 of standard errors."""
    theirs = REFERENCE["lme"]
    estimate = estimated(reference_target("y"))
    fit = estimate.fit
    std_errors = np.sqrt(np.diag(theirs["vcov"]))
    np.testing.assert_allclose((fit.values - theirs["coef"]) / std_errors, 0, atol=1e-5)
    np.testing.assert_allclose(fit.covariance / np.outer(std_errors, std_errors), corr(theirs["vcov"]), atol=1e-5)
    np.testing.assert_allclose(fit.random, theirs["psi"], rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(fit.residual), theirs["sigma"], rtol=1e-6)
    # Log SD where ours are log variances; and the correlation between them.
    order, scale = [0, 2, 1, 3], np.array([2, 2, 1, 1])
    np.testing.assert_allclose(estimate.components[order] / scale, theirs["log_sd_correlation_log_sigma"], atol=1e-4)
    std_errors = np.sqrt(np.diag(theirs["apVar"]))
    covariance = estimate.covariance[np.ix_(order, order)] / np.outer(scale, scale)
    np.testing.assert_allclose(covariance / np.outer(std_errors, std_errors), corr(theirs["apVar"]), atol=3e-3)


def corr(covariance):
    std_errors = np.sqrt(np.diag(covariance))
    return covariance / np.outer(std_errors, std_errors)


def test_parameters_are_drawn_from_their_asymptotic_distribution(monkeypatch):
    """What is handed to the imputation: fixed effects and components normal with the estimated covariances, and independent."""
    target = reference_target("y")
    estimate = estimated(target)
    drawn = []
    monkeypatch.setattr(one_stage, "estimate_parameters", lambda *_: estimate)
    monkeypatch.setattr(one_stage, "impute", lambda design, *parameters: drawn.append(parameters[:3]))
    rng = np.random.default_rng(1)
    for _ in range(2000):
        OneStage()(target, rng)
    beta = np.array([one[0] for one in drawn])
    components = np.array([to_unbounded(one[1], one[2]) for one in drawn])
    # Each has a false-alarm rate of 1e-4.
    assert kstest(distances(beta, estimate.fit.values, estimate.fit.covariance), chi2(3).cdf).pvalue > 1e-4
    assert kstest(distances(components, estimate.components, estimate.covariance), chi2(4).cdf).pvalue > 1e-4
    for draws, mean, covariance in (
        (beta, estimate.fit.values, estimate.fit.covariance),
        (components, estimate.components, estimate.covariance),
    ):
        std_errors = np.sqrt(np.diag(covariance))
        np.testing.assert_array_less(np.abs(draws.mean(axis=0) - mean) / std_errors, 5 / np.sqrt(2000))
        np.testing.assert_allclose(
            np.cov(draws.T) / np.outer(std_errors, std_errors), corr(covariance), atol=5 * np.sqrt(2 / 2000)
        )
    cross = np.corrcoef(beta.T, components.T)[:3, 3:]
    np.testing.assert_array_less(np.abs(cross), 5 / np.sqrt(2000))


def test_imputes_what_is_missing():
    y, x, codes, observed = simulated(n_clusters=20, size=30, noise=0.1)
    sporadic = (~observed) & (codes > 0)
    imputed = np.full(len(y), np.nan)
    imputed[~observed] = OneStage()(make_target(y, x, codes, observed), np.random.default_rng(2))
    # In sporadic clusters the own coefficients are known well: the error is that of two residuals, 0.14 by its SD.
    assert np.std((imputed - y)[sporadic]) < 0.2
    assert np.std((imputed - y)[codes == 0]) > 0.4


def flat(y, codes):
    """Means of clusters that differ less than by chance."""
    return y - np.array([y[codes == code].mean() for code in range(codes.max() + 1)])[codes]


def test_a_coefficient_without_variance_stays_constant():
    """The rest is as where it is fixed. Its predictor is orthogonal to the others, and its coefficients are equal."""
    y, x, codes, _ = simulated(1, sds=(1.0, 0.0, 0.5))
    for rows in np.split(np.arange(len(y)), 12):
        x[rows, 1] -= x[rows][:, [0, 2]] @ np.linalg.lstsq(x[rows][:, [0, 2]], x[rows, 1])[0]
        y[rows] -= x[rows, 1] * (x[rows, 1] @ y[rows]) / (x[rows, 1] @ x[rows, 1])
    with pytest.warns(ChainedWarning, match="'y'.*singular.*The coefficients of 'x1' do not vary"):
        estimate = estimated(make_target(y, x, codes))
    fixed = estimated(make_target(y, x, codes, random=[0, 2]))
    np.testing.assert_allclose(estimate.components, fixed.components, atol=1e-3)
    np.testing.assert_allclose(corr(estimate.covariance), corr(fixed.covariance), atol=1e-3)
    psi, _ = estimate.draw_components(np.random.default_rng(0))
    np.testing.assert_allclose(psi[1], 0, atol=1e-4)
    assert psi[0, 0] > 0 and psi[2, 2] > 0


def test_a_combination_of_coefficients_stays_one():
    """Two coefficients, the second twice the first: its variance is never drawn on its own."""
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(10), 8)
    x = np.column_stack([np.ones(80), rng.normal(size=80)])
    effect = rng.normal(size=10)
    y = 1 + (1 + 2 * x[:, 1]) * effect[codes] + 0.5 * rng.normal(size=80)
    with pytest.warns(ChainedWarning, match="stay the combination"):
        estimate = estimated(make_target(y, x, codes))
    assert estimate.loading.shape == (2, 1) and len(estimate.components) == 2
    ratio = estimate.loading[0, 0] / estimate.loading[1, 0]
    assert ratio == pytest.approx(0.5, abs=0.15)
    for seed in range(3):
        psi, _ = estimate.draw_components(np.random.default_rng(seed))
        np.testing.assert_allclose(psi, psi[1, 1] * np.outer([ratio, 1], [ratio, 1]), rtol=1e-10)


def test_no_variance_between_clusters_leaves_the_residual_variance():
    y, x, codes, _ = simulated(2, sds=(0.0, 0.0))
    target = make_target(flat(y, codes), x, codes, random=[0])
    with pytest.warns(ChainedWarning, match="'Intercept'"):
        estimate = estimated(target)
    np.testing.assert_allclose(estimate.covariance, [[1 / (2 * (len(y) - 2))]], rtol=1e-6)
    psi, variance = estimate.draw_components(np.random.default_rng(0))
    np.testing.assert_array_equal(psi, [[0.0]])
    assert variance == pytest.approx(estimate.fit.residual, rel=0.5) and variance != estimate.fit.residual
    with pytest.warns(ChainedWarning):
        assert OneStage()(
            make_target(flat(y, codes), x, codes, np.arange(len(y)) % 3 > 0, random=[0]), np.random.default_rng(0)
        ).size


def test_a_variance_hardly_above_zero_stays_at_its_estimate():
    """A balanced layout whose mean squares are set: that between clusters is just above that within."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(10), 8)
    within = flat(rng.normal(size=80), codes)
    between = rng.normal(size=10)
    between *= np.sqrt(1.05 / 8 * (within**2).sum() / 70 / between.var(ddof=1))
    target = make_target(within + between[codes], np.ones((80, 1)), codes)
    with pytest.warns(ChainedWarning, match="'Intercept' are so close to 0"):
        estimate = estimated(target)
    psi, _ = estimate.draw_components(np.random.default_rng(0))
    np.testing.assert_allclose(psi, estimate.fit.random, rtol=1e-10)
    # Given that variance, the information on the residual variance is that of all its rows, nearly.
    assert estimate.covariance[0, 0] == 0
    assert estimate.covariance[1, 1] == pytest.approx(1 / (2 * 79), rel=0.05)

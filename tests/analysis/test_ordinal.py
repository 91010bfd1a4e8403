"""Ordinal regression against statsmodels' OrderedModel, logistic regression and closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from jmimpute.analysis import ordinal
from jmimpute.analysis.ordinal import fit_ordinal


def draw(n=300, n_cuts=3, seed=1):
    """Covariates far from zero and correlated, and a response of n_cuts + 1 categories."""
    rng = np.random.default_rng(seed)
    x = rng.normal(50, 10, n)
    X = np.column_stack([x, 0.1 * x + rng.normal(size=n), rng.random(n) < 0.4])
    latent = 0.1 * X[:, 0] - 0.5 * X[:, 1] + X[:, 2] + rng.logistic(size=n)
    return np.digitize(latent, np.quantile(latent, np.arange(1, n_cuts + 1) / (n_cuts + 1))), X


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_equals_statsmodels(link):
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    y, X = draw()
    ours = fit_ordinal(y, X, link)
    theirs = OrderedModel(y, X, distr=link).fit(method="bfgs", disp=False, gtol=1e-8, maxiter=500)
    # Their parameters are the first cut point and the logarithms of the distances between cut points.
    values, covariance = np.asarray(theirs.params), np.asarray(theirs.cov_params())
    steps = np.exp(values[4:])
    jacobian = np.eye(6)
    jacobian[4:, 3] = 1
    jacobian[4, 4], jacobian[5, 4], jacobian[5, 5] = steps[0], steps[0], steps[1]
    cuts = values[3] + np.cumsum([0.0, *steps])
    np.testing.assert_allclose(ours.values, [*values[:3], *cuts], rtol=1e-5)
    np.testing.assert_allclose(ours.covariance, jacobian @ covariance @ jacobian.T, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(ours.log_likelihood, theirs.llf, rtol=1e-10)
    assert ours.converged
    assert not ours.separated


def test_two_categories_are_logistic_regression():
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    y, X = draw(n_cuts=1)
    ours = fit_ordinal(y, X)
    theirs = GLM(y, np.column_stack([X, np.ones(len(X))]), family=Binomial()).fit(tol=1e-12)
    # The cut point is minus the intercept.
    sign = np.diag([1, 1, 1, -1])
    np.testing.assert_allclose(ours.values, sign @ theirs.params, rtol=1e-6)
    np.testing.assert_allclose(ours.covariance, sign @ theirs.cov_params() @ sign, rtol=1e-5)
    np.testing.assert_allclose(ours.log_likelihood, theirs.llf, rtol=1e-12)


def test_without_covariates_cut_points_are_quantiles():
    y = np.repeat([0, 1, 2], [10, 20, 30])
    fit = fit_ordinal(y, np.empty((60, 0)), "probit")
    np.testing.assert_allclose(fit.values, norm.ppf([1 / 6, 1 / 2]), rtol=1e-10)
    assert not fit.separated


@pytest.mark.parametrize("sign", [1, -1])
def test_far_tails_keep_their_digits(sign):
    """Where both ends of a category lie at 40, two distribution functions are 1 to the last bit."""
    y, X = np.array([0, 1, 2]), np.zeros((3, 1))
    rows = ordinal._rows(y, X, ordinal._distributions()["logit"])
    value, slope, _ = ordinal._likelihood(np.array([0.0, *sorted([sign * 40.0, sign * 41.0])]), rows)
    # One outer category has all the probability, the other exp(-41) in the upper tail and exp(-41) in the lower one.
    np.testing.assert_allclose(value, -40.0 + np.log1p(-np.exp(-1.0)) - 41.0, rtol=1e-12)
    assert np.isfinite(slope).all()


def test_separation_is_seen():
    y = np.repeat([0, 1, 2], 20)
    X = np.column_stack([y == 2, np.random.default_rng(1).normal(size=60)]).astype(float)
    assert fit_ordinal(y, X).separated
    assert not fit_ordinal(y, X[:, 1:]).separated

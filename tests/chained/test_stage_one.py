"""Regressions of all clusters at once against one at a time, and which clusters cannot be fitted."""

import warnings

import numpy as np
import pytest

from jmimpute.chained.stage_one import fit_linear
from jmimpute.chained.stage_one_glm import LOGISTIC, POISSON, fit_glm

SIZES = [40, 7, 25, 8, 60]


def predictors(seed=0, sizes=SIZES, p=3):
    """Predictors with means far from 0 and differing between clusters, and cluster codes in mixed order."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    x = 50 + 10 * rng.normal(size=(len(sizes), p - 1))[codes] + rng.normal(size=(len(codes), p - 1))
    return np.column_stack([np.ones(len(codes)), x]), codes, rng


def test_linear_regressions_equal_those_of_statsmodels():
    import statsmodels.api as sm

    x, codes, rng = predictors()
    y = 1e4 + 30 * codes + x @ [1, 2, -1] + rng.normal(size=len(x)) * (1 + codes)
    fits = fit_linear(y, x, codes, len(SIZES))
    # Seven rows less three coefficients leave four degrees of freedom, which are too few; eight leave five.
    assert fits.fitted.tolist() == [True, False, True, True, True]
    for k, cluster in enumerate(np.flatnonzero(fits.fitted)):
        theirs = sm.OLS(y[codes == cluster], x[codes == cluster]).fit()
        np.testing.assert_allclose(fits.estimates[k], theirs.params, rtol=1e-8)
        np.testing.assert_allclose(fits.covariances[k], theirs.cov_params(), rtol=1e-8)
        np.testing.assert_allclose(fits.log_sds[k, 0], np.log(theirs.scale) / 2, rtol=1e-9)
        assert fits.log_sd_variances[k, 0, 0] == 1 / (2 * (SIZES[cluster] - 3 - 4))


def test_clusters_without_rows_or_residual_or_with_collinear_predictors_are_not_fitted():
    x, codes, rng = predictors(sizes=[20, 20, 20, 0, 20])
    y = rng.normal(size=len(x))
    x[codes == 0, 2] = 3.7
    x[codes == 1, 2] = 2 * x[codes == 1, 1] - 1
    y[codes == 2] = 0.1 + x[codes == 2, 1]
    assert fit_linear(y, x, codes, 5).fitted.tolist() == [False, False, False, False, True]


def responses(rng, x, codes, family):
    eta = (x[:, 1:] - 50) @ [0.05, -0.03] + 0.3 * codes
    if family == "Poisson":
        return rng.poisson(np.exp(eta)).astype(float)
    return (eta + rng.logistic(size=len(x)) > 0).astype(float)


@pytest.mark.parametrize(("family", "name"), [(LOGISTIC, "Binomial"), (POISSON, "Poisson")])
def test_generalised_models_equal_those_of_statsmodels(family, name):
    import statsmodels.api as sm

    sizes = [60, 80, 100]
    x, codes, rng = predictors(seed=2, sizes=sizes)
    y = responses(rng, x, codes, name)
    fits = fit_glm(family, y, x, codes, 3)
    assert fits.fitted.all()
    for cluster in range(3):
        rows = codes == cluster
        theirs = sm.GLM(y[rows], x[rows], family=getattr(sm.families, name)()).fit(tol=1e-14)
        np.testing.assert_allclose(fits.estimates[cluster], theirs.params, rtol=1e-6)
        np.testing.assert_allclose(fits.covariances[cluster], theirs.cov_params(), rtol=1e-6)


def test_separated_clusters_are_not_fitted():
    x, codes, rng = predictors(seed=3, sizes=[50, 50, 50, 50])
    y = (rng.random(len(x)) < 0.5).astype(float)
    y[codes == 0] = 1
    y[codes == 1] = x[codes == 1, 1] > np.median(x[codes == 1, 1])
    # Separated but for one value that both categories have.
    inner = np.flatnonzero(codes == 2)
    order = inner[np.argsort(x[inner, 1])]
    y[order[:25]], y[order[25:]] = 0, 1
    x[order[24], 1:] = x[order[25], 1:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fits = fit_glm(LOGISTIC, y, x, codes, 4)
    assert fits.fitted.tolist() == [False, False, False, True]
    assert np.isfinite(fits.estimates).all()


def test_estimates_with_enormous_standard_errors_do_not_count():
    """One predictor hardly varies in the first cluster."""
    x, codes, rng = predictors(seed=6, sizes=[50, 50, 50])
    x[codes == 0, 2] = 50 + 1e-3 * rng.normal(size=50)
    y = (rng.random(len(x)) < 0.5).astype(float)
    assert fit_glm(LOGISTIC, y, x, codes, 3).fitted.tolist() == [False, True, True]
    x[codes == 0, 2] = 50 + 1e-1 * rng.normal(size=50)
    assert fit_glm(LOGISTIC, y, x, codes, 3).fitted.all()


def test_counts_that_are_all_zero_have_no_finite_estimate():
    x, codes, rng = predictors(seed=4, sizes=[50, 50])
    y = np.where(codes == 0, 0.0, rng.poisson(3.0, len(x)))
    assert fit_glm(POISSON, y, x, codes, 2).fitted.tolist() == [False, True]


def test_large_counts_are_fitted():
    x, codes, rng = predictors(seed=5, sizes=[60, 60])
    y = rng.poisson(1e6 * np.exp(0.5 * (x[:, 1] - 50 - codes))).astype(float)
    fits = fit_glm(POISSON, y, x, codes, 2)
    assert fits.fitted.all()
    np.testing.assert_allclose(fits.estimates[:, 1], 0.5, atol=0.01)

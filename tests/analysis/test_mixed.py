"""The mixed model against dense algebra, against models it contains, and where other optimisers stop."""

import numpy as np
import pytest

from jmimpute.analysis import mixed
from jmimpute.analysis.components import pack, unpack
from jmimpute.analysis.mixed import fit_mixed
from jmimpute.errors import AnalysisError


def simulate(seed, sd_intercept, sd_slope, centre=0.0, clusters=20, size=12):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(clusters), size)
    x = rng.normal(centre, 1, len(codes))
    effects = rng.normal(size=(clusters, 2)) * [sd_intercept, sd_slope]
    y = 3 + x + effects[codes, 0] + effects[codes, 1] * (x - centre) + rng.normal(size=len(codes))
    return y, np.column_stack([np.ones(len(codes)), x]), codes


def dense(y, X, Z, codes, random, residual, reml):
    """Log likelihood, fixed effects and their covariance from the full covariance matrix of all rows."""
    same = codes[:, None] == codes[None, :]
    V = residual * np.eye(len(y)) + same * (Z @ random @ Z.T)
    solved = np.linalg.solve(V, np.column_stack([X, y]))
    information = X.T @ solved[:, :-1]
    values = np.linalg.solve(information, X.T @ solved[:, -1])
    rest = y - X @ values
    n, k = X.shape
    value = (n - k if reml else n) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + rest @ np.linalg.solve(V, rest)
    value += np.linalg.slogdet(information)[1] if reml else 0.0
    return -value / 2, values, np.linalg.inv(information)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("slope", [True, False])
def test_equals_dense_algebra_and_is_its_maximum(reml, slope):
    y, X, codes = simulate(1, 1.0, 0.5, centre=2.0)
    Z = X if slope else X[:, :1]
    fit = fit_mixed(y, X, Z, codes, reml)
    best, values, covariance = dense(y, X, Z, codes, fit.random, fit.residual, reml)
    np.testing.assert_allclose(fit.log_likelihood, best, rtol=1e-10)
    np.testing.assert_allclose(fit.values, values, rtol=1e-8)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-8)
    assert fit.converged and not fit.singular
    for random in (fit.random * 1.01, fit.random * 0.99, fit.random + 0.01 * np.eye(len(fit.random))):
        assert dense(y, X, Z, codes, random, fit.residual, reml)[0] < best
    for residual in (fit.residual * 1.01, fit.residual * 0.99):
        assert dense(y, X, Z, codes, fit.random, residual, reml)[0] < best


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("slope", [True, False])
def test_standard_errors_of_variances_are_from_the_curvature(reml, slope):
    """Against second differences of the dense (restricted) likelihood, with the fixed effects at their best."""
    y, X, codes = simulate(1, 1.0, 0.5, centre=2.0)
    Z = X if slope else X[:, :1]
    fit = fit_mixed(y, X, Z, codes, reml)
    best = np.append(pack(fit.random), fit.residual)
    steps = 1e-3 * np.diag(np.maximum(np.abs(best), 0.1))

    def at(theta):
        return dense(y, X, Z, codes, unpack(theta[:-1]), theta[-1], reml)[0]

    hessian = [
        [(at(best + a + b) - at(best + a - b) - at(best - a + b) + at(best - a - b)) / (4 * a.sum() * b.sum()) for a in steps]
        for b in steps
    ]
    std_errors = np.sqrt(np.diag(fit.components_covariance))
    found = fit.components_covariance / np.outer(std_errors, std_errors)
    np.testing.assert_allclose(found, np.linalg.inv(-np.array(hessian)) / np.outer(std_errors, std_errors), atol=1e-4)


def test_standard_errors_of_variances_have_the_scale_of_the_data():
    y, X, codes = simulate(1, 1.0, 0.5)
    plain, scaled = fit_mixed(y, X, X, codes), fit_mixed(100 + 10 * y, X, X @ np.diag([1, 4]), codes)
    by_component = 100 / np.array([1, 4, 16, 1])
    expected = plain.components_covariance * np.outer(by_component, by_component)
    np.testing.assert_allclose(scaled.components_covariance, expected, rtol=1e-5)


@pytest.mark.parametrize("slope", [True, False])
def test_likelihood_elsewhere_equals_a_dense_density(slope):
    from scipy.stats import multivariate_normal

    y, X, codes = simulate(3, 1.0, 0.5, centre=2.0)
    Z = X if slope else X[:, :1]
    fit = fit_mixed(y, X, Z, codes, reml=False)
    np.testing.assert_allclose(fit.log_likelihood_at(fit.values, fit.random, fit.residual), fit.log_likelihood, rtol=1e-12)
    values, random, residual = fit.values + 0.3, 1.5 * fit.random + 0.1 * np.eye(len(fit.random)), 0.7
    V = residual * np.eye(len(y)) + (codes[:, None] == codes[None, :]) * (Z @ random @ Z.T)
    dense_value = multivariate_normal(X @ values, V).logpdf(y)
    np.testing.assert_allclose(fit.log_likelihood_at(values, random, residual), dense_value, rtol=1e-10)
    # A covariance matrix of random effects may be singular.
    assert fit.log_likelihood_at(values, 0 * random, residual) == pytest.approx(
        multivariate_normal(X @ values, residual * np.eye(len(y))).logpdf(y)
    )


def test_variance_of_zero_gives_least_squares():
    y, X, codes = simulate(2, 0.0, 0.0)
    y = y - np.array([y[codes == code].mean() for code in range(20)])[codes]  # clusters differ less than by chance
    fit = fit_mixed(y, X, X[:, :1], codes)
    values, (rss,), *_ = np.linalg.lstsq(X, y)
    assert fit.singular and fit.converged
    np.testing.assert_allclose(fit.random, 0, atol=1e-8)
    np.testing.assert_allclose(fit.values, values, rtol=1e-7)
    np.testing.assert_allclose(fit.covariance, rss / (len(y) - 2) * np.linalg.inv(X.T @ X), rtol=1e-6)
    # No standard error of what lies at its edge; that of the residual variance is as in least squares.
    assert np.isnan(fit.components_covariance[0]).all()
    np.testing.assert_allclose(fit.components_covariance[1, 1], 2 * (rss / (len(y) - 2)) ** 2 / (len(y) - 2), rtol=1e-6)


def test_slope_variance_does_not_depend_on_where_its_covariate_is_centred():
    y, X, codes = simulate(3, 1.0, 0.6)
    shift = np.array([[1.0, 2000.0], [0.0, 10.0]])  # x becomes 2000 + 10 x
    near, far = fit_mixed(y, X, X, codes), fit_mixed(y, X @ shift, X @ shift, codes)
    np.testing.assert_allclose(far.residual, near.residual, rtol=1e-6)
    np.testing.assert_allclose(far.random[1, 1] * 100, near.random[1, 1], rtol=1e-5)
    np.testing.assert_allclose(shift @ far.values, near.values, rtol=1e-6)


def test_equals_moments_in_a_balanced_layout():
    """With equal clusters and no covariate REML is the analysis of variance: between = (MSB - MSW) / size."""
    rng = np.random.default_rng(4)
    table = 1e6 + rng.normal(size=(15, 8)) + 2 * rng.normal(size=(15, 1))
    fit = fit_mixed(table.ravel(), np.ones((120, 1)), np.ones((120, 1)), np.repeat(np.arange(15), 8))
    within = table.var(axis=1, ddof=1).mean()
    np.testing.assert_allclose(fit.residual, within, rtol=1e-6)
    np.testing.assert_allclose(fit.random[0, 0], table.mean(axis=1).var(ddof=1) - within / 8, rtol=1e-6)


def test_a_search_that_lands_on_a_variance_of_zero_goes_on(monkeypatch):
    """There the slope by the factor vanishes, although the likelihood rises with the variance."""
    import scipy.optimize

    y, X, codes = simulate(5, 1.0, 0.0)
    expected = fit_mixed(y, X, X[:, :1], codes)
    search = scipy.optimize.minimize
    starts = []

    def first_at_zero(function, start, **options):
        starts.append(start)
        return search(function, start * (len(starts) > 1), **options)

    monkeypatch.setattr(scipy.optimize, "minimize", first_at_zero)
    fit = fit_mixed(y, X, X[:, :1], codes)
    assert len(starts) == 2
    assert fit.converged
    np.testing.assert_allclose(fit.random, expected.random, rtol=1e-5)


def test_order_of_rows_is_irrelevant():
    y, X, codes = simulate(6, 1.0, 0.5)
    order = np.random.default_rng(0).permutation(len(y))
    a, b = fit_mixed(y, X, X, codes), fit_mixed(y[order], X[order], X[order], codes[order])
    np.testing.assert_allclose(a.values, b.values, rtol=1e-8)
    np.testing.assert_allclose(a.random, b.random, rtol=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_converges_on_small_and_awkward_tables(seed):
    y, X, codes = simulate(seed, [0.0, 0.1, 2.0][seed % 3], [0.0, 0.05, 0.5][seed % 2], centre=50.0, clusters=8 + seed, size=5)
    fit = fit_mixed(y, X, X, codes)
    assert fit.converged
    assert fit.log_likelihood >= dense(y, X, X, codes, fit.random * 0.999, fit.residual, True)[0]


def test_an_interrupted_search_is_reported(monkeypatch):
    monkeypatch.setitem(mixed._OPTIONS, "maxiter", 1)
    y, X, codes = simulate(7, 3.0, 1.0)
    assert not fit_mixed(y, X, X, codes).converged


def test_response_without_residual_is_refused():
    codes = np.repeat(np.arange(6), 5)
    X = np.ones((30, 1))
    with pytest.raises(AnalysisError, match="fixed part reproduces the response"):
        fit_mixed(np.full(30, 7.0), X, X, codes)
    with pytest.raises(AnalysisError, match="clusters reproduce the response"):
        fit_mixed(codes * 1.0, X, X, codes)

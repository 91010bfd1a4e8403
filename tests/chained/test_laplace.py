"""Mixed models of binary responses and counts by Laplace's approximation: against lme4's glmer, and its own derivatives."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln

from jmimpute.analysis.mixed import whiten
from jmimpute.chained import laplace
from jmimpute.chained.laplace import BINOMIAL, POISSON, find_modes, fit_laplace
from tests.chained.mixed_targets import REFERENCE, reference_target

FAMILIES = {"binomial": (BINOMIAL, "binary"), "poisson": (POISSON, "count")}


def problem(name):
    family, response = FAMILIES[name]
    target = reference_target(response)
    return target.y, target.x, target.x[:, :2], target.codes, 24, family


def rows_of(name):
    y, X, Z, codes, n_clusters, family = problem(name)
    return laplace._Rows(y, whiten(X)[0], whiten(Z)[0], codes, n_clusters, family)


@pytest.mark.parametrize("name", FAMILIES)
def test_equals_glmer(name):
    """To the accuracy of its covariance, which is by finite differences."""
    theirs = REFERENCE[name]
    y, X, Z, codes, n_clusters, family = problem(name)
    fit = fit_laplace(y, X, Z, codes, n_clusters, family)
    std_errors = np.sqrt(np.diag(theirs["vcov"]))
    assert fit.converged and not fit.singular and not fit.separated
    np.testing.assert_allclose((fit.values - theirs["coef"]) / std_errors, 0, atol=1e-4)
    np.testing.assert_allclose((fit.covariance - theirs["vcov"]) / np.outer(std_errors, std_errors), 0, atol=1e-3)
    np.testing.assert_allclose(fit.random, theirs["psi"], rtol=1e-4)
    constant = gammaln(y + 1).sum() if name == "poisson" else 0.0
    np.testing.assert_allclose(fit.log_likelihood - constant, theirs["logLik"], rtol=1e-7)
    modes = find_modes(y, X @ fit.values, Z, codes, n_clusters, fit.random, family)
    np.testing.assert_allclose(modes.effects, theirs["effects"], atol=1e-4)
    np.testing.assert_allclose(modes.root[0] @ modes.root[0].T, theirs["first_condVar"], atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_gradient_is_the_derivative(name):
    """Also by the upper triangle of the factor, which the search uses and the comparison with glmer does not see."""
    rows = rows_of(name)
    fixed, factor = np.array([0.3, -0.2, 0.4]), np.array([[0.7, 0.2], [-0.3, 0.5]])
    here = laplace._laplace(fixed, factor, rows)
    for k, step in enumerate(1e-5 * np.eye(3)):
        after, before = laplace._laplace(fixed + step, factor, rows).value, laplace._laplace(fixed - step, factor, rows).value
        assert (after - before) / 2e-5 == pytest.approx(here.by_fixed[k], rel=1e-5, abs=1e-5)
    for place in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[place] = 1e-5
        after, before = laplace._laplace(fixed, factor + step, rows).value, laplace._laplace(fixed, factor - step, rows).value
        assert (after - before) / 2e-5 == pytest.approx(here.by_factor[place], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("rank", [1, 2])
def test_modes_are_those_of_the_density(name, rank):
    """Against a search in each cluster, and the inverse of the curvature there. The last cluster is empty."""
    y, X, Z, codes, n_clusters, family = problem(name)
    psi = np.array([[1.0, 0.4], [0.4, 0.6]]) if rank == 2 else np.outer([1.0, 0.5], [1.0, 0.5])
    fixed = X @ [0.2, 0.1, -0.3]
    modes = find_modes(y, fixed, Z, codes, n_clusters + 1, psi, family)
    np.testing.assert_array_equal(modes.effects[-1], 0)
    np.testing.assert_allclose(modes.root[-1] @ modes.root[-1].T, psi, atol=1e-10)
    half = np.linalg.cholesky(psi) if rank == 2 else np.array([[1.0], [0.5]])
    for cluster in range(3):
        own = codes == cluster

        def density(u, own=own):
            eta = fixed[own] + Z[own] @ half @ u
            return -np.sum(y[own] * eta - family.cumulant(eta)) + u @ u / 2

        best = minimize(density, np.zeros(rank), method="BFGS", options={"gtol": 1e-7})
        np.testing.assert_allclose(modes.effects[cluster], half @ best.x, atol=1e-5)
        scaled = Z[own] @ half
        variance = family.variance(family.mean(fixed[own] + scaled @ best.x))
        covariance = half @ np.linalg.inv(np.eye(rank) + (scaled.T * variance) @ scaled) @ half.T
        np.testing.assert_allclose(modes.root[cluster] @ modes.root[cluster].T, covariance, atol=1e-5)


def test_order_of_rows_and_units_of_covariates_are_irrelevant():
    y, X, Z, codes, n_clusters, family = problem("binomial")
    shift = np.array([[1.0, 200.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 50.0]])  # x becomes 200 + x / 10
    order = np.random.default_rng(0).permutation(len(y))
    near = fit_laplace(y, X, Z, codes, n_clusters, family)
    far = fit_laplace(y[order], (X @ shift)[order], (X @ shift)[order, :2], codes[order], n_clusters, family)
    np.testing.assert_allclose(shift @ far.values, near.values, rtol=1e-5)
    np.testing.assert_allclose(shift @ far.covariance @ shift.T, near.covariance, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(shift[:2, :2] @ far.random @ shift[:2, :2].T, near.random, rtol=1e-4)


def test_no_variance_gives_the_logistic_regression():
    """Clusters that differ less than by chance: ones in turn."""
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    y, X, codes = np.tile([0.0, 1.0], 60), np.column_stack([np.ones(120), rng.normal(size=120)]), np.repeat(np.arange(12), 10)
    fit = fit_laplace(y, X, X[:, :1], codes, 12)
    plain = sm.Logit(y, X).fit(disp=0)
    assert fit.singular and fit.converged
    np.testing.assert_allclose(fit.random, 0, atol=1e-6)
    np.testing.assert_allclose(fit.values, plain.params, atol=1e-5)
    np.testing.assert_allclose(fit.covariance, plain.cov_params(), rtol=1e-4, atol=1e-7)


def test_a_search_that_lands_on_a_variance_of_zero_goes_on(monkeypatch):
    """There the slope by the factor vanishes, although the likelihood rises with the variance."""
    import scipy.optimize

    search, starts = scipy.optimize.minimize, []

    def first_at_zero(function, start, **options):
        starts.append(start)
        return search(function, np.append(start[:-4], np.zeros(4)) if len(starts) == 1 else start, **options)

    expected = fit_laplace(*problem("binomial"))
    monkeypatch.setattr(scipy.optimize, "minimize", first_at_zero)
    fit = fit_laplace(*problem("binomial"))
    assert len(starts) == 2
    np.testing.assert_allclose(fit.random, expected.random, rtol=1e-4)


def test_separation_is_reported():
    y, X, Z, codes, n_clusters, family = problem("binomial")
    rare = (np.arange(len(y)) % 9 == 0) & (y == 0)
    fit = fit_laplace(y, np.column_stack([X, rare]), Z, codes, n_clusters, family)
    assert fit.separated


def test_an_interrupted_search_is_reported(monkeypatch):
    monkeypatch.setitem(laplace._OPTIONS, "maxiter", 2)
    assert not fit_laplace(*problem("binomial")).converged

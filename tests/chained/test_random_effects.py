"""Draws of random effects and covariance matrices against dense algebra and known distributions; false alarms 1e-4 a test."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from jmimpute.chained.random_effects import (
    draw_effects,
    draw_inverse_wishart,
    draw_normal,
    effects_given_data,
    root,
    sum_by_cluster,
)
from tests.chained.mixed_targets import Noise

PSI = np.array([[2.0, 0.7, -0.3], [0.7, 0.5, 0.1], [-0.3, 0.1, 0.4]])
#: Rank two: the last coefficient is a combination of the others.
COMBINATION = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, -2.0]])
SINGULAR = COMBINATION @ PSI[:2, :2] @ COMBINATION.T


def problem():
    rng = np.random.default_rng(3)
    codes = np.array([3, 1, 1, 3, 0, 1, 3, 3, 1, 0, 3])
    return rng.normal(size=11), rng.normal(size=(11, 3)), codes


@pytest.mark.parametrize("psi", [PSI, SINGULAR, 0 * PSI], ids=["regular", "singular", "zero"])
def test_effects_given_data_equal_the_dense_conditional_normal(psi):
    """Cluster 2 has no rows: N(0, psi)."""
    residuals, z, codes = problem()
    mean, factor = effects_given_data(residuals, z, codes, 4, psi, 0.6)
    for cluster in range(4):
        Z, r = z[codes == cluster], residuals[codes == cluster]
        V = Z @ psi @ Z.T + 0.6 * np.eye(len(r))
        gain = psi @ Z.T @ np.linalg.inv(V)
        np.testing.assert_allclose(mean[cluster], gain @ r, atol=1e-10)
        np.testing.assert_allclose(factor[cluster] @ factor[cluster].T, psi - gain @ Z @ psi, atol=1e-10)


def test_effects_are_drawn_with_the_covariance_of_their_factor():
    """Exactly: a unit vector as noise gives a column of the factor."""
    residuals, z, codes = problem()
    mean, factor = effects_given_data(residuals, z, codes, 4, PSI, 0.6)
    for k, unit in enumerate(np.eye(3)):
        np.testing.assert_allclose(draw_effects(mean, factor, Noise(unit)) - mean, factor[:, :, k], atol=1e-12)


@pytest.mark.parametrize("covariance", [PSI, SINGULAR], ids=["regular", "singular"])
def test_normal_draws_have_their_covariance(covariance):
    columns = np.array([draw_normal(np.ones(3), covariance, Noise(unit)) - 1 for unit in np.eye(3)])
    np.testing.assert_allclose(columns.T @ columns, covariance, atol=1e-12)


def test_roots_are_cholesky_factors():
    """Also of a correlation matrix, whose eigenvectors change their signs with rounding."""
    np.testing.assert_allclose(root(PSI), np.linalg.cholesky(PSI), atol=1e-12)
    for tiny in (-1e-15, 0.0, 1e-15):
        found = root(np.array([[1.0, 0.5], [0.5, 1.0 + tiny]]))
        np.testing.assert_allclose(found, [[1.0, 0.0], [0.5, np.sqrt(0.75)]], atol=1e-12)
    found = root(SINGULAR)
    np.testing.assert_allclose(found @ found.T, SINGULAR, atol=1e-12)
    np.testing.assert_allclose(found[:, :2], COMBINATION @ np.linalg.cholesky(PSI[:2, :2]), atol=1e-6)


def test_roots_of_covariances_in_very_different_units():
    units = np.array([1e-6, 1.0, 1e6, 1.0])
    covariance = np.outer(units, units) * np.array([[1, 0.9, 0, 0], [0.9, 1, 0.3, 0], [0, 0.3, 1, 0], [0, 0, 0, 0]])
    found = root(covariance)
    np.testing.assert_allclose(found @ found.T, covariance, rtol=1e-9, atol=1e-12)


def test_roots_come_in_stacks():
    """Of rounding errors, too: what has next to no variance has none, and adds none to what it is correlated with."""
    repeated = np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]])
    rounded = np.array([[1e-18, 1e-8, 0.0], [1e-8, 1.0, 0.0], [0.0, 0.0, -1e-17]])
    found = root(np.array([[PSI, SINGULAR], [repeated, rounded]]))
    np.testing.assert_allclose(found[0, 0], root(PSI), atol=1e-12)
    np.testing.assert_allclose(found[0, 1], root(SINGULAR), atol=1e-12)
    # Below a 0 on the diagonal nothing is left to chance.
    np.testing.assert_allclose(found[1, 0], [[1, 0, 0], [1, 0, 0], [0.5, 0, np.sqrt(0.75)]], atol=1e-12)
    np.testing.assert_allclose(found[1, 1] @ found[1, 1].T, np.diag([0.0, 1.0, 0.0]), atol=1e-8)


def test_inverse_wishart_draws_have_their_distribution():
    """Quadratic forms in a direction c: that of the inverse is chi-square(df), one over that of the draw chi-square(df - 2)."""
    rng = np.random.default_rng(1)
    draws = np.array([draw_inverse_wishart(7, PSI, rng) for _ in range(3000)])
    for c in (np.array([1.0, -0.5, 2.0]), np.array([0.0, 0.0, 1.0])):
        of_inverse = np.einsum("a,nab,b->n", c, np.linalg.inv(draws), c) / (c @ np.linalg.solve(PSI, c))
        of_draw = (c @ PSI @ c) / np.einsum("a,nab,b->n", c, draws, c)
        assert kstest(of_inverse, chi2(7).cdf).pvalue > 1e-4
        assert kstest(of_draw, chi2(5).cdf).pvalue > 1e-4


def test_a_singular_scale_gives_the_limit():
    """No variance where the scale has none; elsewhere what draws with nearly that scale have."""
    null = np.array([-0.5, 2.0, 1.0])
    c = np.array([1.0, 0.0, 0.0])
    rng = np.random.default_rng(2)
    draws = np.array([draw_inverse_wishart(7, SINGULAR, rng) for _ in range(3000)])
    np.testing.assert_allclose(draws @ null, 0, atol=1e-6 * np.abs(draws).max())
    assert kstest((c @ SINGULAR @ c) / np.einsum("a,nab,b->n", c, draws, c), chi2(5).cdf).pvalue > 1e-4


def test_sums_by_cluster():
    values = np.arange(12.0).reshape(4, 3)
    sums = sum_by_cluster(values, np.array([2, 0, 2, 2]), 4)
    np.testing.assert_array_equal(sums, [values[1], [0, 0, 0], values[[0, 2, 3]].sum(axis=0), [0, 0, 0]])
    assert sum_by_cluster(np.ones((4, 2, 5)), np.array([2, 0, 2, 2]), 3).shape == (3, 2, 5)

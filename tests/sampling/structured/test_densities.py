"""Densities of the structured sampler against the model written out with SciPy."""

import numpy as np
import pytest
from scipy.stats import chi2, invwishart, matrix_normal, multivariate_normal, wishart

from jmimpute.sampling.coordinates import pack_covariance
from jmimpute.sampling.structured.arrays import build
from jmimpute.sampling.structured.effects import log_density_block, log_likelihood, pulls, summarise
from jmimpute.sampling.structured.hierarchy import _fixed_terms, log_density_a, sandwich
from jmimpute.sampling.structured.priors import block_density
from jmimpute.sampling.structured.start import refresh, start
from tests.graph.definition import random_values
from tests.graph.structured import MODELS, hierarchical, specification

pytestmark = pytest.mark.sampling


def settled(spec, seed=2):
    """A sampler's model and state at random values, and these values."""
    rng = np.random.default_rng(seed)
    values, model = random_values(spec, rng), build(spec)
    state, rows = start(model, spec, rng), model.problem.rows
    observed = ~np.isnan(spec.y[rows.position].T)
    state.rows.y[:] = np.where(observed, values.y[rows.position].T, 0.0)
    state.rows.beta[:], state.rows.omega_u[:], state.beta2[:] = values.beta, values.omega_u, values.beta_level2
    state.omega[:] = values.omega_e
    state.rows.u[: spec.layout.n_effects] = values.u.T
    state.w[:] = values.w
    refresh(model, state)
    return model, state, values


def marginal(spec, values, omega_u):
    """Log density of observed cells and latents of observed categories, random effects and missing ones integrated out."""
    layout, total = spec.layout, 0.0
    for j in range(spec.n_clusters):
        loadings, means, data, noise = [], [], [], []
        for i in np.flatnonzero(spec.clusters.codes == j):
            omega = values.omega_e if values.omega_e.ndim == 2 else values.omega_e[j]
            seen = np.flatnonzero(~np.isnan(spec.y[i]))
            loading = np.zeros((len(omega), layout.dim_u))
            loading[layout.effect_response, np.arange(layout.n_effects)] = spec.z[i, layout.effect_column]
            loadings.append(loading[seen])
            means.append((spec.x[i] @ values.beta)[seen])
            data.append(values.y[i, seen])
            noise.append(omega[np.ix_(seen, seen)])
        if layout.level2.variables:
            seen = np.flatnonzero(~np.isnan(spec.w[j]))
            loadings.append(np.eye(layout.dim_u)[layout.n_effects + seen])
            means.append((spec.x2[j] @ values.beta_level2)[seen])
            data.append(values.w[j, seen])
            noise.append(np.zeros((len(seen), len(seen))))
        loading = np.concatenate(loadings)
        covariance = loading @ omega_u @ loading.T
        first = 0
        for own in noise:
            covariance[first : first + len(own), first : first + len(own)] += own
            first += len(own)
        if first:
            total += multivariate_normal(np.concatenate(means), covariance).logpdf(np.concatenate(data))
    return total


@pytest.mark.parametrize("kind", list(MODELS))
def test_likelihood_of_omega_u(kind):
    spec = specification(kind)
    model, state, values = settled(spec)
    summary = summarise(model, state)
    pull, slope = pulls(model, state, summary), np.empty(state.rows.omega_u.shape)
    others = [random_values(spec, np.random.default_rng(seed)).omega_u for seed in range(3)]
    found = [log_likelihood(omega, model, state.rows.u, summary.k, pull, slope) for omega in others]
    expected = [marginal(spec, values, omega) for omega in others]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-8)


@pytest.mark.parametrize("kind", list(MODELS))
def test_gradient_of_the_density_of_a_block(kind):
    spec = specification(kind)
    model, state, _ = settled(spec)
    summary = summarise(model, state)
    pull = pulls(model, state, summary)
    for block in range(len(model.prior_u.shape)):
        _, density = block_density(model.prior_u, block)
        theta = np.empty(int(np.diff(model.prior_u.first_coordinate)[block]))
        pack_covariance(state.rows.omega_u, density, theta)

        def value(point, block=block):
            gradient = np.empty(len(point))
            omega = state.rows.omega_u.copy()
            return log_density_block(point, block, model, omega, state.rows.u, summary.k, pull, gradient), gradient

        step, gradient = 1e-6, value(theta)[1]
        numeric = [(value(theta + step * e)[0] - value(theta - step * e)[0]) / (2 * step) for e in np.eye(len(theta))]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("kind", ["random", "random, nominal", "random, mixed"])
def test_density_of_the_degrees_of_freedom(kind, relative):
    """The joint density of a and all matrices, over that of the matrices' parts which are integrated out."""
    spec = specification(kind, hierarchical(kind, relative))
    model, state, values = settled(spec)
    prior, p = model.prior_e, len(values.scale)
    n_rows = model.cells.n_rows
    rng = np.random.default_rng(4)
    cross = np.array([half @ half.T for half in rng.normal(size=(len(n_rows), p, p + 2))])
    for j, matrix in enumerate(values.unscaled):
        factor = np.eye(p)
        for first, width in zip(prior.first, prior.width, strict=True):
            own, known = slice(first, first + width), 0.5 * (np.eye(width) + 1)
            factor[own, own] = np.linalg.cholesky(matrix[own, own]) @ np.linalg.inv(np.linalg.cholesky(known))
        state.unscaling[j] = np.linalg.inv(factor)
    state.a[0], state.scale[:] = values.a, values.scale
    shape = values.scale / values.a
    shapes = np.array([sandwich(unscaling, shape) for unscaling in state.unscaling])
    fixed = _fixed_terms(prior, state, shape, shapes)
    grid = values.a * np.array([1.0, 1.3, 2.0])
    found = [log_density_a(a, prior, n_rows, cross, shapes, fixed) for a in grid]
    expected = [joint(a, shape, prior, values) - integrated(a, shapes, prior, values, n_rows, cross) for a in grid]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-8)


def joint(a, shape, prior, values):
    """Of log a, of A / a for its volume element, and of all T_j."""
    p = len(shape)
    scale = a / prior.df * prior.scale if prior.relative else prior.scale
    total = chi2(prior.eta).logpdf(a) + np.log(a) + wishart(prior.df, scale).logpdf(a * shape) + 0.5 * p * (p + 1) * np.log(a)
    return total + sum(invwishart(a, a * shape).logpdf(matrix) for matrix in values.unscaled)


def integrated(a, shapes, prior, values, n_rows, cross):
    """Of Psi_j and Gamma_j given the covariances of latents."""
    total, c, k = 0.0, prior.continuous, prior.latent
    for j, omega in enumerate(values.omega_e):
        t = a * shapes[j] + cross[j]
        inverse = np.linalg.inv(t[np.ix_(k, k)])
        center, gamma = t[np.ix_(c, k)] @ inverse, omega[np.ix_(c, k)] @ np.linalg.inv(omega[np.ix_(k, k)])
        psi = omega[np.ix_(c, c)] - gamma @ omega[np.ix_(k, c)]
        total += invwishart(n_rows[j] + a, t[np.ix_(c, c)] - center @ t[np.ix_(k, c)]).logpdf(psi)
        if len(k):
            total += matrix_normal(center, psi, inverse).logpdf(gamma)
    return total

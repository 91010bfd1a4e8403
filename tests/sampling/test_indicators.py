"""Rows of Omega_e of selection submodels in the density that the compiled sampler sees."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from jmimpute.sampling import target as t
from jmimpute.sampling.coordinates import add_prior
from jmimpute.sampling.indicators import unpack_rho
from jmimpute.sampling.laplace import starting_point
from tests.problems import statistics
from tests.sampling.latents.problems import PRIORS, SELECTED, specification, with_indicators

pytestmark = pytest.mark.sampling


def problem(kind, priors="default", n_rows=60):
    """A specification whose latent normals have values, and its target."""
    spec = specification(kind, priors, n_rows=n_rows)
    rng = np.random.default_rng(4)
    seen = ~np.isnan(spec.y) & spec.layout.latent
    spec.y[seen] = rng.normal(size=seen.sum())
    return spec, t.build(spec, statistics(spec))


def by_definition(spec, theta, target):
    """Log density of all that is observed or latent, cluster by cluster, and the priors."""
    layout = spec.layout
    beta, omega_e, omega_u = t.parameters(theta, target)
    value = 0.0
    for j in range(spec.n_clusters):
        rows = np.flatnonzero(spec.clusters.codes == j)
        p, d = len(layout.responses), layout.n_effects
        loading = np.zeros((len(rows), p, d))
        for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            loading[:, a, e] = spec.z[rows, c]
        loading = loading.reshape(-1, d)
        covariance = np.kron(np.eye(len(rows)), omega_e) + loading @ omega_u @ loading.T
        y, mean = spec.y[rows].ravel(), (spec.x[rows] @ beta).ravel()
        here = ~np.isnan(y)
        value += multivariate_normal(mean[here], covariance[np.ix_(here, here)]).logpdf(y[here])
    n_beta, n_e, n_u, _ = t.starts(target)
    _, chol_e, chol_u = t.unpack(theta, target)
    for prior, chol, packed in ((target.prior_e, chol_e, theta[n_beta:n_e]), (target.prior_u, chol_u, theta[n_e:n_u])):
        value += add_prior(prior, packed, chol, np.zeros(chol.shape), np.empty(len(packed)))  # tested by itself
    return value - 0.5 * target.beta_precision * np.sum(theta[:n_beta] ** 2) + log_prior_of_rhos(spec, theta[n_u:])


def log_prior_of_rhos(spec, packed):
    """With the volume element from rho to its coordinate, up to a constant."""
    value, position = 0.0, 0
    for selected in spec.selections:
        prior = selected.clause.rho
        if isinstance(prior, float):
            continue
        lower, upper = (getattr(prior, name, default) for name, default in (("lower", -1.0), ("upper", 1.0)))
        rho = lower + (upper - lower) * (1 + np.tanh(packed[position])) / 2
        value += np.log((rho - lower) * (upper - rho))
        if hasattr(prior, "mean"):
            value += norm.logpdf(rho, prior.mean, prior.sd)
        elif hasattr(prior, "sd"):
            value += norm.logpdf(np.arctanh(rho), 0, prior.sd) - np.log(1 - rho**2)
        position += 1
    return value


@pytest.mark.parametrize("priors", PRIORS)
@pytest.mark.parametrize("kind", SELECTED)
def test_density_and_gradient(kind, priors):
    spec, target = problem(kind, priors)
    rng = np.random.default_rng(5)
    gradient, scratch, gaps = np.empty(t.dimension(target)), np.empty(t.dimension(target)), []
    for _ in range(3):
        theta = starting_point(target) + 0.3 * rng.normal(size=t.dimension(target))
        gaps.append(t.log_density(theta, target, gradient) - by_definition(spec, theta, target))
    assert np.ptp(gaps) < 1e-8
    steps = 1e-5 * np.eye(len(theta))
    numeric = [(t.log_density(theta + h, target, scratch) - t.log_density(theta - h, target, scratch)) / 2e-5 for h in steps]
    np.testing.assert_allclose(gradient, numeric, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("kind", SELECTED)
def test_rho_means_what_the_model_says(kind):
    """Omega_e is that of the definition, and coordinates come back from it."""
    spec, target = problem(kind)
    theta = starting_point(target) + 0.5 * np.random.default_rng(6).normal(size=t.dimension(target))
    beta, omega_e, omega_u = t.parameters(theta, target)
    p = len(spec.layout_of_outcomes.responses)
    rho = unpack_rho(theta[t.starts(target)[2] :], target.indicators)
    extended = with_indicators(omega_e[:p, :p], spec, rho)
    np.testing.assert_allclose(omega_e, extended, atol=1e-12)
    again = np.empty_like(theta)
    t.pack(beta, omega_e, omega_u, target, again)
    np.testing.assert_allclose(again, theta, atol=1e-9)

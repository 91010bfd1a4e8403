"""Coordinates of covariance matrices: a bijection, the density of a prior with its Jacobian, and its gradient."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.sampling.coordinates import add_prior, covariance_density, n_coordinates, pack_covariance, unpack_covariance
from jmimpute.specification.families import Variable
from jmimpute.specification.layout import lay_out

pytestmark = pytest.mark.sampling

VARIABLES = {
    "continuous": [("gaussian", 0), ("gaussian", 0)],
    "binary last": [("gaussian", 0), ("gaussian", 0), ("binary", 2)],
    "nominal first": [("nominal", 4), ("gaussian", 0)],
    "mixed order": [("gaussian", 0), ("ordinal", 4), ("nominal", 3), ("gaussian", 0), ("binary", 2)],
    "two nominal": [("nominal", 4), ("nominal", 3), ("gaussian", 0)],
    "latents only": [("binary", 2), ("nominal", 3), ("binary", 2)],
}
PRIORS = {
    "LKJ": jm.priors.lkj(1.7, 0.8),
    "inverse-Wishart": None,
    "flat": jm.priors.flat(),
}


def layout_of(kinds):
    variables, first = [], 0
    for k, (family, n_levels) in enumerate(kinds):
        reference = n_levels - 1 if family == "nominal" else 0 if family == "binary" else -1
        variables.append(Variable(f"v{k}", family, first, tuple(range(n_levels)), reference))
        first += variables[-1].width
    names = {variable.name: ("Intercept",) for variable in variables}
    return lay_out(tuple(variables), names, dict.fromkeys(names, ()))


def known(layout):
    """Which elements of Omega_e are known, and the free ones of its lower triangle."""
    p = len(layout.responses)
    fixed = np.zeros((p, p), dtype=bool)
    for v in layout.variables:
        if v.is_latent:
            fixed[v.first : v.first + v.width, v.first : v.first + v.width] = True
    return fixed, np.nonzero(np.tril(~fixed))


def density_of(prior, layout):
    p = len(layout.responses)
    if prior is None:
        half = np.random.default_rng(3).normal(size=(p, p))
        prior = jm.priors.inverse_wishart(p + 2.5, half @ half.T + np.eye(p))
    return prior, covariance_density(prior, np.diag(np.linspace(1.0, 2.0, p)), layout)


def omega_at(packed, density):
    chol = unpack_covariance(packed, density)
    back = np.argsort(density.order)
    return (chol @ chol.T)[np.ix_(back, back)], chol


def log_prior(prior, omega, layout):
    """Log density with respect to the free elements of Omega_e, written out."""
    p = len(omega)
    if isinstance(prior, jm.priors.Flat):
        return 0.0
    if isinstance(prior, jm.priors.InverseWishart):
        inverse = np.diag(1 / np.linspace(1.0, 2.0, p))
        scale = inverse @ prior.scale_matrix(p) @ inverse
        return -0.5 * (prior.df + p + 1) * np.linalg.slogdet(omega)[1] - 0.5 * np.trace(scale @ np.linalg.inv(omega))
    sd = np.sqrt(np.diag(omega))
    correlation = omega / np.outer(sd, sd)
    free = ~layout.latent
    value = (prior.eta - 1) * np.linalg.slogdet(correlation)[1] - 0.5 * np.sum(sd[free] ** 2) / prior.sd**2
    # From standard deviations and correlations to covariances: each free sd occurs once with every other coordinate, and
    # once for its own variance.
    return value - p * np.sum(np.log(sd[free]))


@pytest.fixture(params=VARIABLES)
def layout(request):
    return layout_of(VARIABLES[request.param])


@pytest.fixture(params=PRIORS)
def problem(request, layout):
    prior, density = density_of(PRIORS[request.param], layout)
    return layout, prior, density


def draw(density, rng):
    return 0.5 * rng.normal(size=n_coordinates(density))


def test_known_elements_and_round_trip(problem):
    layout, _, density = problem
    packed = draw(density, np.random.default_rng(1))
    omega, _ = omega_at(packed, density)
    fixed, free = known(layout)
    assert len(packed) == len(free[0])
    expected = np.where(np.eye(len(omega), dtype=bool), 1.0, 0.5)
    for v in layout.variables:
        if v.is_latent:
            own = slice(v.first, v.first + v.width)
            np.testing.assert_allclose(omega[own, own], expected[own, own], rtol=1e-13)
    again = np.empty_like(packed)
    pack_covariance(omega, density, again)
    np.testing.assert_allclose(again, packed, rtol=1e-10, atol=1e-12)


def test_density_is_that_of_the_prior_with_the_jacobian(problem):
    """Differences between two points, with the Jacobian by finite differences."""
    layout, prior, density = problem
    _, free = known(layout)
    rng = np.random.default_rng(2)
    found, expected = [], []
    for _ in range(3):
        packed = draw(density, rng)
        omega, chol = omega_at(packed, density)
        found.append(add_prior(density, packed, chol, np.zeros_like(chol), np.empty_like(packed)))
        shifts = 1e-5 * np.eye(len(packed))
        jacobian = [(omega_at(packed + h, density)[0][free] - omega_at(packed - h, density)[0][free]) / 2e-5 for h in shifts]
        expected.append(log_prior(prior, omega, layout) + np.linalg.slogdet(np.array(jacobian))[1])
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6, atol=1e-6)


def test_gradient(problem):
    """Of the prior and of a function of Omega that stands for a likelihood."""
    _, _, density = problem
    rng = np.random.default_rng(4)
    packed = draw(density, rng)
    p = len(density.scale)
    weights = rng.normal(size=(p, p))
    weights = weights + weights.T

    def value(at):
        chol = unpack_covariance(at, density)
        prior = add_prior(density, at, chol, np.zeros((p, p)), np.empty_like(at))
        return prior + np.sum(weights * (chol @ chol.T))

    gradient = np.empty_like(packed)
    add_prior(density, packed, unpack_covariance(packed, density), weights.copy(), gradient)
    numeric = [(value(packed + h) - value(packed - h)) / 2e-6 for h in 1e-6 * np.eye(len(packed))]
    np.testing.assert_allclose(gradient, numeric, rtol=2e-6, atol=2e-6)

"""The density of one latent response's parameters, against the definition of the model, row by row."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from jmimpute.sampling.latents.conditional import effects_of, log_density_latent, n_parameters, pack_latent, unpack_latent
from jmimpute.sampling.latents.given import look_around
from jmimpute.sampling.latents.moves import _store
from jmimpute.sampling.latents.rows import CHUNK
from jmimpute.sampling.latents.state import State
from tests.sampling.latents.problems import FORMULAS, PRIORS, SELECTED, random_state, specification
from tests.sampling.test_coordinates import log_prior

pytestmark = pytest.mark.sampling


def interval_of(spec, state, row, position, k):
    """Interval of latent k of a row, from the category and the other latents of its variable."""
    v, variable = next((v, w) for v, w in enumerate(spec.layout.variables) if w.first <= k < w.first + w.width)
    slot = variable.slots[spec.categories[row, v]]
    if variable.family == "ordinal":
        start = sum(w.n_cutpoints for w in spec.layout.variables[:v])
        cuts = [-np.inf, 0.0, *state.cutpoints[start : start + variable.n_cutpoints], np.inf]
        return cuts[slot], cuts[slot + 1]
    others = [state.y[c, position] for c in range(variable.first, variable.first + variable.width) if c != k]
    if slot == k - variable.first:
        return max([0.0, *others]), np.inf
    return -np.inf, 0.0 if slot == variable.width else state.y[variable.first + slot, position]


def by_definition(spec, problem, state, k):
    """Log of p(category of k, u, parameters | other latents, observed responses), with priors, up to a constant."""
    layout, priors = spec.layout, spec.priors
    value = 0.0
    for position, row in enumerate(problem.rows.position):
        observed = ~np.isnan(spec.y[row])
        if not observed[k]:
            continue
        mean = spec.x[row] @ state.beta
        for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            mean[a] += spec.z[row, c] * state.u[e, spec.clusters.codes[row]]
        rest = np.flatnonzero(observed & (np.arange(len(mean)) != k))
        slope = np.linalg.solve(state.omega_e[np.ix_(rest, rest)], state.omega_e[rest, k])
        m = mean[k] + slope @ (state.y[rest, position] - mean[rest])
        s = np.sqrt(state.omega_e[k, k] - slope @ state.omega_e[rest, k])
        low, high = interval_of(spec, state, row, position, k)
        low, high = (low - m) / s, (high - m) / s
        if low > 0:
            low, high = -high, -low
        value += np.log(norm.cdf(high) - norm.cdf(low))
    if layout.n_effects:
        value += multivariate_normal(np.zeros(layout.n_effects), state.omega_u).logpdf(state.u.T).sum()
        value += log_prior_u(priors.Omega_u, state.omega_u, spec)
    value += log_prior_with_indicators(spec, state) if spec.selections else log_prior_e(priors.Omega_e, state.omega_e, spec)
    if hasattr(priors.beta, "sd"):
        value += norm.logpdf(state.beta[layout.beta_mask], 0, priors.beta.sd).sum()
    if hasattr(priors.cutpoints, "sd"):
        start = 0
        for v in layout.variables:
            steps = np.diff([0.0, *state.cutpoints[start : start + v.n_cutpoints]])
            start += v.n_cutpoints
            value += norm.logpdf(steps, 0, priors.cutpoints.sd).sum()
    return value


def rho_of(selected, omega_e):
    own = selected.variable.first
    return omega_e[selected.indicator.first, own] / np.sqrt(omega_e[own, own])


def log_prior_with_indicators(spec, state):
    """Of covariances of responses, which do not move here if it is inverse-Wishart, and of rhos."""
    prior, layout = spec.priors.Omega_e, spec.layout_of_outcomes
    p = len(layout.responses)
    value = 0.0 if hasattr(prior, "df") else log_prior(prior, state.omega_e[:p, :p], layout)
    for selected in spec.selections:
        prior, rho = selected.clause.rho, rho_of(selected, state.omega_e)
        if hasattr(prior, "mean"):
            value += norm.logpdf(rho, prior.mean, prior.sd)
        elif hasattr(prior, "sd"):
            value += norm.logpdf(np.arctanh(rho), 0, prior.sd) - np.log(1 - rho**2)
    return value


def log_prior_e(prior, omega, spec):
    if hasattr(prior, "df"):
        p = len(omega)
        scale = prior.scale_matrix(p) / np.outer(spec.scaling.scale, spec.scaling.scale)
        return -0.5 * (prior.df + p + 1) * np.linalg.slogdet(omega)[1] - 0.5 * np.trace(scale @ np.linalg.inv(omega))
    return log_prior(prior, omega, spec.layout)


def log_prior_u(prior, omega, spec):
    d = len(omega)
    if hasattr(prior, "df"):
        inverse = np.linalg.inv(spec.scaling.u_transform)
        scale = inverse @ prior.scale_matrix(d) @ inverse.T
        return -0.5 * (prior.degrees(d) + d + 1) * np.linalg.slogdet(omega)[1] - 0.5 * np.trace(scale @ np.linalg.inv(omega))
    sd = np.sqrt(np.diag(omega))
    correlation = omega / np.outer(sd, sd)
    return (prior.eta - 1) * np.linalg.slogdet(correlation)[1] - np.sum(sd**2) / (2 * prior.sd**2) - d * np.log(sd).sum()


def moved(latent, phi, given, problem, state):
    """The state that phi stands for."""
    new = State(*(array.copy() for array in state))
    beta, omega, slopes, root, cuts = unpack_latent(latent, phi, given, problem.latents)
    u = np.empty(given.v.shape)
    effects_of(slopes, root, given, u)
    _store(latent, beta, omega, slopes, root, cuts, u, given, problem, new)
    return new


def parameters_of(spec, latent, state, k):
    """All that phi determines, as one vector: coefficients, free covariances, Omega_u, u and cut points of the latent."""
    layout = spec.layout
    own = layout.effect_response == k
    variable = next(w for w in layout.variables if w.first <= k < w.first + w.width)
    partners = np.r_[0 : variable.first, variable.first + variable.width : len(layout.responses)]
    covariances = state.omega_e[k, partners]
    if spec.selections:
        indicators = {selected.indicator.first: selected for selected in spec.selections}
        stay = [selected.variable.first for selected in spec.selections]
        if k in indicators:
            free = not isinstance(indicators[k].clause.rho, float)
            covariances = np.array([rho_of(indicators[k], state.omega_e)] if free else [])
        elif k in stay or hasattr(spec.priors.Omega_e, "df"):
            covariances = np.array([])
        else:
            covariances = covariances[partners < len(spec.layout_of_outcomes.responses)]
    start = sum(w.n_cutpoints for w in layout.variables if w.first < variable.first)
    d = layout.n_effects
    level_2 = [state.omega_u[e, f] for e in range(d) for f in range(d) if own[e] and (f <= e or not own[f])]
    # One cluster's effects given the rest are v, which stays: the volume element of u is that of T, a power of |T|.
    cuts = state.cutpoints[start : start + variable.n_cutpoints]
    return np.concatenate([state.beta[layout.beta_mask[:, k], k], covariances, level_2, cuts])


def density_at(latent, given, problem, state, work, u, phi):
    return log_density_latent(latent, phi, given, problem, state, work, u, np.empty(len(phi)))


@pytest.mark.parametrize("priors", PRIORS)
@pytest.mark.parametrize("kind", [*FORMULAS, *SELECTED])
def test_density_and_gradient(kind, priors):
    spec = specification(kind, priors)
    problem, state = random_state(spec)
    rng = np.random.default_rng(5)
    work = np.empty((6, CHUNK))
    for latent, k in enumerate(problem.latents.coordinate):
        given = look_around(latent, problem, state)
        n = n_parameters(latent, given, problem.latents)
        start = np.empty(n)
        pack_latent(latent, given, problem, state, start)
        u, gradient = np.empty(given.v.shape), np.empty(n)

        density = partial(density_at, latent, given, problem, state, work, u)

        ours, definition = [], []
        for _ in range(3):
            phi = start + 0.05 * rng.normal(size=n)
            ours.append(log_density_latent(latent, phi, given, problem, state, work, u, gradient))
            shifts = 1e-5 * np.eye(n)
            points = [
                (moved(latent, phi + h, given, problem, state), moved(latent, phi - h, given, problem, state)) for h in shifts
            ]
            jacobian = [(parameters_of(spec, latent, a, k) - parameters_of(spec, latent, b, k)) / 2e-5 for a, b in points]
            here = moved(latent, phi, given, problem, state)
            own = layout_own = spec.layout.effect_response == k
            root = (
                np.linalg.cholesky(np.linalg.inv(np.linalg.inv(here.omega_u)[np.ix_(own, own)]))
                if layout_own.any()
                else np.eye(0)
            )
            definition.append(
                by_definition(spec, problem, here, k)
                + np.linalg.slogdet(np.array(jacobian))[1]
                + spec.n_clusters * np.log(np.diag(root)).sum()
            )
            numeric = [(density(phi + h) - density(phi - h)) / 2e-5 for h in shifts]
            np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(np.diff(ours), np.diff(definition), rtol=1e-6, atol=1e-5)

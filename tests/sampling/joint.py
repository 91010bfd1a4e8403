"""What joint-distribution tests of samplers share (Geweke 2004): data and unknowns simulated in turn are draws of the prior.

Each round simulates all responses given parameters and random effects, forgets what is missing and turns latent normals into
categories, and then iterates the sampler once given these data. Whatever is wrong in any conditional, in the treatment of
missing cells or in a prior moves the parameters away from their prior. Rows are few, so that the prior matters and rounds
depend little on each other. With at most 60 z-scores a model, `LIMIT` gives a false alarm once in 10 000 runs of a model.
"""

from dataclasses import replace

import arviz_stats as az
import numpy as np
import pandas as pd
from scipy.stats import invwishart, norm, truncnorm

import jmimpute as jm
from jmimpute.sampling.gibbs_covariances import draw_constrained
from jmimpute.sampling.gibbs_model import build, start
from tests.problems import unscaled

N_ROWS, N_CLUSTERS, N_PRIOR = 12, 4, 20_000
LIMIT = norm.isf(0.5e-4 / 60)
LEVELS = {"binary": (0.0, 1.0), "nominal": (0.0, 1.0, 2.0), "four": (0.0, 1.0, 2.0, 3.0), "ordinal": (0.0, 1.0, 2.0, 3.0)}
#: Response, its family and its levels.
RESPONSES = {"b": "binary", "f": "nominal", "k": "four", "o": "ordinal", "y": None}


def specification(formulas, p, df, rhos=()):
    """Everything but the values of p responses, with priors that are proper and not flat where the data are weak.

    No standard deviation comes near 0, where a chain would stay for long. `rhos` are priors of selection submodels by response;
    which cells are missing stays as it is whatever the indicators are, which to a sampler are binary responses.
    """
    priors = {
        "beta": jm.priors.normal(0.8),
        "Omega_e": jm.priors.inverse_wishart(df, 3.0 * np.eye(p) + 0.8),
        "Omega_u": jm.priors.inverse_wishart(9.0, 2.0),
        "cutpoints": jm.priors.normal(0.7),
    }
    rng = np.random.default_rng(1)
    text = " ".join([formulas] if isinstance(formulas, str) else formulas)
    rows = np.arange(N_ROWS)
    names = [name for name in RESPONSES if f"{name} " in text]
    kinds = {name: RESPONSES[name] for name in names if name != "y"}
    columns = {name: rows % len(LEVELS[kinds[name]]) if name in kinds else rng.normal(size=N_ROWS) for name in names}
    frame = pd.DataFrame(columns, dtype=float)
    absent = rng.random(frame.shape) < 0.25
    absent[5] = True
    frame = frame.mask(absent).assign(x=rng.normal(size=N_ROWS), g=rows % N_CLUSTERS)
    families = {
        name: replace(jm.families.Family("nominal" if kind == "four" else kind), levels=LEVELS[kind])
        for name, kind in kinds.items()
    }
    missing = {name: jm.selection("~ x + (1 | g)", "x", "made up so", rho) for name, rho in dict(rhos).items()}
    return unscaled(jm.JointModel(formulas, frame, families=families, priors=priors, missing=missing or None).specification)


def simulate(spec, beta, omega_e, u, cutpoints, rng):
    """All responses anew, shape (N, p), and their slots, shape (N, V), -1 where missing; u has shape (J, d)."""
    layout = spec.layout
    y = spec.x @ beta + rng.standard_normal((len(spec.x), len(omega_e))) @ np.linalg.cholesky(omega_e).T
    for e in range(layout.n_effects):
        y[:, layout.effect_response[e]] += spec.z[:, layout.effect_column[e]] * u[spec.clusters.codes, e]
    slots = np.full(spec.categories.shape, -1)
    for v, variable in enumerate(layout.variables):
        if variable.is_latent:
            latents = y[:, variable.first : variable.first + variable.width]
            found = variable.slots[variable.categories(latents, cutpoints)]
            slots[:, v] = np.where(spec.categories[:, v] < 0, -1, found)
    return y, slots


def quantities(spec, beta, omega_e, omega_u, cuts):
    """Parameters on a scale on which their prior has light tails, and their squares."""
    free = [beta[:, spec.layout.beta_mask], np.log(np.diff(cuts, axis=1, prepend=0.0))]
    for omega in (omega_e, omega_u):
        sd = np.sqrt(np.diagonal(omega, axis1=1, axis2=2))
        a, b = np.tril_indices(omega.shape[1], -1)
        free += [np.log(sd), omega[:, a, b] / (sd[:, a] * sd[:, b])]
    parameters = np.concatenate(free, axis=1)
    varying = parameters.std(axis=0) > 1e-8
    return np.concatenate([parameters[:, varying], parameters[:, varying] ** 2], axis=1)


def prior_draws(spec, rng, plain=None):
    """Quantities of draws from the prior; Omega_e by the step of the reference sampler without any rows, tested by itself.

    `plain` is the specification without selection submodels.
    """
    plain = plain or spec
    model = build(plain)
    state = start(model, plain, rng)
    d, sd = spec.layout.n_effects, spec.priors.beta.sd
    beta = sd * rng.standard_normal((N_PRIOR, *spec.layout.beta_mask.shape)) * spec.layout.beta_mask
    cuts = np.cumsum(spec.priors.cutpoints.sd * np.abs(rng.standard_normal((N_PRIOR, len(state.cutpoints)))), axis=1)
    omega_u = invwishart(9.0, 2.0 * np.eye(d)).rvs(N_PRIOR, rng) if d else np.empty((N_PRIOR, 0, 0))
    omega_e, omega, log_step = np.empty((N_PRIOR, *state.omega_e.shape)), state.omega_e.copy(), state.log_step.copy()
    for i in range(-1000, N_PRIOR):
        gain = 0.0 if i >= 0 else (i + 1001.0) ** -0.6
        draw_constrained(
            omega, model.scale_e, model.power_e, model.continuous, model.latent, model.pairs, log_step, gain, rng
        )  # fmt: skip
        omega_e[i] = omega
    omega_e = with_selections(omega_e, spec, rng)
    return quantities(spec, beta, omega_e, omega_u, cuts)


def with_selections(sigma, spec, rng):
    """Draws of Omega_e with the rows of indicators, by the definition of the model."""
    for selected in spec.selections:
        rho = draw_rho(selected.clause.rho, len(sigma), rng)
        own = selected.variable.first
        row = rho[:, None] * sigma[:, own] / np.sqrt(sigma[:, own, own])[:, None]
        corner = np.ones((len(sigma), 1, 1))
        sigma = np.block([[sigma, row[:, :, None]], [row[:, None, :], corner]])
    return sigma


def draw_rho(prior, size, rng):
    if isinstance(prior, float):
        return np.full(size, prior)
    if hasattr(prior, "mean"):
        low, high = (prior.lower - prior.mean) / prior.sd, (prior.upper - prior.mean) / prior.sd
        return truncnorm(low, high, prior.mean, prior.sd).rvs(size, rng)
    return np.tanh(prior.sd * rng.normal(size=size)) if hasattr(prior, "sd") else rng.uniform(prior.lower, prior.upper, size)


def assert_same(found, known):
    """Means of the quantities of both, with one row a draw, agree within their Monte Carlo errors."""
    errors = [[az.mcse(x.reshape(4, -1), method="mean") for x in columns.T] for columns in (found, known)]
    z = (found.mean(0) - known.mean(0)) / np.hypot(*errors)
    print(len(z), np.round(z, 1))
    assert np.abs(z).max() < LIMIT

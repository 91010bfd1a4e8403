"""Joint-distribution test of the reference sampler (Geweke 2004): data and unknowns simulated in turn are draws of the prior.

Each round simulates all responses given parameters and random effects, forgets what is missing and turns latent normals into
categories, and then iterates the sampler once given these data. Whatever is wrong in any full conditional, in the treatment
of missing cells or in a prior moves the parameters away from their prior. Rows are few, so that the prior matters and rounds
depend little on each other. With at most 40 z-scores a model, `LIMIT` gives a false alarm once in 10 000 runs of a model.
"""

from dataclasses import replace

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
from scipy.stats import invwishart, norm

import jmimpute as jm
from jmimpute.sampling import gibbs
from jmimpute.sampling.gibbs_covariances import draw_constrained
from jmimpute.sampling.gibbs_model import build, start
from tests.problems import unscaled

N_ROWS, N_CLUSTERS, N_ROUNDS, N_PRIOR = 12, 4, 60_000, 20_000
LIMIT = norm.isf(0.5e-4 / 40)
MODELS = {
    "binary, continuous": ("b + y ~ x", {"b": "binary"}, 7.0),
    "nominal, binary, continuous, random intercepts": ("f + y + b ~ 1 + (1 | g)", {"f": "nominal", "b": "binary"}, 9.0),
    "ordinal, continuous, own covariates and effects": (
        ["y ~ 1 + (1 + x | g)", "o ~ x + (1 | g)"],
        {"o": "ordinal"},
        7.0,
    ),
}


def specification(formulas, families, df):
    """Everything but the values of the responses, with priors that are proper and not flat where the data are weak."""
    rng = np.random.default_rng(1)
    rows = np.arange(N_ROWS)
    columns = {"b": rows % 2, "f": rows % 3, "o": rows % 4, "y": rng.normal(size=N_ROWS)}
    names = [name for name in columns if name in families or name == "y"]
    frame = pd.DataFrame({name: columns[name] for name in names}, dtype=float)
    absent = rng.random(frame.shape) < 0.25
    absent[5] = True
    frame = frame.mask(absent).assign(x=rng.normal(size=N_ROWS), g=rows % N_CLUSTERS)
    p = len(names) + ("f" in families)
    scale = 3.0 * np.eye(p) + 0.8
    priors = {
        "beta": jm.priors.normal(0.8),
        "Omega_e": jm.priors.inverse_wishart(df, scale),
        "Omega_u": jm.priors.inverse_wishart(9.0, 2.0),
        "cutpoints": jm.priors.normal(0.7),
    }
    families = {name: replace(jm.families.Family(kind), levels=LEVELS[kind]) for name, kind in families.items()}
    return unscaled(jm.JointModel(formulas, frame, families=families, priors=priors).specification)


LEVELS = {"binary": (0.0, 1.0), "nominal": (0.0, 1.0, 2.0), "ordinal": (0.0, 1.0, 2.0, 3.0)}


def simulate(spec, model, state, rng):
    """All responses anew, given parameters and random effects: rows as the sampler sees them."""
    layout = spec.layout
    state.y[:] = spec.x @ state.beta + rng.standard_normal(state.y.shape) @ np.linalg.cholesky(state.omega_e).T
    for e in range(layout.n_effects):
        state.y[:, layout.effect_response[e]] += spec.z[:, layout.effect_column[e]] * state.u[spec.clusters.codes, e]
    for v, variable in enumerate(layout.variables):
        if variable.is_latent:
            latents = state.y[:, variable.first : variable.first + variable.width]
            slots = variable.slots[variable.categories(latents, state.cutpoints)]
            model.slot[:, v] = np.where(spec.categories[:, v] < 0, -1, slots)


def quantities(spec, beta, omega_e, omega_u, cuts):
    """Parameters on a scale on which their prior has light tails, and their squares."""
    free = [beta[:, spec.layout.beta_mask], np.log(np.diff(cuts, axis=1, prepend=0.0))]
    for omega in (omega_e, omega_u):
        sd = np.sqrt(np.diagonal(omega, axis1=1, axis2=2))
        a, b = np.tril_indices(omega.shape[1], -1)
        free += [np.log(sd), omega[:, a, b] / (sd[:, a] * sd[:, b])]
    parameters = np.concatenate(free, axis=1)
    varying = parameters.std(axis=0) > 0
    return np.concatenate([parameters[:, varying], parameters[:, varying] ** 2], axis=1)


def prior_draws(spec, model, state, rng):
    """Parameters from the prior; Omega_e by its own step without any rows, which has a test of its own."""
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
    return quantities(spec, beta, omega_e, omega_u, cuts)


@pytest.mark.sampling
@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_data_and_unknowns_in_turn_have_the_prior(name):
    spec = specification(*MODELS[name])
    rng = np.random.default_rng(2)
    model = build(spec)
    state = start(model, spec, rng)
    known = prior_draws(spec, model, state, rng)
    stop, progress = np.zeros(1, dtype=np.bool_), np.zeros(1, dtype=np.int64)
    arrays = (state.beta, state.omega_e, state.omega_u, state.cutpoints)
    kept = [np.empty((N_ROUNDS, *array.shape)) for array in arrays]
    for i in range(-2000, N_ROUNDS):
        simulate(spec, model, state, rng)
        gibbs.run(model, state, 1, i + 2000 if i < 0 else -1, rng, progress, stop)
        for array, store in zip(arrays, kept, strict=True):
            store[i] = array
    found = quantities(spec, *kept)
    errors = [[az.mcse(x.reshape(4, -1), method="mean") for x in columns.T] for columns in (found, known)]
    z = (found.mean(0) - known.mean(0)) / np.hypot(*errors)
    print(name, len(z), np.round(z, 1))
    assert np.abs(z).max() < LIMIT

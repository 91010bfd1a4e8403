"""Joint-distribution test of the sampler of latent normals; see `tests.sampling.joint`."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.sampling.latents.chains import Pilot
from jmimpute.sampling.latents.iteration import Record, run
from jmimpute.sampling.latents.rows import refresh_statistics
from jmimpute.sampling.latents.state import build_problem, settle
from tests.problems import statistics
from tests.sampling.joint import assert_same, prior_draws, quantities, simulate, specification

N_ROUNDS = 60_000
#: Formulas, number of responses and degrees of freedom of the prior of Omega_e; priors of rho of selection submodels.
MODELS = {
    "binary, continuous": ("b + y ~ x + (1 | g)", 2, 7.0),
    "nominal with 3 categories, continuous": ("f + y ~ 1 + (1 | g)", 3, 8.0),
    "nominal with 4 categories, continuous, single level": ("k + y ~ x", 4, 9.0),
    "ordinal, continuous, own covariates and effects": (["y ~ 1 + (1 + x | g)", "o ~ x + (1 | g)"], 2, 7.0),
    "two categorical, continuous": ("f + y + o ~ 1 + (1 | g)", 4, 9.0),
    "latents only": ("b + o ~ 1 + (1 | g)", 2, 7.0),
    "selection": ("y ~ 1 + (1 | g)", 1, 7.0, {"y": jm.priors.uniform(-0.9, 0.8)}),
    "selection beside a category": ("f + y ~ 1 + (1 | g)", 3, 8.0, {"y": jm.priors.truncated_normal(-0.2, 0.5)}),
    "selection of a category, and one that is held": ("b + y ~ 1 + (1 | g)", 2, 7.0, {"b": jm.priors.fisher_z(0.6), "y": 0.5}),
}


def one_draw(problem, state, n):
    """Room for one draw, without its latents."""
    integers = np.zeros(0, dtype=np.int64)
    return Record(
        np.empty((1, n)),
        np.empty((1, len(state.cutpoints))),
        np.empty(1),
        np.empty((1, len(problem.latents.coordinate) + 2)),
        np.zeros(1, dtype=np.bool_),
        np.full(1, -1),
        np.empty((0, 0), dtype=np.float32),
        integers,
        integers,
    )


@pytest.mark.sampling
@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_data_and_unknowns_in_turn_have_the_prior(name):
    spec = specification(*MODELS[name])
    rng = np.random.default_rng(2)
    problem = build_problem(spec, statistics(spec))
    pilot = Pilot(spec, problem, rng)
    state, tuning, rows = pilot.state, pilot.tuning, problem.rows
    latent = [v for v, variable in enumerate(spec.layout.variables) if variable.is_latent]
    observed = ~np.isnan(spec.y[rows.position].T)
    everything = problem.latents._replace(coordinate=np.arange(len(state.y)))
    record = one_draw(problem, state, len(pilot.theta))
    progress, stop = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
    arrays = (state.beta, state.omega_e, state.omega_u, state.cutpoints)
    kept = [np.empty((N_ROUNDS, *array.shape)) for array in arrays]
    for i in range(-3000, N_ROUNDS):
        y, slots = simulate(spec, state.beta, state.omega_e, state.u.T, state.cutpoints, rng)
        rows.slot[:] = slots[np.ix_(rows.position, latent)].T
        state.y[:] = np.where(observed, y[rows.position].T, 0.0)
        refresh_statistics(everything, rows, state.y, problem.target.stats)
        settle(problem, state)
        run(problem, state, tuning, 1, 1, i < 0, False, 0.8, rng, record, progress, stop)
        for array, store in zip(arrays, kept, strict=True):
            store[i] = array
    assert_same(quantities(spec, *kept), prior_draws(spec, rng, specification(*MODELS[name][:3])))

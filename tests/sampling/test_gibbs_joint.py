"""Joint-distribution test of the reference sampler; see `tests.sampling.joint`."""

import numpy as np
import pytest

from jmimpute.sampling import gibbs
from jmimpute.sampling.gibbs_model import build, start
from tests.sampling.joint import assert_same, prior_draws, quantities, simulate, specification

N_ROUNDS = 60_000
MODELS = {
    "binary, continuous": ("b + y ~ x", 2, 7.0),
    "nominal, binary, continuous, random intercepts": ("f + y + b ~ 1 + (1 | g)", 4, 9.0),
    "ordinal, continuous, own covariates and effects": (["y ~ 1 + (1 + x | g)", "o ~ x + (1 | g)"], 2, 7.0),
}


@pytest.mark.sampling
@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_data_and_unknowns_in_turn_have_the_prior(name):
    formulas, p, df = MODELS[name]
    spec = specification(formulas, p, df)
    rng = np.random.default_rng(2)
    model = build(spec)
    state = start(model, spec, rng)
    stop, progress = np.zeros(1, dtype=np.bool_), np.zeros(1, dtype=np.int64)
    arrays = (state.beta, state.omega_e, state.omega_u, state.cutpoints)
    kept = [np.empty((N_ROUNDS, *array.shape)) for array in arrays]
    for i in range(-2000, N_ROUNDS):
        state.y[:], model.slot[:] = simulate(spec, state.beta, state.omega_e, state.u, state.cutpoints, rng)
        gibbs.run(model, state, 1, i + 2000 if i < 0 else -1, rng, progress, stop)
        for array, store in zip(arrays, kept, strict=True):
            store[i] = array
    assert_same(quantities(spec, *kept), prior_draws(spec, rng))

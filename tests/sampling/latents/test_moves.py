"""One iteration leaves a consistent state: constraints, intervals, and everything that is kept beside the parameters."""

import numpy as np
import pytest

from jmimpute.sampling.latents import tuning as tunings
from jmimpute.sampling.latents.moves import move_latent
from jmimpute.sampling.latents.rows import CHUNK
from jmimpute.sampling.latents.state import State, settle
from jmimpute.sampling.target import dimension
from tests.sampling.latents.problems import FORMULAS, random_state, specification
from tests.sampling.latents.test_conditional import interval_of

pytestmark = pytest.mark.sampling


@pytest.mark.parametrize("kind", FORMULAS)
def test_a_move_leaves_a_consistent_state(kind):
    spec = specification(kind)
    problem, state = random_state(spec)
    rng = np.random.default_rng(3)
    latents = problem.latents.coordinate
    tuning = tunings.new_tuning(np.eye(dimension(problem.target)), len(latents), int(tunings.sizes(problem).max()))
    before = State(*(array.copy() for array in state))
    for latent, k in enumerate(latents):
        move_latent(latent, problem, state, tuning, True, np.empty((6, CHUNK)), rng)
        # Inverses and residuals that are carried along agree with those computed anew.
        fresh = State(*(array.copy() for array in state))
        settle(problem, fresh)
        np.testing.assert_allclose(state.precision, fresh.precision, atol=1e-9)
        np.testing.assert_allclose(state.residual, fresh.residual, atol=1e-9)
        for position, row in enumerate(problem.rows.position):
            if not np.isnan(spec.y[row, k]):
                low, high = interval_of(spec, state, row, position, k)
                assert low <= state.y[k, position] <= high
    assert np.linalg.eigvalsh(state.omega_e).min() > 0
    for variable in spec.layout.variables:
        own = slice(variable.first, variable.first + variable.width)
        if variable.is_latent:
            np.testing.assert_array_equal(state.omega_e[own, own], before.omega_e[own, own])
            assert not np.array_equal(state.y[own], before.y[own])
        else:
            np.testing.assert_array_equal(state.y[own], before.y[own])

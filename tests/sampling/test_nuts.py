"""The pieces of NUTS: a leapfrog that can be run backwards, and the bookkeeping of the binary tree."""

import numpy as np
import pytest

from jmimpute.sampling import nuts, target
from jmimpute.sampling.laplace import whiten
from tests.problems import model


@pytest.fixture(scope="module")
def moving():
    """A whitened target and a function that runs leapfrog steps from a fixed state."""
    joint = model("slopes", 1, n_rows=80, n_clusters=10)
    goal = target.build(joint.specification, joint.statistics)
    whitening = whiten(goal)
    n = len(whitening.center)
    rng = np.random.default_rng(2)
    start = nuts.State(0.5 * rng.normal(size=n), np.zeros(n), rng.normal(size=n), np.zeros(1))
    theta, gradient = np.empty(n), np.empty(n)
    nuts._evaluate(goal, whitening.center, whitening.matrix, start, theta, gradient)

    def steps(state, size, count):
        moved = nuts.State(*(array.copy() for array in state))
        for _ in range(count):
            nuts._leapfrog(goal, whitening.center, whitening.matrix, size, moved, theta, gradient)
        return moved

    return start, steps


@pytest.mark.sampling
def test_leapfrog_is_reversible(moving):
    start, steps = moving
    there_and_back = steps(steps(start, 0.2, 12), -0.2, 12)
    assert there_and_back.xi == pytest.approx(start.xi, abs=1e-9)
    assert there_and_back.momentum == pytest.approx(start.momentum, abs=1e-9)


@pytest.mark.sampling
def test_energy_error_is_of_second_order(moving):
    start, steps = moving
    energy = nuts._energy(start)
    errors = [abs(nuts._energy(steps(start, 0.4 / 2**k, 4 * 2**k)) - energy) for k in (2, 3, 4)]
    # Halving the step divides the error by 4; a first-order integrator would divide it by 2.
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.2)


@pytest.mark.sampling
def test_gradient_in_whitened_coordinates_is_the_slope_of_the_density(moving):
    start, steps = moving
    # One leapfrog step with momentum along an axis moves the density by slope times distance.
    for k in range(len(start.xi)):
        axis = np.zeros_like(start.xi)
        axis[k] = 1.0
        along = nuts.State(start.xi, np.zeros_like(axis), axis, start.density)
        up, down = steps(along, 1e-5, 1), steps(along, -1e-5, 1)
        assert (up.density[0] - down.density[0]) / 2e-5 == pytest.approx(start.gradient[k], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("leaf", "bits", "ones"), [(0, 0, 0), (1, 1, 1), (3, 2, 2), (5, 2, 1), (6, 2, 0), (7, 3, 3), (11, 3, 2)]
)
def test_tree_bookkeeping(leaf, bits, ones):
    assert nuts._bits(leaf) == bits
    assert nuts._trailing_ones(leaf) == ones


def test_turning_is_seen_from_both_ends():
    first, last = np.array([1.0, 0.0]), np.array([0.9, 0.1])
    assert not nuts._is_turning(first, last, first + last + np.array([1.0, 0.0]))
    assert nuts._is_turning(first, -last, first - last)
    assert nuts._is_turning(np.array([0.0, 1.0]), np.array([0.0, -1.0]), np.array([0.0, 0.3]))

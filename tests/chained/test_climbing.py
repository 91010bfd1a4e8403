"""The search for maxima, on functions whose maxima are known."""

import numpy as np
import pytest

from jmimpute.chained.climbing import MOST_STEPS, climb


def rosenbrock(x):
    a, b = 1 - x[:-1], x[1:] - x[:-1] ** 2
    slope = np.zeros_like(x)
    slope[:-1] += 2 * a + 400 * x[:-1] * b
    slope[1:] -= 200 * b
    return -float(np.sum(a**2 + 100 * b**2)), slope


@pytest.mark.parametrize("start", [[-1.2, 1.0], [0.0, 0.0, 0.0, 0.0], [2.0, -1.0, 2.0]])
def test_a_curved_ridge_is_climbed_to_its_top(start):
    x, value = climb(rosenbrock, np.array(start))
    np.testing.assert_allclose(x, 1.0, atol=1e-7)
    assert -1e-11 < value <= 0


def test_a_paraboloid_in_unequal_units_takes_few_steps():
    curvature, calls = np.array([1e-3, 1.0, 1e3]), []

    def function(x):
        calls.append(x)
        return -float(x @ (curvature * x)) / 2, -curvature * x

    x, _ = climb(function, np.ones(3))
    np.testing.assert_allclose(x, 0.0, atol=1e-5)
    assert len(calls) < 40


def test_steps_into_the_undefined_are_shortened():
    """log x - x has its top at 1, and is not defined below 0."""

    def function(x):
        with np.errstate(invalid="ignore"):
            return float(np.log(x[0]) - x[0]), 1 / x - 1

    x, value = climb(function, np.array([50.0]))
    np.testing.assert_allclose(x, 1.0, atol=1e-6)
    np.testing.assert_allclose(value, -1.0)


def test_a_search_without_end_ends():
    calls = []

    def function(x):
        calls.append(x)
        return float(x[0]), np.ones(1)

    climb(function, np.zeros(1))
    assert len(calls) <= MOST_STEPS + 1

"""Truncated normal draws against the distribution function, in every region that has a method of its own."""

import math

import numpy as np
import pytest
from scipy.special import log_ndtr
from scipy.stats import kstest

from jmimpute.compilation import kernel
from jmimpute.sampling.truncated import normal_below, truncated_normal

INF = math.inf
REGIONS = [
    (-INF, INF), (-INF, 0.0), (0.0, INF), (-INF, 3.0), (-1.0, 2.0), (-2.0, INF), (-0.1, 0.1), (-0.01, 2.6), (-0.2, 1.0),
    (0.0, 0.3), (0.1, INF), (0.3, 1.0), (0.3, 3.0), (0.49, 2.5), (0.5, INF), (0.8, 1.9), (1.0, 1.2), (2.0, INF), (2.0, 2.8),
    (3.0, 3.4), (5.0, 5.1), (5.0, 6.0), (8.0, INF), (-INF, -8.0), (-5.1, -5.0), (-2.8, -2.0), (-INF, -0.4), (30.0, INF),
    (30.0, 30.01), (-INF, -30.0), (-1e-9, INF), (1e6, INF),
]  # fmt: skip
N_DRAWS = 20_000
# A false alarm in 10 000 runs of all regions.
LIMIT = 1e-4 / len(REGIONS)


@kernel
def fill(a, b, rng, out):
    for i in range(len(out)):
        out[i] = truncated_normal(a, b, rng)


@kernel
def fill_below(b, rng, out):
    for i in range(len(out)):
        out[i] = normal_below(b, rng)


def draws(a, b, n=N_DRAWS):
    out = np.empty(n)
    fill(a, b, np.random.default_rng(7), out)
    return out


def draws_below(b):
    out = np.empty(N_DRAWS)
    fill_below(b, np.random.default_rng(8), out)
    return out


def survival(x, a, b):
    """P(X > x | a < X < b) for a >= 0, from logarithms of tail probabilities so that it is accurate far out."""
    tail, end = log_ndtr(-x) - log_ndtr(-a), log_ndtr(-b) - log_ndtr(-a)
    return (np.exp(tail) - np.exp(end)) / -np.expm1(end)


@pytest.mark.sampling
@pytest.mark.parametrize(("a", "b"), REGIONS)
def test_draws_have_the_distribution(a, b):
    check(draws(a, b), a, b)


@pytest.mark.sampling
@pytest.mark.parametrize("b", [INF, 3.0, 0.5, 0.0, -0.2, -0.49, -0.5, -0.6, -2.0, -8.0, -30.0, -1e6])
def test_draws_below_a_bound_have_the_distribution(b):
    check(draws_below(b), -INF, b)


@pytest.mark.sampling
def test_no_bound_ends_too():
    assert np.isnan(draws_below(math.nan)).all()


def check(x, a, b):
    assert x.min() >= a and x.max() <= b
    if b <= 0:
        x, a, b = -x, -b, -a
    if a > 100:  # tail probabilities cancel: the excess is exponential up to 1 / a^2
        assert kstest((x - a) * a, "expon").pvalue > LIMIT
    elif a >= 0:
        assert kstest(survival(x, a, b), "uniform").pvalue > LIMIT
    else:
        below, above = np.exp(log_ndtr(a)), np.exp(log_ndtr(b))
        assert kstest((np.exp(log_ndtr(x)) - below) / (above - below), "uniform").pvalue > LIMIT


@pytest.mark.sampling
def test_degenerate_and_impossible_intervals_end():
    assert draws(1.5, 1.5, 3).tolist() == [1.5] * 3
    assert np.isnan(draws(1.0, 0.0, 3)).all()
    assert np.isnan(draws(math.nan, 1.0, 3)).all() and np.isnan(draws(0.0, math.nan, 3)).all()
    assert draws(1e200, INF, 3).tolist() == [1e200] * 3
    assert draws(-INF, -1e200, 3).tolist() == [-1e200] * 3


@pytest.mark.sampling
def test_a_seed_fixes_the_draws():
    np.testing.assert_array_equal(draws(2.0, INF, 50), draws(2.0, INF, 50))

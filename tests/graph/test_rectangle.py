"""Probabilities of intervals and rectangles against dense quadrature of another form, and gradients against differences."""

import math

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.special import log_ndtr

from jmimpute.graph.rectangle import LogInterval, LogRectangle, log_interval, log_rectangle

INF = math.inf
X, W = np.polynomial.legendre.leggauss(24)
CORRELATIONS = [-0.999, -0.98, -0.95, -0.926, -0.92, -0.8, -0.5, -0.1, 0.0, 1e-9, 0.2, 0.31, 0.7, 0.76, 0.9, 0.93, 0.98, 0.999]


def rectangles(*limits):
    """Value and derivatives, one row a case."""
    return np.column_stack(
        LogRectangle.table(*(np.array(limit, dtype=float) for limit in np.broadcast_arrays([0.0], *limits)[1:]))
    )


def intervals(lower, upper):
    return np.column_stack(LogInterval.table(np.atleast_1d(lower).astype(float), np.atleast_1d(upper).astype(float)))


def log_between(a, b):
    """log(Phi(b) - Phi(a)) by SciPy, in the lower tail."""
    a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        top = log_ndtr(b)
        return top + np.log(-np.expm1(log_ndtr(a) - top))


def reference(a1, b1, a2, b2, r):
    """Integral over the second variable, where the code takes the first, on 400 panels of 24 nodes."""
    ends = np.linspace(max(a2, -40.0), min(b2, 40.0), 401)
    half, center = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
    y, s = center + half * X, math.sqrt((1 - r) * (1 + r))
    logs = np.log(half * W) + log_between((a1 - r * y) / s, (b1 - r * y) / s) - 0.5 * y * y - 0.5 * math.log(2 * math.pi)
    return np.logaddexp.reduce(logs, axis=None)


def cases(seed, n):
    """Quadrants, strips and boxes, near the middle and in the tails."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < n:
        spread, bounds = rng.choice([1.0, 2.0, 4.0, 8.0, 13.0]), []
        for kind in rng.integers(3, size=2):
            low = rng.uniform(-spread, spread)
            bounds += [[-INF, low], [low, INF], [low, low + rng.choice([0.02, 0.3, 1.0, 3.0])]][kind]
        case = (*bounds, float(rng.choice(CORRELATIONS)))
        if reference(*case) > -600.0:
            found.append(case)
    return found


def test_reference_is_right_where_the_answer_is_known():
    assert reference(-INF, 0, -INF, 0, 0.5) == pytest.approx(math.log(1 / 3), abs=1e-13)
    assert reference(-INF, 0, -INF, 0, -0.999) == pytest.approx(math.log(0.25 + math.asin(-0.999) / (2 * math.pi)), abs=1e-11)


def test_probability_equals_quadrature():
    chosen = cases(1, 400)
    expected = np.array([reference(*case) for case in chosen])
    found = rectangles(*zip(*chosen, strict=True))[:, 0]
    assert (expected < -200).sum() > 10 and (expected > -3).sum() > 30
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_derivatives_equal_differences_of_quadrature():
    chosen = cases(2, 120)
    found = rectangles(*zip(*chosen, strict=True))[:, 1:]
    for case, gradient in zip(chosen, found, strict=True):
        for k in range(5):
            if math.isinf(case[k]):
                assert gradient[k] == 0.0
                continue
            # The reference is good to 1e-12, so differences over 2e-5 to 1e-7, and more where it moves over less.
            step = 1e-5 * (1 - case[4] ** 2 if k == 4 else 1.0)
            ends = [reference(*case[:k], case[k] + shift, *case[k + 1 :]) for shift in (step, -step)]
            assert gradient[k] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=2e-5, abs=2e-5), (case, k)


@pytest.mark.parametrize("r", CORRELATIONS)
def test_cells_of_a_grid_sum_to_one(r):
    cuts = np.array([-INF, -4.0, -1.0, -0.2, 0.0, 0.7, 2.0, 5.0, INF])
    i, j = (index.ravel() for index in np.indices((8, 8)))
    assert np.exp(rectangles(cuts[i], cuts[i + 1], cuts[j], cuts[j + 1], r)[:, 0]).sum() == pytest.approx(1.0, abs=1e-13)


def test_probability_equals_share_of_draws():
    rng = np.random.default_rng(3)
    n = 400_000
    for a1, b1, a2, b2, r in [(-INF, 0.3, 0.1, INF, 0.7), (-0.5, 0.6, -INF, -0.2, -0.95), (0.2, 1.5, -1.0, 0.4, 0.4)]:
        x = rng.standard_normal(n)
        y = r * x + math.sqrt(1 - r * r) * rng.standard_normal(n)
        share = np.mean((x > a1) & (x < b1) & (y > a2) & (y < b2))
        p = math.exp(rectangles(a1, b1, a2, b2, r)[0, 0])
        # A false alarm in 10 000 runs of the three.
        assert abs(share - p) < 4.2 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("r", [-0.98, 0.3, 0.95])
def test_free_coordinate_reduces_to_the_interval(r):
    one = intervals(-3.0, -1.0)[0]
    np.testing.assert_allclose(rectangles(-3, -1, -INF, INF, r)[0], [one[0], one[1], one[2], 0, 0, 0], rtol=1e-14)
    np.testing.assert_allclose(rectangles(-INF, INF, -3, -1, r)[0], [one[0], 0, 0, one[1], one[2], 0], rtol=1e-14)


def test_independent_coordinates_multiply_far_in_the_tails():
    both = rectangles(-INF, -30, 20, INF, 0)[0, 0]
    assert both == pytest.approx(log_ndtr(-30) + log_ndtr(-20), rel=1e-14)


def test_intervals_and_their_derivatives():
    bounds = [
        (-INF, 0.7),
        (0.7, INF),
        (-INF, -40),
        (40, INF),
        (-1, 2),
        (3, 3.1),
        (-38, -37),
        (-1e3, INF),
        (-INF, -1e4),
        (1e-3, 2e-3),
    ]
    lower, upper = np.array(bounds, dtype=float).T
    found = intervals(lower, upper)
    np.testing.assert_allclose(found[:, 0], log_between(lower, upper), rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(
        found[:, 2], [np.exp(-0.5 * b * b - v) / math.sqrt(2 * math.pi) for b, v in zip(upper, found[:, 0], strict=True)]
    )
    np.testing.assert_allclose(intervals(-upper, -lower), found[:, [0, 2, 1]] * [1, -1, -1], rtol=1e-13)
    assert found[8, 2] == pytest.approx(1e4, rel=1e-7)  # the hazard does not vanish where the probability does


@pytest.mark.parametrize(
    "case", [(1, 0, -INF, 0, 0.5), (0, 0, -INF, 0, 0.5), (-INF, 0, -INF, 0, 1.0), (-INF, 0, -INF, math.nan, 0.1)]
)
def test_what_cannot_be_is_minus_infinity_with_zero_gradient(case):
    assert rectangles(*case)[0].tolist() == [-INF, 0, 0, 0, 0, 0]
    assert intervals(1.0, 0.0)[0, 0] == -INF


@pytest.mark.sampling
@pytest.mark.parametrize("mode", ["NUMBA", "FAST_COMPILE"])
def test_ops_in_a_graph(mode):
    x, r = pt.dmatrix("x"), pt.dscalar("r")
    total = (log_rectangle(-INF, x, 0.0, 2.0 * x, pt.tanh(r)) * [1.0, 2.0]).sum() + log_interval(x, INF)[0].sum()
    evaluate = pytensor.function([x, r], [total, *pt.grad(total, [x, r])], mode=mode)
    at, rho = np.array([[0.3, 1.2], [2.0, 0.4]]), 0.6
    value, d_x, d_r = evaluate(at, rho)
    expected = (rectangles(-INF, at.ravel(), 0.0, 2 * at.ravel(), math.tanh(rho))[:, 0].reshape(2, 2) * [1, 2]).sum()
    assert value == pytest.approx(expected + log_ndtr(-at[0]).sum(), rel=1e-12)
    step = 1e-6
    for index in np.ndindex(2, 2):
        shift = np.zeros((2, 2))
        shift[index] = step
        assert d_x[index] == pytest.approx((evaluate(at + shift, rho)[0] - evaluate(at - shift, rho)[0]) / (2 * step), rel=1e-6)
    assert d_r == pytest.approx((evaluate(at, rho + step)[0] - evaluate(at, rho - step)[0]) / (2 * step), rel=1e-6)


@pytest.mark.sampling
def test_value_and_gradient_are_one_call_of_the_kernel():
    limits = [pt.dvector() for _ in range(5)]
    total = log_rectangle(*limits).sum()
    graph = pytensor.function(limits, [total, *pt.grad(total, limits)], mode="NUMBA").maker.fgraph
    assert sum(isinstance(node.op, LogRectangle) for node in graph.apply_nodes) == 1

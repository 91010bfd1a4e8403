"""The likelihood under selection models against closed forms, dense normals, simulated units and finite differences."""

import math
from itertools import pairwise

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.special import log_ndtr
from scipy.stats import multivariate_normal, norm

from jmimpute.errors import TableError
from jmimpute.graph.selected import all_cuts, group_rows, joined_intervals, log_likelihood
from jmimpute.graph.selected_kernel import log_likelihood as kernel
from jmimpute.imputation.selected import extended_covariance

INF, NAN = math.inf, math.nan


def evaluate(mean, sigma, rho, known, cutpoints=None):
    """Sum, rows, and gradients by mean, Sigma, rho and cut points."""
    cuts = all_cuts(known.n_categories, cutpoints, np.concatenate)
    arrays = (np.array(value, dtype=float) for value in (mean, sigma, np.atleast_2d(rho)))
    *found, d_rho, d_cuts = kernel(*arrays, cuts, known)
    return *found, d_rho.reshape(np.shape(rho)), d_cuts


def rows(values, categories, n_categories, own, mean, sigma, rho, cutpoints=None):
    known = group_rows(np.array(values, dtype=float), np.array(categories), n_categories, own)
    return evaluate(np.broadcast_to(mean, known.categories.shape), sigma, rho, known, cutpoints)[1]


def dense(values, categories, mean, sigma, rho, own, cutpoints):
    """Log density of what is exact in a row, and probability of all intervals at once given it."""
    p, covariance = len(sigma), extended_covariance(sigma, rho, own)
    seen, inside = np.append(~np.isnan(values), np.zeros(len(own), dtype=bool)), categories >= 0
    exact = np.flatnonzero(seen)
    residual = (values - mean[:p])[seen[:p]]
    gamma = np.linalg.solve(covariance[np.ix_(exact, exact)], covariance[np.ix_(exact, inside)]).T
    center = mean[inside] + gamma @ residual
    left = covariance[np.ix_(inside, inside)] - gamma @ covariance[np.ix_(exact, inside)]
    value = multivariate_normal(np.zeros(len(exact)), covariance[np.ix_(exact, exact)]).logpdf(residual) if len(exact) else 0.0
    if not inside.any():
        return value, 1.0
    cuts = [np.r_[-INF, 0.0, cutpoints[c] if c < p and cutpoints[c] is not None else [], INF] for c in np.flatnonzero(inside)]
    lower, upper = np.array([[cut[h], cut[h + 1]] for cut, h in zip(cuts, categories[inside], strict=True)]).T
    return value, multivariate_normal(center, left).cdf(upper, lower_limit=lower)


# One gaussian MAR, one gaussian MNAR, one binary MNAR and one ordinal MAR response.
OWN = [1, 2]
N_CATEGORIES = [1, 1, 2, 4, 2, 2]
CUTPOINTS = [None, None, None, np.array([0.7, 1.9])]
SIGMA = np.array([[1.3, 0.5, -0.3, 0.2], [0.5, 2.0, 0.6, -0.5], [-0.3, 0.6, 1.0, 0.3], [0.2, -0.5, 0.3, 1.0]])


def mixed(seed, n=60):
    """Rows of all kinds with at most two intervals that depend on one another."""
    rng = np.random.default_rng(seed)
    values, categories = np.full((4 * n, 4), NAN), np.full((4 * n, 6), -1)
    seen = rng.random((4 * n, 4)) < [0.6, 0.6, 0.5, 0.4]
    for k in (0, 1):
        values[seen[:, k], k] = rng.normal(0, 1.2, seen[:, k].sum())
    for k, count in ((2, 2), (3, 4)):
        categories[seen[:, k], k] = rng.integers(count, size=seen[:, k].sum())
    categories[:, 4:] = np.where(rng.random((4 * n, 2)) < 0.15, -1, seen[:, OWN])
    few = joined_intervals(values, categories, OWN).sum(axis=1) <= 2
    values, categories = values[few][:n], categories[few][:n]
    return values, categories, rng.normal(0.2, 0.6, (n, 6))


@pytest.mark.parametrize("rho", [[0.0, 0.0], [0.6, -0.4], [-0.98, 0.9]])
def test_rows_equal_dense_normals(rho):
    values, categories, mean = mixed(1)
    found = rows(values, categories, N_CATEGORIES, OWN, mean, SIGMA, rho, CUTPOINTS)
    expected = [dense(v, c, m, SIGMA, np.array(rho), OWN, CUTPOINTS) for v, c, m in zip(values, categories, mean, strict=True)]
    density, probability = np.array(expected).T
    assert joined_intervals(values, categories, OWN).sum(axis=1).max() == 2 and (categories >= 0).sum(axis=1).max() > 2
    # SciPy integrates more than two dimensions at random, to an absolute error of 1e-5.
    np.testing.assert_allclose(np.exp(found - density), probability, atol=3e-5)


@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.5, 0.98])
def test_heckman_likelihood_of_one_gaussian_response(rho):
    sigma, mean, y = 1.7, np.array([0.4, -0.3]), 2.1
    found = rows([[y], [NAN], [NAN]], [[-1, 1], [-1, 0], [-1, -1]], [1, 2], [0], mean, [[sigma**2]], [rho])
    r = (y - 0.4) / sigma
    observed = norm.logpdf(y, 0.4, sigma) + log_ndtr((-0.3 + rho * r) / math.sqrt(1 - rho**2))
    np.testing.assert_allclose(found, [observed, log_ndtr(0.3), 0.0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("rho", [-0.9, 0.5, 0.98])
def test_heckman_likelihood_of_one_discrete_response(rho):
    def phi2(h, k, r):
        return multivariate_normal([0, 0], [[1, r], [r, 1]]).cdf([h, k])

    mean, mu, eta, tau = np.array([0.4, -0.3]), 0.4, -0.3, [-INF, 0.0, 1.1, INF]
    binary = rows([[NAN]] * 3, [[0, 1], [1, 1], [-1, 0]], [2, 2], [0], mean, np.eye(1), [rho])
    np.testing.assert_allclose(np.exp(binary[:2]), [phi2(q * mu, eta, q * rho) for q in (-1, 1)], atol=1e-10)
    ordinal = rows([[NAN]] * 4, [[0, 1], [1, 1], [2, 1], [-1, 0]], [3, 2], [0], mean, np.eye(1), [rho], [np.array([1.1])])
    cells = [phi2(b - mu, eta, -rho) - phi2(a - mu, eta, -rho) for a, b in pairwise(tau[1:])]
    np.testing.assert_allclose(np.exp(ordinal[:3]), [phi2(tau[1] - mu, eta, -rho), *cells], atol=1e-10)
    for found in (binary, ordinal):
        assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-13)


def test_rows_without_selection_are_gaussian():
    values, categories, mean = mixed(2)
    categories[:] = -1
    found = rows(values, categories, N_CATEGORIES, OWN, mean, SIGMA, [0.5, 0.5], CUTPOINTS)
    for value, y, m in zip(found, values, mean, strict=True):
        o = ~np.isnan(y)
        expected = multivariate_normal(m[:4][o], SIGMA[np.ix_(o, o)]).logpdf(y[o]) if o.any() else 0.0
        assert value == pytest.approx(expected, abs=1e-12)


def test_events_are_as_frequent_as_among_simulated_units():
    """A gaussian MAR response that is observed or not, and ordinal and binary MNAR ones of which one at most is observed."""
    rng, n, rho, own = np.random.default_rng(4), 1_000_000, np.array([0.7, -0.6]), [1, 2]
    sigma = np.array([[1.5, 0.6, 0.4], [0.6, 1.0, 0.5], [0.4, 0.5, 1.0]])
    mean, cuts = np.array([0.5, 0.6, -0.2, 0.3, 0.1]), [None, np.array([0.9]), None]
    e = rng.standard_normal((n, 3)) @ np.linalg.cholesky(sigma).T
    y = mean[:3] + e
    selected = mean[3:] + rho * e[:, own] + np.sqrt(1 - rho**2) * rng.standard_normal((n, 2)) > 0
    rank, sign = np.digitize(y[:, 1], [0.0, 0.9]), (y[:, 2] > 0).astype(int)
    width = 0.05
    checked = 0
    for near in (None, -0.6, 1.4):
        inside = np.full(n, True) if near is None else np.abs(y[:, 0] - near) < width / 2
        y0, scale = (NAN, 1.0) if near is None else (near, width)
        neither = inside & ~selected.any(axis=1)
        one = rows([[y0, NAN, NAN]], [[-1, -1, -1, 0, 0]], [1, 3, 2, 2, 2], own, mean, sigma, rho, cuts)
        events = [(neither, one[0])]
        # Two selections and a discrete response depend on one another, so the selection of the other one is left free here.
        for h in range(3):
            value = rows([[y0, NAN, NAN]], [[-1, h, -1, 1, -1]], [1, 3, 2, 2, 2], own, mean, sigma, rho, cuts)
            events.append((inside & selected[:, 0] & (rank == h), value[0]))
        for h in range(2):
            value = rows([[y0, NAN, NAN]], [[-1, -1, h, -1, 1]], [1, 3, 2, 2, 2], own, mean, sigma, rho, cuts)
            events.append((inside & selected[:, 1] & (sign == h), value[0]))
        for happened, value in events:
            p = math.exp(value) * scale
            # A false alarm in 10 000 runs of the 18; the density is constant within a bin to a thousandth of it.
            assert abs(happened.mean() - p) < 4.6 * math.sqrt(p / n) + 1e-3 * p, (near, happened.mean(), p)
            checked += 1
    assert checked == 18


def test_groups_of_rows_with_a_rho_of_their_own():
    """The likelihood of all is the sum of those of the groups, each by itself."""
    values, categories, mean = mixed(8)
    group = np.random.default_rng(3).integers(0, 3, len(values))
    rho = np.array([[0.3, -0.5], [-0.7, 0.1], [0.9, 0.6]])
    known = group_rows(values, categories, N_CATEGORIES, OWN, group)
    found = evaluate(mean, SIGMA, rho, known, CUTPOINTS)
    for k, own in enumerate(rho):
        one = evaluate(
            mean[group == k], SIGMA, own, group_rows(values[group == k], categories[group == k], N_CATEGORIES, OWN), CUTPOINTS
        )
        np.testing.assert_allclose(found[1][group == k], one[1], rtol=1e-12)
        np.testing.assert_allclose(found[4][k], one[4], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("rho", "n_groups"), [([0.3, -0.5], 1), ([0.98, -0.98], 1), ([[0.3, -0.5], [0.98, -0.98], [-0.2, 0.0]], 3)]
)
def test_gradient_equals_finite_differences(rho, n_groups):
    values, categories, mean = mixed(5)
    known = group_rows(values, categories, N_CATEGORIES, OWN, np.arange(len(values)) % n_groups)
    arrays = [mean, SIGMA.copy(), np.array(rho), CUTPOINTS[3].copy()]
    _, _, d_mean, d_sigma, d_rho, d_cuts = evaluate(*arrays[:3], known, CUTPOINTS)
    d_cuts = d_cuts[known.first_cut[3] + 1 :][:2]

    def value():
        return evaluate(*arrays[:3], known, [None, None, None, arrays[3]])[0]

    for array, gradient in zip(arrays, (d_mean, d_sigma, d_rho, d_cuts), strict=True):
        for index in np.ndindex(array.shape):
            both = {index, index[::-1]} if array is arrays[1] else {index}  # Sigma stays symmetric
            step, ends = 1e-6, []
            for shift in (step, -2 * step):
                for at in both:
                    array[at] += shift
                ends.append(value())
            for at in both:
                array[at] += step
            # Rounding of a sum of size 300: 1e-7.
            assert gradient[index] * len(both) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-5), index


@pytest.mark.sampling
@pytest.mark.parametrize("mode", ["NUMBA", "FAST_COMPILE"])
def test_op_in_a_graph(mode):
    values, categories, mean = mixed(6)
    known = group_rows(values, categories, N_CATEGORIES, OWN)
    m, s, t, c = pt.dmatrix(), pt.dmatrix(), pt.dvector(), pt.dvector()
    total, per_row = log_likelihood(m, s, pt.tanh(t), known, [None, None, None, c])
    compiled = pytensor.function([m, s, t, c], [total, per_row, *pt.grad(total, [m, s, t, c])], mode=mode)
    found = compiled(mean, SIGMA, np.arctanh([0.6, -0.4]), CUTPOINTS[3])
    expected = evaluate(mean, SIGMA, [0.6, -0.4], known, CUTPOINTS)
    chain = [*expected[:4], expected[4] * (1 - np.array([0.6, -0.4]) ** 2), expected[5][known.first_cut[3] + 1 :][:2]]
    for one, other in zip(found, chain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    with pytest.raises(NotImplementedError, match="Only the sum"):
        pt.grad(per_row[0], m)


def test_covariance_that_is_not_positive_definite_is_minus_infinity():
    known = group_rows(np.zeros((1, 2)), np.array([[-1, -1]]), [1, 1], [])
    assert evaluate(np.zeros((1, 2)), [[1.0, 2.0], [2.0, 1.0]], [], known)[0] == -INF


@pytest.mark.parametrize(
    ("values", "categories", "n_categories", "own", "message"),
    [
        ([[NAN, NAN]], [[1, 2, 0, 0]], [2, 3, 2, 2], [0, 1], "up to 4 discrete responses and selections"),
        ([[NAN, 1.0]], [[2, -1, 1, 1]], [2, 1, 2, 2], [0, 1], r"Row\(s\) 0 have a category that does not exist"),
        ([[NAN, 1.0]], [[1, 0, 1, 1]], [2, 1, 2, 2], [0, 1], "a category that does not exist"),
        ([[0.5, 1.0]], [[-1, -1, 1, 1]], [2, 1, 2, 2], [0, 1], "a value of a response that has categories"),
        ([[0.5, 1.0]], [[-1, -1, 1]], [1, 1, 2], [2], "must belong to one of the 2 responses"),
        ([[0.5, 1.0]], [[-1, -1]], [1, 1], [0], r"must have shape \(1, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(values, categories, n_categories, own, message):
    with pytest.raises(TableError, match=message):
        group_rows(np.array(values), np.array(categories), n_categories, own)


def test_gaussian_responses_may_have_any_number_of_selections():
    y, mean, rho = np.array([[0.5, 1.0, -0.2]]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), np.array([0.5, -0.3, 0.8])
    sigma = SIGMA[:3, :3]
    found = rows(y, [[-1, -1, -1, 1, 1, 1]], [1, 1, 1, 2, 2, 2], [0, 1, 2], mean, sigma, rho)
    r = (y[0] - mean[:3]) / np.sqrt(np.diag(sigma))
    expected = multivariate_normal(mean[:3], sigma).logpdf(y[0]) + log_ndtr((mean[3:] + rho * r) / np.sqrt(1 - rho**2)).sum()
    assert found[0] == pytest.approx(expected, rel=1e-13)

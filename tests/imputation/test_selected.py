"""Draws under selection models against closed forms and against units simulated from the model."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm

from jmimpute.compilation import kernel
from jmimpute.errors import ImputationError
from jmimpute.graph.selected import group_rows
from jmimpute.imputation.selected import draw_coordinates, extended_covariance, truncated_pair
from jmimpute.sampling.truncated import truncated_normal

INF, NAN = math.inf, math.nan
N = 200_000
# False alarms below one in 10 000 runs of a test, which looks at up to 30 numbers.
LIMIT = 4.8


def draws(values, categories, n_categories, own, mean, sigma, rho, cutpoints=None, n=N, seed=1):
    """Coordinates of n rows that are alike."""
    known = group_rows(np.tile(values, (n, 1)), np.tile(categories, (n, 1)), n_categories, own)
    center = np.broadcast_to(np.asarray(mean, dtype=float), known.categories.shape)
    return draw_coordinates(center, sigma, rho, known, cutpoints, np.random.default_rng(seed))


def simulated(mean, sigma, rho, own, n, seed=2):
    """Coordinates of units from the model as it is defined, not through their joint covariance."""
    rng, p = np.random.default_rng(seed), len(sigma)
    e = rng.standard_normal((n, p)) @ np.linalg.cholesky(sigma).T
    eps = rho * e[:, own] / np.sqrt(np.diag(sigma))[own] + np.sqrt(1 - rho**2) * rng.standard_normal((n, len(own)))
    return mean + np.column_stack([e, eps])


def moments(table):
    """Columns whose means are compared: the table, its squares and products, and signs."""
    a, b = np.triu_indices(table.shape[1])
    return np.column_stack([table, table[:, a] * table[:, b], table > 0.5])


def assert_same_distribution(found, expected):
    one, other = moments(found), moments(expected)
    error = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other)) + 1e-12
    z = (one.mean(axis=0) - other.mean(axis=0)) / error
    assert np.abs(z).max() < LIMIT, z.round(1)


@pytest.mark.parametrize(("eta", "rho"), [(0.3, 0.6), (-1.0, -0.9), (2.5, 0.98), (0.2, 0.0)])
def test_one_missing_gaussian_response_has_the_moments_of_heckman(eta, rho):
    mu, sigma = 1.5, 2.0
    y = draws([[NAN]], [[-1, 0]], [1, 2], [0], [mu, eta], [[sigma**2]], [rho])[:, 0]
    lam = norm.pdf(eta) / norm.cdf(-eta)
    mean, variance = mu - rho * sigma * lam, sigma**2 * (1 - rho**2 * lam * (lam - eta))
    assert abs(y.mean() - mean) < LIMIT * math.sqrt(variance / N)
    fourth = np.mean((y - y.mean()) ** 4) - variance**2
    assert abs(y.var() - variance) < LIMIT * math.sqrt(fourth / N)


@pytest.mark.parametrize("rho", [-0.9, 0.5])
def test_one_missing_binary_response_has_its_closed_form(rho):
    mu, eta = 0.4, 0.7
    y = draws([[NAN]], [[-1, 0]], [2, 2], [0], [mu, eta], np.eye(1), [rho])[:, 0] > 0
    p = multivariate_normal([0, 0], [[1, -rho], [-rho, 1]]).cdf([mu, -eta]) / norm.cdf(-eta)
    assert abs(y.mean() - p) < LIMIT * math.sqrt(p * (1 - p) / N)


def test_selection_of_a_cell_missing_by_design_says_nothing():
    y = draws([[NAN]], [[-1, -1]], [1, 2], [0], [1.0, -2.0], [[4.0]], [0.9])
    assert_same_distribution(y, simulated(np.array([1.0, -2.0]), np.array([[4.0]]), np.array([0.9]), [0], N))


SIGMA = np.array([[1.5, 0.8, 0.4], [0.8, 1.2, 0.5], [0.4, 0.5, 1.0]])
MEAN = np.array([0.5, 0.2, -0.2, 0.3, 0.4])
OWN = [1, 2]
CONTINUOUS = [1, 1, 1, 2, 2]


def condition(unit, at, mean=MEAN, rho=(0.7, -0.8)):
    """Move units so that their first response is at a value: conditional draws of the rest, by regression on it."""
    covariance = extended_covariance(SIGMA, np.array(rho), np.array(OWN))
    return unit + np.outer(at - unit[:, 0], covariance[0] / covariance[0, 0])


@pytest.mark.parametrize("rho", [(0.7, -0.8), (-0.95, 0.98)])
def test_two_missing_responses_beside_one_that_is_observed(rho):
    found = draws([[1.6, NAN, NAN]], [[-1, -1, -1, 0, 0]], CONTINUOUS, OWN, MEAN, SIGMA, rho)
    units = condition(simulated(MEAN, SIGMA, np.array(rho), OWN, 1_000_000), 1.6, rho=rho)
    assert_same_distribution(found, units[(units[:, 3:] <= 0).all(axis=1)])


def test_two_missing_responses_without_any_other():
    rho = np.array([0.7, -0.8])
    found = draws([[NAN, NAN, NAN]], [[-1, -1, -1, 0, 0]], CONTINUOUS, OWN, MEAN, SIGMA, rho)
    units = simulated(MEAN, SIGMA, rho, OWN, 1_000_000)
    assert_same_distribution(found, units[(units[:, 3:] <= 0).all(axis=1)])


def test_missing_response_beside_an_observed_one_with_its_own_selection():
    rho = np.array([0.7, -0.8])
    found = draws([[NAN, 0.9, NAN]], [[-1, -1, -1, 1, 0]], CONTINUOUS, OWN, MEAN, SIGMA, rho)
    covariance = extended_covariance(SIGMA, rho, np.array(OWN))
    units = simulated(MEAN, SIGMA, rho, OWN, 1_000_000)
    units += np.outer(0.9 - units[:, 1], covariance[1] / covariance[1, 1])
    assert_same_distribution(found, units[(units[:, 3] > 0) & (units[:, 4] <= 0)])


def test_ordinal_and_gaussian_responses_of_one_unit():
    """An ordinal MAR response in its second category, a gaussian MNAR one that is missing, and a free one."""
    rho, own, cuts = np.array([0.8]), [1], [None, None, np.array([0.9])]
    mean = np.array([0.5, 0.2, 0.3, 0.4])
    found = draws([[NAN, NAN, NAN]], [[-1, -1, 1, 0]], [1, 1, 3, 2], own, mean, SIGMA, rho, cuts)
    units = simulated(mean, SIGMA, rho, own, 1_000_000)
    assert_same_distribution(found, units[(units[:, 2] > 0) & (units[:, 2] < 0.9) & (units[:, 3] <= 0)])
    assert found[:, 2].min() > 0 and found[:, 2].max() < 0.9


def test_rows_keep_their_order_and_exact_values():
    values = np.array([[NAN, 1.0, 2.0], [3.0, NAN, 4.0], [NAN, 1.5, NAN], [5.0, NAN, 6.0]])
    categories = np.array([[-1, -1, -1, 1, 1], [-1, -1, -1, 0, 1], [-1, -1, -1, 1, 0], [-1, -1, -1, 0, 1]])
    known = group_rows(values, categories, CONTINUOUS, OWN)
    mean = np.tile(MEAN, (4, 1)) + 100.0 * np.arange(4)[:, None] * [1, 1, 1, 0, 0]
    found = draw_coordinates(mean, SIGMA, np.array([0.5, 0.5]), known, None, np.random.default_rng(1))
    np.testing.assert_array_equal(found[~np.isnan(np.column_stack([values, np.full((4, 2), NAN)]))], values[~np.isnan(values)])
    assert ((found[:, 3:] > 0) == (categories[:, 3:] == 1)).all()


def test_a_singular_covariance_is_told():
    with pytest.raises(ImputationError, match=r"not finite in 3 row\(s\), first 0"):
        draws([[NAN]], [[-1, 0]], [1, 2], [0], [0.0, 0.0], np.eye(1), [1.0], n=3)
    with pytest.raises(ImputationError, match="not finite"):
        draws([[NAN]], [[-1, 0]], [1, 2], [0], [0.0, NAN], np.eye(1), [0.1], n=3)


@kernel
def fill(a1, b1, a2, b2, r, rng, out):
    for i in range(len(out)):
        out[i, 0], out[i, 1], out[i, 2] = truncated_pair(a1, b1, a2, b2, r, rng)


@kernel
def fill_plain(a1, b1, a2, b2, r, rng, out):
    """The same by rejection of truncated first coordinates, where that is possible."""
    s = math.sqrt(1.0 - r * r)
    for i in range(len(out)):
        while True:
            x = truncated_normal(a1, b1, rng)
            y = r * x + s * rng.standard_normal()
            if a2 < y < b2:
                break
        out[i, 0], out[i, 1] = x, y


def pairs(case, n):
    out = np.empty((n, 3))
    fill(*map(float, case), np.random.default_rng(5), out)
    return out


@pytest.mark.sampling
@pytest.mark.parametrize(
    "case",
    [
        *[(-INF, 0.0, -INF, 0.3, r) for r in (-0.9, 0.0, 0.5, 0.98)],
        *[
            (-INF, INF, 1.0, INF, 0.9),
            (-0.5, 0.4, -INF, -0.2, -0.7),
            (0.3, INF, 0.2, 0.5, 0.999),
            (-1.0, 2.0, -0.1, 0.1, -0.98),
        ],
    ],
)
def test_pairs_have_the_distribution(case):
    found, plain = pairs(case, 40_000), np.empty((40_000, 2))
    fill_plain(*case, np.random.default_rng(6), plain)
    assert_same_distribution(found[:, :2], plain)
    # A false alarm in 10 000 runs of all cases.
    for column in (0, 1):
        assert kstest(found[:, column], plain[:, column]).pvalue > 5e-6
    assert kstest(found[:, 0] - found[:, 1], plain[:, 0] - plain[:, 1]).pvalue > 5e-6


@pytest.mark.sampling
@pytest.mark.parametrize("r", [-0.999, -0.98, -0.5, 0.0, 0.3, 0.98, 0.999])
@pytest.mark.parametrize(
    "box",
    [
        (-INF, 0, -INF, 0), (-INF, -5, 5, INF), (-INF, -10, -INF, -10), (5, 6, 5, 6), (-1, 1, 3, 3.1), (0, 0.01, -INF, -20),
        (-INF, 30, -INF, -3),
    ],
)  # fmt: skip
def test_most_proposals_are_accepted_and_all_draws_lie_inside(box, r):
    found = pairs((*box, r), 2_000)
    assert np.isfinite(found).all()
    for column in (0, 1):
        # A draw on the bound of an interval a thousand standard deviations out may be rounded over it.
        assert found[:, column].min() >= box[2 * column] - 1e-9 and found[:, column].max() <= box[2 * column + 1] + 1e-9
    assert 1.0 / found[:, 2].mean() > 0.5


@pytest.mark.sampling
def test_empty_rectangles_and_correlations_of_one_end():
    assert np.isnan(pairs((1.0, 0.0, -INF, 0.0, 0.5), 2)[:, :2]).all()
    assert np.isnan(pairs((-INF, 0.0, -INF, 0.0, 1.0), 2)[:, :2]).all()

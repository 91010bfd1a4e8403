"""Log-likelihood of rows with selection submodels and its gradient, one pattern of exact responses after the other.

With W, r, h and V as in `jmimpute.graph.selected_rows`, a row contributes

    log density of r: -1/2 (log|2 pi Sigma_oo| + r'Wr)
    log P(lower < loading h + noise < upper) for an interval, or for two at once

The gradient is passed back by hand, sums over the rows of a pattern first: Sigma receives -W dW W from dL/dW = dW, and
(I - Sigma W)' dV (I - Sigma W) from dL/dV = dV. Functions run over all rows of a pattern: to hand over so many arrays costs
more than a row.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.rectangle_kernels import MOST_NODES, N_TABLES, interval, nodes, rectangle
from jmimpute.graph.selected_rows import (
    Expected,
    bounds_of,
    coordinates_of,
    correlation,
    expect,
    find_joined,
    given_exact,
)
from jmimpute.graph.small_matrices import add_matmul

LOG_2PI = math.log(2.0 * math.pi)


class Gradients(NamedTuple):
    """Derivatives by means and h of each row, and sums of those by loadings, variances of noise, cut points, V and W."""

    mean: np.ndarray
    error: np.ndarray
    loading: np.ndarray
    noise: np.ndarray
    cuts: np.ndarray
    covariance: np.ndarray
    precision: np.ndarray


@kernel
def log_likelihood(mean, sigma, rho, cuts, known):
    """Log-likelihood of each row and gradient of their sum.

    Parameters
    ----------
    mean : ndarray, shape (n, p + L)
    sigma : ndarray, shape (p, p)
    rho : ndarray, shape (R, L)
        Of each group of rows.
    cuts : ndarray
        All cut points, one coordinate after the other.
    known : Known

    Returns
    -------
    value : float
        Sum; minus infinity where it cannot be computed.
    values : ndarray, shape (n,)
    d_mean : ndarray, shape (n, p + L)
    d_sigma : ndarray, shape (p, p)
        Symmetric: derivative with respect to the full matrix.
    d_rho : ndarray, shape (R, L)
    d_cuts : ndarray
        As long as `cuts`.
    """
    n, p = known.values.shape
    n_coordinates = mean.shape[1]
    values, d_sigma, d_rho = np.zeros(n), np.zeros((p, p)), np.zeros(rho.shape)
    expected = Expected(np.zeros((n, p)), np.zeros((n, p)), np.zeros((n, p)))
    d = Gradients(
        np.zeros((n, n_coordinates)), np.zeros((n, p)), np.zeros(n_coordinates), np.zeros(n_coordinates),
        np.zeros(cuts.shape[0]), np.zeros((p, p)), np.zeros((p, p)),
    )  # fmt: skip
    precision, onto, left, scratch = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p))
    one, first, second = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for g in range(known.patterns.shape[0]):
        exact, rows = known.patterns[g], known.order[known.starts[g] : known.starts[g + 1]]
        log_det = given_exact(sigma, exact, precision, onto, left)
        if not math.isfinite(log_det):
            return -np.inf, values, d.mean, d_sigma, d_rho, d.cuts
        own_rho = rho[known.rho_group[g]]
        coordinates = coordinates_of(sigma, own_rho, known.own)
        d.covariance[:] = 0.0
        d.precision[:] = 0.0
        d.loading[:] = 0.0
        d.noise[:] = 0.0
        expect(rows, mean, sigma, known.values, exact, precision, expected)
        values[rows] = -0.5 * (log_det + exact.sum() * LOG_2PI)
        for c in range(p, n_coordinates):
            if exact[coordinates.response[c]]:
                one[rows] = c
                _add_intervals(rows, one, mean, cuts, known, coordinates, expected.error, left, values, d)
        find_joined(rows, known.categories, coordinates.response, exact, one, first, second)
        _add_intervals(rows, one, mean, cuts, known, coordinates, expected.error, left, values, d)
        _add_rectangles(rows, first, second, mean, cuts, known, coordinates, expected.error, left, values, d)
        _pass_from_errors(rows, sigma, exact, precision, expected, values, d_sigma, d)
        _pass_to_sigma(len(rows), precision, onto, d, scratch, d_sigma)
        _pass_from_loadings(sigma, own_rho, known.own, coordinates, d, d_sigma, d_rho[known.rho_group[g]])
    value = values.sum()
    return value if math.isfinite(value) else -np.inf, values, d.mean, 0.5 * (d_sigma + d_sigma.T), d_rho, d.cuts


@kernel
def _add_intervals(rows, one, mean, cuts, known, coordinates, error, left, values, d):
    """Add the log probability of one interval a row, and its derivatives, where there is one."""
    for i in rows:
        c = one[i]
        if c >= 0 and known.categories[i, c] >= 0:
            x = bounds_of(i, c, mean, cuts, known, coordinates, error, left)
            value, ratio_lower, ratio_upper = interval(x.lower, x.upper)
            values[i] += value
            _pass_back(i, c, x, -ratio_lower, ratio_upper, 0.0, known, coordinates, error, left, d)


@kernel
def _add_rectangles(rows, first, second, mean, cuts, known, coordinates, error, left, values, d):
    """Add the log probability of two intervals that depend on one another, and its derivatives, where there are two."""
    table = np.empty((N_TABLES, MOST_NODES))
    size, n_nodes = -1.0, 0
    for i in rows:
        if second[i] < 0:
            continue
        r = correlation(first[i], second[i], coordinates, left)
        if abs(r) != size:
            size = abs(r)
            n_nodes = nodes(size, table)
        x = bounds_of(i, first[i], mean, cuts, known, coordinates, error, left)
        y = bounds_of(i, second[i], mean, cuts, known, coordinates, error, left)
        value, d_lower_x, d_upper_x, d_lower_y, d_upper_y, d_r = rectangle(
            x.lower, x.upper, y.lower, y.upper, r, n_nodes, table
        )
        values[i] += value
        _pass_back(i, first[i], x, d_lower_x, d_upper_x, d_r * r, known, coordinates, error, left, d)
        _pass_back(i, second[i], y, d_lower_y, d_upper_y, d_r * r, known, coordinates, error, left, d)
        a, b = coordinates.response[first[i]], coordinates.response[second[i]]
        loading_x, loading_y = coordinates.loading[first[i]], coordinates.loading[second[i]]
        d_covariance = d_r / math.sqrt(x.variance * y.variance)
        d.covariance[a, b] += loading_x * loading_y * d_covariance
        d.loading[first[i]] += loading_y * left[a, b] * d_covariance
        d.loading[second[i]] += loading_x * left[a, b] * d_covariance


@kernel
def _pass_back(i, c, bounds, d_lower, d_upper, pull, known, coordinates, error, left, d):
    """From standardised bounds to cut points, means, loadings and h and V.

    `pull` is the derivative by the correlation times the correlation, which falls with the square root of the variance.
    """
    rank, start = known.categories[i, c], known.first_cut[c]
    k, loading = coordinates.response[c], coordinates.loading[c]
    inverse = 1.0 / math.sqrt(bounds.variance)
    stretch = pull
    if rank > 0:
        d.cuts[start + rank - 1] += d_lower * inverse
        stretch += d_lower * bounds.lower
    if rank < known.n_categories[c] - 1:
        d.cuts[start + rank] += d_upper * inverse
        stretch += d_upper * bounds.upper
    d_center, d_variance = -(d_lower + d_upper) * inverse, -0.5 * stretch / bounds.variance
    d.mean[i, c] += d_center
    d.error[i, k] += loading * d_center
    d.covariance[k, k] += loading * loading * d_variance
    d.loading[c] += error[i, k] * d_center + 2.0 * loading * left[k, k] * d_variance
    d.noise[c] += d_variance


@kernel
def _pass_from_errors(rows, sigma, exact, precision, expected, values, d_sigma, d):
    """Add -1/2 r'W r, and pass its derivatives and those by h to means, Sigma and W; where a response is exact, h is r."""
    residual, weighted, _ = expected
    p = exact.shape[0]
    back = np.empty(p)
    for i in rows:
        for b in range(p):
            values[i] -= 0.5 * residual[i, b] * weighted[i, b]
            back[b] = 0.0
        for a in range(p):
            if not exact[a]:
                for b in range(p):
                    d_sigma[a, b] += d.error[i, a] * weighted[i, b]
                    back[b] += d.error[i, a] * sigma[a, b]
        for a in range(p):
            if exact[a]:
                d.mean[i, a] += weighted[i, a] - d.error[i, a]
                for b in range(p):
                    d.mean[i, a] -= precision[a, b] * back[b]
                    d.precision[a, b] += (back[a] - 0.5 * residual[i, a]) * residual[i, b]


@kernel
def _pass_to_sigma(n, precision, onto, d, scratch, d_sigma):
    """From log|Sigma_oo|, W and V of a pattern with n rows to Sigma."""
    p = precision.shape[0]
    scratch[:] = 0.0
    add_matmul(1.0, precision, d.precision, scratch)
    add_matmul(-1.0, scratch, precision, d_sigma)
    rest = np.eye(p) - onto
    scratch[:] = 0.0
    add_matmul(1.0, rest.T, d.covariance, scratch)
    add_matmul(1.0, scratch, rest, d_sigma)
    for a in range(p):
        for b in range(p):
            d_sigma[a, b] -= 0.5 * n * precision[a, b]


@kernel
def _pass_from_loadings(sigma, rho, own, coordinates, d, d_sigma, d_rho):
    """From loadings rho_l / sigma_k and variances 1 - rho_l^2 to rho and Sigma."""
    p = sigma.shape[0]
    for k in range(len(rho)):
        variance = sigma[own[k], own[k]]
        d_rho[k] += d.loading[p + k] / math.sqrt(variance) - 2.0 * rho[k] * d.noise[p + k]
        d_sigma[own[k], own[k]] -= 0.5 * d.loading[p + k] * coordinates.loading[p + k] / variance

"""What a row of a selection model is given its exact responses: shared by its likelihood and by draws from it.

Notation as in `jmimpute.graph.selected`. For a pattern of exact responses let W be the inverse of Sigma over them, zero
elsewhere. With r the residuals of the exact responses, those of all responses have mean h = Sigma W r and covariance
V = Sigma - Sigma W Sigma given them. Every coordinate is loading * residual of a response + noise: with loading 1 and no noise
for the responses, with rho_l / sigma_k and variance 1 - rho_l^2 for the selection latents. So a row needs h and V of a few
responses only.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.likelihood import observed_precision
from jmimpute.graph.small_matrices import add_matmul


class Known(NamedTuple):
    """What is known of the rows.

    Attributes
    ----------
    values : ndarray, shape (n, p)
        Exact responses, 0 elsewhere.
    categories : ndarray of int, shape (n, p + L)
        Rank of each interval-censored coordinate, -1 elsewhere.
    n_categories : ndarray of int, shape (p + L,)
        1 for continuous responses.
    first_cut : ndarray of int, shape (p + L,)
        Position of the first cut point of each coordinate among all of them.
    own : ndarray of int, shape (L,)
        Response of each selection latent.
    patterns : ndarray of bool, shape (G, p)
        Sets of exact responses.
    rho_group : ndarray of int, shape (G,)
        Which rho the rows of a pattern have, where it differs between groups of rows.
    order : ndarray of int, shape (n,)
        Rows, one pattern after the other.
    starts : ndarray of int, shape (G + 1,)
        Where each pattern starts in `order`.
    """

    values: np.ndarray
    categories: np.ndarray
    n_categories: np.ndarray
    first_cut: np.ndarray
    own: np.ndarray
    patterns: np.ndarray
    rho_group: np.ndarray
    order: np.ndarray
    starts: np.ndarray


class Coordinates(NamedTuple):
    """How the coordinates depend on the residuals of the responses: each on one of them."""

    response: np.ndarray
    loading: np.ndarray
    noise: np.ndarray


class Expected(NamedTuple):
    """Of each row, shape (n, p): r with zeros where there is no exact response, W r, and h."""

    residual: np.ndarray
    weighted: np.ndarray
    error: np.ndarray


class Bounds(NamedTuple):
    """One interval of a row, standardised by mean and variance of the coordinate."""

    lower: float
    upper: float
    mean: float
    variance: float


@kernel
def coordinates_of(sigma, rho, own):
    """Response, loading and variance of the noise of each coordinate.

    Parameters
    ----------
    sigma, rho : ndarray, shapes (p, p), (L,)
    own : ndarray of int, shape (L,)

    Returns
    -------
    Coordinates
    """
    p = sigma.shape[0]
    response = np.concatenate((np.arange(p), own))
    loading, noise = np.ones(p + len(rho)), np.zeros(p + len(rho))
    for k in range(len(rho)):
        loading[p + k] = rho[k] / math.sqrt(sigma[own[k], own[k]])
        noise[p + k] = (1.0 - rho[k]) * (1.0 + rho[k])
    return Coordinates(response, loading, noise)


@kernel
def given_exact(sigma, exact, precision, onto, left):
    """Fill W, Sigma W and V = Sigma - Sigma W Sigma for a pattern; return log|Sigma_oo|, NaN if not positive definite.

    Parameters
    ----------
    sigma : ndarray, shape (p, p)
    exact : ndarray of bool, shape (p,)
    precision, onto, left : ndarray, shape (p, p)
        Receive W, Sigma W and V; V is exactly 0 where a response is exact.

    Returns
    -------
    float
    """
    precision[:] = 0.0
    log_det = observed_precision(sigma, exact, precision)
    onto[:] = 0.0
    add_matmul(1.0, sigma, precision, onto)
    left[:] = sigma
    add_matmul(-1.0, onto, sigma, left)
    for a in range(exact.shape[0]):
        if exact[a]:
            left[a] = 0.0
            left[:, a] = 0.0
    return log_det


@kernel
def expect(rows, mean, sigma, values, exact, precision, expected):
    """Fill r, W r and h for the rows of a pattern.

    Parameters
    ----------
    rows : ndarray of int
    mean, sigma, values : ndarray, shapes (n, p + L), (p, p), (n, p)
    exact : ndarray of bool, shape (p,)
    precision : ndarray, shape (p, p)
        W.
    expected : Expected
    """
    residual, weighted, error = expected
    p = exact.shape[0]
    for i in rows:
        for a in range(p):
            residual[i, a] = values[i, a] - mean[i, a] if exact[a] else 0.0
        for a in range(p):
            for b in range(p):
                weighted[i, a] += precision[a, b] * residual[i, b]
        for a in range(p):
            if exact[a]:
                error[i, a] = residual[i, a]
            else:
                for b in range(p):
                    error[i, a] += sigma[a, b] * weighted[i, b]


@kernel
def find_joined(rows, categories, response, exact, one, first, second):
    """Find the intervals that depend on one another, for the rows of a pattern.

    Parameters
    ----------
    rows : ndarray of int
    categories : ndarray of int, shape (n, p + L)
    response : ndarray of int, shape (p + L,)
    exact : ndarray of bool, shape (p,)
    one : ndarray of int, shape (n,)
        Receives the coordinate of rows that have one, -1 for other rows.
    first, second : ndarray of int, shape (n,)
        Receive the coordinates of rows that have two, -1 for other rows.
    """
    for i in rows:
        one[i] = first[i] = second[i] = -1
        for c in range(categories.shape[1]):
            if categories[i, c] >= 0 and not exact[response[c]]:
                if one[i] < 0:
                    one[i] = c
                else:
                    first[i], second[i] = one[i], c
        if second[i] >= 0:
            one[i] = -1


@kernel
def correlation(first, second, coordinates, left):
    """Correlation of two coordinates given the exact responses.

    Parameters
    ----------
    first, second : int
    coordinates : Coordinates
    left : ndarray, shape (p, p)
        V.

    Returns
    -------
    float
    """
    a, b = coordinates.response[first], coordinates.response[second]
    covariance = coordinates.loading[first] * coordinates.loading[second] * left[a, b]
    variance = coordinates.loading[first] ** 2 * left[a, a] + coordinates.noise[first]
    return covariance / math.sqrt(variance * (coordinates.loading[second] ** 2 * left[b, b] + coordinates.noise[second]))


@kernel
def bounds_of(i, c, mean, cuts, known, coordinates, error, left):
    """Interval of coordinate c of row i given the exact responses.

    Parameters
    ----------
    i, c : int
    mean : ndarray, shape (n, p + L)
    cuts : ndarray
    known : Known
    coordinates : Coordinates
    error : ndarray, shape (n, p)
        h of each row.
    left : ndarray, shape (p, p)
        V.

    Returns
    -------
    Bounds
    """
    rank, start = known.categories[i, c], known.first_cut[c]
    k, loading = coordinates.response[c], coordinates.loading[c]
    center, variance = mean[i, c] + loading * error[i, k], loading * loading * left[k, k] + coordinates.noise[c]
    inverse = 1.0 / math.sqrt(variance)
    lower = (cuts[start + rank - 1] - center) * inverse if rank > 0 else -np.inf
    upper = (cuts[start + rank] - center) * inverse if rank < known.n_categories[c] - 1 else np.inf
    return Bounds(lower, upper, center, variance)

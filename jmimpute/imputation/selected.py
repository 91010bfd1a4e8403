"""Exact draws of latents and missing responses under selection (Heckman) submodels, given the parameters.

Notation as in `jmimpute.graph.selected`. Interval-censored coordinates, such as the latent s <= 0 of a missing response, come
first: given the exact responses they are normal variables truncated to an interval, or two to a rectangle. Then all free
coordinates are normal given the exact and those. For one variable that is missing, y = mu + rho sigma (s - eta) +
sigma sqrt(1 - rho^2) N(0, 1): an extended skew-normal variable with mean mu - rho sigma lam and variance
sigma^2 (1 - rho^2 lam (lam - eta)), where lam = phi(eta) / Phi(-eta). The variance of y among the missing is not sigma^2.
"""

import math
from collections.abc import Sequence

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.errors import ImputationError
from jmimpute.graph.rectangle_kernels import find_mode, integrand, reach
from jmimpute.graph.selected import all_cuts
from jmimpute.graph.selected_rows import (
    Expected,
    Known,
    bounds_of,
    coordinates_of,
    correlation,
    expect,
    find_joined,
    given_exact,
)
from jmimpute.sampling.truncated import truncated_normal

MAX_TRIES = 10_000  # more than half of them are accepted
ROOM = 1e-3  # of the constant above the log density at the mode, which is found to 1e-4


def draw_coordinates(
    mean: np.ndarray,
    sigma: np.ndarray,
    rho: np.ndarray,
    known: Known,
    cutpoints: Sequence | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw all coordinates given what is known of each row.

    Parameters
    ----------
    mean : ndarray, shape (n, p + L)
        Fixed and random parts of the responses, then of the selection latents.
    sigma : ndarray, shape (p, p)
        Omega_e.
    rho : ndarray, shape (L,) or (R, L)
        Of each group of rows if it differs between them.
    known : Known
        What `jmimpute.graph.selected.group_rows` makes.
    cutpoints : sequence of length p of ndarray or None, or None
        Free cut points of ordinal responses, as for `jmimpute.graph.selected.log_likelihood`.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, p + L)
        Exact responses as they are, latents of discrete ones within the bounds of their categories, and draws of all else.

    Raises
    ------
    ImputationError
        If a draw is not finite: a covariance matrix is numerically singular, or an interval so far from the mean that it has no
        probability.
    """
    cuts = all_cuts(known.n_categories, cutpoints, np.concatenate)
    mean, sigma, rho = (np.ascontiguousarray(value, dtype=float) for value in (mean, sigma, np.atleast_2d(rho)))
    out = np.full(mean.shape, np.nan)
    _draw_intervals(mean, sigma, rho, cuts, known, rng, out)
    _draw_free(mean, [extended_covariance(sigma, own, known.own) for own in rho], known, rng, out)
    wrong = ~np.isfinite(out).all(axis=1)
    if wrong.any():
        raise ImputationError(
            f"A value was drawn that is not finite in {wrong.sum()} row(s), first {np.flatnonzero(wrong)[0]}: a covariance "
            "matrix is numerically singular, or a correlation rho is 1 or -1, or what is observed is all but impossible under "
            "the model. Look at the posterior of rho, and use a prior that keeps it off the boundary."
        )
    return out


def extended_covariance(sigma: np.ndarray, rho: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Covariance of the residuals of responses and selection latents.

    Parameters
    ----------
    sigma : ndarray, shape (p, p)
    rho : ndarray, shape (L,)
    own : ndarray of int, shape (L,)
        Response of each selection latent.

    Returns
    -------
    ndarray, shape (p + L, p + L)
        cov(eps_l, e_k) = rho_l Sigma[own_l, k] / sigma_own_l; the variance of eps_l is 1.
    """
    loadings = np.eye(len(sigma))[own] * (rho / np.sqrt(np.diag(sigma))[own])[:, None]
    onto = np.vstack([np.eye(len(sigma)), loadings])
    return onto @ sigma @ onto.T + np.diag(np.concatenate([np.zeros(len(sigma)), (1.0 - rho) * (1.0 + rho)]))


def _draw_free(
    mean: np.ndarray, covariances: list[np.ndarray], known: Known, rng: np.random.Generator, out: np.ndarray
) -> None:
    """Fill what is still missing from its normal distribution given the rest of the row, pattern by pattern."""
    exact, group = _exact(known)
    given = known.categories >= 0
    given[:, : known.values.shape[1]] |= exact
    patterns, pattern = np.unique(np.column_stack([given, group]), axis=0, return_inverse=True)
    noise = rng.standard_normal(out.shape)
    for g, key in enumerate(patterns):
        seen, covariance = key[:-1].astype(bool), covariances[key[-1]]
        if seen.all():
            continue
        rows = np.flatnonzero(pattern.ravel() == g)
        gamma = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, ~seen)]).T
        left = covariance[np.ix_(~seen, ~seen)] - gamma @ covariance[np.ix_(seen, ~seen)]
        try:
            root = np.linalg.cholesky(left)
        except np.linalg.LinAlgError:
            continue  # told by the caller, since the values stay NaN
        residual = out[np.ix_(rows, seen)] - mean[np.ix_(rows, seen)]
        draws = residual @ gamma.T + noise[np.ix_(rows, ~seen)] @ root.T
        out[np.ix_(rows, ~seen)] = mean[np.ix_(rows, ~seen)] + draws


def _exact(known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Which responses are exact, row by row, and which rho a row has."""
    exact, group = np.empty(known.values.shape, dtype=bool), np.empty(len(known.values), dtype=np.int64)
    sizes = np.diff(known.starts)
    exact[known.order], group[known.order] = np.repeat(known.patterns, sizes, axis=0), np.repeat(known.rho_group, sizes)
    return exact, group


@kernel
def _draw_intervals(mean, sigma, rho, cuts, known, rng, out):
    """Copy exact responses, and draw interval-censored coordinates given them."""
    n, p = known.values.shape
    precision, onto, left = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p))
    expected = Expected(np.zeros((n, p)), np.zeros((n, p)), np.zeros((n, p)))
    one, first, second = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for g in range(known.patterns.shape[0]):
        exact, rows = known.patterns[g], known.order[known.starts[g] : known.starts[g + 1]]
        if not math.isfinite(given_exact(sigma, exact, precision, onto, left)):
            continue
        coordinates = coordinates_of(sigma, rho[known.rho_group[g]], known.own)
        expect(rows, mean, sigma, known.values, exact, precision, expected)
        find_joined(rows, known.categories, coordinates.response, exact, one, first, second)
        for i in rows:
            for c in range(mean.shape[1]):
                if c < p and exact[c]:
                    out[i, c] = known.values[i, c]
                elif known.categories[i, c] >= 0 and (c == one[i] or exact[coordinates.response[c]]):
                    x = bounds_of(i, c, mean, cuts, known, coordinates, expected.error, left)
                    out[i, c] = x.mean + math.sqrt(x.variance) * truncated_normal(x.lower, x.upper, rng)
            if second[i] >= 0:
                x = bounds_of(i, first[i], mean, cuts, known, coordinates, expected.error, left)
                y = bounds_of(i, second[i], mean, cuts, known, coordinates, expected.error, left)
                r = correlation(first[i], second[i], coordinates, left)
                draw_x, draw_y, _ = truncated_pair(x.lower, x.upper, y.lower, y.upper, r, rng)
                out[i, first[i]] = x.mean + math.sqrt(x.variance) * draw_x
                out[i, second[i]] = y.mean + math.sqrt(y.variance) * draw_y


@kernel
def truncated_pair(a1, b1, a2, b2, r, rng):
    """Draw a standard bivariate normal variable (X, Y) given that it lies in a rectangle.

    The density of X, whose logarithm is concave, is covered by a constant around its mode and by exponential tails that touch
    it where it has fallen by a factor of e (e^2 at most); between half and all of the proposals are accepted, however far the
    rectangle is in the tails and whatever the correlation. Y given X is a truncated normal variable.

    Parameters
    ----------
    a1, b1, a2, b2 : float
        The rectangle (a1, b1) x (a2, b2); any bound may be infinite.
    r : float
        Correlation.
    rng : numpy.random.Generator

    Returns
    -------
    x, y : float
        NaN unless a1 < b1, a2 < b2 and -1 < r < 1, or if no proposal is accepted.
    tries : int
        Proposals made.
    """
    if not (a1 < b1 and a2 < b2 and abs(r) < 1.0):
        return np.nan, np.nan, 0
    s = math.sqrt((1.0 - r) * (1.0 + r))
    mode = find_mode(a1, b1, a2, b2, r, s)
    top = integrand(mode, a2, b2, r, s)[0] + ROOM
    left, left_rate, left_mass = _tail(mode, a1, a2, b2, r, s, top)
    right, right_rate, right_mass = _tail(mode, b1, a2, b2, r, s, top)
    for tries in range(MAX_TRIES):
        u = rng.random() * (left_mass + (right - left) + right_mass)
        hat = 0.0
        if u < left_mass:
            hat = -_exponential(left_rate * (left - a1), rng)
            x = left + hat / left_rate
        elif u < left_mass + right_mass:
            hat = -_exponential(right_rate * (b1 - right), rng)
            x = right - hat / right_rate
        else:
            x = left + (right - left) * rng.random()
        if a1 <= x <= b1 and rng.standard_exponential() >= top + hat - integrand(x, a2, b2, r, s)[0]:
            return x, r * x + s * truncated_normal((a2 - r * x) / s, (b2 - r * x) / s, rng), tries + 1
    return np.nan, np.nan, MAX_TRIES


@kernel
def _tail(mode, end, a2, b2, r, s, top):
    """Where a tail of the proposal begins, its rate, and its mass relative to the height at the mode."""
    touch = reach(mode, end, a2, b2, r, s, top, 1.0)
    value, slope, _ = integrand(touch, a2, b2, r, s)
    if touch == end and value > top - 1.0:
        return end, 1.0, 0.0
    start = touch + (top - value) / slope
    rate = abs(slope)
    return start, rate, -math.expm1(-rate * abs(end - start)) / rate


@kernel
def _exponential(limit, rng):
    """Draw a standard exponential variable given that it is below a limit."""
    return -math.log1p(rng.random() * math.expm1(-limit))

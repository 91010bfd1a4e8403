"""Ordinal regression with a logit or probit link, by maximum likelihood.

The proportional odds model of McCullagh (1980), the same estimator as R's ``MASS::polr``. It stands here because statsmodels'
OrderedModel has logarithms of the distances between cut points as parameters and differentiates numerically: with the cut
points themselves the log likelihood is concave, and Newton's method has the covariance matrix at hand.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jmimpute.analysis.mixed_glm import FLAT

#: What a Newton step promises, in log-likelihood, when it is the last one.
GAIN = 1e-12

STEPS = 100


@dataclass(frozen=True)
class OrdinalFit:
    """A fitted ordinal regression.

    Attributes
    ----------
    values : ndarray, shape (k + c,)
        Coefficients, then cut points.
    covariance : ndarray, shape (k + c, k + c)
        Inverse of the observed information.
    log_likelihood : float
    converged, separated : bool
        Whether the search reached the maximum; whether the likelihood is flat in a direction of the coefficients, as it is
        where covariates separate the categories.
    """

    values: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    converged: bool
    separated: bool


@dataclass(frozen=True)
class _Distribution:
    """A symmetric distribution with a log-concave density."""

    cdf: Callable[[np.ndarray], np.ndarray]
    density: Callable[[np.ndarray], np.ndarray]
    quantile: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]  # of the density


@dataclass(frozen=True)
class _Rows:
    """The two ends of each row's category: ``upper @ point`` and ``lower @ point``, infinite for the outer categories."""

    upper: np.ndarray  # (n_rows, k + c)
    lower: np.ndarray  # (n_rows, k + c)
    first: np.ndarray  # (n_rows,)
    last: np.ndarray  # (n_rows,)
    distribution: _Distribution


def fit_ordinal(y: np.ndarray, X: np.ndarray, link: str = "logit") -> OrdinalFit:
    """Fit ``P(y <= j) = F(cut_j - X b)``.

    Parameters
    ----------
    y : ndarray of int, shape (n_rows,)
        Categories 0 to c, all of which occur.
    X : ndarray, shape (n_rows, k)
        Covariates without a constant, of full column rank beside one; perhaps none.
    link : {"logit", "probit"}, optional
        F is the logistic or the standard normal distribution.

    Returns
    -------
    OrdinalFit

    Notes
    -----
    McCullagh (1980, J R Stat Soc B 42:109-142). The log likelihood is concave in cut points and coefficients (Pratt 1981,
    JASA 76:103-106), so that Newton's method with halved steps finds the maximum. X is centred and orthonormalised first.
    """
    n, k = X.shape
    means = X.mean(axis=0)
    factor = np.linalg.qr(X - means, mode="r") / np.sqrt(n)
    white = np.linalg.solve(factor.T, (X - means).T).T
    rows = _rows(y, white, _distributions()[link])
    shares = np.cumsum(np.bincount(y))[:-1] / n
    point, value, information, converged = _search(np.append(np.zeros(k), rows.distribution.quantile(shares)), rows)
    # On the scale of the data: b = factor^-1 b_white, and the means move the cut points.
    back = np.eye(len(point))
    back[:k, :k] = np.linalg.inv(factor)
    back[k:, :k] = means @ back[:k, :k]
    return OrdinalFit(
        values=back @ point,
        covariance=back @ np.linalg.pinv(information, hermitian=True) @ back.T,
        log_likelihood=value,
        converged=converged,
        separated=bool(k and np.linalg.eigvalsh(information)[0] < FLAT),
    )


def _distributions() -> dict[str, _Distribution]:
    from scipy.special import expit, logit, ndtr, ndtri

    def logistic(z: np.ndarray) -> np.ndarray:
        return expit(z) * expit(-z)

    def normal(z: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)

    return {
        "logit": _Distribution(expit, logistic, logit, lambda z: logistic(z) * (expit(-z) - expit(z))),
        "probit": _Distribution(ndtr, normal, ndtri, lambda z: -z * normal(z)),
    }


def _rows(y: np.ndarray, X: np.ndarray, distribution: _Distribution) -> _Rows:
    """Design of the two ends of each row's category; a row of zeros where an end is infinite."""
    n_cuts = int(y.max())
    first, last = y == 0, y == n_cuts
    ends = []
    for infinite, cut in ((last, y), (first, y - 1)):
        end = np.column_stack([-X, cut[:, None] == np.arange(n_cuts)])
        end[infinite] = 0.0
        ends.append(end)
    return _Rows(ends[0], ends[1], first, last, distribution)


def _search(point: np.ndarray, rows: _Rows) -> tuple[np.ndarray, float, np.ndarray, bool]:
    """Newton's method, each step halved until the likelihood does not fall."""
    value, slope, information = _likelihood(point, rows)
    for _ in range(STEPS):
        step = np.linalg.lstsq(information, slope, rcond=None)[0]
        if slope @ step < GAIN:
            return point, value, information, True
        for _ in range(40):
            there = _likelihood(point + step, rows)
            if there[0] >= value - 1e-12 * abs(value):
                break
            step = step / 2
        point, (value, slope, information) = point + step, there
    return point, value, information, False


def _likelihood(point: np.ndarray, rows: _Rows) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood, its gradient and its negative Hessian; minus infinity where cut points are not in order."""
    law = rows.distribution
    upper = np.where(rows.last, np.inf, rows.upper @ point)
    lower = np.where(rows.first, -np.inf, rows.lower @ point)
    # In the upper tail the difference of two survival functions has the digits that a difference of two near ones has lost.
    share = np.where(lower > 0, law.cdf(-lower) - law.cdf(-upper), law.cdf(upper) - law.cdf(lower))
    if not (share > 0).all():
        return -np.inf, np.zeros_like(point), np.eye(len(point))
    finite_upper, finite_lower = np.where(rows.last, 0.0, upper), np.where(rows.first, 0.0, lower)
    by_upper = np.where(rows.last, 0.0, law.density(finite_upper)) / share
    by_lower = np.where(rows.first, 0.0, -law.density(finite_lower)) / share
    curve_upper = np.where(rows.last, 0.0, law.slope(finite_upper)) / share - by_upper**2
    curve_lower = np.where(rows.first, 0.0, -law.slope(finite_lower)) / share - by_lower**2
    mixed = rows.upper.T @ ((-by_upper * by_lower)[:, None] * rows.lower)
    hessian = (
        rows.upper.T @ (curve_upper[:, None] * rows.upper)
        + rows.lower.T @ (curve_lower[:, None] * rows.lower)
        + mixed
        + mixed.T
    )
    return float(np.log(share).sum()), rows.upper.T @ by_upper + rows.lower.T @ by_lower, -hessian

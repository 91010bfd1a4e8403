"""Covariance between clusters by restricted likelihood, and draws of it.

The searches are over square factors of Psi in units of the estimates' spread; the draws are of the lower triangle of the
Cholesky factor, so that Psi is positive semi-definite by construction.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from jmimpute.chained.climbing import climb
from jmimpute.chained.moments import moments
from jmimpute.chained.random_effects import root
from jmimpute.chained.restricted import Pooling, Restricted, hessian, restricted
from jmimpute.errors import ImputationError

#: How far the log likelihood may still rise when a search is called converged.
SLACK = 1e-3
#: Relative error of its slope along directions without variance.
ROUNDING = 1e-9
#: Standard deviation, in units of the estimates' spread, beyond which the likelihood is called flat along a direction.
FLAT = 10.0
#: Share of the draws, those of lowest likelihood, that would be made again if the normal approximation were exact.
RULED_OUT = 1e-3
ATTEMPTS = 200
#: Variances, in units of the spread, that are added where a search starts: none may be 0 there.
RIDGE = 0.02


@dataclass(frozen=True)
class RestrictedFit:
    """The maximum of the restricted likelihood.

    Attributes
    ----------
    theta : ndarray, shape (q,)
        Lower triangle, row by row, of the factor of Psi.
    covariance : ndarray, shape (q, q)
        Inverse of minus the Hessian at `theta`; 0 along directions in which the likelihood is flat.
    pooling : Pooling
        What was pooled.
    log_likelihood : float
    """

    theta: np.ndarray
    covariance: np.ndarray
    pooling: Pooling = field(repr=False)
    log_likelihood: float

    @property
    def psi(self) -> np.ndarray:
        """Estimated covariance between clusters, shape (p, p)."""
        factor = lower(self.theta)
        return factor @ factor.T

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw Psi.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (p, p)

        Raises
        ------
        ImputationError
            If the normal approximation is so wide that it hardly ever gives a Psi that the data allow.

        Notes
        -----
        ``theta* ~ N(theta, covariance)``, ``Psi* = L*L*'``. Where few clusters leave a direction nearly flat, the normal
        approximation reaches where the likelihood does not: such a draw is made again.
        """
        from scipy.special import chdtri

        half = root(self.covariance)
        allowed = self.log_likelihood - chdtri(len(self.theta), RULED_OUT) / 2
        for _ in range(ATTEMPTS):
            factor = lower(self.theta + half @ rng.standard_normal(len(self.theta)))
            psi = factor @ factor.T
            if restricted(self.pooling, psi).value >= allowed:
                return psi
        raise ImputationError(
            f"{len(self.pooling.estimates)} clusters say too little about a {len(psi)} x {len(psi)} covariance matrix between "
            "clusters for its restricted likelihood to be approximated by a normal distribution. Use fewer predictors, or "
            "estimator='moments'."
        )


def fit_restricted(pooling: Pooling) -> RestrictedFit:
    """Maximise the restricted likelihood over Psi.

    Parameters
    ----------
    pooling : Pooling

    Returns
    -------
    RestrictedFit

    Raises
    ------
    ImputationError
        If no maximum is found.
    """
    scale = np.sqrt(np.mean(np.einsum("ipp->ip", pooling.covariances), axis=0) + np.var(pooling.estimates, axis=0))
    best = _search(
        Pooling(pooling.estimates / scale, pooling.covariances / np.outer(scale, scale), pooling.design / scale[:, None])
    )
    rows = np.tril_indices(len(scale))
    units = scale[rows[0]]
    return RestrictedFit(
        theta=units * best.factor[rows],
        covariance=np.outer(units, units) * _inverse(best.information),
        pooling=pooling,
        log_likelihood=restricted(pooling, np.outer(scale, scale) * (best.factor @ best.factor.T)).value,
    )


def _search(pooling: Pooling) -> "_Climbed":
    """Find the best Psi.

    The likelihood has several maxima at times, with clusters that are few or differ much in precision. The two searches, from a
    large and from a small Psi, then mostly end apart, and others are made.
    """
    precisions = np.linalg.inv(pooling.covariances)
    residuals = pooling.residuals(pooling.weighted(precisions)[0])
    unit = np.eye(residuals.shape[1])
    large = residuals.T @ residuals / len(residuals) + RIDGE * unit
    small = np.linalg.inv(precisions.mean(axis=0))  # as are the errors of the most precise clusters
    found = [_climbed(pooling, psi) for psi in (large, small)]
    best = max(found, key=lambda one: one.value)
    if abs(found[0].value - found[1].value) > SLACK or not best.is_maximum:
        rough = moments(pooling)
        more = (rough + RIDGE * unit, np.diag(np.diag(rough)) + RIDGE * unit, RIDGE * unit, unit)
        best = max([best, *(_climbed(pooling, psi) for psi in more)], key=lambda one: one.value)
    if best.is_maximum:
        return best
    raise ImputationError(
        f"The restricted likelihood of the coefficients of {len(pooling.estimates)} clusters has no maximum that a search "
        "finds. Use fewer predictors, or estimator='moments'."
    )


@dataclass(frozen=True)
class _Climbed:
    """Where a search ended."""

    pooling: Pooling
    factor: np.ndarray
    value: float

    @cached_property
    def information(self) -> np.ndarray:
        return -hessian(self.pooling, self.factor)

    @cached_property
    def is_maximum(self) -> bool:
        at = restricted(self.pooling, self.factor @ self.factor.T)
        return _is_maximum(at, self.factor, self.information)


def _climbed(pooling: Pooling, start: np.ndarray) -> _Climbed:
    """Search from one Psi, which is regular.

    Factors are square in the search: one triangular has points of lost rank from which not every direction can be reached.
    """
    p = len(start)

    def likelihood(theta: np.ndarray) -> tuple[float, np.ndarray]:
        factor = theta.reshape(p, p)
        at = restricted(pooling, factor @ factor.T)
        return at.value, 2 * (at.slope @ factor).ravel()

    theta, value = climb(likelihood, np.linalg.cholesky(start).ravel())
    factor = np.linalg.qr(theta.reshape(p, p).T, mode="r").T
    return _Climbed(pooling, factor * np.where(np.diag(factor) < 0, -1.0, 1.0), value)  # which draws would depend on


def _is_maximum(at: Restricted, factor: np.ndarray, information: np.ndarray) -> bool:
    """Whether next to nothing is to be gained: by a Newton step, or (KKT conditions) along directions without variance.

    The slope along such a direction is a difference of large numbers where clusters are precise, and then not exact.
    """
    values, vectors = np.linalg.eigh(information)
    along = (2 * at.slope @ factor)[np.tril_indices(len(factor))] @ vectors
    rise = np.sum(along**2 / np.maximum(values, FLAT**-2)) / 2
    inexact = ROUNDING * np.einsum("ipp->", at.weights)
    return bool(rise < SLACK and np.linalg.eigvalsh(at.slope)[-1] < SLACK + inexact)


def _inverse(information: np.ndarray) -> np.ndarray:
    """Invert, with 0 along flat directions."""
    values, vectors = np.linalg.eigh(information)
    inverse = np.where(values > FLAT**-2, 1 / np.maximum(values, FLAT**-2), 0.0)
    return (vectors * inverse) @ vectors.T


def lower(triangle: np.ndarray) -> np.ndarray:
    """Put numbers into the lower triangle of a matrix, row by row.

    Parameters
    ----------
    triangle : ndarray, shape (p (p + 1) / 2,)

    Returns
    -------
    ndarray, shape (p, p)
    """
    p = round((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    matrix = np.zeros((p, p))
    matrix[np.tril_indices(p)] = triangle
    return matrix

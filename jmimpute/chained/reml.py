"""Covariance between clusters by restricted likelihood, and draws of it.

The search is over square factors of Psi in units of the estimates' spread, from the moment estimate; the draws are of the
lower triangle of the Cholesky factor, so that Psi is positive semi-definite by construction.
"""

from dataclasses import dataclass, field

import numpy as np

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

_OPTIONS = {"gtol": 1e-7, "maxiter": 500}


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

        root = square_root(self.covariance)
        allowed = self.log_likelihood - chdtri(len(self.theta), RULED_OUT) / 2
        for _ in range(ATTEMPTS):
            factor = lower(self.theta + root @ rng.standard_normal(len(self.theta)))
            psi = factor @ factor.T
            if restricted(self.pooling, psi).value >= allowed:
                return psi
        raise ImputationError(
            f"{len(self.pooling.estimates)} clusters say too little about a {len(psi)} x {len(psi)} covariance matrix between "
            "clusters for its restricted likelihood to be approximated by a normal distribution. Use fewer predictors, or "
            "estimator='moments'."
        )


def fit_restricted(pooling: Pooling, start: np.ndarray) -> RestrictedFit:
    """Maximise the restricted likelihood over Psi.

    Parameters
    ----------
    pooling : Pooling
    start : ndarray, shape (p, p)
        A rough Psi, for example by moments; may be singular.

    Returns
    -------
    RestrictedFit

    Raises
    ------
    ImputationError
        If no maximum is found.
    """
    scale = np.sqrt(np.mean(np.einsum("ipp->ip", pooling.covariances), axis=0) + np.var(pooling.estimates, axis=0))
    scaled = Pooling(pooling.estimates / scale, pooling.covariances / np.outer(scale, scale), pooling.design / scale[:, None])
    factor, information = _search(scaled, start / np.outer(scale, scale))
    rows = np.tril_indices(len(scale))
    units = scale[rows[0]]
    return RestrictedFit(
        theta=units * factor[rows],
        covariance=np.outer(units, units) * _inverse(information),
        pooling=pooling,
        log_likelihood=restricted(pooling, np.outer(scale, scale) * (factor @ factor.T)).value,
    )


def _search(pooling: Pooling, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the triangular factor of the best Psi, and the information there.

    Factors are square in the search: one triangular has points of lost rank from which not every direction can be reached.
    """
    from scipy.optimize import minimize

    p = len(start)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        factor = theta.reshape(p, p)
        at = restricted(pooling, factor @ factor.T)
        return -at.value, -2 * (at.slope @ factor).ravel()

    for ridge in (0.02, 0.5):
        root = np.linalg.cholesky(start + ridge * np.eye(p))
        found = minimize(objective, root.ravel(), jac=True, method="BFGS", options=_OPTIONS).x.reshape(p, p)
        factor = np.linalg.qr(found.T, mode="r").T
        information = -hessian(pooling, factor)
        if _is_maximum(restricted(pooling, factor @ factor.T), factor, information):
            return factor, information
    raise ImputationError(
        f"The restricted likelihood of the coefficients of {len(pooling.estimates)} clusters has no maximum that a search "
        "finds. Use fewer predictors, or estimator='moments'."
    )


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


def square_root(covariance: np.ndarray) -> np.ndarray:
    """Give a matrix R with ``R R'`` a covariance matrix, which may be singular.

    Parameters
    ----------
    covariance : ndarray, shape (..., p, p)

    Returns
    -------
    ndarray, shape (..., p, p)

    Notes
    -----
    Of the correlation matrix, so that coefficients in very different units lose nothing. Eigenvalues that are negative by
    rounding count as 0.
    """
    scale = np.sqrt(np.maximum(np.einsum("...pp->...p", covariance), 0.0))
    safe = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / (safe[..., :, None] * safe[..., None, :]))
    return scale[..., :, None] * vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]

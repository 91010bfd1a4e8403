"""Variance components as numbers without bounds, which may be drawn from a normal distribution."""

import numpy as np

from jmimpute.analysis.components import pack, unpack


def to_unbounded(psi: np.ndarray, variance: float) -> np.ndarray:
    """Transform variance components to numbers without bounds (Pinheiro and Bates 2000, section 2.2.7).

    Parameters
    ----------
    psi : ndarray, shape (r, r)
        Positive definite.
    variance : float
        Of the residuals.

    Returns
    -------
    ndarray, shape (r (r + 1) / 2 + 1,)
        The lower triangle, row by row, of a matrix with log variances on its diagonal and ``log((1 + rho) / (1 - rho))`` off
        it; last the log residual standard deviation.
    """
    sd = np.sqrt(np.diag(psi))
    rho = psi / np.outer(sd, sd)
    np.fill_diagonal(rho, 0.0)
    return np.append(pack(2 * np.arctanh(rho) + np.diag(2 * np.log(sd))), np.log(variance) / 2)


def from_unbounded(components: np.ndarray) -> tuple[np.ndarray, float]:
    """Transform back. Negative eigenvalues of the covariance matrix are set to 0.

    Parameters
    ----------
    components : ndarray, shape (r (r + 1) / 2 + 1,)

    Returns
    -------
    psi : ndarray, shape (r, r)
    variance : float
    """
    matrix = unpack(components[:-1])
    sd = np.exp(np.diag(matrix) / 2)
    rho = np.tanh(matrix / 2)
    np.fill_diagonal(rho, 1.0)
    values, vectors = np.linalg.eigh(rho * np.outer(sd, sd))
    return (vectors * np.maximum(values, 0.0)) @ vectors.T, float(np.exp(2 * components[-1]))


def unbounded_jacobian(psi: np.ndarray, variance: float) -> np.ndarray:
    """Derivatives of `to_unbounded` by the lower triangle of psi, row by row, and the residual variance.

    Parameters
    ----------
    psi : ndarray, shape (r, r)
    variance : float

    Returns
    -------
    ndarray, shape (r (r + 1) / 2 + 1, r (r + 1) / 2 + 1)
    """
    pairs = list(zip(*np.tril_indices(len(psi)), strict=True))
    place = {pair: k for k, pair in enumerate(pairs)}
    jacobian = np.zeros((len(pairs) + 1, len(pairs) + 1))
    for k, (i, j) in enumerate(pairs):
        if i == j:
            jacobian[k, k] = 1 / psi[i, i]
            continue
        product = psi[i, i] * psi[j, j]
        slope = 2 / (product - psi[i, j] ** 2) * np.sqrt(product)  # by the covariance: 2 / (1 - rho^2) / sqrt(product)
        jacobian[k, k] = slope
        jacobian[k, place[i, i]] = -slope * psi[i, j] / (2 * psi[i, i])
        jacobian[k, place[j, j]] = -slope * psi[i, j] / (2 * psi[j, j])
    jacobian[-1, -1] = 1 / (2 * variance)
    return jacobian

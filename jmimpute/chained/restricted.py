"""The restricted likelihood of a random-effects meta-regression, with its gradient and Hessian.

    estimate_i ~ N(C_i gamma, S_i + Psi),    S_i known,    i = 1..K

Everything is over clusters at once; sums over clusters are products of stacked matrices.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pooling:
    """What is pooled: K clusters, p estimates each.

    Attributes
    ----------
    estimates : ndarray, shape (K, p)
    covariances : ndarray, shape (K, p, p)
        Sampling covariances S_i.
    design : ndarray, shape (K, p, g)
        The matrices C_i.
    """

    estimates: np.ndarray
    covariances: np.ndarray
    design: np.ndarray

    def weighted(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pool with weights.

        Parameters
        ----------
        weights : ndarray, shape (K, p, p)
            Symmetric matrices W_i.

        Returns
        -------
        gamma : ndarray, shape (g,)
        inverse : ndarray, shape (g, g)
            ``(sum C_i' W_i C_i)^-1``, the covariance of gamma if the weights are right.
        weighted : ndarray, shape (K, p, g)
            ``W_i C_i``.
        """
        weighted = weights @ self.design
        inverse = np.linalg.inv(_stacked(weighted).T @ _stacked(self.design))
        return inverse @ (_stacked(weighted).T @ self.estimates.ravel()), inverse, weighted

    def residuals(self, gamma: np.ndarray) -> np.ndarray:
        """Estimates less what the design predicts, shape (K, p).

        Parameters
        ----------
        gamma : ndarray, shape (g,)

        Returns
        -------
        ndarray
        """
        return self.estimates - self.design @ gamma


@dataclass(frozen=True)
class Restricted:
    """The restricted likelihood at one Psi.

    Attributes
    ----------
    value : float
        Log likelihood, with its constant.
    slope : ndarray, shape (p, p)
        Its derivative by Psi, as a symmetric matrix.
    gamma : ndarray, shape (g,)
    inverse : ndarray, shape (g, g)
        Covariance of gamma.
    weights, weighted, scores : ndarray, shapes (K, p, p), (K, p, g) and (K, p)
        ``W_i = (S_i + Psi)^-1``, ``W_i C_i`` and ``W_i r_i``.
    """

    value: float
    slope: np.ndarray
    gamma: np.ndarray
    inverse: np.ndarray
    weights: np.ndarray
    weighted: np.ndarray
    scores: np.ndarray


def restricted(pooling: Pooling, psi: np.ndarray) -> Restricted:
    """Evaluate the restricted likelihood.

    Parameters
    ----------
    pooling : Pooling
    psi : ndarray, shape (p, p)
        Covariance between clusters.

    Returns
    -------
    Restricted

    Notes
    -----
    Resche-Rigon and White (2018, Stat Methods Med Res 27), section 3.2.1.
    """
    variances = pooling.covariances + psi
    weights = np.linalg.inv(variances)
    gamma, inverse, weighted = pooling.weighted(weights)
    residuals = pooling.residuals(gamma)
    scores = (weights @ residuals[:, :, None])[:, :, 0]
    squares = float(residuals.ravel() @ scores.ravel())
    constant = (residuals.size - len(gamma)) * np.log(2 * np.pi)
    logdet = np.linalg.slogdet(variances)[1].sum() - np.linalg.slogdet(inverse)[1]
    spread = (weighted @ inverse) @ weighted.transpose(0, 2, 1)
    slope = (scores.T @ scores - (weights - spread).sum(axis=0)) / 2
    return Restricted(-(constant + logdet + squares) / 2, slope, gamma, inverse, weights, weighted, scores)


def hessian(pooling: Pooling, factor: np.ndarray) -> np.ndarray:
    """Give the second derivatives of the restricted likelihood by the lower triangle of a factor of Psi, row by row.

    Parameters
    ----------
    pooling : Pooling
    factor : ndarray, shape (p, p)
        Lower triangular, ``Psi = factor factor'``.

    Returns
    -------
    ndarray, shape (p (p + 1) / 2, p (p + 1) / 2)

    Notes
    -----
    With D_a the derivative of Psi by element a, P the projector of generalised least squares and r the residuals, the
    second derivative along D_a and D_b is ``tr(P D_a P D_b) / 2 - r'W D_a P D_b W r`` (Searle, Casella and McCulloch 1992,
    chapter 6), and the curvature of Psi itself adds the slope times the second derivative of Psi.
    """
    at = restricted(pooling, factor @ factor.T)
    rows, columns = np.tril_indices(len(factor))
    D = np.zeros((len(rows), *factor.shape))
    D[np.arange(len(rows)), rows] = factor.T[columns]
    D = D + D.transpose(0, 2, 1)
    curvature = 2 * at.slope[np.ix_(rows, rows)] * (columns[:, None] == columns)
    return _along(at, D) + curvature


def _along(at: Restricted, D: np.ndarray) -> np.ndarray:
    """Second derivatives by Psi along symmetric matrices D_a, shape (q, q)."""
    q = len(D)
    DW = D[:, None] @ at.weights  # (q, K, p, p)
    Dw = at.scores @ D  # (q, K, p)
    DWC = D[:, None] @ at.weighted  # (q, K, p, g)
    cross = np.einsum("ipg,aip->ag", at.weighted, Dw)
    squares = np.einsum("aip,ipr,bir->ab", Dw, at.weights, Dw, optimize=True) - cross @ at.inverse @ cross.T
    spread = at.weights @ DWC @ at.inverse  # (q, K, p, g)
    projected = np.einsum("ipg,aiph->agh", at.weighted, DWC) @ at.inverse
    traces = (
        DW.reshape(q, -1) @ DW.transpose(0, 1, 3, 2).reshape(q, -1).T
        - 2 * DWC.reshape(q, -1) @ spread.reshape(q, -1).T
        + projected.reshape(q, -1) @ projected.transpose(0, 2, 1).reshape(q, -1).T
    )
    return traces / 2 - squares


def _stacked(matrices: np.ndarray) -> np.ndarray:
    return matrices.reshape(-1, matrices.shape[2])

"""Covariance between clusters by the method of moments, in matrix form and with moderators."""

import numpy as np

from jmimpute.chained.restricted import Pooling


def moments(pooling: Pooling) -> np.ndarray:
    """Estimate Psi by the method of moments.

    Parameters
    ----------
    pooling : Pooling
        Regular sampling covariances; more clusters than moderators.

    Returns
    -------
    ndarray, shape (p, p)
        Positive semi-definite; negative eigenvalues were set to 0.

    Notes
    -----
    Jackson, White and Riley (2013, Biometrical Journal 55): ``sum_i S_i^-1 r_i r_i'``, with r the residuals of the pooled
    estimate at Psi = 0, is set equal to its expectation, which is linear in Psi. With p = 1 and without moderators this is
    DerSimonian and Laird (1986).
    """
    p = pooling.estimates.shape[1]
    weights = np.linalg.inv(pooling.covariances)
    gamma, inverse, weighted = pooling.weighted(weights)
    residuals = pooling.residuals(gamma)
    hats = weighted @ inverse @ pooling.design.transpose(0, 2, 1)  # W_i C_i M C_i'
    observed = np.einsum("iab,ib,ic->ac", weights, residuals, residuals)
    expected = len(residuals) * np.eye(p) - hats.sum(axis=0)
    psi = np.linalg.solve(_system(pooling, weights, inverse, weighted), (observed - expected).ravel()).reshape(p, p)
    values, vectors = np.linalg.eigh((psi + psi.T) / 2)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def _system(pooling: Pooling, weights: np.ndarray, inverse: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    """The matrix B with ``E sum_i W_i r_i r_i' = constant + B Psi``, shape (p p, p p), for rows of Psi one after another.

    With ``r_i = sum_k A_ik estimate_k``, B is the sum over i and k of ``W_i A_ik Psi A_ik'``. The matrices
    ``A_ik = 1(i = k) I - C_i M C_k'W_k`` are multiplied out, so that no sum over pairs of clusters is left.
    """
    p = weights.shape[1]
    unit = np.eye(p)
    hats = pooling.design @ inverse @ weighted.transpose(0, 2, 1)  # C_i M C_i'W_i
    own = (weights - weights @ hats).sum(axis=0)
    mixed = np.tensordot(weights, hats, axes=(0, 0))  # (a, c, b, d)
    left = np.tensordot(weighted @ inverse, pooling.design @ inverse, axes=(0, 0))  # (a, g, b, h)
    right = np.tensordot(weighted, weighted, axes=(0, 0))  # (c, g, d, h)
    crossed = np.tensordot(left, right, axes=((1, 3), (1, 3)))  # (a, b, c, d)
    system = own[:, None, :, None] * unit[None, :, None, :] - mixed.transpose(0, 2, 1, 3) + crossed
    return system.reshape(p * p, p * p)

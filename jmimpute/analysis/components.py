"""Covariance matrices of random effects as vectors: the lower triangle row by row, and linear maps of it."""

import numpy as np


def pack(matrix: np.ndarray) -> np.ndarray:
    """Write a symmetric matrix as the vector of its lower triangle.

    Parameters
    ----------
    matrix : ndarray, shape (r, r)

    Returns
    -------
    ndarray, shape (r (r + 1) / 2,)
        Row by row: variance of the first, covariance of the first two, variance of the second, and so on.
    """
    return matrix[np.tril_indices(len(matrix))]


def unpack(vector: np.ndarray) -> np.ndarray:
    """Write a lower triangle as the symmetric matrix that it is of.

    Parameters
    ----------
    vector : ndarray, shape (r (r + 1) / 2,)

    Returns
    -------
    ndarray, shape (r, r)
    """
    r = round((np.sqrt(8 * len(vector) + 1) - 1) / 2)
    matrix = np.zeros((r, r))
    matrix[np.tril_indices(r)] = vector
    return matrix + np.tril(matrix, -1).T


def basis(r: int) -> np.ndarray:
    """Give the symmetric matrices of which a symmetric matrix is the sum, each times its element of the triangle.

    Parameters
    ----------
    r : int
        Number of rows.

    Returns
    -------
    ndarray, shape (r (r + 1) / 2, r, r)
    """
    return np.array([unpack(unit) for unit in np.eye(r * (r + 1) // 2)])


def congruence(factor: np.ndarray) -> np.ndarray:
    """Give the linear map from the triangle of S to the triangle of ``factor S factor'``.

    Parameters
    ----------
    factor : ndarray, shape (r, r)

    Returns
    -------
    ndarray, shape (r (r + 1) / 2, r (r + 1) / 2)
    """
    return np.array([pack(factor @ unit @ factor.T) for unit in basis(len(factor))]).T

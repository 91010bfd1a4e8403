"""Draws that mixed models share: of normal vectors, of covariance matrices and of the random effects of all clusters."""

import numpy as np

from jmimpute.chained.reml import square_root


def root(covariance: np.ndarray) -> np.ndarray:
    """Give the Cholesky factor of a matrix that may be singular.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)

    Returns
    -------
    ndarray, shape (k, k)
        Lower triangular, with nothing negative on its diagonal. Other than roots from eigenvectors, whose signs hang on
        rounding, it gives the same draws on every machine.
    """
    upper = np.linalg.qr(square_root(covariance).T, mode="r")
    return upper.T * np.where(np.diag(upper) < 0, -1.0, 1.0)


def draw_normal(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a normal vector.

    Parameters
    ----------
    mean : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
        May be singular.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (k,)
    """
    return mean + root(covariance) @ rng.standard_normal(len(mean))


def draw_inverse_wishart(df: float, scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw from the inverse-Wishart distribution with mean ``scale / (df - q - 1)``.

    Parameters
    ----------
    df : float
        At least q.
    scale : ndarray, shape (q, q)
        Where it is singular so is the draw: it is the limit of draws with scales that tend to it.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (q, q)
    """
    q = len(scale)
    bartlett = np.tril(rng.standard_normal((q, q)), -1) + np.diag(np.sqrt(rng.chisquare(df - np.arange(q))))
    half = np.linalg.solve(bartlett, root(scale).T)
    return half.T @ half


def effects_given_data(
    residuals: np.ndarray, z: np.ndarray, codes: np.ndarray, n_clusters: int, psi: np.ndarray, variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Conditional distribution of the random effects of a linear mixed model.

    Parameters
    ----------
    residuals : ndarray, shape (n_observed,)
        Response less its fixed part.
    z : ndarray, shape (n_observed, q)
    codes : ndarray of int, shape (n_observed,)
        Cluster of each row, 0 to n_clusters - 1.
    n_clusters : int
        Clusters without rows count: their distribution is N(0, psi).
    psi : ndarray, shape (q, q)
        Covariance matrix of the random effects; may be singular.
    variance : float
        Of the residuals.

    Returns
    -------
    mean : ndarray, shape (n_clusters, q)
    factor : ndarray, shape (n_clusters, q, q)
        The covariance matrices are ``factor factor'``.

    Notes
    -----
    With psi = C C' and b = C u, u is N(0, I) before the data and has the precision ``I + C'Z'Z C / variance`` given them, which
    needs no inverse of psi.
    """
    half = root(psi)
    scaled = z @ half
    products = sum_by_cluster(scaled[:, :, None] * scaled[:, None, :], codes, n_clusters)
    precision = np.eye(len(psi)) + products / variance
    sums = sum_by_cluster(scaled * residuals[:, None], codes, n_clusters) / variance
    lower = np.linalg.cholesky(precision)
    mean = np.linalg.solve(precision, sums[:, :, None])[:, :, 0]
    return mean @ half.T, half @ np.linalg.inv(lower).swapaxes(1, 2)


def draw_effects(mean: np.ndarray, factor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the effects of each cluster from N(mean, factor factor').

    Parameters
    ----------
    mean : ndarray, shape (n_clusters, q)
    factor : ndarray, shape (n_clusters, q, q)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_clusters, q)
    """
    return mean + (factor @ rng.standard_normal(mean.shape)[:, :, None])[:, :, 0]


def sum_by_cluster(values: np.ndarray, codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """Sum rows over the clusters they are in.

    Parameters
    ----------
    values : ndarray, shape (n_rows, ...)
    codes : ndarray of int, shape (n_rows,)
    n_clusters : int

    Returns
    -------
    ndarray, shape (n_clusters, ...)
        Zero for a cluster without rows.
    """
    flat = values.reshape(len(values), -1)
    sums = [np.bincount(codes, column, n_clusters) for column in flat.T]
    return np.stack(sums, axis=1).reshape(n_clusters, *values.shape[1:])

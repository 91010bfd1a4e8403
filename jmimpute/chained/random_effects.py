"""Draws that mixed models share: of normal vectors, of covariance matrices and of the random effects of all clusters."""

import numpy as np

#: Share of a variance below which it counts as none, being left over from rounding.
ROUNDING = 1e-14


def root(covariance: np.ndarray) -> np.ndarray:
    """Give Cholesky factors of covariance matrices that may be singular.

    Parameters
    ----------
    covariance : ndarray, shape (..., k, k)

    Returns
    -------
    ndarray, shape (..., k, k)
        Lower triangular, with nothing negative on its diagonal, and 0 below a 0 on it. Other than roots from eigenvectors,
        whose signs hang on rounding, it gives the same draws on every machine.

    Notes
    -----
    Of the correlation matrix, so that coefficients in very different units lose nothing.
    """
    scale = np.sqrt(np.maximum(np.einsum("...kk->...k", covariance), 0.0))
    safe = np.where(scale > 0, scale, 1.0)
    # Rounding may leave a correlation beyond 1 beside a variance that is as good as 0.
    left = np.clip(covariance / (safe[..., :, None] * safe[..., None, :]), -1.0, 1.0)
    factor = np.zeros_like(left)
    for k in range(left.shape[-1]):
        pivot = left[..., k, k, None]
        factor[..., k:, k] = np.where(pivot > ROUNDING, left[..., k:, k], 0.0) / np.sqrt(np.maximum(pivot, ROUNDING))
        left = left - factor[..., :, k, None] * factor[..., None, :, k]
    return scale[..., :, None] * factor


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

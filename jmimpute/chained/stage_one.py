"""First stage of two-stage methods: a linear regression in every cluster, all clusters at once."""

from dataclasses import dataclass

import numpy as np

from jmimpute.analysis.mixed import whiten
from jmimpute.chained.random_effects import sum_by_cluster

#: Residual degrees of freedom that a cluster must exceed: the variance of its log residual SD is 1 / (2 (df - 4)).
LEAST_DF = 4
#: Smallest eigenvalue of X'X, as a share of its trace, of a cluster whose predictors are not collinear.
COLLINEAR = 1e-10
#: Ratio of a cluster's residual SD to that of all rows below which it is called zero.
EXACT = 1e-8


@dataclass(frozen=True)
class ClusterFits:
    """Estimates of the K clusters among J that could be fitted.

    Attributes
    ----------
    fitted : ndarray of bool, shape (J,)
        Which they are.
    estimates : ndarray, shape (K, p)
    covariances : ndarray, shape (K, p, p)
        Sampling covariances.
    """

    fitted: np.ndarray
    estimates: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True)
class LinearFits(ClusterFits):
    """Linear regressions, with their residual spread.

    Attributes
    ----------
    log_sds : ndarray, shape (K, 1)
        Log residual standard deviations.
    log_sd_variances : ndarray, shape (K, 1, 1)
        Their sampling variances.
    """

    log_sds: np.ndarray
    log_sd_variances: np.ndarray


def fit_linear(y: np.ndarray, x: np.ndarray, codes: np.ndarray, n_clusters: int) -> LinearFits:
    """Fit a linear regression in every cluster that allows it.

    Parameters
    ----------
    y : ndarray, shape (n,)
    x : ndarray, shape (n, p)
        Of full column rank.
    codes : ndarray of int, shape (n,)
        Cluster of each row, 0..J-1.
    n_clusters : int
        J.

    Returns
    -------
    LinearFits
        Of the clusters in which predictors are not collinear, more than 4 degrees of freedom are left and the regression
        leaves a residual.

    Notes
    -----
    Resche-Rigon and White (2018, Stat Methods Med Res 27), section 3.1. Predictors are whitened over all rows first, which
    changes nothing but the conditioning, and the response is replaced by the residual of the common regression.
    """
    white, factor = whiten(x)
    start = white.T @ y / len(y)
    remainder = y - white @ start
    products, fitted = cross_products(white, codes, n_clusters)
    df = np.bincount(codes, minlength=n_clusters) - x.shape[1]
    fitted &= df > LEAST_DF
    inverses, deviations = np.zeros_like(products), np.zeros(products.shape[:2])
    inverses[fitted] = np.linalg.inv(products[fitted])
    deviations[fitted] = (inverses @ sum_by_cluster(white * remainder[:, None], codes, n_clusters)[:, :, None])[fitted, :, 0]
    residuals = remainder - np.einsum("np,np->n", white, deviations[codes])
    squares = np.bincount(codes, residuals**2, n_clusters)
    fitted &= squares > EXACT**2 * np.mean(remainder**2) * np.maximum(df, 1)
    variances = squares[fitted] / df[fitted]
    back = np.linalg.inv(factor)
    return LinearFits(
        fitted=fitted,
        estimates=(start + deviations[fitted]) @ back.T,
        covariances=variances[:, None, None] * (back @ inverses[fitted] @ back.T),
        log_sds=np.log(variances)[:, None] / 2,
        log_sd_variances=1 / (2.0 * (df[fitted] - LEAST_DF))[:, None, None],
    )


def cross_products(x: np.ndarray, codes: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute X'X of every cluster, and whether it is regular.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Whitened.
    codes : ndarray of int, shape (n,)
    n_clusters : int

    Returns
    -------
    products : ndarray, shape (n_clusters, p, p)
    regular : ndarray of bool, shape (n_clusters,)
    """
    products = sum_by_cluster(x[:, :, None] * x[:, None, :], codes, n_clusters)
    smallest = np.linalg.eigvalsh(products)[:, 0]
    return products, smallest > COLLINEAR * np.einsum("ipp->i", products)

"""Missing cells by kind: sporadic, or systematic when a cluster has no observed value of a response."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Missing:
    """Missing cells of each response.

    Attributes
    ----------
    cells : ndarray of int, shape (p,)
        Missing cells.
    sporadic : ndarray of int, shape (p,)
        Missing cells in clusters that have an observed value of the response.
    systematic : ndarray of bool, shape (J, p)
        Clusters without any observed value of the response.
    """

    cells: np.ndarray
    sporadic: np.ndarray
    systematic: np.ndarray


def classify(y: np.ndarray, codes: np.ndarray, n_clusters: int) -> Missing:
    """Classify missing cells.

    Parameters
    ----------
    y : ndarray, shape (n_rows, p)
        NaN for missing cells.
    codes : ndarray of int, shape (n_rows,)
        Cluster codes.
    n_clusters : int
        J; 0 for a single-level model, where every missing cell is sporadic.

    Returns
    -------
    Missing
    """
    absent = np.isnan(y)
    cells = absent.sum(axis=0)
    observed = np.zeros((n_clusters, y.shape[1]), dtype=np.int64)
    if n_clusters:
        np.add.at(observed, codes, ~absent)
    systematic = observed == 0
    in_systematic = absent & systematic[codes] if n_clusters else np.zeros_like(absent)
    return Missing(cells, cells - in_systematic.sum(axis=0), systematic)

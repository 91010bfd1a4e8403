"""The first fill of missing cells: draws with replacement from the observed values."""

import numpy as np

from jmimpute.chained.columns import Column


def fill(column: Column, codes: np.ndarray, of_clusters: bool, rng: np.random.Generator) -> np.ndarray:
    """Fill the missing cells of a column.

    Parameters
    ----------
    column : Column
    codes : ndarray of int, shape (n_rows,)
        Cluster of each row.
    of_clusters : bool
        Fill all cells of a cluster by one value: its own if it has one, else one drawn from those of clusters.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_rows,)
        The completed column.
    """
    values = column.values.copy()
    if not of_clusters:
        observed = values[column.observed]
        values[~column.observed] = rng.choice(observed, int(np.sum(~column.observed)))
        return values
    by_cluster = cluster_values(values, codes)
    known = ~np.isnan(by_cluster)
    by_cluster[~known] = rng.choice(by_cluster[known], int(np.sum(~known)))
    return np.where(column.observed, values, by_cluster[codes])


def cluster_values(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The one value that each cluster has, shape (J,), NaN where it has none; that they agree has been checked.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
        NaN for missing cells.
    codes : ndarray of int, shape (n_rows,)
    """
    found = np.full(codes.max() + 1, np.nan)
    present = ~np.isnan(values)
    found[codes[present]] = values[present]
    return found

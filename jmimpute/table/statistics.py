"""Sufficient statistics of the collapsed Gaussian likelihood: computed once, and no row is touched again.

Notation: rows of cluster j with pattern g; q fixed-effect columns X, r random-effect columns Z, p responses Y with 0 in
missing cells. Arrays over clusters have the cluster as their last, contiguous axis, padded with empty clusters to a
multiple of `LANES`, so that the likelihood kernel runs over clusters with vector instructions. An empty cluster
contributes exactly nothing to the likelihood.
"""

from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.table.patterns import Patterns

LANES = 8


class Statistics(NamedTuple):
    """Sufficient statistics of N rows in J clusters and G patterns with at least one observed response.

    Attributes
    ----------
    observed : ndarray of bool, shape (G, p)
    n : ndarray, shape (G,)
        Rows of each pattern.
    xx, xy, yy : ndarray, shapes (G, q, q), (G, q, p), (G, p, p)
        Cross-products pooled over clusters.
    zz, zx, zy : ndarray, shapes (G, r, r, J'), (G, r, q, J'), (G, r, p, J')
        Cross-products by cluster; J' is J padded to a multiple of `LANES`, 0 for a single-level model.
    """

    observed: np.ndarray
    n: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    zz: np.ndarray
    zx: np.ndarray
    zy: np.ndarray


def summarise(
    y: np.ndarray, x: np.ndarray, z: np.ndarray, codes: np.ndarray, n_clusters: int, patterns: Patterns
) -> Statistics:
    """Compute the sufficient statistics in one pass over the rows.

    Parameters
    ----------
    y : ndarray, shape (n_rows, p)
        NaN for missing cells.
    x, z : ndarray, shapes (n_rows, q), (n_rows, r)
    codes : ndarray of int, shape (n_rows,)
        Cluster codes.
    n_clusters : int
        J; 0 for a single-level model.
    patterns : Patterns
        Of y.

    Returns
    -------
    Statistics
    """
    # Rows without any observed response say nothing about the parameters.
    informative = patterns.observed.any(axis=1)
    observed = np.ascontiguousarray(patterns.observed[informative])
    renumbered = np.where(informative, np.cumsum(informative) - 1, -1)
    pattern = renumbered[patterns.codes]
    padded = -(-n_clusters // LANES) * LANES
    filled = np.nan_to_num(y, nan=0.0)
    pooled, by_cluster = _accumulate(filled, x, z, codes, pattern, len(observed), padded)
    n = np.bincount(pattern[pattern >= 0], minlength=len(observed)).astype(float)
    return Statistics(observed, n, *pooled, *(np.ascontiguousarray(np.moveaxis(array, 0, -1)) for array in by_cluster))


@kernel
def _accumulate(y, x, z, codes, pattern, n_patterns, n_clusters):
    """Sum the cross-products; arrays by cluster come with the cluster first, which suits rows sorted by cluster."""
    p, q, r = y.shape[1], x.shape[1], z.shape[1]
    xx = np.zeros((n_patterns, q, q))
    xy = np.zeros((n_patterns, q, p))
    yy = np.zeros((n_patterns, p, p))
    zz = np.zeros((n_clusters, n_patterns, r, r))
    zx = np.zeros((n_clusters, n_patterns, r, q))
    zy = np.zeros((n_clusters, n_patterns, r, p))
    for i in range(y.shape[0]):
        g = pattern[i]
        if g < 0:
            continue
        _add_outer(xx[g], x[i], x[i])
        _add_outer(xy[g], x[i], y[i])
        _add_outer(yy[g], y[i], y[i])
        if n_clusters > 0:
            j = codes[i]
            _add_outer(zz[j, g], z[i], z[i])
            _add_outer(zx[j, g], z[i], x[i])
            _add_outer(zy[j, g], z[i], y[i])
    return (xx, xy, yy), (zz, zx, zy)


@kernel
def _add_outer(total, left, right):
    for a in range(left.shape[0]):
        for b in range(right.shape[0]):
            total[a, b] += left[a] * right[b]

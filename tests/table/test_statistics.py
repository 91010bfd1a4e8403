"""Sufficient statistics against cross-products computed pattern by pattern and cluster by cluster."""

import numpy as np
import pytest

from jmimpute.table.patterns import find
from jmimpute.table.statistics import LANES, summarise

Q, R, P = 3, 2, 3


def arrays(n_clusters, n_rows=120):
    rng = np.random.default_rng(n_clusters)
    y = rng.normal(size=(n_rows, P))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:4] = np.nan
    codes = rng.integers(0, max(n_clusters, 1), n_rows)
    if n_clusters > 2:
        codes[codes == 1] = 0  # a cluster without rows
        y[codes == 2] = np.nan  # and one without observed responses
    return y, rng.normal(size=(n_rows, Q)), rng.normal(size=(n_rows, R)), codes


@pytest.mark.parametrize("n_clusters", [0, 1, 5, LANES, LANES + 1, 21])
def test_cross_products(n_clusters):
    y, x, z, codes = arrays(n_clusters)
    stats = summarise(y, x, z, codes, n_clusters, find(y))
    padded = stats.zz.shape[-1]
    assert padded == -(-n_clusters // LANES) * LANES
    assert stats.observed.any(axis=1).all(), "rows without an observed response are no pattern"
    present = ~np.isnan(y)
    assert stats.n.sum() == present.any(axis=1).sum()
    seen = 0
    for g, pattern in enumerate(stats.observed):
        rows = (present == pattern).all(axis=1)
        assert stats.n[g] == rows.sum() > 0
        own = np.where(pattern, y[rows], 0.0)
        np.testing.assert_allclose(stats.xx[g], x[rows].T @ x[rows], atol=1e-12)
        np.testing.assert_allclose(stats.xy[g], x[rows].T @ own, atol=1e-12)
        np.testing.assert_allclose(stats.yy[g], own.T @ own, atol=1e-12)
        for j in range(n_clusters):
            inside = rows & (codes == j)
            own = np.where(pattern, y[inside], 0.0)
            np.testing.assert_allclose(stats.zz[g, :, :, j], z[inside].T @ z[inside], atol=1e-12)
            np.testing.assert_allclose(stats.zx[g, :, :, j], z[inside].T @ x[inside], atol=1e-12)
            np.testing.assert_allclose(stats.zy[g, :, :, j], z[inside].T @ own, atol=1e-12)
            seen += inside.sum()
    assert seen == (stats.n.sum() if n_clusters else 0)
    for array in (stats.zz, stats.zx, stats.zy):
        assert array.flags.c_contiguous
        assert not array[..., n_clusters:].any(), "padding clusters are empty"


def test_shapes():
    y, x, z, codes = arrays(5)
    stats = summarise(y, x, z, codes, 5, find(y))
    g = len(stats.observed)
    shapes = [array.shape for array in stats]
    assert shapes == [(g, P), (g,), (g, Q, Q), (g, Q, P), (g, P, P), (g, R, R, 8), (g, R, Q, 8), (g, R, P, 8)]


def test_missing_cells_contribute_nothing():
    y, x, z, codes = arrays(5)
    stats = summarise(y, x, z, codes, 5, find(y))
    for g, pattern in enumerate(stats.observed):
        assert not stats.xy[g][:, ~pattern].any()
        assert not stats.yy[g][~pattern].any()
        assert not stats.zy[g][:, ~pattern].any()


def test_all_rows_missing_leave_no_pattern():
    y = np.full((4, 2), np.nan)
    stats = summarise(y, np.ones((4, 1)), np.ones((4, 1)), np.zeros(4, dtype=int), 1, find(y))
    assert stats.observed.shape == (0, 2)
    assert stats.n.tolist() == []

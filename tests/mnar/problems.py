"""Imputations that the tests of adjustments share: made by hand, or by a fit."""

import numpy as np
import pandas as pd

import jmimpute as jm

N_ROWS, M = 60, 6
CLUSTERS = ("a", "b", "c", "d")


def table(seed=1):
    """Four clusters of 15 rows; y is missing here and there and altogether in d, x in the first rows, z is complete."""
    rng = np.random.default_rng(seed)
    arm = np.tile(["active", "control"], N_ROWS // 2)
    z = rng.normal(size=N_ROWS)
    y = 10 + 2 * z + (arm == "active") + rng.normal(size=N_ROWS)
    cluster = np.repeat(CLUSTERS, N_ROWS // 4)
    x = 0.5 * y + rng.normal(size=N_ROWS)
    x[20:30] = np.nan
    y[(np.arange(N_ROWS) % 4 == 1) | (cluster == "d")] = np.nan
    return pd.DataFrame({"cluster": cluster, "arm": arm, "z": z, "y": y, "x": x})


def imputations(m=M, seed=1):
    """Imputations of `table` as if they were read: without a fit."""
    original, rng = table(seed), np.random.default_rng(seed + 1)
    completed = []
    for _ in range(m):
        own = original.copy()
        for name in ("y", "x"):
            absent = own[name].isna()
            own.loc[absent, name] = own[name].mean() + own[name].std() * rng.normal(size=absent.sum())
        completed.append(own)
    return jm.from_tables(original, completed, cluster="cluster")


def moved(before, after, column="y"):
    """By how much each imputed cell moved, shape (m, n_missing)."""
    return after.values(column) - before.values(column)

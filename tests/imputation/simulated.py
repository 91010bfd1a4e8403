"""Two-level data from the model, with values missing at random, for tests of what checks find."""

import numpy as np
import pandas as pd

import jmimpute as jm

FORMULA = "a + b ~ x + (1 | g)"


def table(n_clusters=30, size=12, seed=1, spread=0.0, skewed=False, missing=0.2):
    """Responses a and b; b is missing more often where a is large. `spread` is that of log standard deviations of clusters."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_clusters), size)
    n = len(g)
    u = 0.5 * rng.normal(size=(n_clusters, 2)) @ np.array([[1.0, 0.5], [0.0, 0.9]])
    x = rng.normal(size=n)
    e = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]]) * np.exp(spread * rng.normal(size=n_clusters))[g, None]
    if skewed:
        e = np.exp(e)
    y = 10 + 0.5 * x[:, None] + u[g] + e
    y[rng.random(n) < 2 * missing / (1 + np.exp(-2 * (y[:, 0] - 10))), 1] = np.nan
    y[rng.permutation(n)[: n // 10], 0] = np.nan
    return pd.DataFrame({"g": [f"g{j:02d}" for j in g], "x": x, "a": y[:, 0], "b": y[:, 1]})


def fitted(frame=None, draws=300, chains=4, **model):
    """A fit of `table()`, or of another table."""
    frame = table() if frame is None else frame
    return jm.JointModel(FORMULA, frame, **model).fit(draws, tune=300, chains=chains, random_seed=1, progressbar=False)

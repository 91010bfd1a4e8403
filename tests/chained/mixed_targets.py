"""Targets that the tests of mixed models share, and what R makes of one."""

import json
from pathlib import Path

import numpy as np

from jmimpute.chained.target import Target

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "chained_mixed.json").read_text())


def make_target(y, x, codes, observed=None, random=None, **others):
    """A target with predictors called Intercept, x1, x2, ... and clusters called a, b, c, ..."""
    n_clusters = int(codes.max()) + 1
    return Target(
        name="y",
        y=np.asarray(y, float),
        observed=np.ones(len(y), bool) if observed is None else observed,
        x=x,
        columns=("Intercept", *(f"x{k}" for k in range(1, x.shape[1]))),
        random=np.arange(x.shape[1]) if random is None else np.array(random, int),
        codes=codes,
        labels=[chr(ord("a") + k) for k in range(n_clusters)],
        means=others.get("means", np.empty((n_clusters, 0))),
        selection=None,
        n_categories=others.get("n_categories", 0),
    )


def reference_target(response):
    """The table of `REFERENCE`, all observed, with a random intercept and a random coefficient of x."""
    data = {name: np.array(values, float) for name, values in REFERENCE["data"].items()}
    x = np.column_stack([np.ones(len(data["g"])), data["x"], data["w"]])
    return make_target(data[response], x, data["g"].astype(int) - 1, random=[0, 1])


def simulated(seed=0, n_clusters=12, size=10, sds=(1.0, 0.5, 0.5), noise=1.0):
    """Predictors and a response with independent random coefficients; cluster 0 systematically missing, others sporadically."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), size)
    x = np.column_stack([np.ones(len(codes)), rng.normal(1.0, 1.0, (len(codes), len(sds) - 1))])
    effects = rng.normal(size=(n_clusters, len(sds))) * sds
    y = 2 + x.sum(axis=1) + np.sum(x * effects[codes], axis=1) + noise * rng.normal(size=len(codes))
    observed = (rng.random(len(codes)) < 0.8) & (codes > 0)
    return y, x, codes, observed


class Noise:
    """In place of a generator: normal draws that are the same everywhere but in the last dimension."""

    def __init__(self, row):
        self.row = np.asarray(row, float)

    def standard_normal(self, shape):
        return np.broadcast_to(self.row, shape)

"""Selected outcomes that the tests of Heckman methods share, and where reference data are."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jmimpute.chained.target import Target

SHARED = Path(__file__).parents[3] / "shared"
HIV = ["age10", "education", "condom", "smoke", "evertested", "currently_married", "formerly_married"]


def shared_csv(name):
    path = SHARED / "data" / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/{name}")
    return pd.read_csv(path)


def shared_reference(name):
    path = SHARED / "reference" / name
    if not path.exists():
        pytest.skip(f"needs ../shared/reference/{name}")
    return json.loads(path.read_text())


def constant_and(*columns):
    return np.column_stack([np.ones(len(columns[0])), *columns])


def make_target(y, observed, x, w, codes=None, n_categories=0, **others):
    codes = np.zeros(len(y), int) if codes is None else codes
    n_clusters = int(codes.max()) + 1
    columns = ("Intercept", *(f"x{k}" for k in range(1, x.shape[1])))
    target = {
        "name": "y",
        "y": np.asarray(y, float),
        "observed": observed,
        "x": x,
        "columns": columns,
        "random": np.arange(x.shape[1]),
        "codes": codes,
        "labels": [f"c{k}" for k in range(n_clusters)],
        "means": np.empty((n_clusters, 0)),
        "selection": w,
        "n_categories": n_categories,
    }
    return Target(**(target | others))


def simulated(seed, n_clusters=1, size=300, rho=0.6, sigma=1.5, binary=False, spread=0.2):
    """A target with y = .3 + x + e and r* = .2 + .5 x + .8 z + eps but for its clusters; what is missing is in y too."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), size)
    x, z, eps, noise = rng.standard_normal((4, len(codes)))
    beta = np.array([0.3, 1.0]) + spread * rng.standard_normal((n_clusters, 2))
    gamma = np.array([0.2, 0.5, 0.8]) + spread * rng.standard_normal((n_clusters, 3))
    designs = constant_and(x), constant_and(x, z)
    latent = np.sum(designs[0] * beta[codes], axis=1) + sigma * (rho * eps + np.sqrt(1 - rho**2) * noise)
    observed = np.sum(designs[1] * gamma[codes], axis=1) + eps > 0
    return make_target(latent > 0 if binary else latent, observed, *designs, codes, 2 if binary else 0)

"""Small random problems that the tests of the numerical stages share."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

import jmimpute as jm
from jmimpute.specification.scaling import Scaling
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import summarise

FORMULAS = {
    "intercepts": "y1 + y2 ~ x + (1 | g)",
    "slopes": "y1 + y2 ~ x + (1 + x | g)",
    "own": ["y1 ~ x + (1 + x | g)", "y2 ~ 1", "y3 ~ 0 + x + (0 + x | g)"],
    "single level": "y1 + y2 ~ x",
}


def table(rng, n_rows=40, n_clusters=6, missing=0.3):
    """Three responses, a covariate, clusters of unequal size; one row without any response, one cluster without y2."""
    import pandas as pd

    g = np.sort(np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_rows - n_clusters)]))
    x = rng.normal(1.0, 2.0, n_rows)
    u = rng.normal(size=(n_clusters, 3))
    y = u[g] + 0.5 * x[:, None] + rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 3))
    y[rng.random(y.shape) < missing] = np.nan
    y[n_rows // 2] = np.nan
    y[g == 1, 1] = np.nan
    return pd.DataFrame({"g": g, "x": x, "y1": 10 + 5 * y[:, 0], "y2": y[:, 1], "y3": y[:, 2]})


def model(kind, seed=0, priors=None, **options):
    """A JointModel of one of `FORMULAS` on a random table."""
    return jm.JointModel(FORMULAS[kind], table(np.random.default_rng(seed), **options), priors=priors)


def parameters(specification: Specification, rng):
    """Random parameters on the standardised scale."""
    layout = specification.layout
    p, d = len(layout.responses), layout.n_effects

    def chol(dim):
        return np.tril(0.4 * rng.normal(size=(dim, dim)), -1) + np.diag(0.6 + rng.random(dim))

    beta = np.where(layout.beta_mask, rng.normal(size=layout.beta_mask.shape), 0.0)
    return SimpleNamespace(beta=beta, chol_e=chol(p), chol_u=chol(d))


def cluster_moments(specification: Specification, values, rows):
    """Mean and covariance of all responses of some rows of one cluster, row by row: the model written out densely."""
    layout = specification.layout
    p, n = len(layout.responses), len(rows)
    mean = (specification.x[rows] @ values.beta).ravel()
    loading = np.zeros((n * p, layout.n_effects))
    for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
        loading[a::p, e] = specification.z[rows, c]
    omega_u = values.chol_u @ values.chol_u.T
    return mean, np.kron(np.eye(n), values.chol_e @ values.chol_e.T) + loading @ omega_u @ loading.T


def cluster_rows(specification: Specification):
    """Rows of each cluster; each row by itself in a single-level model."""
    if not specification.n_clusters:
        return [np.array([i]) for i in range(len(specification.y))]
    return [np.flatnonzero(specification.clusters.codes == j) for j in range(specification.n_clusters)]


def unscaled(specification: Specification) -> Specification:
    """The same specification with the data's own scale inside, so that priors do not depend on the data."""
    scaling, layout = specification.scaling, specification.layout
    p, q, r, d = len(layout.responses), len(layout.covariates), len(layout.random), layout.n_effects
    identity = Scaling(np.zeros(p), np.ones(p), np.eye(q), np.eye(r), np.eye(d), scaling.intercept)
    return replace(
        specification,
        scaling=identity,
        y=specification.y * scaling.scale + scaling.center,
        x=specification.x @ np.linalg.inv(scaling.x_transform),
        z=specification.z @ np.linalg.inv(scaling.z_transform) if r else specification.z,
    )


def statistics(specification: Specification):
    """Sufficient statistics of a specification."""
    s = specification
    return summarise(s.y, s.x, s.z, s.clusters.codes, s.n_clusters, s.patterns)

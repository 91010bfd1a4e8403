"""Small tables with responses of both levels, and models of every structure on them."""

import numpy as np
import pandas as pd

import jmimpute as jm
from jmimpute.specification import priors
from jmimpute.specification.specify import specify

#: Formulas of both levels and the structure of the level-1 covariance.
MODELS = {
    "continuous": ("y1 + y2 ~ x + (1 | g)", None, "cluster-specific"),
    "binary": ("y1 + passed + y2 ~ x + (1 | g)", None, "cluster-specific"),
    "random": ("y1 + y2 ~ x + (1 | g)", None, "random"),
    "random, nominal": ("y1 + colour ~ x + (1 | g)", None, "random"),
    "random, mixed": ("colour + y1 + passed ~ 1 + (1 | g)", "w ~ 1", "random"),
    "level 2": ("y1 + y2 ~ x + (1 | g)", "w + open ~ 1", "common"),
    "level 2, own": (["y1 ~ x + (1 + x | g)", "passed ~ 1"], ["region + w ~ z", "size ~ 1"], "common"),
    "level 2 of clusters": ("y1 ~ 1 + (1 | g)", "open ~ z", "cluster-specific"),
    "uncorrelated": ("y1 + y2 ~ x + (1 + x || g)", None, "common"),
    "uncorrelated, level 2": (["y1 ~ x + (1 + x || g)", "y2 ~ 1 + (1 | g)"], "w + open ~ z", "common"),
}
FAMILIES = {
    "colour": "nominal", "passed": "binary", "region": "nominal", "open": "binary",
    "size": jm.families.ordinal(["s", "m", "l", "xl"]),
}  # fmt: skip
LKJ = {"Omega_e": jm.priors.lkj(1.7, 0.8), "Omega_u": jm.priors.lkj(2.5, 0.7), "cutpoints": jm.priors.normal(2.0)}


def table(rng, n_rows=24, n_clusters=7):
    """A cell in four is missing; so is that of a cluster in each level-2 column."""
    g = np.sort(np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_rows - n_clusters)]))
    frame = pd.DataFrame({"g": g, "x": rng.normal(1.0, 2.0, n_rows), "z": rng.normal(3.0, 2.0, n_clusters)[g]})
    frame["y1"], frame["y2"] = rng.normal(10.0, 5.0, n_rows), rng.normal(size=n_rows)
    frame["colour"] = rng.permutation(np.resize(["blue", "green", "red"], n_rows)).astype(object)
    frame["passed"] = rng.permutation(np.resize([False, True], n_rows)).astype(object)
    for name in ("y1", "y2", "colour", "passed"):
        frame.loc[rng.random(n_rows) < 0.25, name] = None
    clusters = {
        "size": np.resize(["s", "m", "l", "xl"], n_clusters),
        "open": np.resize([False, True], n_clusters),
        "region": np.resize(["n", "s", "w"], n_clusters),
        "w": rng.normal(20.0, 4.0, n_clusters),
    }
    for k, (name, values) in enumerate(clusters.items()):
        column = pd.Series(values).astype(float if name == "w" else object)
        frame[name] = column.where(np.arange(n_clusters) != k)[g].to_numpy()
    return frame


def specification(kind, chosen=None, seed=0, **options):
    """What a flat prior needs are rows in each cluster, or clusters."""
    flat = {name for name in chosen or {} if isinstance(chosen[name], jm.priors.Flat)}
    enough = {"n_rows": 60, "n_clusters": 5} if "Omega_e" in flat else {"n_clusters": 9} if "Omega_u" in flat else {}
    formulas, level2, covariance = MODELS[kind]
    text = " ".join(np.hstack([formulas, level2 or ""]))
    families = {name: family for name, family in FAMILIES.items() if name in text}
    frame = table(np.random.default_rng(seed), **enough | options)
    return specify(formulas, frame, families, chosen, level2=level2, covariance=covariance)


def wishart(kind):
    """Inverse-Wishart priors with scales that are not multiples of I."""
    layout = specification(kind).layout
    rng = np.random.default_rng(9)
    p, d = len(layout.responses), layout.dim_u
    e, u = rng.normal(size=(p, p)), rng.normal(size=(d, d))
    return {
        "beta": jm.priors.flat(),
        "Omega_e": jm.priors.inverse_wishart(p + 1.5, e @ e.T + np.eye(p)),
        "Omega_u": jm.priors.inverse_wishart(d + 1.0, u @ u.T + np.eye(d)),
    }


def hierarchical(kind, relative):
    p = len(specification(kind).layout.responses)
    half = np.random.default_rng(8).normal(size=(p, p))
    return {"Omega_e": priors.hierarchical(p + 3.5, p + 2.2, half @ half.T + np.eye(p), relative)}

"""A table with a selected variable, and a fit that answers at once: what the tests of rho grids share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

import jmimpute as jm
from jmimpute.sampling.diagnostics import Diagnostics

CLUSTERS, SIZE = 8, 25
SELECTION = ("~ x + z + w + (1 | cluster)", ["z", "w"], "made so")


def table(seed=1):
    """Eight clusters of 25 rows; y is missing more often where it is large, and altogether in the last cluster."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(CLUSTERS), SIZE)
    x, z, w = rng.normal(size=(3, len(cluster)))
    e = rng.normal(size=len(cluster))
    y = 1 + x + rng.normal(size=CLUSTERS)[cluster] + e
    seen = (0.5 + 0.8 * z + 0.5 * w - 0.6 * e + 0.8 * rng.normal(size=len(cluster)) > 0) & (cluster < CLUSTERS - 1)
    k = 0.5 * y + rng.normal(size=len(cluster))
    k[::9] = np.nan
    return pd.DataFrame({"cluster": cluster, "x": x, "z": z, "w": w, "y": np.where(seen, y, np.nan), "k": k})


def model(data=None, rho=None, formulas=("y ~ x + (1 | cluster)", "k ~ x + (1 | cluster)"), **others):
    """A model in which y, and what else is said, is missing not at random."""
    said = {"y": jm.selection(*SELECTION, rho), **others}
    return jm.JointModel(list(formulas), table() if data is None else data, missing=said)


@dataclass
class Quick:
    """A fit whose imputations of y fall as rho rises, by a number that the selection formula has a share in."""

    model: jm.JointModel
    arguments: dict
    ok: bool = True

    @property
    def rho(self):
        said = self.model.specification.clauses["y"].rho
        return said if isinstance(said, float) else 0.1 * len(self.model.specification.clauses["y"].exclude) - 0.05

    @property
    def posterior(self):
        rng = np.random.default_rng(self.arguments["random_seed"])
        return xr.Dataset({"rho_y": (("chain", "draw"), np.clip(self.rho + 0.01 * rng.normal(size=(2, 50)), -1, 1))})

    def diagnostics(self):
        shown = pd.DataFrame({"r_hat": [1.0 + abs(self.rho), 1.0], "ess_bulk": [500.0, 400.0], "ess_tail": [300.0, 450.0]})
        return Diagnostics(self.ok, ("told",), shown)

    def impute(self, m, *, progressbar):
        original = self.model.table.frame
        rng = np.random.default_rng(self.arguments["random_seed"])
        completed = []
        for _ in range(m):
            own = original.copy()
            for name, moved in (("y", -2 * np.tanh(self.rho)), ("k", 0.0)):
                absent = own[name].isna()
                own.loc[absent, name] = own[name].mean() + moved + rng.normal(size=absent.sum())
            completed.append(own)
        return jm.from_tables(original, completed, cluster="cluster")


def quickly(monkeypatch, stop=None, ok=lambda rho: True):
    """Replace fitting; `stop` takes how many fits were done and may raise. Gives the arguments of each fit."""
    asked = []

    def fit(self, **arguments):
        if stop is not None:
            stop(len(asked))
        asked.append(arguments)
        made = Quick(self, arguments)
        made.ok = ok(made.rho)
        return made

    monkeypatch.setattr(jm.JointModel, "fit", fit)
    return asked

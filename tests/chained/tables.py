"""Small tables with holes, and a method that keeps what it is shown, for the tests of the driver."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd


def table(seed=0, n_clusters=8, size=12, missing=0.25):
    """Two incomplete numbers and a complete one in clusters, one of which has no x1; a category, a cluster variable."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_clusters), size)
    n = len(g)
    u = rng.normal(size=(n_clusters, 2))
    y = rng.normal(size=n)
    x1 = 10 + u[g, 0] + y + rng.normal(size=n)
    x2 = u[g, 1] + 0.5 * y + 0.3 * (x1 - 10) + rng.normal(size=n)
    frame = pd.DataFrame({"g": [f"g{k}" for k in g], "x1": x1, "x2": x2, "y": y, "w": rng.normal(size=n_clusters)[g]})
    frame["sex"] = pd.Categorical(np.where(rng.random(n) < 0.5, "girl", "boy"))
    frame.loc[rng.random(n) < missing, "x1"] = np.nan
    frame.loc[g == 2, "x1"] = np.nan
    frame.loc[rng.random(n) < missing, "x2"] = np.nan
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


@dataclass(frozen=True)
class Keeping:
    """A method that keeps its targets and imputes a linear function of a predictor."""

    column: int = 1
    seen: list = field(default_factory=list, compare=False)

    def __call__(self, target, rng):
        self.seen.append(target)
        return 2 * target.x[target.missing, self.column] + 1

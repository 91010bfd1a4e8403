"""An incomplete table, and imputations of it that were drawn by hand, for tests of comparisons."""

import numpy as np
import pandas as pd

import jmimpute as jm

FORMULA = "y ~ x + sex + (1 | school)"


def complete(seed=1, n_clusters=20, size=12):
    """y depends on x, by schools to different degrees, on sex and on the school."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n_clusters), size)
    n = len(school)
    x, sex = rng.normal(size=n), rng.choice(["boy", "girl"], n)
    intercepts, slopes = rng.normal(size=(2, n_clusters))
    y = 1 + intercepts[school] + (0.5 + 0.6 * slopes[school]) * x + 0.3 * (sex == "girl") + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "sex": sex, "school": school, "note": np.arange(n)})


def incomplete(seed=1):
    """The same with holes in x and y, about a third of the rows."""
    table, rng = complete(seed), np.random.default_rng(100 + seed)
    table.loc[rng.random(len(table)) < 0.2, "x"] = np.nan
    table.loc[rng.random(len(table)) < 0.2, "y"] = np.nan
    return table


def drawn(original, m=5, seed=1, centre=0.0):
    """Completed tables, holes filled with noise about a number."""
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(m):
        table = original.copy()
        for name in ("x", "y"):
            holes = table[name].isna()
            table.loc[holes, name] = centre + rng.normal(size=holes.sum())
        tables.append(table)
    return tables


def imputations(m=5, seed=1, centre=0.0, original=None):
    """Imputations of `incomplete()`."""
    original = incomplete() if original is None else original
    return jm.from_tables(original, drawn(original, m, seed, centre), cluster="school")

"""Stand-ins for the objects that plots take: only what the plots may ask of them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest


@dataclass
class Imputations:
    """The original table and imputed values by column, each of shape (m, n_missing)."""

    original: pd.DataFrame
    imputed: dict[str, np.ndarray]
    cluster: str | None = None
    categories: dict[str, tuple] = field(default_factory=dict)

    @property
    def columns(self):
        return tuple(self.imputed)

    @property
    def m(self):
        return len(next(iter(self.imputed.values())))

    def rows(self, column):
        return np.flatnonzero(self.original[column].isna())

    def values(self, column):
        return self.imputed[column]

    def levels(self, column):
        return self.categories.get(column, ())


@pytest.fixture
def make_imputations():
    """The stand-in class itself, for tests that bring their own table."""
    return Imputations


@pytest.fixture
def imputations():
    """25 imputations; x has 40 missing values, imputed far from the observed ones; y has 3; g has categories."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=200), rng.normal(size=200)
    x[:40], y[-3:] = np.nan, np.nan
    table = pd.DataFrame({"x": x, "y": y, "g": pd.Categorical([None] * 10 + ["u"] * 38 + ["v"] * 152)})
    imputed = {
        "x": rng.normal(100, 2, size=(25, 40)),
        "y": rng.normal(size=(25, 3)),
        "g": np.array([["u"] * 9 + ["v"]] + [["v"] * 10] * 24, dtype=object),
    }
    return Imputations(table, imputed, categories={"g": ("v", "u")})

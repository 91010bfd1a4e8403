"""Stand-ins for the objects that plots take: only what the plots may ask of them."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text


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


LONG = "a variable with a rather long name"
OPINIONS = ("agree", "agree strongly and without reservation", "disagree", "do not know")


def _schools(n_clusters):
    """20 rows a cluster; x and the long one depend on clusters, the long one is missing in every sixth altogether."""
    rng = np.random.default_rng(n_clusters)
    codes = np.repeat(np.arange(n_clusters), 20)
    x = rng.normal(size=len(codes)) + rng.normal(size=n_clusters)[codes]
    y = 0.6 * x + rng.normal(size=len(codes))
    opinion = rng.choice(np.array(OPINIONS, dtype=object), len(codes))
    holes = {"x": rng.random(len(codes)) < 0.2, LONG: (rng.random(len(codes)) < 0.3) | (codes % 6 == 1)}
    holes["opinion"] = rng.random(len(codes)) < 0.1
    table = pd.DataFrame(
        {
            "school": [f"school {code:03d}" for code in codes],
            "x": np.where(holes["x"], np.nan, x),
            LONG: np.where(holes[LONG], np.nan, y),
            "opinion": pd.Categorical(np.where(holes["opinion"], None, opinion), OPINIONS),
            "z": rng.normal(size=len(codes)),
        }
    )
    imputed = {
        "x": x[holes["x"]] + rng.normal(0, 0.3, size=(22, holes["x"].sum())),
        LONG: y[holes[LONG]] + rng.normal(0, 0.5, size=(22, holes[LONG].sum())),
        "opinion": rng.choice(np.array(OPINIONS, dtype=object), size=(22, holes["opinion"].sum())),
    }
    return Imputations(table, imputed, cluster="school", categories={"opinion": OPINIONS})


@pytest.fixture(scope="session")
def schools():
    """22 imputations by number of clusters, which tests must not change."""
    return {n_clusters: _schools(n_clusters) for n_clusters in (3, 300)}


@pytest.fixture
def drawn():
    """Draw a figure to its pixels, which lays it out and would warn of what has no room."""

    def draw(figure):
        assert figure._repr_png_().startswith(b"\x89PNG")
        return figure

    return draw


@pytest.fixture
def apart():
    """Tell whether texts that stand above each other leave each other room, but for a pixel."""

    def check(texts):
        extents = [Text.get_window_extent(text) for text in texts]  # of annotations without the lines that lead to them
        return all(high.y0 >= low.y1 - 1 for low, high in pairwise(sorted(extents, key=lambda extent: extent.y0)))

    return check


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

"""Patterns are counted, ordered and coloured by kind of missing value."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex

from jmimpute.errors import TableError
from jmimpute.plots import pattern, pattern_table
from jmimpute.plots.pattern import COLOURS

NAN = np.nan


@pytest.fixture
def table():
    """y is missing in all of cluster b and in one row of a; x is missing once in a."""
    return pd.DataFrame(
        {
            "y": [1.0, NAN, 3.0, 4.0, NAN, NAN, 7.0],
            "x": [1.0, 2.0, NAN, 4.0, 5.0, 6.0, 7.0],
            "z": range(7),
            "g": pd.Categorical(["a", "a", "a", "a", "b", "b", "c"]),
        }
    )


def test_patterns_without_clusters(table):
    found = pattern_table(table)
    assert list(found.columns) == ["x", "y"] and list(found.index) == [3, 3, 1] and found.index.name == "n_rows"
    assert found.to_numpy().tolist() == [["observed", "observed"], ["observed", "missing"], ["missing", "observed"]]


@pytest.mark.parametrize("convert", [lambda table: table, pl.from_pandas])
def test_systematic_and_sporadic_holes_are_different_patterns(table, convert):
    found = pattern_table(convert(table), "g")
    rows = {tuple(states): count for count, states in zip(found.index, found.to_numpy(), strict=True)}
    assert rows == {
        ("observed", "observed"): 3,
        ("observed", "systematic"): 2,
        ("observed", "sporadic"): 1,
        ("sporadic", "observed"): 1,
    }
    assert list(found.index) == [3, 2, 1, 1]


def test_figure_shows_cells_names_and_counts(table):
    figure = pattern(table, "g")
    figure.draw_without_rendering()
    cells, counts = figure.axes
    colours = [to_hex(colour).upper() for colour in cells.collections[0].get_facecolors()]
    observed, sporadic, systematic = (COLOURS[state] for state in ("observed", "sporadic", "systematic"))
    assert colours[:4] == [observed, observed, observed, systematic]
    assert sorted(colours[4:]) == sorted([observed, sporadic, sporadic, observed])
    assert cells.yaxis_inverted(), "the commonest pattern is on top"
    assert [label.get_text() for label in cells.get_xticklabels()] == ["1", "3"]
    assert [label.get_text() for label in cells.child_axes[0].get_xticklabels()] == ["x", "y"]
    texts = [text.get_text() for text in counts.texts]
    assert texts == ["3 (42.9 %)", "2 (28.6 %)", "1 (14.3 %)", "1 (14.3 %)"]
    assert counts.get_title(loc="left") == "rows of 7"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed", "sporadic", "systematic"]


def test_missing_values_are_counted_over_all_patterns_though_thirty_are_drawn():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(np.where(rng.random((200, 8)) < 0.4, NAN, 1.0), columns=list("abcdefgh"))
    figure = pattern(table)
    cells = figure.axes[0]
    assert [int(label.get_text()) for label in cells.get_xticklabels()] == sorted(table.isna().sum())
    total = len(table.isna().drop_duplicates())
    assert cells.get_xlabel() == f"missing values (all {total} patterns; the commonest 30 are drawn)"
    assert cells.collections[0].get_array().shape == (30, 8)


def test_a_complete_table_says_so():
    figure = pattern(pd.DataFrame({"x": [1, 2, 3], "g": [1, 1, 2]}), "g")
    assert [text.get_text() for text in figure.texts] == ["No value is missing in 3 rows."]


def test_by_cluster_shares_are_ordered_by_their_mean(table):
    found = pattern_table(table, "g", by="cluster")
    assert list(found.index) == ["c", "a", "b"] and list(found.columns) == ["x", "y"]
    assert found.to_numpy().tolist() == [[0, 0], [0.25, 0.25], [0, 1]]


def test_by_cluster_systematic_cells_are_covered_and_crossed(table):
    figure = pattern(table, "g", by="cluster")
    assert figure._repr_png_().startswith(b"\x89PNG")
    axes = figure.axes[0]
    shares, systematic, crosses = axes.collections
    assert shares.get_array().tolist() == [[0, 0], [25, 25], [0, 100]]
    assert np.argwhere(~np.isnan(systematic.get_array().filled(NAN))).tolist() == [[2, 1]]
    assert crosses.get_offsets().tolist() == [[1.5, 2.5]]
    assert axes.yaxis_inverted(), "clusters with the fewest missing values are on top"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a", "b"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3"]


@pytest.mark.parametrize(("n_clusters", "n_named", "note"), [(300, 60, "300, one in 5 named"), (900, 60, "400 of 900, evenly")])
def test_of_many_clusters_some_are_named(apart, n_clusters, n_named, note):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"g": np.repeat(np.arange(n_clusters), 5), "x": 1.0, "a variable with a rather long name": 1.0})
    table = table.mask(rng.random(table.shape) < [0, 0.3, 0.4])
    figure = pattern(table, "g", by="cluster")
    assert figure._repr_png_().startswith(b"\x89PNG") and figure.get_size_inches()[1] < 14
    axes = figure.axes[0]
    labels = axes.get_yticklabels()
    assert note in axes.get_ylabel() and n_named * 0.9 <= len(labels) <= n_named * 1.1
    assert apart(labels)
    shares = pattern_table(table, "g", by="cluster")
    assert axes.collections[0].get_array()[0].tolist() == (100 * shares.iloc[0]).tolist()
    if n_clusters == 300:
        assert int(labels[1].get_text()) == shares.index[5]


def test_by_cluster_needs_clusters(table):
    for arguments in ({"by": "cluster"}, {"cluster": "g", "by": "g"}):
        with pytest.raises(TableError, match='by="cluster"'):
            pattern(table, **arguments)


def test_by_cluster_a_complete_table_says_so():
    figure = pattern(pd.DataFrame({"x": [1, 2, 3], "g": [1, 1, 2]}), "g", by="cluster")
    assert [text.get_text() for text in figure.texts] == ["No value is missing in 3 rows."]

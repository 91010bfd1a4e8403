"""Correlations stand in their squares."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots import correlation, correlation_table


@pytest.fixture
def table():
    """Within 50 clusters x and y are opposed, between them they agree."""
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(50), 10)
    u, e = rng.normal(0, 2, size=50)[cluster], rng.normal(size=500)
    frame = pd.DataFrame({"g": cluster, "x": u + e, "y": u - e + rng.normal(size=500) / 9, "z": rng.normal(size=500)})
    frame.loc[:19, "x"] = np.nan
    return frame


def texts(figure):
    """Texts by row and column."""
    found = {}
    for text in figure.axes[0].texts:
        x, y = text.get_position()
        found.setdefault((int(y), int(x)), []).append(text.get_text())
    return found


def test_within_is_below_and_between_above_the_diagonal(table, drawn):
    figure = drawn(correlation(table, "g"))
    pairs = correlation_table(table, "g").set_index(["variable_1", "variable_2"])
    row = pairs.loc[("x", "y")]
    assert row["within"] < -0.9 and row["between"] > 0.9 and row["n_pairs"] == 480
    found = texts(figure)
    assert found[1, 0] == [f"{row['within']:.2f}", "480"] and found[0, 1] == [f"{row['between']:.2f}"]
    assert found[2, 1][1] == "500"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["x", "y", "z"]
    assert "below: within clusters (g)" in figure.axes[0].get_xlabel()
    cells = figure.axes[0].collections[0].get_array()
    assert cells[1, 0] == row["within"] and cells[0, 1] == row["between"] and np.isnan(np.diag(cells.filled(np.nan))).all()


def test_without_clusters_the_upper_triangle_is_empty(table, drawn):
    figure = drawn(correlation(table[["x", "y", "z"]]))
    expected = table["x"].corr(table["y"])
    assert set(texts(figure)) == {(1, 0), (2, 0), (2, 1)}
    assert texts(figure)[1, 0][0] == f"{expected:.2f}"
    limits = figure.axes[0].collections[0].get_clim()
    assert limits == (-1, 1), "white is no correlation"


def test_many_variables_have_no_numbers(drawn):
    rng = np.random.default_rng(1)
    names = [f"question {k} of a long questionnaire" for k in range(30)]
    figure = drawn(correlation(pd.DataFrame(rng.normal(size=(50, 30)), columns=names)))
    assert len(figure.axes[0].texts) == 0
    assert figure.axes[0].collections[0].get_array().shape == (30, 30)


def test_a_single_number_is_refused():
    with pytest.raises(TableError, match="two numeric"):
        correlation(
            pd.DataFrame({"x": [1.0, 2.0], "t": [f"text {k}" for k in range(2)], "d": pd.to_datetime(["2020", "2021"])})
        )

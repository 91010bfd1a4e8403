"""Bars are shares of their categories."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots import bars, bars_table


def test_shares_and_their_spread_over_imputations(imputations):
    table = bars_table(imputations, "g").set_index(["source", "category"])
    assert table["share"].round(3).to_dict() == {
        ("observed", "v"): 0.8,
        ("observed", "u"): 0.2,
        ("imputed", "v"): 0.964,
        ("imputed", "u"): 0.036,
    }
    shares = [0.1] + 24 * [1.0]
    np.testing.assert_allclose(table.loc[("imputed", "v"), ["low", "high"]].astype(float), np.percentile(shares, [5, 95]))
    assert table.loc["observed", ["low", "high"]].isna().all(axis=None)
    assert table["cells"].tolist() == [190, 190, 10, 10]


def test_bars_stand_at_their_category(schools, drawn):
    figure = drawn(bars(schools[3]))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(schools[3].levels("opinion"))
    assert axes.yaxis_inverted(), "the first category is on top"
    table = bars_table(schools[3]).set_index(["source", "category"])["share"]
    found = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(found, 100 * np.concatenate([table["observed"], table["imputed"]]))
    assert [round(bar.get_y() + bar.get_height() / 2) for bar in axes.patches] == [0, 1, 2, 3] * 2


def test_a_category_that_is_only_imputed_has_a_bar(make_imputations):
    table = pd.DataFrame({"p": [1.0, 1.0, 2.0, np.nan]})
    found = bars_table(make_imputations(table, {"p": np.array([[3], [3]])}, categories={"p": (1, 2, 3)}))
    assert found.loc[found["source"] == "observed", "share"].tolist() == [2 / 3, 1 / 3, 0]
    assert found.loc[found["source"] == "imputed", "share"].tolist() == [0, 0, 1]


def test_numbers_are_refused(imputations, make_imputations):
    with pytest.raises(TableError, match="'x' has no categories.*`density`"):
        bars(imputations, ["g", "x"])
    table = pd.DataFrame({"x": [1.0, np.nan]})
    with pytest.raises(TableError, match="No imputed variable has categories"):
        bars(make_imputations(table, {"x": np.ones((2, 1))}))

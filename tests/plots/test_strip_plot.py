"""Strips and boxes hold the values of their imputation."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from jmimpute.errors import TableError
from jmimpute.plots import box, box_table, strip, strip_table
from jmimpute.plots.figure import IMPUTED, OBSERVED

LONG = "a variable with a rather long name"


def test_table_has_every_value_in_its_place(imputations):
    table = strip_table(imputations, "x")
    assert len(table) == 160 + 25 * 40
    own = table[table["imputation"] == 3]
    assert own["row"].tolist() == list(range(40)) and set(own["source"]) == {"imputed"}
    np.testing.assert_array_equal(own["value"], imputations.imputed["x"][2])
    np.testing.assert_array_equal(table.loc[table["imputation"] == 0, "value"], imputations.original["x"].dropna())


def test_a_strip_stands_at_its_imputation(imputations):
    figure = strip(imputations, "x")
    (axes,) = figure.axes
    assert len(axes.collections) == 21, "observed values and 20 of 25 imputations"
    for number, points in enumerate(axes.collections):
        x, y = points.get_offsets().T
        assert (abs(x - number) < 0.5).all() and np.ptp(x) > 0.4
        assert to_hex(points.get_facecolor()[0]).upper() == (IMPUTED if number else OBSERVED)
        values = imputations.imputed["x"][number - 1] if number else imputations.original["x"].dropna()
        np.testing.assert_allclose(np.sort(y), np.sort(values))
    assert [text.get_text() for text in figure.legends[0].get_texts()][1] == "imputed, the first 20 of 25 imputations"
    assert figure.get_supxlabel() == "imputation"


def test_crowded_strips_are_thinned_and_say_so(schools, drawn):
    figure = drawn(strip(schools[300]))
    assert [axes.get_title(loc="left").split(" (")[0] for axes in figure.axes] == ["x", LONG]
    assert {len(points.get_offsets()) for points in figure.axes[0].collections} == {300}
    assert "300, evenly spaced in their order" in figure.get_supxlabel()
    observed = np.asarray(figure.axes[0].collections[0].get_offsets())[:, 1]
    everything = schools[300].original["x"].dropna()
    assert observed.min() == everything.min() and observed.max() == everything.max()
    assert abs(np.median(observed) - everything.median()) < 0.02


def test_boxes_are_percentiles_of_their_values(imputations):
    table = box_table(imputations, ["x", "y"]).set_index(["variable", "imputation"])
    assert len(table) == 2 * 26
    row = table.loc[("x", 7)]
    expected = np.percentile(imputations.imputed["x"][6], [5, 25, 50, 75, 95])
    np.testing.assert_allclose(row[["low", "first", "median", "third", "high"]].astype(float), expected)
    assert row["n"] == 40 and row["source"] == "imputed"
    assert table.loc[("y", 0), "n"] == 197 and table.loc[("y", 0), "source"] == "observed"


@pytest.mark.parametrize("n_clusters", [3, 300])
def test_boxes_are_drawn_at_their_imputation(schools, drawn, n_clusters):
    figure = drawn(box(schools[n_clusters], LONG))
    (axes,) = figure.axes
    places = [round(patch.get_path().vertices[:, 0].mean()) for patch in axes.patches]
    assert places == list(range(21))
    table = box_table(schools[n_clusters], LONG).set_index("imputation")
    heights = axes.patches[4].get_path().vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], table.loc[4, ["first", "third"]].astype(float))


@pytest.mark.parametrize("draw", [strip, box, strip_table, box_table])
def test_what_cannot_be_drawn_is_refused(imputations, draw):
    with pytest.raises(TableError, match="'z' was not imputed"):
        draw(imputations, "z")
    with pytest.raises(TableError, match="'g' has categories"):
        draw(imputations, "g")

"""Values stand at their cluster, clusters in their order."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots import clusters, clusters_table
from jmimpute.plots.figure import IMPUTED, OBSERVED, SHADE

NAN = np.nan


@pytest.fixture
def few(make_imputations):
    """Observed means: c 2, a 5; b and d have no observed value and low imputed ones, d's the lowest."""
    table = pd.DataFrame({"g": list("aabbccdc"), "x": [NAN, 5.0, NAN, NAN, 1.0, 3.0, NAN, 2.0]})
    imputed = np.array([[50.0, -8.0, -9.0, -17.0], [60.0, -10.0, -11.0, -16.0]])  # rows 0, 2, 3 and 6
    return make_imputations(table, {"x": imputed}, cluster="g")


@pytest.fixture
def graded(make_imputations):
    """An ordinal, a binary and a continuous variable; c has no observed category of the first."""
    table = pd.DataFrame(
        {
            "g": list("aaaabbcc"),
            "o": pd.Categorical(["low", "low", "mid", None, "low", "high", None, None], ["low", "mid", "high"]),
            "t": [True, False, False, None, True, True, True, True],
            "y": [1.0, 2.0, NAN, 4.0, 5.0, 6.0, 7.0, 8.0],
        }
    )
    imputed = {
        "o": np.array([["low", "low", "high"], ["high", "mid", "high"]], dtype=object),
        "t": np.array([[True], [False]]),
        "y": np.array([[1.0], [2.0]]),
    }
    return make_imputations(table, imputed, cluster="g", categories={"o": ("low", "mid", "high"), "t": (False, True)})


def test_clusters_are_ordered_by_observed_mean_and_systematic_ones_come_last(few):
    table = clusters_table(few, "x")
    assert list(table["cluster"].cat.categories) == ["c", "a", "d", "b"]
    assert set(table.loc[table["systematic"], "cluster"]) == {"b", "d"}


def test_every_value_is_at_its_row_imputation_and_cluster(few):
    table = clusters_table(few, "x")
    assert len(table) == 4 + 2 * 4
    observed = table[table["source"] == "observed"]
    assert list(zip(observed["row"], observed["cluster"], observed["value"], strict=True)) == [
        (1, "a", 5),
        (4, "c", 1),
        (5, "c", 3),
        (7, "c", 2),
    ]
    assert set(observed["imputation"]) == {0}
    imputed = table[table["source"] == "imputed"].set_index(["imputation", "row"])
    assert imputed.loc[(2, 3), "value"] == -11 and imputed.loc[(2, 3), "cluster"] == "b"
    assert imputed.loc[(1, 0), "value"] == 50 and imputed.loc[(1, 6), "cluster"] == "d"


def test_figure_puts_dots_boxes_and_shades_at_their_clusters(few):
    figure = clusters(few, "x")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a", "d", "b"]
    dots = axes.collections[0].get_offsets()
    assert [(x, int(y)) for x, y in dots] == [(5, 1), (1, 0), (3, 0), (2, 0)]
    boxes = [patch for patch in axes.patches if patch.get_path().vertices.shape[0] >= 4 and patch.get_alpha()]
    middles = [round(box.get_path().vertices[:, 1].mean()) for box in boxes]
    assert middles == [1, 2, 3], "cluster c has nothing missing, so no box"
    left_right = boxes[2].get_path().vertices[:, 0]
    quartiles = np.percentile([-8, -9, -10, -11], [25, 75])
    np.testing.assert_allclose([left_right.min(), left_right.max()], quartiles)
    from matplotlib.colors import to_rgba

    shaded = [patch for patch in axes.patches if patch.get_facecolor() == to_rgba(SHADE)]
    assert [patch.get_y() for patch in shaded] == [1.5, 2.5]
    assert figure.get_supxlabel() == "x" and axes.get_ylabel() == "g"
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "no value observed"


def test_of_many_clusters_sixty_are_drawn_and_the_figure_says_so(make_imputations):
    codes = np.repeat(np.arange(150), 2)
    values = codes.astype(float)
    values[::6] = NAN
    table = pd.DataFrame({"g": codes, "x": values})
    figure = clusters(make_imputations(table, {"x": np.zeros((2, 50))}, cluster="g"), "x")
    (axes,) = figure.axes
    labels = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert len(labels) == 60 and labels[0] == 0 and labels[-1] == 149 and labels == sorted(labels)
    assert figure.get_supxlabel() == "x (60 of 150 clusters, evenly spaced in their order)"
    dots = axes.collections[0].get_offsets()
    assert [int(x) for x, _ in dots] == [labels[int(y)] for _, y in dots]
    assert len(figure.legends[0].get_texts()) == 2, "no cluster is without an observed value"


def test_imputations_without_clusters_are_refused(imputations):
    with pytest.raises(TableError, match="no clusters"):
        clusters(imputations, "x")


def test_unknown_variable_is_refused(few):
    with pytest.raises(TableError, match="'z' was not imputed.*'x'"):
        clusters(few, "z")


def test_shares_are_of_the_cells_of_a_cluster(graded):
    table = clusters_table(graded, "o").set_index(["cluster", "source", "imputation", "category"])
    assert table.loc[("a", "observed", 0), "share"].to_dict() == {"low": 2 / 3, "mid": 1 / 3, "high": 0}
    assert table.loc[("a", "imputed", 2), "share"].to_dict() == {"low": 0, "mid": 0, "high": 1}
    assert table.loc[("c", "imputed", 1), "share"].to_dict() == {"low": 0.5, "mid": 0, "high": 0.5}
    assert set(table.loc["c", "cells"]) == {2} and set(table.loc[("a", "observed"), "cells"]) == {3}
    assert len(table) == 3 * (2 + 2 * 2), "observed in a and b, imputed twice in a and c"


def test_clusters_are_ordered_by_the_share_of_the_first_category_drawn(graded):
    table = clusters_table(graded, "o")
    assert list(table["cluster"].cat.categories) == ["b", "a", "c"], "c has no observed value"
    assert set(table.loc[table["systematic"], "cluster"]) == {"c"}
    assert list(clusters_table(graded, "t")["cluster"].cat.categories) == ["a", "b", "c"]


def test_a_variable_with_categories_has_a_panel_for_each(graded):
    figure = clusters(graded, "o")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["low", "mid", "high"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "a", "c"]
    assert figure.get_supxlabel() == "o, % of cells"
    means, observed = figure.axes[0].lines[-2:]
    assert means.get_color() == IMPUTED and observed.get_color() == OBSERVED
    found = sorted(zip(observed.get_ydata().round(), observed.get_xdata(), strict=True))
    assert found == [(0, 0.5), (1, 2 / 3)]
    found = sorted(zip(means.get_ydata().round(), means.get_xdata(), strict=True))
    assert found == [(1, 0.5), (2, 0.25)], "b has nothing missing"
    assert [text.get_text() for text in figure.axes[-1].texts] == ["missing", "0 of 2", "1 of 4", "2 of 2"]
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "no value observed"


def test_of_two_categories_the_second_is_drawn(graded):
    figure = clusters(graded, "t")
    assert len(figure.axes) == 1
    assert figure.get_supxlabel() == "t = True, % of cells"


def test_all_variables_are_drawn_on_one_page(graded):
    figure = clusters(graded)
    assert [part.get_supxlabel() for part in figure.subfigs[:3]] == ["o, % of cells", "t = True, % of cells", "y"]
    assert figure._repr_png_().startswith(b"\x89PNG")

"""Pairs are of one row and one imputation, and marked by what was imputed."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots import scatter, scatter_table

NAN = np.nan

LONG = "a variable with a rather long name"


@pytest.fixture
def pairs(make_imputations):
    """Of five rows two are observed in x and y, and one each lacks x, y, or both."""
    table = pd.DataFrame(
        {
            "x": [1.0, NAN, 3.0, NAN, 5.0],
            "y": [10.0, 20.0, NAN, NAN, 50.0],
            "z": [0, 1, 2, 3, 4],
            "w": [NAN, 1, 1, 1, 1],
            "t": list("abcde"),
            "b": [True, False, True, True, False],
        }
    )
    imputed = {"x": np.array([[2.0, 4.0], [2.5, 4.5]]), "y": np.array([[30.0, 40.0], [35.0, 45.0]])}
    return make_imputations(table, imputed)


def test_pairs_are_marked_by_what_was_imputed(pairs):
    table = scatter_table(pairs, "x", "y")
    found = list(table[["pair", "imputation", "row", "x", "y"]].itertuples(index=False, name=None))
    assert found == [
        ("observed", 0, 0, 1, 10),
        ("observed", 0, 4, 5, 50),
        ("x imputed", 1, 1, 2, 20),
        ("y imputed", 1, 2, 3, 30),
        ("both imputed", 1, 3, 4, 40),
        ("x imputed", 2, 1, 2.5, 20),
        ("y imputed", 2, 2, 3, 35),
        ("both imputed", 2, 3, 4.5, 45),
    ]
    assert "cluster" not in table


def test_one_of_them_may_be_complete(pairs):
    table = scatter_table(pairs, "z", "y")
    assert table["pair"].value_counts().to_dict() == {"y imputed": 4, "observed": 3, "z imputed": 0, "both imputed": 0}
    figure = scatter(pairs, "z", "y")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed", "y imputed"]


def test_points_have_the_marker_of_their_kind(pairs):
    (axes,) = scatter(pairs, "x", "y").axes
    both, only_y, only_x, observed = (sorted(map(tuple, points.get_offsets())) for points in axes.collections)
    assert both == [(4, 40), (4.5, 45)] and only_y == [(3, 30), (3, 35)]
    assert only_x == [(2, 20), (2.5, 20)] and observed == [(1, 10), (5, 50)]
    paths = [points.get_paths()[0].vertices.shape for points in axes.collections]
    assert len(set(paths)) > 1


def test_by_imputation_each_panel_has_its_own_pairs(pairs):
    figure = scatter(pairs, "x", "y", by="imputation")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["imputation 1", "imputation 2"]
    assert figure.axes[1].collections[0].get_offsets().tolist() == [[4.5, 45]]
    assert figure.axes[1].collections[3].get_offsets().tolist() == [[1, 10], [5, 50]]


@pytest.mark.parametrize(("n_clusters", "n_panels"), [(3, 3), (300, 12)])
def test_by_cluster_panels_are_spread_over_the_share_missing(schools, drawn, n_clusters, n_panels):
    imputations = schools[n_clusters]
    figure = drawn(scatter(imputations, "x", LONG, by="cluster"))
    labels = [axes.get_title(loc="left") for axes in figure.axes]
    lacking = imputations.original[["x", LONG]].isna().any(axis=1).groupby(imputations.original["school"]).mean()
    assert len(labels) == n_panels
    shown = lacking.loc[labels]
    assert shown.is_monotonic_increasing and shown.iloc[0] == lacking.min() and shown.iloc[-1] == lacking.max()
    assert ("12 of 300 clusters" in figure.get_supxlabel()) == (n_clusters == 300)
    own = scatter_table(imputations, "x", LONG).query("cluster == @labels[0] and pair == 'observed'")
    assert sorted(map(tuple, figure.axes[0].collections[3].get_offsets())) == sorted(zip(own["x"], own["y"], strict=True))


def test_many_pairs_are_thinned_and_the_figure_says_so(schools, drawn):
    figure = drawn(scatter(schools[300], "x", LONG, by="imputation"))
    assert len(figure.axes) == 6
    expected = "x (the first 6 of 22 imputations; 300 pairs of a kind, evenly spaced)"
    assert figure.get_supxlabel() == expected
    assert max(len(points.get_offsets()) for axes in figure.axes for points in axes.collections) == 300


@pytest.mark.parametrize(
    ("x", "y", "by", "message"),
    [
        ("x", "nothing", None, "no column 'nothing'"),
        ("x", "t", None, "'t' does not hold numbers"),
        ("x", "b", None, "'b' does not hold numbers"),
        ("x", "w", None, "'w' has missing values that were not imputed"),
        ("x", "x", None, "both 'x'"),
        ("x", "y", "cluster", "no clusters"),
        ("x", "y", "school", "by='school' is not known. Choose 'cluster' or 'imputation'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(pairs, x, y, by, message):
    with pytest.raises(TableError, match=message):
        scatter(pairs, x, y, by=by)


def test_complete_pairs_are_refused(pairs):
    pairs.original["v"] = 1.0
    with pytest.raises(TableError, match="Neither 'z' nor 'v' was imputed"):
        scatter_table(pairs, "z", "v")

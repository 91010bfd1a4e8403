"""Densities are those of the right values, and every panel is there."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from jmimpute.errors import TableError
from jmimpute.plots import density, density_table


def mean_of(curve):
    """Mean of a curve by the rectangle rule; its area must be 1."""
    step = curve["x"].iloc[1] - curve["x"].iloc[0]
    assert (curve["density"] * step).sum() == pytest.approx(1, abs=0.02)
    return (curve["x"] * curve["density"] * step).sum()


def test_each_curve_is_a_density_of_its_own_values(imputations):
    table = density_table(imputations, "x")
    observed = imputations.original["x"].dropna()
    assert mean_of(table[table["source"] == "observed"]) == pytest.approx(observed.mean(), abs=0.05)
    for number in (1, 2, 20):
        curve = table[table["imputation"] == number]
        assert mean_of(curve) == pytest.approx(imputations.imputed["x"][number - 1].mean(), rel=1e-3)


def test_at_most_twenty_imputations_on_one_grid(imputations):
    table = density_table(imputations, ["x"])
    assert sorted(table["imputation"].dropna().unique()) == list(range(1, 21))
    assert (table.groupby(["source", "imputation"], dropna=False)["x"].apply(tuple).nunique()) == 1


def test_few_missing_values_are_pooled_over_all_imputations(imputations):
    table = density_table(imputations, "y")
    assert set(table["source"]) == {"observed", "pooled"}
    pooled = table[table["source"] == "pooled"]
    assert len(pooled) == 200 and mean_of(pooled) == pytest.approx(imputations.imputed["y"].mean(), abs=0.02)


def test_values_without_spread_have_no_curve(make_imputations):
    table = pd.DataFrame({"x": [1.0] * 9 + [np.nan] * 6})
    assert density_table(make_imputations(table, {"x": np.ones((2, 6))})).empty
    found = density_table(make_imputations(table, {"x": np.vstack([np.ones(6), np.arange(6.0)])}))
    assert set(found["imputation"]) == {2} and set(found["source"]) == {"imputed"}


def test_nullable_integers_are_numbers(make_imputations):
    table = pd.DataFrame({"x": pd.array([1, 2, 3, 4, 5, None], dtype="Int64")})
    assert set(density_table(make_imputations(table, {"x": np.ones((2, 1))}))["source"]) == {"observed"}


def test_bars_are_proportions_of_categories_in_their_order(imputations):
    table = density_table(imputations, "g")
    assert list(table["category"].unique()) == ["v", "u"] and list(table["x"].unique()) == [0, 1]
    assert table.loc[table["source"] == "observed", "density"].tolist() == [0.8, 0.2]
    assert table.loc[table["imputation"] == 1, "density"].tolist() == [0.1, 0.9]
    assert table.loc[table["imputation"] == 2, "density"].tolist() == [1, 0]
    assert table["imputation"].max() == 20


def test_few_missing_categories_are_pooled(make_imputations):
    table = pd.DataFrame({"p": [True, False, False, False, None]})
    imputed = np.array([[True], [True], [True], [False]])
    found = density_table(make_imputations(table, {"p": imputed}, categories={"p": (False, True)}))
    assert found["source"].tolist() == ["observed", "observed", "pooled", "pooled"]
    assert found["density"].tolist() == [0.75, 0.25, 0.25, 0.75]
    assert found["category"].tolist() == [False, True, False, True]


def test_numbers_may_be_categories(make_imputations):
    table = pd.DataFrame({"f": [0.0, 1.0, 2.0, 2.0, np.nan]})
    found = density_table(make_imputations(table, {"f": np.array([[1], [1]])}, categories={"f": (0, 1, 2)}))
    assert found["density"].tolist() == [0.25, 0.25, 0.5, 0, 1, 0]


def test_figure_has_a_panel_for_each_variable(imputations):
    figure = density(imputations)
    assert isinstance(figure, Figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["x (40 missing)", "y (3 missing)", "g (10 missing)"]
    assert [len(axes.lines) for axes in figure.axes] == [21, 2, 0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["observed", "imputed, 20 of 25 imputations"]


def test_bars_stand_at_their_category_with_a_dash_for_each_imputation(imputations):
    (axes,) = density(imputations, "g").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["v", "u"]
    places = [(round(bar.get_x() + bar.get_width() / 2), round(bar.get_height(), 3)) for bar in axes.patches]
    assert places == [(0, 0.8), (1, 0.2), (0, 0.955), (1, 0.045)]
    (dashes,) = axes.collections
    assert len(dashes.get_segments()) == 2 * 20


def test_figure_has_no_empty_panels_and_shows_itself_in_a_notebook(make_imputations):
    rng = np.random.default_rng(2)
    table = pd.DataFrame({name: [np.nan] * 6 + list(rng.normal(size=9)) for name in "abcd"})
    figure = density(make_imputations(table, {name: rng.normal(size=(3, 6)) for name in "abcd"}))
    assert len(figure.axes) == 4
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_pyplot_does_not_know_the_figure(imputations):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    density(imputations, "x")
    assert pyplot.get_fignums() == before


def test_variables_that_cannot_be_drawn_are_refused(imputations):
    with pytest.raises(TableError, match="'z' was not imputed.*'x', 'y' or 'g'"):
        density(imputations, ["x", "z"])


def test_nothing_imputed_is_refused(make_imputations):
    with pytest.raises(TableError, match="nothing to draw"):
        density(make_imputations(pd.DataFrame({"x": [1.0]}), {}))

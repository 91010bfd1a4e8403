"""Curves, grids and bars of sensitivity analyses stand where the results are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import TableError
from jmimpute.plots import (
    implied_means,
    implied_means_table,
    sensitivity_grid,
    sensitivity_grid_table,
    tipping,
    tipping_table,
    tornado,
    tornado_table,
)
from tests.mnar.problems import imputations

FORMULA = "y ~ arm + z"
QUIET = {"scope": "marginal", "progressbar": False}


@pytest.fixture(scope="module")
def before():
    return imputations(8)


@pytest.fixture(scope="module")
def two_way(before):
    values = {"active": np.linspace(-6, 6, 7), "control": [-1.0, 0.0, 3.0]}
    return jm.sensitivity(before, "y", jm.shift(values, by="arm"), FORMULA, **QUIET)


@pytest.fixture(scope="module")
def tipped(before):
    return jm.tipping_point(before, "y", jm.shift({"active": None, "control": 0}, by="arm"), FORMULA, "arm[control]", **QUIET)


# Tipping


def test_the_curve_its_band_and_where_the_conclusion_changes(tipped, drawn):
    figure = drawn(tipping(tipped, plausible=(-1, 0.5)))
    axes, table = figure.axes[0], tipping_table(tipped)
    marks = {float(line.get_xdata()[0]) for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert marks == {0.0, *(value for value in (tipped.below, tipped.above) if value is not None)} and len(marks) > 1
    curve = next(line for line in axes.lines if len(line.get_xdata()) == len(table))
    np.testing.assert_allclose(curve.get_ydata(), table["estimate"])
    low, high = np.sort(tipped.table["delta[active]"])[[0, -1]]
    assert axes.get_xlim() == (low, high)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["estimate and 95 % interval", "missing at random", "the conclusion changes", "plausible"]


def test_means_stand_above_the_amounts_that_give_them(tipped, before):
    figure = tipping(tipped)
    (above,) = figure.axes[0].child_axes
    rows = (before.original["arm"] == "active").to_numpy()[before.rows("y")]
    mean = before.values("y")[:, rows].mean()
    labels = [float(label.get_text()) for label in above.get_xticklabels()]
    np.testing.assert_allclose(labels, mean + above.get_xticks(), rtol=5e-3)


def test_a_grid_of_ratios_is_drawn_on_a_scale_of_logarithms(before, drawn):
    grid = jm.sensitivity(before, "y", jm.scale([2.0, 0.5, 1.0]), FORMULA, **QUIET)
    assert tipping_table(grid, "z")["factor"].tolist() == [0.5, 1.0, 2.0]
    axes = drawn(tipping(grid, "z")).axes[0]
    assert axes.get_xscale() == "log" and axes.get_xticks().tolist() == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("pick", "term", "message"),
    [
        (lambda tipped, two_way: two_way, "z", "1 parameter"),
        (lambda tipped, two_way: tipped, "z", "is of the term 'arm"),
        (lambda tipped, two_way: 1.0, None, "what `sensitivity` returns, not float"),
    ],
)
def test_what_has_no_curve_is_refused(tipped, two_way, pick, term, message):
    with pytest.raises(TableError, match=message):
        tipping(pick(tipped, two_way), term)


def test_one_point_is_no_curve(before):
    grid = jm.sensitivity(before, "y", jm.shift([1.0]), FORMULA, **QUIET)
    with pytest.raises(TableError, match="one point only"):
        tipping(grid, "z")
    with pytest.raises(TableError, match="Give one: term="):
        tipping(grid)


# Two at a time


def test_colours_are_estimates_and_dots_where_the_conclusion_is_lost(two_way, drawn):
    table = sensitivity_grid_table(two_way, "arm[control]")
    figure = drawn(sensitivity_grid(two_way, "arm[control]"))
    mesh, points = figure.axes[0].collections[:2]
    expected = table.sort_values(["delta[control]", "delta[active]"])["estimate"]
    np.testing.assert_allclose(np.ravel(mesh.get_array()), expected)
    excludes = (table["conf_low"] > 0) | (table["conf_high"] < 0)
    assert (table["holds"] == excludes).all() and excludes.nunique() == 2
    lost = table.loc[~excludes, ["delta[active]", "delta[control]"]].to_numpy()
    np.testing.assert_allclose(np.asarray(points.get_offsets()), lost)


def test_a_conclusion_that_never_changes_has_no_line(two_way):
    figure = sensitivity_grid(two_way, "Intercept", criterion=lambda row: row.estimate > -1e9)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["missing at random"]


def test_what_is_no_grid_of_two_is_refused(before):
    one = jm.sensitivity(before, "y", jm.shift([0, 1]), FORMULA, **QUIET)
    with pytest.raises(TableError, match="2 parameter"):
        sensitivity_grid(one, "z")
    flat = jm.sensitivity(before, "y", jm.shift({"active": [0, 1], "control": [0]}, by="arm"), FORMULA, **QUIET)
    with pytest.raises(TableError, match="two values or more"):
        sensitivity_grid(flat, "z")


def test_an_interrupted_grid_is_refused(two_way):
    part = replace(two_way, points=two_way.points[:-1], fits=two_way.fits[:-1])
    with pytest.raises(TableError, match="interrupted"):
        sensitivity_grid(part, "z")


# Tornado


def test_what_matters_most_is_on_top(two_way, drawn):
    table = tornado_table(two_way, "arm[control]")
    assert table["label"].tolist() == ["delta[active]", "delta[control]"]
    results = two_way.table.query("term == 'arm[control]'").set_index(["delta[active]", "delta[control]"])["estimate"]
    assert table.loc[0, ["low", "high"]].tolist() == [-6, 6] and table.loc[1, ["low", "high"]].tolist() == [-1, 3]
    expected = [[results[-6, 0], results[6, 0], results[0, 0]], [results[0, -1], results[0, 3], results[0, 0]]]
    np.testing.assert_allclose(table[["estimate_low", "estimate_high", "estimate"]].astype(float), expected)
    axes = drawn(tornado(two_way, "arm[control]")).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == table["label"].tolist()
    bars = sorted((bar.get_y(), bar.get_x() + bar.get_width()) for bar in axes.patches)
    np.testing.assert_allclose(sorted(end for _, end in bars), np.sort(np.ravel(expected)[[0, 1, 3, 4]]))


def test_several_grids_by_name(before):
    grids = {name: jm.sensitivity(before, name, jm.shift([-1, 0, 1]), "y ~ x + z", **QUIET) for name in ("y", "x")}
    table = tornado_table(grids, "z")
    assert sorted(table["label"]) == ["x", "y"]
    assert table["estimate"].nunique() == 1 or np.ptp(table["estimate"]) < 1e-9


@pytest.mark.parametrize("values", [{}, pd.DataFrame()])
def test_what_is_no_sensitivity_analysis_is_refused(values):
    with pytest.raises(TableError, match="one or several by name"):
        tornado(values, "z")


def test_missing_at_random_must_be_in_the_grid(before):
    grid = jm.sensitivity(before, "y", jm.shift([-1, 1]), FORMULA, **QUIET)
    with pytest.raises(TableError, match="does not contain 0, missing at random"):
        tornado({"y": grid}, "z")


# Implied means


def test_a_line_for_each_cluster(before, drawn):
    table = implied_means_table(before, "y")
    assert table["cluster"].tolist()[-1] == "d" and table["mean_observed"].iloc[:-1].is_monotonic_increasing
    axes = drawn(implied_means(before, "y")).axes[0]
    _, observed, imputed = axes.collections
    np.testing.assert_allclose(np.asarray(imputed.get_offsets())[:, 0], table["mean_missing"])
    assert [label.get_text() for label in axes.get_yticklabels()] == table["cluster"].tolist()
    assert len(implied_means_table(before, "y", by="arm")) == 2


def test_groups_without_missing_values_are_left_out(before):
    assert implied_means_table(before, "x")["cluster"].tolist() == ["b"]


def test_groups_are_needed(before):
    alone = jm.from_tables(before.original, list(before))
    with pytest.raises(TableError, match="no clusters"):
        implied_means(alone, "y")

"""Lollipops, nested loops and zips show what the table of a simulation study holds."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from jmimpute import study
from jmimpute.errors import StudyError
from jmimpute.plots import lollipop, lollipop_table, nested_loop, nested_loop_table, zip_plot, zip_plot_table
from jmimpute.plots.figure import IMPUTED, OBSERVED

TRUTH = {"x": 0.0, "z": 1.0}


@pytest.fixture(scope="module")
def results():
    """Two methods in four settings, 30 replications each; seconds have neither truth nor intervals."""
    rng = np.random.default_rng(1)
    rows = []
    for rho in (0.9, 0.0):
        for size in (50, 100):
            for method, bias in (("naive", 0.4 * rho), ("a method with a long name", 0.0)):
                for term, value in TRUTH.items():
                    estimates = value + bias + rng.normal(0, 0.2, 30)
                    rows.append(
                        pd.DataFrame({"term": term, "estimate": estimates, "std_error": 0.2, "replicate": np.arange(1, 31)})
                        .assign(conf_low=estimates - 0.4, conf_high=estimates + 0.4)
                        .assign(method=method, rho=rho, size=size)
                    )
                seconds = pd.DataFrame({"term": "seconds", "estimate": rng.random(30), "replicate": np.arange(1, 31)})
                rows.append(seconds.assign(method=method, rho=rho, size=size))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def first(results):
    """The results of one setting."""
    return results[(results["rho"] == 0.9) & (results["size"] == 50)]


def test_lollipops_stand_where_the_measures_are(first, drawn):
    judged = study.performance(first, TRUTH)
    table = lollipop_table(judged)
    assert list(table["term"].cat.categories) == ["x", "z"]  # seconds have no bias
    assert list(table["label"].cat.categories) == ["naive", "a method with a long name"]
    bias = judged[(judged["measure"] == "bias") & (judged["term"] == "x")].iloc[0]
    row = table.iloc[0]
    assert (row["label"], row["term"], row["measure"], row["reference"]) == ("naive", "x", "bias", 0)
    np.testing.assert_allclose(
        row[["value", "low", "high"]].astype(float), bias["value"] + 1.96 * bias["mc_error"] * np.array([0, -1, 1])
    )
    shares = table[table["measure"] == "coverage"]
    assert shares["high"].max() == 1 and shares["low"].min() >= 0
    figure = drawn(lollipop(judged))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["x, bias", "x, coverage", "z, bias", "z, coverage"]
    dots = figure.axes[3].collections[1].get_offsets()
    expected = judged[(judged["measure"] == "coverage") & (judged["term"] == "z")]
    np.testing.assert_allclose(dots[:, 0], expected["value"])
    np.testing.assert_allclose(dots[:, 1], [0, 1])
    assert figure.axes[3].lines[0].get_xdata()[0] == 0.95


def test_a_measure_without_a_target_has_no_stem(first, drawn):
    figure = drawn(lollipop(study.performance(first, TRUTH), "mean", "seconds", level=0.9))
    (axes,) = figure.axes
    assert not axes.lines
    assert axes.get_title(loc="left") == "mean"
    assert lollipop_table(study.performance(first, TRUTH), "coverage", level=0.9)["reference"].unique() == [0.9]


def test_settings_are_part_of_the_label(results):
    table = lollipop_table(study.performance(results, TRUTH, by=["method", "rho", "size"]), terms="x")
    assert table["label"].iloc[0] == "naive, 0.9, 50"


def test_loops_are_nested_in_the_order_of_the_factors(results, drawn):
    judged = study.performance(results, TRUTH, by=["rho", "size", "method"])
    table = nested_loop_table(judged, "x")
    assert list(table.columns) == ["scenario", "rho", "size", "method", "value", "mc_error"]
    settings = table.drop_duplicates("scenario")[["scenario", "rho", "size"]]
    assert settings.to_numpy().tolist() == [[0, 0.9, 50], [1, 0.9, 100], [2, 0.0, 50], [3, 0.0, 100]]
    figure = drawn(nested_loop(judged, "x"))
    above, below = figure.axes
    own = table[table["method"] == "naive"].sort_values("scenario")["value"].to_numpy()
    line = next(line for line in above.lines if len(line.get_xdata()) == 5)
    np.testing.assert_allclose(line.get_ydata(), [*own, own[-1]])
    assert [text.get_text() for text in below.texts] == ["rho: 0.9, 0.0", "size: 50, 100"]
    rho, size = (np.diff(line.get_ydata()) != 0 for line in below.lines)
    assert list(rho) == [False, True, False, False] and list(size) == [True, True, True, False]


def test_a_setting_without_a_method_leaves_a_gap(results, drawn):
    part = results[(results["method"] == "naive") | (results["rho"] == 0.9)]
    judged = study.performance(part, TRUTH, by=["rho", "size", "method"])
    figure = drawn(nested_loop(judged, "x", "coverage"))
    shorter = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 5][1]
    assert list(np.isnan(shorter.get_ydata().astype(float))) == [False, False, True, True, True]


def test_zips_are_open_where_the_truth_is_missed(first, drawn):
    table = zip_plot_table(first, TRUTH, "x")
    judged = study.performance(first, TRUTH).set_index(["method", "term", "measure"])["value"]
    for name, own in table.groupby("panel", observed=True):
        assert own["covers"].mean() == judged[(name, "x", "coverage")]
        assert own["height"].iloc[-1] == 100 and own["height"].is_monotonic_increasing
        # all that cover lie below all that do not
        assert own["covers"].is_monotonic_decreasing
    figure = drawn(zip_plot(first, TRUTH, "x"))
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(table["panel"].cat.categories)
    own = table[table["panel"] == "naive"]
    assert 0 < own["covers"].sum() < len(own)
    lines = [collection for collection in figure.axes[0].collections if isinstance(collection, LineCollection)]
    for collection, colour, covers in zip(lines, (OBSERVED, IMPUTED), (True, False), strict=True):
        assert to_rgb(collection.get_color()[0]) == to_rgb(colour)
        expected = own.loc[own["covers"] == covers, ["low", "height", "high"]]
        np.testing.assert_allclose([[*one[0], one[1, 0]] for one in collection.get_segments()], expected)


def test_lopsided_intervals_are_judged_by_their_own_side():
    rows = pd.DataFrame({"replicate": [1, 2, 3], "method": "a", "term": "x", "estimate": [0.0, 0.0, 0.0]})
    rows = rows.assign(conf_low=[-3.0, -0.5, -1.0], conf_high=[0.5, 2.0, 1.5])
    table = zip_plot_table(rows, {"x": 1.0}, "x")
    assert table["replicate"].tolist() == [2, 3, 1]
    assert table["covers"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda first, judged: lollipop(first), "`jmimpute.study.performance` returns"),
        (lambda first, judged: lollipop(judged, "power"), "no measure 'power'. Choose 'mean'"),
        (lambda first, judged: lollipop(judged, terms=["x", "y"]), "no term 'y'"),
        (lambda first, judged: lollipop(judged, terms=[]), "Name at least one term"),
        (lambda first, judged: nested_loop(judged, "x"), "by 'method' only"),
        (lambda first, judged: nested_loop(judged, "x", lines="size"), "no column 'size'"),
        (lambda first, judged: nested_loop(judged, "seconds"), "no measure of 'seconds' 'bias'"),
        (lambda first, judged: zip_plot(first, TRUTH, "y"), "no term 'y'"),
        (lambda first, judged: zip_plot(first, {}, "x"), "no true value of 'x'"),
        (lambda first, judged: zip_plot(first, {"seconds": 1}, "seconds"), "no intervals of 'seconds'"),
        (lambda first, judged: zip_plot(first.drop(columns="conf_low"), TRUTH, "x"), "no column 'conf_low'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(first, call, message):
    with pytest.raises(StudyError, match=message):
        call(first, study.performance(first, TRUTH))

"""Forests of assumptions and curves over rho show what the results say."""

import warnings

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.errors import IdentificationWarning, TableError
from jmimpute.plots import assumptions, assumptions_table, tipping, tipping_table
from jmimpute.plots.figure import IMPUTED, OBSERVED
from tests.mnar.selected import model, quickly

QUIET = {"m": 6, "random_seed": 3, "progressbar": False}


@pytest.fixture(scope="module")
def compared():
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentificationWarning)
        quickly(patch)
        yield jm.assumptions(model(), "y", "y ~ x", [-0.5, 0.5], **QUIET)


@pytest.fixture(scope="module")
def grid():
    with pytest.MonkeyPatch.context() as patch:
        quickly(patch)
        yield jm.sensitivity(model(), "y", rho=[0.8, -0.8, 0.0], analysis="y ~ x", **QUIET)


def test_a_line_for_each_assumption(compared, drawn):
    table = assumptions_table(compared, "x")
    assert table["assumption"].tolist() == compared.fits["assumption"].tolist()
    expected = compared.table.query("term == 'x'")
    np.testing.assert_array_equal(table[["estimate", "conf_low", "conf_high"]], expected[["estimate", "conf_low", "conf_high"]])
    figure = drawn(assumptions(compared, "x"))
    axes = figure.axes[0]
    lines, points = axes.collections
    np.testing.assert_allclose([path[0][0] for path in lines.get_segments()], table["conf_low"])
    np.testing.assert_allclose(np.asarray(points.get_offsets())[:, 0], table["estimate"])
    assert [label.get_text() for label in axes.get_yticklabels()] == table["assumption"].tolist()
    from matplotlib.colors import to_rgba

    colours = [IMPUTED if name.startswith("rho est") else OBSERVED for name in table["assumption"]]
    np.testing.assert_allclose(lines.get_colors(), [to_rgba(colour) for colour in colours])
    (at_random,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert at_random.get_xdata()[0] == table["estimate"][0]
    texts = [text.get_text() for text in axes.texts]
    assert texts[1] == f"0.00; {table['implied_mean'][0]:.3g}" and texts[2].startswith("0.15 [0.1") and len(texts) == 8


def test_what_is_no_such_result_is_refused(compared, grid):
    with pytest.raises(TableError, match=r"what `jm.assumptions` returns, not Sensitivity"):
        assumptions(grid)
    with pytest.raises(TableError, match="term='Intercept' or 'x'"):
        assumptions(compared)


def test_a_grid_over_rho_shows_its_fits(grid, drawn):
    assert tipping_table(grid, "x")["rho"].tolist() == [-0.8, 0.0, 0.8]
    axes = drawn(tipping(grid, "x")).axes[0]
    (curve,) = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert curve.get_marker() == "o" and axes.get_xlabel() == "rho of the missing values of y"


def test_a_tipping_point_over_rho_has_a_smooth_curve(grid, drawn):
    found = grid.tipping_point("Intercept")
    axes = drawn(tipping(found, plausible=(-0.5, 0))).axes[0]
    marks = {float(line.get_xdata()[0]) for line in axes.lines if len(set(line.get_xdata())) == 1}
    assert found.value in marks and 0.0 in marks
    (curve,) = [line for line in axes.lines if len(line.get_xdata()) == len(found.table)]
    assert curve.get_marker() in ("None", None) and len(found.table) > 100

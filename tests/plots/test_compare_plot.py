"""Methods stand at their lines, with intervals, Monte Carlo errors and true values."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy.stats import norm

import jmimpute as jm
from jmimpute.errors import TableError
from jmimpute.plots import comparison, comparison_table
from jmimpute.plots.compare import GREY
from jmimpute.plots.figure import CHAINS
from tests.analysis.compared import complete, imputations

METHODS = ["complete cases", "MAR", "one lower, for those who left school", "paper"]
PAPER = pd.DataFrame({"term": ["x"], "estimate": [0.4], "std_error": [0.1]})


def compared(**options):
    source = imputations(5)
    lower = source.delta("y", jm.shift(-1.0), scope="marginal")
    return jm.compare({METHODS[1]: source, METHODS[2]: lower}, "y ~ x + sex", published={"paper": PAPER}, level=0.9, **options)


@pytest.fixture(scope="module")
def result():
    return compared(truth={"x": 0.5})


def test_the_table_has_what_is_drawn(result):
    table = comparison_table(result)
    assert table["term"].cat.categories.tolist() == ["Intercept", "x", "sex[girl]"]
    own = result.table.set_index(["method", "term"])
    found = table.set_index(["method", "term"])
    row = found.loc[("MAR", "x")]
    assert row["mc_high"] - row["estimate"] == pytest.approx(norm.ppf(0.95) * own.loc[("MAR", "x"), "mc_error"])
    assert row["estimate"] - row["mc_low"] == pytest.approx(row["mc_high"] - row["estimate"])
    assert row[["conf_low", "conf_high"]].tolist() == own.loc[("MAR", "x"), ["conf_low", "conf_high"]].tolist()
    assert found.loc[["complete cases", "paper"], "mc_low"].isna().all()
    assert found.loc[("MAR", "x"), "truth"] == 0.5 and np.isnan(found.loc[("MAR", "Intercept"), "truth"])
    assert table.groupby("method", sort=False)["colour"].first().tolist() == [GREY, *CHAINS[:3], "#333333"]


def test_a_panel_for_each_term_and_a_line_for_each_method(result, drawn):
    figure = drawn(comparison(result))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Intercept", "x", "sex[girl]"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == METHODS, "true values are no line"
    assert figure.axes[0].yaxis_inverted()
    table = comparison_table(result).query("term == 'x' and kind != 'truth'")
    intervals, errors, points = figure.axes[1].collections
    np.testing.assert_allclose(np.asarray(points.get_offsets()), [[value, k] for k, value in enumerate(table["estimate"])])
    segments = [segment[:, 0] for segment in intervals.get_segments()]
    np.testing.assert_allclose(segments, table[["conf_low", "conf_high"]].to_numpy())
    assert to_hex(points.get_facecolors()[3]) == "#ffffff" and to_hex(points.get_facecolors()[1]) == CHAINS[0].lower()
    assert to_hex(points.get_edgecolors()[3]) == CHAINS[2].lower()
    known = table[["mc_low", "mc_high"]].dropna().to_numpy()
    assert len(known) == 2
    np.testing.assert_allclose([segment[:, 0] for segment in errors.get_segments()], known)
    assert [segment[0, 1] for segment in errors.get_segments()] == [1, 2]
    assert [line.get_xdata()[0] for line in figure.axes[1].lines] == [0.5] and not figure.axes[0].lines
    assert figure.axes[2].collections[2].get_offsets().shape == (3, 2), "the paper has no such term"
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == ["interval", "Monte Carlo error", "true value"]


def test_complete_data_are_a_line_of_their_own_and_the_truth(drawn):
    figure = drawn(comparison(compared(truth=complete()), "x"))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [*METHODS, "complete data"]
    assert axes.lines[0].get_xdata()[0] == axes.collections[2].get_offsets()[4, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "complete data"


def test_terms_are_chosen_by_name(result):
    assert comparison_table(result, ["sd(residual)", "x"])["term"].cat.categories.tolist() == ["sd(residual)", "x"]
    with pytest.raises(TableError, match="no term 'z'. Choose 'Intercept', 'x'"):
        comparison(result, "z")
    with pytest.raises(TableError, match="There is no term at all"):
        comparison(result, [])


def test_many_methods_have_a_colour_each_while_there_are_any(drawn):
    many = {f"m{k}": imputations(2, k) for k in range(7)}
    table = comparison_table(jm.compare(many, jm.mean("y")))
    assert table["colour"].tolist() == [GREY, *CHAINS[:5], *CHAINS[:2]]
    assert drawn(comparison(jm.compare(many, jm.mean("y")))).axes


def test_without_truth_and_imputations_the_legend_has_one_entry():
    only = jm.compare({}, "y ~ x", published={"paper": PAPER}, data=imputations(2).original)
    assert [text.get_text() for text in comparison(only).legends[0].get_texts()] == ["interval"]


def test_what_is_no_comparison_is_refused():
    with pytest.raises(TableError, match="Give what `jm.compare` returns, not dict"):
        comparison({})

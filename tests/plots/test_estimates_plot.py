"""Estimates stand at their method and term."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.pool import pool
from jmimpute.errors import TableError
from jmimpute.plots import estimates, estimates_table


@pytest.fixture
def results():
    """A pooled result with two terms, and a table with these in another order and a third."""
    rng = np.random.default_rng(1)
    pooled = pool(rng.normal(size=(5, 2)), [[0.1, 0.2]] * 5, names=["Intercept", "sex"])
    table = pd.DataFrame({"term": ["sex", "Intercept", "age"], "estimate": [1.0, 2.0, 3.0]})
    table = table.assign(conf_low=table["estimate"] - 0.5, conf_high=table["estimate"] + 1, note="")
    return {"joint model": pooled, "complete cases, without those who moved": table}


def test_terms_of_all_results_in_order_of_appearance(results):
    table = estimates_table(results, truth={"sex": 0.5})
    assert list(table["term"].cat.categories) == ["Intercept", "sex", "age"]
    assert list(table["method"].cat.categories) == list(results)
    found = table.set_index(["method", "term"])
    assert len(found) == 5
    row = found.loc[("complete cases, without those who moved", "sex")]
    assert row.tolist() == [1.0, 0.5, 2.0, 0.5]
    expected = results["joint model"].table.set_index("term").loc["sex", ["estimate", "conf_low", "conf_high"]]
    assert found.loc[("joint model", "sex"), ["estimate", "conf_low", "conf_high"]].tolist() == expected.tolist()
    assert found["truth"].notna().tolist() == [False, True, True, False, False]


def test_a_panel_for_each_term_and_a_line_for_each_method(results, drawn):
    figure = drawn(estimates(results, truth=pd.Series({"sex": 0.5})))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Intercept", "sex", "age"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(results)
    intervals, points = figure.axes[1].collections
    table = estimates_table(results).query("term == 'sex'")
    np.testing.assert_allclose(np.asarray(points.get_offsets()), [[value, k] for k, value in enumerate(table["estimate"])])
    np.testing.assert_allclose(
        [segment[:, 0] for segment in intervals.get_segments()], table[["conf_low", "conf_high"]].to_numpy()
    )
    assert [line.get_xdata()[0] for line in figure.axes[1].lines] == [0.5] and not figure.axes[0].lines
    assert figure.axes[2].collections[1].get_offsets().tolist() == [[3, 1]], "only the second method has this term"


def test_without_truth_there_is_no_legend(results):
    assert estimates(results).legends == []
    assert estimates_table(results)["truth"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: {}, "by the name of their method"),
        (lambda table: {"a": 1.0}, "'a' is float"),
        (lambda table: {"a": table.drop(columns="conf_low")}, "'a' has no column 'conf_low'"),
        (lambda table: {"a": pd.concat([table, table])}, "'a' has the term 'sex' twice"),
        (lambda table: {"a": table[:0]}, "'a' has no terms"),
    ],
)
def test_what_is_no_result_is_refused(results, change, message):
    with pytest.raises(TableError, match=message):
        estimates(change(results["complete cases, without those who moved"]))


def test_truth_of_an_unknown_term_is_refused(results):
    with pytest.raises(TableError, match="'seks'.*'Intercept', 'sex' or 'age'"):
        estimates(results, truth={"seks": 1.0})

"""Passive variables: computed anew whenever what they depend on changes."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.chained.passive import in_order
from jmimpute.errors import ChainedWarning, FormulaError, ImputationError, TableError
from tests.chained.tables import Keeping, table


def run(data, methods=None, predictors=None, **settings):
    settings = {"m": 2, "iterations": 3, "random_seed": 1, "progressbar": False} | settings
    return jm.chained(data.drop(columns=["g", "w"]), methods, predictors, **settings)


def test_products_follow_imputed_values():
    keeping = Keeping()
    passive = {"x1_y": "x1 * y", "girl": "sex == 'girl'", "both": "x1_y * girl"}
    formulas = {"x1": "~ x2 + y", "x2": "~ y + sex + x1 + x1_y + both"}
    run(table(), {"x1": "norm", "x2": keeping}, formulas, passive=passive)
    values = []
    for seen in keeping.seen:
        assert seen.columns == ("Intercept", "y", "sex[girl]", "x1", "x1_y", "both")
        assert np.array_equal(seen.x[:, 4], seen.x[:, 3] * seen.x[:, 1])
        assert np.array_equal(seen.x[:, 5], seen.x[:, 4] * seen.x[:, 2])
        values.append(seen.x[:, 4].sum())
    assert len(set(values)) == 6


def test_passive_columns_of_the_table_are_imputed_too():
    data = table()
    data["total"] = data["x1"] + data["x2"]
    imputed = run(data, {"x1": "norm", "x2": "norm"}, passive={"total": "x1 + x2"})
    assert imputed.columns == ("x1", "x2", "total")
    for k in (1, 2):
        completed = imputed.complete(k)
        assert completed["total"].to_numpy() == pytest.approx((completed["x1"] + completed["x2"]).to_numpy())
    formulas = imputed.provenance["chained"]["predictors"]
    assert formulas == {"x1": "x1 ~ x2 + y + sex", "x2": "x2 ~ x1 + y + sex"}


def test_observed_cells_of_passive_columns_stay():
    data = table()
    data["total"] = (data["x1"] + data["x2"]).round()
    keeping = Keeping(column=2)
    data["z"] = data["y"].mask(np.arange(len(data)) % 3 == 0)
    run(data, {"x1": "norm", "x2": "norm", "z": keeping}, {"z": "~ y + total"}, passive={"total": "x1 + x2"})
    seen = keeping.seen[0]
    whole = seen.x[:, 2] == np.round(seen.x[:, 2])
    assert whole.sum() == data["total"].notna().sum()


def test_passive_cells_that_contradict_imputed_ones_are_warned_of():
    data = table()
    row = int(np.flatnonzero(data["x1"].isna())[3])
    data["total"] = data["x1"] + data["x2"]
    data.loc[row, "total"] = 3.0
    with pytest.warns(ChainedWarning, match=rf"'total' is observed in 1 row\(s\), counted from 0: {row}, where"):
        imputed = run(data, {"x1": "norm", "x2": "norm"}, passive={"total": "x1 + x2"})
    assert imputed.complete(1).loc[row, "total"] == 3.0


def test_passive_predictors_of_what_they_do_not_depend_on_are_usual():
    imputed = run(table(), {"x1": "norm", "x2": "norm"}, passive={"x1_y": "x1 * y"})
    formulas = imputed.provenance["chained"]["predictors"]
    assert formulas == {"x1": "x1 ~ x2 + y + sex", "x2": "x2 ~ x1 + y + sex + x1_y"}


def test_the_order_is_that_of_needs():
    found = in_order({"c": "b + a", "b": "a * 2", "a": "x**2"}, ["x"])
    assert [one.name for one in found] == ["a", "b", "c"] and found[2].sources == {"x"}


@pytest.mark.parametrize(
    ("passive", "settings", "error", "message"),
    [
        ({"a": "b + 1", "b": "a + x1"}, {}, FormulaError, "depend on themselves in a circle: a, b"),
        ({"a": "a + x1"}, {}, FormulaError, "in a circle: a"),
        ({"a": "x1 * nothing"}, {}, FormulaError, "names 'nothing', which is neither a column nor passive"),
        ({"a": "1 + 1"}, {}, FormulaError, "names no column"),
        ({"a": "__import__('os')"}, {}, FormulaError, "names no column"),
        ({"a": "x1.sum()"}, {}, FormulaError, "contains 'x1.sum\\(\\)'"),
        ({"a": "sex"}, {}, FormulaError, "gives texts"),
        ({"a": "log(x2)"}, {}, ImputationError, "'a' = 'log\\(x2\\)' is no finite number in .* row\\(s\\), counted from 0"),
        ({"x1": "x2 + y"}, {"methods": {"x1": "norm"}}, ImputationError, "'x1' has a method and is passive as well"),
        ({"a": "x1 + y"}, {"predictors": {"x1": "~ a"}}, FormulaError, "'a' is computed from 'x1' and cannot predict it"),
        ({"a": "x1 + y"}, {"methods": {"x1": None}}, ImputationError, "'x1' is a predictor, or enters a passive variable, but"),
        ({"sex": "x1 > 10"}, {}, TableError, "'sex' is to be modelled as a continuous response but holds"),
        ("x1 + y", {}, ImputationError, "passive must be a dict"),
    ],
)
def test_passive_variables_that_cannot_be(passive, settings, error, message):
    settings = {"methods": {"x2": "norm"} | settings.get("methods", {}), "predictors": settings.get("predictors")}
    data = table()
    if isinstance(passive, dict) and "sex" in passive:
        data["sex"] = data["sex"].mask(data["x1"].isna())
    with pytest.raises(error, match=message):
        run(data, **settings, passive=passive)


def test_rows_of_messages_are_those_of_the_table():
    data = pd.DataFrame({"g": 0, "w": 0, "x": [np.nan, 1.0, 2, 3, 4, 5], "y": [3.0, 1, -1, 2, 5, 4]})
    with pytest.raises(ImputationError, match=r"in 1 row\(s\), counted from 0: 2\."):
        run(data, {"x": "norm"}, {"x": "~ y"}, passive={"root": "sqrt(y) + x * 0"})

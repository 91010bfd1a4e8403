"""Constraints: against mitml, derivatives against differences, names of all kinds, and what no expression may do."""

import json
from pathlib import Path

import numpy as np
import pytest

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.expressions import read_expression
from jmimpute.errors import AnalysisError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "jsp_pooling.json").read_text())
#: mitml takes numerical derivatives, with errors of about 1e-8 of each, which nearly equal Wald statistics magnify.
RTOL = {"lm1": 1e-6, "me1": 1e-6, "gl1": 1e-5}


def analyses(model):
    fits = REFERENCE["models"][model]
    names = tuple(name.replace("(Intercept)", "Intercept") for name in fits["terms"])
    pairs = zip(fits["coef"], fits["vcov"], strict=True)
    return Analyses(tuple(Estimates(names, np.array(q), np.array(u)) for q, u in pairs), model, None, None)


@pytest.mark.parametrize("model", RTOL)
@pytest.mark.parametrize("name", ["equal_fluent", "two", "linear_combo", "nonlinear"])
def test_equals_mitml(model, name):
    for key, arguments in {
        "D1": {},
        "D1_df.com_1114": {"df_complete": 1114},
        "D2": {"method": "D2"},
    }.items():
        theirs = REFERENCE["constraints"][model][name][key]
        ours = analyses(model).constraint(theirs["constraints"], **arguments)
        found = [ours.test.statistic, ours.test.df1, ours.test.df2, ours.test.p_value, ours.test.riv]
        expected = [theirs[column] for column in ("F.value", "df1", "df2", "P(>F)", "RIV")]
        np.testing.assert_allclose(found, expected, rtol=RTOL[model], err_msg=key)
        np.testing.assert_allclose(ours.table["estimate"], theirs["Qbar"], rtol=1e-10)


def test_one_term_is_its_row_of_the_pooled_table():
    fits = analyses("me1")
    found, row = fits.constraint("sex", df_complete=45, level=0.9), fits.pool(df_complete=45, level=0.9).table.loc[2]
    np.testing.assert_allclose(found.table.loc[0].drop("term").astype(float), row.drop("term").astype(float), rtol=1e-12)
    np.testing.assert_allclose(found.test.statistic, row["statistic"] ** 2)
    for text in ("sex", "D1 (wald)", "the constraint sex holds"):
        assert text in repr(found)


NAMES = ("Intercept", "x", "sex[girl]", "sex[girl]:x", "I(x > 3)", "log(x)", "a b", "x2")
VALUES = np.array([2.0, 0.5, 3.0, -1.5, 0.7, 1.2, 0.4, 1.1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", 0.5),
        ("sex[girl] - sex[girl]:x", 4.5),
        ("(Intercept) + 2 * x2", 4.2),
        ("`a b` / `I(x > 3)`", 0.4 / 0.7),
        ("I(x > 3) ** 2 * -x", -0.245),
        ("log(x)", 1.2),
        ("exp(`log(x)`) - sqrt( x )", np.exp(1.2) - np.sqrt(0.5)),
        ("log(x2)", np.log(1.1)),
        ("x ** x2 ** 2", 0.5**1.21),
        ("2 ** -sex[girl]", 0.125),
        ("x = x2", -0.6),
        ("sex[girl] == 1e0 + I(x > 3)", 1.3),
        ("sex[girl]:x ** 3 / +x", -6.75),
    ],
)
def test_values_and_derivatives(text, expected):
    expression = read_expression(text, NAMES)
    value, gradient = expression(VALUES)
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    step = 1e-6
    differences = [
        (expression(VALUES + step * unit)[0] - expression(VALUES - step * unit)[0]) / (2 * step) for unit in np.eye(len(VALUES))
    ]
    np.testing.assert_allclose(gradient, differences, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "A constraint must be a text"),
        (3, "A constraint must be a text such as 'a - b', not 3"),
        ("y - x", "There is no estimate 'y' in 'y - x'. Names are Intercept, x, sex.girl., "),
        ("sex[boy]", "There is no estimate 'sex.boy.'"),
        ("sex - 1", "There is no estimate 'sex'"),
        ("`x + 1`", r"There is no estimate 'x \+ 1'"),
        ("x:z", "cannot be read"),
        ("x +", "cannot be read"),
        ("x = x2 = 0", "more than one '='"),
        ("3 - 2", "names no estimate"),
        ("x ^ 2", r"contains '\^'. Write a power as 'a \*\* 2'"),
        ("x // 2", "contains 'x // 2'. It may have names, numbers"),
        ("abs(x)", r"contains 'abs\(x\)'"),
        ("exp(x, x2)", "contains 'exp"),
        ("x.real", "contains 'x.real'|cannot be read|no estimate"),
        ("__import__('os').system('ls') + x", "contains"),
        ("(lambda: x)()", "contains"),
        ("[x for x2 in (1, 2)]", "contains"),
        ("True + x", "contains 'True'"),
        ("'a' * x", "contains"),
        ("1j * x", "contains"),
        ("x if x2 else 1", "contains"),
        ("(y := x)", "contains|cannot be read"),
        ("x > 3", "contains"),
        ("+".join(["x"] * 20000), "is too long|cannot be read"),
    ],
)
def test_what_no_expression_may_have(text, message):
    with pytest.raises(AnalysisError, match=message):
        read_expression(text, NAMES)


@pytest.mark.parametrize(
    "text", ["log(-x)", "1 / (x - x)", "sqrt(-x)", "(-x) ** x2", "exp(10000 * x)", "9 ** 9 ** 9 * x", "1e308 * 100 * x"]
)
def test_undefined_at_the_estimates(text):
    with pytest.raises(AnalysisError, match="is not (defined|finite) at the estimates"):
        read_expression(text, NAMES)(VALUES)


@pytest.mark.parametrize(
    ("constraints", "arguments", "message"),
    [
        ([], {}, "No constraint is given"),
        ("sex", {"method": "D3"}, "The method 'D3' cannot test constraints. Choose 'D1' or 'D2'"),
        ("sex", {"df_complete": -1}, "df_complete is -1"),
        ("sex", {"level": 2}, "The level is 2"),
        (["sex", "2 * sex"], {}, "covariance matrix of what is tested is singular"),
        ("log(fluent1)", {}, r"Imputation \d: The expression 'log\(fluent1\)' is not defined at the estimates"),
    ],
)
def test_what_cannot_be_tested(constraints, arguments, message):
    with pytest.raises(AnalysisError, match=message):
        analyses("lm1").constraint(constraints, **arguments)


def test_standard_errors_alone_and_single_imputations_do_not_suffice():
    fit = Estimates(("a", "b"), np.ones(2), np.array([[1.0, np.nan], [np.nan, 1.0]]))
    with pytest.raises(AnalysisError, match="Constraints need whole covariance matrices"):
        Analyses((fit, fit), "f", None, None).constraint("a - b")
    with pytest.raises(AnalysisError, match="There are 1 imputations"):
        Analyses((fit,), "f", None, None).constraint("a - b")

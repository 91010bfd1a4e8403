"""Rubin's rules against mitml and mice, number for number, and at their edges."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.analysis.pool import combine, pool
from jmimpute.errors import AnalysisError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "jsp_pooling.json").read_text())["models"]
COLUMNS = [
    *("term", "estimate", "std_error", "statistic", "df", "p_value"),
    *("conf_low", "conf_high", "riv", "lambda", "fmi"),
]
#: The reference numbers are written with 15 digits, and the variance between imputations is a difference of them.
RTOL = 1e-10


def pool_reference(name, **arguments):
    model = REFERENCE[name]
    return pool(model["coef"], model["vcov"], names=model["terms"], **arguments)


def theirs(rows, column):
    return [row[column] for row in rows]


@pytest.mark.parametrize(
    ("name", "key", "df_complete"),
    [
        ("lm1", "lm1", np.inf),
        ("lm1", "lm1_df.com", 1114),
        ("me1", "me1", np.inf),
        ("me1", "me1_df.com_1114", 1114),
        ("me1", "me1_df.com_45", 45),
    ],
)
def test_equals_mitml(name, key, df_complete):
    rows = REFERENCE[name]["mitml"][key]["estimates"]
    table = pool_reference(name, df_complete=df_complete).table
    assert list(table.columns) == COLUMNS
    assert list(table["term"]) == theirs(rows, "parameter")
    for ours, column in {
        "estimate": "Estimate",
        "std_error": "Std.Error",
        "statistic": "t.value",
        "df": "df",
        "p_value": "P(>|t|)",
        "riv": "RIV",
        "fmi": "FMI",
    }.items():
        # mitml takes p values as 2 (1 - P(t)), which leaves an absolute error of 1e-16.
        atol = 1e-15 if ours == "p_value" else 0
        np.testing.assert_allclose(table[ours], theirs(rows, column), rtol=RTOL, atol=atol, err_msg=ours)


@pytest.mark.parametrize("name", ["lm1", "me1"])
def test_confidence_limits_equal_mitml(name):
    rows = REFERENCE[name]["mitml_confint_95"]
    table = pool_reference(name).table
    np.testing.assert_allclose(table["conf_low"], theirs(rows, "lower"), rtol=RTOL)
    np.testing.assert_allclose(table["conf_high"], theirs(rows, "upper"), rtol=RTOL)


@pytest.mark.parametrize(("name", "df_complete"), [("lm1", 1114), ("me1", 1112)])
def test_equals_mice(name, df_complete):
    rows = REFERENCE[name]["mice"]
    table = pool_reference(name, df_complete=df_complete).table
    for ours, column in {"df": "df", "lambda": "lambda", "fmi": "fmi", "conf_low": "X2.5.."}.items():
        np.testing.assert_allclose(table[ours], theirs(rows, column), rtol=RTOL, err_msg=ours)


def test_level_sets_the_width_of_the_interval():
    from scipy.stats import t

    wide = pool_reference("lm1", level=0.99).table
    np.testing.assert_allclose(wide["conf_high"] - wide["estimate"], t.ppf(0.995, wide["df"]) * wide["std_error"])


def test_covariance_is_labelled_and_total():
    pooled = pool_reference("lm1")
    assert list(pooled.covariance.columns) == REFERENCE["lm1"]["terms"]
    np.testing.assert_allclose(np.sqrt(np.diag(pooled.covariance)), pooled.table["std_error"], rtol=1e-12)
    coef, vcov = np.array(REFERENCE["lm1"]["coef"]), np.array(REFERENCE["lm1"]["vcov"])
    expected = vcov[:, 0, 1].mean() + 1.2 * np.cov(coef[:, 0], coef[:, 1])[0, 1]
    np.testing.assert_allclose(pooled.covariance.loc["(Intercept)", "ravens"], expected, rtol=1e-12)


def mixed_fits():
    model = REFERENCE["me1"]
    return [
        Estimates(
            tuple(model["terms"]),
            np.array(coef),
            np.array(vcov),
            random=RandomEffects("school", ("Intercept",), np.array([[between]])),
            residual_variance=residual,
        )
        for coef, vcov, (between, residual) in zip(model["coef"], model["vcov"], model["variances"], strict=True)
    ]


def test_random_effects_and_icc_equal_mitml():
    extra = theirs(REFERENCE["me1"]["mitml"]["me1"]["extra_pars"], "estimate")
    pooled = combine(mixed_fits())
    ours = pooled.random_effects.set_index("term")["estimate"]
    np.testing.assert_allclose(ours[["var(Intercept|school)", "var(residual)"]], extra[:2], rtol=RTOL)
    np.testing.assert_allclose(ours[["sd(Intercept|school)", "sd(residual)"]], np.sqrt(extra[:2]), rtol=RTOL)
    np.testing.assert_allclose(pooled.icc, extra[2], rtol=RTOL)


def test_random_slopes_give_covariances_and_no_icc():
    random = [np.array([[4.0, 1.0], [1.0, 9.0]]), np.array([[2.0, -2.0], [-2.0, 7.0]])]
    fits = [
        Estimates(("x",), np.ones(1), np.eye(1), random=RandomEffects("g", ("Intercept", "x"), matrix), residual_variance=1)
        for matrix in random
    ]
    pooled = combine(fits)
    ours = pooled.random_effects.set_index("term")["estimate"].to_dict()
    assert ours == {
        "var(Intercept|g)": 3.0,
        "var(x|g)": 8.0,
        "cov(Intercept,x|g)": -0.5,
        "var(residual)": 1.0,
        "sd(Intercept|g)": np.sqrt(3.0),
        "sd(x|g)": np.sqrt(8.0),
        "sd(residual)": 1.0,
        "cor(Intercept,x|g)": -0.5 / np.sqrt(24.0),
    }
    assert pooled.icc is None


def test_single_level_results_have_no_random_effects():
    pooled = pool_reference("lm1")
    assert pooled.random_effects.empty
    assert pooled.icc is None


@pytest.mark.parametrize(("df_complete", "df"), [(np.inf, np.inf), (10, 10 * 11 / 13)])
def test_no_variance_between_imputations(df_complete, df):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = pool([[2.0], [2.0]], [[0.25], [0.25]], df_complete=df_complete).table
    assert table.loc[0, ["std_error", "riv", "lambda"]].tolist() == [0.5, 0, 0]
    np.testing.assert_allclose(table.loc[0, "df"], df)
    np.testing.assert_allclose(table.loc[0, "fmi"], 0 if np.isinf(df) else 2 / (df + 3))


def test_interval_with_infinite_df_is_normal():
    table = pool([[0.0], [0.0]], [[1.0], [1.0]]).table
    np.testing.assert_allclose(table.loc[0, "conf_high"], 1.959963984540054)


@pytest.mark.parametrize("df_complete", [np.inf, 20])
def test_no_variance_within_imputations(df_complete):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = pool([[1.0], [3.0]], [[0.0], [0.0]], df_complete=df_complete).table
    assert table.loc[0, ["riv", "lambda", "fmi", "df"]].tolist() == [np.inf, 1, 1, 1]
    np.testing.assert_allclose(table.loc[0, "std_error"], np.sqrt(1.5 * 2))


def test_no_variance_at_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = pool([[1.0], [1.0]], [[0.0], [0.0]]).table.loc[0]
    assert row[["std_error", "riv", "lambda", "conf_low", "conf_high"]].tolist() == [0, 0, 0, 1, 1]
    assert np.isnan(row["statistic"])


def test_squared_standard_errors_leave_covariances_unknown():
    full = pool([[1.0, 2], [2, 3]], [np.eye(2), np.eye(2)])
    diagonal = pool([[1.0, 2], [2, 3]], [[1.0, 1], [1, 1]])
    pd.testing.assert_frame_equal(full.table, diagonal.table)
    assert np.isnan(diagonal.covariance.loc["b1", "b2"])


def test_smallest_df_of_the_fits_is_the_default():
    fits = [Estimates(("x",), np.array([value]), np.eye(1), df_complete=df) for value, df in [(1.0, 30), (2.0, 25)]]
    assert combine(fits).df_complete == 25
    assert combine(fits, df_complete=np.inf).df_complete == np.inf


def test_labels_come_from_series_and_are_matched_by_name():
    estimate = pd.Series({"a": 1.0, "b": 2.0})
    variance = pd.Series({"b": 4.0, "a": 1.0})
    table = pool([estimate, estimate], [variance, variance]).table
    assert table["term"].tolist() == ["a", "b"]
    assert table["std_error"].tolist() == [1, 2]


def test_printing_shows_terms_icc_and_m():
    pooled = combine(mixed_fits())
    for text in (repr(pooled), pooled._repr_html_()):
        for part in ("5 imputations", "95 %", "fluent2", "4.5417", "var(Intercept|school)", "ICC 0.09895", "0.018"):
            assert part in text
    assert "<table" in pooled._repr_html_()
    assert "ICC" not in repr(pool_reference("lm1"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [[1.0]]), "There are 1 imputations. Rubin's rules need at least two"),
        (([], []), "There are 0 imputations"),
        (([[1.0], [2.0]], [[1.0]]), "There are 2 estimates, but 1 covariances"),
        (([[1.0], [2.0, 3.0]], [[1.0], [1.0, 1.0]]), r"Imputation 2 has other terms .* it has b2 in addition"),
        (([[1.0], [2.0]], [[1.0], [-1.0]]), "Imputation 2: The variance of b1 is negative"),
    ],
)
def test_wrong_results(arguments, message):
    with pytest.raises(AnalysisError, match=message):
        pool(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 95}, "The level is 95"),
        ({"df_complete": 0}, "df_complete is 0"),
        ({"df_complete": np.nan}, "df_complete is nan"),
        ({"names": ["a", "b"]}, "Imputation 1: The names a, b do not fit the 1 estimates"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(AnalysisError, match=message):
        pool([[1.0], [2.0]], [[1.0], [1.0]], **arguments)


def test_names_must_not_contradict_labels():
    with pytest.raises(AnalysisError, match=r"The names b do not fit the 1 estimates a\."):
        pool([{"a": 1.0}, {"a": 2.0}], [[1.0], [1.0]], names=["b"])

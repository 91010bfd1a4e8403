"""Pooled predictions against predictions of statsmodels for each table and Rubin's rules by hand."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit
from scipy.stats import t

from jmimpute.analysis.analyze import analyze
from jmimpute.errors import AnalysisError, FormulaError

NEW = pd.DataFrame({"x": [40.0, 55.0, 70.0], "kind": ["a", "c", "b"], "unused": [None, 1, 2]}, index=[7, 7, 9])


def make_tables(m=4, n=120):
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(n // 8), 8)
    tables = []
    for _ in range(m):
        x, kind = rng.normal(50, 10, n), rng.choice(["a", "b", "c"], n)
        eta = 0.05 * (x - 50) + (kind == "b") + 0.7 * rng.normal(size=n // 8)[school]
        tables.append(
            pd.DataFrame(
                {
                    "x": x,
                    "kind": kind,
                    "y": eta + rng.normal(size=n),
                    "passed": (eta + rng.logistic(size=n) > 0).astype(int),
                    "count": rng.poisson(np.exp(eta / 2)),
                    "school": school,
                }
            )
        )
    return tables


def columns(table):
    return np.column_stack([np.ones(len(table)), table["x"], table["kind"] == "b", table["kind"] == "c"]).astype(float)


def test_gaussian_equals_statsmodels_and_rubin():
    from statsmodels.regression.linear_model import OLS

    tables = make_tables()
    ours = analyze(tables, "y ~ x + kind").predict(NEW)
    theirs = [OLS(table["y"].to_numpy(), columns(table)).fit().get_prediction(columns(NEW)) for table in tables]
    values = np.array([each.predicted for each in theirs])
    between = 1.25 * values.var(axis=0, ddof=1)
    total = np.mean([each.se**2 for each in theirs], axis=0) + between
    np.testing.assert_allclose(ours["estimate"], values.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(ours["std_error"], np.sqrt(total), rtol=1e-8)
    share, nu = between / total, 120 - 4
    df = 1 / (share**2 / 3 + 1 / ((1 - share) * nu * (nu + 1) / (nu + 3)))
    np.testing.assert_allclose(ours["df"], df, rtol=1e-8)
    np.testing.assert_allclose(ours["conf_high"] - ours["estimate"], t.ppf(0.975, df) * np.sqrt(total), rtol=1e-8)
    assert list(ours.index) == [0, 1, 2]


@pytest.mark.parametrize(("family", "response", "inverse"), [("binomial", "passed", expit), ("poisson", "count", np.exp)])
def test_means_are_transformed_linear_predictors(family, response, inverse):
    analyses = analyze(make_tables(), f"{response} ~ x + kind", family=family)
    linear, means = analyses.predict(NEW, scale="link"), analyses.predict(NEW, level=0.95)
    for column in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(means[column], inverse(linear[column]), rtol=1e-12)
    step = 1e-6
    slope = (inverse(linear["estimate"] + step) - inverse(linear["estimate"] - step)) / (2 * step)
    np.testing.assert_allclose(means["std_error"], slope * linear["std_error"], rtol=1e-7)
    pooled = analyses.pool().table["estimate"].to_numpy()
    np.testing.assert_allclose(linear["estimate"], columns(NEW) @ pooled, rtol=1e-10)


def test_transformations_remember_their_table():
    tables = make_tables()
    plain = analyze(tables, "y ~ x + I(x**2) + kind").predict(NEW)
    for formula in ("y ~ center(x) + I(center(x)**2) + kind", "y ~ poly(x, 2) + kind", "y ~ scale(x) + I(scale(x)**2) + kind"):
        other = analyze(tables, formula).predict(NEW)
        np.testing.assert_allclose(other, plain, rtol=1e-6)


@pytest.mark.parametrize("make", [pl.from_pandas, lambda frame: pl.from_pandas(frame).to_arrow(), pd.DataFrame])
def test_any_table(make):
    analyses = analyze(make_tables(2), "y ~ x + kind + (1 | school)")
    rows = NEW[["x", "kind"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(analyses.predict(make(rows)), analyses.predict(rows))
    assert np.isinf(analyses.fits[0].df_complete)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ({"x": [1.0]}, AnalysisError, "no column 'kind'. A prediction needs x, kind"),
        ({"x": [1.0, np.nan], "kind": "a"}, AnalysisError, "Column 'x' is missing in rows 1"),
        ({"x": [1.0], "kind": ["z"]}, FormulaError, r"levels \(z\) in 'kind' are not present"),
    ],
)
def test_rows_that_cannot_be_predicted(rows, error, message):
    with pytest.raises(error, match=message):
        analyze(make_tables(2), "y ~ x + kind").predict(pd.DataFrame(rows))


def test_fits_without_predictions():
    tables = make_tables(2)
    with pytest.raises(AnalysisError, match="is a function, of which nothing is known"):
        analyze(tables, lambda table: ({"a": 1.0}, [1.0])).predict(NEW)
    with pytest.raises(AnalysisError, match="came one by one and are gone"):
        analyze(iter(tables), "y ~ x").predict(NEW)
    with pytest.raises(AnalysisError, match="family 'nominal' would be one number a category"):
        analyze(tables, "kind ~ x", family="nominal").predict(NEW)
    with pytest.raises(AnalysisError, match="There are 1 imputations"):
        analyze(tables[:1], "y ~ x").predict(NEW)
    with pytest.raises(AnalysisError, match="scale 'odds' is not known. Choose 'response' or 'link'"):
        analyze(tables, "y ~ x").predict(NEW, scale="odds")
    with pytest.raises(AnalysisError, match="level"):
        analyze(tables, "y ~ x").predict(NEW, level=95)

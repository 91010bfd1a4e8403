"""Marginal means, contrasts and slopes: closed forms of linear models, and numerical derivatives of others."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.margins import _holm
from jmimpute.errors import AnalysisError, FormulaError


def make_tables(m=3, n=120):
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(n // 8), 8)
    tables = []
    for _ in range(m):
        x, kind = rng.uniform(1, 9, n), rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
        eta = 0.4 * (x - 5) + (kind == "b") + rng.normal(size=n // 8)[school]
        tables.append(
            pd.DataFrame(
                {
                    "x": x,
                    "kind": pd.Categorical(kind, categories=["a", "b", "c", "never"]),
                    "old": rng.random(n) < 0.5,
                    "y": eta + rng.normal(size=n),
                    "passed": (eta + rng.logistic(size=n) > 0).astype(int),
                    "school": school,
                }
            )
        )
    return tables


def test_means_of_a_linear_model_are_its_coefficients_at_the_mean():
    tables = make_tables()
    analyses = analyze(tables, "y ~ x + kind")
    margins = analyses.margins("kind")
    assert margins.table["term"].tolist() == ["kind[a]", "kind[b]", "kind[c]"]
    values, variances = [], []
    for fit, table in zip(analyses, tables, strict=True):
        rows = np.column_stack([np.ones(3), np.full(3, table["x"].mean()), [0, 1, 0], [0, 0, 1]])
        values.append(rows @ fit.values)
        variances.append(np.diag(rows @ fit.covariance @ rows.T))
    np.testing.assert_allclose(margins.table["estimate"], np.mean(values, axis=0), rtol=1e-10)
    total = np.mean(variances, axis=0) + 4 / 3 * np.var(values, axis=0, ddof=1)
    np.testing.assert_allclose(margins.table["std_error"] ** 2, total, rtol=1e-8)
    assert margins.df_complete == 116


def test_contrasts_of_a_linear_model_are_its_coefficients():
    analyses = analyze(make_tables(), "y ~ x + kind")
    contrast = analyses.contrast("kind", adjust="holm").table
    assert contrast["term"].tolist() == ["kind[b] - kind[a]", "kind[c] - kind[a]", "kind[c] - kind[b]"]
    pooled = analyses.pool().table
    for column in ("estimate", "std_error", "df", "p_value", "conf_low"):
        np.testing.assert_allclose(contrast[column][:2], pooled[column][2:], rtol=1e-8)
    np.testing.assert_array_equal(contrast["p_adjusted"], _holm(contrast["p_value"].to_numpy()))


def test_the_slope_of_a_linear_model_is_its_coefficient():
    analyses = analyze(make_tables(), "y ~ x + kind")
    ours, theirs = analyses.slope("x").table.iloc[0], analyses.pool().table.iloc[1]
    np.testing.assert_allclose(
        ours[["estimate", "std_error", "df"]].astype(float), theirs[["estimate", "std_error", "df"]].astype(float), rtol=1e-7
    )


@pytest.mark.parametrize("scale", ["response", "link"])
def test_a_logistic_model_by_numbers(scale):
    """Means of each table, with the gradient by differences of coefficients."""
    tables = make_tables()
    analyses = analyze(tables, "passed ~ x * kind + old", family="binomial")
    inverse = expit if scale == "response" else np.asarray
    margins = analyses.margins("kind", at={"old": True}, scale=scale)

    def means(values, table):
        x, found = table["x"].to_numpy(), []
        for b, c in ((0, 0), (1, 0), (0, 1)):
            ones = np.ones(len(x))
            rows = np.column_stack([ones, x, b * ones, c * ones, b * x, c * x, ones])
            found.append(inverse(rows @ values).mean())
        return np.array(found)

    assert analyses.fits[0].names == ("Intercept", "x", "kind[b]", "kind[c]", "x:kind[b]", "x:kind[c]", "old")
    estimates, variances = [], []
    for fit, table in zip(analyses, tables, strict=True):
        steps = 1e-6 * np.eye(len(fit.values))
        gradient = np.array([means(fit.values + s, table) - means(fit.values - s, table) for s in steps]).T / 2e-6
        estimates.append(means(fit.values, table))
        variances.append(np.diag(gradient @ fit.covariance @ gradient.T))
    total = np.mean(variances, axis=0) + 4 / 3 * np.var(estimates, axis=0, ddof=1)
    np.testing.assert_allclose(margins.table["estimate"], np.mean(estimates, axis=0), rtol=1e-9)
    np.testing.assert_allclose(margins.table["std_error"], np.sqrt(total), rtol=1e-6)


def test_the_slope_of_a_logistic_model_is_the_average_derivative():
    tables = make_tables()
    analyses = analyze(tables, "passed ~ log(x)", family="binomial")
    found = []
    for fit, table in zip(analyses, tables, strict=True):
        p = expit(fit.values[0] + fit.values[1] * np.log(table["x"]))
        found.append((p * (1 - p) * fit.values[1] / table["x"]).mean())
    np.testing.assert_allclose(analyses.slope("x").table["estimate"], np.mean(found), rtol=1e-6)
    at_two = [
        expit(fit.values[0] + fit.values[1] * np.log(2)) * expit(-fit.values[0] - fit.values[1] * np.log(2)) * fit.values[1] / 2
        for fit in analyses
    ]
    np.testing.assert_allclose(analyses.slope("x", at={"x": 2}).table["estimate"], np.mean(at_two), rtol=1e-6)


def test_over_clusters_is_the_integral_over_random_effects():
    tables = make_tables()
    analyses = analyze(tables, "passed ~ x + kind + (1 | school)", family="binomial")
    margins = analyses.margins("kind", values=["b"], at={"x": 5.0}, over_clusters=True)
    u = np.linspace(-9, 9, 4001)
    weights = norm.pdf(u) / norm.pdf(u).sum()
    expected = [expit(fit.values @ [1, 5, 1, 0] + np.sqrt(fit.random.covariance[0, 0]) * u) @ weights for fit in analyses]
    np.testing.assert_allclose(margins.table["estimate"], np.mean(expected), rtol=1e-8)
    typical = analyses.margins("kind", values=["b"], at={"x": 5.0})
    assert abs(typical.table["estimate"][0] - 0.5) > abs(margins.table["estimate"][0] - 0.5)


@pytest.mark.filterwarnings("ignore::jmimpute.errors.AnalysisWarning")  # the slopes do not vary
def test_over_clusters_changes_no_linear_model_and_takes_slopes():
    analyses = analyze(make_tables(), "y ~ x + kind + (1 + x | school)")
    for over in (False, True):
        table = analyses.margins("kind", over_clusters=over).table
        np.testing.assert_allclose(table["std_error"], analyses.margins("kind").table["std_error"], rtol=1e-10)
        np.testing.assert_allclose(table["estimate"], analyses.margins("kind").table["estimate"], rtol=1e-10)


def test_holm():
    np.testing.assert_allclose(_holm(np.array([0.01, 0.04, 0.03, 0.5])), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(_holm(np.array([0.6, 0.7])), [1.0, 1.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: a.margins("x"), AnalysisError, r"numeric: give the values to compare, values=\[...\], or .* slope\('x'\)"),
        (lambda a: a.margins("school"), AnalysisError, "no column 'school'. It has 'x', 'kind' or 'old'"),
        (lambda a: a.margins("kind", at={"height": 1}), AnalysisError, "no column 'height'"),
        (lambda a: a.margins("kind", at={"kind": "a"}), AnalysisError, "Leave it out of 'at'"),
        (lambda a: a.margins("kind", ["a", "a"]), AnalysisError, "must be different"),
        (lambda a: a.margins("kind", ["z"]), FormulaError, r"levels \(z\) in 'kind'"),
        (lambda a: a.margins("kind", scale="odds"), AnalysisError, "scale 'odds'"),
        (lambda a: a.margins("kind", over_clusters=True), AnalysisError, "no random effects to average over"),
        (lambda a: a.contrast("kind", ["a"]), AnalysisError, "at least two values"),
        (lambda a: a.contrast("kind", adjust="tukey"), AnalysisError, "'tukey' is not known. Choose 'holm'"),
        (lambda a: a.slope("kind"), AnalysisError, "'kind' is category. A slope needs numbers"),
        (lambda a: a.slope("old"), AnalysisError, "'old' is bool. A slope needs numbers"),
    ],
)
def test_what_cannot_be_asked(call, error, message):
    with pytest.raises(error, match=message):
        call(analyze(make_tables(2), "y ~ x + kind + old"))

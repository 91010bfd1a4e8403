"""Analyses of several tables: what is collected, warned of and refused."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisError, AnalysisWarning

SHARED = Path(__file__).parents[2].parent / "shared" / "reference"


def make_tables(m=3, school_sd=2.0):
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(15), 6)
    tables = []
    for _ in range(m):
        x = rng.normal(size=90)
        y = 1 + 2 * x + school_sd * rng.normal(size=15)[school] + rng.normal(size=90)
        tables.append(pd.DataFrame({"y": y, "x": x, "kind": rng.choice(["a", "b"], 90), "school": school}))
    return tables


def spread_evenly(table):
    """Leave no difference between schools at all, so that their variance is estimated as zero."""
    return table.assign(y=table["y"] - table.groupby("school")["y"].transform("mean"), x=table["x"] * 0 + np.tile(range(6), 15))


def means(table):
    return {"x": table["x"].mean(), "y": table["y"].mean()}, np.diag([0.1, 0.2])


@pytest.mark.parametrize(
    ("name", "formula", "options", "rtol"),
    [
        ("lm1_df.com", "english ~ ravens + sex + fluent", {}, 1e-9),
        ("me1", "english ~ ravens + sex + fluent + (1 | school)", {}, 1e-6),
        ("ml1", "english ~ ravens + sex + fluent + (1 | school)", {"reml": False}, 1e-6),
    ],
)
def test_from_completed_tables_to_mitml(name, formula, options, rtol):
    if not (SHARED / "jsp_completed_m5.csv.gz").exists():
        pytest.skip(f"the full reference results are not at {SHARED}")
    frame = pd.read_csv(SHARED / "jsp_completed_m5.csv.gz", dtype={"school": str, "fluent": str})
    theirs = json.loads((SHARED / "jsp_c1_pooling_m5.json").read_text())["pooled_mitml"][name]
    pooled = analyze((table for _, table in frame.groupby("imputation")), formula, **options).pool()
    for ours, column in {"estimate": "Estimate", "std_error": "Std.Error", "df": "df", "fmi": "FMI"}.items():
        np.testing.assert_allclose(pooled.table[ours], [row[column] for row in theirs["estimates"]], rtol=rtol)
    extra = {row["parameter"]: row["estimate"] for row in theirs["extra_pars"]}
    ours = pooled.random_effects.set_index("term")["estimate"]
    np.testing.assert_allclose(ours["var(residual)"], extra["Residual~~Residual"], rtol=rtol)
    if "ICC|school" in extra:
        np.testing.assert_allclose(pooled.icc, extra["ICC|school"], rtol=rtol)
        np.testing.assert_allclose(ours["var(Intercept|school)"], extra["Intercept~~Intercept|school"], rtol=rtol)


def test_collects_one_fit_a_table():
    analyses = analyze(iter(make_tables(3)), "y ~ x + kind")
    assert len(analyses) == 3
    assert all(isinstance(fit, Estimates) for fit in analyses)
    assert analyses.pool().m == 3
    assert analyses.pool().df_complete == 87
    assert analyses.pool(df_complete=np.inf).df_complete == np.inf
    assert analyses.pool(level=0.5).level == 0.5
    assert analyze(make_tables(), "y ~ x + (1 | school)").pool().df_complete == np.inf


def test_to_frame():
    analyses = analyze(make_tables(2), "y ~ x")
    frame = analyses.to_frame()
    assert list(frame.columns) == ["imputation", "term", "estimate", "std_error"]
    assert frame["imputation"].tolist() == [1, 1, 2, 2]
    assert frame["term"].tolist() == ["Intercept", "x"] * 2
    np.testing.assert_array_equal(frame["estimate"], np.concatenate([fit.values for fit in analyses]))
    np.testing.assert_allclose(frame["std_error"] ** 2, [v for fit in analyses for v in np.diag(fit.covariance)])


def test_printing_shows_model_terms_and_problems():
    with pytest.warns(AnalysisWarning):
        analyses = analyze([make_tables(1)[0], spread_evenly(make_tables(1)[0])], "y ~ x + (1 | school)")
    slopes = [fit.values[1] for fit in analyses]
    for part in (
        "2 fits of y ~ x + (1 | school)",
        "gaussian",
        "statsmodels",
        f"{max(slopes):.5g}",
        f"{min(slopes):.5g}",
    ):
        assert part in repr(analyses)
    assert "imputations 2: singular" in repr(analyses)
    assert "means (a function)" in repr(analyze(make_tables(2), means))


def test_reml_is_passed_on():
    restricted = analyze(make_tables(1), "y ~ x + (1 | school)").fits[0]
    ordinary = analyze(make_tables(1), "y ~ x + (1 | school)", reml=False).fits[0]
    assert ordinary.random.covariance[0, 0] < restricted.random.covariance[0, 0]


def test_family_is_passed_on():
    fit = analyze(make_tables(1), "kind ~ x", family="binomial").fits[0]
    assert fit.residual_variance is None
    assert fit.df_complete == 88


def test_functions_are_pooled():
    tables = make_tables(4)
    row = analyze(tables, means).pool().table.set_index("term").loc["y"]
    values = [table["y"].mean() for table in tables]
    np.testing.assert_allclose(row["estimate"], np.mean(values))
    np.testing.assert_allclose(row["std_error"], np.sqrt(0.2 + 1.25 * np.var(values, ddof=1)))


def test_functions_may_return_statsmodels_results():
    from statsmodels.regression.linear_model import OLS

    def fit(table):
        return OLS(table["y"], table[["x"]].assign(constant=1.0)).fit()

    ours = analyze(make_tables(3), "y ~ x").pool().table.set_index("term")
    theirs = analyze(make_tables(3), fit).pool().table.set_index("term")
    np.testing.assert_allclose(theirs.loc[["constant", "x"]], ours.loc[["Intercept", "x"]], rtol=1e-9)


def test_functions_may_return_results_of_other_models():
    """Of those that statsmodels has beside linear ones: what they name is taken as they name it."""
    import statsmodels.formula.api as models
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    def ordered(table):
        return OrderedModel((table["y"] > 0).astype(int) + (table["y"] > 2), table[["x"]], distr="probit").fit(disp=False)

    fits = {
        "gee": lambda table: models.gee("y ~ x", "school", table).fit(),
        "mixedlm": lambda table: models.mixedlm("y ~ x", table, groups="school").fit(),
        "robust": lambda table: models.rlm("y ~ x", table).fit(),
        "ordered": ordered,
    }
    pooled = {name: analyze(make_tables(2), fit).pool().table for name, fit in fits.items()}
    for name in ("gee", "mixedlm", "robust"):
        assert pooled[name]["term"].tolist() == ["Intercept", "x"], "of a MixedLM only the fixed effects"
        assert abs(pooled[name]["estimate"][1] - 2) < 0.7
    assert pooled["ordered"]["term"].tolist() == ["x", "0/1", "1/2"]


def test_problems_are_warned_of_once():
    tables = make_tables(5)
    tables[1], tables[3] = spread_evenly(tables[1]), spread_evenly(tables[3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        analyze(tables, "y ~ x + (1 | school)")
    assert [warning.category for warning in caught] == [AnalysisWarning]
    assert str(caught[0].message).startswith("2 of 5 fits: singular")
    assert str(caught[0].message).endswith("Imputations 2, 4.")
    assert caught[0].filename == __file__


def test_good_fits_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analyze(make_tables(3), "y ~ x + (1 | school)")


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("y ~ height", {}, "Imputation 1: .*'height', which is not a column"),
        ("y ~ x", {"engine": "lme4"}, "engine 'lme4' is not known. Choose 'statsmodels', 'gee' or 'bambi', or give"),
        ("y ~ x", {"family": "gamma"}, "Imputation 1: The family 'gamma' is not known"),
        ("y ~ x", {"draws": 5, "reml": True}, "engine 'statsmodels' has no setting 'draws'. It has 'reml'"),
        (means, {"reml": False}, "function has no settings of an engine, such as reml"),
        (3, {}, "must be a formula or a function, not int"),
        (lambda table: None, {}, "Imputation 1: The analysis returned NoneType"),
        (lambda table: table["nothing"], {}, "Imputation 1: the analysis raised KeyError: 'nothing'"),
    ],
)
def test_wrong_models(model, arguments, message):
    with pytest.raises(AnalysisError, match=message):
        analyze(make_tables(2), model, **arguments)


def test_the_imputation_at_fault_is_named():
    tables = make_tables(3)
    tables[1].loc[5, "x"] = np.nan
    with pytest.raises(AnalysisError, match="Imputation 2: Column 'x' has missing values in 1 rows"):
        analyze(tables, "y ~ x")


def test_fits_with_other_terms_are_refused():
    tables = make_tables(3)
    tables[2]["kind"] = tables[2]["kind"].replace("b", "c")
    with pytest.raises(AnalysisError, match=r"Imputation 3 has other terms .* lacks kind\[b\] and has kind\[c\] in addition"):
        analyze(tables, "y ~ kind")


def test_terms_in_another_order_are_refused():
    orders = iter([["x", "y"], ["y", "x"]])
    with pytest.raises(AnalysisError, match="Imputation 2 has other terms than imputation 1: it has another order"):
        analyze(make_tables(2), lambda table: (dict.fromkeys(next(orders), 1.0), [1.0, 1.0]))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], "no completed tables"),
        (pd.DataFrame({"y": [1.0]}), "as a list, one DataFrame an imputation"),
        (["y"], "Imputation 1 is str. Completed tables must be pandas DataFrames"),
    ],
)
def test_wrong_tables(tables, message):
    with pytest.raises(AnalysisError, match=message):
        analyze(tables, "y ~ x")


def test_one_imputation_is_analysed_but_not_pooled():
    analyses = analyze(make_tables(1), "y ~ x")
    with pytest.raises(AnalysisError, match="There are 1 imputations"):
        analyses.pool()

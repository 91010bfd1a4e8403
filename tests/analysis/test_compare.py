"""Methods beside each other: what each row is, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.analysis.analyze import analyze
from jmimpute.errors import AnalysisError, AnalysisWarning, FormulaError
from tests.analysis.compared import FORMULA, complete, drawn, imputations, incomplete

SHOWN = ["estimate", "std_error", "df", "conf_low", "conf_high", "riv", "fmi"]


@pytest.fixture(scope="module")
def sources():
    return {"first": imputations(5, 1), "second": imputations(8, 2, centre=1.0)}


@pytest.fixture(scope="module")
def comparison(sources):
    return jm.compare(sources, FORMULA, truth=complete())


def rows(comparison, method):
    table = comparison.table
    return table[table["method"] == method].set_index("term")


def test_sources_are_pooled_as_they_are_alone(comparison, sources):
    for name, source in sources.items():
        pooled = source.analyze(FORMULA).pool()
        own = rows(comparison, name)
        fixed, random = own[own["part"] == "fixed"], own[own["part"] == "random"]
        pd.testing.assert_frame_equal(fixed[SHOWN], pooled.table.set_index("term")[SHOWN], check_names=False)
        theirs = pooled.random_effects.set_index("term")
        shown = ["sd(Intercept|school)", "sd(residual)"]
        columns = ["estimate", "std_error", "conf_low", "conf_high", "riv", "fmi"]
        pd.testing.assert_frame_equal(random.loc[shown, columns], theirs.loc[shown, columns], check_names=False)
        assert random.index.tolist() == [*shown, "icc"]
        assert random.loc["icc", "estimate"] == pooled.icc
        assert tuple(random.loc["icc", ["conf_low", "conf_high"]]) == pooled.icc_interval
        assert (own["m"] == source.m).all() and (own["rows"] == 240).all()


def test_monte_carlo_errors_are_those_of_the_jackknife(comparison, sources):
    """Of estimates sqrt(B / m), as `monte_carlo_error` has it; of variance components from results without one imputation."""
    for name, source in sources.items():
        analyses = source.analyze(FORMULA)
        theirs = analyses.monte_carlo_error().table.set_index("term")["estimate"]
        own = rows(comparison, name)["mc_error"]
        np.testing.assert_allclose(own[theirs.index], theirs)
        m = len(analyses)
        left = [type(analyses)((*analyses.fits[:i], *analyses.fits[i + 1 :]), "", None, None).pool() for i in range(m)]
        components = np.array([each.random_effects.set_index("term").loc["sd(residual)", "estimate"] for each in left])
        iccs = np.array([each.icc for each in left])
        for term, values in (("sd(residual)", components), ("icc", iccs)):
            assert own[term] == pytest.approx(np.sqrt((m - 1) * values.var())), term


def test_correlations_have_monte_carlo_errors_too():
    source = imputations(4)
    formula = "y ~ x + (1 + x | school)"
    term = "cor(Intercept,x|school)"
    row = rows(jm.compare({"a": source}, formula), "a").loc[term]
    fits = source.analyze(formula).fits
    left = []
    for i in range(4):
        covariance = np.mean([fit.random.covariance for k, fit in enumerate(fits) if k != i], axis=0)
        left.append(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert row["mc_error"] == pytest.approx(np.sqrt(3 * np.var(left)))


def test_two_imputations_are_enough():
    own = rows(jm.compare({"a": imputations(2)}, FORMULA), "a")
    assert np.isfinite(own["mc_error"]).all() and (own["mc_error"] > 0).all()


@pytest.mark.parametrize("formula", [FORMULA, "y ~ x + sex"])
def test_complete_cases_are_the_rows_that_are_complete_in_the_analysis(formula):
    table = incomplete()
    table.loc[0, "note"] = np.nan  # of no concern
    cases = table.dropna(subset=["x", "y"])
    (fit,) = analyze([cases], formula)
    own = rows(jm.compare({"a": imputations(original=table)}, formula), "complete cases")
    fixed = own[own["part"] == "fixed"]
    np.testing.assert_allclose(fixed["estimate"], fit.values)
    np.testing.assert_allclose(fixed["std_error"], fit.std_errors)
    assert (own["rows"] == len(cases)).all() and own["m"].isna().all()
    assert (own["mc_error"] == 0).all() and own["riv"].isna().all()
    assert own.loc["sd(residual)", "estimate"] == pytest.approx(np.sqrt(fit.residual_variance))


def test_intervals_of_complete_cases_use_their_degrees_of_freedom():
    from statsmodels.regression.linear_model import OLS

    table = incomplete().dropna()
    own = rows(jm.compare({"a": imputations()}, "y ~ x", level=0.9), "complete cases").loc[["Intercept", "x"]]
    theirs = OLS(table["y"], np.column_stack([np.ones(len(table)), table["x"]])).fit()
    assert own["df"].tolist() == [len(table) - 2] * 2
    np.testing.assert_allclose(own[["conf_low", "conf_high"]], theirs.conf_int(alpha=0.1))


def test_complete_data_are_analysed_too(comparison):
    (fit,) = analyze([complete()], FORMULA)
    own = rows(comparison, "complete data")
    np.testing.assert_allclose(own.loc[list(fit.names), "estimate"], fit.values)
    assert comparison.names == ("complete cases", "first", "second", "complete data")


def test_true_values_by_term():
    comparison = jm.compare({"a": imputations()}, FORMULA, truth=pd.Series({"x": 0.5, "sd(residual)": 1.0}))
    own = rows(comparison, "truth")
    assert own["estimate"].to_dict() == {"x": 0.5, "sd(residual)": 1.0}
    assert own["part"].tolist() == ["fixed", "random"] and own["std_error"].isna().all()


def test_published_results_enter_the_same_table():
    frame = pd.DataFrame({"term": ["x", "icc"], "estimate": [0.4, 0.5], "std_error": [0.1, np.nan], "df": [10.0, np.nan]})
    own = rows(jm.compare({"a": imputations()}, FORMULA, published={"paper": frame}, level=0.9), "paper")
    assert own.loc["x", ["conf_low", "conf_high"]].tolist() == pytest.approx([0.4 - 0.18124611, 0.4 + 0.18124611])
    assert np.isnan(own.loc["icc", "conf_low"]) and own["mc_error"].isna().all() and own["m"].isna().all()
    limits = frame.drop(columns="df").assign(conf_low=0.1, conf_high=0.9, mc_error=0.01)
    own = rows(jm.compare({"a": imputations()}, FORMULA, published={"paper": limits}), "paper")
    assert own.loc["x", ["conf_low", "conf_high", "mc_error"]].tolist() == [0.1, 0.9, 0.01]


def test_published_results_without_any_imputations():
    frame = pd.DataFrame({"term": ["x"], "estimate": [0.4], "std_error": [0.1]})
    comparison = jm.compare({}, "y ~ x", published={"paper": frame}, data=incomplete())
    assert comparison.names == ("complete cases", "paper")
    assert comparison.differences()["reference"].unique().tolist() == ["complete cases"]


def test_functions_are_analyses():
    def means(table):
        return {"y": table["y"].mean(), "x": table["x"].mean()}, {"y": 0.1, "x": 0.2}

    table = incomplete()
    table.loc[table.index[table[["x", "y"]].notna().all(axis=1)][:9], "note"] = np.nan  # not imputed: of no concern
    source = imputations(original=table)
    comparison = jm.compare({"a": source}, means)
    own = rows(comparison, "complete cases")
    assert own.loc["y", "estimate"] == pytest.approx(table.dropna(subset=["x", "y"])["y"].mean()), "complete in all imputed"
    assert comparison.analysis == "means"
    assert rows(comparison, "a").loc["y", "estimate"] == pytest.approx(np.mean([each["y"].mean() for each in source]))
    own = rows(jm.compare({"a": source}, jm.mean("y")), "complete cases")
    assert own.loc["y", "estimate"] == pytest.approx(table["y"].mean()), "complete in the column that it says it uses"


def test_wide_is_as_in_papers(comparison):
    wide = comparison.wide()
    assert wide.columns.tolist() == list(comparison.names)
    assert wide.index.tolist() == [*comparison.terms, "imputations", "rows"]
    row = rows(comparison, "first").loc["x"]
    assert 0.01 < row["std_error"] < 0.1
    assert wide.loc["x", "first"] == f"{row['estimate']:.4f} ({row['std_error']:.4f})"
    assert wide.loc["imputations"].tolist() == ["", "5", "8", ""]
    numbers = comparison.wide("estimate")
    assert numbers.loc["icc", "second"] == rows(comparison, "second").loc["icc", "estimate"]
    with pytest.raises(AnalysisError, match="no column 'p_value'. Choose 'estimate'"):
        comparison.wide("p_value")


def timed(source, wall, cpu):
    """The same imputations, with what they took."""
    return replace(source, provenance={**source.provenance, "seconds": {"wall": wall, "cpu": cpu}})


def test_seconds_are_told_where_they_are_known(sources, comparison):
    assert comparison.table[["wall_seconds", "cpu_seconds"]].isna().all(axis=None), "and have no rows in the table of texts"
    first = timed(sources["first"], 2.0, 3.25)
    both = jm.concat([first, timed(imputations(3, 3), 10.0, 20.5)])
    halves = {"known": first, "unknown": sources["second"], "both": both, "half": jm.concat([first, sources["second"]])}
    paper = pd.DataFrame({"term": ["x"], "estimate": [0.4], "std_error": [0.1], "m": [100], "cpu_seconds": [5.9]})
    found = jm.compare(halves, FORMULA, published={"paper": paper})
    assert found.names == ("complete cases", "known", "unknown", "both", "half", "paper")
    wide = found.wide()
    assert wide.index[-4:].tolist() == ["imputations", "rows", "wall seconds", "CPU seconds"]
    assert wide.loc["imputations"].tolist() == ["", "5", "8", "8", "13", "100"]
    assert wide.loc["wall seconds"].tolist() == ["", "2.0", "", "12.0", "", ""]
    assert wide.loc["CPU seconds"].tolist() == ["", "3.2", "", "23.8", "", "5.9"]
    assert "CPU seconds" in repr(found) and "CPU seconds" in found._repr_html_()
    assert rows(found, "both").loc["x", ["wall_seconds", "cpu_seconds"]].tolist() == [12.0, 23.75]
    assert found.wide("cpu_seconds").loc["x", "paper"] == 5.9


def test_words(comparison):
    text, html = repr(comparison), comparison._repr_html_()
    n_cases = len(incomplete().dropna())
    for said in ("by 4 methods", "first: at most", "m = 5", f"Complete cases leave out {240 - n_cases} of 240 rows"):
        assert said in text and said in html, said
    odd = jm.compare({"a < b": imputations()}, FORMULA)
    assert "a &lt; b" in odd._repr_html_() and "a < b: at most" not in odd._repr_html_()


# What is refused


def changed(**columns):
    """Imputations of a table in which some columns are others."""
    return imputations(original=incomplete().assign(**columns))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": {}}, "There are no sources"),
        ({"sources": [1]}, "by the name of their method, not list"),
        ({"sources": {"a": pd.DataFrame()}}, "Source 'a' is DataFrame. Sources are Imputations"),
        ({"sources": {3: 1}}, "Source 3 is int"),
        ({"level": 95}, "The level is 95"),
        ({"published": {"a": None}}, "'a' is the name of a source and of published results"),
        ({"published": [1]}, "Give the published results by the name"),
        ({"truth": {"z": 1}}, "The truth: no method has the term 'z'. Terms: 'Intercept', 'x'"),
        ({"truth": {"x": np.nan}}, "The truth of x is not finite"),
        ({"truth": {"x": "one"}}, "The truth cannot be read as numbers"),
        ({"truth": complete().drop(columns="x")}, "has no column 'x'"),
        ({"truth": complete().head(100)}, "The table of 'truth' has 100 rows, that of 'the sources' 240"),
        ({"truth": complete(2)}, "Column 'y' is not the same in the tables of 'the sources' and 'truth'"),
        ({"truth": incomplete()}, "The complete table has missing values of 'y' in rows"),
        ({"data": incomplete().head(9)}, "The table of 'a' has 240 rows, that of 'data' 9"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(AnalysisError, match=message):
        jm.compare(**{"sources": {"a": imputations(2)}, "analysis": "y ~ x + sex", **arguments})


@pytest.mark.parametrize("name", ["complete cases", "truth", "complete data", " ", 3])
def test_names_that_the_comparison_needs_are_refused(name):
    message = "what the comparison itself adds" if str(name).strip() and name != 3 else "must be a text"
    with pytest.raises(AnalysisError, match=message):
        jm.compare({name: imputations(2)}, "y ~ x")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda: imputations(original=incomplete(2)),
            "Column 'y' is not the same in the tables of 'a' and 'b': 234 rows differ",
        ),
        (lambda: imputations(original=incomplete().head(239)), "The table of 'b' has 239 rows, that of 'a' 240"),
        (lambda: imputations(original=incomplete().drop(columns="sex")), "The table of 'b' has no column 'sex'"),
        (
            lambda: changed(sex=(incomplete()["sex"] == "girl").astype(int)),
            "Column 'sex' holds texts in the table of 'a' and numbers in that of 'b'",
        ),
        (lambda: imputations(original=incomplete().iloc[::-1].reset_index(drop=True)), "not the same .* in the same order"),
    ],
)
def test_other_tables_are_refused(other, message):
    with pytest.raises(AnalysisError, match=message):
        jm.compare({"a": imputations(2), "b": other()}, "y ~ x + sex")


def test_other_holes_are_refused():
    table = incomplete()
    table.loc[table.index[table["x"].notna()][0], "x"] = np.nan
    with pytest.raises(AnalysisError, match="Column 'x' is not the same .*: 1 rows differ"):
        jm.compare({"a": imputations(2), "b": imputations(2, original=table)}, "y ~ x")


def test_columns_that_the_analysis_does_not_use_may_differ():
    other = changed(note="other").assign(more="x * 2")
    assert jm.compare({"a": imputations(2), "b": other}, "y ~ x + sex").names[1:] == ("a", "b")
    categories = changed(sex=pd.Categorical(incomplete()["sex"]))
    assert jm.compare({"a": imputations(2), "b": categories}, "y ~ x + sex").terms[:3] == ("Intercept", "x", "sex[girl]")
    with pytest.raises(AnalysisError, match="Column 'note'"):
        jm.compare({"a": imputations(2), "b": other}, lambda table: ([table["y"].mean()], [1.0]))


def test_an_analysis_that_fails_for_one_source_names_it():
    half = jm.from_tables(incomplete(), [table.assign(y=incomplete()["y"]) for table in drawn(incomplete(), 3)], "school")
    with pytest.raises(AnalysisError, match="Source 'b': Imputation 1: Column 'y' has missing values"):
        jm.compare({"a": imputations(2), "b": half}, "y ~ x")
    with pytest.raises(AnalysisError, match="Source 'one': There are 1 imputations"):
        jm.compare({"one": imputations(1)}, "y ~ x")
    with pytest.raises(FormulaError, match="'z'"):
        jm.compare({"a": imputations(2)}, "y ~ z")


def test_without_complete_cases_there_is_a_note():
    table = incomplete()
    table["x"] = table["x"].where(table["y"].isna())
    with pytest.warns(AnalysisWarning, match="no estimates from complete cases: no row is complete"):
        comparison = jm.compare({"a": imputations(original=table)}, "y ~ x")
    assert (
        comparison.names == ("a",) and "no row is complete" in comparison.notes[0] and "no row is complete" in repr(comparison)
    )
    with pytest.raises(AnalysisError, match="There is no other method than 'a'"):
        comparison.differences()
    frame = pd.DataFrame({"term": ["x"], "estimate": [0.4], "std_error": [0.1]})
    with pytest.warns(AnalysisWarning), pytest.raises(AnalysisError, match="nothing to set the published results beside"):
        jm.compare({}, "y ~ x", published={"paper": frame}, data=table)


def test_problems_of_fits_are_told_with_the_method():
    level = incomplete()
    level["y"] = level["y"] - level.groupby("school")["y"].transform("mean")
    with pytest.warns(AnalysisWarning, match="singular") as seen:
        comparison = jm.compare({"a": imputations(3, original=level)}, "y ~ sex + (1 | school)")
    assert [str(warning.message) for warning in seen] == list(comparison.notes)
    assert comparison.notes[0].startswith("a: singular") and comparison.notes[0].endswith("(imputations 1, 2, 3).")
    assert comparison.notes[1].startswith("complete cases: singular") and "imputations" not in comparison.notes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="std_error"), "'paper' have no column 'std_error'"),
        (lambda frame: frame.assign(conf_low=0.0), "one of the columns conf_low and conf_high"),
        (lambda frame: frame.assign(estimate="?"), "'paper', column estimate cannot be read as numbers"),
        (lambda frame: frame.assign(estimate=np.nan), "no finite estimate of x"),
        (lambda frame: frame.assign(std_error=-1.0), "negative standard error of x"),
        (lambda frame: frame.assign(m=2.5), "'paper', column m: it is about all terms.* the same positive whole number"),
        (lambda frame: frame.assign(cpu_seconds=0.0), "column cpu_seconds: .* the same positive number"),
        (
            lambda frame: pd.concat([frame, frame.assign(term="Intercept")]).assign(rows=[1, 2]),
            "column rows: .* all rows must hold the same",
        ),
        (lambda frame: pd.concat([frame, frame]), "the term 'x' is there twice"),
        (lambda frame: frame.assign(term="(Intercept)"), r"no method has the term '\(Intercept\)'. Terms: 'Intercept', 'x'"),
    ],
)
def test_published_results_that_make_no_sense_are_refused(change, message):
    frame = pd.DataFrame({"term": ["x"], "estimate": [0.4], "std_error": [0.1]})
    with pytest.raises(AnalysisError, match=message):
        jm.compare({"a": imputations(2)}, "y ~ x", published={"paper": change(frame)})

"""What a report says is what the objects hold; what was not done is said; nothing is taken that does not belong together."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import AnalysisError, ExchangeError, ImputationError
from jmimpute.report.conclusions import judged
from jmimpute.report.numbers import number
from jmimpute.report.results import monte_carlo_errors
from tests.report.pages import ANALYSIS, Page, content, imputations, not_done, rows

SECTIONS = ["question", "data", "assumptions", "imputation_model", "software", "convergence", "imputed_values", "results"]
SECTIONS += ["sensitivity", "conclusions"]
pytestmark = pytest.mark.filterwarnings("ignore::jmimpute.errors.AnalysisWarning")


@pytest.fixture(scope="module")
def given():
    return imputations()


@pytest.fixture(scope="module")
def analyses(given):
    return given.analyze(ANALYSIS)


@pytest.fixture(scope="module")
def grid(given):
    return jm.sensitivity(given, "y", jm.shift([-4, -2, 0, 2]), "y ~ x", scope="marginal", progressbar=False)


@pytest.fixture(scope="module")
def tipping(given):
    return jm.tipping_point(given, "y", jm.shift(), "y ~ x", "x", range=(-8, 8), scope="marginal", progressbar=False)


@pytest.fixture(scope="module")
def full(given, analyses, grid, tipping):
    """All that can be given without a fit."""
    return jm.report(
        given,
        {"main": analyses, "short": given.analyze("y ~ x").pool()},
        sensitivity=[grid, tipping],
        plausible=(-2.5, 1),
        source="five teachers",
        title="A title",
        description="Does x act on y?",
        reasons={"y": "absent that day"},
    )


@pytest.fixture(scope="module")
def bare(given):
    """Nothing but imputations."""
    return jm.report(given)


def test_pooled_numbers_are_those_of_pool(full, analyses):
    pooled = analyses.pool()
    found = rows(full, "results", "pooled", of="main")
    expected = pooled.table.set_index("term")
    for column in ("estimate", "std_error", "conf_low", "conf_high", "df", "p_value", "fmi", "riv"):
        assert found.set_index("term")[column].to_numpy() == pytest.approx(expected[column].to_numpy(), rel=1e-12), column
    random = rows(full, "results", "random_effects", of="main")
    assert random["estimate"].to_numpy() == pytest.approx(pooled.random_effects["estimate"].to_numpy(), rel=1e-12)
    assert any(f"{pooled.icc:.3f}" in block.get("text", "") for block in content(full, "results"))


def test_the_page_shows_the_same_numbers_rounded(full, analyses):
    shown = Page(full.to_html()).table("Estimates pooled over")
    expected = rows(full, "results", "pooled", of="main")
    assert [row[0] for row in shown] == expected["term"].tolist()
    for place, column in enumerate(expected.columns[1:], start=1):
        for row, value in zip(shown, expected[column], strict=True):
            text = row[place].replace("<", "")
            assert float(text) == pytest.approx(value, rel=0.006, abs=0.0011), column


def test_monte_carlo_errors_are_those_of_the_jackknife(analyses):
    """That of a mean over imputations is sqrt(B / m)."""
    expected = analyses.monte_carlo_error().table["estimate"]
    assert monte_carlo_errors(analyses.pool()) == pytest.approx(expected.to_numpy(), rel=1e-10)


def test_complete_cases_stand_beside_imputations(full, given):
    expected = jm.compare({"imputed": given}, ANALYSIS).table
    found = rows(full, "results", "methods_numbers", of=ANALYSIS)
    key = ["method", "term"]
    both = found.merge(expected, on=key, suffixes=("", "_expected"), validate="one_to_one")
    assert len(both) == len(found) == len(expected)
    assert both["estimate"].to_numpy() == pytest.approx(both["estimate_expected"].to_numpy(), rel=1e-10)
    assert both["rows"].tolist() == both["rows_expected"].tolist()


def test_a_comparison_takes_the_place_of_complete_cases(given, analyses):
    comparison = jm.compare({"ours": given}, ANALYSIS)
    report = jm.report(given, analyses, comparison=comparison)
    tables = [block for block in content(report, "results") if block.get("table") == "methods"]
    assert [block["columns"] for block in tables] == [["term", "complete cases", "ours"]]


def test_missing_values_are_counted_by_variable_and_cluster(full, given):
    missing = given.original[["z", "y", "k"]].isna()
    by_variable = rows(full, "data", "missing").set_index("variable")
    assert by_variable["n_missing"].to_dict() == missing.sum().to_dict()
    assert by_variable["systematic"].to_dict() == {"z": 0, "y": 1, "k": 0}
    by_cluster = rows(full, "data", "missing_by_cluster").set_index("g")
    for name in missing:
        assert by_cluster[name].to_dict() == missing[name].groupby(given.original["g"]).sum().to_dict()
    assert by_cluster["without any value of"].fillna("").tolist() == [""] * 5 + ["y"]


def test_means_of_imputed_values_are_told(full, given):
    found = rows(full, "imputed_values", "means").set_index("variable")
    expected = jm.implied_means(given, "y").iloc[0]
    assert found.loc["y", "mean_missing"] == pytest.approx(expected["mean_missing"])
    assert found.loc["y", "mean_observed"] == pytest.approx(expected["mean_observed"])


def test_sensitivity_has_the_grid_the_tipping_point_and_where_the_range_comes_from(full, grid, tipping):
    found = rows(full, "sensitivity", "grid")
    assert found["estimate"].to_numpy() == pytest.approx(grid.table["estimate"].to_numpy())
    texts = [block["text"] for block in content(full, "sensitivity") if "text" in block]
    assert str(tipping) in texts
    assert texts.count("Plausible values of delta: -2.5 to 1. Source: five teachers.") == 2
    tried = rows(full, "sensitivity", "tipping_point")
    assert tried["delta"].is_monotonic_increasing and 0.0 in tried["delta"].tolist()
    assert {value for value in (tipping.below, tipping.above) if value is not None} <= set(tried["delta"])


def test_conclusions_say_what_the_numbers_say(full, grid):
    (said,) = [block["items"] for block in content(full, "conclusions") if "items" in block]
    inside = grid.table[(grid.table["term"] == "x") & grid.table["delta"].between(-2.5, 1)]
    assert len(inside) == 2
    low, high = inside["estimate"].min(), inside["estimate"].max()
    about = next(sentence for sentence in said if "in the plausible range of delta of y, -2.5 to 1" in sentence)
    assert f"from {low:.3f} to {high:.3f}" in about or f"from {low:.4f} to {high:.4f}" in about
    excluded = ((inside["conf_low"] > 0) | (inside["conf_high"] < 0)).sum()
    assert f"zero at {'all' if excluded == 2 else excluded or 'none'} of 2 points" in about
    pooled = rows(full, "results", "pooled", of="main").set_index("term")
    for term in ("x", "z"):
        verb = "excludes" if pooled.loc[term, "conf_low"] > 0 or pooled.loc[term, "conf_high"] < 0 else "includes"
        assert any(
            sentence.startswith("main:") and f"{verb} zero for" in sentence and f"{term} (" in sentence for sentence in said
        )


@pytest.mark.parametrize(
    ("below", "above", "plausible", "said"),
    [
        (-3.0, None, (-2, 1), "is the same as under missing at random throughout"),
        (-1.5, None, (-2, 1), "changes within the plausible range of delta, -2 to 1, at -1.5"),
        (-1.5, 0.5, (-2, 1), "at -1.5 and 0.5"),
        (-1.0, None, (-4, -2), "lies beyond the tipping point"),
        (None, 1.0, (2, 3), "lies beyond the tipping point"),
        (None, None, (-9, 1), "reaches beyond what was searched, -8 to 8"),
        (None, None, (-8, 8), "is the same as under missing at random throughout"),
    ],
)
def test_plausibility_of_tipping_points(tipping, below, above, plausible, said):
    assert said in judged(replace(tipping, below=below, above=above), plausible)


def test_all_sections_are_there_in_order_also_if_nothing_was_done(full, bare):
    for report in (full, bare):
        assert [section["name"] for section in report.to_dict()["sections"]] == SECTIONS
    assert not_done(bare, "question") == ["The question is not stated in words.", "No analysis of the imputations was given."]
    assert not_done(bare, "results") == ["No analysis of the imputations was given."]
    for section, words in {
        "assumptions": "is not recorded",
        "imputation_model": "is not recorded",
        "software": "seed",
        "convergence": "not judged",
        "sensitivity": "No sensitivity analysis",
        "conclusions": "no result",
    }.items():
        assert any(words in text for text in not_done(bare, section)), section
    assert not not_done(full, "sensitivity")


def test_a_grid_without_a_plausible_range_says_so(given, grid):
    report = jm.report(given, sensitivity=grid)
    assert any("No plausible range was stated" in text for text in not_done(report, "sensitivity"))


def test_adjusted_imputations_say_how(given):
    report = jm.report(given.delta("y", jm.shift(-1.5), scope="marginal"))
    items = [item for block in content(report, "assumptions") if "items" in block for item in block["items"]]
    assert any(item.startswith("y: shift of all missing values, delta -1.5") for item in items)


def test_chained_equations_are_told_with_their_convergence():
    pupils = jm.datasets.load("pupils").head(200).drop(columns=["pupil", "school"])
    made = jm.chained(pupils, dict.fromkeys(["reading", "maths", "motivation"], "norm"), m=4, iterations=8, random_seed=1,
                      progressbar=False)  # fmt: skip
    report = jm.report(made, made.analyze("reading ~ maths"))
    assert rows(report, "imputation_model", "equations")["method"].tolist() == list(
        made.provenance["chained"]["methods"].values()
    )
    verdict = next(block for block in content(report, "convergence") if "ok" in block)
    assert (verdict["ok"], verdict["messages"]) == (made.traces.ok, list(made.traces.messages))
    assert rows(report, "software", "software").set_index("setting").loc["seed", "value"] == "1"


def test_files_hold_the_same(full, tmp_path):
    full.save(tmp_path / "report.json")
    full.save(tmp_path / "report.html")
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == full.to_dict()
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == full.to_html()
    assert full._repr_html_().startswith('<iframe title="A title"')
    assert str(full).splitlines()[1] == "  1. Question and analysis model"
    with pytest.raises(ExchangeError, match="not as 'report.pdf'"):
        full.save(tmp_path / "report.pdf")
    with pytest.raises(ExchangeError, match="cannot be written"):
        full.save(tmp_path / "nowhere" / "report.html")


def test_parts_that_do_not_belong_together_are_refused(given, analyses, grid):
    other = imputations(m=3)
    for arguments, message, error in [
        ({"analyses": other.analyze("y ~ x")}, "is of 3 imputations, the report of 6", AnalysisError),
        ({"analyses": {"a": 3}}, "'a' is int", AnalysisError),
        ({"fit": 3}, "fit is int", ImputationError),
        ({"sensitivity": analyses}, "sensitivity is Analyses. Give 'Sensitivity' or 'TippingPoint'", ImputationError),
        ({"comparison": grid}, "comparison is Sensitivity", ImputationError),
        ({"plausible": (-1, 1), "source": "x"}, "belongs to a sensitivity analysis", ImputationError),
        ({"sensitivity": grid, "plausible": (-1, 1)}, "Say where the plausible range comes from", ImputationError),
        ({"sensitivity": grid, "plausible": (1, -1), "source": "x"}, "from a smaller to a larger", ImputationError),
        ({"sensitivity": grid, "plausible": 2, "source": "x"}, "pair of numbers", ImputationError),
        ({"sensitivity": grid, "plausible": {"z": (0, 1)}, "source": "x"}, "no sensitivity analysis of 'z'", ImputationError),
        ({"reasons": {"w": "x"}}, "no column", ImputationError),
        ({"reasons": "x"}, "Give reasons by variable", ImputationError),
    ]:
        with pytest.raises(error, match=message):
            jm.report(given, **arguments)
    with pytest.raises(ImputationError, match="not of Pooled"):
        jm.report(analyses.pool())


def test_complete_cases_that_cannot_be_analysed_do_not_keep_a_report_from_being_made(given):
    def mean(table):
        return pd.Series({"mean": table["y"].mean()}), np.array([table["y"].var() / len(table)])

    report = jm.report(given, {"own": given.analyze(mean)})
    assert any("own: complete cases were not analysed" in text for text in not_done(report, "results"))


WRITTEN = {
    0.0: "0.000",
    50.301: "50.30",
    -0.033026: "-0.03303",
    12345.6: "12346",
    3.2e-7: "3.200e-07",
    np.inf: "∞",
    np.nan: "–",
}


@pytest.mark.parametrize(("value", "text"), WRITTEN.items())
def test_numbers_have_four_digits(value, text):
    assert number(value) == text

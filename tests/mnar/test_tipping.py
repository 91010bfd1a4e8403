"""Tipping points are where the conclusion changes, found by the exact curve or by bracketing."""

import numpy as np
import pytest
from scipy.optimize import brentq

import jmimpute as jm
from jmimpute.errors import AnalysisError, ImputationError
from tests.mnar.problems import imputations

FORMULA, TERM = "y ~ arm + z", "z"


@pytest.fixture(scope="module")
def before():
    return imputations(10)


def tip(before, adjustment, analysis=FORMULA, term=TERM, **options):
    return jm.tipping_point(before, "y", adjustment, analysis, term, scope="marginal", progressbar=False, **options)


def row(before, adjustment, analysis=FORMULA, term=TERM):
    """The pooled term of imputations that are adjusted and analysed table by table."""
    table = before.delta("y", adjustment, scope="marginal").analyze(analysis).pool().table
    return table.set_index("term").loc[term]


def half(table):
    """Mean of y less 9, by a function: linear too, but not known to be."""
    return {"mean": table["y"].mean() - 9}, [table["y"].var() / len(table)]


CASES = {
    "shift": (lambda value: jm.shift(value), FORMULA, "Intercept", (-60, 60)),
    "by arm": (lambda value: jm.shift({"active": value, "control": 1}, by="arm"), FORMULA, "arm[control]", (-8, 8)),
    "scale": (lambda value: jm.scale(value), FORMULA, "arm[control]", (0.05, 20)),
}


@pytest.mark.parametrize("kind", CASES)
def test_exact_tipping_points_equal_brute_force(before, kind):
    make, analysis, term, limits = CASES[kind]
    found = tip(before, make(None), analysis, term, range=limits)
    roots = [value for value in (found.below, found.above) if value is not None]
    assert roots and found.value in roots
    for value in roots:

        def margin(amount):
            own = row(before, make(amount), analysis, term)
            return max(own["conf_low"], -own["conf_high"])

        width = 1e-2 * abs(value)
        brute = brentq(margin, value - width, value + width, xtol=1e-10)
        assert abs(brute - value) < 1e-6


def test_a_search_by_bracketing_finds_the_same_as_a_fine_grid(before):
    found = tip(before, jm.shift(), half, "mean", range=(-8, 2))
    assert len(found.table) < 40, "each point takes ten analyses"
    assert found.holds and found.above is None

    def margin(amount):
        own = row(before, jm.shift(amount), half, "mean")
        return max(own["conf_low"], -own["conf_high"])

    assert margin(found.value - 2e-3) * margin(found.value + 2e-3) < 0


@pytest.mark.parametrize("criterion", ["p<0.05", lambda own: own.p_value < 0.05, lambda own: 0.05 - own["p_value"]])
def test_criteria_that_mean_the_same_give_the_same(before, criterion):
    make, analysis, term, limits = CASES["by arm"]
    expected = tip(before, make(None), analysis, term, range=limits)
    found = tip(before, make(None), analysis, term, range=limits, criterion=criterion)
    assert (found.below is None) == (expected.below is None) and (found.above is None) == (expected.above is None)
    assert found.value == pytest.approx(expected.value, abs=1e-6)


def test_a_larger_effect_than_matters_is_lost_earlier(before):
    make, analysis, term, limits = CASES["shift"]
    loose = tip(before, make(None), analysis, term, range=limits)
    strict = tip(before, make(None), analysis, term, range=limits, criterion=lambda own: own.conf_low > 5)
    assert abs(strict.value) < abs(loose.value)
    estimate = row(before, jm.shift(strict.value), analysis, term)
    assert estimate["conf_low"] == pytest.approx(5, abs=1e-6)


def test_the_table_is_a_curve_through_missing_at_random(before):
    found = tip(before, jm.shift(), range=(-3, 4))
    assert found.table["delta"].is_monotonic_increasing and found.table["delta"].iloc[[0, -1]].tolist() == [-3.0, 4.0]
    at_mar = found.table.set_index("delta").loc[0.0]
    expected = row(before, jm.shift(0.0))
    np.testing.assert_allclose(at_mar[["estimate", "conf_low"]].astype(float), expected[["estimate", "conf_low"]].astype(float))
    assert at_mar["implied_mean"] == pytest.approx(before.values("y").mean()) and at_mar["holds"]


def test_the_text_says_it_in_plain_words(before):
    make, analysis, term, limits = CASES["shift"]
    found = tip(before, make(None), analysis, term, range=limits)
    text = str(found)
    assert f"holds unless the missing values of 'y' are {abs(found.value):.3g} lower than" in text and found.found
    shifted = before.values("y").mean() + found.value
    assert f"their mean is then {shifted:.4g}, not {before.values('y').mean():.4g}" in text
    by_arm = str(tip(before, jm.shift({"active": None, "control": 0}, by="arm"), FORMULA, "Intercept", range=(-60, 0)))
    assert "of 'y' with arm active are" in by_arm


def test_no_tipping_point_in_the_range_is_told_with_both_ends(before):
    found = tip(before, jm.shift(), FORMULA, "Intercept", range=(-0.5, 1))
    assert not found.found and found.value is None and found.holds
    ends = [row(before, jm.shift(value), FORMULA, "Intercept")["estimate"] for value in (-0.5, 1)]
    assert "does not change for delta from -0.5" in str(found)
    assert all(f"estimate {value:.4g}" in str(found) for value in ends)


def test_a_conclusion_that_does_not_hold_may_come_to_hold(before):
    found = tip(
        before,
        jm.shift({"active": None, "control": 0}, by="arm"),
        FORMULA,
        "arm[control]",
        range=(-9, 9),
        criterion=lambda own: own.estimate > 100,
    )
    assert not found.holds and not found.found
    other = tip(
        before,
        jm.shift({"active": None, "control": 0}, by="arm"),
        FORMULA,
        "arm[control]",
        range=(-9, 9),
        criterion=lambda own: -2 - own.estimate,
    )
    assert not other.holds and other.value > 0 and "changes if" in str(other)


def test_the_default_range_is_two_sds(before):
    sd = before.original["y"].std()
    assert tip(before, jm.shift()).limits == pytest.approx((-2 * sd, 2 * sd))
    assert tip(before, jm.shift(unit="sd_total")).limits == (-2, 2)
    assert tip(before, jm.scale()).limits == (0.25, 4)


def test_two_arms_make_a_contour(before):
    values = [-1.0, 0.0, 2.0]
    contour = jm.tipping_contour(
        before,
        "y",
        jm.shift({"active": None, "control": values}, by="arm"),
        FORMULA,
        "arm[control]",
        range=(-9, 9),
        scope="marginal",
        progressbar=False,
    )
    assert contour["delta[control]"].tolist() == values
    for control, own in zip(values, contour.itertuples(), strict=True):
        single = tip(before, jm.shift({"active": None, "control": control}, by="arm"), FORMULA, "arm[control]", range=(-9, 9))
        assert single.value == pytest.approx(own.value, abs=1e-9) and single.holds == own.holds


@pytest.mark.parametrize(
    ("adjustment", "options", "error", "message"),
    [
        (jm.shift(1), {}, ImputationError, "One amount must be left open; none is"),
        (jm.shift({"active": None, "control": None}, by="arm"), {}, ImputationError, "One amount must be left open; delta"),
        (jm.shift({"active": None, "control": [0, 1]}, by="arm"), {}, ImputationError, "use tipping_contour"),
        (-1.0, {}, ImputationError, "must be one of shift"),
        (jm.shift(), {"range": (1, 2)}, ImputationError, "about 0, which stands for missing at random"),
        (jm.scale(), {"range": (0, 2)}, ImputationError, "positive, about 1"),
        (jm.shift(), {"range": (0, 0)}, ImputationError, "The range"),
        (jm.shift(), {"range": 3}, ImputationError, "two numbers"),
        (jm.shift(), {"term": "sex"}, AnalysisError, "no term 'sex'. Choose 'Intercept'"),
        (jm.shift(), {"criterion": "significant"}, AnalysisError, "'significant' is not known"),
        (jm.shift(), {"criterion": "p<2"}, AnalysisError, "'p<2' is not known"),
        (jm.shift(), {"criterion": lambda own: None}, AnalysisError, "gave None"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(before, adjustment, options, error, message):
    with pytest.raises(error, match=message):
        tip(before, adjustment, **options)


def test_a_contour_needs_a_second_amount(before):
    with pytest.raises(ImputationError, match="no second amount"):
        jm.tipping_contour(before, "y", jm.shift(), FORMULA, TERM, scope="marginal", progressbar=False)

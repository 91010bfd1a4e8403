"""Grids of assumptions: linear analyses are exact, others are done point by point, and what was done is kept."""

import warnings

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import AnalysisError, AnalysisWarning, ImputationError, InterruptedWarning
from jmimpute.mnar import evaluating
from tests.mnar.problems import M, imputations

FORMULA = "y ~ arm + z"


@pytest.fixture(scope="module")
def before():
    return imputations()


def grid(before, adjustment, analysis=FORMULA, **options):
    return jm.sensitivity(before, "y", adjustment, analysis, scope="marginal", progressbar=False, **options)


def one_by_one(before, adjustments, analysis=FORMULA, seed=None, **options):
    """The tables of each adjustment by itself."""
    adjusted = (before.delta("y", adjustment, scope="marginal", random_seed=seed) for adjustment in adjustments)
    return [one.analyze(analysis, **options).pool().table for one in adjusted]


def columns(table):
    return table[["estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "riv", "lambda", "fmi"]].to_numpy()


ADJUSTMENTS = {
    "raw": lambda value: jm.shift(value),
    "sd": lambda value: jm.shift(value, "sd_total", where="sporadic"),
    "drawn": lambda value: jm.shift(value, prior_sd=0.5, cluster_sd=0.3),
    "scale": lambda value: jm.scale(value),
    "drawn scale": lambda value: jm.scale(value, prior_sd=0.2),
}
VALUES = [0.4, 1.0, 2.5]


@pytest.mark.parametrize("kind", ADJUSTMENTS)
def test_linear_analyses_equal_those_of_adjusted_tables(before, kind):
    found = grid(before, ADJUSTMENTS[kind](VALUES), random_seed=4)
    expected = one_by_one(before, [ADJUSTMENTS[kind](value) for value in VALUES], seed=4)
    np.testing.assert_allclose(columns(found.table), np.vstack([columns(table) for table in expected]), rtol=1e-8)
    assert found.terms == ("Intercept", "arm[control]", "z") and found.parameters == (
        ("factor" if "scale" in kind else "delta"),
    )


def test_two_way_grids_are_all_combinations(before):
    values = {"active": [-1.0, 0.0, 2.0], "control": [0.0, 1.0]}
    found = grid(before, jm.shift(values, by="arm"))
    pairs = [(a, c) for a in values["active"] for c in values["control"]]
    assert found.parameters == ("delta[active]", "delta[control]")
    assert list(found.points[list(found.parameters)].itertuples(index=False, name=None)) == pairs
    expected = one_by_one(before, [jm.shift({"active": a, "control": c}, by="arm") for a, c in pairs])
    np.testing.assert_allclose(columns(found.table), np.vstack([columns(table) for table in expected]), rtol=1e-8)


def test_other_groups_are_held_at_one_number(before):
    found = grid(before, jm.shift({"active": [0.0, 1.0], "control": -2}, by="arm"))
    assert found.parameters == ("delta[active]",)
    expected = one_by_one(before, [jm.shift({"active": a, "control": -2}, by="arm") for a in (0.0, 1.0)])
    np.testing.assert_allclose(columns(found.table), np.vstack([columns(table) for table in expected]), rtol=1e-8)


def ratio_of_means(table):
    """Not linear in y."""
    by_arm = table.groupby("arm")["y"].mean()
    return {"ratio": by_arm["active"] / by_arm["control"]}, [0.01]


@pytest.mark.parametrize(
    ("analysis", "options"),
    [
        ("y ~ arm + z + (1 | cluster)", {}),
        ("z ~ arm + y", {}),
        ("y ~ arm + x + I(y > 10)", {}),
        ("I(y > 10) ~ z", {"family": "binomial"}),
        (ratio_of_means, {}),
    ],
)
def test_other_analyses_are_done_point_by_point(before, analysis, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)
        found = grid(before, jm.shift([-1.0, 2.0]), analysis, **options)
        expected = one_by_one(before, [jm.shift(-1.0), jm.shift(2.0)], analysis, **options)
    assert np.array_equal(columns(found.table), np.vstack([columns(table) for table in expected]), equal_nan=True)


def test_the_table_tells_the_mean_of_what_is_adjusted(before):
    found = grid(before, jm.shift([-2.0, 0.0], where="systematic"))
    own = (before.original["cluster"] == "d").to_numpy()[before.rows("y")]
    mean = before.values("y")[:, own].mean()
    np.testing.assert_allclose(found.points["implied_mean"], [mean - 2, mean])
    np.testing.assert_allclose(found.table["implied_mean"].unique(), [mean - 2, mean])
    by_arm = grid(before, jm.shift({"active": [-2.0, 0.0], "control": 5}, by="arm"))
    own = (before.original["arm"] == "active").to_numpy()[before.rows("y")]
    np.testing.assert_allclose(by_arm.points["implied_mean"], before.values("y")[:, own].mean() + np.array([-2.0, 0.0]))


def test_the_text_shows_results_and_what_stands_for_missing_at_random(before):
    text = repr(grid(before, jm.scale([0.5, 1.0])))
    assert "y ~ arm + z at 2 assumptions" in text and "factor of 1: missing at random" in text and "arm[control]" in text


@pytest.mark.slow
def test_processes_give_the_same(before):
    adjustment = jm.shift([-1.0, 0.0, 1.0], cluster_sd=0.2)
    one, two = (grid(before, adjustment, ratio_of_means, cores=cores, random_seed=2) for cores in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)


def test_an_interrupted_grid_keeps_what_was_done(before, monkeypatch):
    done = []

    def analysed(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return real(*arguments)

    real = evaluating.analysed
    monkeypatch.setattr(evaluating, "analysed", analysed)
    with pytest.warns(InterruptedWarning, match="2 of 4 points"):
        found = grid(before, jm.shift([-1.0, 0.0, 1.0, 2.0]), ratio_of_means)
    assert len(found) == 2 and found.points["delta"].tolist() == [-1.0, 0.0] and len(found.table) == 2
    assert found.notes == ("interrupted: 2 of 4 points",)
    with pytest.raises(KeyboardInterrupt):
        grid(before, jm.shift([3.0]), ratio_of_means)


def test_problems_of_fits_are_told_once(before):
    with pytest.warns(AnalysisWarning, match="in 2 of 2 points some fits: singular") as told:
        found = grid(before, jm.shift([0.0, 0.1]), "x ~ y + (1 | cluster)")
    assert len(told) == 1 and "singular" in found.notes[0]


@pytest.mark.parametrize(
    ("adjustment", "analysis", "error", "message"),
    [
        (jm.shift(1), FORMULA, ImputationError, "There must be a grid"),
        (jm.shift(), FORMULA, ImputationError, "delta needs several values"),
        (jm.shift({"active": [0, 1], "control": None}, by="arm"), FORMULA, ImputationError, r"delta\[control\] needs"),
        (jm.shift([0, 1]), "nothing ~ z", Exception, "nothing"),
        (jm.shift([0, 1]), lambda table: 1 / 0, AnalysisError, "ZeroDivisionError"),
    ],
)
def test_what_is_no_grid_is_refused(before, adjustment, analysis, error, message):
    with pytest.raises(error, match=message):
        grid(before, adjustment, analysis)


def test_one_imputation_is_not_enough():
    with pytest.raises(AnalysisError, match="at least two"):
        grid(imputations(1), jm.shift([0, 1]))


def test_a_group_without_missing_values_cannot_be_varied():
    made = imputations(M)
    original = made.original.assign(half=np.where(made.original["y"].isna(), "with", "without"))
    made = jm.from_tables(original, [t.assign(half=original["half"]) for t in made], cluster="cluster")
    with pytest.raises(ImputationError, match=r"delta\[without\] adjusts no missing value"):
        grid(made, jm.shift({"with": 0, "without": [0, 1]}, by="half"))

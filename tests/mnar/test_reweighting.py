"""Another prior of an amount by weights agrees with drawing from it, and is refused where it cannot."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.errors import ImputationError
from jmimpute.mnar.reweighting import smoothed
from tests.mnar.problems import imputations


def means(table):
    """Of both arms."""
    by_arm = table.groupby("arm")["y"]
    return by_arm.mean().to_dict(), by_arm.var().to_numpy() / by_arm.size().to_numpy()


@pytest.fixture(scope="module")
def before():
    return imputations(150)


def drawn(before, adjustment, analysis=means, **options):
    return jm.sensitivity(before, "y", adjustment, analysis, scope="marginal", progressbar=False, random_seed=5, **options)


@pytest.fixture(scope="module")
def wide(before):
    return drawn(before, jm.shift([-1.5, -0.5], prior_sd=1))


def test_agrees_with_drawing_from_the_prior(wide, before):
    """Estimates within 4 of their Monte Carlo errors, sd of the estimates by the square root of the imputations."""
    found = wide.reweight(-1, 0.5).table.set_index("term")
    drawn_anew = drawn(before, jm.shift([-1.0], prior_sd=0.5))
    for term, row in drawn_anew.table.set_index("term").iterrows():
        estimates = drawn_anew.fits[0].estimates[:, drawn_anew.terms.index(term)]
        error = estimates.std() / np.sqrt(75)  # at least 75 of the weighted ones count
        assert abs(found.loc[term, "estimate"] - row["estimate"]) < 4 * error
        assert found.loc[term, "std_error"] == pytest.approx(row["std_error"], rel=0.3)


def test_means_move_as_far_as_the_mean_of_the_prior(wide):
    """The estimate is linear in the amount: two priors that differ by 0.6 give estimates that differ by 0.6 of its slope."""
    fits, place = wide.fits, wide.terms.index("active")
    slope = float(np.mean(fits[1].estimates[:, place] - fits[0].estimates[:, place]))
    moved = [wide.reweight(mean, 0.6).table["estimate"][place] for mean in (-1.3, -0.7)]
    assert moved[1] - moved[0] == pytest.approx(0.6 * slope, rel=0.25)


def test_the_prior_that_was_drawn_from_changes_nothing(before):
    one = drawn(before, jm.shift([-1.0], prior_sd=0.8))
    found = one.reweight(-1, 0.8)
    np.testing.assert_allclose(found.weights, 1 / 150)
    assert found.pareto_k < 0 and found.ess == pytest.approx(150)
    columns = ["estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(found.table[columns].to_numpy(), one.table[columns].to_numpy())


def test_ratios_have_priors_of_their_logarithms(before):
    one = drawn(before, jm.scale([0.8, 1.25], prior_sd=0.3))
    found = one.reweight(0.0, 0.2)
    amounts = np.log([[0.8], [1.25]]) + one.drawn.deviations
    assert np.sum(found.weights * amounts) == pytest.approx(0.0, abs=4 * 0.2 / np.sqrt(75))
    assert "log ratio normal(0, 0.2)" in repr(found)


def test_amounts_of_groups_are_weighted_by_the_one_that_varies(before):
    one = drawn(before, jm.shift({"active": [-1.5, -0.5], "control": 2}, by="arm", prior_sd=1))
    of_groups = [jm.shift({"active": -1.5, "control": 2}, by="arm", prior_sd=1)]
    moved = before.delta("y", of_groups[0], scope="marginal", random_seed=5).values("y") - before.values("y")
    active = (before.original["arm"] == "active").to_numpy()[before.rows("y")]
    np.testing.assert_allclose(-1.5 + one.drawn.deviations, moved[:, active].mean(axis=1))


def test_what_was_hardly_drawn_is_refused(wide):
    with pytest.raises(ImputationError, match=r"Pareto's k is .*, more than 0.7.*values of delta from 3 to 5"):
        wide.reweight(4, 0.5)
    with pytest.raises(ImputationError, match="cannot be relied on"):
        wide.reweight(-1, 6)


def test_too_few_imputations_tell_nothing():
    one = drawn(imputations(8), jm.shift([-1.0], prior_sd=1))
    with pytest.raises(ImputationError, match="more imputations"):
        one.reweight(-0.5, 1)


@pytest.mark.parametrize(("mean", "sd"), [(np.nan, 1), (0, 0), (0, np.inf), ("a", 1), (0, True)])
def test_what_is_no_prior_is_refused(wide, mean, sd):
    with pytest.raises(ImputationError, match="a finite mean and a positive standard deviation"):
        wide.reweight(mean, sd)


@pytest.mark.parametrize(
    "adjustment", [jm.shift([0, 1]), jm.shift({"active": [0, 1], "control": [0, 1]}, by="arm", prior_sd=1)]
)
def test_nothing_drawn_is_nothing_to_weight(before, adjustment):
    with pytest.raises(ImputationError, match="no one amount that was drawn from a prior"):
        drawn(before, adjustment).reweight(0, 1)


def test_large_weights_are_not_taken_for_small_ones():
    """Weights keep their order, and the heaviest stays the heaviest."""
    log_weights = 0.5 * np.random.default_rng(1).normal(size=400)
    weights, pareto_k = smoothed(log_weights)
    assert weights[np.argmax(log_weights)] == weights.max() and weights.sum() == pytest.approx(1)
    assert np.all(np.diff(weights[np.argsort(log_weights)]) >= 0) and pareto_k < 0.7
    assert smoothed(6 * log_weights)[1] > pareto_k

"""D1 to D4 as numbers: against mitml, from the estimates and likelihoods of each imputation, and at their edges."""

import json
from pathlib import Path

import numpy as np
import pytest

from jmimpute.analysis.multiparameter import (
    FTest,
    chi_squares,
    likelihood_ratios,
    robust_stacked_ratios,
    stacked_ratios,
    wald,
)
from jmimpute.errors import AnalysisError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "jsp_pooling.json").read_text())
PAIRS = {"lm1_vs_lm0": ("lm1", "lm0"), "me1_vs_me0_REML": ("me1", "me0"), "ml1_vs_ml0_ML": ("ml1", "ml0")}
PAIRS["gl1_vs_gl0"] = ("gl1", "gl0")
PAIRS_ML = {**PAIRS, "me1_vs_me0_REML": ("ml1", "ml0"), "rs1_vs_ml1": ("rs1", "ml1")}
PARAMETERS = {"lm1": 6, "ml1": 7, "gl1": 5, "rs1": 9}


def assert_equal(ours, theirs):
    found = [ours.statistic, ours.df1, ours.df2, ours.p_value, ours.riv]
    np.testing.assert_allclose(found, [theirs[key] for key in ("F.value", "df1", "df2", "P(>F)", "RIV")], rtol=1e-10)


def fluent(model):
    """Estimates of the two dummies and their covariances."""
    return np.array(REFERENCE["models"][model]["coef"])[:, 3:], np.array(REFERENCE["models"][model]["vcov"])[:, 3:, 3:]


def ratios(larger, smaller):
    return 2 * (np.array(REFERENCE["log_likelihoods"][larger]) - np.array(REFERENCE["log_likelihoods"][smaller]))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("key", "df_complete"), [("D1", np.inf), ("D1_df.com_1114", 1114)])
def test_d1_equals_mitml(pair, key, df_complete):
    assert_equal(wald(*fluent(PAIRS[pair][0]), df_complete), REFERENCE["tests"][pair][key])


@pytest.mark.parametrize("pair", PAIRS)
def test_d2_equals_mitml(pair):
    statistics = np.array([q @ np.linalg.inv(u) @ q for q, u in zip(*fluent(PAIRS[pair][0]), strict=True)])
    assert_equal(chi_squares(statistics, 2), REFERENCE["tests"][pair]["D2_wald"])


@pytest.mark.parametrize("pair", PAIRS_ML)
def test_d2_from_likelihoods_equals_mitml(pair):
    assert_equal(chi_squares(ratios(*PAIRS_ML[pair]), 2), REFERENCE["tests"][pair]["D2_likelihood"])


@pytest.mark.parametrize("pair", ["lm1_vs_lm0", "me1_vs_me0_REML", "rs1_vs_ml1"])
def test_d3_equals_mitml(pair):
    """The ratio at the pooled estimates is not in the reference results; it is what their ARIV was made of."""
    own, theirs = ratios(*PAIRS_ML[pair]), REFERENCE["tests"][pair]["D3"]
    pooled = own.mean() - theirs["RIV"] * 2 * 4 / 6
    assert_equal(likelihood_ratios(own, np.full(5, pooled), 2), theirs)


@pytest.mark.parametrize("pair", PAIRS_ML)
def test_d4_equals_mitml(pair):
    larger, smaller = PAIRS_ML[pair]
    own, tests = ratios(larger, smaller), REFERENCE["tests"][pair]
    stacked = own.mean() - tests["D4_default"]["RIV"] * 2 * 4 / 6
    assert_equal(stacked_ratios(own, stacked, 2), tests["D4_default"])
    likelihoods, h = np.array(REFERENCE["log_likelihoods"][larger]), PARAMETERS[larger]
    stacked_own = likelihoods.mean() - tests["D4_robust"]["RIV"] * h * 4 / 12
    assert_equal(robust_stacked_ratios(likelihoods, stacked_own, stacked, 2, h), tests["D4_robust"])


def test_d1_of_one_quantity_is_its_t_test():
    estimates, variances = np.array([[1.0], [1.5], [0.7], [1.2]]), np.full((4, 1, 1), 0.3)
    found = wald(estimates, variances)
    between = np.var(estimates, ddof=1)
    np.testing.assert_allclose(found.statistic, 1.1**2 / (0.3 + 1.25 * between))
    np.testing.assert_allclose(found.df2, 3 * (1 + 0.3 / (1.25 * between)) ** 2)


def test_d1_does_not_depend_on_the_coding():
    estimates, covariances = fluent("lm1")
    turn = np.array([[1.0, -1.0], [0.3, 2.0]])
    turned = wald(estimates @ turn.T, turn @ covariances @ turn.T, 1114)
    np.testing.assert_allclose(turned.statistic, wald(estimates, covariances, 1114).statistic)


def test_without_missing_information_d1_is_the_f_test_of_complete_data():
    estimates, covariances = np.ones((5, 2)), np.tile(np.eye(2), (5, 1, 1))
    assert wald(estimates, covariances) == FTest(1.0, 2, np.inf, 0.0)
    # As Barnard and Rubin (1999) count complete-data df.
    assert wald(estimates, covariances, 100).df2 == pytest.approx(101 / 103 * 100)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_small_samples_where_reiters_expression_is_not_defined(m):
    """It divides by t - 4 and t - 2, with t = k (m - 1): the df are those of Barnard and Rubin for one quantity."""
    from jmimpute.analysis.rules import rubin

    estimates = np.array([[1.0], [1.5], [0.7], [1.2]])[:m]
    found = wald(estimates, np.full((m, 1, 1), 0.3), 30)
    np.testing.assert_allclose(found.df2, rubin(estimates, np.full((m, 1), 0.3), 30).df[0])


def test_df_are_positive_where_the_missing_information_exceeds_the_complete_df():
    estimates = np.random.default_rng(1).normal(size=(10, 3)) * 5
    found = wald(estimates, np.tile(np.eye(3), (10, 1, 1)), 12)
    assert found.riv > 3
    assert 0 < found.df2 < 12
    assert 0 < found.p_value <= 1


def test_negative_arivs_are_kept_or_set_to_zero():
    own, pooled = np.array([4.0, 5.0, 6.0]), np.array([5.0, 5.5, 6.0])
    assert likelihood_ratios(own, pooled, 2).riv == pytest.approx(-0.5)
    assert likelihood_ratios(own, pooled, 2, positive=True) == FTest(2.75, 2, np.inf, 0.0)
    assert stacked_ratios(own, 5.5, 2).riv == pytest.approx(-0.5)
    assert stacked_ratios(own, 5.5, 2, positive=True) == FTest(2.75, 2, np.inf, 0.0)


def test_equal_chi_squares_keep_their_p_value():
    found = chi_squares(np.array([6.0, 6.0, 6.0]), 2)
    assert found.riv == pytest.approx(0, abs=1e-12)
    assert found.p_value == pytest.approx(np.exp(-3))


def test_a_repeated_quantity_is_refused():
    estimates = np.array([[1.0, 2.0], [1.5, 3.0]])
    with pytest.raises(AnalysisError, match="covariance matrix of what is tested is singular"):
        wald(estimates, np.tile([[1.0, 2.0], [2.0, 4.0]], (2, 1, 1)))
    with pytest.raises(AnalysisError, match="covariances between the estimates are not known"):
        wald(estimates, np.tile([[1.0, np.nan], [np.nan, 4.0]], (2, 1, 1)))

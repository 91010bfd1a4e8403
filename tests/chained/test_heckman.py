"""Heckman methods: exact and published draws, both stages against R, clusters that are special, and what is refused."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jmimpute as jm
from jmimpute.chained.heckman import Heckman, TwoStageHeckman
from jmimpute.chained.heckman_clusters import fit_clusters
from jmimpute.chained.heckman_draws import draw_unselected
from jmimpute.chained.heckman_fit import fit_heckman
from jmimpute.chained.heckman_likelihood import heckman_rows, hessian
from jmimpute.chained.heckman_pooling import Estimable, first_stage
from jmimpute.chained.stage_two import meta
from jmimpute.errors import ChainedWarning, FormulaError, ImputationError
from tests.chained.heckman_targets import HIV, constant_and, make_target, shared_csv, shared_reference, simulated


def drawn(method, target, seed=0, n=1):
    rng = np.random.default_rng(seed)
    return np.array([method(target, rng) for _ in range(n)])


def clusters_of(target, x=None, w=None):
    return fit_clusters(target, target.x if x is None else x, target.selection if w is None else w, target.n_categories == 2)


# Draws given parameters


@pytest.mark.parametrize(("eta", "rho"), [(0.4, 0.8), (-1.0, -0.5), (1.5, 0.3), (0.0, 0.0)])
def test_draws_have_the_distribution_of_what_was_not_selected(eta, rho):
    rng, mean, sigma = np.random.default_rng(1), 2.0, 3.0
    eps, noise = rng.standard_normal((2, 1_000_000))
    expected = mean + sigma * (rho * eps + np.sqrt(1 - rho**2) * noise)
    expected = expected[eta + eps < 0]
    one = np.ones(1_000_000)
    values = draw_unselected(mean * one, eta * one, sigma * one, rho * one, True, rng)
    # z of two means, of two variances, and of two proportions: 12 tests, false alarm in one of 1300 seeds.
    for these, those in ((values, expected), (values**2, expected**2), (values > 0, expected > 0)):
        z = (these.mean() - those.mean()) / np.sqrt(these.var() / these.size + those.var() / those.size)
        assert abs(z) < 4
    lam = stats.norm.pdf(eta) / stats.norm.cdf(-eta)
    np.testing.assert_allclose(values.mean(), mean - rho * sigma * lam, atol=4 * sigma / 1000)
    np.testing.assert_allclose(values.var(), sigma**2 * (1 - rho**2 * lam * (lam - eta)), rtol=0.01)
    share = stats.multivariate_normal([0, 0], [[1, -rho], [-rho, 1]]).cdf([mean / sigma, -eta]) / stats.norm.cdf(-eta)
    np.testing.assert_allclose((values > 0).mean(), share, atol=4 * 0.5 / 1000)


def test_published_draws_have_the_mean_but_the_full_variance():
    one = np.ones(1_000_000)
    values = draw_unselected(2 * one, 0.4 * one, 3 * one, 0.8 * one, False, np.random.default_rng(2))
    lam = stats.norm.pdf(0.4) / stats.norm.cdf(-0.4)
    np.testing.assert_allclose(values.mean(), 2 - 0.8 * 3 * lam, atol=4 * 3 / 1000)
    np.testing.assert_allclose(values.var(), 9, rtol=0.006)  # 4 standard errors


@pytest.mark.parametrize("exact", [True, False])
def test_draws_far_in_the_tails_are_finite(exact):
    eta = np.array([60.0, -60.0, 8.0, 60.0])
    values = draw_unselected(np.zeros(4), eta, np.ones(4), np.array([0.9, 0.9, 1.0, -1.0]), exact, np.random.default_rng(3))
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[[0, 3]], [-54, 60], atol=3)


# Both stages against R


@pytest.fixture(scope="module")
def hiv():
    data = shared_csv("hiv_heckman.csv")
    x = constant_and(*(data[name] for name in HIV))
    w = np.column_stack([x, data["interviewer_rate"]])
    return make_target(data["hiv"].to_numpy(), data["hivconsent"].to_numpy() == 1, x, w, data["region"].to_numpy() - 1, 2)


def region_of_r(one):
    """Estimates and standard errors of a region in our order: outcome, selection with the interviewer last, atanh rho."""
    order = [*range(9, 17), 0, *range(2, 9), 1, 17]
    return np.array(one["coef"])[order], np.array(one["se"])[order]


@pytest.fixture(scope="module")
def regions(hiv):
    return clusters_of(hiv)


def test_first_stage_equals_that_of_r(regions):
    stages = shared_reference("heckman_e2_hiv_micemd.json")["stage1"]
    # In region 9 the likelihood rises to rho = -1, where R stopped at -0.99999995 with a standard error of 225.
    assert regions.kinds == ("likelihood",) * 8 + ("bounded",)
    blocks = [regions.blocks[name] for name in ("beta", "gamma", "atanh_rho")]
    for region, one in enumerate(stages[:8]):
        expected, errors = region_of_r(one)
        found = np.concatenate([block.estimates[region] for block in blocks])
        covariances = [np.diag(block.covariances[region]) for block in blocks]
        np.testing.assert_allclose((found - expected) / errors, 0.0, atol=1e-4)
        np.testing.assert_allclose(np.sqrt(np.concatenate(covariances)), errors, rtol=1e-4)


def test_second_stage_equals_that_of_r(hiv, regions):
    reference = shared_reference("heckman_e2_hiv_micemd.json")
    theta, errors = region_of_r(reference["stage1"][8])
    rows = hiv.rows[8]
    last = heckman_rows(hiv.y[rows], hiv.observed[rows], hiv.x[rows], hiv.selection[rows], binary=True)
    information = -hessian(theta, last)[:-1, :-1]  # R made it invertible by adding something to what is left out here
    covariance = np.linalg.inv(information)
    places = {"out": slice(0, 8), "sel": slice(8, 17)}
    orders = {"out": np.arange(8), "sel": np.array([0, *range(2, 9), 1])}
    for name, block in {"out": regions.blocks["beta"], "sel": regions.blocks["gamma"]}.items():
        estimates, covariances, place = block.estimates.copy(), block.covariances.copy(), places[name]
        estimates[8], covariances[8] = theta[place], covariance[place, place]
        pooled, expected, order = meta(estimates, covariances), reference["stage2_reml"][name], orders[name]
        coef, se, psi = (np.array(expected[what]) for what in ("coef", "se", "Psi"))
        np.testing.assert_allclose((pooled.gamma - coef[order]) / se[order], 0.0, atol=0.03)
        np.testing.assert_allclose(np.sqrt(np.diag(pooled.covariance)), se[order], rtol=0.015)
        np.testing.assert_allclose(pooled.psi, psi[np.ix_(order, order)], atol=1e-3)
    rho = regions.blocks["atanh_rho"]
    estimates, covariances = rho.estimates.copy(), rho.covariances.copy()
    estimates[8], covariances[8] = theta[-1], errors[-1] ** 2
    pooled, expected = meta(estimates, covariances), reference["stage2_reml"]["rho"]
    np.testing.assert_allclose(pooled.gamma, expected["coef"], rtol=1e-4)
    np.testing.assert_allclose(pooled.psi, expected["Psi"], rtol=1e-4)


def test_imputed_prevalence_is_near_that_of_r(hiv):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainedWarning)
        shares = drawn(TwoStageHeckman(), hiv, n=20).mean(axis=1)
    found = shared_reference("heckman_e2_hiv_micemd.json")["heckman"]["prevalence"][1]
    at_random = shared_reference("heckman_e2_hiv_micemd.json")["mar_2l.2stage.bin"]["prevalence"][1]
    # Not the same: region 9, and R leaves what has no variance between clusters unshrunken. But far from missing at random.
    assert abs(shares.mean() - found["mean"]) < 1.5 * found["sd_between"]
    assert shares.mean() > at_random["mean"] + 0.1
    np.testing.assert_allclose(shares.std(), found["sd_between"], rtol=0.6)


# The method


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("method", [TwoStageHeckman(), TwoStageHeckman(estimator="moments"), Heckman()], ids=repr)
def test_imputations_are_like_what_was_lost(method, binary):
    target = simulated(11, n_clusters=12, size=250, rho=0.8, binary=binary, spread=0.1)
    lost = target.y[target.missing]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainedWarning)  # clusters with rho at its boundary
        draws = drawn(method, replace(target, y=np.where(target.observed, target.y, 0.0)), n=20)
    # What is imputed hangs on estimates, of which the spread between draws is the error; one of 15 000 seeds is beyond.
    assert abs(draws.mean(axis=1).mean() - lost.mean()) < 4 * draws.mean(axis=1).std()
    assert draws.mean(axis=1).std() < 0.15
    assert target.y[target.observed].mean() - lost.mean() > 8 * draws.mean(axis=1).std()
    if binary:
        assert set(np.unique(draws)) == {0.0, 1.0}
    else:
        np.testing.assert_allclose(draws.std(axis=1).mean(), lost.std(), rtol=0.1)


def test_a_cluster_without_values_is_imputed_as_if_by_design():
    target = simulated(12, n_clusters=9, size=300, rho=0.8, spread=0.05)
    observed = target.observed & (target.codes != 4)
    target, lost = replace(target, observed=observed), target.codes[~observed] == 4
    means = {}
    for exact in (True, False):
        draws = drawn(TwoStageHeckman(exact=exact, estimator="moments"), target, n=40)[:, lost].mean(axis=1)
        means[exact] = draws.mean() - target.x[target.codes == 4].mean(axis=0) @ [0.3, 1.0]
        assert draws.std() / np.sqrt(40) < 0.05
    assert abs(means[True]) < 0.2
    assert means[False] < -0.5  # as if nobody there had been selected: -rho sigma lam is -1 and more


def test_a_complete_cluster_has_an_outcome_model_only():
    target = simulated(13, n_clusters=5, size=200)
    fits = clusters_of(replace(target, observed=target.observed | (target.codes == 2)))
    assert fits.kinds == ("likelihood", "likelihood", "complete", "likelihood", "likelihood")
    assert fits.blocks["beta"].fitted.all()
    assert fits.blocks["log_sigma"].fitted.all()
    for name in ("gamma", "atanh_rho"):
        assert fits.blocks[name].fitted.tolist() == [True, True, False, True, True]
        assert len(fits.blocks[name].estimates) == 4
    rows = target.rows[2]
    expected = np.linalg.lstsq(target.x[rows], target.y[rows], rcond=None)[0]
    np.testing.assert_allclose(fits.blocks["beta"].estimates[2], expected, rtol=1e-8)


def test_clusters_that_cannot_be_fitted_are_named():
    target = simulated(14, n_clusters=6, size=150)
    few = np.flatnonzero(target.observed & (target.codes == 3))[5:]
    observed = target.observed.copy()
    observed[few] = False
    target = replace(target, observed=observed)
    assert clusters_of(target).of_kind("none") == [3]
    with pytest.warns(ChainedWarning, match=r"'y': .*cluster\(s\) c3 no model could be fitted"):
        drawn(TwoStageHeckman(), target)


def test_a_cluster_with_rho_at_its_boundary_is_named():
    target = simulated(26, n_clusters=4, size=40, rho=0.95)
    bounded = clusters_of(target).of_kind("bounded")
    assert bounded
    with pytest.warns(ChainedWarning, match=rf"cluster\(s\) {target.named(bounded)} the likelihood has no maximum"):
        drawn(TwoStageHeckman(), target)


def test_one_model_where_clusters_are_too_small():
    target = simulated(15, n_clusters=60, size=6, rho=0.7, spread=0.0)
    with pytest.warns(ChainedWarning, match="one model of all rows was used"):
        two_stage = drawn(TwoStageHeckman(), target, seed=3)
    single = drawn(Heckman(), target, seed=3)
    np.testing.assert_array_equal(two_stage, single)


def test_draws_of_a_single_model_have_its_covariance():
    target = simulated(16, size=400)
    rows = target.missing
    fit = fit_heckman(target.y, target.observed, target.x, target.selection, binary=False)

    def center(theta):
        eta = target.selection[rows] @ theta[2:5]
        lam = stats.norm.pdf(eta) / stats.norm.cdf(-eta)
        return np.mean(target.x[rows] @ theta[:2] - np.tanh(theta[6]) * np.exp(theta[5]) * lam)

    slope = np.array([(center(fit.theta + way) - center(fit.theta - way)) / 2e-4 for way in 1e-4 * np.eye(7)])
    draws = drawn(Heckman(), target, n=1000).mean(axis=1)
    sd = np.sqrt(slope @ fit.covariance @ slope + 1.5**2 / rows.sum())  # the last term at its largest; it is small
    apart = np.sqrt(slope**2 @ np.diag(fit.covariance))
    np.testing.assert_allclose(draws.mean(), center(fit.theta), atol=0.25 * sd)  # not linear in the parameters
    np.testing.assert_allclose(draws.std(), sd, rtol=0.12)
    assert abs(apart / sd - 1) > 0.25  # without covariances it would be another


@pytest.mark.parametrize("what", ["y", "observed", "codes", "x", "selection", "n_categories"])
def test_fits_are_kept_for_the_same_data_only(what):
    target = simulated(21, n_clusters=3, size=50)
    data = Estimable(target, target.selection)
    hidden = replace(target, y=np.where(target.observed, target.y, 9.0))
    at = np.flatnonzero(target.observed)[0]
    if what == "n_categories":
        changed = 2
    else:
        changed = getattr(target, what).copy()
        changed[at] = 0 if what == "observed" else 1 + changed[at]
    other = replace(target, **{what: changed})
    assert Estimable(hidden, target.selection) == data
    assert first_stage(Estimable(hidden, target.selection)) is first_stage(data)
    assert Estimable(other, other.selection) != data


def test_without_an_exclusion_there_is_a_warning():
    target = simulated(17, n_clusters=4, size=300)
    with pytest.warns(ChainedWarning, match="rests on their normality alone"):
        drawn(TwoStageHeckman(estimator="moments"), replace(target, selection=target.x))


# What is refused


def changed(**changes):
    return replace(simulated(18, n_clusters=4, size=60), **changes)


@pytest.mark.parametrize("method", [TwoStageHeckman(), Heckman()], ids=repr)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selection": None}, "'y' has a Heckman method but no selection equation"),
        ({"n_categories": 3}, "'y' has 3 categories"),
        ({"y": np.tile([1.0, 5.0], 120)}, r"two values, 1 and 5.*astype\('category'\)"),
        ({"selection": np.tile([1.0, 2.0], (240, 1))}, "selection equation of 'y' has collinear predictors"),
    ],
)
def test_bad_targets(method, changes, message):
    with pytest.raises(ImputationError, match=message):
        drawn(method, changed(**changes))


def test_values_that_are_only_missing_by_design_have_no_selection():
    target = changed()
    with (
        pytest.warns(ChainedWarning, match="Only 0 cluster"),
        pytest.raises(ImputationError, match="missing in whole clusters"),
    ):
        drawn(TwoStageHeckman(), replace(target, observed=target.codes != 1))


def test_predictors_without_random_coefficients():
    with pytest.raises(ImputationError, match="x1"):
        drawn(TwoStageHeckman(), changed(random=np.array([0])))


def test_estimators_are_checked():
    with pytest.raises(ImputationError, match="'reml' or 'moments'"):
        TwoStageHeckman(estimator="ml")


# In chained equations


def as_frame(target):
    frame = pd.DataFrame({"g": target.codes, "x": target.x[:, 1], "z": target.selection[:, 2], "y": target.y})
    return frame.assign(y=frame["y"].where(target.observed))


def test_in_chained_equations():
    target = simulated(19, n_clusters=8, size=150, rho=0.8, spread=0.1)
    frame = as_frame(target)
    options = {"cluster": "g", "m": 5, "random_seed": 1, "progressbar": False}
    chosen = {"methods": {"y": "two-stage-heckman"}, "predictors": {"y": "~ x"}, "selection": {"y": "~ x + z"}}
    imputations = jm.chained(frame, **chosen, **options)
    at_random = jm.chained(frame, {"y": "two-stage"}, {"y": "~ x"}, **options)
    biases = [np.mean([table["y"].mean() for table in one]) - target.y.mean() for one in (imputations, at_random)]
    assert abs(biases[0]) < 0.15
    assert biases[1] > 0.3
    with pytest.raises(FormulaError, match="selection"):
        jm.chained(frame, {"y": "two-stage-heckman"}, {"y": "~ x"}, **options)


def test_in_chained_equations_without_clusters():
    frame = as_frame(simulated(20, size=300, binary=True)).drop(columns="g")
    frame["y"] = frame["y"].map({0.0: "no", 1.0: "yes"}).astype("category")
    imputations = jm.chained(
        frame, {"y": "heckman"}, {"y": "~ x"}, selection={"y": "~ x + z"}, m=2, random_seed=1, progressbar=False
    )
    assert set(imputations.complete(1)["y"]) == {"no", "yes"}

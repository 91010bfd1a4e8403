"""Two-stage imputation: its distribution, the role of cluster means, matching, categories, counts, and what it refuses."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.mixed import fit_mixed
from jmimpute.chained import stage_two, two_stage
from jmimpute.chained.stage_one import fit_linear
from jmimpute.chained.stage_two import meta
from jmimpute.chained.two_stage import TwoStage, TwoStageBinary, TwoStagePmm, TwoStagePoisson
from jmimpute.errors import ChainedWarning, ImputationError
from tests.chained.mixed_targets import make_target, simulated

SHARED = Path(__file__).parents[2].parent / "shared"
METHODS = [TwoStage(), TwoStagePmm(), TwoStageBinary(), TwoStagePoisson()]


def target(seed=0, size=40, **others):
    """Cluster 0 systematically missing, others sporadically."""
    y, x, codes, observed = simulated(seed, size=size, **others)
    return make_target(y, x, codes, observed)


def as_counts(one):
    rng = np.random.default_rng(1)
    return replace(one, y=rng.poisson(np.exp(one.y / 4)).astype(float))


def as_binary(one):
    rng = np.random.default_rng(2)
    return replace(one, y=(rng.logistic(size=len(one.y)) < one.y - 4).astype(float), n_categories=2)


def suited(method, one):
    return {TwoStageBinary: as_binary, TwoStagePoisson: as_counts}.get(type(method), lambda one: one)(one)


@pytest.fixture(scope="module")
def reference():
    """The table of `reference/two_stage_e1_norm.json`, and what R makes of it."""
    data, results = SHARED / "data" / "sim_two_stage.csv", SHARED / "reference" / "two_stage_e1_norm.json"
    if not (data.exists() and results.exists()):
        pytest.skip("needs ../shared/data and ../shared/reference")
    table = pd.read_csv(data)
    observed = table["y"].notna().to_numpy()
    x = np.column_stack([np.ones(len(table)), table["x1"], table["x2"]])
    codes = table["cluster"].to_numpy() - 1
    return make_target(table["y"].fillna(0), x, codes, observed), json.loads(results.read_text())


def test_first_stage_equals_lm(reference):
    one, results = reference
    fits = fit_linear(one.y[one.observed], one.x[one.observed], one.codes[one.observed], one.n_clusters)
    theirs = results["two_stage_meta_analysis"]["stage1"]
    assert np.flatnonzero(fits.fitted).tolist() == [cluster["cluster"] - 1 for cluster in theirs]
    np.testing.assert_allclose(fits.estimates, [list(cluster["coef"].values()) for cluster in theirs], rtol=1e-11)
    np.testing.assert_allclose(fits.covariances, [cluster["vcov"] for cluster in theirs], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(2 * fits.log_sds[:, 0], [cluster["log_sigma2"] for cluster in theirs], rtol=1e-10)
    np.testing.assert_allclose(fits.log_sd_variances[:, 0, 0], [1 / (2 * (cluster["df"] - 4)) for cluster in theirs])


def test_the_spread_between_clusters_is_overstated_as_in_micemd(reference):
    """By the covariances that it pools with, here with estimated residual SDs: 0.097 instead of 0.028 for x2."""
    one, _ = reference
    fits = fit_linear(one.y[one.observed], one.x[one.observed], one.codes[one.observed], one.n_clusters)
    pooled = np.exp(2 * fits.log_sds)[:, :, None] * np.linalg.inv(one.x.T @ one.x)
    assert round(meta(fits.estimates, fits.covariances, "moments").psi[2, 2], 3) == 0.028
    assert abs(meta(fits.estimates, pooled, "moments").psi[2, 2] - 0.097) < 0.01


@pytest.mark.parametrize("compat", [None, "micemd"])
def test_what_compat_changes(monkeypatch, compat):
    """Coefficients are pooled with drawn residual SDs and all rows, and given their clusters with the pseudo-inverse."""
    one, pooled, inverted = target(), [], []

    def remember(estimates, covariances, *others):
        pooled.append(covariances)
        return meta(estimates, covariances, *others)

    def invert(psi, covariances):
        inverted.append(covariances)
        return stage_two._conditional(psi, covariances)

    monkeypatch.setattr(two_stage, "meta", remember)
    monkeypatch.setattr(stage_two, "_pseudo_conditional", invert)
    TwoStage(compat=compat)(one, np.random.default_rng(17))
    fits = fit_linear(one.y[one.observed], one.x[one.observed], one.codes[one.observed], one.n_clusters)
    np.testing.assert_array_equal(pooled[0], fits.log_sd_variances)
    if compat is None:
        np.testing.assert_array_equal(pooled[1], fits.covariances)
        assert not inverted
        return
    ratios = pooled[1] / np.linalg.inv(one.x.T @ one.x)
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:, :1, :1], ratios.shape))
    # Log SDs from 30 values have standard errors of 0.14.
    np.testing.assert_allclose(np.log(ratios[:, 0, 0]) / 2, fits.log_sds[:, 0], atol=0.7)
    assert not np.allclose(np.log(ratios[:, 0, 0]) / 2, fits.log_sds[:, 0], atol=0.01)
    assert len(inverted) == 1
    np.testing.assert_array_equal(inverted[0], fits.covariances)


@pytest.mark.parametrize(("estimator", "key"), [("reml", "reml"), ("moments", "mm")])
def test_imputations_analysed_as_those_of_micemd(reference, estimator, key):
    """Estimates pooled over 40 of ours and 100 of theirs within 4 standard errors of the difference: false alarms in 6e-4."""
    one, results = reference
    theirs = results["imputation"][key]
    rng, method = np.random.default_rng(12), TwoStage(estimator, compat="micemd")
    values, y = [], one.y.copy()
    for _ in range(40):
        y[one.missing] = method(one, rng)
        fit = fit_mixed(y, one.x, one.x[:, :2], one.codes)
        missing = y[one.missing]
        systematic = one.systematic[one.codes[one.missing]]
        values.append([*fit.values, missing[~systematic].mean(), missing[systematic].mean()])
    ours, errors = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(40)
    estimates = theirs["pooled"]["estimates"]
    wanted = [row["Estimate"] for row in estimates] + [theirs["imputed"][f"{kind}_mean"] for kind in ("sporadic", "systematic")]
    their_errors = [row["mc_error_of_estimate"] for row in estimates] + list(errors[3:] * np.sqrt(0.4))
    assert np.abs((ours - wanted) / np.hypot(errors, their_errors)).max() < 4
    between = np.var(np.array(values)[:, :3], axis=0, ddof=1) / [row["between_variance"] for row in estimates]
    # F with 39 and 99 degrees of freedom; false alarms in 1e-4 on either side.
    assert ((between > 0.33) & (between < 2.56)).all()


def test_conditional_models_of_clustered_pairs():
    """Cluster means as predictors of the intercept recover what their own dense normal distribution says of x2 given x1."""
    n, J = 20, 400
    psi, sigma = np.array([[1.0, 0.2], [0.2, 0.8]]), np.array([[1.0, 0.6], [0.6, 1.5]])
    beta = sigma[0, 1] / sigma[0, 0]
    alpha = (psi[0, 1] * sigma[0, 0] - sigma[0, 1] * psi[0, 0]) / (sigma[0, 0] * (sigma[0, 0] + n * psi[0, 0]))
    gamma = psi[1, 1] - sigma[0, 1] * psi[0, 1] / sigma[0, 0] + -alpha * (sigma[0, 1] + n * psi[0, 1])
    delta = sigma[1, 1] - sigma[0, 1] ** 2 / sigma[0, 0]
    dense = [[psi[r, s] * np.ones((n, n)) + sigma[r, s] * np.eye(n) for s in range(2)] for r in range(2)]
    slopes = dense[1][0] @ np.linalg.inv(dense[0][0])
    np.testing.assert_allclose(slopes, beta * np.eye(n) + alpha * np.ones((n, n)))
    given = dense[1][1] - slopes @ dense[0][1]
    np.testing.assert_allclose(given, gamma * np.ones((n, n)) + delta * np.eye(n))

    rng = np.random.default_rng(13)
    codes = np.repeat(np.arange(J), n)
    pairs = rng.multivariate_normal([0, 0], psi, J)[codes] + rng.multivariate_normal([0, 0], sigma, J * n)
    means = (np.bincount(codes, pairs[:, 0]) / n)[:, None]
    fits = fit_linear(pairs[:, 1], np.column_stack([np.ones(J * n), pairs[:, 0]]), codes, J)
    fit = meta(fits.estimates, fits.covariances, "reml", means, "intercept")
    # Each within 4.5 standard errors: false alarms in 1e-5.
    z = (fit.gamma - [0, beta, n * alpha]) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(z).max() < 4.5
    assert fit.restricted is not None
    root_error = np.sqrt(fit.restricted.covariance[0, 0])
    assert abs(np.sqrt(fit.psi[0, 0]) - np.sqrt(gamma)) < 4.5 * root_error
    assert fit.psi[1, 1] < 0.01
    np.testing.assert_allclose(np.exp(2 * fits.log_sds).mean(), delta, rtol=0.05)


@pytest.mark.parametrize("estimator", ["reml", "moments"])
def test_imputations_recover_the_clusters(estimator):
    """With 40 rows a cluster, imputed values of sporadic clusters are where the truth is; the systematic one spreads widely."""
    one, rng = target(), np.random.default_rng(3)
    draws = np.array([TwoStage(estimator)(one, rng) for _ in range(30)])
    truth, systematic = one.y[one.missing], one.systematic[one.codes[one.missing]]
    errors = draws.mean(axis=0) - truth
    # Residual SD 1 and some error of the coefficients.
    assert 0.8 < errors[~systematic].std() < 1.3
    assert 0.9 < draws.std(axis=0)[~systematic].mean() < 1.3
    assert draws[:, systematic].mean(axis=1).std() > 2 * draws[:, ~systematic].mean(axis=1).std()


def test_residual_variances_differ_between_clusters():
    one = target(size=200)
    noise = np.random.default_rng(4).normal(size=len(one.y))
    one = replace(one, y=one.x @ [1.0, 1.0, 1.0] + noise * np.where(one.codes % 2, 0.2, 3.0))
    draws = np.array([TwoStage("moments")(one, np.random.default_rng(seed)) for seed in range(10)])
    codes = one.codes[one.missing]
    spread = (draws - one.x[one.missing] @ [1.0, 1.0, 1.0]).std(axis=0)
    for cluster in range(1, 12):
        assert 0.6 < spread[codes == cluster].mean() / (0.2 if cluster % 2 else 3.0) < 1.5


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_same_seed_gives_the_same_values_of_the_right_kind(method):
    one = suited(method, target())
    first, second = (method(one, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (one.missing.sum(),)
    assert not np.array_equal(first, method(one, np.random.default_rng(6)))
    # The current values of missing cells do not matter.
    np.testing.assert_array_equal(first, method(replace(one, y=np.where(one.observed, one.y, 77.0)), np.random.default_rng(5)))
    if not isinstance(method, TwoStage):
        assert np.isin(first, np.arange(1000.0) if isinstance(method, TwoStagePoisson) else one.y[one.observed]).all()


def test_units_do_not_matter():
    one = target()
    units = np.array([1.0, 1e3, 1e-4])
    scaled = replace(one, y=100 * one.y, x=one.x * units)
    values = TwoStage()(one, np.random.default_rng(7))
    np.testing.assert_allclose(TwoStage()(scaled, np.random.default_rng(7)), 100 * values, rtol=1e-3)


def test_cluster_level_predictors_reach_systematic_clusters():
    """The intercepts follow a predictor of the clusters exactly, also in a cluster of which nothing is known but that."""
    one = target()
    level = np.arange(12.0)[:, None] * 10
    level[0] = 500.0
    one = replace(one, y=one.x[:, 1] + level[one.codes, 0] + np.random.default_rng(8).normal(size=len(one.y)), means=level)
    for which in ("all", "intercept"):
        imputed = TwoStage("moments", cluster_means=which)(one, np.random.default_rng(8))
        assert abs(imputed[one.codes[one.missing] == 0].mean() - 501) < 15
    ignored = TwoStage("moments")(replace(one, means=np.empty((12, 0))), np.random.default_rng(8))
    assert ignored[one.codes[one.missing] == 0].mean() < 300


def test_clusters_that_cannot_be_fitted_are_named_and_imputed_from_the_others():
    one = target()
    x = one.x.copy()
    x[one.codes == 3, 2] = 5.0
    one = replace(one, x=x, y=np.where(one.codes == 3, 1e6, one.y))
    with pytest.warns(ChainedWarning, match=r"'y': clusters d could not be fitted \(they have too few values"):
        imputed = TwoStage()(one, np.random.default_rng(9))
    assert np.abs(imputed).max() < 100


def test_matching_within_clusters():
    """All values are different, so that a value tells the cluster that it is from."""
    one = target(sds=(0.2, 0.1, 0.1))
    codes, cluster_of = one.codes[one.missing], dict(zip(one.y, one.codes, strict=True))

    def clusters(**options):
        return np.array([cluster_of[value] for value in TwoStagePmm(**options)(one, np.random.default_rng(10))])

    pooled, own = clusters(), clusters(in_cluster=True)
    assert (own[codes > 0] == codes[codes > 0]).all()
    assert (pooled[codes > 0] == codes[codes > 0]).mean() < 0.5
    np.testing.assert_array_equal(own[codes == 0], pooled[codes == 0])
    # No cluster has so many observed values.
    np.testing.assert_array_equal(clusters(in_cluster=True, donors=41), clusters(donors=41))


def test_donors_are_near():
    """Without noise, or nearly, predicted values are the values: the one donor is the nearest observed row."""
    one = target(noise=1e-4)
    imputed = TwoStagePmm("moments", donors=1, in_cluster=True)(one, np.random.default_rng(11))
    sporadic = np.flatnonzero(one.codes[one.missing] > 0)
    rows = np.flatnonzero(one.missing)
    for k in sporadic:
        donors = one.y[one.observed & (one.codes == one.codes[rows[k]])]
        assert abs(np.abs(donors - one.y[rows[k]]).min() - abs(imputed[k] - one.y[rows[k]])) < 0.01


@pytest.mark.parametrize("make", [as_binary, as_counts])
def test_means_of_categories_and_counts(make):
    """Imputed at random: means of imputed and true values agree within 4.5 of the standard errors found by repetition."""
    y, x, codes, observed = simulated(1, size=300, sds=(0.3, 0.2))
    one = make(make_target(y, x, codes, observed))
    method = TwoStageBinary() if make is as_binary else TwoStagePoisson()
    sporadic = one.codes[one.missing] > 0
    rng = np.random.default_rng(14)
    draws = np.array([method(one, rng)[sporadic] for _ in range(30)])
    truth = one.y[one.missing][sporadic]
    error = np.hypot(truth.std() / np.sqrt(len(truth)), draws.mean(axis=1).std())
    assert abs(draws.mean() - truth.mean()) < 4.5 * error
    low, high = (draws[:, one.x[one.missing][sporadic, 1] > cut] for cut in (-5.0, 1.5))
    assert high.mean() > low.mean() + 0.05


def test_separated_clusters_are_named():
    one = as_binary(target(size=80))
    one = replace(one, y=np.where(one.codes == 4, 1.0, one.y))
    with pytest.warns(ChainedWarning, match="clusters e could not be fitted .*separation"):
        imputed = TwoStageBinary()(one, np.random.default_rng(15))
    assert np.isin(imputed, [0.0, 1.0]).all()


def test_counts_beyond_all_measure_are_replaced_with_a_warning():
    one = as_counts(target(size=80))
    x = one.x.copy()
    row = np.flatnonzero(one.missing & (one.codes == 2))[0]
    x[row, 1:] = 1e6
    with pytest.warns(ChainedWarning, match="the drawn means of 1 counts in clusters c are beyond 1e"):
        imputed = TwoStagePoisson()(replace(one, x=x), np.random.default_rng(16))
    others = np.delete(imputed, np.flatnonzero(np.flatnonzero(one.missing) == row))
    assert imputed[np.flatnonzero(one.missing) == row] == np.round(others.mean())


def refused(method, one, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ChainedWarning)
        with pytest.raises(ImputationError, match=message):
            method(one, np.random.default_rng(1))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_every_predictor_is_random(method):
    one = replace(suited(method, target()), random=np.array([0, 2]))
    refused(method, one, "'y': two-stage methods give all predictors random coefficients, but x1 has none")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_collinear_predictors_are_refused(method):
    one = suited(method, target())
    x = one.x.copy()
    x[:, 2] = 3 * x[:, 1]
    refused(method, replace(one, x=x), "'x2' of 'y' is constant or a combination of those before it")


def test_a_predictor_that_is_constant_within_clusters_is_named():
    one = target()
    x = one.x.copy()
    x[:, 2] = one.codes**2
    refused(TwoStage(), replace(one, x=x), "'y': 0 of 12 clusters could be fitted, .* x2 does not vary within clusters")


def test_clusters_that_are_too_small_are_counted():
    refused(
        TwoStage(), target(size=7), "0 of 12 clusters could be fitted, .* There are 3 coefficients and 0 to 7 observed values"
    )


def test_too_many_cluster_level_predictors():
    one = replace(target(), means=np.random.default_rng(1).normal(size=(12, 10)))
    refused(TwoStage(), one, "'y' has no two-stage imputation. 11 clusters could be fitted, but .* needs at least 12")


@pytest.mark.parametrize(("value", "shown"), [(-1.0, "-1.0"), (0.5, "0.5")])
def test_what_is_no_count(value, shown):
    one = as_counts(target())
    y = one.y.copy()
    y[np.flatnonzero(one.observed)[3]] = value
    refused(TwoStagePoisson(), replace(one, y=y), f"'y' is imputed as a count, but 1 observed values .* among them {shown}")


def test_what_is_not_binary():
    refused(TwoStageBinary(), replace(target(), n_categories=3), "'y' has 3 categories, but a logistic regression needs two")
    refused(TwoStageBinary(), target(), "'y' has no categories")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (TwoStage, {"estimator": "ml"}, "estimator is 'ml'. It can be 'reml' or 'moments'"),
        (TwoStageBinary, {"cluster_means": "none"}, "cluster_means is 'none'. It can be 'all' or 'intercept'"),
        (TwoStagePoisson, {"compat": "mice"}, "compat is 'mice'. It can be None or 'micemd'"),
        (TwoStagePmm, {"donors": 0}, "donors is 0. It must be a whole number"),
    ],
)
def test_options(kind, options, message):
    with pytest.raises(ImputationError, match=message):
        kind(**options)

"""Meta-analyses of clusters against mixmeta, their derivatives, draws, and limits."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from jmimpute.chained import reml
from jmimpute.chained.random_effects import root
from jmimpute.chained.reml import lower
from jmimpute.chained.restricted import Pooling, hessian, restricted
from jmimpute.chained.stage_two import Drawn, design, meta
from jmimpute.errors import ImputationError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "two_stage.json").read_text())
COEF, VCOV = np.array(REFERENCE["coef"]), np.array(REFERENCE["vcov"])


def simulated(seed, n_clusters, psi, moderators=None, gamma=None, size=1.0):
    """Estimates of clusters that differ in precision, with their sampling covariances."""
    rng = np.random.default_rng(seed)
    p = len(psi)
    half = rng.normal(size=(n_clusters, p, p + 4)) * np.exp(rng.normal(scale=0.5, size=(n_clusters, 1, 1)))
    covariances = size * half @ half.transpose(0, 2, 1) / (p + 4)
    gamma = np.zeros(p * (1 if moderators is None else 1 + moderators.shape[1])) if gamma is None else gamma
    mean = design(n_clusters, p, moderators) @ gamma
    noise = np.linalg.cholesky(covariances + psi) @ rng.normal(size=(n_clusters, p, 1))
    return mean + noise[:, :, 0], covariances


@pytest.mark.parametrize("estimator", ["reml", "moments"])
def test_equals_mixmeta(estimator):
    """Their singular matrix has an eigenvalue of about 1e-8 in place of 0, and their search by REML stops early."""
    theirs, fit = REFERENCE[estimator], meta(COEF, VCOV, estimator)
    np.testing.assert_allclose(fit.gamma, theirs["beta"], atol=2e-8)
    np.testing.assert_allclose(fit.covariance, theirs["beta_vcov"], atol=2e-8)
    np.testing.assert_allclose(fit.psi, theirs["Psi"], atol=2e-8 if estimator == "moments" else 1e-6)
    assert np.linalg.eigvalsh(fit.psi)[0] < 1e-8


def test_restricted_likelihood_equals_that_of_mixmeta():
    """mixmeta adds half the log determinant of the sum of C'C, as lme4 does not."""
    fit = meta(COEF, VCOV).restricted
    assert fit is not None
    np.testing.assert_allclose(fit.log_likelihood + 1.5 * np.log(len(COEF)), REFERENCE["reml"]["logLik"], atol=1e-8)


@pytest.mark.parametrize("estimator", ["reml", "moments"])
def test_spread_of_residual_sds_equals_mixmeta(estimator):
    """Theirs is of log variances, which are twice the log SDs."""
    theirs = REFERENCE[estimator]
    values = np.array(REFERENCE["log_sigma2"])[:, None] / 2
    variances = 1 / (2 * (np.array(REFERENCE["df"])[:, None, None] - 4.0))
    fit = meta(values, variances, estimator)
    np.testing.assert_allclose(2 * fit.gamma[0], theirs["log_sigma2_mean"], rtol=1e-8)
    np.testing.assert_allclose(2 * np.sqrt(fit.covariance[0, 0]), theirs["log_sigma2_se"], rtol=1e-8)
    np.testing.assert_allclose(4 * fit.psi[0, 0], theirs["log_sigma2_Psi"], rtol=1e-8)


def test_one_coefficient_is_dersimonian_laird():
    estimates, covariances = simulated(1, 12, np.eye(1))
    y, w = estimates[:, 0], 1 / covariances[:, 0, 0]
    Q = np.sum(w * (y - np.sum(w * y) / w.sum()) ** 2)
    psi = (Q - 11) / (w.sum() - np.sum(w**2) / w.sum())
    assert psi > 0
    np.testing.assert_allclose(meta(estimates, covariances, "moments").psi, psi)


@pytest.mark.parametrize("moderated", [None, "all", "intercept"])
def test_moments_without_multiplying_out(moderated):
    """The formula with a sum over all pairs of clusters, taken literally."""
    K, p = 11, 3
    moderators = None if moderated is None else np.random.default_rng(2).normal(size=(K, 2))
    estimates, covariances = simulated(2, K, 4 * np.eye(p))
    C, W, unit = design(K, p, moderators, moderated or "all"), np.linalg.inv(covariances), np.eye(p)
    M = np.linalg.inv(sum(C[i].T @ W[i] @ C[i] for i in range(K)))
    r = estimates - C @ (M @ sum(C[i].T @ W[i] @ estimates[i] for i in range(K)))
    B, right = np.zeros((p * p, p * p)), np.zeros((p, p))
    for i in range(K):
        right += W[i] @ np.outer(r[i], r[i]) - unit + W[i] @ C[i] @ M @ C[i].T
        for k in range(K):
            A = (i == k) * unit - C[i] @ M @ C[k].T @ W[k]
            B += np.kron(A, W[i] @ A)
    psi = np.linalg.solve(B, right.T.ravel()).reshape(p, p).T
    psi = (psi + psi.T) / 2
    assert np.linalg.eigvalsh(psi)[0] > 0
    np.testing.assert_allclose(meta(estimates, covariances, "moments", moderators, moderated or "all").psi, psi, rtol=1e-9)


@pytest.mark.parametrize("moderated", [None, "all", "intercept"])
def test_derivatives_of_the_restricted_likelihood(moderated):
    rng = np.random.default_rng(3)
    moderators = None if moderated is None else rng.normal(size=(9, 2))
    estimates, covariances = simulated(3, 9, np.eye(3))
    pooling = Pooling(estimates, covariances, design(9, 3, moderators, moderated or "all"))
    theta = rng.normal(size=6)

    def slope(theta):
        factor = lower(theta)
        return (2 * restricted(pooling, factor @ factor.T).slope @ factor)[np.tril_indices(3)]

    def value(theta):
        return restricted(pooling, lower(theta) @ lower(theta).T).value

    steps = 1e-5 * np.eye(6)
    by_differences = [(value(theta + step) - value(theta - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(slope(theta), by_differences, rtol=1e-6, atol=1e-7)
    by_differences = [(slope(theta + step) - slope(theta - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(hessian(pooling, lower(theta)), by_differences, rtol=1e-6, atol=1e-6)


def test_restricted_likelihood_is_that_of_contrasts():
    """Of a full set of contrasts that are free of the fixed effects, but for a constant of the design."""
    from scipy.linalg import block_diag, null_space
    from scipy.stats import multivariate_normal

    moderators = np.random.default_rng(4).normal(size=(5, 1))
    estimates, covariances = simulated(4, 5, np.eye(2))
    C = design(5, 2, moderators)
    contrasts = null_space(np.vstack(C).T)
    differences = []
    for psi in (np.eye(2), np.array([[2.0, -0.5], [-0.5, 0.3]])):
        covariance = contrasts.T @ block_diag(*(covariances + psi)) @ contrasts
        direct = multivariate_normal(cov=covariance).logpdf(contrasts.T @ estimates.ravel())
        differences.append(restricted(Pooling(estimates, covariances, C), psi).value - direct)
    np.testing.assert_allclose(differences[0], differences[1])


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_reml_is_the_maximum_at_the_boundary_too(rank):
    """Nothing is more likely where searches from random places end, whatever the units of the coefficients."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(5)
    half = rng.normal(size=(3, rank))
    estimates, covariances = simulated(5, 9, half @ half.T, size=3.0)
    units = np.array([1e-3, 1.0, 1e4])
    fit = meta(estimates * units, covariances * np.outer(units, units)).restricted
    assert fit is not None
    pooling = Pooling(estimates, covariances, design(9, 3))
    found = restricted(pooling, fit.psi / np.outer(units, units)).value

    def loss(theta):
        return -restricted(pooling, theta.reshape(3, 3) @ theta.reshape(3, 3).T).value

    others = [-minimize(loss, rng.normal(size=9), method="L-BFGS-B").fun for _ in range(3)]
    assert found > max(others) - 1e-6
    np.testing.assert_allclose(fit.log_likelihood, found - 8 * np.log(units).sum())


SEVERAL_MAXIMA = json.loads((Path(__file__).parents[1] / "reference" / "selection_block.json").read_text())


def selection_block():
    """Nine coefficients in nine regions, where interviewers differ much in one and hardly in the others."""
    triangles = np.array([lower(np.array(each)) for each in SEVERAL_MAXIMA["lower_triangles"]])
    return np.array(SEVERAL_MAXIMA["estimates"]), triangles + np.tril(triangles, -1).transpose(0, 2, 1)


def test_the_best_of_several_maxima_is_that_of_mixmeta():
    """The best but one has a log likelihood that is lower by 3.3. Their search stops early."""
    estimates, covariances = selection_block()
    fit = meta(estimates, covariances)
    assert fit.restricted is not None
    theirs = restricted(Pooling(estimates, covariances, design(9, 9)), np.array(SEVERAL_MAXIMA["Psi"])).value
    assert theirs < fit.restricted.log_likelihood < theirs + 0.002
    np.testing.assert_allclose(fit.psi, SEVERAL_MAXIMA["Psi"], atol=5e-4)
    np.testing.assert_allclose((fit.gamma - SEVERAL_MAXIMA["beta"]) / SEVERAL_MAXIMA["se"], 0.0, atol=0.03)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), SEVERAL_MAXIMA["se"], rtol=0.02)


@pytest.mark.parametrize("left_out", [None, 0, 5, 8])
@pytest.mark.parametrize("factor", [0.6, 1.0])
@pytest.mark.parametrize("chosen", [range(9), [0, 1, 2, 8], [0, 1, 8], [0, 8]], ids=len)
def test_no_search_from_elsewhere_finds_a_better_maximum(chosen, factor, left_out):
    """In 26 of these 32 parts of one problem one of the starts that are tried ends at a worse one."""
    regions = [region for region in range(9) if region != left_out]
    estimates, covariances = selection_block()
    estimates, covariances = estimates[np.ix_(regions, chosen)], factor * covariances[np.ix_(regions, chosen, chosen)]
    fit = meta(estimates, covariances)
    assert fit.restricted is not None
    pooling, p = Pooling(estimates, covariances, design(len(regions), len(chosen))), len(chosen)
    rng = np.random.default_rng(12)
    psis = [size * (half := rng.normal(size=(p, p + 3))) @ half.T for size in (0.0002, 0.002, 0.02, 0.2)]
    best = max(reml._climbed(pooling, psi).value for psi in psis)
    assert fit.restricted.log_likelihood > best - 1e-6
    assert (np.diag(lower(fit.restricted.theta)) >= 0).all()


def test_a_maximum_is_told_from_a_saddle_and_from_a_slope(monkeypatch):
    """Where the factor is 0 the slope by it vanishes, whether the likelihood rises from there or not."""
    estimates, covariances = simulated(5, 9, np.eye(2))
    pooling = Pooling(estimates, covariances, design(9, 2))
    fit = meta(estimates, covariances).restricted
    assert fit is not None

    def is_maximum(factor):
        return reml._is_maximum(restricted(pooling, factor @ factor.T), factor, -hessian(pooling, factor))

    assert is_maximum(lower(fit.theta))
    assert not is_maximum(1.2 * lower(fit.theta))
    assert not is_maximum(np.zeros((2, 2)))
    monkeypatch.setattr(reml, "SLACK", -1.0)
    with pytest.raises(ImputationError, match="of 9 clusters has no maximum that a search finds"):
        meta(estimates, covariances)


def test_estimates_are_unbiased_with_moderators():
    """Mean over 300 data sets within 4.5 standard errors: false alarms in 1e-4 of 21 numbers together."""
    rng = np.random.default_rng(6)
    moderators, psi = rng.normal(size=(12, 2)), np.array([[1.0, 0.4], [0.4, 0.5]])
    gamma = np.array([1.0, 2.0, -1.0, 0.5, 0.0, 3.0])
    found = {"gamma": [], "psi": []}
    for seed in range(300):
        fit = meta(*simulated(seed, 12, 25 * psi, moderators, gamma), "moments", moderators)
        found["gamma"].append(fit.gamma)
        found["psi"].append(fit.psi[np.tril_indices(2)] / 25)
    for name, values in {"gamma": gamma, "psi": psi[np.tril_indices(2)]}.items():
        draws = np.array(found[name])
        assert np.all(np.abs(draws.mean(axis=0) - values) < 4.5 * draws.std(axis=0) / np.sqrt(300)), name


def moments_of(draws):
    return draws.mean(axis=0), np.cov(draws, rowvar=False)


def assert_distribution(draws, mean, covariance):
    """Mean by Hotelling's statistic, and covariances by their asymptotic errors: false alarms in 1e-4 each."""
    n = len(draws)
    found, spread = moments_of(draws)
    assert n * (found - mean) @ np.linalg.solve(covariance, found - mean) < chi2.isf(1e-4, len(mean))
    errors = np.sqrt((covariance**2 + np.outer(np.diag(covariance), np.diag(covariance))) / n)
    assert (np.abs(spread - covariance) / errors).max() < 4.5


def test_draws_for_clusters_with_and_without_data():
    """Unconditionally on the drawn means: the mean and covariance of the design page, for a singular Psi."""
    fit = meta(COEF, VCOV, "moments")
    rng = np.random.default_rng(7)
    fitted = np.arange(18) < 17
    draws = np.array([fit.draw(rng).cluster_draw(rng, fitted, COEF, VCOV) for _ in range(3000)])
    # A singular covariance has no inverse for the test of the mean: a little is added to both.
    slight = 1e-3 * np.eye(3)
    noise = rng.multivariate_normal(np.zeros(3), slight, size=3000)
    assert_distribution(draws[:, 17] + noise, fit.gamma, fit.psi + fit.covariance + slight)
    for cluster in (0, 9):
        gain = fit.psi @ np.linalg.inv(fit.psi + VCOV[cluster])
        mean = fit.gamma + gain @ (COEF[cluster] - fit.gamma)
        left = np.eye(3) - gain
        covariance = fit.psi - gain @ fit.psi + left @ fit.covariance @ left.T
        assert_distribution(draws[:, cluster] + noise, mean, covariance + slight)


def test_the_covariance_form_equals_the_precision_form():
    """Where Psi is regular; and the pseudo-inverse then changes nothing."""
    psi, mean = np.array([[1.0, 0.3, 0.0], [0.3, 0.5, 0.1], [0.0, 0.1, 0.2]]), np.array([1.0, -1.0, 2.0])
    drawn = Drawn(mean, psi)
    inverse, precisions = np.linalg.inv(psi), np.linalg.inv(VCOV)
    D = np.linalg.inv(inverse + precisions)
    centres = (D @ (inverse @ mean + np.einsum("ipq,iq->ip", precisions, COEF))[:, :, None])[:, :, 0]
    for pseudo_inverse in (False, True):
        draw = drawn.cluster_draw(np.random.default_rng(8), np.ones(17, bool), COEF, VCOV, None, pseudo_inverse)
        noise = np.random.default_rng(8).standard_normal((17, 3, 1))
        np.testing.assert_allclose(draw - (root(D) @ noise)[:, :, 0], centres, rtol=1e-9)


def test_a_huge_psi_leaves_clusters_as_they_are_and_a_psi_of_zero_pools_them():
    mean = np.array([1.0, -1.0, 2.0])
    rng, everyone = np.random.default_rng(9), np.ones(17, bool)
    apart = np.array([Drawn(mean, 1e9 * np.eye(3)).cluster_draw(rng, everyone, COEF, VCOV) for _ in range(2000)])
    assert_distribution(apart[:, 3], COEF[3], VCOV[3])
    pooled = Drawn(mean, np.zeros((3, 3))).cluster_draw(rng, everyone, COEF, VCOV)
    np.testing.assert_array_equal(pooled, np.broadcast_to(mean, (17, 3)))


def test_the_pseudo_inverse_does_not_shrink_what_does_not_vary():
    """As micemd draws it; the covariance form takes the pooled value instead."""
    drawn = Drawn(np.zeros(2), np.diag([0.0, 1.0]))
    estimates, covariances = np.full((1, 2), 5.0), np.eye(2)[None] * 1e-12
    exact = drawn.cluster_draw(np.random.default_rng(1), np.ones(1, bool), estimates, covariances)
    theirs = drawn.cluster_draw(np.random.default_rng(1), np.ones(1, bool), estimates, covariances, None, True)
    np.testing.assert_allclose(exact, [[0.0, 5.0]], atol=1e-4)
    np.testing.assert_allclose(theirs, [[5.0, 5.0]], atol=1e-4)


def test_moderators_move_the_clusters():
    moderators = np.array([[0.0], [1.0], [-2.0]])
    gamma = np.array([1.0, 2.0, 10.0, 100.0])
    assert Drawn(gamma, np.zeros((2, 2))).means(3, moderators).tolist() == [[1, 2], [11, 102], [-19, -198]]
    only = Drawn(gamma[:3], np.zeros((2, 2)), "intercept")
    assert only.means(3, moderators).tolist() == [[1, 2], [11, 2], [-19, 2]]
    assert only.mean.tolist() == [1, 2]
    drawn = only.cluster_draw(np.random.default_rng(1), np.zeros(3, bool), np.empty((0, 2)), np.empty((0, 2, 2)), moderators)
    assert drawn.tolist() == [[1, 2], [11, 2], [-19, 2]]


def test_psi_is_drawn_by_the_normal_distribution_of_its_factor():
    """Two numbers with many clusters, where hardly a draw is ruled out: E Psi* = Psi + the covariance of the factor."""
    estimates, covariances = simulated(10, 60, np.array([[2.0, 0.5], [0.5, 1.0]]), size=0.1)
    fit = meta(estimates, covariances)
    assert fit.restricted is not None
    np.testing.assert_allclose(lower(fit.restricted.theta) @ lower(fit.restricted.theta).T, fit.psi)
    V = fit.restricted.covariance
    expected = fit.psi + np.array([[V[0, 0], V[0, 1]], [V[0, 1], V[1, 1] + V[2, 2]]])
    rng = np.random.default_rng(10)
    draws = np.array([fit.draw(rng).psi[np.tril_indices(2)] for _ in range(3000)])
    z = (draws.mean(axis=0) - expected[np.tril_indices(2)]) / (draws.std(axis=0) / np.sqrt(3000))
    assert np.abs(z).max() < 4.5
    # To first order, the spread of a variance is twice its root times the error of the factor.
    np.testing.assert_allclose(draws[:, 0].std(), 2 * np.sqrt(fit.psi[0, 0] * V[0, 0]), rtol=0.05)


def test_no_draw_is_ruled_out_by_the_likelihood():
    estimates, covariances = simulated(11, 5, np.diag([0.0, 1.0, 1.0]))
    fit = meta(estimates, covariances)
    assert fit.restricted is not None
    pooling, rng = Pooling(estimates, covariances, design(5, 3)), np.random.default_rng(11)
    values = np.array([restricted(pooling, fit.draw(rng).psi).value for _ in range(300)])
    falls = fit.restricted.log_likelihood - values
    assert 1 < falls.max() <= chi2.isf(1e-3, 6) / 2


def test_draws_that_are_always_ruled_out_are_refused(monkeypatch):
    monkeypatch.setattr(reml, "RULED_OUT", 1 - 1e-12)
    with pytest.raises(
        ImputationError, match="17 clusters say too little about a 3 x 3 covariance matrix .* estimator='moments'"
    ):
        meta(COEF, VCOV).draw(np.random.default_rng(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimator": "ml"}, "The estimator is 'ml'. It can be 'reml' or 'moments'"),
        ({"moderators": np.arange(17.0)[:, None], "moderated": "slope"}, "Moderators predict 'slope'"),
        ({"moderators": np.column_stack([np.ones(17), np.arange(17)])}, "constant or collinear over the clusters"),
        ({"moderators": np.column_stack([np.arange(17), 2 * np.arange(17)])}, "constant or collinear over the clusters"),
        (
            {"moderators": np.eye(17)[:, :16]},
            "17 clusters could be fitted, but .* with 16 cluster-level predictors needs at least 18",
        ),
    ],
)
def test_what_cannot_be_pooled(arguments, message):
    with pytest.raises(ImputationError, match=message):
        meta(COEF, VCOV, **arguments)


def test_one_cluster_cannot_be_pooled():
    with pytest.raises(ImputationError, match="1 clusters could be fitted, but the variance between clusters needs at least 2"):
        meta(COEF[:1], VCOV[:1])


def test_two_clusters_are_enough():
    assert np.isfinite(meta(COEF[:2], VCOV[:2]).draw(np.random.default_rng(1)).psi).all()

"""Mixed-model methods: what parameters are drawn, which random effects, what is refused; false alarms 1e-4 a test."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from jmimpute.chained import laplace, mixed
from jmimpute.chained.laplace import find_modes
from jmimpute.chained.mixed import Mixed, MixedBinary, MixedPoisson
from jmimpute.chained.mixed_model import make_design
from jmimpute.errors import ChainedWarning, ImputationError
from tests.chained.mixed_targets import REFERENCE, Noise, make_target, reference_target, simulated

#: A direction in which covariance matrices are looked at.
C = np.array([1.0, -0.7])
N_CLUSTERS = 24


def same(draws, distribution):
    return kstest(draws, distribution.cdf).pvalue > 1e-4


def quadratic(matrices):
    return np.einsum("a,nab,b->n", C, matrices, C)


def distances(draws, mean, covariance):
    away = draws - mean
    return np.einsum("na,ab,nb->n", away, np.linalg.inv(covariance), away)


def test_parameters_of_a_linear_model_have_their_distributions(monkeypatch):
    """With nlme's estimates and predicted effects."""
    theirs, target, drawn = REFERENCE["lme"], reference_target("y"), []
    fit = mixed.fit_reml(target, make_design(target))
    monkeypatch.setattr(mixed, "fit_reml", lambda *_: fit)
    monkeypatch.setattr(mixed, "impute", lambda design, *parameters: drawn.append(parameters[:3]))
    rng = np.random.default_rng(1)
    for _ in range(1500):
        Mixed()(target, rng)
    beta, psi, variance = (np.array(part) for part in zip(*drawn, strict=True))
    df = len(target.y) - 3
    assert same(df * theirs["sigma"] ** 2 / variance, chi2(df))
    ratio = np.sqrt(variance) / theirs["sigma"]
    standardised = (beta - theirs["coef"]) / ratio[:, None]
    assert same(distances(standardised, 0, np.array(theirs["vcov"])), chi2(3))
    effects = np.array(theirs["effects"])
    scale = effects.T @ effects
    assert same(quadratic(np.linalg.inv(psi)) / (C @ np.linalg.solve(scale, C)), chi2(N_CLUSTERS))
    assert same(C @ scale @ C / quadratic(psi), chi2(N_CLUSTERS - 1))


def test_fixed_effects_have_the_drawn_residual_variance_in_them(monkeypatch):
    """A chi-square of a quarter of its mean: four times the variance, twice the deviation."""

    class Quarter(Noise):
        def chisquare(self, df):
            return df / 4

    target, drawn = reference_target("y"), []
    fit = mixed.fit_reml(target, make_design(target))
    monkeypatch.setattr(mixed, "impute", lambda design, *parameters: drawn.append(parameters[:3]))
    Mixed()(target, Quarter(1.0))
    np.testing.assert_allclose(drawn[0][0] - fit.values, 2 * np.linalg.cholesky(fit.covariance) @ np.ones(3), rtol=1e-6)
    assert drawn[0][2] == pytest.approx(4 * fit.residual)


@pytest.mark.parametrize(
    ("name", "response", "method"), [("binomial", "binary", MixedBinary), ("poisson", "count", MixedPoisson)]
)
def test_parameters_of_other_models_have_their_distributions(monkeypatch, name, response, method):
    """With glmer's estimates and predicted effects."""
    theirs, target, drawn = REFERENCE[name], reference_target(response), []
    design = make_design(target)
    family = {"binomial": laplace.BINOMIAL, "poisson": laplace.POISSON}[name]
    fit = mixed._fit(target, design, family)
    at_estimates = mixed._modes(design, fit.values, fit.random, family)
    monkeypatch.setattr(mixed, "_fit", lambda *_: fit)
    monkeypatch.setattr(mixed, "_modes", lambda *_: at_estimates)

    def capture(design, beta, psi, predicted, family, effects):
        drawn.append((beta, psi))
        np.testing.assert_allclose(predicted, theirs["effects"], atol=1e-4)
        return np.zeros((N_CLUSTERS, 2)), np.zeros((N_CLUSTERS, 2, 2))

    monkeypatch.setattr(mixed, "_effects_given_data", capture)
    rng = np.random.default_rng(2)
    for _ in range(1500):
        method()(target, rng)
    beta, psi = (np.array(part) for part in zip(*drawn, strict=True))
    assert same(distances(beta, theirs["coef"], np.array(theirs["vcov"])), chi2(3))
    effects = np.array(theirs["effects"])
    scale = effects.T @ effects + 2 * np.array(theirs["psi"])
    assert same(quadratic(np.linalg.inv(psi)) / (C @ np.linalg.solve(scale, C)), chi2(N_CLUSTERS + 2))
    assert same(C @ scale @ C / quadratic(psi), chi2(N_CLUSTERS + 1))


def test_random_effects_of_each_kind():
    target = reference_target("binary")
    observed = target.codes != 5
    design = make_design(make_target(target.y, target.x, target.codes, observed, random=[0, 1]))
    beta, psi, predicted = np.array([0.2, 0.1, -0.3]), np.array([[1.0, 0.4], [0.4, 0.6]]), np.full((N_CLUSTERS, 2), 3.0)

    def moments(effects):
        mean, root = mixed._effects_given_data(design, beta, psi, predicted, laplace.BINOMIAL, effects)
        return mean, root @ root.swapaxes(1, 2)

    modes = find_modes(design.y, design.x @ beta, design.z, design.codes, N_CLUSTERS, psi, laplace.BINOMIAL)
    mean, covariance = moments("conditional")
    np.testing.assert_allclose(mean, modes.effects)
    np.testing.assert_allclose(covariance, modes.root @ modes.root.swapaxes(1, 2))
    np.testing.assert_array_equal(mean[5], 0)
    np.testing.assert_allclose(covariance[5], psi)
    mean, covariance = moments("eb")
    np.testing.assert_array_equal(mean, predicted)
    np.testing.assert_allclose(covariance, np.broadcast_to(psi, covariance.shape))
    mean, covariance = moments("marginal")
    np.testing.assert_array_equal(mean, 0)
    np.testing.assert_allclose(covariance, np.broadcast_to(psi, covariance.shape))


def binary(seed=0):
    """Clusters that are nearly all 0 or nearly all 1, but cluster 0 without values."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(16), 20)
    x = np.column_stack([np.ones(320), rng.normal(size=320)])
    y = (rng.random(320) < np.where(codes % 2, 0.93, 0.07)).astype(float)
    return y, x, codes, (rng.random(320) < 0.6) & (codes > 0)


def test_what_a_cluster_shows_is_kept_or_forgotten():
    """Agreement of imputed and true cells of sporadic clusters: .87 if the cluster is known, .5 if not."""
    y, x, codes, observed = binary()
    target = make_target(y, x, codes, observed, random=[0], n_categories=2)
    sporadic = codes[~observed] > 0
    for effects, low, high in (("conditional", 0.8, 0.95), ("eb", 0.6, 0.9), ("marginal", 0.3, 0.7)):
        imputed = [MixedBinary(effects)(target, np.random.default_rng(seed)) for seed in range(3)]
        assert set(np.unique(imputed)) == {0.0, 1.0}
        assert low < np.mean(np.array(imputed)[:, sporadic] == y[~observed][sporadic]) < high


def test_counts_of_sporadic_clusters_follow_their_means():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(12), 30)
    mean = np.exp(np.linspace(-1, 3, 12))
    y = rng.poisson(mean[codes])
    target = make_target(y, np.ones((360, 1)), codes, np.arange(360) % 3 > 0)
    imputed = MixedPoisson()(target, np.random.default_rng(4))
    # Of 10 cells: their own error, and that of the mean from 20 others; 4.5 standard errors.
    means = imputed.reshape(12, 10).mean(axis=1)
    np.testing.assert_array_less(np.abs(means - mean), 4.5 * np.sqrt(mean * (1 / 10 + 2 / 20)) + 0.3)
    assert (imputed == np.round(imputed)).all() and (imputed >= 0).all()


def test_linear_imputations_of_sporadic_clusters_are_close():
    """And fixed coefficients may stand beside random ones."""
    y, x, codes, observed = simulated(n_clusters=20, size=30, sds=(1.0, 0.0, 0.5), noise=0.1)
    target = make_target(y, x, codes, observed, random=[0, 2])
    imputed = Mixed()(target, np.random.default_rng(2))
    assert np.std((imputed - y[~observed])[codes[~observed] > 0]) < 0.2


def test_a_singular_estimate_is_told():
    y, x, codes, observed = simulated(2, sds=(0.0, 0.0))
    y = y - np.array([y[observed & (codes == c)].mean() if c else 0 for c in range(12)])[codes]
    with pytest.warns(ChainedWarning, match=r"'y': the estimated covariance matrix .*\(Intercept\) is singular"):
        imputed = Mixed()(make_target(y, x, codes, observed, random=[0]), np.random.default_rng(0))
    assert np.isfinite(imputed).all()
    ones = np.tile([0.0, 1.0], 60)
    with pytest.warns(ChainedWarning, match="is singular"):
        MixedBinary()(make_target(ones, x, codes, np.arange(120) % 10 < 8, random=[0]), np.random.default_rng(0))


def test_too_few_clusters_are_refused():
    y, x, codes, _ = simulated()
    observed = np.isin(codes, [3, 4])
    with pytest.raises(ImputationError, match=r"2 clusters with observed values are too few for 3 random .*Intercept, x1, x2"):
        Mixed()(make_target(y, x, codes, observed), np.random.default_rng(0))


@pytest.mark.parametrize("values", [[0, 1, 2], [1], [1, 2]])
def test_other_than_two_categories_are_refused(values):
    _, x, codes, observed = simulated()
    y = np.resize(values, len(codes))
    with pytest.raises(ImputationError, match=rf"'y': a logistic mixed model .*0 and 1.*{', '.join(map(str, values))}"):
        MixedBinary()(make_target(y, x, codes, observed), np.random.default_rng(0))


@pytest.mark.parametrize("values", [[0, 1.5], [-1, 1], [0]])
def test_other_than_counts_are_refused(values):
    _, x, codes, observed = simulated()
    with pytest.raises(ImputationError, match="'y': a Poisson mixed model needs counts"):
        MixedPoisson()(make_target(np.resize(values, len(codes)), x, codes, observed), np.random.default_rng(0))


def test_separation_is_refused():
    target = reference_target("binary")
    rare = (np.arange(len(target.y)) % 9 == 0) & (target.y == 0)
    with pytest.raises(ImputationError, match="'y': its likelihood is flat.*separates"):
        MixedBinary()(
            make_target(target.y, np.column_stack([target.x, rare]), target.codes, random=[0]), np.random.default_rng(0)
        )


def test_an_interrupted_search_is_refused(monkeypatch):
    monkeypatch.setitem(laplace._OPTIONS, "maxiter", 2)
    with pytest.raises(ImputationError, match="'y': the search for the maximum likelihood did not converge"):
        MixedBinary()(reference_target("binary"), np.random.default_rng(0))


def test_a_mean_too_large_for_a_count_is_refused():
    """Cluster c has a missing row far from all others."""
    rng = np.random.default_rng(5)
    codes, x = np.repeat(np.arange(8), 20), rng.normal(size=160)
    y, observed = rng.poisson(np.exp(0.5 + 0.5 * x + rng.normal(size=8)[codes])), np.ones(160, bool)
    observed[45], x[45] = False, 500.0
    with pytest.raises(ImputationError, match=r"'y': a drawn mean is exp\(\d+\), in cluster c, too large"):
        MixedPoisson()(
            make_target(y, np.column_stack([np.ones(160), x]), codes, observed, random=[0]), np.random.default_rng(0)
        )


@pytest.mark.parametrize("method", [MixedBinary, MixedPoisson])
def test_unknown_effects_are_refused(method):
    with pytest.raises(ImputationError, match="no effects='laplace'; it is 'conditional', 'eb' or 'marginal'"):
        method(effects="laplace")

"""The Gibbs sampler of unequal residual variances: each draw against the joint density or dense algebra, and what is refused.

False alarms: 1e-4 a test at most.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

from jmimpute.chained import heteroscedastic
from jmimpute.chained.heteroscedastic import (
    Heteroscedastic,
    Rows,
    State,
    draw_coefficients,
    draw_location,
    draw_theta,
    draw_variances,
    step,
)
from jmimpute.errors import ImputationError
from tests.chained.mixed_targets import Noise, make_target

STATE = State(
    coefficients=np.array([[0.5, 1.0], [1.5, 0.2], [-0.3, 0.4], [0.9, 0.7], [0.1, -0.5]]),
    mu=np.array([0.4, 0.3]),
    psi=np.array([[1.0, 0.4], [0.4, 0.6]]),
    variances=np.array([0.5, 1.5, 0.8, 2.5, 0.4]),
    location=0.9,
    theta=0.3,
)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    codes = np.array([3, 1, 1, 0, 2, 4, 4, 3, 2, 0, 1, 3])
    return Rows(rng.normal(1.0, 2.0, 12), np.column_stack([np.ones(12), rng.normal(size=12)]), codes, 5)


def log_joint(state, rows):
    """Log density of data, coefficients, residual variances and their spread, with Stirling's formula for a gamma function."""
    residuals = rows.y - np.sum(rows.z * state.coefficients[rows.codes], axis=1)
    data = norm.logpdf(residuals, scale=np.sqrt(state.variances[rows.codes])).sum()
    half = 1 / (2 * state.theta)
    stirling = (half - 0.5) * np.log(half) - half + np.log(2 * np.pi) / 2
    spread = half * np.log(half * state.location) - stirling - (half + 1) * np.log(state.variances)
    return data + np.sum(spread - half * state.location / state.variances)


def follows(draws, log_density, low, high):
    """Whether draws have a density that is known on the log scale up to a constant."""
    grid = np.geomspace(low, high, 1000)
    heights = np.array([log_density(value) for value in grid])
    density = np.exp(heights - heights.max())
    steps = np.diff(grid) * (density[1:] + density[:-1]) / 2
    below = np.append(0, np.cumsum(steps)) / steps.sum()
    return kstest(draws, lambda value: np.interp(value, grid, below)).pvalue > 1e-4


def test_coefficients_have_the_dense_conditional_distribution():
    """Exactly: unit vectors as noise give the roots of the covariance matrices."""
    data = rows()
    mean = draw_coefficients(STATE, data, Noise([0, 0]))
    roots = np.stack([draw_coefficients(STATE, data, Noise(unit)) - mean for unit in np.eye(2)], axis=2)
    for cluster in range(5):
        Z, y = data.z[data.codes == cluster], data.y[data.codes == cluster]
        gain = STATE.psi @ Z.T @ np.linalg.inv(Z @ STATE.psi @ Z.T + STATE.variances[cluster] * np.eye(len(y)))
        np.testing.assert_allclose(mean[cluster], STATE.mu + gain @ (y - Z @ STATE.mu), atol=1e-10)
        np.testing.assert_allclose(roots[cluster] @ roots[cluster].T, STATE.psi - gain @ Z @ STATE.psi, atol=1e-10)


def test_variances_have_their_conditional_distribution():
    data, rng = rows(), np.random.default_rng(1)
    draws = np.array([draw_variances(STATE, data, rng) for _ in range(1500)])
    for cluster in (1, 4):

        def density(value, cluster=cluster):
            variances = STATE.variances.copy()
            variances[cluster] = value
            return log_joint(replace(STATE, variances=variances), data)

        assert follows(draws[:, cluster], density, 1e-2, 1e4)


def test_location_has_its_conditional_distribution():
    rng = np.random.default_rng(2)
    draws = [draw_location(STATE, rng) for _ in range(1500)]
    assert follows(draws, lambda value: log_joint(replace(STATE, location=value), rows()), 1e-3, 1e2)


def test_theta_has_its_conditional_distribution():
    rng = np.random.default_rng(3)
    draws = [draw_theta(STATE, rng) for _ in range(1500)]
    assert follows(draws, lambda value: log_joint(replace(STATE, theta=value), rows()), 1e-3, 1e5)


def test_mean_and_covariance_between_clusters_have_their_conditional_distributions(monkeypatch):
    """The mean given the old covariance, the covariance given the new mean; both have flat priors."""
    n = 12
    coefficients = np.random.default_rng(4).normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.7]])
    monkeypatch.setattr(heteroscedastic, "draw_coefficients", lambda *_: coefficients)
    many = Rows(np.ones(n), np.ones((n, 2)), np.arange(n), n)
    state = replace(STATE, coefficients=coefficients, variances=np.linspace(0.5, 2, n))
    rng = np.random.default_rng(5)
    states = [step(state, many, rng) for _ in range(1500)]
    mu = np.array([one.mu for one in states]) - coefficients.mean(axis=0)
    assert kstest(np.einsum("na,ab,nb->n", mu, n * np.linalg.inv(STATE.psi), mu), chi2(2).cdf).pvalue > 1e-4
    # psi^-1 is Wishart with n - q - 1 degrees of freedom: its quadratic form in any direction, over that of its scale.
    c = np.array([1.0, -0.7])
    scales = [(coefficients - one.mu).T @ (coefficients - one.mu) for one in states]
    ratios = [
        c @ np.linalg.solve(one.psi, c) / (c @ np.linalg.solve(scale, c)) for one, scale in zip(states, scales, strict=True)
    ]
    assert kstest(ratios, chi2(n - 3).cdf).pvalue > 1e-4


def test_a_step_leaves_the_joint_distribution_as_it_is():
    """Geweke (2004): coefficients and variances from the model, data given them; after a step they still are from the model.

    There are so many clusters that their distribution hardly moves.
    """
    n, q = 8000, 2
    rng = np.random.default_rng(6)
    variances = STATE.location / STATE.theta / rng.chisquare(1 / STATE.theta, n)
    coefficients = rng.multivariate_normal(STATE.mu, STATE.psi, n)
    codes = np.repeat(np.arange(n), 3)
    z = np.column_stack([np.ones(3 * n), rng.normal(size=3 * n)])
    y = np.sum(z * coefficients[codes], axis=1) + np.sqrt(variances[codes]) * rng.standard_normal(3 * n)
    state = replace(STATE, coefficients=coefficients, variances=variances)
    after = step(state, Rows(y, z, codes, n), rng)
    assert np.corrcoef(after.coefficients[:, 0], coefficients[:, 0])[0, 1] < 0.9
    away = after.coefficients - STATE.mu
    assert kstest(np.einsum("na,ab,nb->n", away, np.linalg.inv(STATE.psi), away), chi2(q).cdf).pvalue > 1e-4
    assert kstest(STATE.location / STATE.theta / after.variances, chi2(1 / STATE.theta).cdf).pvalue > 1e-4
    # Standard errors of what belongs to all clusters: those of 8000 draws. Stirling's formula moves theta by a little more.
    np.testing.assert_allclose(after.mu, STATE.mu, atol=5 / np.sqrt(n))
    np.testing.assert_allclose(after.psi, STATE.psi, atol=5 * np.sqrt(2 / n))
    assert after.location == pytest.approx(STATE.location, abs=5 * STATE.location * np.sqrt(2 * STATE.theta / n))
    assert after.theta == pytest.approx(STATE.theta, rel=0.2)


def unequal(seed=0, n_clusters=20, size=40):
    """Residual standard deviations of 0.2 and 2 in turn."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), size)
    x = np.column_stack([np.ones(len(codes)), rng.normal(5.0, 1.0, len(codes))])
    effects = rng.normal(size=(n_clusters, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    sd = np.where(np.arange(n_clusters) % 2, 2.0, 0.2)
    y = 3 + x[:, 1] + np.sum(x * effects[codes], axis=1) + sd[codes] * rng.normal(size=len(codes))
    return y, x, codes, rng.random(len(codes)) < 0.7


def test_imputes_with_the_residual_variance_of_the_cluster():
    """Errors hold the residuals of the cell and of its imputation, and little else: mean squares within 5 standard errors."""
    y, x, codes, observed = unequal()
    imputed = Heteroscedastic()(make_target(y, x, codes, observed), np.random.default_rng(1))
    errors = imputed - y[~observed]
    for parity, sd in ((0, 0.2), (1, 2.0)):
        own = errors[codes[~observed] % 2 == parity]
        assert np.mean(own**2) == pytest.approx(2 * sd**2, rel=5 * np.sqrt(2 / len(own)))


def test_units_and_origins_are_irrelevant():
    y, x, codes, observed = unequal()
    near = Heteroscedastic(5)(make_target(y, x, codes, observed), np.random.default_rng(1))
    moved = x @ np.array([[1.0, 2000.0], [0.0, 10.0]])
    far = Heteroscedastic(5)(make_target(1e4 + 100 * y, moved, codes, observed), np.random.default_rng(1))
    np.testing.assert_allclose((far - 1e4) / 100, near, rtol=1e-6)


def test_as_many_iterations_are_made_as_were_asked_for(monkeypatch):
    y, x, codes, observed = unequal(n_clusters=8)
    made = []
    monkeypatch.setattr(heteroscedastic, "step", lambda *arguments: made.append(1) or step(*arguments))
    Heteroscedastic(7)(make_target(y, x, codes, observed), np.random.default_rng(1))
    assert len(made) == 7
    with pytest.raises(ImputationError, match="iterations=0 must be 1 at least"):
        Heteroscedastic(iterations=0)


def draw(target):
    return Heteroscedastic()(target, np.random.default_rng(0))


def test_fixed_coefficients_are_refused():
    y, x, codes, observed = unequal()
    with pytest.raises(
        ImputationError, match=r"'y': in a heteroscedastic model every predictor .* 'x1' would have a fixed one"
    ):
        draw(make_target(y, x, codes, observed, random=[0]))
    with pytest.raises(ImputationError, match="cluster means would have a fixed one"):
        draw(make_target(y, x, codes, observed, means=np.ones((20, 1))))


def test_a_cluster_without_values_is_refused():
    y, x, codes, observed = unequal()
    with pytest.raises(ImputationError, match=r"'y' has no observed value in 2 of 20 clusters \(b, d\)"):
        draw(make_target(y, x, codes, observed & ~np.isin(codes, [1, 3])))


def test_too_few_clusters_are_refused():
    """Two observed values are none too many for two coefficients."""
    y, x, codes, observed = unequal(n_clusters=8)
    assert np.isfinite(draw(make_target(y, x, codes, observed))).all()
    for cluster in (2, 5):
        observed[np.flatnonzero((codes == cluster) & observed)[2:]] = False
    with pytest.raises(ImputationError, match="needs 7 clusters at least with more than 2 observed values, and there are 6"):
        draw(make_target(y, x, codes, observed))


def test_a_response_without_residual_is_refused():
    _, x, codes, observed = unequal()
    with pytest.raises(ImputationError, match="'y': its predictors reproduce it without any residual"):
        draw(make_target(x @ [1, 2], x, codes, observed))

"""Designs of mixed models, what cannot be fitted, and imputations given parameters."""

import numpy as np
import pytest

from jmimpute.analysis import mixed
from jmimpute.chained.mixed_model import fit_reml, impute, make_design
from jmimpute.errors import ImputationError
from tests.chained.mixed_targets import make_target, simulated


def test_design_splits_rows_and_adds_cluster_level_predictors():
    y, x, codes, observed = simulated()
    means = np.random.default_rng(1).normal(size=(12, 1))
    design = make_design(make_target(y, x, codes, observed, random=[0, 2], means=means))
    np.testing.assert_array_equal(design.y, y[observed])
    np.testing.assert_array_equal(design.x, np.column_stack([x, means[codes]])[observed])
    np.testing.assert_array_equal(design.x_missing[:, 3], means[codes[~observed], 0])
    np.testing.assert_array_equal(design.z_missing, x[~observed][:, [0, 2]])
    assert (design.n_clusters, design.n_seen, design.random_columns) == (12, 11, ("Intercept", "x2"))


def test_imputations_given_parameters_have_the_dense_conditional_distribution():
    """Of all missing rows of a cluster jointly, given those observed: means and covariances within 5 standard errors."""
    y, x, codes, observed = simulated(n_clusters=3, size=4)
    observed = np.array([False] * 4 + [True, False, True, False] + [True, True, True, False])
    design = make_design(make_target(y, x[:, :2], codes, observed))
    beta, psi, variance = np.array([1.0, 2.0]), np.array([[1.0, 0.5], [0.5, 0.8]]), 0.7
    rng = np.random.default_rng(5)
    draws = np.array([impute(design, beta, psi, variance, rng) for _ in range(4000)])
    V = variance * np.eye(12) + (codes[:, None] == codes) * (x[:, :2] @ psi @ x[:, :2].T)
    gain = V[np.ix_(~observed, observed)] @ np.linalg.inv(V[np.ix_(observed, observed)])
    mean = x[~observed, :2] @ beta + gain @ (y - x[:, :2] @ beta)[observed]
    covariance = V[np.ix_(~observed, ~observed)] - gain @ V[np.ix_(observed, ~observed)]
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - mean), 5 * sd / np.sqrt(4000))
    np.testing.assert_array_less(np.abs(np.cov(draws.T) - covariance), 5 * np.outer(sd, sd) * np.sqrt(2 / 4000))


def test_no_random_coefficient_is_refused():
    y, x, codes, observed = simulated()
    with pytest.raises(ImputationError, match=r"'y': a mixed model has a random coefficient at least.*'norm'"):
        make_design(make_target(y, x, codes, observed, random=[]))


def test_a_single_cluster_with_values_is_refused():
    y, x, codes, _ = simulated()
    with pytest.raises(ImputationError, match="'y': 1 of 12 clusters have observed values"):
        make_design(make_target(y, x, codes, codes == 4))


def test_too_few_values_are_refused():
    y, x, codes, _ = simulated()
    with pytest.raises(ImputationError, match="'y': 3 observed values are too few for 3 fixed effects"):
        make_design(make_target(y, x, codes, np.isin(np.arange(len(y)), [20, 31, 45])))


def test_collinear_predictors_are_refused():
    y, x, codes, observed = simulated()
    x[observed, 2] = 3 * x[observed, 1] - 1
    with pytest.raises(ImputationError, match=r"'x2' of 'y' is constant or a combination"):
        make_design(make_target(y, x, codes, observed))


def test_cluster_level_predictors_are_named():
    y, x, codes, observed = simulated()
    with pytest.raises(ImputationError, match="'cluster-level predictor 2' of 'y'"):
        make_design(make_target(y, x, codes, observed, means=np.arange(12.0)[:, None] * [1, 2]))


def test_a_response_without_residual_is_refused():
    _, x, codes, observed = simulated()
    target = make_target(x @ [1, 2, 3], x, codes, observed)
    with pytest.raises(ImputationError, match=r"'y' has no mixed model.*without any residual"):
        fit_reml(target, make_design(target))


def test_an_interrupted_search_is_refused(monkeypatch):
    monkeypatch.setitem(mixed._OPTIONS, "maxiter", 1)
    y, x, codes, observed = simulated(sds=(5.0, 3.0))
    target = make_target(y, x, codes, observed)
    with pytest.raises(ImputationError, match="'y': the search for the restricted maximum likelihood did not converge"):
        fit_reml(target, make_design(target))

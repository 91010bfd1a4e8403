"""One cell given all others, against the model written out densely with NumPy."""

import warnings

import numpy as np
import pytest
from scipy.stats import norm

from jmimpute.errors import ConvergenceWarning
from jmimpute.imputation.left_out import LeftOut
from jmimpute.imputation.orthants import category_probabilities
from jmimpute.imputation.parameters import ParameterDraw, parameters_at
from jmimpute.specification.families import Variable
from tests.problems import FORMULAS, cluster_moments, cluster_rows, model, parameters
from tests.test_structured_runs import MODELS, fitted


def dense(mean, covariance, values, cell):
    """Mean and covariance of some elements of a normal vector given the others that are there: the textbook formula."""
    others = np.setdiff1d(np.flatnonzero(~np.isnan(values)), cell)
    gain = covariance[np.ix_(cell, others)] @ np.linalg.inv(covariance[np.ix_(others, others)])
    expected = mean[cell] + gain @ (values[others] - mean[others])
    return expected, covariance[np.ix_(cell, cell)] - gain @ covariance[np.ix_(others, cell)]


@pytest.mark.parametrize("kind", list(FORMULAS))
def test_a_cell_given_all_others_equals_the_dense_formula(kind):
    specification = model(kind, 5).specification
    values = parameters(specification, np.random.default_rng(6))
    omega_e, omega_u = values.chol_e @ values.chol_e.T, values.chol_u @ values.chol_u.T
    draw = ParameterDraw(values.beta, omega_e[None], omega_u, np.zeros((0, 0)), specification.y, specification.w)
    p = specification.y.shape[1]
    for a in range(p):
        rows = np.flatnonzero(~np.isnan(specification.y[:, a]))
        mean, covariance = LeftOut(specification, slice(a, a + 1), rows).at(draw)
        found = dict(zip(rows.tolist(), zip(mean[:, 0], covariance[:, 0, 0], strict=True), strict=True))
        for own in cluster_rows(specification):
            moments = cluster_moments(specification, values, own)
            y = specification.y[own].ravel()
            for k, i in enumerate(own):
                if i in found:
                    expected, spread = dense(*moments, y, np.array([k * p + a]))
                    np.testing.assert_allclose(found[i], (expected[0], spread[0, 0]), rtol=1e-8, atol=1e-10)


@pytest.mark.sampling
@pytest.mark.parametrize("kind", ["random, mixed", "level 2"])
def test_a_cell_of_a_structured_model_equals_the_dense_formula(kind):
    """Latents, covariances of clusters and level-2 responses are conditioned on; a missing level-2 response is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = fitted(kind)
    specification, layout = fit.model.specification, fit.model.specification.layout
    chain, draw = fit._latents.pairs[3]
    at = parameters_at(fit.posterior, specification, fit._latents, 3, chain, draw)
    assert len(at.omega_e) == (12 if MODELS[kind].get("covariance") == "random" else 1)
    p, n = at.y.shape[1], layout.n_effects
    codes = specification.clusters.codes
    rows = np.flatnonzero(~np.isnan(at.y[:, 0]))
    mean, covariance = LeftOut(specification, slice(0, 1), rows).at(at)
    for j in range(12):
        own = np.flatnonzero(codes == j)
        loading = np.zeros((len(own) * p, len(at.omega_u)))
        for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            loading[a::p, e] = specification.z[own, c]
        loading = np.vstack([loading, np.eye(len(at.omega_u))[n:]])  # level-2 residuals stand behind the rows
        full = loading @ at.omega_u @ loading.T
        full[: len(own) * p, : len(own) * p] += np.kron(np.eye(len(own)), at.omega_e[j if len(at.omega_e) > 1 else 0])
        fitted_2 = specification.x2[j] @ at.beta2 if at.w.size else np.empty(0)
        centre = np.concatenate([(specification.x[own] @ at.beta).ravel(), fitted_2])
        y = np.concatenate([at.y[own].ravel(), at.w[j] if at.w.size else []])
        for k, i in enumerate(own):
            place = np.flatnonzero(rows == i)
            if place.size:
                expected, spread = dense(centre, full, y, np.array([k * p]))
                np.testing.assert_allclose(mean[place[0], 0], expected[0], rtol=1e-6)
                np.testing.assert_allclose(covariance[place[0], 0, 0], spread[0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "variable",
    [
        Variable("c", "nominal", 0, ("a", "b", "c"), 2),
        Variable("c", "nominal", 0, ("a", "b", "c", "d"), 0),
        Variable("c", "ordinal", 0, (1, 2, 3)),
        Variable("c", "binary", 0, ("no", "yes"), 0),
        Variable("c", "binary", 0, ("no", "yes"), 1),
    ],
)
def test_probabilities_of_categories_are_those_of_simulated_latents(variable):
    rng = np.random.default_rng(1)
    width, n = variable.width, 200_000
    mean = rng.normal(size=(3, width))
    root = np.eye(width) + 0.4 * rng.normal(size=(width, width))
    covariance, cutpoints = root @ root.T, np.full(variable.n_cutpoints, 0.8)
    found = category_probabilities(variable, mean, np.tile(covariance, (3, 1, 1)), cutpoints)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for own, probabilities in zip(mean, found, strict=True):
        latents = rng.multivariate_normal(own, covariance, size=n)
        shares = np.bincount(variable.categories(latents, cutpoints), minlength=len(variable.levels)) / n
        # Five standard errors of a share, at most 17 shares in all: a false alarm in 100 000; and the error of the simulator.
        np.testing.assert_allclose(probabilities, shares, atol=5 * 0.5 / np.sqrt(n) + 3e-3 * (width > 1))


def test_one_latent_needs_no_simulation():
    variable = Variable("c", "ordinal", 0, (1, 2, 3))
    found = category_probabilities(variable, np.array([[0.3]]), np.array([[[4.0]]]), np.array([1.0]))
    below = norm.cdf([0, 1], 0.3, 2)
    np.testing.assert_allclose(found[0], [below[0], below[1] - below[0], 1 - below[1]])

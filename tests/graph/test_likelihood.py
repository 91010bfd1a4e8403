"""The collapsed likelihood against dense multivariate normals, and its gradient against finite differences."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from jmimpute.graph.likelihood import CHUNK, collapsed
from tests.problems import FORMULAS, cluster_moments, cluster_rows, model, parameters

KINDS = list(FORMULAS)


def value_and_gradient(joint, values):
    layout = joint.specification.layout
    indices = (layout.effect_response, layout.effect_column)
    return collapsed(values.beta, values.chol_e, values.chol_u, *indices, joint.statistics)


def dense(joint, values):
    total = 0.0
    for rows in cluster_rows(joint.specification):
        mean, covariance = cluster_moments(joint.specification, values, rows)
        y = joint.specification.y[rows].ravel()
        seen = ~np.isnan(y)
        if seen.any():
            total += multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(y[seen])
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_value_equals_dense_normal(kind, seed):
    joint = model(kind, seed)
    values = parameters(joint.specification, np.random.default_rng(seed + 100))
    assert value_and_gradient(joint, values)[0] == pytest.approx(dense(joint, values), abs=1e-8)


def test_value_equals_dense_normal_with_more_clusters_than_a_chunk_holds():
    joint = model("slopes", n_rows=3 * CHUNK, n_clusters=CHUNK + 13)
    values = parameters(joint.specification, np.random.default_rng(1))
    assert value_and_gradient(joint, values)[0] == pytest.approx(dense(joint, values), abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_equals_finite_differences(kind):
    joint = model(kind, 7)
    values = parameters(joint.specification, np.random.default_rng(8))
    _, d_beta, d_omega_e, d_omega_u = value_and_gradient(joint, values)
    gradients = {
        "beta": d_beta,
        "chol_e": np.tril(2 * d_omega_e @ values.chol_e),
        "chol_u": np.tril(2 * d_omega_u @ values.chol_u),
    }
    for name, gradient in gradients.items():
        array = getattr(values, name)
        # Cholesky factors have no upper triangle; coefficients that do not exist still have a derivative.
        for index in zip(*(np.nonzero(np.ones_like(array)) if name == "beta" else np.tril_indices(len(array))), strict=True):
            step, start = 1e-5, array[index]
            ends = []
            for end in (start + step, start - step):
                array[index] = end
                ends.append(value_and_gradient(joint, values)[0])
            array[index] = start
            # Central differences of a function of size 100 with step 1e-5: rounding 1e-9, truncation 1e-9 relative.
            assert gradient[index] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-6), (name, index)


def test_row_without_responses_and_padding_contribute_nothing():
    joint = model("intercepts")
    values = parameters(joint.specification, np.random.default_rng(2))
    frame = joint.table.frame
    shorter = type(joint)(FORMULAS["intercepts"], frame[frame[["y1", "y2"]].notna().any(axis=1)])
    back = shorter.specification.scaling
    again = joint.specification.scaling
    assert joint.statistics.zz.shape[-1] % 8 == 0
    assert back.center == pytest.approx(again.center)
    assert joint.statistics.n.sum() == shorter.statistics.n.sum()
    # Covariates are centred over all rows, so express the same parameters on the other's scale.
    moved = parameters(shorter.specification, np.random.default_rng(2))
    moved.beta[:] = back.standard_beta(again.beta(values.beta))
    moved.chol_u[:] = np.linalg.cholesky(back.standard_omega_u(again.omega_u(values.chol_u @ values.chol_u.T)))
    assert value_and_gradient(shorter, moved)[0] == pytest.approx(value_and_gradient(joint, values)[0], abs=1e-8)


def test_singular_covariance_is_a_rejected_point_not_an_error():
    joint = model("intercepts")
    values = parameters(joint.specification, np.random.default_rng(3))
    values.chol_e[1, 1] = 0.0
    assert value_and_gradient(joint, values)[0] == -np.inf

"""What a prior says of the rows of absent responses, given those of the others."""

import arviz_stats as az
import numpy as np
import pandas as pd
import pytest
from scipy.stats import invwishart, norm

import jmimpute as jm
from jmimpute.graph.constrained_draws import draw_lkj
from jmimpute.sampling.structured.absent import draw_rows_lkj, draw_rows_scaled, draw_rows_wishart
from jmimpute.sampling.structured.arrays import build
from jmimpute.sampling.structured.priors import prior_1
from jmimpute.specification.covariances import CLUSTER_SPECIFIC, RANDOM

pytestmark = pytest.mark.sampling

N = 20_000
SCALE = np.array([[3.0, 0.8, -0.5, 0.2], [0.8, 2.0, 0.6, 0.4], [-0.5, 0.6, 4.0, 1.0], [0.2, 0.4, 1.0, 2.5]])
WAYS = [([1, 3], [0, 2]), ([0], [1, 2, 3]), ([3, 0, 2], [1])]
FALSE_ALARM = 1e-4


def summaries(omega):
    """Log standard deviations and correlations, and all their products, for light tails and dependence."""
    sd = np.sqrt(np.diagonal(omega, axis1=1, axis2=2))
    a, b = np.tril_indices(omega.shape[1], -1)
    first = np.hstack([np.log(sd), omega[:, a, b] / (sd[:, a] * sd[:, b])])
    i, k = np.tril_indices(first.shape[1])
    return np.hstack([first, first[:, i] * first[:, k]])


def assert_same(found, known):
    found, known = summaries(found), summaries(known)
    error = np.hypot(found.std(axis=0), known.std(axis=0)) / np.sqrt(N)
    z = (found.mean(axis=0) - known.mean(axis=0)) / error
    assert np.abs(z).max() < norm.isf(0.5 * FALSE_ALARM / len(z))


@pytest.mark.parametrize(("present", "absent"), WAYS)
def test_redrawn_rows_of_an_inverse_wishart_matrix_leave_its_distribution_as_it_is(present, absent):
    rng = np.random.default_rng(1)
    known, found = invwishart.rvs(7.0, SCALE, size=(2, N), random_state=rng).reshape(2, N, 4, 4)
    kept = found.copy()
    for matrix in found:
        draw_rows_wishart(matrix, np.array(present), np.array(absent), 7.0, SCALE, rng)
    np.testing.assert_array_equal(found[:, present][:, :, present], kept[:, present][:, :, present])
    np.testing.assert_array_equal(found, np.swapaxes(found, 1, 2))
    assert (found != kept)[:, absent].all()
    assert_same(found, known)


@pytest.mark.parametrize(("present", "absent"), WAYS)
def test_redrawn_rows_of_an_lkj_matrix_leave_its_distribution_as_it_is(present, absent):
    rng = np.random.default_rng(2)
    known, found = np.array([draw_lkj(1.5, 0.8, 4, [], rng) for _ in range(2 * N)]).reshape(2, N, 4, 4)
    kept = found.copy()
    for matrix in found:
        draw_rows_lkj(matrix, np.array(present), np.array(absent), 1.5, 0.8, rng)
    np.testing.assert_array_equal(found[:, present][:, :, present], kept[:, present][:, :, present])
    assert (found != kept)[:, absent].all()
    assert_same(found, known)


def scaled(matrix):
    """K T K' and K for T of a binary response, a nominal one of three categories, and a continuous one."""
    known = np.linalg.cholesky([[1.0, 0.5], [0.5, 1.0]])
    unscaling = np.eye(4)
    unscaling[0, 0] = matrix[0, 0] ** -0.5
    unscaling[1:3, 1:3] = known @ np.linalg.inv(np.linalg.cholesky(matrix[1:3, 1:3]))
    return unscaling @ matrix @ unscaling.T, unscaling


@pytest.mark.parametrize(("present", "absent"), [([3], [0, 1, 2]), ([1, 2, 3], [0]), ([0, 3], [1, 2]), ([0, 1, 2], [3])])
def test_redrawn_rows_of_latents_leave_the_distribution_of_matrix_and_scales_as_it_is(present, absent):
    rng = np.random.default_rng(5)
    data = problem().assign(b=lambda d: d["y"] > 0, n=lambda d: np.where(d["s"] > 0, "u", np.where(d["y"] > 0, "v", "w")))
    model = jm.JointModel("b + n + y ~ 1 + (1 | g)", data, covariance=RANDOM, families={"n": "nominal"})
    prior = prior_1(model.specification)
    known, found = invwishart.rvs(9.0, SCALE, size=(2, N), random_state=rng).reshape(2, N, 4, 4)
    for k, matrix in enumerate(found):
        omega, unscaling = scaled(matrix)
        kept = omega.copy()
        draw_rows_scaled(omega, unscaling, np.array(present), np.array(absent), 9.0, SCALE, prior, rng)
        assert (omega[[0, 1, 2], [0, 1, 2]] == 1).all() and omega[1, 2] == omega[2, 1] == 0.5
        np.testing.assert_allclose(omega[np.ix_(present, present)], kept[np.ix_(present, present)], rtol=1e-12)
        scaling = np.linalg.inv(unscaling)
        found[k] = scaling @ omega @ scaling.T
    assert_same(found, known)


def problem(absent_in=("a", "c")):
    """Three responses in eight clusters; t has no value in two of them."""
    rng = np.random.default_rng(3)
    values = np.repeat(rng.normal(size=(8, 3)), 30, axis=0) + rng.normal(size=(240, 3))
    data = pd.DataFrame(values, columns=["y", "t", "s"]).assign(g=np.repeat(list("abcdefgh"), 30))
    return data.assign(t=data["t"].mask(data["g"].isin(absent_in)))


def test_absent_responses_are_found_where_a_cluster_has_none_of_their_values():
    model = jm.JointModel("y + t + s ~ 1 + (1 | g)", problem(), covariance=CLUSTER_SPECIFIC)
    absent = build(model.specification).cells.absent
    t = list(model.specification.layout.responses).index("t")
    expected = np.zeros((8, 3), dtype=bool)
    expected[[0, 2], t] = True
    np.testing.assert_array_equal(absent, expected)
    common = jm.JointModel("y + t + s ~ 1 + (1 | g)", problem())
    assert not build(common.specification).cells.absent.any()
    binary = problem().assign(t=lambda d: (d["t"] > 0).where(d["t"].notna()))
    for covariance, n_absent in [(RANDOM, 2), (CLUSTER_SPECIFIC, 0)]:
        model = jm.JointModel("y + t + s ~ 1 + (1 | g)", binary, covariance=covariance, families={"t": "binary"})
        assert build(model.specification).cells.absent.sum() == n_absent


@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")  # 1000 draws are few for latents alone
@pytest.mark.parametrize(("covariance", "binary", "least"), [(CLUSTER_SPECIFIC, False, 500), (RANDOM, True, 200)])
def test_matrices_of_clusters_without_a_response_mix_as_well_as_others(covariance, binary, least):
    """Their correlations with an absent response are free draws of the prior; given its residuals they would hardly move."""
    data, families = problem(), {}
    if binary:
        data[["y", "t", "s"]] = (data[["y", "t", "s"]] > 0).astype(float).where(data[["y", "t", "s"]].notna())
        families = dict.fromkeys("yts", "binary")
    model = jm.JointModel("y + t + s ~ 1 + (1 | g)", data, covariance=covariance, families=families)
    omega = model.fit(draws=1000, chains=2, cores=1, random_seed=4, progressbar=False).posterior["Omega_e"]
    first = omega.sel(cluster="a", response="t").to_numpy()  # (chain, draw, response)
    others = [k for k, name in enumerate(omega["response"].to_numpy()) if name != "t"]
    for k in others:
        assert az.ess(first[:, :, k]) > least

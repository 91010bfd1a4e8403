"""Variables of clusters: one row a cluster, with cluster means as predictors."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.errors import ImputationError
from tests.chained.targets import target, z_scores

CODES = np.repeat(np.arange(12), np.arange(3, 15))


def of_clusters(rng, lacking=(2, 7)):
    """A variable of 12 clusters that depends on the mean of x, missing in two of them, and in one row of a third."""
    x = rng.normal(size=len(CODES)) + 3 * rng.normal(size=12)[CODES]
    means = np.bincount(CODES, x) / np.bincount(CODES)
    values = 1 + means + rng.normal(size=12)
    observed = ~np.isin(CODES, lacking)
    observed[np.flatnonzero(CODES == 4)[0]] = False
    return target(values[CODES], observed, x, CODES), means, values


def test_clusters_are_rows_of_a_regression_on_means():
    rng = np.random.default_rng(1)
    one, means, values = of_clusters(rng)
    seen = ~np.isin(np.arange(12), [2, 7])
    x = np.column_stack([np.ones(12), means])
    inverse = np.linalg.inv(x[seen].T @ x[seen])
    b = inverse @ x[seen].T @ values[seen]
    s2 = np.sum((values[seen] - x[seen] @ b) ** 2) / 8
    draws = np.array([jm.methods.Level2Norm()(one, rng) for _ in range(6000)])
    first = [np.flatnonzero(CODES[one.missing] == j)[0] for j in (2, 7)]
    covariance = s2 * (np.eye(2) + x[[2, 7]] @ inverse @ x[[2, 7]].T) * 8 / 6
    # 5 z-scores: false alarm in one run of 20 000.
    assert np.abs(z_scores(draws[:, first], x[[2, 7]] @ b, covariance)).max() < 4.4


@pytest.mark.parametrize("method", [jm.methods.Level2Norm(), jm.methods.Level2Pmm()])
def test_rows_of_a_cluster_are_alike_and_known_values_are_carried(method):
    one, _, values = of_clusters(np.random.default_rng(2))
    drawn, codes = method(one, np.random.default_rng(3)), CODES[one.missing]
    assert all(len(set(drawn[codes == j])) == 1 for j in (2, 7))
    assert drawn[codes == 2][0] != drawn[codes == 7][0]
    assert drawn[codes == 4] == values[4]


def test_pmm_takes_values_of_other_clusters():
    one, _, values = of_clusters(np.random.default_rng(4))
    drawn = jm.methods.Level2Pmm(donors=2)(one, np.random.default_rng(5))
    assert np.isin(drawn, np.delete(values, [2, 7])).all()


def test_constant_fills_what_the_cluster_has():
    one, _, values = of_clusters(np.random.default_rng(6), lacking=())
    assert jm.methods.Level2Constant()(one, np.random.default_rng(7)) == values[4]


def test_constant_needs_a_value_in_every_cluster():
    one, _, _ = of_clusters(np.random.default_rng(8))
    with pytest.raises(ImputationError, match=r"no value in 2 cluster\(s\): c2, c7"):
        jm.methods.Level2Constant()(one, np.random.default_rng(9))


@pytest.mark.parametrize("method", [jm.methods.Level2Norm(), jm.methods.Level2Pmm(), jm.methods.Level2Constant()])
def test_rows_that_disagree_are_an_error(method):
    one, _, _ = of_clusters(np.random.default_rng(10), lacking=())
    one.y[np.flatnonzero(CODES == 5)[-1]] += 1
    with pytest.raises(ImputationError, match=r"different values within cluster\(s\) c5"):
        method(one, np.random.default_rng(11))

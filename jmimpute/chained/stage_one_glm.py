"""First stage of two-stage methods for categories and counts: a regression in every cluster by Newton's method, all at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jmimpute.analysis.mixed import whiten
from jmimpute.chained.random_effects import sum_by_cluster
from jmimpute.chained.stage_one import ClusterFits, cross_products

#: Standard error, for predictors with standard deviation 1, beyond which a coefficient is called not estimable.
LARGEST_SE = 1000.0
#: Newton decrement (the square of the step that is left, in standard errors) at which a fit is called converged.
CONVERGED = 1e-16
ITERATIONS = 60
HALVINGS = 30


class Family(NamedTuple):
    """A response with its canonical link.

    Attributes
    ----------
    start : callable
        Linear predictors to start from, given the response.
    evaluate : callable
        Log likelihood, mean and variance of every row, given response and linear predictor.
    """

    start: Callable[[np.ndarray], np.ndarray]
    evaluate: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _logistic(y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = np.exp(-np.logaddexp(0.0, -eta))
    return y * eta - np.logaddexp(0.0, eta), mean, mean * np.exp(-np.logaddexp(0.0, eta))


def _poisson(y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with np.errstate(over="ignore"):
        mean = np.exp(eta)
    return y * eta - mean, mean, mean


LOGISTIC = Family(lambda y: np.log(3.0) * (2 * y - 1), _logistic)
POISSON = Family(lambda y: np.log(y + 0.1), _poisson)


def fit_glm(family: Family, y: np.ndarray, x: np.ndarray, codes: np.ndarray, n_clusters: int) -> ClusterFits:
    """Fit a generalised linear model in every cluster that allows it.

    Parameters
    ----------
    family : Family
    y : ndarray, shape (n,)
    x : ndarray, shape (n, p)
        Of full column rank.
    codes : ndarray of int, shape (n,)
        Cluster of each row, 0..J-1.
    n_clusters : int
        J.

    Returns
    -------
    ClusterFits
        Of the clusters in which predictors are not collinear and the likelihood has a maximum: no predictor separates
        the categories, no standard error exceeds 1000 (for predictors with standard deviation 1).
    """
    white, factor = whiten(x)
    _, regular = cross_products(white, codes, n_clusters)
    rows = regular[codes]
    numbers = np.cumsum(regular) - 1
    found, values, information = _newton(family, y[rows], white[rows], numbers[codes[rows]], int(regular.sum()))
    fitted = regular.copy()
    fitted[regular] = found
    back = np.linalg.inv(factor)
    return ClusterFits(fitted, values[found] @ back.T, back @ np.linalg.inv(information[found]) @ back.T)


def _newton(
    family: Family, y: np.ndarray, x: np.ndarray, codes: np.ndarray, n_clusters: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maximise the likelihood of every cluster: whether there is a maximum, where, and the information there."""
    outer = x[:, :, None] * x[:, None, :]
    values = _start(family, y, x, outer, codes, n_clusters)
    for _ in range(ITERATIONS):
        likelihood, mean, variance = family.evaluate(y, np.einsum("np,np->n", x, values[codes]))
        score = sum_by_cluster(x * (y - mean)[:, None], codes, n_clusters)
        information = sum_by_cluster(outer * variance[:, None, None], codes, n_clusters)
        curvatures, directions = np.linalg.eigh(information)
        lost = curvatures[:, 0] < LARGEST_SE**-2
        along = np.einsum("ipq,ip->iq", directions, score) / np.maximum(curvatures, LARGEST_SE**-2)
        step = np.einsum("ipq,iq->ip", directions, along)
        converged = np.einsum("ip,ip->i", score, step) < CONVERGED
        if (converged | lost).all():
            break
        step[converged | lost] = 0.0
        values = values + _shortened(family, y, x, codes, values, step, np.bincount(codes, likelihood, n_clusters))
    return converged & ~lost, values, information


def _start(family: Family, y: np.ndarray, x: np.ndarray, outer: np.ndarray, codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """One weighted regression of the linearised response, from the response itself; shape (n_clusters, p)."""
    eta = family.start(y)
    _, mean, variance = family.evaluate(y, eta)
    products = sum_by_cluster(outer * variance[:, None, None], codes, n_clusters)
    sums = sum_by_cluster(x * (variance * eta + y - mean)[:, None], codes, n_clusters)
    return np.linalg.solve(products, sums[:, :, None])[:, :, 0]


def _shortened(
    family: Family, y: np.ndarray, x: np.ndarray, codes: np.ndarray, values: np.ndarray, step: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """Halve the steps of clusters until no likelihood falls."""
    for _ in range(HALVINGS):
        eta = np.einsum("np,np->n", x, (values + step)[codes])
        after = np.bincount(codes, family.evaluate(y, eta)[0], len(values))
        worse = ~(after >= before - 1e-9 * (1 + np.abs(before)))
        if not worse.any():
            break
        step = np.where(worse[:, None], step / 2, step)
    return step

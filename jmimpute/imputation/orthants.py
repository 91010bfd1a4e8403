"""Probabilities of categories, given the normal distribution of the latents that stand for them."""

import numpy as np

from jmimpute.specification.families import ORDINAL, Variable

POINTS = 32  # of a Halton sequence, for nominal responses; with two latents the error is below 1e-3


def category_probabilities(variable: Variable, mean: np.ndarray, covariance: np.ndarray, cutpoints: np.ndarray) -> np.ndarray:
    """Probabilities of all categories of a response.

    Parameters
    ----------
    variable : Variable
    mean, covariance : ndarray, shapes (n, width), (n, width, width)
        Of its latents.
    cutpoints : ndarray
        Free ones.

    Returns
    -------
    ndarray, shape (n, n_levels)
        For one latent exact; for more by the simulator of Geweke, Hajivassiliou and Keane, with rows that sum to 1.
    """
    from scipy.special import ndtr

    if variable.width > 1:
        return _nominal(variable, mean, covariance)
    sd = np.sqrt(covariance[:, 0])
    if variable.family == ORDINAL:
        cuts = np.concatenate([[-np.inf, 0.0], cutpoints, [np.inf]])
        return np.diff(ndtr((cuts - mean) / sd), axis=1)
    above = ndtr(mean / sd)
    slots = variable.slots  # 0 is the latent itself, 1 the reference
    return np.where(slots == 0, above, 1.0 - above)


def _nominal(variable: Variable, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The latent of a category exceeds 0 and all others; in the reference all are negative."""
    width, out = variable.width, np.empty((len(mean), len(variable.levels)))
    for level, slot in enumerate(variable.slots):
        contrast = -np.eye(width)
        if slot < width:
            contrast[:, slot] += 1.0
            contrast[slot] = np.eye(width)[slot]
        out[:, level] = _orthant(mean @ contrast.T, contrast @ covariance @ contrast.T)
    return out / out.sum(axis=1, keepdims=True)


def _orthant(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Probability that all coordinates are positive, shape (n,): each in turn given those before it."""
    from scipy.special import ndtr, ndtri
    from scipy.stats.qmc import Halton

    n, width = mean.shape
    root = np.linalg.cholesky(covariance)
    uniform = Halton(width - 1, scramble=False).random(POINTS + 1)[1:]  # the first point is 0
    noise, probability = np.zeros((n, POINTS, width)), np.ones((n, POINTS))
    for a in range(width):
        shift = mean[:, a, None] + np.einsum("ib,ikb->ik", root[:, a, :a], noise[:, :, :a])
        positive = ndtr(shift / root[:, a, a, None])
        probability *= positive
        if a < width - 1:
            # The upper tail is reached by symmetry, which keeps its precision.
            noise[:, :, a] = -ndtri(np.maximum(positive * uniform[:, a], np.finfo(float).tiny))
    return probability.mean(axis=1)

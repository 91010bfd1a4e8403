"""Odds of a higher category multiplied cell by cell, with the random number that decided a cell.

With F the cumulative probabilities of the categories of a cell under MAR, odds of "this category or higher" that are r times as
large give F' = F / (F + r (1 - F)). The random number v = Phi((z - mean) / sd) of the latent z chose the category with
F_{c-1} < v <= F_c; now it chooses that with F'_{c-1} < v <= F'_c, and the latent stands at the same share of its interval,
so that it has the distribution that it had under MAR given the category.
"""

import numpy as np

from jmimpute.mnar.replay import Drawn

LEAST = 1e-15


def tilted(drawn: Drawn, log_ratio: np.ndarray) -> np.ndarray:
    """Latent normals that give the new categories.

    Parameters
    ----------
    drawn : Drawn
    log_ratio : ndarray, shape (m, n_missing)
        Of the odds that the latent is larger.

    Returns
    -------
    ndarray, shape (m, n_missing)
        Where the ratio is 1, as they were to the last bit.
    """
    from scipy.special import ndtr, ndtri

    out = drawn.value.copy()
    for k, cuts in enumerate(drawn.cutpoints):
        cells = np.flatnonzero(log_ratio[k])
        mean, sd, ratio = drawn.mean[k, cells], drawn.sd[k, cells], np.exp(log_ratio[k, cells])
        before = ndtr((np.concatenate([[0.0], cuts])[:, None] - mean) / sd)
        after = before / (before + ratio * (1 - before))
        v = ndtr((drawn.value[k, cells] - mean) / sd)
        interval = np.sum(v > after, axis=0)
        low, high = _ends(before, interval)
        new_low, new_high = _ends(after, interval)
        width = np.maximum(new_high - new_low, LEAST)
        position = low + (high - low) * np.clip((v - new_low) / width, 0.0, 1.0)
        out[k, cells] = mean + sd * ndtri(np.clip(position, LEAST, 1 - LEAST))
    return out


def _ends(probabilities: np.ndarray, interval: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative probabilities below and up to a category, of shape (n,), from those of all cut points."""
    n = probabilities.shape[1]
    all_of_them = np.vstack([np.zeros(n), probabilities, np.ones(n)])
    return all_of_them[interval, np.arange(n)], all_of_them[interval + 1, np.arange(n)]

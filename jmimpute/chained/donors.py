"""Donors of predictive mean matching: observed rows whose predicted values are nearest."""

import numpy as np


def nearest(of_observed: np.ndarray, of_missing: np.ndarray, donors: int, rng: np.random.Generator) -> np.ndarray:
    """Draw for each missing cell one of the observed rows whose predicted values are nearest to its own.

    Parameters
    ----------
    of_observed : ndarray, shape (n_observed,)
        Predicted values of the possible donors.
    of_missing : ndarray, shape (n_missing,)
        Of the missing cells.
    donors : int
        How many to draw from; all if there are fewer.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n_missing,)
        Positions in `of_observed`. Among equal predicted values donors are chosen at random.
    """
    n, k = len(of_observed), min(donors, len(of_observed))
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(of_observed[shuffled], kind="stable")]
    place = np.searchsorted(of_observed[order], of_missing)
    first = np.clip(place - k, 0, max(n - 2 * k, 0))
    window = first[:, None] + np.arange(min(2 * k, n))
    distance = np.abs(of_observed[order][window] - of_missing[:, None])
    closest = np.argsort(distance, axis=1, kind="stable")[:, :k]
    drawn = closest[np.arange(len(of_missing)), rng.integers(0, k, len(of_missing))]
    return order[window[np.arange(len(of_missing)), drawn]]

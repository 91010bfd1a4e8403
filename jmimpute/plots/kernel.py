"""Kernel density estimates on a grid."""

import numpy as np

GRID_POINTS = 200


def grid_over(values: np.ndarray) -> np.ndarray:
    """Return an even grid that covers values and a tenth of their range on either side.

    Parameters
    ----------
    values : ndarray, shape (n,), at least one value

    Returns
    -------
    ndarray, shape (200,)
    """
    low, high = values.min(), values.max()
    margin = (high - low) / 10
    return np.linspace(low - margin, high + margin, GRID_POINTS)


def kernel_density(values: np.ndarray, grid: np.ndarray) -> np.ndarray | None:
    """Estimate a density by Gaussian kernels with Scott's bandwidth.

    Parameters
    ----------
    values : ndarray, shape (n,)
    grid : ndarray, shape (g,)

    Returns
    -------
    ndarray, shape (g,), or None
        None where a density makes no sense: fewer than 5 values, or all the same.
    """
    from scipy.stats import gaussian_kde

    if len(values) < 5 or np.ptp(values) == 0:
        return None
    return gaussian_kde(values)(grid)

"""Draws of values that are missing because they were not selected, given the parameters of Heckman's model."""

import numpy as np


def draw_unselected(
    mean: np.ndarray, eta: np.ndarray, sigma: np.ndarray, rho: np.ndarray, exact: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draw the outcome where it was not selected; for a binary outcome, the latent one, which is positive where y = 1.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Linear predictor of the outcome.
    eta : ndarray of shape (n,)
        Linear predictor of selection.
    sigma : ndarray of shape (n,)
        Residual SD of the outcome.
    rho : ndarray of shape (n,)
        Correlation of both errors.
    exact : bool
        False adds normal noise with the full residual SD to the mean of the unselected.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n,)

    Notes
    -----
    The error eps of selection is normal and below -eta, and e = sigma (rho eps + sqrt(1 - rho^2) N(0, 1)): an extended
    skew-normal variable with mean -rho sigma lam and variance sigma^2 (1 - rho^2 lam (lam - eta)), lam = phi(eta) / Phi(-eta).
    With full noise (Munoz et al. 2023, arXiv 2301.05043) the variance is sigma^2, too large unless rho = 0.
    """
    from scipy.special import log_ndtr, ndtri_exp

    noise = rng.standard_normal(len(mean))
    log_share = log_ndtr(-eta)
    if not exact:
        lam = np.exp(-0.5 * (eta * eta + np.log(2.0 * np.pi)) - log_share)
        return mean + sigma * (noise - rho * lam)
    eps = ndtri_exp(log_share - rng.standard_exponential(len(mean)))  # a uniform share of the tail, on the scale of logarithms
    return mean + sigma * (rho * eps + np.sqrt((1.0 - rho) * (1.0 + rho)) * noise)

"""Shares of explained variance that follow from one fitted mixed model alone."""

import numpy as np

#: Variance of the standard logistic distribution, which a logistic model has for a residual variance.
LOGISTIC = np.pi**2 / 3


def mixed_shares(fitted: np.ndarray, Z: np.ndarray, random: np.ndarray, residual: float) -> dict[str, float]:
    """Give the shares of the variance that the parts of a mixed model explain.

    Parameters
    ----------
    fitted : ndarray, shape (n_rows,)
        Linear predictions from the fixed effects.
    Z : ndarray, shape (n_rows, r)
        Random part.
    random : ndarray, shape (r, r)
        Covariance matrix of the random effects.
    residual : float
        Residual variance; of a logistic model `LOGISTIC`.

    Returns
    -------
    dict
        ``marginal`` and ``conditional`` (Nakagawa and Schielzeth 2013): share of the fixed effects, and of
        these with the random effects. The variance of random effects is the mean of ``z' random z`` over the rows (Johnson
        2014). ``MVP`` (LaHuis, Hartman, Hakoyama and Clark 2014) is the same share as ``marginal``, but for n - 1
        in place of n in the variances of random slopes.
    """
    n = len(Z)
    fixed = float(np.var(fitted, ddof=1))
    scatter = np.atleast_2d(np.cov(Z, rowvar=False, ddof=0))
    mean = Z.mean(axis=0)
    between = mean @ random @ mean + np.sum(scatter * random)
    sampled = mean @ random @ mean + np.sum(scatter * random) * n / (n - 1)
    total = fixed + between + residual
    return {
        "MVP": float(fixed / (fixed + sampled + residual)),
        "marginal": float(fixed / total),
        "conditional": float((fixed + between) / total),
    }

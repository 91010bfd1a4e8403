"""Wishart and inverse-Wishart distributions as PyMC asks for them: log densities of stacks of matrices, and draws.

PyMC has no inverse-Wishart distribution, and its Wishart distribution has whole degrees of freedom only.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt


def log_det(matrix: Any) -> Any:
    """Logarithm of the determinant.

    Parameters
    ----------
    matrix : tensor, shape (..., n, n)
        Positive definite.

    Returns
    -------
    tensor, shape (...)
    """
    return 2.0 * pt.sum(pt.log(pt.diagonal(pt.linalg.cholesky(matrix), axis1=-2, axis2=-1)), axis=-1)


def inverse_wishart_logp(value: Any, df: Any, scale: Any) -> Any:
    """Log density of an inverse-Wishart distribution without its constant.

    Parameters
    ----------
    value : tensor, shape (..., n, n)
    df : float or scalar tensor
    scale : array or tensor, shape (n, n)
    """
    return -0.5 * (df + value.shape[-1] + 1.0) * log_det(value) - 0.5 * _trace_of_ratio(scale, value)


def normalised_inverse_wishart_logp(value: Any, df: Any, scale: Any) -> Any:
    """Log density of an inverse-Wishart distribution whose degrees of freedom and scale are parameters themselves.

    Parameters
    ----------
    value : tensor, shape (..., n, n)
    df : scalar tensor
    scale : tensor, shape (n, n)
    """
    return inverse_wishart_logp(value, df, scale) + 0.5 * df * log_det(scale) - _log_constant(df, value.shape[-1])


def wishart_logp(value: Any, df: Any, scale: Any) -> Any:
    """Log density of a Wishart distribution with mean df times scale.

    Parameters
    ----------
    value : tensor, shape (..., n, n)
    df : float or scalar tensor
    scale : tensor, shape (n, n)
    """
    dim = value.shape[-1]
    kernel = 0.5 * (df - dim - 1.0) * log_det(value) - 0.5 * _trace_of_ratio(value, scale)
    return kernel - 0.5 * df * log_det(scale) - _log_constant(df, dim)


def draw_inverse_wishart(df: Any, scale: Any, rng: np.random.Generator, size: Any = None) -> np.ndarray:
    """Draw from an inverse-Wishart distribution, in the form that `pymc.CustomDist` asks for.

    Parameters
    ----------
    df : float or ndarray, one number
    scale : ndarray, shape (..., n, n), one matrix
    rng : numpy.random.Generator
    size : tuple of int, optional
        Independent draws.

    Returns
    -------
    ndarray, shape (*size, n, n)
    """
    from scipy.stats import invwishart

    return _draw(invwishart, df, scale, rng, size)


def draw_wishart(df: Any, scale: Any, rng: np.random.Generator, size: Any = None) -> np.ndarray:
    """Draw from a Wishart distribution with mean df times scale, in the form that `pymc.CustomDist` asks for.

    Parameters
    ----------
    df, scale, rng, size
        See `draw_inverse_wishart`.

    Returns
    -------
    ndarray, shape (*size, n, n)
    """
    from scipy.stats import wishart

    return _draw(wishart, df, scale, rng, size)


def _draw(distribution: Any, df: Any, scale: Any, rng: np.random.Generator, size: Any) -> np.ndarray:
    dim, shape = np.shape(scale)[-1], () if size is None else tuple(size)
    one = np.reshape(scale, (dim, dim))
    draws = distribution.rvs(np.asarray(df).item(), one, size=int(np.prod(shape)), random_state=rng)
    return np.asarray(draws).reshape((*shape, dim, dim))


def _trace_of_ratio(above: Any, below: Any) -> Any:
    """tr(above below^-1)."""
    solved = pt.linalg.solve_triangular(pt.linalg.cholesky(below), pt.linalg.cholesky(above), lower=True, b_ndim=2)
    return pt.sum(solved**2, axis=(-2, -1))


def _log_constant(df: Any, dim: Any) -> Any:
    """log(2^{df n/2} Gamma_n(df/2)), less the power of pi."""
    return 0.5 * df * dim * np.log(2.0) + pt.sum(pt.gammaln(0.5 * (pt.shape_padright(df) - pt.arange(dim))), axis=-1)

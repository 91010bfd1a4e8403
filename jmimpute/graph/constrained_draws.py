"""Direct draws from the priors of a covariance matrix some of whose elements are known; latents come first."""

from collections.abc import Sequence

import numpy as np


def draw_lkj(eta: float, sd: float, p: int, blocks: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Draw from LKJ correlations and half-normal standard deviations given the known blocks.

    In the coordinates of `jmimpute.graph.constrained` the standard deviations are independent of everything else. The
    density of row i of a block is, given the rows y_0..y_{i-1} before it, (1 + y'A^-1 y)^-(2 eta + p - 1 - i)/2 with
    A = I + sum_k y_k y_k', for the powers of c_00..c_{i-1,i-1} that are left over are what makes it a density: y is
    multivariate t with 2 eta + p - 1 - h degrees of freedom in row h of the matrix. So is a row of a continuous response.

    Parameters
    ----------
    eta, sd : float
    p : int
        Rows of the matrix.
    blocks : sequence of ndarray, shapes (n, n)
        Known correlation matrices, in the order of the rows.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (p, p)
    """
    chol = np.zeros((p, p))
    first = 0
    for block in blocks:
        stop = first + len(block)
        y = np.empty((len(block), first))
        for i in range(len(block)):
            spread = np.linalg.cholesky(np.eye(first) + y[:i].T @ y[:i])
            y[i] = spread @ _t(first, first + i, eta, p, rng)
        inner = np.linalg.cholesky(np.eye(len(block)) + y @ y.T)
        both = np.hstack([y, np.eye(len(block))])
        chol[first:stop, :stop] = np.linalg.cholesky(block) @ np.linalg.solve(inner, both)
        first = stop
    for i in range(first, p):
        row = np.append(_t(i, i, eta, p, rng), 1.0)
        chol[i, : i + 1] = row * sd * abs(rng.standard_normal()) / np.linalg.norm(row)
    return chol @ chol.T


def draw_inverse_wishart(df: float, scale: np.ndarray, block: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw from an inverse-Wishart distribution given the upper left block.

    With l that block, c the rest and G = Omega_cl Omega_ll^-1,

        Omega_cc - G Omega_lc ~ IW(df, scale_cc - scale_cl scale_ll^-1 scale_lc), called S
        G | S                 ~ N(scale_cl scale_ll^-1, S (x) scale_ll^-1)

    independently of Omega_ll.

    Parameters
    ----------
    df : float
    scale : ndarray, shape (p, p)
    block : ndarray, shape (n, n)
        The known block.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (p, p)
    """
    from scipy.stats import invwishart

    n, rest = len(block), len(scale) - len(block)
    mean = np.linalg.solve(scale[:n, :n], scale[:n, n:]).T
    conditional = invwishart.rvs(df, scale[n:, n:] - mean @ scale[:n, n:], random_state=rng)
    conditional = np.asarray(conditional).reshape(rest, rest)
    # If LL' = scale_ll, rows of Z L^-1 have covariance scale_ll^-1.
    noise = np.linalg.solve(np.linalg.cholesky(scale[:n, :n]).T, rng.standard_normal((n, rest))).T
    regression = mean + np.linalg.cholesky(conditional) @ noise
    cross = regression @ block
    return np.block([[block, cross.T], [cross, conditional + cross @ regression.T]])


def _t(dim: int, row: int, eta: float, p: int, rng: np.random.Generator) -> np.ndarray:
    """Direction of a row: multivariate t, without the square root of its degrees of freedom."""
    return rng.standard_normal(dim) / np.sqrt(rng.chisquare(2.0 * eta + p - 1 - row))

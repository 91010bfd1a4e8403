"""Unconstrained coordinates of a covariance matrix, and its prior as a density of them.

Coordinates of latent normals come first (`CovarianceDensity.order`), so that L, the lower Cholesky factor of the reordered
matrix, has the known elements in its first rows:

- latents f..f+n-1 of one variable, whose own block R = L_b L_b' is known: an n x f matrix Y, with
  K K' = I + YY', C = K^-1 and rows [L_b C Y, L_b C] of L; any Y is allowed, and every admissible matrix has one;
- a continuous response, inverse-Wishart or flat prior: L_ik (k < i) and log L_ii;
- a continuous response, LKJ prior with half-normal standard deviations: the direction L_ik / L_ii (k < i) of the row and
  log sd_i, the logarithm of its length. In the other coordinates this prior has an infinite density where a standard
  deviation vanishes, so that there is no mode to expand about.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle
from jmimpute.specification.layout import Layout
from jmimpute.specification.priors import LKJ, CovariancePrior, Flat


class CovarianceDensity(NamedTuple):
    """Prior of one covariance matrix on the standardised scale.

    Attributes
    ----------
    lkj : bool
        LKJ correlations and half-normal standard deviations; inverse-Wishart otherwise.
    shape : float
        eta, or the degrees of freedom.
    scale : ndarray, shape (dim, dim)
        Half-normal scales on the diagonal, or the scale matrix; reordered.
    order : ndarray of int, shape (dim,)
        Coordinate of the matrix at each reordered position: latents first.
    starts : ndarray of int, shape (n_blocks + 1,)
        Reordered position of the first latent of each categorical response, and the number of latents.
    root : ndarray, shape (w, w)
        L_b of the widest block; those of narrower ones are its upper left corners.
    """

    lkj: bool
    shape: float
    scale: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    root: np.ndarray


def covariance_density(prior: CovariancePrior, transform: np.ndarray, layout: Layout | None = None) -> CovarianceDensity:
    """Express a prior on the standardised scale.

    Parameters
    ----------
    prior : LKJ, InverseWishart or Flat
    transform : ndarray, shape (dim, dim)
        K with Omega = K Omega* K'. An inverse-Wishart prior on Omega with scale S is one on Omega* with scale
        K^-1 S K^-T and the same degrees of freedom. A flat one has scale 0 and -(dim + 1) degrees of freedom.
    layout : Layout, optional
        Of the level-1 responses, where some may be latent; nothing is known of the matrix if not given.
    """
    dim = len(transform)
    order, starts = np.arange(dim), np.zeros(1, dtype=np.int64)
    if layout is not None and layout.has_latents:
        order = np.argsort(~layout.latent, kind="stable")
        widths = [variable.width for variable in layout.variables if variable.is_latent]
        starts = np.concatenate([[0], np.cumsum(widths)])
    widest = int(np.diff(starts).max(initial=1))
    root = np.linalg.cholesky(0.5 * (np.eye(widest) + np.ones((widest, widest))))
    if isinstance(prior, LKJ):
        return CovarianceDensity(True, float(prior.eta), np.diag(np.full(dim, prior.sd)), order, starts, root)
    if isinstance(prior, Flat):
        return CovarianceDensity(False, -(dim + 1.0), np.zeros((dim, dim)), order, starts, root)
    inverse = np.linalg.inv(transform)
    scale = inverse @ prior.scale_matrix(dim) @ inverse.T
    scale = (0.5 * (scale + scale.T))[np.ix_(order, order)]
    return CovarianceDensity(False, prior.degrees(dim), np.ascontiguousarray(scale), order, starts, root)


@kernel
def n_coordinates(prior):
    """Length of the coordinate vector."""
    dim = prior.scale.shape[0]
    count = dim * (dim + 1) // 2
    for b in range(prior.starts.shape[0] - 1):
        width = prior.starts[b + 1] - prior.starts[b]
        count -= width * (width + 1) // 2
    return count


@kernel
def unpack_covariance(packed, prior):
    """Lower Cholesky factor, shape (dim, dim), of the reordered matrix."""
    dim = prior.scale.shape[0]
    chol = np.zeros((dim, dim))
    position = 0
    for b in range(prior.starts.shape[0] - 1):
        first, end = prior.starts[b], prior.starts[b + 1]
        size = (end - first) * first
        _unpack_block(packed[position : position + size], prior.root, chol[first:end])
        position += size
    for i in range(prior.starts[-1], dim):
        scale = 1.0
        if prior.lkj:
            squares = 1.0
            for k in range(i):
                squares += packed[position + k] ** 2
            scale = math.exp(packed[position + i]) / math.sqrt(squares)
        for k in range(i):
            chol[i, k] = packed[position + k] * scale
        chol[i, i] = scale if prior.lkj else math.exp(packed[position + i])
        position += i + 1
    return chol


@kernel
def pack_covariance(omega, prior, packed):
    """Write the coordinates of a matrix, shape (dim, dim), whose known elements are as they must be."""
    dim = prior.scale.shape[0]
    chol = np.empty((dim, dim))
    for i in range(dim):
        for k in range(dim):
            chol[i, k] = omega[prior.order[i], prior.order[k]]
    cholesky_in_place(chol)
    position = 0
    for b in range(prior.starts.shape[0] - 1):
        first, end = prior.starts[b], prior.starts[b + 1]
        for i in range(first, end):  # Y = C^-1 (C Y), and [C Y, C] are the rows of L times a common matrix
            for k in range(first):
                total = chol[i, k]
                for m in range(first, i):
                    total -= chol[i, m] * packed[position + (m - first) * first + k]
                packed[position + (i - first) * first + k] = total / chol[i, i]
        position += (end - first) * first
    for i in range(prior.starts[-1], dim):
        length = 0.0
        for k in range(i + 1):
            length += chol[i, k] ** 2
        for k in range(i):
            packed[position + k] = chol[i, k] / chol[i, i] if prior.lkj else chol[i, k]
        packed[position + i] = 0.5 * math.log(length) if prior.lkj else math.log(chol[i, i])
        position += i + 1


@kernel
def add_prior(prior, packed, chol, d_omega, gradient):
    """Return the log prior density of the coordinates and write the gradient of likelihood and prior.

    `d_omega` is the derivative of the log-likelihood with respect to the reordered matrix LL'; it is changed. For a
    continuous row i, with c_i = L_ii / sd_i,

        inverse-Wishart(df, S):    -(df + i) log L_ii
        LKJ(eta), half-normal(s):  log sd_i - sd_i^2 / (2 s_i^2) + (dim - 1 + 2 eta) log c_i   (the last not if i = 0)

    since dOmega = 2^dim prod L_ii^{dim-i} dL, and with y_ik = L_ik / L_ii and r the row of L over its length,
    dr = c_i^{i+2} dy. The other inverse-Wishart term is -tr(S Omega^-1) / 2. For blocks see `_block_prior`.
    """
    dim = chol.shape[0]
    value = 0.0
    if not prior.lkj and dim > 0:
        value += _trace_term(prior.scale, chol, d_omega)
    position = 0
    for b in range(prior.starts.shape[0] - 1):
        first, end = prior.starts[b], prior.starts[b + 1]
        size = (end - first) * first
        if size > 0:
            block = slice(position, position + size)
            value += _block_prior(prior, packed[block], chol, d_omega, first, end, gradient[block])
        position += size
    d_row = np.empty(dim)
    for i in range(prior.starts[-1], dim):
        for k in range(i + 1):
            d_row[k] = 0.0
            for m in range(dim):
                d_row[k] += 2.0 * d_omega[i, m] * chol[m, k]
        row = slice(position, position + i + 1)
        if prior.lkj:
            value += _lkj_row(prior, packed[row], chol[i], d_row, gradient[row])
        else:
            value -= (prior.shape + i) * packed[position + i]
            for k in range(i):
                gradient[position + k] = d_row[k]
            gradient[position + i] = d_row[i] * chol[i, i] - (prior.shape + i)
        position += i + 1
    return value


@kernel
def _unpack_block(packed, root, rows):
    """Rows of L for the latents of one variable."""
    width = rows.shape[0]
    first = packed.shape[0] // width
    y = packed.reshape(width, first)
    inverse = inverse_triangle(_factor(y))
    mixed = np.zeros((width, width))
    add_matmul(1.0, root[:width, :width], inverse, mixed)
    add_matmul(1.0, mixed, y, rows[:, :first])
    rows[:, first : first + width] = mixed


@kernel
def _factor(y):
    """K with K K' = I + YY', lower triangular."""
    width = y.shape[0]
    factor = np.zeros((width, width))
    add_matmul(1.0, y, y.T, factor)
    for i in range(width):
        factor[i, i] += 1.0
    cholesky_in_place(factor)
    for i in range(width):
        factor[i, i + 1 :] = 0.0
    return factor


@kernel
def _block_prior(prior, packed, chol, d_omega, first, end, gradient):
    """Log prior of the latents of one variable; writes the gradient.

    With i = 0..n-1 numbering the latents of the block that starts at f, the density of Y is a product of powers of the
    diagonal of C. The volume element gives c_ii^{f + 2 + 2 (n - 1 - i)} from C Y to Y and c_ii^{dim - f - n} from all later
    rows of L to Omega; the prior gives c_ii^{-(df + dim + 1)} or, LKJ, c_ii^{2 (eta - 1)}.
    """
    width, dim = end - first, chol.shape[0]
    y = packed.reshape(width, first)
    factor = _factor(y)
    c = inverse_triangle(factor)
    own = 2.0 * (prior.shape - 1.0) if prior.lkj else -(prior.shape + dim + 1.0)
    d_rows = np.zeros((width, end))
    for i in range(width):
        for k in range(first + i + 1):
            for m in range(dim):
                d_rows[i, k] += 2.0 * d_omega[first + i, m] * chol[m, k]
    d_mixed = np.zeros((width, end))
    add_matmul(1.0, prior.root[:width, :width].T, d_rows, d_mixed)
    d_y = np.zeros((width, first))
    add_matmul(1.0, c.T, d_mixed[:, :first], d_y)
    d_c = d_mixed[:, first:].copy()
    add_matmul(1.0, d_mixed[:, :first], y.T, d_c)
    value = 0.0
    for i in range(width):
        power = own + (dim - end) + first + 2.0 + 2.0 * (width - 1 - i)
        value += power * math.log(c[i, i])
        d_c[i, i] += power / c[i, i]
        d_c[i, i + 1 :] = 0.0
    _through_inverse_and_factor(factor, c, d_c, y, d_y)
    for i in range(width):
        for k in range(first):
            gradient[i * first + k] = d_y[i, k]
    return value


@kernel
def _through_inverse_and_factor(factor, c, d_c, y, d_y):
    """Add to d_y the derivative that comes through C = K^-1, KK' = I + YY' (reverse mode; Murray 2016 for the factor)."""
    width = c.shape[0]
    left, d_factor = np.zeros((width, width)), np.zeros((width, width))
    add_matmul(-1.0, c.T, d_c, left)
    add_matmul(1.0, left, c.T, d_factor)
    for i in range(width):
        d_factor[i, i + 1 :] = 0.0
    product = np.zeros((width, width))
    add_matmul(1.0, factor.T, d_factor, product)
    symmetric = np.zeros((width, width))
    for i in range(width):
        for k in range(i + 1):
            symmetric[i, k] = product[i, k]
            symmetric[k, i] = product[i, k]
    right, inner = np.zeros((width, width)), np.zeros((width, width))
    add_matmul(1.0, symmetric, c, right)
    add_matmul(1.0, c.T, right, inner)
    add_matmul(1.0, inner, y, d_y)


@kernel
def _lkj_row(prior, packed, row, d_row, gradient):
    """Log prior of one row; writes the gradient given the derivative of the rest with respect to the row."""
    i = packed.shape[0] - 1
    log_sd = packed[i]
    log_c = math.log(row[i]) - log_sd
    power = prior.scale.shape[0] - 1.0 + 2.0 * prior.shape
    scaled = math.exp(2.0 * log_sd) / (prior.scale[i, i] * prior.scale[i, i])
    along = 0.0  # derivative along the row: with respect to log sd_i
    for k in range(i + 1):
        along += d_row[k] * row[k]
    for k in range(i):
        gradient[k] = row[i] * d_row[k] - packed[k] * math.exp(2.0 * log_c) * (along + power)
    gradient[i] = along + 1.0 - scaled
    return log_sd - 0.5 * scaled + power * log_c


@kernel
def _trace_term(scale, chol, d_omega):
    """Return -tr(S Omega^-1)/2 and add its derivative to d_omega."""
    dim = chol.shape[0]
    inverse = inverse_triangle(chol)
    omega_inv = np.zeros((dim, dim))
    add_matmul(1.0, inverse.T, inverse, omega_inv)
    product = np.zeros((dim, dim))
    add_matmul(1.0, omega_inv, scale, product)
    add_matmul(0.5, product, omega_inv, d_omega)
    return -0.5 * np.trace(product)

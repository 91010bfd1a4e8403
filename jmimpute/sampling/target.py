"""The log posterior density that the compiled sampler sees, as a function of one unconstrained vector theta.

theta holds the coefficients that exist, then Omega_e, then Omega_u, all on the standardised scale. Row i of the lower
Cholesky factor L of a covariance is given by i + 1 numbers, in the coordinates that suit its prior:

- inverse-Wishart: L_ik (k < i) and log L_ii;
- LKJ with half-normal standard deviations: the direction L_ik / L_ii (k < i) of the row and log sd_i, the logarithm of its
  length. In the other coordinates this prior has an infinite density where a standard deviation vanishes, so that there
  is no mode to expand about.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.likelihood import collapsed
from jmimpute.graph.small_matrices import add_matmul, inverse_triangle
from jmimpute.specification.priors import LKJ, CovariancePrior, Normal
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics


class CovarianceDensity(NamedTuple):
    """Prior of one covariance matrix on the standardised scale.

    Attributes
    ----------
    lkj : bool
        LKJ correlations and half-normal standard deviations; inverse-Wishart otherwise.
    shape : float
        eta, or the degrees of freedom.
    scale : ndarray, shape (dim, dim)
        Half-normal scales on the diagonal, or the scale matrix.
    """

    lkj: bool
    shape: float
    scale: np.ndarray


class Target(NamedTuple):
    """Everything the log density needs, as arrays."""

    stats: Statistics
    beta_row: np.ndarray
    beta_column: np.ndarray
    effect_response: np.ndarray
    effect_column: np.ndarray
    beta_precision: float
    prior_e: CovarianceDensity
    prior_u: CovarianceDensity


def build(specification: Specification, stats: Statistics) -> Target:
    """Collect the arrays of a specification and its sufficient statistics.

    Parameters
    ----------
    specification : Specification
    stats : Statistics
        Of its arrays.
    """
    layout, scaling, priors = specification.layout, specification.scaling, specification.priors
    rows, columns = np.nonzero(layout.beta_mask)
    precision = priors.beta.sd**-2 if isinstance(priors.beta, Normal) else 0.0
    return Target(
        stats,
        rows,
        columns,
        layout.effect_response,
        layout.effect_column,
        precision,
        covariance_density(priors.Omega_e, np.diag(scaling.scale)),
        covariance_density(priors.Omega_u, scaling.u_transform),
    )


def covariance_density(prior: CovariancePrior, transform: np.ndarray) -> CovarianceDensity:
    """Express a prior on the standardised scale.

    Parameters
    ----------
    prior : LKJ or InverseWishart
    transform : ndarray, shape (dim, dim)
        K with Omega = K Omega* K'. An inverse-Wishart prior on Omega with scale S is one on Omega* with scale
        K^-1 S K^-T and the same degrees of freedom.
    """
    dim = len(transform)
    if isinstance(prior, LKJ):
        return CovarianceDensity(True, prior.eta, np.diag(np.full(dim, prior.sd)))
    inverse = np.linalg.inv(transform)
    scale = inverse @ prior.scale_matrix(dim) @ inverse.T
    return CovarianceDensity(False, prior.degrees(dim), np.ascontiguousarray(0.5 * (scale + scale.T)))


def dimension(target: Target) -> int:
    """Length of theta."""
    return len(target.beta_row) + _packed_size(len(target.prior_e.scale)) + _packed_size(len(target.prior_u.scale))


@kernel
def _packed_size(dim):
    return dim * (dim + 1) // 2


@kernel
def log_density(theta, target, gradient):
    """Log posterior density up to a constant; writes its gradient.

    Parameters
    ----------
    theta : ndarray, shape (n,)
    target : Target
    gradient : ndarray, shape (n,)
        Overwritten.

    Returns
    -------
    float
        Minus infinity where the density cannot be evaluated.
    """
    beta, chol_e, chol_u = unpack(theta, target)
    value, d_beta, d_omega_e, d_omega_u = collapsed(
        beta, chol_e, chol_u, target.effect_response, target.effect_column, target.stats
    )
    n_beta = target.beta_row.shape[0]
    n_e = n_beta + _packed_size(chol_e.shape[0])
    for k in range(n_beta):
        b = theta[k]
        value -= 0.5 * target.beta_precision * b * b
        gradient[k] = d_beta[target.beta_row[k], target.beta_column[k]] - target.beta_precision * b
    value += _add_prior(target.prior_e, theta[n_beta:n_e], chol_e, d_omega_e, gradient[n_beta:n_e])
    value += _add_prior(target.prior_u, theta[n_e:], chol_u, d_omega_u, gradient[n_e:])
    return value if math.isfinite(value) else -np.inf


@kernel
def unpack(theta, target):
    """Split theta into B (q, p) and the Cholesky factors of Omega_e (p, p) and Omega_u (d, d)."""
    beta = np.zeros((target.stats.xx.shape[1], target.stats.observed.shape[1]))
    n_beta = target.beta_row.shape[0]
    for k in range(n_beta):
        beta[target.beta_row[k], target.beta_column[k]] = theta[k]
    p, d = target.prior_e.scale.shape[0], target.prior_u.scale.shape[0]
    n_e = n_beta + _packed_size(p)
    chol_e = _unpack_chol(theta[n_beta:n_e], p, target.prior_e.lkj)
    chol_u = _unpack_chol(theta[n_e:], d, target.prior_u.lkj)
    return beta, chol_e, chol_u


@kernel
def _unpack_chol(packed, dim, directions):
    chol = np.zeros((dim, dim))
    position = 0
    for i in range(dim):
        scale = 1.0
        if directions:
            squares = 1.0
            for k in range(i):
                squares += packed[position + k] ** 2
            scale = math.exp(packed[position + i]) / math.sqrt(squares)
        for k in range(i):
            chol[i, k] = packed[position + k] * scale
        chol[i, i] = scale if directions else math.exp(packed[position + i])
        position += i + 1
    return chol


@kernel
def _add_prior(prior, packed, chol, d_omega, gradient):
    """Return the log prior density, Jacobians included, and write the gradient of likelihood and prior.

    `d_omega` is the derivative of the log-likelihood with respect to Omega = LL'. For rows i = 0..dim-1, with
    c_i = L_ii / sd_i,

        inverse-Wishart(df, S):    -sum_i (df + i) log L_ii - tr(S Omega^-1) / 2
        LKJ(eta), half-normal(s):  sum_i { log sd_i - sd_i^2 / (2 s_i^2) } + (dim - 1 + 2 eta) sum_{i > 0} log c_i

    since dOmega = 2^dim prod L_ii^{dim-i} dL, and with y_ik = L_ik / L_ii and r the row of L over its length,
    dr = c_i^{i+2} dy.
    """
    dim = chol.shape[0]
    value = 0.0
    if not prior.lkj and dim > 0:
        value += _trace_term(prior.scale, chol, d_omega)
    d_row = np.empty(dim)
    position = 0
    for i in range(dim):
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

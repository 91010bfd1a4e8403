"""The log posterior density that the compiled samplers see, as a function of one unconstrained vector theta.

theta holds the coefficients that exist, then Omega_e, then Omega_u, all on the standardised scale, the covariances in the
coordinates of `jmimpute.sampling.coordinates`, and last the correlations of selection submodels. With latent normals it is the
density given their values, for which the statistics have to be made.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.likelihood import collapsed
from jmimpute.graph.small_matrices import add_matmul
from jmimpute.sampling.coordinates import (
    CovarianceDensity,
    add_prior,
    covariance_density,
    n_coordinates,
    pack_covariance,
    unpack_covariance,
)
from jmimpute.sampling.indicators import (
    Indicators,
    add_prior_rho,
    collect_indicators,
    extend_factor,
    n_free,
    pack_rho,
    pull_back,
    unpack_rho,
)
from jmimpute.specification.priors import Normal
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics


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
    indicators: Indicators


def build(specification: Specification, stats: Statistics) -> Target:
    """Collect the arrays of a specification and its sufficient statistics.

    Parameters
    ----------
    specification : Specification
    stats : Statistics
        Of its arrays.
    """
    layout, scaling, priors = specification.layout, specification.scaling, specification.priors
    outcomes = specification.layout_of_outcomes
    rows, columns = (np.ascontiguousarray(index) for index in np.nonzero(layout.beta_mask))
    precision = priors.beta.sd**-2 if isinstance(priors.beta, Normal) else 0.0
    return Target(
        stats,
        rows,
        columns,
        layout.effect_response,
        layout.effect_column,
        precision,
        covariance_density(priors.Omega_e, np.diag(scaling.scale[: len(outcomes.responses)]), outcomes),
        covariance_density(priors.Omega_u, scaling.u_transform),
        collect_indicators(specification.selections),
    )


def dimension(target: Target) -> int:
    """Length of theta."""
    return starts(target)[-1]


@kernel
def starts(target):
    """Where Omega_e, Omega_u and rho start in theta, and its length."""
    n_beta = target.beta_row.shape[0]
    n_e = n_beta + n_coordinates(target.prior_e)
    n_u = n_e + n_coordinates(target.prior_u)
    return n_beta, n_e, n_u, n_u + n_free(target.indicators)


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
    n_beta, n_e, n_u, _ = starts(target)
    rho = unpack_rho(theta[n_u:], target.indicators)
    factor_e = extend_factor(_in_order_of_responses(chol_e, target.prior_e.order), rho, target.indicators)
    value, d_beta, d_omega_e, d_omega_u = collapsed(
        beta, factor_e, chol_u, target.effect_response, target.effect_column, target.stats
    )
    for k in range(n_beta):
        b = theta[k]
        value -= 0.5 * target.beta_precision * b * b
        gradient[k] = d_beta[target.beta_row[k], target.beta_column[k]] - target.beta_precision * b
    d_rho = np.zeros(rho.shape[0])
    d_omega_e = pull_back(d_omega_e, factor_e, rho, target.indicators, d_rho)
    d_omega_e = _reordered(d_omega_e, target.prior_e.order)
    value += add_prior(target.prior_e, theta[n_beta:n_e], chol_e, d_omega_e, gradient[n_beta:n_e])
    value += add_prior(target.prior_u, theta[n_e:n_u], chol_u, d_omega_u, gradient[n_e:n_u])
    value += add_prior_rho(theta[n_u:], rho, d_rho, target.indicators, gradient[n_u:])
    return value if math.isfinite(value) else -np.inf


@kernel
def unpack(theta, target):
    """Split theta into B (q, p) and the factors of the reordered Omega_e, without indicators, and of Omega_u (d, d)."""
    beta = np.zeros((target.stats.xx.shape[1], target.stats.observed.shape[1]))
    n_beta, n_e, n_u, _ = starts(target)
    for k in range(n_beta):
        beta[target.beta_row[k], target.beta_column[k]] = theta[k]
    return beta, unpack_covariance(theta[n_beta:n_e], target.prior_e), unpack_covariance(theta[n_e:n_u], target.prior_u)


@kernel
def parameters(theta, target):
    """B (q, p), Omega_e (p, p) and Omega_u (d, d) on the standardised scale, responses in their own order."""
    beta, chol_e, chol_u = unpack(theta, target)
    rho = unpack_rho(theta[starts(target)[2] :], target.indicators)
    factor_e = extend_factor(_in_order_of_responses(chol_e, target.prior_e.order), rho, target.indicators)
    omega_e, omega_u = np.zeros(factor_e.shape), np.zeros(chol_u.shape)
    add_matmul(1.0, factor_e, factor_e.T, omega_e)
    add_matmul(1.0, chol_u, chol_u.T, omega_u)
    for b in range(target.prior_e.starts.shape[0] - 1):  # what is known, to the last bit
        block = target.prior_e.order[target.prior_e.starts[b] : target.prior_e.starts[b + 1]]
        for i in block:
            for k in block:
                omega_e[i, k] = 1.0 if i == k else 0.5
    for i in range(chol_e.shape[0], omega_e.shape[0]):
        omega_e[i, i] = 1.0
    return beta, omega_e, omega_u


@kernel
def pack(beta, omega_e, omega_u, target, theta):
    """Write theta; the inverse of `parameters`."""
    n_beta, n_e, n_u, _ = starts(target)
    for k in range(n_beta):
        theta[k] = beta[target.beta_row[k], target.beta_column[k]]
    pack_covariance(omega_e, target.prior_e, theta[n_beta:n_e])
    pack_covariance(omega_u, target.prior_u, theta[n_e:n_u])
    pack_rho(omega_e, target.indicators, theta[n_u:])


@kernel
def _in_order_of_responses(chol, order):
    factor = np.empty(chol.shape)
    for i in range(order.shape[0]):
        factor[order[i]] = chol[i]
    return factor


@kernel
def _reordered(matrix, order):
    out = np.empty(matrix.shape)
    for i in range(order.shape[0]):
        for k in range(order.shape[0]):
            out[i, k] = matrix[order[i], order[k]]
    return out

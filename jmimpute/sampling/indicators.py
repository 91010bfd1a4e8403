"""Rows of Omega_e that belong to the indicators of selection submodels: functions of the other rows and of rho.

With Sigma the covariance matrix of the other responses and k the response of indicator l,

    Omega_e = T Sigma T' + D,   T = [I; rho_l e_k' / sigma_k],   D_ll = 1 - rho_l^2 and 0 elsewhere,

so that every Sigma and every |rho_l| < 1 are allowed. A free rho has the coordinate t with rho = middle + half tanh(t).
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.specification.rho_priors import FisherZ, TruncatedNormal
from jmimpute.specification.selected import Selected


class Indicators(NamedTuple):
    """Indicators l = 0..L-1, the last coordinates of a model, and the priors of their rho.

    Attributes
    ----------
    own : ndarray of int, shape (L,)
        Response of each.
    middle, half : ndarray, shape (L,)
        Range of rho; the latter 0 where it is held at the former.
    mean, precision : ndarray, shape (L,)
        Of the normal factor of the prior density of rho; precision 0 if there is none.
    precision_z : ndarray, shape (L,)
        Of a normal prior of artanh(rho); 0 if the prior is another one.
    """

    own: np.ndarray
    middle: np.ndarray
    half: np.ndarray
    mean: np.ndarray
    precision: np.ndarray
    precision_z: np.ndarray


def collect_indicators(selections: tuple[Selected, ...]) -> Indicators:
    """Collect the arrays of selection submodels.

    Parameters
    ----------
    selections : tuple of Selected
    """
    entries = [_entry(selected) for selected in selections]
    columns = np.ascontiguousarray(np.array(entries, dtype=float).reshape(-1, 5).T)
    own = np.array([selected.variable.first for selected in selections], dtype=np.int64)
    return Indicators(own, *columns)


def _entry(selected: Selected) -> tuple[float, float, float, float, float]:
    """Middle, half, mean, precision, precision of z."""
    rho = selected.clause.rho
    if isinstance(rho, float):
        return rho, 0.0, 0.0, 0.0, 0.0
    if isinstance(rho, FisherZ):
        return 0.0, 1.0, 0.0, 0.0, rho.sd**-2
    middle, half = 0.5 * (rho.lower + rho.upper), 0.5 * (rho.upper - rho.lower)
    if isinstance(rho, TruncatedNormal):
        return middle, half, rho.mean, rho.sd**-2, 0.0
    return middle, half, 0.0, 0.0, 0.0


@kernel
def n_free(indicators):
    """Number of rhos that are not held."""
    return np.sum(indicators.half > 0.0)


@kernel
def unpack_rho(packed, indicators):
    """Rho of each indicator, shape (L,), from the coordinates of the free ones."""
    rho = indicators.middle.copy()
    position = 0
    for k in range(rho.shape[0]):
        if indicators.half[k] > 0.0:
            rho[k] += indicators.half[k] * math.tanh(packed[position])
            position += 1
    return rho


@kernel
def pack_rho(omega, indicators, packed):
    """Write the coordinates of the free rhos of Omega_e, shape (p + L, p + L)."""
    p = omega.shape[0] - indicators.own.shape[0]
    position = 0
    for k in range(indicators.own.shape[0]):
        if indicators.half[k] > 0.0:
            rho = omega[p + k, indicators.own[k]] / math.sqrt(omega[indicators.own[k], indicators.own[k]])
            packed[position] = math.atanh((rho - indicators.middle[k]) / indicators.half[k])
            position += 1


@kernel
def extend_factor(factor, rho, indicators):
    """F with FF' = Omega_e, shape (p + L, p + L), from one with FF' = Sigma, shape (p, p)."""
    n_indicators = rho.shape[0]
    if n_indicators == 0:
        return factor
    p = factor.shape[0]
    extended = np.zeros((p + n_indicators, p + n_indicators))
    extended[:p, :p] = factor
    for k in range(n_indicators):
        own = factor[indicators.own[k]]
        slope = rho[k] / math.sqrt(np.sum(own * own))
        extended[p + k, :p] = slope * own
        extended[p + k, p + k] = math.sqrt(1.0 - rho[k] * rho[k])
    return extended


@kernel
def pull_back(d_omega, factor, rho, indicators, d_rho):
    """Derivative with respect to Sigma from that with respect to Omega_e, symmetric; adds to that with respect to rho."""
    n_indicators = rho.shape[0]
    if n_indicators == 0:
        return d_omega
    p = factor.shape[0] - n_indicators
    d_sigma = d_omega[:p, :p].copy()
    for k in range(n_indicators):
        own = indicators.own[k]
        variance = np.sum(factor[own] * factor[own])
        slope = rho[k] / math.sqrt(variance)
        d_slope = 0.0  # 2 (G T Sigma)_lk, with T Sigma all but the diagonal of Omega_e
        for a in range(p + n_indicators):
            covariance = np.sum(factor[a] * factor[own])
            d_slope += 2.0 * d_omega[p + k, a] * covariance
        for a in range(p):
            d_sigma[own, a] += slope * d_omega[p + k, a]
            d_sigma[a, own] += slope * d_omega[p + k, a]
        for m in range(n_indicators):
            other = indicators.own[m]
            other_slope = rho[m] / math.sqrt(np.sum(factor[other] * factor[other]))
            d_sigma[own, other] += slope * other_slope * d_omega[p + k, p + m]
        d_sigma[own, own] -= 0.5 * d_slope * slope / variance
        d_rho[k] += d_slope / math.sqrt(variance) - 2.0 * rho[k] * d_omega[p + k, p + k]
    return d_sigma


@kernel
def log_prior_rho(rho, k, indicators):
    """Log prior density of one free rho, minus infinity outside its range, and its slope."""
    if not abs(rho - indicators.middle[k]) < indicators.half[k]:
        return -np.inf, 0.0
    away = rho - indicators.mean[k]
    value, slope = -0.5 * indicators.precision[k] * away * away, -indicators.precision[k] * away
    if indicators.precision_z[k] > 0.0:
        z, within = math.atanh(rho), 1.0 - rho * rho
        value -= 0.5 * indicators.precision_z[k] * z * z + math.log(within)
        slope += (2.0 * rho - indicators.precision_z[k] * z) / within
    return value, slope


@kernel
def add_prior_rho(packed, rho, d_rho, indicators, gradient):
    """Return the log prior density of the coordinates and write the gradient of likelihood and prior."""
    value = 0.0
    position = 0
    for k in range(rho.shape[0]):
        if indicators.half[k] > 0.0:
            tanh = math.tanh(packed[position])
            inside = 1.0 - tanh * tanh
            log_prior, slope = log_prior_rho(rho[k], k, indicators)
            value += log_prior + math.log(inside) if inside > 0.0 else -np.inf
            gradient[position] = (d_rho[k] + slope) * indicators.half[k] * inside - 2.0 * tanh
            position += 1
    return value

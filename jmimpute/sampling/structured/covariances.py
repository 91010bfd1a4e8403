"""Omega_e, common or by cluster, given the residuals of complete rows."""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import cholesky_in_place
from jmimpute.sampling.gibbs_covariances import draw_constrained, draw_correlations, inverse_wishart, inverted
from jmimpute.sampling.structured.hierarchy import move_hierarchy
from jmimpute.sampling.structured.priors import HIERARCHY, LOG_SD, SEPARATE
from jmimpute.sampling.structured.slices import slice_exponential


@kernel
def move_covariances(model, state, cross, gain, rng):
    """Draw Omega_e and what its prior has of its own.

    Parameters
    ----------
    model : Model
    state : State
        Changed.
    cross : ndarray, shape (K, p, p)
        Sums of products of residuals.
    gain : float
        By which random walks are tuned; 0 not to.
    rng : numpy.random.Generator
    """
    prior, n_rows = model.prior_e, model.cells.n_rows
    if prior.kind == HIERARCHY:
        move_hierarchy(model, state, cross, gain, rng)
    elif prior.kind == LOG_SD:
        _move_log_sds(model, state, cross, gain, rng)
    else:
        for k in range(cross.shape[0]):
            if prior.kind == SEPARATE:
                if prior.latent.shape[0] == 0 and n_rows[k] >= cross.shape[1]:
                    _jump(state.omega[k], cross[k], 1.0 * n_rows[k], prior, rng)
                sd, correlation = _separated(state.omega[k], prior)
                _draw_sds(sd, correlation, cross[k], 1.0 * n_rows[k], prior, state.log_sd, rng)
                power = prior.eta - 1.0 - 0.5 * n_rows[k]
                scaled = cross[k] / np.outer(sd, sd)
                draw_correlations(correlation, scaled, power, prior.pairs, state.log_step[k], gain, rng)
                state.omega[k] = correlation * np.outer(sd, sd)
            else:
                total = prior.scale + cross[k]
                draw_constrained(
                    state.omega[k], total, n_rows[k] + prior.power, prior.continuous, prior.latent, prior.pairs,
                    state.log_step[k], gain, rng,
                )  # fmt: skip


@kernel
def _jump(omega, cross, n, prior, rng):
    """Propose IW(n, T), as if the prior were |Omega|^{-(p + 1)/2}: of many rows most proposals are accepted."""
    proposed = inverse_wishart(n, cross, rng)
    if math.log(rng.random()) < _log_weight(proposed, prior) - _log_weight(omega, prior):
        omega[:] = proposed


@kernel
def _log_weight(omega, prior):
    """Log of the prior over |Omega|^{-(p + 1)/2}; the volume element of sds and correlations is the product of sd^-p."""
    sd, correlation = _separated(omega, prior)
    value = (prior.eta - 1.0 + 0.5 * (len(sd) + 1)) * cholesky_in_place(correlation)
    return value + np.sum(np.log(sd)) - 0.5 * np.sum((sd / prior.sd) ** 2)


@kernel
def _separated(omega, prior):
    """Standard deviations, 1 for latents, and the correlation matrix."""
    sd = np.ones(omega.shape[0])
    for k in prior.continuous:
        sd[k] = math.sqrt(omega[k, k])
    correlation = omega / np.outer(sd, sd)
    for k in range(sd.shape[0]):
        correlation[k, k] = 1.0
    return sd, correlation


@kernel
def _draw_sds(sd, correlation, cross, n, prior, log_sd, rng):
    """Standard deviations of continuous responses one after the other, given correlations.

    With t = -log sd_k the likelihood is exp(n t - Q_kk T_kk e^{2t} / 2 - e^t sum_{l != k} Q_kl T_kl / sd_l), where Q is the
    inverse of the correlation matrix.
    """
    q = inverted(correlation)
    for k in prior.continuous:
        linear = 0.0
        for m in range(sd.shape[0]):
            if m != k:
                linear += q[k, m] * cross[k, m] / sd[m]
        square = q[k, k] * cross[k, k]
        t = -math.log(sd[k])
        if prior.kind == LOG_SD:
            t = slice_exponential(t, n, square, linear, -log_sd[0, k], log_sd[1, k] ** -2, 0.0, 0.0, rng)
        else:  # half-normal; the volume element of sd is e^-t
            t = slice_exponential(t, n - 1.0, square, linear, 0.0, 0.0, 0.5 / prior.sd**2, 0.0, rng)
        sd[k] = math.exp(-t)


@kernel
def _move_log_sds(model, state, cross, gain, rng):
    """Standard deviations of every cluster, the correlation matrix of all, and the distribution of the former."""
    prior, n_rows = model.prior_e, model.cells.n_rows
    _, correlation = _separated(state.omega[0], prior)
    sds = np.ones((cross.shape[0], correlation.shape[0]))
    total = np.zeros(correlation.shape)
    for j in range(cross.shape[0]):
        for k in prior.continuous:
            sds[j, k] = math.sqrt(state.omega[j, k, k])
        _draw_sds(sds[j], correlation, cross[j], 1.0 * n_rows[j], prior, state.log_sd, rng)
        total += cross[j] / np.outer(sds[j], sds[j])
    power = prior.eta - 1.0 - 0.5 * np.sum(n_rows)
    draw_correlations(correlation, total, power, prior.pairs, state.log_step[0], gain, rng)
    for j in range(cross.shape[0]):
        state.omega[j] = correlation * np.outer(sds[j], sds[j])
    for k in prior.continuous:
        _draw_spread(np.log(sds[:, k]), k, prior, state.log_sd, rng)


@kernel
def _draw_spread(values, k, prior, log_sd, rng):
    """Mean, of which the prior is standard normal, and standard deviation of log standard deviations."""
    n = values.shape[0]
    precision = log_sd[1, k] ** -2
    posterior = 1.0 + n * precision
    log_sd[0, k] = precision * np.sum(values) / posterior + rng.standard_normal() / math.sqrt(posterior)
    squares = np.sum((values - log_sd[0, k]) ** 2)
    t = slice_exponential(-math.log(log_sd[1, k]), n - 1.0, squares, 0.0, 0.0, 0.0, 0.5 / prior.sd**2, 0.0, rng)
    log_sd[1, k] = math.exp(-t)

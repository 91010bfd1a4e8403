"""Density of the parameters of one latent response, the latent itself and all missing values integrated out.

Given the other latents of observed categories, the other random effects and v, the latent z of row i, pattern t, is

    z_i ~ N(m_i, s_t^2),   m_i = x_i'beta + z_i'u_j + w_t'r_i,   w_t = A_t omega,   s_t^2 = 1 - omega'A_t omega,

with r_i the residuals of the other observed coordinates a, A_t the inverse of Omega_e over them and omega their covariances
with the latent. The row contributes the probability of the interval its category puts z_i into.

Coordinates phi: beta; the free elements of omega, or rho of an indicator; Lambda (row by row) and the lower triangle of T
(row by row, logarithms on the diagonal), where u_k = Lambda'w_rest + T v with standard normal w_rest and v that stay fixed;
logarithms of the distances between cut points.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.sampling.indicators import log_prior_rho
from jmimpute.sampling.latents.priors import conditional_slopes, level_1_prior, level_2_prior
from jmimpute.sampling.latents.rows import axpy, dot
from jmimpute.sampling.latents.state import add_effect
from jmimpute.sampling.latents.tails import score_half_lines, score_intervals, sum_logs


@kernel
def n_parameters(latent, given, latents):
    """Length of phi."""
    return given.columns.shape[0] + given.directions.shape[0] + n_of_effects(given) + latents.n_cuts[latent]


@kernel
def n_of_effects(given):
    """Parameters of the random effects among phi."""
    n_own = given.own.shape[0]
    return given.rest.shape[0] * n_own + n_own * (n_own + 1) // 2 if given.moves_u else 0


@kernel
def pack_latent(latent, given, problem, state, phi):
    """Write phi from the present state."""
    latents = problem.latents
    k = latents.coordinate[latent]
    position = 0
    for c in given.columns:
        phi[position] = state.beta[c, k]
        position += 1
    position += _pack_covariances(k, given, state.omega_e, phi[position:])
    if given.moves_u:
        for slope in given.slopes.ravel():
            phi[position] = slope
            position += 1
        for e in range(given.root.shape[0]):
            for f in range(e + 1):
                phi[position] = math.log(given.root[e, e]) if e == f else given.root[e, f]
                position += 1
    last = 0.0
    for c in range(latents.n_cuts[latent]):
        cut = state.cutpoints[latents.cut_start[latent] + c]
        phi[position] = math.log(cut - last)
        last = cut
        position += 1


@kernel
def _pack_covariances(k, given, omega_e, phi):
    """Write the free parameters of the covariances of latent k; return how many there are."""
    n_free = given.directions.shape[0]
    for c in range(n_free):  # each has a coordinate on which the others have no influence
        a = np.argmax(np.abs(given.directions[c]))
        phi[c] = omega_e[k, a] / given.directions[c, a]
    return n_free


@kernel
def unpack_latent(latent, phi, given, latents):
    """Split phi into beta (n_b), omega (p), Lambda (d - d_k, d_k), T (d_k, d_k) and all cut points (n_levels + 1)."""
    n_own, n_rest = given.own.shape[0], given.rest.shape[0]
    beta = phi[: given.columns.shape[0]]
    position = beta.shape[0]
    omega = given.known.copy()
    for c in range(given.directions.shape[0]):
        for a in range(omega.shape[0]):
            omega[a] += given.directions[c, a] * phi[position]
        position += 1
    slopes, root = given.slopes.copy(), given.root.copy()
    if given.moves_u:
        slopes = phi[position : position + n_rest * n_own].copy().reshape(n_rest, n_own)
        position += n_rest * n_own
        for e in range(n_own):
            for f in range(e + 1):
                root[e, f] = math.exp(phi[position]) if e == f else phi[position]
                position += 1
    n_cuts = latents.n_cuts[latent]
    cuts = np.zeros(n_cuts + 3)
    cuts[0], cuts[-1] = -np.inf, np.inf
    for c in range(n_cuts):
        cuts[c + 2] = cuts[c + 1] + math.exp(phi[position + c])
    return beta, omega, slopes, root, cuts


@kernel
def effects_of(slopes, root, given, out):
    """Write u_k = Lambda'w_rest + T v, shape (d_k, J)."""
    out[:] = 0.0
    for e in range(out.shape[0]):
        for r in range(slopes.shape[0]):
            axpy(slopes[r, e], given.w_rest[r], out[e])
        for f in range(e + 1):
            axpy(root[e, f], given.v[f], out[e])


@kernel
def regressions(k, omega, given, problem):
    """Regression of latent k on the other observed coordinates: w_t (G, p) and s_t (G,), NaN if s_t^2 is not positive.

    In patterns without the latent, w_t is 0 and s_t is 1.
    """
    if not given.moves_e:
        return given.w, given.s
    n_patterns = problem.target.stats.observed.shape[0]
    w, s = np.zeros((n_patterns, omega.shape[0])), np.ones(n_patterns)
    for g in range(n_patterns):
        if problem.target.stats.observed[g, k]:
            s[g] = math.sqrt(conditional_slopes(given.inverse[g], omega, w[g]))
    return w, s


@kernel
def first_pattern(first, problem):
    """Pattern of a row."""
    return np.searchsorted(problem.rows.starts, first, side="right") - 1


@kernel
def add_fixed(first, beta, u, given, problem, out):
    """Add x'beta + z'u_j to consecutive rows, beginning with `first`."""
    end = first + out.shape[0]
    for c in range(beta.shape[0]):
        axpy(beta[c], problem.rows.x[given.columns[c], first:end], out)
    for e in range(u.shape[0]):
        z = problem.rows.z[problem.target.effect_column[given.own[e]], first:end]
        add_effect(1.0, z, u[e], problem.rows.cluster[first:end], out)


@kernel
def add_regression(first, w, problem, state, out):
    """Add w'r to consecutive rows."""
    starts = problem.rows.starts
    end = first + out.shape[0]
    for g in range(first_pattern(first, problem), w.shape[0]):
        low, high = max(starts[g], first), min(starts[g + 1], end)
        if low >= end:
            break
        for a in range(w.shape[1]):
            if w[g, a] != 0.0:
                axpy(w[g, a], state.residual[a, low:high], out[low - first : high - first])


@kernel
def spread(first, values, problem, out):
    """Write the reciprocal of a value of each pattern to consecutive rows."""
    starts = problem.rows.starts
    end = first + out.shape[0]
    for g in range(first_pattern(first, problem), values.shape[0]):
        low, high = max(starts[g], first), min(starts[g + 1], end)
        if low >= end:
            break
        out[low - first : high - first] = 1.0 / values[g]


@kernel
def score_rows(latent, first, end, beta, u, cuts, w, s, given, problem, state, work, d_cuts):
    """Score rows from `first` up to `end`.

    The beginnings of the rows of `work`, shape (6, CHUNK), receive d log P / d mean, -d^2 log P / d mean^2, the two parts of
    log P = log(scale) + exponent, and d log P / d log s (see `score_half_lines`). The latent is observed in all of them.
    """
    n = end - first  # slices of single rows are contiguous, which the loops over them need to be fast
    mean, info, scale = work[0, :n], work[1, :n], work[2, :n]
    exponent, pull, inverse = work[3, :n], work[4, :n], work[5, :n]
    if given.moves_e:
        mean[:] = 0.0
        add_regression(first, w, problem, state, mean)
        spread(first, s, problem, inverse)
    else:
        mean[:] = given.offset[first:end]
        inverse[:] = given.inverse_s[first:end]
    add_fixed(first, beta, u, given, problem, mean)
    if problem.latents.ordinal[latent]:
        rank = problem.rows.slot[problem.latents.variable[latent], first:end]
        score_intervals(mean, rank, cuts, inverse, info, scale, exponent, pull, d_cuts)
    else:
        score_half_lines(mean, given.bound[first:end], given.sign[first:end], inverse, info, scale, exponent, pull)


@kernel
def log_density_latent(latent, phi, given, problem, state, work, u, gradient):
    """Log density of phi up to a constant; writes its gradient.

    Parameters
    ----------
    latent : int
    phi : ndarray, shape (n,)
    given : Given
    problem : Problem
    state : State
        For the residuals of the other coordinates.
    work : ndarray, shape (6, CHUNK)
    u : ndarray, shape (d_k, J)
        Overwritten by the random effects that phi stands for.
    gradient : ndarray, shape (n,)
        Overwritten.

    Returns
    -------
    float
        Minus infinity where Omega_e would not be positive definite.
    """
    beta, omega, slopes, root, cuts = unpack_latent(latent, phi, given, problem.latents)
    gradient[:] = 0.0
    d_omega = np.zeros(omega.shape[0])
    k = problem.latents.coordinate[latent]
    value, d_rho = 0.0, 0.0
    if given.indicator >= 0:
        value, d_rho = log_prior_rho(phi[beta.shape[0]], given.indicator, problem.target.indicators)
    elif given.moves_e:
        value = level_1_prior(k, omega, given, problem, d_omega)
    if value == -np.inf:
        return value
    effects_of(slopes, root, given, u)
    d_u, d_cuts = np.zeros(u.shape), np.zeros(cuts.shape[0])
    w, s = regressions(k, omega, given, problem)
    d_w, d_s = np.zeros(w.shape), np.zeros(s.shape[0])
    latents = problem.latents
    for span in range(latents.span_start[latent], latents.span_start[latent + 1]):
        first, end = latents.spans[span]
        score_rows(latent, first, end, beta, u, cuts, w, s, given, problem, state, work, d_cuts)
        value += sum_logs(work[2, : end - first]) + np.sum(work[3, : end - first])
        _collect(first, end, k, work, given, problem, state, gradient, d_w, d_s, d_u)
    if not math.isfinite(value):
        return -np.inf
    for g in range(w.shape[0] if given.moves_e else 0):  # through w_t = A_t omega and through s_t
        for a in range(omega.shape[0]):
            total = -w[g, a] / (s[g] * s[g]) * d_s[g]
            for b in range(omega.shape[0]):
                total += given.inverse[g, a, b] * d_w[g, b]
            d_omega[a] += total
    return value + _finish(latent, phi, slopes, root, cuts, given, problem, d_omega, d_rho, d_u, d_cuts, gradient)


@kernel
def _collect(first, end, k, work, given, problem, state, gradient, d_w, d_s, d_u):
    """Carry derivatives with respect to means and log s of rows over to beta, the random effects, w and log s_t."""
    starts, observed = problem.rows.starts, problem.target.stats.observed
    d_mean, pull = work[0, : end - first], work[4, : end - first]
    for c in range(given.columns.shape[0]):
        gradient[c] += dot(problem.rows.x[given.columns[c], first:end], d_mean)
    cluster = problem.rows.cluster[first:end]
    for e in range(d_u.shape[0]):
        z = problem.rows.z[problem.target.effect_column[given.own[e]], first:end]
        total = d_u[e]
        for i in range(d_mean.shape[0]):
            total[cluster[i]] += z[i] * d_mean[i]
    for g in range(first_pattern(first, problem), observed.shape[0] if given.moves_e else 0):
        low, high = max(starts[g], first), min(starts[g + 1], end)
        if low >= end:
            break
        own = slice(low - first, high - first)
        d_s[g] += np.sum(pull[own])
        for a in range(d_w.shape[1]):
            if a != k and observed[g, a]:
                d_w[g, a] += dot(state.residual[a, low:high], d_mean[own])


@kernel
def _finish(latent, phi, slopes, root, cuts, given, problem, d_omega, d_rho, d_u, d_cuts, gradient):
    """Complete the gradient; return the log priors of beta, of the effects and of cut points."""
    value = 0.0
    n_b = given.columns.shape[0]
    precision = problem.target.beta_precision
    for c in range(n_b):
        value -= 0.5 * precision * phi[c] * phi[c]
        gradient[c] -= precision * phi[c]
    position = n_b
    for c in range(given.directions.shape[0]):
        gradient[position] = d_rho + dot(given.directions[c], d_omega)
        position += 1
    if given.moves_u:
        value += _finish_effects(slopes, root, given, problem, d_u, gradient[position:])
        position += n_of_effects(given)
    n_cuts = problem.latents.n_cuts[latent]
    later = 0.0
    for c in range(n_cuts - 1, -1, -1):  # a distance moves its own cut point and all later ones
        distance = cuts[c + 2] - cuts[c + 1]
        later += d_cuts[c + 2]
        value += phi[position + c] - 0.5 * problem.cut_precision * distance * distance
        gradient[position + c] = distance * (later - problem.cut_precision * distance) + 1.0
    return value


@kernel
def _finish_effects(slopes, root, given, problem, d_u, gradient):
    """The part of Lambda and T."""
    n_own, n_rest = root.shape[0], slopes.shape[0]
    d_slopes, d_root = np.zeros((n_rest, n_own)), np.zeros((n_own, n_own))
    value = level_2_prior(slopes, root, given, problem.target.prior_u, d_slopes, d_root)
    position = 0
    for r in range(n_rest):
        for e in range(n_own):
            gradient[position] = d_slopes[r, e] + dot(given.w_rest[r], d_u[e])
            position += 1
    for e in range(n_own):
        for f in range(e + 1):
            total = d_root[e, f] + dot(given.v[f], d_u[e])
            gradient[position] = total * root[e, e] if e == f else total
            position += 1
    return value

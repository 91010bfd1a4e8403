"""Step sizes and metrics of the moves, and how they are found during warm-up."""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import cholesky_in_place, inverse_triangle
from jmimpute.sampling.latents.conditional import (
    add_fixed,
    add_regression,
    effects_of,
    n_of_effects,
    regressions,
    unpack_latent,
)
from jmimpute.sampling.latents.priors import level_2_prior
from jmimpute.sampling.latents.rows import CHUNK
from jmimpute.sampling.latents.state import FREE, RHO, Problem
from jmimpute.sampling.latents.tails import interval

LEAPS = 4  # leapfrog steps of a trajectory
LONGEST_STEP = 0.6  # whitened: 4 steps of 0.6 are a good third of a period, beyond which a trajectory turns back
TARGET_LATENT = 0.85
JITTER = 0.2
INFORMATIVE_ROWS = 4000  # of which information is gathered at a time


class Tuning(NamedTuple):
    """How the moves of one chain are tuned; the arrays are changed in place.

    Attributes
    ----------
    whitening : ndarray, shape (n, n)
        Of theta, W with W W' about its covariance given the latents.
    log_step : ndarray, shape (1,)
        Of theta.
    whitenings : ndarray, shape (L, m, m)
        Likewise for phi of each latent, in the upper left corner.
    log_steps : ndarray, shape (L,)
    information : ndarray, shape (L, m, m)
        Sums of the information of phi over `n_summed[l]` iterations.
    n_summed : ndarray of int, shape (L,)
    n_adapted : ndarray of int, shape (1,)
        Iterations in which steps were adapted.
    """

    whitening: np.ndarray
    log_step: np.ndarray
    whitenings: np.ndarray
    log_steps: np.ndarray
    information: np.ndarray
    n_summed: np.ndarray
    n_adapted: np.ndarray


def new_tuning(whitening: np.ndarray, n_latents: int, longest: int) -> Tuning:
    """Start with steps of about the right length in whitened coordinates.

    Parameters
    ----------
    whitening : ndarray, shape (n, n)
    n_latents : int
    longest : int
        Length of the longest phi.
    """
    whitenings = np.tile(0.05 * np.eye(longest), (n_latents, 1, 1))
    start = math.log(0.7 * LONGEST_STEP)
    return Tuning(
        whitening.copy(),
        np.full(1, start),
        whitenings,
        np.full(n_latents, start),
        np.zeros_like(whitenings),
        np.zeros(n_latents, dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )


def sizes(problem: Problem) -> np.ndarray:
    """Length of phi of each latent."""
    target, latents = problem.target, problem.latents
    p, d = len(target.prior_e.scale), len(target.prior_u.scale)
    n_beta = np.array([np.sum(target.beta_column == k) for k in latents.coordinate])
    n_own = np.array([np.sum(target.effect_response == k) for k in latents.coordinate])
    n_effects = (d - n_own) * n_own + n_own * (n_own + 1) // 2
    n_free = np.where(problem.moves_e == FREE, p - latents.width, problem.moves_e == RHO)
    return n_beta + n_free + problem.moves_u * n_effects + latents.n_cuts


def copied(tuning: Tuning) -> Tuning:
    """The same tuning for another chain, which will adapt it further."""
    fresh = Tuning(*(array.copy() for array in tuning))
    fresh.n_adapted[:] = 0
    return fresh


@kernel
def adapt_step(log_step, acceptance, target, n_adapted):
    """Move a step size towards the acceptance wanted, by less and less (Robbins and Monro)."""
    changed = log_step + (acceptance - target) / (n_adapted + 5.0) ** 0.6
    return min(max(changed, math.log(1e-4)), math.log(LONGEST_STEP))


@kernel
def learn_metric(tuning, latent, n):
    """Whiten phi by the mean information gathered so far, and begin to gather anew."""
    if tuning.n_summed[latent] == 0:
        return
    matrix = tuning.information[latent, :n, :n] / tuning.n_summed[latent]
    scale = np.empty(n)
    for a in range(n):
        scale[a] = 1.0 / math.sqrt(matrix[a, a] + 1e-8)
    for a in range(n):
        for b in range(n):
            matrix[a, b] *= scale[a] * scale[b]
        matrix[a, a] += 1e-4
    if math.isfinite(cholesky_in_place(matrix)):
        inverse = inverse_triangle(matrix)
        for a in range(n):
            for b in range(n):
                tuning.whitenings[latent, a, b] = inverse[b, a] * scale[a]
    tuning.information[latent] = 0.0
    tuning.n_summed[latent] = 0


@kernel
def add_information(latent, phi, given, problem, state, work, u, turn, total):
    """Add minus the expected-like second derivative of the log density of phi: Gauss-Newton for the rows.

    For a row with a = (c_low - m) / s, b = (c_high - m) / s and D = Phi(b) - Phi(a), minus the second derivative of log D
    with respect to (a, b) is positive semidefinite; J'(.)J, with J the derivatives of a and b, is what is added. Of many rows
    every n-th stands for n, others each time.
    """
    beta, omega, slopes, root, cuts = unpack_latent(latent, phi, given, problem.latents)
    effects_of(slopes, root, given, u)
    k = problem.latents.coordinate[latent]
    w, s = regressions(k, omega, given, problem)
    d_mean, d_a, d_b = np.empty(phi.shape[0]), np.empty(phi.shape[0]), np.empty(phi.shape[0])
    ordinal = problem.latents.ordinal[latent]
    every = 1 + given.bound.shape[0] // INFORMATIVE_ROWS
    offset = turn % every
    for g in range(problem.target.stats.observed.shape[0]):
        if not problem.target.stats.observed[g, k]:
            continue
        for first in range(problem.rows.starts[g], problem.rows.starts[g + 1], CHUNK):
            end = min(first + CHUNK, problem.rows.starts[g + 1])
            mean = work[0, : end - first]
            mean[:] = 0.0
            add_fixed(first, beta, u, given, problem, mean)
            if given.moves_e:
                add_regression(first, w, problem, state, mean)
            else:
                mean += given.offset[first:end]
            for i in range(first + (offset - first) % every, end, every):
                if ordinal:
                    h = problem.rows.slot[problem.latents.variable[latent], i]
                    low, high = cuts[h], cuts[h + 1]
                elif given.sign[i] > 0.0:
                    h, low, high = 0, -np.inf, given.bound[i]
                else:
                    h, low, high = 0, given.bound[i], np.inf
                a, b = (low - mean[i - first]) / s[g], (high - mean[i - first]) / s[g]
                _, _, ratio_a, ratio_b = interval(a, b)
                _slope_of_mean(i, g, root, given, problem, state, d_mean)
                _slope_of_bound(a, s[g], w[g], h, d_mean, cuts, given, ratio_a > 0.0, d_a)
                _slope_of_bound(b, s[g], w[g], h + 1, d_mean, cuts, given, ratio_b > 0.0, d_b)
                a, b = a if ratio_a > 0.0 else 0.0, b if ratio_b > 0.0 else 0.0
                weights = every * ratio_a * (ratio_a - a), -every * ratio_a * ratio_b, every * ratio_b * (ratio_b + b)
                _add_weighted(weights, d_a, d_b, total)
    _add_prior_information(latent, phi, given, problem, total)


@kernel
def _slope_of_mean(i, g, root, given, problem, state, out):
    """D m_i / d phi."""
    out[:] = 0.0
    position = 0
    for c in given.columns:
        out[position] = problem.rows.x[c, i]
        position += 1
    for c in range(given.directions.shape[0]):
        for a in range(given.directions.shape[1]):
            if given.directions[c, a] != 0.0:
                for b in range(state.residual.shape[0]):
                    out[position] += given.directions[c, a] * given.inverse[g, a, b] * state.residual[b, i]
        position += 1
    if not given.moves_u:
        return
    j = problem.rows.cluster[i]
    for r in range(given.rest.shape[0]):
        for e in given.own:
            out[position] = given.w_rest[r, j] * problem.rows.z[problem.target.effect_column[e], i]
            position += 1
    for e in range(given.own.shape[0]):
        z = problem.rows.z[problem.target.effect_column[given.own[e]], i]
        for f in range(e + 1):
            out[position] = z * given.v[f, j] * (root[e, e] if e == f else 1.0)
            position += 1


@kernel
def _slope_of_bound(t, s, w, index, d_mean, cuts, given, counts, out):
    """D t / d phi for t = (c_index - m) / s; 0 if the bound is too far away to count."""
    out[:] = 0.0
    if not counts:
        return
    for c in range(out.shape[0]):
        out[c] = -d_mean[c] / s
    position = given.columns.shape[0]
    for c in range(given.directions.shape[0]):
        for a in range(given.directions.shape[1]):
            out[position] += t * given.directions[c, a] * w[a] / (s * s)
        position += 1
    n_cuts = cuts.shape[0] - 3
    for c in range(n_cuts):
        if c + 2 <= index:
            out[out.shape[0] - n_cuts + c] += (cuts[c + 2] - cuts[c + 1]) / s


@kernel
def _add_weighted(weights, d_a, d_b, total):
    weight_a, weight_ab, weight_b = weights
    for c in range(d_a.shape[0]):
        left = weight_a * d_a[c] + weight_ab * d_b[c]
        right = weight_ab * d_a[c] + weight_b * d_b[c]
        if left != 0.0 or right != 0.0:
            for e in range(d_a.shape[0]):
                total[c, e] += left * d_a[e] + right * d_b[e]


@kernel
def _add_prior_information(latent, phi, given, problem, total):
    """Curvature of the priors along the axes, where it is positive: of beta, of (Lambda, T) and of cut points."""
    n_b, n_p = given.columns.shape[0], given.directions.shape[0]
    for c in range(n_b):
        total[c, c] += problem.target.beta_precision
    start, size = n_b + n_p, n_of_effects(given)
    shifted = phi.copy()
    for c in range(size):
        step = 1e-4
        shifted[start + c] = phi[start + c] + step
        upper = _level_2_slope(latent, shifted, start, c, given, problem)
        shifted[start + c] = phi[start + c] - step
        lower = _level_2_slope(latent, shifted, start, c, given, problem)
        shifted[start + c] = phi[start + c]
        total[start + c, start + c] += max((lower - upper) / (2.0 * step), 0.0)
    for c in range(start + size, phi.shape[0]):
        total[c, c] += problem.cut_precision * math.exp(2.0 * phi[c])


@kernel
def _level_2_slope(latent, phi, start, c, given, problem):
    """Derivative of the log prior of the effects with respect to one of their coordinates."""
    _, _, slopes, root, _ = unpack_latent(latent, phi, given, problem.latents)
    d_slopes, d_root = np.zeros(slopes.shape), np.zeros(root.shape)
    level_2_prior(slopes, root, given, problem.target.prior_u, d_slopes, d_root)
    if c < slopes.size:
        return d_slopes[c // root.shape[0], c % root.shape[0]]
    position = slopes.size
    for e in range(root.shape[0]):
        for f in range(e + 1):
            if position == c:
                return d_root[e, f] * (root[e, e] if e == f else 1.0)
            position += 1
    return 0.0

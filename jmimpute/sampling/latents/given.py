"""What is fixed while the parameters of one latent response move, and how it is collected."""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle
from jmimpute.sampling.latents.rows import axpy
from jmimpute.sampling.latents.state import HELD, RHO


class Given(NamedTuple):
    """What is fixed while the parameters of latent k move.

    Attributes
    ----------
    columns : ndarray of int, shape (n_b,)
        Columns of X that it has.
    directions : ndarray, shape (n_p, p)
        How covariances with other coordinates change with each free parameter: one of those with responses, or rho.
    own, rest : ndarray of int, shapes (d_k,), (d - d_k,)
        Its random effects and the others.
    inverse : ndarray, shape (G + 1, p, p)
        Inverse of Omega_e over the observed coordinates of each pattern without k, and, last, over all without k.
    known : ndarray, shape (p,)
        Covariances with the other latents of its variable, 0 elsewhere.
    root_rest : ndarray, shape (d - d_k, d - d_k)
        Cholesky factor L of the covariance matrix of the other random effects.
    w_rest, v : ndarray, shapes (d - d_k, J), (d_k, J)
        L^-1 times the other random effects; and v with u_k = Lambda'w_rest + T v. However large the other effects are, w_rest
        has variance 1, and Lambda the same scale.
    scale_rest, scale_cross : ndarray, shapes (d - d_k, d - d_k), (d - d_k, d_k)
        L^-1 S_rr L^-T and L^-1 S_rk, with S the scale matrix of the prior of Omega_u.
    bound, sign : ndarray, shape (N,)
        Half-line of the latent of each row (binary and nominal) whose category is observed, see `score_half_lines`.
    slopes, root : ndarray, shapes (d - d_k, d_k), (d_k, d_k)
        Lambda and T as they are at present.
    w, s : ndarray, shapes (G, p), (G,)
        Regression of the latent on the other observed coordinates of each pattern, as it is at present, if `moves_e` is not.
    offset, inverse_s : ndarray, shape (N,)
        What it gives for every row whose category is observed, and 1 / s; likewise.
    moves_e, moves_u : bool
        Whether covariances of the latent within rows, and of its random effects, are among its parameters.
    indicator : int
        Which indicator of `jmimpute.sampling.indicators` the latent is, if its parameter is rho; else -1.
    """

    columns: np.ndarray
    directions: np.ndarray
    own: np.ndarray
    rest: np.ndarray
    inverse: np.ndarray
    known: np.ndarray
    root_rest: np.ndarray
    w_rest: np.ndarray
    v: np.ndarray
    scale_rest: np.ndarray
    scale_cross: np.ndarray
    bound: np.ndarray
    sign: np.ndarray
    slopes: np.ndarray
    root: np.ndarray
    w: np.ndarray
    s: np.ndarray
    offset: np.ndarray
    inverse_s: np.ndarray
    moves_e: bool
    moves_u: bool
    indicator: int


@kernel
def look_around(latent, problem, state):
    """Collect what is fixed while the parameters of a latent move."""
    target, latents = problem.target, problem.latents
    k = latents.coordinate[latent]
    first, width = latents.first[latent], latents.width[latent]
    p = state.y.shape[0]
    columns = target.beta_row[target.beta_column == k]
    moves_e = problem.moves_e[latent] != HELD
    indicator = k - (p - target.indicators.own.shape[0]) if problem.moves_e[latent] == RHO else -1
    directions = _directions(k, first, width, moves_e, indicator, target, state.omega_e)
    known = np.zeros(p)
    known[first : first + width] = 0.5
    known[k] = 0.0
    inverse, weights, scales = around(k, moves_e, problem, state)
    offset, inverse_s = offsets(k, moves_e, weights, scales, problem, state)
    own = np.flatnonzero(target.effect_response == k)
    rest = np.flatnonzero(target.effect_response != k)
    root_rest, slopes, root = split_effects(state.omega_u, own, rest)
    inverse_rest = inverse_triangle(root_rest)
    w_rest = np.zeros((rest.shape[0], state.u.shape[1]))
    for r in range(rest.shape[0]):
        for s in range(r + 1):
            axpy(inverse_rest[r, s], state.u[rest[s]], w_rest[r])
    scale_rest, scale_cross = whitened_scale(target.prior_u.scale, own, rest, inverse_rest)
    v = state.u[own]
    for e in range(own.shape[0]):  # v = T^-1 (u_k - Lambda'w_rest), by substitution
        for r in range(rest.shape[0]):
            axpy(-slopes[r, e], w_rest[r], v[e])
        for f in range(e):
            axpy(-root[e, f], v[f], v[e])
        for j in range(v.shape[1]):
            v[e, j] /= root[e, e]
    bound, sign = np.zeros(state.y.shape[1]), np.ones(state.y.shape[1])
    if not latents.ordinal[latent]:
        half_lines(problem.rows.slot[latents.variable[latent]], k - first, state.y[first : first + width], bound, sign)
    return Given(
        columns, directions, own, rest, inverse, known, root_rest, w_rest, v, scale_rest, scale_cross, bound, sign,
        slopes, root, weights, scales, offset, inverse_s, moves_e, problem.moves_u, indicator,
    )  # fmt: skip


@kernel
def _directions(k, first, width, moves_e, indicator, target, omega):
    """How covariances of coordinate k depend on its free parameters; see `Given`."""
    p = omega.shape[0]
    if indicator >= 0:
        directions = np.zeros((1, p))
        own = target.indicators.own[indicator]
        for a in range(p):
            if a != k:
                directions[0, a] = omega[a, own] / math.sqrt(omega[own, own])
        return directions
    n_responses = p - target.indicators.own.shape[0]
    directions = np.zeros((n_responses - width if moves_e else 0, p))
    for c in range(directions.shape[0]):
        response = c if c < first else c + width
        directions[c, response] = 1.0
        for m in range(p - n_responses):  # the covariance with an indicator follows from that with its response
            if target.indicators.own[m] == response:
                directions[c, n_responses + m] = omega[n_responses + m, response] / omega[response, response]
    return directions


@kernel
def around(k, moves_e, problem, state):
    """The inverses without coordinate k if its covariances move; else its regressions on the others."""
    n_patterns, p = problem.target.stats.observed.shape
    if moves_e:
        inverse = np.zeros((n_patterns + 1, p, p))
        for g in range(n_patterns + 1):
            if g == n_patterns or problem.target.stats.observed[g, k]:
                without(state.precision[g], k, inverse[g])
        return inverse, np.zeros((0, p)), np.ones(0)
    w, s = np.zeros((n_patterns, p)), np.ones(n_patterns)
    for g in range(n_patterns):
        if problem.target.stats.observed[g, k]:
            own = state.precision[g, k, k]
            s[g] = 1.0 / math.sqrt(own)
            for a in range(p):
                w[g, a] = -state.precision[g, k, a] / own
            w[g, k] = 0.0
    return np.zeros((0, p, p)), w, s


@kernel
def offsets(k, moves_e, w, s, problem, state):
    """Regression of a latent on the residuals of other coordinates, and 1 / s, for every row in which it is observed."""
    n_rows = state.y.shape[1] if not moves_e else 0
    offset, inverse_s = np.zeros(n_rows), np.zeros(n_rows)
    for g in range(w.shape[0]):
        if problem.target.stats.observed[g, k]:
            first, end = problem.rows.starts[g], problem.rows.starts[g + 1]
            inverse_s[first:end] = 1.0 / s[g]
            for a in range(w.shape[1]):
                if w[g, a] != 0.0:
                    axpy(w[g, a], state.residual[a, first:end], offset[first:end])
    return offset, inverse_s


@kernel
def whitened_scale(scale, own, rest, inverse_rest):
    """L^-1 S_rr L^-T and L^-1 S_rk, given L^-1."""
    n_own, n_rest = own.shape[0], rest.shape[0]
    half, whole, cross = np.zeros((n_rest, n_rest)), np.zeros((n_rest, n_rest)), np.zeros((n_rest, n_own))
    for r in range(n_rest):
        for s in range(n_rest):
            for t in range(r + 1):
                half[r, s] += inverse_rest[r, t] * scale[rest[t], rest[s]]
        for e in range(n_own):
            for t in range(r + 1):
                cross[r, e] += inverse_rest[r, t] * scale[rest[t], own[e]]
    add_matmul(1.0, half, inverse_rest.T, whole)
    return whole, cross


@kernel
def without(precision, k, out):
    """Inverse of a matrix without row and column k, from the inverse of the matrix."""
    for a in range(out.shape[0]):
        for b in range(out.shape[0]):
            out[a, b] = precision[a, b] - precision[a, k] * precision[k, b] / precision[k, k]
    out[k, :] = 0.0
    out[:, k] = 0.0


@kernel
def bordered(inverse, omega, k, out):
    """Inverse of a matrix from the inverse without row and column k, where it has variance 1 and covariances `omega`."""
    w = np.zeros(omega.shape[0])
    s_squared = 1.0
    for a in range(omega.shape[0]):
        for b in range(omega.shape[0]):
            w[a] += inverse[a, b] * omega[b]
        s_squared -= w[a] * omega[a]
    for a in range(omega.shape[0]):
        for b in range(omega.shape[0]):
            out[a, b] = inverse[a, b] + w[a] * w[b] / s_squared
    for a in range(omega.shape[0]):
        out[a, k] = -w[a] / s_squared
        out[k, a] = -w[a] / s_squared
    out[k, k] = 1.0 / s_squared


@kernel
def split_effects(omega_u, own, rest):
    """L with LL' = Omega_rr, Lambda = L^-1 Omega_rk and T with TT' = Omega_kk - Lambda'Lambda."""
    n_own, n_rest = own.shape[0], rest.shape[0]
    root_rest, cross = np.empty((n_rest, n_rest)), np.empty((n_rest, n_own))
    root = np.empty((n_own, n_own))
    for r in range(n_rest):
        for s in range(n_rest):
            root_rest[r, s] = omega_u[rest[r], rest[s]]
        for e in range(n_own):
            cross[r, e] = omega_u[rest[r], own[e]]
    for e in range(n_own):
        for f in range(n_own):
            root[e, f] = omega_u[own[e], own[f]]
    cholesky_in_place(root_rest)
    for r in range(n_rest):
        root_rest[r, r + 1 :] = 0.0
    slopes = np.zeros((n_rest, n_own))
    add_matmul(1.0, inverse_triangle(root_rest), cross, slopes)
    add_matmul(-1.0, slopes.T, slopes, root)
    cholesky_in_place(root)
    for e in range(n_own):
        root[e, e + 1 :] = 0.0
    return root_rest, slopes, root


@kernel
def half_lines(slot, within, block, bound, sign):
    """Half-line in which a latent of a binary or nominal response lies, given the others of its variable.

    Parameters
    ----------
    slot : ndarray of int, shape (N,)
        Latent that is largest; the number of latents for the reference category.
    within : int
        Which latent of the variable.
    block : ndarray, shape (width, N)
        Present latents of the variable.
    bound, sign : ndarray, shape (N,)
        Overwritten.
    """
    width = block.shape[0]
    if width == 1:  # without a branch, which chance would decide
        bound[:] = 0.0
        for i in range(slot.shape[0]):
            sign[i] = -1.0 if slot[i] == within else 1.0
        return
    for i in range(slot.shape[0]):
        if slot[i] == within:
            largest = 0.0
            for c in range(width):
                if c != within:
                    largest = max(largest, block[c, i])
            bound[i], sign[i] = largest, -1.0
        elif slot[i] == width:
            bound[i], sign[i] = 0.0, 1.0
        elif slot[i] >= 0:
            bound[i], sign[i] = block[slot[i], i], 1.0

"""Blocked Gibbs sampler for the joint model with latent normals: plain, and a reference for faster ones.

Random effects, latent normals and missing values are all explicit, and each block is drawn from its textbook full conditional
(Albert and Chib 1993; Goldstein, Carpenter, Kenward and Levin 2009), row by row:

- a latent of an observed category: normal given all other coordinates of its row, restricted to where the category is read
  off; the missing coordinates of a row: jointly normal given the others, unrestricted;
- B given the random effects, and these given B: normal; Omega_u: inverse-Wishart;
- a cut point: its prior between the latents on its two sides;
- Omega_e: see `jmimpute.sampling.gibbs_covariances`.

The chain moves slowly where categories are rare: their latents tie the intercepts down.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.errors import SamplingError
from jmimpute.graph.small_matrices import add_matmul
from jmimpute.sampling.gibbs_covariances import block, draw_constrained, draw_normal, factor, inverse_wishart, inverted
from jmimpute.sampling.gibbs_model import build, start
from jmimpute.sampling.truncated import truncated_normal
from jmimpute.specification.specify import Specification

CHUNK = 50  # iterations between two looks at what Python has to do


class GibbsChain(NamedTuple):
    """Draws of one chain, on the standardised scale.

    Attributes
    ----------
    beta : ndarray, shape (n, q, p)
    omega_e : ndarray, shape (n, p, p)
    omega_u : ndarray, shape (n, d, d)
    cutpoints : ndarray, shape (n, n_cutpoints)
        The free ones of all ordinal variables, one variable after the other.
    latents : ndarray of float32, shape (n_kept, n_active)
        Latent normals of observed categories in the draws asked for: by coordinate, then by row.
    """

    beta: np.ndarray
    omega_e: np.ndarray
    omega_u: np.ndarray
    cutpoints: np.ndarray
    latents: np.ndarray


def draw(
    specification: Specification,
    draws: int,
    tune: int,
    rng: np.random.Generator,
    thin: int = 1,
    bounds: tuple[float, float] | None = None,
    stop: np.ndarray | None = None,
    progress: np.ndarray | None = None,
    keep: np.ndarray | None = None,
) -> GibbsChain:
    """Draw one chain from overdispersed random starting values.

    Parameters
    ----------
    specification : Specification
    draws : int
        Draws to return.
    tune : int
        Iterations before them, in which the random walks are tuned.
    rng : numpy.random.Generator
    thin : int
        Iterations a draw.
    bounds : tuple of float, optional
        Restrict latents of observed categories to this box. Not part of the model: jomo since version 2.7 has (-3, 4).
    stop : ndarray of bool, shape (1,), optional
        Another thread may set it; the draws made until then are returned.
    progress : ndarray of int, shape (1,), optional
        Incremented after each iteration; another thread may read it.
    keep : ndarray of int, optional
        Positions, in ascending order, of the draws whose latents are returned.

    Returns
    -------
    GibbsChain

    Raises
    ------
    SamplingError
        For a prior that this sampler does not have, or that the data leave improper, or numerical failure.
    """
    stop = np.zeros(1, dtype=np.bool_) if stop is None else stop
    progress = np.zeros(1, dtype=np.int64) if progress is None else progress
    keep = np.empty(0, dtype=np.int64) if keep is None else np.asarray(keep, dtype=np.int64)
    model = build(specification, bounds)
    state = start(model, specification, rng)
    for begin in range(0, tune, CHUNK):
        run(model, state, min(CHUNK, tune - begin), begin, rng, progress, stop)
        _check(state)
    columns, rows = np.nonzero(~np.isnan(specification.y.T) & specification.layout.latent[:, None])
    parameters = (state.beta, state.omega_e, state.omega_u, state.cutpoints)
    chain = GibbsChain(*(np.empty((draws, *a.shape)) for a in parameters), np.empty((len(keep), len(rows)), dtype=np.float32))
    n_drawn, chunk = 0, max(1, CHUNK // thin)
    while n_drawn < draws and not stop[0]:
        end = min(n_drawn + chunk, draws)
        n_drawn = _record(model, state, chain, n_drawn, end, thin, keep, rows, columns, rng, progress, stop)
        _check(state)
    return GibbsChain(*(array[:n_drawn] for array in chain[:4]), chain.latents[: np.searchsorted(keep, n_drawn)])


def _check(state):
    if not all(np.all(np.isfinite(array)) for array in (state.beta, state.omega_e, state.omega_u, state.cutpoints)):
        raise SamplingError(
            "A covariance matrix became numerically singular. Are two responses (nearly) the same? Drop one, or use an "
            "inverse-Wishart prior that keeps correlations off the boundary."
        )


@kernel
def _record(model, state, chain, begin, end, thin, keep, rows, columns, rng, progress, stop):
    """Fill the chain from one draw to another; return how many draws it holds then."""
    place = np.searchsorted(keep, begin)
    for i in range(begin, end):
        if run(model, state, thin, -1, rng, progress, stop) < thin:
            return i
        chain.beta[i] = state.beta
        chain.omega_e[i] = state.omega_e
        chain.omega_u[i] = state.omega_u
        chain.cutpoints[i] = state.cutpoints
        if place < keep.shape[0] and keep[place] == i:
            for m in range(rows.shape[0]):
                chain.latents[place, m] = state.y[rows[m], columns[m]]
            place += 1
    return end


@kernel
def run(model, state, n_iterations, tuned, rng, progress, stop):
    """Iterate the sampler.

    Parameters
    ----------
    model : Model
    state : State
        Changed in place.
    n_iterations : int
    tuned : int
        Iterations in which the random walks were tuned before; -1 not to tune them.
    rng : numpy.random.Generator
    progress : ndarray of int, shape (1,)
    stop : ndarray of bool, shape (1,)

    Returns
    -------
    int
        Iterations made: fewer if `stop[0]` is set.
    """
    for t in range(n_iterations):
        if stop[0]:
            return t
        precision = inverted(state.omega_e)
        _draw_rows(model, state, precision, rng)
        _draw_cutpoints(model, state, rng)
        _draw_beta(model, state, precision, rng)
        if state.u.shape[1] > 0:
            _draw_effects(model, state, precision, rng)
            cross = model.scale_u.copy()
            add_matmul(1.0, state.u.T, state.u, cross)
            state.omega_u[:] = inverse_wishart(model.df_u + state.u.shape[0], cross, rng)
        errors, cross = _residuals(model, state, True, True), model.scale_e.copy()
        add_matmul(1.0, errors.T, errors, cross)
        draw_constrained(
            state.omega_e, cross, state.y.shape[0] + model.power_e, model.continuous,
            model.latent, model.pairs, state.log_step, 0.0 if tuned < 0 else (tuned + t + 1.0) ** -0.6, rng,
        )  # fmt: skip
        progress[0] += 1
    return n_iterations


@kernel
def _residuals(model, state, fixed, random):
    """Responses of all rows less their fixed part and less their random part, each if asked."""
    out = state.y.copy()
    n_rows, p = out.shape
    for i in range(n_rows):
        if fixed:
            for k in range(model.x.shape[1]):
                for a in range(p):
                    out[i, a] -= model.x[i, k] * state.beta[k, a]
        if random:
            for e in range(model.effect_response.shape[0]):
                out[i, model.effect_response[e]] -= model.z[i, model.effect_column[e]] * state.u[model.cluster[i], e]
    return out


@kernel
def _draw_rows(model, state, precision, rng):
    """Latents of observed categories one after the other, then the missing coordinates at once."""
    n_patterns, p = model.active.shape
    roots = np.zeros((n_patterns, p, p))  # of the precision of the missing coordinates, packed to the upper left
    for g in range(n_patterns):
        missing = np.flatnonzero(~model.active[g])
        root = block(precision, missing, missing)
        factor(root)
        roots[g, : len(missing), : len(missing)] = root
    complete = np.array([row.all() for row in model.active])
    errors, vector = _residuals(model, state, True, True), np.empty(p)
    for i in range(len(errors)):
        y, error, g = state.y[i], errors[i], model.pattern[i]
        for v in range(len(model.first)):
            first, width, slot = model.first[v], model.width[v], model.slot[i, v]
            if slot < 0:
                continue
            for a in range(first, first + width):
                if model.ordinal[v]:
                    below, above = between_cuts(slot, state.cutpoints, model.first_cut[v], model.first_cut[v + 1])
                else:
                    below, above = beside_others(y, first, width, a, slot)
                draw_latent(y, error, a, max(below, model.bounds[0]), min(above, model.bounds[1]), precision, rng)
        if not complete[g]:
            _draw_missing(y, error, model.active[g], precision, roots[g], vector, rng)


@kernel
def between_cuts(rank, cutpoints, first, end):
    """Where the latent of an ordinal variable lies in a category; its cut points are first..end."""
    below = -np.inf if rank == 0 else 0.0 if rank == 1 else cutpoints[first + rank - 2]
    above = 0.0 if rank == 0 else np.inf if rank > end - first else cutpoints[first + rank - 1]
    return below, above


@kernel
def beside_others(y, first, width, a, slot):
    """Where latent a of a binary or nominal variable lies in a category, given its other latents."""
    if a != first + slot:
        return -np.inf, 0.0 if slot == width else y[first + slot]
    below = 0.0
    for k in range(first, first + width):
        if k != a:
            below = max(below, y[k])
    return below, np.inf


@kernel
def draw_latent(y, error, a, below, above, precision, rng):
    """Coordinate a of one row, given all others: normal between two bounds."""
    fitted, shift = y[a] - error[a], 0.0
    for k in range(len(y)):
        if k != a:
            shift -= precision[a, k] * error[k]
    centre, sd = fitted + shift / precision[a, a], 1.0 / math.sqrt(precision[a, a])
    value = centre + sd * truncated_normal((below - centre) / sd, (above - centre) / sd, rng)
    y[a] = min(max(value, below), above)  # against rounding
    error[a] = y[a] - fitted


@kernel
def _draw_missing(y, error, active, precision, root, vector, rng):
    """Missing coordinates m of one row: error_m ~ N(-P_mm^-1 P_ma error_a, P_mm^-1) with the precision P."""
    n = 0
    for a in range(active.shape[0]):
        if not active[a]:
            vector[n] = 0.0
            for k in range(active.shape[0]):
                if active[k]:
                    vector[n] -= precision[a, k] * error[k]
            n += 1
    draw_normal(root[:n, :n], vector[:n], rng)
    n = 0
    for a in range(active.shape[0]):
        if not active[a]:
            y[a] += vector[n] - error[a]
            n += 1


@kernel
def _draw_cutpoints(model, state, rng):
    for v in range(model.first.shape[0]):
        cuts = state.cutpoints[model.first_cut[v] : model.first_cut[v + 1]]
        n = cuts.shape[0]
        lowest, highest = np.full(n + 2, np.inf), np.full(n + 2, -np.inf)  # latents of each category
        for i in range(state.y.shape[0] if n > 0 else 0):
            rank = model.slot[i, v]
            if rank >= 0:
                lowest[rank] = min(lowest[rank], state.y[i, model.first[v]])
                highest[rank] = max(highest[rank], state.y[i, model.first[v]])
        draw_cuts(cuts, lowest, highest, model.cut_sd, rng)


@kernel
def draw_cuts(cuts, lowest, highest, cut_sd, rng):
    """Draw the cut points of one ordinal variable, given the lowest and the highest latent of each category."""
    n = cuts.shape[0]
    for m in range(n):  # between categories m + 1 and m + 2
        before = cuts[m - 1] if m > 0 else 0.0
        after = cuts[m + 1] if m + 1 < n else np.inf
        below, above = max(before, highest[m + 1]), min(after, lowest[m + 2])
        if math.isinf(cut_sd):
            cuts[m] = below + (above - below) * rng.random()
            continue
        # Half-normal distances to both neighbours, or to the one below.
        centre, sd = (before, cut_sd) if m + 1 == n else (0.5 * (before + after), cut_sd * math.sqrt(0.5))
        value = centre + sd * truncated_normal((below - centre) / sd, (above - centre) / sd, rng)
        cuts[m] = min(max(value, below), above)  # against rounding


@kernel
def _draw_beta(model, state, precision, rng):
    """Coefficients that exist, given the random effects: the normal equations of all responses at once."""
    q, p = state.beta.shape
    cross, weighted, squares = np.zeros((q, p)), np.zeros((q, p)), np.zeros((q, q))
    add_matmul(1.0, model.x.T, _residuals(model, state, False, True), cross)
    add_matmul(1.0, cross, precision, weighted)
    add_matmul(1.0, model.x.T, model.x, squares)
    n = model.beta_row.shape[0]
    posterior, vector = np.zeros((n, n)), np.empty(n)
    for m in range(n):
        row, column = model.beta_row[m], model.beta_column[m]
        vector[m] = weighted[row, column]
        for k in range(n):
            posterior[m, k] = squares[row, model.beta_row[k]] * precision[column, model.beta_column[k]]
        posterior[m, m] += model.beta_precision
    factor(posterior)
    draw_normal(posterior, vector, rng)
    for m in range(n):
        state.beta[model.beta_row[m], model.beta_column[m]] = vector[m]


@kernel
def _draw_effects(model, state, precision, rng):
    """Random effects of all clusters, given the coefficients."""
    (n_clusters, d), (n_rows, r), p = state.u.shape, model.z.shape, len(precision)
    errors, prior = _residuals(model, state, True, False), inverted(state.omega_u)
    products, squares = np.zeros((n_clusters, r, p)), np.zeros((n_clusters, r, r))
    for i in range(n_rows):
        j = model.cluster[i]
        for c in range(r):
            for a in range(p):
                products[j, c, a] += model.z[i, c] * errors[i, a]
            for b in range(r):
                squares[j, c, b] += model.z[i, c] * model.z[i, b]
    posterior = np.empty((d, d))
    for j in range(n_clusters):
        for e in range(d):
            response, column = model.effect_response[e], model.effect_column[e]
            state.u[j, e] = 0.0
            for a in range(p):
                state.u[j, e] += precision[response, a] * products[j, column, a]
            for f in range(d):
                weight = precision[response, model.effect_response[f]]
                posterior[e, f] = prior[e, f] + weight * squares[j, column, model.effect_column[f]]
        factor(posterior)
        draw_normal(posterior, state.u[j], rng)

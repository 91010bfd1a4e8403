"""Level-2 responses given psi and Omega_u: missing values, latents and cut points."""

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.sampling.gibbs import beside_others, between_cuts, draw_latent
from jmimpute.sampling.gibbs_covariances import inverted
from jmimpute.sampling.structured.cutpoints import move_cutpoints


@kernel
def move_level2(model, state, gain, rng):
    """Set missing values, draw latents of observed categories and cut points; one after the other."""
    if state.w.shape[1] == 0:
        return
    complete_level2(model, state)
    lambda_ = inverted(state.rows.omega_u)
    _draw_latents(model, state, lambda_, rng)
    move_cutpoints(model, state, lambda_, gain, rng)


@kernel
def refresh_psi(model, state):
    """Level-2 coordinates of psi anew from w and B2."""
    n_effects = state.rows.u.shape[0] - state.w.shape[1]
    for j in range(state.w.shape[0]):
        for k in range(state.w.shape[1]):
            state.rows.u[n_effects + k, j] = state.w[j, k] - _fitted(model, state, j, k)


@kernel
def _fitted(model, state, j, k):
    total = 0.0
    for c in range(state.beta2.shape[0]):
        total += model.level2.x[j, c] * state.beta2[c, k]
    return total


@kernel
def complete_level2(model, state):
    """Missing level-2 values and latents from psi."""
    n_effects = state.rows.u.shape[0] - state.w.shape[1]
    for j in range(state.w.shape[0]):
        for k in range(state.w.shape[1]):
            if model.level2.free[j, n_effects + k]:
                state.w[j, k] = state.rows.u[n_effects + k, j] + _fitted(model, state, j, k)


@kernel
def _draw_latents(model, state, lambda_, rng):
    """Latents of observed categories, each given all other coordinates of its cluster."""
    level2, d = model.level2, lambda_.shape[0]
    n_effects = d - state.w.shape[1]
    values, errors = np.empty(d), np.empty(d)
    for j in range(state.w.shape[0]):
        errors[:] = state.rows.u[:, j]
        values[:n_effects] = errors[:n_effects]
        values[n_effects:] = state.w[j]
        for v in range(level2.first.shape[0]):
            slot, first, width = level2.slot[v, j], level2.first[v], level2.width[v]
            if slot < 0:
                continue
            for a in range(first, first + width):
                if level2.ordinal[v]:
                    cut = level2.first_cut[v]
                    below, above = between_cuts(slot, state.cutpoints2, cut, cut + level2.n_cuts[v])
                else:
                    below, above = beside_others(values, first, width, a, slot)
                draw_latent(values, errors, a, below, above, lambda_, rng)
        state.rows.u[:, j] = errors
        state.w[j] = values[n_effects:]

"""Latents of a cluster and their regression on its continuous responses, moved together.

Where a cluster has few categories to tell of them, latents and regression hold each other where they are, given each other.
With T_j as in `jmimpute.sampling.structured.hierarchy`, continuous coordinates c and latents l,

    B = T_lc T_cc^-1 | W, A ~ MatrixNormal(A_lc A_cc^-1, W, A_cc^-1),   W = T_ll - B T_cl,

and eta = M e_l - B e_c of every row depends on W alone. So T_cc, W and eta are held, B moves on an ellipse through itself and a
draw of its prior (Murray, Adams and MacKay 2010), and latents follow, e_l = M^-1 (B e_c + eta), as long as each stays where its
category puts it.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle
from jmimpute.sampling.gibbs import beside_others, between_cuts
from jmimpute.sampling.gibbs_covariances import block, factor, inverted

SMALLEST_ANGLE = 1e-6  # where the ellipse has shrunk to a point; the present value is always allowed


@kernel
def move_regressions(model, state, rng):
    """Move B and the latents of every cluster; residuals of rows must be complete."""
    prior = model.prior_e
    n_c, n_l = prior.continuous.shape[0], prior.latent.shape[0]
    a_inverse = inverted(block(state.scale, prior.continuous, prior.continuous))
    root_a = a_inverse.copy()
    factor(root_a)
    center = product(block(state.scale, prior.latent, prior.continuous), a_inverse)
    noise = np.empty((n_l, n_c))
    for j in range(state.omega.shape[0]):
        rows = model.cells.rows[model.cells.first_row[j] : model.cells.first_row[j + 1]]
        scaling = block(inverse_triangle(state.unscaling[j]), prior.latent, prior.latent)
        t_cc = block(state.omega[j], prior.continuous, prior.continuous)
        t_lc = product(scaling, block(state.omega[j], prior.latent, prior.continuous))
        b = product(t_lc, inverted(t_cc))
        w = product(product(scaling, block(state.omega[j], prior.latent, prior.latent)), scaling.T)
        add_matmul(-1.0, b, t_lc.T, w)
        eta = _etas(rows, b, scaling, prior, state)
        root = w.copy()
        factor(root)
        for i in range(n_l):
            for k in range(n_c):
                noise[i, k] = rng.standard_normal()
        _move(j, rows, b, w, t_cc, eta, center, product(product(root, noise), root_a.T), model, state, rng)


@kernel
def product(a, b):
    """Product of two matrices."""
    out = np.zeros((a.shape[0], b.shape[1]))
    add_matmul(1.0, a, b, out)
    return out


@kernel
def _etas(rows, b, scaling, prior, state):
    """M e_l - B e_c of rows, shape (n_rows, L)."""
    out = np.zeros((rows.shape[0], prior.latent.shape[0]))
    for i in range(rows.shape[0]):
        for k in range(prior.latent.shape[0]):
            for m in range(k + 1):
                out[i, k] += scaling[k, m] * state.rows.residual[prior.latent[m], rows[i]]
            for m in range(prior.continuous.shape[0]):
                out[i, k] -= b[k, m] * state.rows.residual[prior.continuous[m], rows[i]]
    return out


@kernel
def _move(j, rows, b, w, t_cc, eta, center, other, model, state, rng):
    """Elliptical slice: angles are tried until all latents stay where they must be."""
    angle = 2.0 * math.pi * rng.random()
    low, high = angle - 2.0 * math.pi, angle
    trial = np.empty(b.shape)
    while abs(angle) > SMALLEST_ANGLE:
        cosine, sine = math.cos(angle), math.sin(angle)
        for i in range(b.shape[0]):
            for k in range(b.shape[1]):
                trial[i, k] = center[i, k] + (b[i, k] - center[i, k]) * cosine + other[i, k] * sine
        t_lc = product(trial, t_cc)
        t_ll = w.copy()
        add_matmul(1.0, t_lc, trial.T, t_ll)
        unscaling = _unscaling(t_ll, model.prior_e)
        if _agree(rows, trial, unscaling, eta, model, state):
            _store(j, rows, trial, t_lc, t_ll, unscaling, eta, model, state)
            return
        if angle > 0.0:
            high = angle
        else:
            low = angle
        angle = low + (high - low) * rng.random()


@kernel
def _unscaling(t_ll, prior):
    """M^-1 for latents: it gives each block of T_ll its known covariance, 1 on the diagonal and 0.5 off it."""
    out, first = np.zeros(t_ll.shape), 0
    for width in prior.width:
        end = first + width
        out[first:end, first:end] = block_unscaling(t_ll[first:end, first:end])
        first = end
    return out


@kernel
def block_unscaling(t):
    """M^-1 for the latents of one response, from their block of T."""
    own = t.copy()
    cholesky_in_place(own)
    known = np.full(own.shape, 0.5)
    for k in range(own.shape[0]):
        known[k, k] = 1.0
    factor(known)
    return product(known, inverse_triangle(own))


@kernel
def _residual(i, k, row, b, unscaling, eta, prior, state):
    """Coordinate k of M^-1 (B e_c + eta)."""
    value = 0.0
    for m in range(k + 1):
        if unscaling[k, m] != 0.0:
            total = eta[i, m]
            for c in range(prior.continuous.shape[0]):
                total += b[m, c] * state.rows.residual[prior.continuous[c], row]
            value += unscaling[k, m] * total
    return value


@kernel
def _agree(rows, b, unscaling, eta, model, state):
    """Whether all latents of observed categories would be where their categories put them."""
    prior, latents, slots = model.prior_e, model.problem.latents, model.problem.rows.slot
    values = np.empty(prior.latent.shape[0])
    for i in range(rows.shape[0]):
        row = rows[i]
        k = 0
        while k < values.shape[0]:
            width, slot = latents.width[k], slots[latents.variable[k], row]
            if slot >= 0:
                for m in range(k, k + width):
                    a = prior.latent[m]
                    fitted = state.rows.y[a, row] - state.rows.residual[a, row]
                    values[m] = fitted + _residual(i, m, row, b, unscaling, eta, prior, state)
                for m in range(k, k + width):
                    if latents.ordinal[k]:
                        cut = latents.cut_start[k]
                        below, above = between_cuts(slot, state.rows.cutpoints, cut, cut + latents.n_cuts[k])
                    else:
                        below, above = beside_others(values, k, width, m, slot)
                    if not below <= values[m] <= above:
                        return False
            k += width
    return True


@kernel
def _store(j, rows, b, t_lc, t_ll, unscaling, eta, model, state):
    """Put Omega_e,j, M_j^-1 and the latents, missing ones too, where they belong."""
    prior, slots = model.prior_e, model.problem.rows.slot
    latent, continuous = prior.latent, prior.continuous
    between = product(unscaling, t_lc)
    within = product(product(unscaling, t_ll), unscaling.T)
    for k in range(latent.shape[0]):
        for m in range(latent.shape[0]):
            state.unscaling[j, latent[k], latent[m]] = unscaling[k, m]
            if model.problem.latents.variable[k] != model.problem.latents.variable[m]:
                state.omega[j, latent[k], latent[m]] = within[k, m]
        for c in range(continuous.shape[0]):
            state.omega[j, latent[k], continuous[c]] = between[k, c]
            state.omega[j, continuous[c], latent[k]] = between[k, c]
    for i in range(rows.shape[0]):
        row = rows[i]
        for k in range(latent.shape[0]):
            drawn = _residual(i, k, row, b, unscaling, eta, prior, state)
            if slots[model.problem.latents.variable[k], row] >= 0:
                state.rows.y[latent[k], row] += drawn - state.rows.residual[latent[k], row]
            state.rows.residual[latent[k], row] = drawn

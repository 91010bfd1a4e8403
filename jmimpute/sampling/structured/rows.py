"""Rows given parameters and random effects: residuals, precisions by group, and missing responses drawn as residuals."""

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.likelihood import observed_precision
from jmimpute.sampling.gibbs_covariances import block, draw_normal, factor, inverted
from jmimpute.sampling.latents.rows import axpy, dot
from jmimpute.sampling.latents.state import add_effect


@kernel
def refresh_residuals(model, state):
    """Recompute what is left of the observed coordinates after B'x + U'z."""
    rows, target, cells = model.problem.rows, model.problem.target, model.cells
    for g in range(cells.omega.shape[0]):
        first, end = rows.starts[g], rows.starts[g + 1]
        for a in range(state.rows.y.shape[0]):
            if not target.stats.observed[g, a]:
                continue
            out = state.rows.residual[a, first:end]
            out[:] = state.rows.y[a, first:end]
            for c in range(rows.x.shape[0]):
                if state.rows.beta[c, a] != 0.0:
                    axpy(-state.rows.beta[c, a], rows.x[c, first:end], out)
            for e in range(target.effect_response.shape[0]):
                if target.effect_response[e] == a:
                    z = rows.z[target.effect_column[e], first:end]
                    add_effect(-1.0, z, state.rows.u[e], rows.cluster[first:end], out)


@kernel
def refresh_precisions(model, state):
    """Recompute the precision of what is observed in each group, and that of all responses where Omega_e is common."""
    observed = model.problem.target.stats.observed
    for g in range(observed.shape[0]):
        state.rows.precision[g] = 0.0
        observed_precision(state.omega[model.cells.omega[g]], observed[g], state.rows.precision[g])
    state.rows.omega_e[:] = state.omega[0]
    state.rows.precision[-1] = inverted(state.rows.omega_e)


@kernel
def draw_missing(model, state, rng):
    """Draw the residuals of missing responses given those of the observed ones of their rows."""
    observed, starts = model.problem.target.stats.observed, model.problem.rows.starts
    whole = np.empty(state.omega.shape)
    for k in range(whole.shape[0]):
        whole[k] = inverted(state.omega[k])
    for g in range(observed.shape[0]):
        if not observed[g].all():
            fill(observed[g], whole[model.cells.omega[g]], state.rows.residual[:, starts[g] : starts[g + 1]], rng)


@kernel
def cross_products(model, state):
    """Sums of products of the residuals of complete rows for each Omega_e, shape (K, p, p)."""
    starts, p = model.problem.rows.starts, state.omega.shape[1]
    cross = np.zeros(state.omega.shape)
    for g in range(model.cells.omega.shape[0]):
        k, first, end = model.cells.omega[g], starts[g], starts[g + 1]
        for a in range(p):
            left = state.rows.residual[a, first:end]
            for b in range(a + 1):
                cross[k, a, b] += dot(left, state.rows.residual[b, first:end])
    for k in range(cross.shape[0]):
        for a in range(p):
            for b in range(a):
                cross[k, b, a] = cross[k, a, b]
    return cross


@kernel
def complete(model, state):
    """Missing responses, from their residuals."""
    rows, target = model.problem.rows, model.problem.target
    for g in range(model.cells.omega.shape[0]):
        first, end = rows.starts[g], rows.starts[g + 1]
        for a in range(state.rows.y.shape[0]):
            if target.stats.observed[g, a]:
                continue
            out = state.rows.y[a, first:end]
            out[:] = state.rows.residual[a, first:end]
            for c in range(rows.x.shape[0]):
                axpy(state.rows.beta[c, a], rows.x[c, first:end], out)
            for e in range(target.effect_response.shape[0]):
                if target.effect_response[e] == a:
                    z = rows.z[target.effect_column[e], first:end]
                    add_effect(1.0, z, state.rows.u[e], rows.cluster[first:end], out)


@kernel
def fill(observed, precision, residual, rng):
    """Draw residuals m that are not observed for rows that are alike: N(-P_mm^-1 P_mo r_o, P_mm^-1) with the precision P."""
    missing, present = np.flatnonzero(~observed), np.flatnonzero(observed)
    root, cross = block(precision, missing, missing), block(precision, missing, present)
    factor(root)
    vector = np.empty(missing.shape[0])
    for i in range(residual.shape[1]):
        for a in range(missing.shape[0]):
            vector[a] = 0.0
            for b in range(present.shape[0]):
                vector[a] -= cross[a, b] * residual[present[b], i]
        draw_normal(root, vector, rng)
        for a in range(missing.shape[0]):
            residual[missing[a], i] = vector[a]

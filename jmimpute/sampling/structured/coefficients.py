"""Coefficients of both levels together, random effects and everything that is missing integrated out.

In the notation of `jmimpute.sampling.structured.effects`, with psi_o = w_o - X_o b2 for level-2 coefficients b2 as a vector,
b = b_0 - F_j t for all coefficients t, where F_j = (G_j, -Lambda_fo X_o), and hence they have

    precision  H + sum_j { X_o'Lambda_oo X_o - F_j'P^-1 F_j },   shift  h + sum_j { X_o'Lambda_oo w_o - F_j'P^-1 b_0 }.

Drawn one after the other, coefficients of two levels whose residuals are strongly correlated would hardly move.
"""

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.sampling.gibbs_covariances import draw_normal, factor, inverted
from jmimpute.sampling.structured.effects import of_cluster
from jmimpute.sampling.structured.level2 import refresh_psi


@kernel
def draw_coefficients(model, state, summary, rng):
    """Draw B and B2; level-2 residuals of what is observed follow."""
    target, level2 = model.problem.target, model.level2
    n_1, n_2 = target.beta_row.shape[0], level2.beta_row.shape[0]
    squares, vector = np.zeros((n_1 + n_2, n_1 + n_2)), np.zeros(n_1 + n_2)
    squares[:n_1, :n_1] = summary.xx
    vector[:n_1] = summary.xy
    for c in range(n_1, n_1 + n_2):
        squares[c, c] = target.beta_precision
    lambda_ = inverted(state.rows.omega_u)
    given = state.rows.u.copy()
    n_effects = given.shape[0] - state.w.shape[1]
    for k in range(state.w.shape[1]):
        given[n_effects + k] = state.w[:, k]
    for j in range(level2.free.shape[0] if given.shape[0] > 0 else 0):
        _add_level2(j, lambda_, given, level2, n_effects, squares[n_1:, n_1:], vector[n_1:])
        _subtract(j, lambda_, given, level2, n_effects, summary, squares, vector)
    factor(squares)
    draw_normal(squares, vector, rng)
    for c in range(n_1):
        state.rows.beta[target.beta_row[c], target.beta_column[c]] = vector[c]
    for c in range(n_2):
        state.beta2[level2.beta_row[c], level2.beta_column[c]] = vector[n_1 + c]
    refresh_psi(model, state)


@kernel
def _add_level2(j, lambda_, given, level2, n_effects, squares, vector):
    """X_o'Lambda_oo X_o and X_o'Lambda_oo w_o."""
    for c in range(vector.shape[0]):
        a, x = n_effects + level2.beta_column[c], level2.x[j, level2.beta_row[c]]
        if level2.free[j, a]:
            continue
        for o in range(n_effects, given.shape[0]):
            if not level2.free[j, o]:
                vector[c] += x * lambda_[a, o] * given[o, j]
        for e in range(vector.shape[0]):
            o = n_effects + level2.beta_column[e]
            if not level2.free[j, o]:
                squares[c, e] += x * lambda_[a, o] * level2.x[j, level2.beta_row[e]]


@kernel
def _subtract(j, lambda_, given, level2, n_effects, summary, squares, vector):
    """F'P^-1 F and F'P^-1 b_0."""
    index, root, b, _ = of_cluster(j, lambda_, level2.free, given, summary.k, summary.zy)
    n, n_1 = vector.shape[0], summary.xy.shape[0]
    half, whitened = np.zeros((index.shape[0], n)), np.zeros(index.shape[0])
    for i in range(index.shape[0]):
        for m in range(i + 1):
            whitened[i] += root[i, m] * b[m]
            if m < n_effects:  # random effects come first, and all of them are free
                for c in range(n_1):
                    half[i, c] += root[i, m] * summary.zx[j, m, c]
            for c in range(n_1, n):
                a = n_effects + level2.beta_column[c - n_1]
                if not level2.free[j, a]:
                    half[i, c] -= root[i, m] * lambda_[index[m], a] * level2.x[j, level2.beta_row[c - n_1]]
        for c in range(n):
            vector[c] -= half[i, c] * whitened[i]
            for e in range(n):
                squares[c, e] -= half[i, c] * half[i, e]

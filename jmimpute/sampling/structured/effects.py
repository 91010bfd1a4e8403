"""Omega_u and psi given the covariances within rows and the latents, missing responses integrated out.

Rows tell of u_j and B through, with W the precision of what is observed in a cell c of cluster j,

    K_j = sum_c ZZ_c (x) W_c,   k_j = sum_c vec(ZY_c W_c),   G_j = sum_c ZX_c (x) W_c,   H = sum_c XX_c (x) W_c,   h = ...

so that, with psi_j split into fixed coordinates o (level-2 values and latents) and free ones f (random effects, missing
level-2 values), and Lambda = Omega_u^-1,

    psi_f | B, Omega_u, psi_o ~ N(P^-1 b, P^-1),   P = Lambda_ff + K_j,   b = k_j - G_j B - Lambda_fo psi_o,
    log p = sum_j { log|Lambda|/2 - psi_o'Lambda_oo psi_o/2 - log|P|/2 + b'P^-1 b/2 } + h'B - B'H B/2

where missing level-2 coordinates have K = k = 0. The derivative with respect to Lambda is (J Omega_u - sum_j E psi_j psi_j')/2.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle
from jmimpute.sampling.coordinates import add_prior, pack_covariance, unpack_covariance
from jmimpute.sampling.gibbs_covariances import inverted
from jmimpute.sampling.latents.moves import LARGEST_ERROR, probability
from jmimpute.sampling.latents.rows import dot
from jmimpute.sampling.latents.tuning import JITTER, LEAPS
from jmimpute.sampling.structured.priors import block_density


class Summary(NamedTuple):
    """What rows tell of random effects and coefficients.

    Attributes
    ----------
    k, zy, zx : ndarray, shapes (J, n, n), (J, n), (J, n, n_b)
        K_j, k_j and G_j, for n random effects and n_b coefficients.
    xx, xy : ndarray, shapes (n_b, n_b), (n_b,)
        H, with the prior precision of B, and h.
    """

    k: np.ndarray
    zy: np.ndarray
    zx: np.ndarray
    xx: np.ndarray
    xy: np.ndarray


@kernel
def summarise(model, state):
    """Make the `Summary` of the present latents and precisions."""
    cells, target, rows = model.cells, model.problem.target, model.problem.rows
    n_clusters, p = model.level2.free.shape[0], state.omega.shape[1]
    q, r = rows.x.shape[0], rows.z.shape[0]
    n, n_b = np.sum(target.effect_response >= 0), target.beta_row.shape[0]
    xx, xy = np.zeros((q, q, p, p)), np.zeros((q, p))
    zz, zx, zy = np.zeros((n_clusters, r, r, p, p)), np.zeros((n_clusters, r, q, p, p)), np.zeros((n_clusters, r, p))
    products = np.empty((q + r, p))
    for c in range(cells.cluster.shape[0]):
        j, weights = cells.cluster[c], state.rows.precision[cells.group[c]]
        _multiply(cells.start[c], cells.start[c + 1], weights, rows, state.rows.y, products)
        for m in range(q):
            _add_product(products[m], weights, xy[m])
            for k in range(m + 1):
                _add_scaled(cells.xx[c, m, k], weights, xx[m, k])
        for m in range(r):
            _add_product(products[q + m], weights, zy[j, m])
            for k in range(m + 1):
                _add_scaled(cells.zz[c, m, k], weights, zz[j, m, k])
            for k in range(q):
                _add_scaled(cells.zx[c, m, k], weights, zx[j, m, k])
    out = Summary(
        np.empty((n_clusters, n, n)), np.empty((n_clusters, n)), np.empty((n_clusters, n, n_b)),
        np.empty((n_b, n_b)), np.empty(n_b),
    )  # fmt: skip
    for b in range(n_b):
        m, a = target.beta_row[b], target.beta_column[b]
        out.xy[b] = xy[m, a]
        for e in range(n_b):
            k = target.beta_row[e]
            out.xx[b, e] = xx[max(m, k), min(m, k), a, target.beta_column[e]]
        out.xx[b, b] += target.beta_precision
    for e in range(n):
        m, a = target.effect_column[e], target.effect_response[e]
        for j in range(n_clusters):
            out.zy[j, e] = zy[j, m, a]
            for f in range(n):
                k = target.effect_column[f]
                out.k[j, e, f] = zz[j, max(m, k), min(m, k), a, target.effect_response[f]]
            for b in range(n_b):
                out.zx[j, e, b] = zx[j, m, target.beta_row[b], a, target.beta_column[b]]
    return out


@kernel
def _multiply(first, end, weights, rows, y, out):
    """X'Y and, below it, Z'Y of the rows of one cell, 0 for responses that are not observed."""
    q = rows.x.shape[0]
    for a in range(weights.shape[0]):
        if weights[a, a] > 0.0:
            own = y[a, first:end]
            for m in range(q):
                out[m, a] = dot(rows.x[m, first:end], own)
            for m in range(rows.z.shape[0]):
                out[q + m, a] = dot(rows.z[m, first:end], own)
        else:
            out[:, a] = 0.0


@kernel
def _add_product(vector, matrix, out):
    for a in range(vector.shape[0]):
        for b in range(vector.shape[0]):
            out[b] += vector[a] * matrix[a, b]


@kernel
def _add_scaled(scale, matrix, out):
    for a in range(matrix.shape[0]):
        for b in range(matrix.shape[0]):
            out[a, b] += scale * matrix[a, b]


@kernel
def pulls(model, state, summary):
    """k_j - G_j B, shape (J, n)."""
    target = model.problem.target
    out = summary.zy.copy()
    for b in range(target.beta_row.shape[0]):
        coefficient = state.rows.beta[target.beta_row[b], target.beta_column[b]]
        for j in range(out.shape[0]):
            for e in range(out.shape[1]):
                out[j, e] -= summary.zx[j, e, b] * coefficient
    return out


@kernel
def of_cluster(j, lambda_, free, psi, k, pull):
    """Free coordinates of a cluster, the inverse C^-1 of the Cholesky factor of P = CC', b, and log|P|."""
    index = np.flatnonzero(free[j])
    n, n_effects = index.shape[0], pull.shape[1]
    chol, b = np.empty((n, n)), np.zeros(n)
    for i in range(n):
        e = index[i]
        if e < n_effects:
            b[i] = pull[j, e]
        for o in range(free.shape[1]):
            if not free[j, o]:
                b[i] -= lambda_[e, o] * psi[o, j]
        for m in range(i + 1):
            f = index[m]
            chol[i, m] = lambda_[e, f]
            if e < n_effects and f < n_effects:
                chol[i, m] += k[j, e, f]
    log_det = cholesky_in_place(chol)
    return index, inverse_triangle(chol), b, log_det


@kernel
def log_likelihood(omega, model, psi, k, pull, d_omega):
    """Log density of what is observed as a function of Omega_u; its derivative is written to `d_omega`."""
    free, d = model.level2.free, omega.shape[0]
    n_clusters = free.shape[0]
    chol = omega.copy()
    log_det = cholesky_in_place(chol)
    if not math.isfinite(log_det):
        return -np.inf
    inverse, lambda_ = inverse_triangle(chol), np.zeros((d, d))
    add_matmul(1.0, inverse.T, inverse, lambda_)
    moment, mean = np.zeros((d, d)), np.empty(d)
    value = -0.5 * n_clusters * log_det
    for j in range(n_clusters):
        index, root, b, log_det_p = of_cluster(j, lambda_, free, psi, k, pull)
        mean[:] = psi[:, j]
        mean[index] = 0.0
        for o in range(d):
            for q in range(d):
                value -= 0.5 * mean[o] * lambda_[o, q] * mean[q]  # of the fixed coordinates
        value -= 0.5 * log_det_p
        for i in range(index.shape[0]):
            whitened = 0.0
            for m in range(i + 1):
                whitened += root[i, m] * b[m]
            value += 0.5 * whitened * whitened
            for m in range(i + 1):
                mean[index[m]] += root[i, m] * whitened
                for s in range(i + 1):
                    moment[index[m], index[s]] += root[i, m] * root[i, s]
        for e in range(d):
            for f in range(d):
                moment[e, f] += mean[e] * mean[f]
    half = np.zeros((d, d))
    add_matmul(0.5, lambda_, moment, half)
    d_omega[:] = -0.5 * n_clusters * lambda_
    add_matmul(1.0, half, lambda_, d_omega)
    return value


@kernel
def log_density_block(theta, block, model, omega, psi, k, pull, gradient):
    """Log density of one block of Omega_u in its coordinates, the other blocks fixed.

    Parameters
    ----------
    theta : ndarray, shape (n,)
    block : int
    model : Model
    omega : ndarray, shape (d, d)
        Its block is overwritten.
    psi : ndarray, shape (d, J)
    k, pull : ndarray, shapes (J, n, n), (J, n)
        See `Summary` and `pulls`.
    gradient : ndarray, shape (n,)
        Overwritten.
    """
    own, density = block_density(model.prior_u, block)
    chol = unpack_covariance(theta, density)
    put_block(chol, own, density.starts, omega)
    d_omega = np.empty(omega.shape)
    value = log_likelihood(omega, model, psi, k, pull, d_omega)
    if value == -np.inf:
        return value
    d_own = np.empty((own.shape[0], own.shape[0]))
    for i in range(own.shape[0]):
        for m in range(own.shape[0]):
            d_own[i, m] = d_omega[own[i], own[m]]
    value += add_prior(density, theta, chol, d_own, gradient)
    return value if math.isfinite(value) else -np.inf


@kernel
def put_block(chol, own, starts, omega):
    """Write LL' to its place in Omega_u, what is known to the last bit."""
    for i in range(own.shape[0]):
        for m in range(own.shape[0]):
            total = 0.0
            for s in range(min(i, m) + 1):
                total += chol[i, s] * chol[m, s]
            omega[own[i], own[m]] = total
    for v in range(starts.shape[0] - 1):
        for i in range(starts[v], starts[v + 1]):
            for m in range(starts[v], starts[v + 1]):
                omega[own[i], own[m]] = 1.0 if i == m else 0.5


@kernel
def move_omega_u(model, state, tuning, summary, adapting, acceptance, rng):
    """Move Omega_u block by block, B fixed and psi integrated out.

    The acceptance probability of each block is written to `acceptance`. Returns whether a trajectory diverged.
    """
    prior, omega = model.prior_u, state.rows.omega_u
    pull = pulls(model, state, summary)
    diverging = False
    if adapting:
        tuning.n_moments[0] += 1.0
    for block in range(prior.shape.shape[0]):
        first, end = prior.first_coordinate[block], prior.first_coordinate[block + 1]
        acceptance[block] = 1.0
        if first == end:
            continue
        _, density = block_density(prior, block)
        theta = np.empty(end - first)
        pack_covariance(omega, density, theta)
        step = math.exp(tuning.log_step_u[block]) * (1.0 + JITTER * (2.0 * rng.random() - 1.0))
        whitening = np.ascontiguousarray(tuning.whitening_u[first:end, first:end])
        trial = omega.copy()
        acceptance[block], diverged = _trajectory(
            theta, block, whitening, step, model, trial, state.rows.u, summary.k, pull, rng
        )
        diverging = diverging or diverged
        own, density = block_density(prior, block)
        put_block(unpack_covariance(theta, density), own, density.starts, omega)
        if adapting:
            for c in range(end - first):
                tuning.mean_u[first + c] += theta[c]
                for e in range(end - first):
                    tuning.square_u[first + c, first + e] += theta[c] * theta[e]
    return diverging


@kernel
def _trajectory(theta, block, whitening, step, model, omega, psi, k, pull, rng):
    """Hamiltonian trajectory of one block, which is replaced if it is accepted; the acceptance probability, divergence."""
    n = theta.shape[0]
    trial, gradient, momentum = theta.copy(), np.empty(n), np.empty(n)
    kinetic = 0.0
    for c in range(n):
        momentum[c] = rng.standard_normal()
        kinetic += 0.5 * momentum[c] * momentum[c]
    start = density = -np.inf
    for leap in range(LEAPS + 1):
        density = log_density_block(trial, block, model, omega, psi, k, pull, gradient)
        if leap == 0:
            start = density
        if density == -np.inf:
            return 0.0, True
        half = 0.5 if leap == 0 or leap == LEAPS else 1.0
        for c in range(n):
            for e in range(n):
                momentum[e] += half * step * whitening[c, e] * gradient[c]
        if leap < LEAPS:
            for c in range(n):
                for e in range(n):
                    trial[c] += step * whitening[c, e] * momentum[e]
    for c in range(n):
        kinetic -= 0.5 * momentum[c] * momentum[c]
    log_ratio = density - start + kinetic
    if math.log(rng.random()) < log_ratio:
        theta[:] = trial
    return probability(log_ratio), not log_ratio > -LARGEST_ERROR


@kernel
def draw_psi(model, state, summary, rng):
    """Draw random effects and missing level-2 coordinates."""
    pull, lambda_ = pulls(model, state, summary), inverted(state.rows.omega_u)
    psi = state.rows.u
    for j in range(psi.shape[1]):
        index, root, b, _ = of_cluster(j, lambda_, model.level2.free, psi, summary.k, pull)
        drawn = np.zeros(index.shape[0])
        for i in range(index.shape[0]):
            total = rng.standard_normal()
            for m in range(i + 1):
                total += root[i, m] * b[m]
            for m in range(i + 1):
                drawn[m] += root[i, m] * total
        for i in range(index.shape[0]):
            psi[index[i], j] = drawn[i]

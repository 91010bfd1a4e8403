"""Covariance matrices of clusters that vary around a common one: Omega_e,j | a, A inverse-Wishart.

Latent normals have no scale of their own, so what is inverse-Wishart is a matrix T_j = M_j Omega_e,j M_j', in which the latents
of every categorical response have been multiplied by a lower triangular matrix: T_j ~ IW(a, A). M_j (identity on continuous
responses) is not identified by the data and moves along. With p responses, n_j rows and residuals of cross-product E_j,

    Omega_e,j | rest: |Omega|^{-(n_j + a + p + 1)/2} exp(-tr((K A K' + E_j) Omega^-1)/2) on its free elements,  K = M_j^-1
    K | rest: prod_i k_ii^{a + i - n} exp(-tr(K A K' Omega^-1)/2), i = 0..n-1 numbering the latents of a response
    A | rest: Wishart(df + J a, (S^-1 + sum_j T_j^-1)^-1)
    a: with Psi_j and Gamma_j (see `jmimpute.sampling.gibbs_covariances`) integrated out and A / a fixed

Restricting an inverse-Wishart density to matrices with the known elements instead, as jomo does, would leave its constant, a
function of a and A, out of account once for every cluster: a would be drawn towards infinity.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place
from jmimpute.sampling.gibbs_covariances import block, draw_constrained, inverse_wishart, inverted
from jmimpute.sampling.structured.orbits import move_along_orbits
from jmimpute.sampling.structured.slices import slice_exponential

WALKS = 2  # proposals of a in an iteration
ACCEPTANCE = 0.4


@kernel
def move_hierarchy(model, state, cross, gain, rng):
    """Draw a, all Omega_e,j, the scales of latents, and A; see `move_covariances`."""
    prior, n_rows = model.prior_e, model.cells.n_rows
    p = state.scale.shape[0]
    _walk(prior, n_rows, state, cross, gain, rng)
    df, scale = state.a[0], state.scale
    prior_precision = inverted(prior.scale)
    if prior.relative:
        prior_precision *= prior.df / df
    precision = prior_precision.copy()  # of A: S^-1 + sum of T_j^-1
    for j in range(cross.shape[0]):
        unscaling = state.unscaling[j]
        total = sandwich(unscaling, scale) + cross[j]
        draw_constrained(
            state.omega[j], total, n_rows[j] + df + p + 1.0, prior.continuous, prior.latent, prior.pairs,
            state.log_step[j], gain, rng,
        )  # fmt: skip
        inverse = inverted(state.omega[j])
        for b in range(prior.first.shape[0]):
            _draw_unscaling(unscaling, inverse, scale, df, prior.first[b], prior.width[b], rng)
        precision += sandwich(unscaling.T, inverse)
    state.scale[:] = wishart(prior.df + cross.shape[0] * df, precision, rng)
    move_along_orbits(prior, prior_precision, n_rows, state, cross, rng)


@kernel
def sandwich(left, middle):
    """L M L'."""
    half, out = np.zeros(middle.shape), np.zeros(middle.shape)
    add_matmul(1.0, left, middle, half)
    add_matmul(1.0, half, left.T, out)
    return out


@kernel
def wishart(df, precision, rng):
    """Draw from a Wishart distribution with the inverse of `precision` as scale."""
    return inverted(inverse_wishart(df, precision, rng))


@kernel
def _draw_unscaling(unscaling, inverse, scale, df, first, width, rng):
    """Elements of K of one response, one after the other: a quadratic form, times a power on the diagonal."""
    p = scale.shape[0]
    for i in range(width):
        row = first + i
        for column in range(first, row + 1):
            square = scale[column, column] * inverse[row, row]
            slope = 0.0  # half the derivative of the trace: (Omega^-1 K A)[row, column]
            for s in range(p):
                for t in range(p):
                    slope += inverse[row, s] * unscaling[s, t] * scale[t, column]
            linear = slope - square * unscaling[row, column]
            if column < row:
                unscaling[row, column] = -linear / square + rng.standard_normal() / math.sqrt(square)
            else:
                t = math.log(unscaling[row, row])
                power = df + i - width + 1.0
                unscaling[row, row] = math.exp(slice_exponential(t, power, square, linear, 0.0, 0.0, 0.0, 0.0, rng))


@kernel
def _walk(prior, n_rows, state, cross, gain, rng):
    """Random walks of log a, A / a fixed."""
    shape = state.scale / state.a[0]
    shapes = np.empty(cross.shape)
    for j in range(cross.shape[0]):
        shapes[j] = sandwich(state.unscaling[j], shape)
    fixed = _fixed_terms(prior, state, shape, shapes)
    density = log_density_a(state.a[0], prior, n_rows, cross, shapes, fixed)
    for _ in range(WALKS):
        proposed = state.a[0] * math.exp(math.exp(state.log_step_a[0]) * rng.standard_normal())
        there = log_density_a(proposed, prior, n_rows, cross, shapes, fixed)
        accepted = math.log(rng.random()) < there - density
        if accepted:
            state.a[0], density = proposed, there
        state.log_step_a[0] += gain * ((1.0 if accepted else 0.0) - ACCEPTANCE)
    state.scale[:] = shape * state.a[0]


@kernel
def _fixed_terms(prior, state, shape, shapes):
    """What multiplies a in the log density, and the trace in the prior of A if this is not relative to a."""
    root = shape.copy()
    n_clusters = shapes.shape[0]
    total = 0.5 * n_clusters * cholesky_in_place(root)
    for j in range(n_clusters):
        r = block(state.omega[j], prior.latent, prior.latent)
        own = block(shapes[j], prior.latent, prior.latent)
        inverse = inverted(r)
        total -= 0.5 * (cholesky_in_place(r) + np.sum(inverse * own))
        for k in prior.latent:
            total += math.log(state.unscaling[j, k, k])
    trace = 0.0 if prior.relative else np.sum(inverted(prior.scale) * shape)
    return total, trace


@kernel
def log_density_a(a, prior, n_rows, cross, shapes, fixed):
    """Log density of log a, with A = a M for a fixed M, and Gamma_j and Psi_j integrated out, up to a constant.

    Parameters
    ----------
    a : float
    prior : Prior1
    n_rows : ndarray of int, shape (J,)
    cross, shapes : ndarray, shapes (J, p, p)
        E_j and K M K'.
    fixed : tuple of float
        See `_fixed_terms`.
    """
    n_clusters, p = cross.shape[0], cross.shape[1]
    if not a >= p:
        return -np.inf
    total, trace = fixed
    value = a * total + 0.5 * prior.eta * math.log(a) - 0.5 * a  # chi-square, and the volume element of log a
    if not prior.relative:
        value += 0.5 * p * prior.df * math.log(a) - 0.5 * a * trace
    value += n_clusters * (0.5 * a * p * math.log(0.5 * a) - log_gamma(0.5 * a, p))
    n_l, n_c = prior.latent.shape[0], prior.continuous.shape[0]
    order = np.concatenate((prior.latent, prior.continuous))
    matrix = np.empty((p, p))
    for j in range(n_clusters):
        for i in range(p):
            for k in range(p):
                matrix[i, k] = a * shapes[j, order[i], order[k]] + cross[j, order[i], order[k]]
        if not math.isfinite(cholesky_in_place(matrix)):
            return -np.inf
        df = n_rows[j] + a
        for i in range(n_l):
            value -= n_c * math.log(matrix[i, i])
        for i in range(n_l, p):
            value -= df * math.log(matrix[i, i])
        value += log_gamma(0.5 * df, n_c) + 0.5 * df * n_c * math.log(2.0)
    return value


@kernel
def log_gamma(x, dim):
    """Logarithm of the multivariate gamma function, without its constant."""
    value = 0.0
    for i in range(dim):
        value += math.lgamma(x - 0.5 * i)
    return value

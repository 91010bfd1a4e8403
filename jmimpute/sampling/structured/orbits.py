"""Moves of A and all T_j together, along A -> G A G', T_j -> G T_j G' with lower triangular G.

The inverse-Wishart densities of T_j given A, with their volume elements, do not change, so that these moves follow the prior of
A and the likelihood alone and are free of what ties A to the matrices of the clusters (Liu and Sabatti 2000; interweaving of
Yu and Meng 2011). Latents come first in the order of G. Each move is along one subgroup:

- scaling of a coordinate by e^t: prior e^{df t} exp(-tr(S^-1 G A G')/2), for the volume element |G|^{p+1} of A;
- adding a multiple of a coordinate to a later one: of the prior only the trace changes, and the move is normal.

Among latents of one response they change no Omega_e,j: these are the directions that the data do not identify. Of a continuous
response they change Omega_e,j, with the inverse Q_j and residuals of cross-product E_j, and so the likelihood
prod_j |Omega_j|^{-n_j/2} exp(-tr(Q_j E_j)/2).
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import inverse_triangle
from jmimpute.sampling.gibbs_covariances import inverted
from jmimpute.sampling.structured.slices import slice_exponential


@kernel
def move_along_orbits(prior, precision, n_rows, state, cross, rng):
    """Move along all subgroups, one after the other.

    Parameters
    ----------
    prior : Prior1
    precision : ndarray, shape (p, p)
        S^-1 of the Wishart prior of A.
    n_rows : ndarray of int, shape (J,)
    state : State
        Its A, matrices M_j^-1 and Omega_e,j change.
    cross : ndarray, shape (J, p, p)
        E_j.
    rng : numpy.random.Generator
    """
    for b in range(prior.first.shape[0]):
        for r in range(prior.first[b], prior.first[b] + prior.width[b]):
            _rescale_latent(r, prior.df, precision, state, rng)
            for s in range(prior.first[b], r):
                _shear_latent(r, s, precision, state, rng)
    total = 1.0 * np.sum(n_rows)
    inverse, scaling = np.empty(cross.shape), np.empty(cross.shape)
    for j in range(cross.shape[0]):
        inverse[j], scaling[j] = inverted(state.omega[j]), inverse_triangle(state.unscaling[j])
    for r in prior.continuous:
        for s in range(precision.shape[0]):
            if s != r:
                _shear_continuous(r, s, precision, state, cross, inverse, scaling, rng)
        _rescale_continuous(r, prior.df, total, precision, state, cross, inverse, rng)


@kernel
def _rescale_latent(r, df, precision, state, rng):
    scale = state.scale
    square = precision[r, r] * scale[r, r]
    linear = np.sum(precision[r] * scale[r]) - square
    factor = math.exp(slice_exponential(0.0, df, square, linear, 0.0, 0.0, 0.0, 0.0, rng))
    scale[r, :] *= factor
    scale[:, r] *= factor
    state.unscaling[:, :, r] /= factor


@kernel
def _shear_latent(r, s, precision, state, rng):
    shear = _normal(np.sum(precision[r] * state.scale[s]), precision[r, r] * state.scale[s, s], rng)
    _shear(state.scale, r, s, shear)
    state.unscaling[:, :, s] -= shear * state.unscaling[:, :, r]


@kernel
def _normal(linear, square, rng):
    """Draw from exp(-linear x - square x^2 / 2)."""
    return -linear / square + rng.standard_normal() / math.sqrt(square)


@kernel
def _shear(matrix, r, s, amount):
    """Add a multiple of row and column s to row and column r."""
    matrix[r, :] += amount * matrix[s, :]
    matrix[:, r] += amount * matrix[:, s]


@kernel
def _rescale_continuous(r, df, n_rows, precision, state, cross, inverse, rng):
    """With t = -log of the factor, the likelihood is exp(N t - e^{2t} sum Q_rr E_rr / 2 - e^t sum_{m != r} Q_rm E_rm)."""
    square = linear = 0.0
    for j in range(cross.shape[0]):
        own = inverse[j, r, r] * cross[j, r, r]
        square += own
        linear += np.sum(inverse[j, r] * cross[j, r]) - own
    prior_square = precision[r, r] * state.scale[r, r]
    prior_linear = np.sum(precision[r] * state.scale[r]) - prior_square
    t = slice_exponential(0.0, n_rows - df, square, linear, 0.0, 0.0, 0.5 * prior_square, prior_linear, rng)
    factor = math.exp(-t)
    state.scale[r, :] *= factor
    state.scale[:, r] *= factor
    state.omega[:, r, :] *= factor
    state.omega[:, :, r] *= factor
    inverse[:, r, :] /= factor
    inverse[:, :, r] /= factor


@kernel
def _shear_continuous(r, s, precision, state, cross, inverse, scaling, rng):
    """Add d v'e to e_r, where v'e is coordinate s of T_j (row s of M_j): tr(Q E) changes by d^2 v'Ev Q_rr - 2 d (v'EQ)_r."""
    square = precision[r, r] * state.scale[s, s]
    linear = np.sum(precision[r] * state.scale[s])
    p = precision.shape[0]
    for j in range(cross.shape[0]):
        v = scaling[j, s]
        for a in range(p):
            if v[a] != 0.0:
                for b in range(p):
                    linear -= v[a] * cross[j, a, b] * inverse[j, b, r]
                    square += v[a] * cross[j, a, b] * v[b] * inverse[j, r, r]
    amount = _normal(linear, square, rng)
    _shear(state.scale, r, s, amount)
    for j in range(cross.shape[0]):
        v = scaling[j, s]
        for a in range(p):  # Omega -> (I + d e_r v') Omega (I + d v e_r'), its inverse by the inverse of the factors
            if v[a] != 0.0:
                _shear(state.omega[j], r, a, amount * v[a])
                _shear(inverse[j], a, r, -amount * v[a])

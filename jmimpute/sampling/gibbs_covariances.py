"""Full conditionals of the covariance matrices, for the reference Gibbs sampler, and the draws it is made of.

Omega_e has C continuous coordinates (c) and L latent ones (l) whose covariance R has known elements. With N rows, a prior
density |Omega_e|^{-k/2} exp(-tr(S Omega_e^-1)/2) on the free elements, T the cross-product of the residuals plus S, and
e_c = Gamma e_l + noise of covariance Psi,

    p(R) = |R|^{C - (N + k)/2} exp(-tr(R^-1 T_ll)/2)   with Gamma and Psi integrated out,
    Psi ~ IW(N + k - L - C - 1, T_cc - T_cl T_ll^-1 T_lc),   Gamma | Psi ~ MatrixNormal(T_cl T_ll^-1, Psi, T_ll^-1),

since |Omega_e| = |R| |Psi| and d(Omega_cc, Omega_cl) = |R|^C d(Psi, Gamma). Elements of R between different variables move by
random walks, the rest is exact.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle

SWEEPS = 5  # of random walks over the free elements of R
ACCEPTANCE = 0.4  # of the random walks, to which their steps are tuned


@kernel
def draw_constrained(omega, cross, weight, continuous, latent, pairs, log_step, gain, rng):
    """Replace the level-1 covariance by a draw.

    Parameters
    ----------
    omega, cross : ndarray, shape (p, p)
        Omega_e and T.
    weight : float
        N + k.
    continuous, latent : ndarray of int, shapes (C,), (L,)
        Coordinates.
    pairs : ndarray of int, shape (n_free, 2)
        Free elements of R.
    log_step : ndarray, shape (n_free,)
        Of the random walks.
    gain : float
        By which the steps are tuned; 0 not to.
    rng : numpy.random.Generator
    """
    n_l, n_c = len(latent), len(continuous)
    r, t_ll = block(omega, latent, latent), block(cross, latent, latent)
    draw_correlations(r, t_ll, n_c - 0.5 * weight, pairs, log_step, gain, rng)
    factor(t_ll)
    inverse = inverse_triangle(t_ll)  # C^-1 with T_ll = C C'
    half = np.zeros((n_l, n_c))
    add_matmul(1.0, inverse, block(cross, latent, continuous), half)  # C^-1 T_lc
    rest = block(cross, continuous, continuous)
    add_matmul(-1.0, half.T, half, rest)
    psi = inverse_wishart(weight - n_l - n_c - 1.0, rest, rng)
    root = psi.copy()
    factor(root)
    noisy = half.T.copy()
    add_matmul(1.0, root, noise(n_c, n_l, rng), noisy)
    gamma, o_cl = np.zeros((n_c, n_l)), np.zeros((n_c, n_l))
    add_matmul(1.0, noisy, inverse, gamma)
    add_matmul(1.0, gamma, r, o_cl)
    add_matmul(1.0, o_cl, gamma.T, psi)
    for a in range(n_l):
        for k in range(n_l):
            omega[latent[a], latent[k]] = r[a, k]
    for a in range(n_c):
        for k in range(n_l):
            omega[continuous[a], latent[k]] = omega[latent[k], continuous[a]] = o_cl[a, k]
        for k in range(a + 1):
            omega[continuous[a], continuous[k]] = omega[continuous[k], continuous[a]] = psi[a, k]


@kernel
def draw_correlations(r, cross, power, pairs, log_step, gain, rng):
    """Random walks over the free elements of R, with density |R|^power exp(-tr(R^-1 cross)/2)."""
    density = _latent_density(r, cross, power)
    for _ in range(SWEEPS):
        for m in range(pairs.shape[0]):
            a, b = pairs[m, 0], pairs[m, 1]
            old = r[a, b]
            r[a, b] = r[b, a] = old + math.exp(log_step[m]) * rng.standard_normal()
            proposed = _latent_density(r, cross, power)
            accepted = math.log(rng.random()) < proposed - density
            if accepted:
                density = proposed
            else:
                r[a, b] = r[b, a] = old
            log_step[m] += gain * ((1.0 if accepted else 0.0) - ACCEPTANCE)


@kernel
def _latent_density(r, cross, power):
    """Log of |R|^power exp(-tr(R^-1 cross)/2); minus infinity where R is not positive definite."""
    root = r.copy()
    log_det = cholesky_in_place(root)
    if not math.isfinite(log_det):
        return -np.inf
    value = power * log_det
    inverse = inverse_triangle(root)
    for i in range(r.shape[0]):
        for a in range(i + 1):
            for b in range(i + 1):
                value -= 0.5 * inverse[i, a] * cross[a, b] * inverse[i, b]
    return value


@kernel
def inverse_wishart(df, scale, rng):
    """Draw from IW(df, CC') by Bartlett's decomposition A A' of a Wishart matrix: (A^-1 C')' (A^-1 C')."""
    dim = scale.shape[0]
    root = scale.copy()
    factor(root)
    bartlett = np.tril(noise(dim, dim, rng))
    for k in range(dim):
        bartlett[k, k] = math.sqrt(rng.chisquare(df - k))
    half, out = np.zeros((dim, dim)), np.zeros((dim, dim))
    add_matmul(1.0, inverse_triangle(bartlett), root.T, half)
    add_matmul(1.0, half.T, half, out)
    return out


@kernel
def draw_normal(root, vector, rng):
    """Replace a vector b by a draw from N(P^-1 b, P^-1), where P = root root'."""
    n = vector.shape[0]
    for i in range(n):
        for k in range(i):
            vector[i] -= root[i, k] * vector[k]
        vector[i] /= root[i, i]
    for i in range(n - 1, -1, -1):
        vector[i] += rng.standard_normal()
        for k in range(i + 1, n):
            vector[i] -= root[k, i] * vector[k]
        vector[i] /= root[i, i]


@kernel
def noise(n_rows, n_columns, rng):
    """Matrix of standard normals."""
    out = np.empty((n_rows, n_columns))
    for i in range(n_rows):
        for k in range(n_columns):
            out[i, k] = rng.standard_normal()
    return out


@kernel
def factor(a):
    """Replace the lower triangle by the Cholesky factor and zero the rest; all NaN if not positive definite."""
    log_det = cholesky_in_place(a)
    for i in range(a.shape[0]):
        for k in range(a.shape[0]):
            if not math.isfinite(log_det):
                a[i, k] = np.nan
            elif k > i:
                a[i, k] = 0.0


@kernel
def inverted(a):
    """Inverse of a positive definite matrix."""
    root = a.copy()
    factor(root)
    inverse, out = inverse_triangle(root), np.zeros_like(a)
    add_matmul(1.0, inverse.T, inverse, out)
    return out


@kernel
def block(a, rows, columns):
    """Copy some rows and columns."""
    out = np.empty((len(rows), len(columns)))
    for i in range(len(rows)):
        for k in range(len(columns)):
            out[i, k] = a[rows[i], columns[k]]
    return out

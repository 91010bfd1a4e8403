"""Exact draws of random effects given parameters and data, missing cells integrated out."""

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.likelihood import CHUNK, effect_precision, observed_precision
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle


@kernel
def draw_effects(beta, omega_e, omega_u, effect_response, effect_column, stats, noise, out):
    """Draw the random effects of all clusters, u_j ~ N(Q_j b_j, Q_j) in the notation of `jmimpute.graph.likelihood`.

    Parameters
    ----------
    beta, omega_e, omega_u : ndarray, shapes (q, p), (p, p), (d, d)
    effect_response, effect_column : ndarray of int, shape (d,)
    stats : Statistics
    noise : ndarray, shape (J, d)
        Standard normal numbers.
    out : ndarray, shape (J, d)
        Overwritten.
    """
    n_patterns, p = stats.observed.shape
    n_clusters, d = out.shape
    precision = np.zeros((n_patterns, p, p))
    xb_w = np.zeros((n_patterns, beta.shape[0], p))
    for g in range(n_patterns):
        observed_precision(omega_e, stats.observed[g], precision[g])
        add_matmul(1.0, beta, precision[g], xb_w[g])
    omega_u_inv = np.zeros((d, d))
    observed_precision(omega_u, np.ones(d, dtype=np.bool_), omega_u_inv)
    posterior, b = np.empty((d, d, CHUNK)), np.empty((d, CHUNK))
    chol = np.empty((d, d))
    for start in range(0, n_clusters, CHUNK):
        width = min(CHUNK, n_clusters - start)
        effect_precision(omega_u_inv, effect_response, effect_column, stats, precision, xb_w, start, width, posterior, b)
        for j in range(width):
            chol[:] = posterior[:, :, j]
            cholesky_in_place(chol)
            inverse = inverse_triangle(chol)  # P = CC': u = C^-T (C^-1 b + noise)
            own = out[start + j]
            own[:] = 0.0
            for e in range(d):
                total = noise[start + j, e]
                for f in range(e + 1):
                    total += inverse[e, f] * b[f, j]
                for f in range(e + 1):
                    own[f] += inverse[e, f] * total

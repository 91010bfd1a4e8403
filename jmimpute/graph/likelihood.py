"""Collapsed Gaussian log-likelihood and its gradient: missing cells and random effects integrated out.

For cluster j with effects u_j of covariance Omega_u, and W_g the inverse of Omega_e over the responses observed in pattern
g (zero elsewhere),

    P_j = Omega_u^-1 + sum_g ZZ_jg (x) W_g          u_j | data ~ N(Q_j b_j, Q_j),  Q_j = P_j^-1
    b_j = sum_g vec((ZY_jg - ZX_jg B) W_g)
    S_g = YY_g - B'XY_g - XY_g'B + B'XX_g B
    log p(y) = -1/2 sum_g { n_g log|2 pi Omega_e[o,o]| + tr(W_g S_g) }
               -1/2 { J log|Omega_u| + sum_j log|P_j| - sum_j b_j'Q_j b_j }

The gradient holds the E-step statistics (Fisher's identity), so value and gradient cost about as much as the value. Loops
run over clusters innermost, in chunks that stay in cache: one cluster is one lane of a vector instruction. Numerical
failure (a covariance that is not positive definite) gives minus infinity, which a sampler rejects.

Random effect e belongs to response `effect_response[e]` and to column `effect_column[e]` of Z, so that each response may
have its own random effects; response-specific fixed effects are zeros in B.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle

CHUNK = 128


@kernel
def collapsed(beta, chol_e, chol_u, effect_response, effect_column, stats):
    """Log-likelihood and gradient.

    Parameters
    ----------
    beta : ndarray, shape (q, p)
    chol_e : ndarray, shape (p, p)
        Lower Cholesky factor of the level-1 covariance Omega_e.
    chol_u : ndarray, shape (d, d)
        Lower Cholesky factor of the level-2 covariance Omega_u; d = 0 for a single-level model.
    effect_response, effect_column : ndarray of int, shape (d,)
        Response and column of Z of each random effect.
    stats : Statistics

    Returns
    -------
    value : float
    d_beta : ndarray, shape (q, p)
    d_omega_e : ndarray, shape (p, p)
        Symmetric: derivative with respect to the full matrix Omega_e.
    d_omega_u : ndarray, shape (d, d)
        Likewise for Omega_u.
    """
    n_patterns, p = stats.observed.shape
    q = beta.shape[0]
    d = chol_u.shape[0]
    precision = np.zeros((n_patterns, p, p))
    moments = np.empty((n_patterns, p, p))
    d_beta = np.zeros((q, p))
    d_omega_e = np.zeros((p, p))
    d_omega_u = np.zeros((d, d))
    value = 0.0
    omega_e = np.zeros((p, p))
    add_matmul(1.0, chol_e, chol_e.T, omega_e)
    for g in range(n_patterns):
        log_det = observed_precision(omega_e, stats.observed[g], precision[g])
        if not math.isfinite(log_det):
            return -np.inf, d_beta, d_omega_e, d_omega_u
        value -= 0.5 * stats.n[g] * (log_det + stats.observed[g].sum() * math.log(2.0 * math.pi))

    # Residual cross-products about the fixed part.
    residual = np.empty((q, p))
    for g in range(n_patterns):
        residual[:] = stats.xy[g]
        add_matmul(-1.0, stats.xx[g], beta, residual)  # X'(Y - XB)
        moments[g] = stats.yy[g]
        add_matmul(-1.0, beta.T, stats.xy[g], moments[g])
        add_matmul(-1.0, residual.T, beta, moments[g])
        value -= 0.5 * np.sum(precision[g] * moments[g])
        add_matmul(1.0, residual, precision[g], d_beta)

    if d > 0:
        value += _integrate_effects(beta, chol_u, effect_response, effect_column, stats, precision, moments, d_beta, d_omega_u)
    half = np.empty((p, p))
    for g in range(n_patterns):
        half[:] = 0.0
        add_matmul(0.5, precision[g], moments[g], half)
        add_matmul(1.0, half, precision[g], d_omega_e)
        _axpy(-0.5 * stats.n[g], precision[g].ravel(), d_omega_e.ravel())
    return value if math.isfinite(value) else -np.inf, d_beta, d_omega_e, d_omega_u


@kernel
def observed_precision(omega, observed, out):
    """Write the inverse of omega over the observed coordinates into `out` (zeros elsewhere); return its log determinant."""
    index = np.flatnonzero(observed)
    k = index.shape[0]
    chol = np.empty((k, k))
    for a in range(k):
        for b in range(k):
            chol[a, b] = omega[index[a], index[b]]
    log_det = cholesky_in_place(chol)
    inverse = inverse_triangle(chol)
    for a in range(k):
        for b in range(k):
            total = 0.0
            for c in range(max(a, b), k):
                total += inverse[c, a] * inverse[c, b]
            out[index[a], index[b]] = total
    return log_det


@kernel
def _integrate_effects(beta, chol_u, response, column, stats, precision, moments, d_beta, d_omega_u):
    """Add what integrating the random effects contributes to the value, the moments and the gradients."""
    n_patterns, p = stats.observed.shape
    d = chol_u.shape[0]
    n_clusters = stats.zz.shape[3]
    inverse_u = inverse_triangle(chol_u)
    omega_u_inv = np.zeros((d, d))
    add_matmul(1.0, inverse_u.T, inverse_u, omega_u_inv)
    xb_w = np.zeros((n_patterns, beta.shape[0], p))
    for g in range(n_patterns):
        add_matmul(1.0, beta, precision[g], xb_w[g])

    # Sums over clusters of moments of u: of M_j = E u u', of ZZ_jg M_j, and of ZY_jg and ZX_jg times E u.
    sum_m = np.zeros((d, d))
    sum_zzm = np.zeros((n_patterns, d, d))
    sum_zym = np.zeros((n_patterns, d, p))
    sum_zxm = np.zeros((n_patterns, d, beta.shape[0]))
    value = 0.0
    chol = np.empty((d, d, CHUNK))
    mean = np.empty((d, CHUNK))
    for start in range(0, n_clusters, CHUNK):
        width = min(CHUNK, n_clusters - start)
        effect_precision(omega_u_inv, response, column, stats, precision, xb_w, start, width, chol, mean)
        value += _solve_chunk(chol, mean, width)
        _sum_moments(response, column, stats, start, width, chol, mean, sum_m, sum_zzm, sum_zym, sum_zxm)
    for e in range(d):
        value -= n_clusters * math.log(chol_u[e, e])
        for f in range(e):
            sum_m[f, e] = sum_m[e, f]
    _moment_corrections(beta, response, stats, precision, sum_zzm, sum_zym, sum_zxm, moments, d_beta)
    half = np.zeros((d, d))
    add_matmul(0.5, omega_u_inv, sum_m, half)
    add_matmul(1.0, half, omega_u_inv, d_omega_u)
    _axpy(-0.5 * n_clusters, omega_u_inv.ravel(), d_omega_u.ravel())
    return value


@kernel
def effect_precision(omega_u_inv, response, column, stats, precision, xb_w, start, width, posterior, b):
    """Fill the lower triangle of P_j and the vector b_j for a chunk of clusters."""
    d = omega_u_inv.shape[0]
    n_patterns, p = stats.observed.shape
    stop = start + width
    for e in range(d):
        a, c = response[e], column[e]
        for f in range(e + 1):
            row = posterior[e, f, :width]
            for j in range(row.shape[0]):
                row[j] = omega_u_inv[e, f]
            for g in range(n_patterns):
                if stats.observed[g, a] and stats.observed[g, response[f]]:
                    _axpy(precision[g, a, response[f]], stats.zz[g, c, column[f], start:stop], row)
        row = b[e, :width]
        for j in range(row.shape[0]):
            row[j] = 0.0
        for g in range(n_patterns):
            if stats.observed[g, a]:
                for k in range(p):
                    if stats.observed[g, k]:
                        _axpy(precision[g, k, a], stats.zy[g, c, k, start:stop], row)
                for k in range(xb_w.shape[1]):
                    _axpy(-xb_w[g, k, a], stats.zx[g, c, k, start:stop], row)


@kernel
def _solve_chunk(chol, b, width):
    """Turn P into Q = P^-1 (lower triangle) and b into Q b, in place; return sum_j (b'Q b - log|P|) / 2."""
    d = b.shape[0]
    value = 0.0
    for e in range(d):
        for f in range(e + 1):
            row = chol[e, f, :width]
            for k in range(f):
                _subtract_product(chol[e, k, :width], chol[f, k, :width], row)
            if e == f:
                _inverse_root(row)
            else:
                _multiply(chol[f, f, :width], row)
    # The diagonal now holds reciprocals. Their logarithms, one per cluster, sum to -1/2 log|P_j|.
    for j in range(width):
        product = 1.0
        for e in range(d):
            product *= chol[e, e, j]
        value += math.log(product)
    _invert_chunk(chol, width)
    for e in range(d):  # t = C^-1 b, last row first since it overwrites b
        row = b[d - 1 - e, :width]
        _multiply(chol[d - 1 - e, d - 1 - e, :width], row)
        for k in range(d - 1 - e):
            _add_product(chol[d - 1 - e, k, :width], b[k, :width], row)
        value += 0.5 * _dot(row, row)
    for e in range(d):  # Q b = C^-T t
        row = b[e, :width]
        _multiply(chol[e, e, :width], row)
        for k in range(e + 1, d):
            _add_product(chol[k, e, :width], b[k, :width], row)
    for e in range(d):  # Q = C^-T C^-1, row by row from the top: row e needs rows e.. of C^-1 only
        for f in range(e + 1):
            row = chol[e, f, :width]
            _multiply(chol[e, e, :width], row)
            for k in range(e + 1, d):
                _add_product(chol[k, e, :width], chol[k, f, :width], row)
    return value


@kernel
def _invert_chunk(chol, width):
    """Invert lower triangular matrices whose diagonal holds reciprocals, in place."""
    d = chol.shape[0]
    for i in range(d):
        for j in range(i):
            row = chol[i, j, :width]
            _multiply(chol[j, j, :width], row)
            for k in range(j + 1, i):
                _add_product(chol[i, k, :width], chol[k, j, :width], row)
            _multiply(chol[i, i, :width], row)
            for c in range(row.shape[0]):
                row[c] = -row[c]


@kernel
def _sum_moments(response, column, stats, start, width, q, mean, sum_m, sum_zzm, sum_zym, sum_zxm):
    """Accumulate sums over a chunk; turns Q_j into M_j = Q_j + m_j m_j' on the way."""
    d = mean.shape[0]
    n_patterns, p = stats.observed.shape
    stop = start + width
    for e in range(d):
        a, c = response[e], column[e]
        m = mean[e, :width]
        for f in range(e + 1):
            second = q[e, f, :width]
            _add_product(m, mean[f, :width], second)
            sum_m[e, f] += _sum(second)
            for g in range(n_patterns):
                if stats.observed[g, a] and stats.observed[g, response[f]]:
                    sum_zzm[g, e, f] += _dot(stats.zz[g, c, column[f], start:stop], second)
        for g in range(n_patterns):
            if stats.observed[g, a]:
                for k in range(p):
                    if stats.observed[g, k]:
                        sum_zym[g, e, k] += _dot(stats.zy[g, c, k, start:stop], m)
                for k in range(sum_zxm.shape[2]):
                    sum_zxm[g, e, k] += _dot(stats.zx[g, c, k, start:stop], m)


@kernel
def _moment_corrections(beta, response, stats, precision, sum_zzm, sum_zym, sum_zxm, moments, d_beta):
    """Turn residual cross-products about XB into expected ones about XB + Zu, and correct the gradient of B."""
    n_patterns, p = stats.observed.shape
    d = response.shape[0]
    for g in range(n_patterns):
        for e in range(d):
            a = response[e]
            if not stats.observed[g, a]:
                continue
            for k in range(p):
                cross = sum_zym[g, e, k]
                for x in range(beta.shape[0]):
                    cross -= beta[x, k] * sum_zxm[g, e, x]
                moments[g, k, a] -= cross
                moments[g, a, k] -= cross
            for f in range(e):
                moments[g, a, response[f]] += sum_zzm[g, e, f]
                moments[g, response[f], a] += sum_zzm[g, e, f]
            moments[g, a, a] += sum_zzm[g, e, e]
            for x in range(beta.shape[0]):
                for k in range(p):
                    d_beta[x, k] -= sum_zxm[g, e, x] * precision[g, a, k]


# One line each: simple loops over slices that start at 0 are what the compiler turns into vector instructions.


@kernel
def _axpy(scale, x, out):
    for j in range(out.shape[0]):
        out[j] += scale * x[j]


@kernel
def _add_product(x, y, out):
    for j in range(out.shape[0]):
        out[j] += x[j] * y[j]


@kernel
def _subtract_product(x, y, out):
    for j in range(out.shape[0]):
        out[j] -= x[j] * y[j]


@kernel
def _multiply(x, out):
    for j in range(out.shape[0]):
        out[j] *= x[j]


@kernel
def _inverse_root(out):
    for j in range(out.shape[0]):
        out[j] = 1.0 / math.sqrt(out[j])


@kernel
def _dot(x, y):
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j] * y[j]
    return total


@kernel
def _sum(x):
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j]
    return total

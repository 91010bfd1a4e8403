"""Linear algebra for matrices of a few rows, where the call of a library costs more than the work."""

import math

import numpy as np

from jmimpute.compilation import kernel


@kernel
def cholesky_in_place(a):
    """Replace the lower triangle by the Cholesky factor; return log|A|, NaN if A is not positive definite."""
    log_det = 0.0
    for i in range(a.shape[0]):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            if i == j:
                if not total > 0.0:
                    return np.nan
                a[i, i] = math.sqrt(total)
                log_det += math.log(total)
            else:
                a[i, j] = total / a[j, j]
    return log_det


@kernel
def inverse_triangle(chol):
    """Invert a lower triangular matrix."""
    n = chol.shape[0]
    inverse = np.zeros((n, n))
    for j in range(n):
        inverse[j, j] = 1.0 / chol[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for k in range(j, i):
                total += chol[i, k] * inverse[k, j]
            inverse[i, j] = -total / chol[i, i]
    return inverse


@kernel
def add_matmul(scale, a, b, out):
    """Add scale * a @ b to `out`: `out` has as many rows as a and columns as b."""
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            left = scale * a[i, k]
            for j in range(out.shape[1]):
                out[i, j] += left * b[k, j]

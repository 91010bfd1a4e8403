"""Normal tail probabilities without branches, so that loops over rows become vector instructions.

The functions of the C library cost ten times as much, and the sampler spends most of its time here.
"""

import math

import numpy as np

from jmimpute.compilation import kernel, part

INVERSE_ROOT_2 = 1.0 / math.sqrt(2.0)
DENSITY_AT_0 = 1.0 / math.sqrt(2.0 * math.pi)
# (1 + 2x) erfcx(x) as a polynomial of s = (x - 4) / (x + 4) for x >= 0: interpolation at Chebyshev nodes, degree 16,
# relative error below 1e-11 (checked against SciPy in the tests).
ERFCX = (
    1.2329951186255517,
    -0.1396211167157137,
    0.015379652098053115,
    0.06809704824544605,
    -0.10103906580999422,
    0.09373291969257896,
    -0.06633036909080817,
    0.037166976952248416,
    -0.016197712400149392,
    0.0050337992543566705,
    -0.0007578510087137837,
    -0.0002028233090716667,
    0.00015078602193347313,
    -2.034612537512855e-05,
    -1.1433451716844943e-05,
    3.1255597715565918e-06,
    4.5856343336604943e-07,
)


@part
def half_erfcx(x):
    """exp(x^2) erfc(x) / 2 for x >= 0."""
    s = (x - 4.0) / (x + 4.0)
    total = ERFCX[16]
    total = total * s + ERFCX[15]
    total = total * s + ERFCX[14]
    total = total * s + ERFCX[13]
    total = total * s + ERFCX[12]
    total = total * s + ERFCX[11]
    total = total * s + ERFCX[10]
    total = total * s + ERFCX[9]
    total = total * s + ERFCX[8]
    total = total * s + ERFCX[7]
    total = total * s + ERFCX[6]
    total = total * s + ERFCX[5]
    total = total * s + ERFCX[4]
    total = total * s + ERFCX[3]
    total = total * s + ERFCX[2]
    total = total * s + ERFCX[1]
    total = total * s + ERFCX[0]
    return 0.5 * total / (1.0 + 2.0 * x)


@part
def exp_minus(y):
    """exp(-y) for y >= 0: relative error below 1e-9 up to y = 50, and towards 0 beyond, where it no longer counts."""
    r = y * (1.0 / 256.0)
    total = 1.0 + r * (1.0 / 8.0)
    total = 1.0 + r * (1.0 / 7.0) * total
    total = 1.0 + r * (1.0 / 6.0) * total
    total = 1.0 + r * (1.0 / 5.0) * total
    total = 1.0 + r * (1.0 / 4.0) * total
    total = 1.0 + r * (1.0 / 3.0) * total
    total = 1.0 + r * 0.5 * total
    total = 1.0 + r * total
    total = 1.0 / total
    for _ in range(8):
        total *= total
    return total


@kernel
def score_half_lines(mean, bound, sign, inverse, info, scale, exponent, pull):
    """Probabilities Phi(t), t = sign (bound - mean) / s, that latents lie in their half-lines, and derivatives.

    Parameters
    ----------
    mean : ndarray, shape (n,)
        Overwritten by d log Phi / d mean.
    bound, sign : ndarray, shape (n,)
        The half-line ends at `bound`, and lies below it where the sign is 1, above it where it is -1.
    inverse : ndarray, shape (n,)
        1 / s.
    info : ndarray, shape (n,)
        Receives -d^2 log Phi / d mean^2.
    scale, exponent : ndarray, shape (n,)
        Receive the parts of log Phi = log(scale) + exponent.
    pull : ndarray, shape (n,)
        Receives d log Phi / d log s.
    """
    # Several short loops: with more arrays in one, the compiler gives up on vector instructions, since they might overlap.
    for i in range(mean.shape[0]):
        pull[i] = sign[i] * (bound[i] - mean[i]) * inverse[i]
    _score(pull, mean, scale, exponent)
    for i in range(mean.shape[0]):
        info[i] = max(mean[i] * (mean[i] + pull[i]), 0.0) * inverse[i] * inverse[i]
    for i in range(mean.shape[0]):
        pull[i] *= -mean[i]
        mean[i] *= -sign[i] * inverse[i]


@kernel
def _score(t, ratio, scale, exponent):
    """Normal density over distribution function at t, and the parts of log Phi(t)."""
    for i in range(t.shape[0]):
        half = half_erfcx(abs(t[i]) * INVERSE_ROOT_2)
        y = 0.5 * t[i] * t[i]
        e = exp_minus(y)
        inside = t[i] > 0.0
        probability = 1.0 - half * e
        scale[i] = probability if inside else half
        exponent[i] = 0.0 if inside else -y
        ratio[i] = DENSITY_AT_0 * (e / probability if inside else 1.0 / half)


@kernel
def score_intervals(mean, rank, cuts, inverse, info, scale, exponent, pull, d_cuts):
    """Probabilities that latents lie between the cut points of their categories, and derivatives.

    Parameters
    ----------
    mean : ndarray, shape (n,)
        Overwritten by the derivative of the log probability.
    rank : ndarray of int, shape (n,)
        Category h, whose interval is (cuts[h], cuts[h + 1]).
    cuts : ndarray, shape (n_levels + 1,)
        Minus infinity first, infinity last.
    inverse, info, scale, exponent, pull
        As for `score_half_lines`.
    d_cuts : ndarray, shape (n_levels + 1,)
        The derivative with respect to the cut points is added to it.
    """
    for i in range(mean.shape[0]):
        h = rank[i]
        a, b = (cuts[h] - mean[i]) * inverse[i], (cuts[h + 1] - mean[i]) * inverse[i]
        scale[i], exponent[i], ratio_a, ratio_b = interval(a, b)
        pull_a = a * ratio_a if ratio_a > 0.0 else 0.0  # not infinity times zero
        pull_b = b * ratio_b if ratio_b > 0.0 else 0.0
        mean[i] = (ratio_a - ratio_b) * inverse[i]
        info[i] = max((ratio_b - ratio_a) ** 2 + pull_b - pull_a, 0.0) * inverse[i] * inverse[i]
        d_cuts[h] -= ratio_a * inverse[i]
        d_cuts[h + 1] += ratio_b * inverse[i]
        pull[i] = pull_a - pull_b


@kernel
def interval(a, b):
    """Phi(b) - Phi(a) = scale exp(exponent), and the normal densities at a and b over it, for a < b."""
    mirrored = a > 0.0
    if mirrored:
        a, b = -b, -a
    half_a = half_erfcx(abs(a) * INVERSE_ROOT_2) if a > -np.inf else 0.0
    half_b = half_erfcx(abs(b) * INVERSE_ROOT_2) if b < np.inf else 0.0
    if b <= 0.0:  # both in the lower tail: relative to the density at b
        e = math.exp(0.5 * (b - a) * (b + a)) if a > -np.inf else 0.0
        scale, exponent = half_b - e * half_a, -0.5 * b * b
        ratio_b = DENSITY_AT_0 / scale
        ratio_a = ratio_b * e
    else:
        e_a, e_b = math.exp(-0.5 * a * a), math.exp(-0.5 * b * b)
        scale, exponent = 1.0 - half_a * e_a - half_b * e_b, 0.0
        ratio_a, ratio_b = DENSITY_AT_0 * e_a / scale, DENSITY_AT_0 * e_b / scale
    if mirrored:
        ratio_a, ratio_b = ratio_b, ratio_a
    return scale, exponent, ratio_a, ratio_b


@kernel
def sum_logs(values):
    """Sum of logarithms, one logarithm for eight values: none is smaller than 1e-38."""
    total = 0.0
    n = values.shape[0]
    for i in range(0, n - 7, 8):
        product = 1.0
        for k in range(8):
            product *= values[i + k]
        total += math.log(product)
    product = 1.0
    for i in range(n - n % 8, n):
        product *= values[i]
    return total + math.log(product)

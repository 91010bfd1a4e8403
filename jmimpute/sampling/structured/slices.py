"""Slice sampling of one-dimensional densities (Neal 2003)."""

import math

from jmimpute.compilation import kernel

MOST_STEPS = 50  # in each direction; any number leaves the density as it is


@kernel
def slice_exponential(t, power, square, linear, mean, precision, inverse_square, inverse_linear, rng):
    """Draw from exp(c t - s e^{2t}/2 - l e^t - w (t - m)^2/2 - v e^{-2t} - h e^{-t}), where t stands.

    With k = e^t: a gamma-like density k^{c - 1} exp(-s k^2/2 - l k), times a normal one of its logarithm and terms of its
    reciprocal.

    Parameters
    ----------
    t : float
    power, square, linear, mean, precision, inverse_square, inverse_linear : float
        c, s, l, m, w, v and h.
    rng : numpy.random.Generator
    """
    width = 2.0 / math.sqrt(2.0 * abs(power) + precision + 0.5)
    level = _log_density(t, power, square, linear, mean, precision, inverse_square, inverse_linear) - rng.standard_exponential()
    low = t - width * rng.random()
    high = low + width
    below = int(MOST_STEPS * rng.random())
    above = MOST_STEPS - 1 - below
    while below > 0 and _log_density(low, power, square, linear, mean, precision, inverse_square, inverse_linear) > level:
        low -= width
        below -= 1
    while above > 0 and _log_density(high, power, square, linear, mean, precision, inverse_square, inverse_linear) > level:
        high += width
        above -= 1
    while True:
        drawn = low + (high - low) * rng.random()
        if (
            not _log_density(drawn, power, square, linear, mean, precision, inverse_square, inverse_linear) < level
            or high - low < 1e-12
        ):
            return drawn
        if drawn < t:
            low = drawn
        else:
            high = drawn


@kernel
def _log_density(t, power, square, linear, mean, precision, inverse_square, inverse_linear):
    k = math.exp(t)
    value = power * t - (0.5 * square * k + linear) * k - 0.5 * precision * (t - mean) ** 2
    return value - (inverse_square / k + inverse_linear) / k if inverse_square > 0.0 else value

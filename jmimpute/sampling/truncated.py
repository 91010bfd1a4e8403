"""Exact draws of a standard normal variable restricted to an interval, however far in the tails."""

import math

import numpy as np

from jmimpute.compilation import kernel, part

# Where rejection from one proposal begins to cost more than from another; any values give exact draws.
WIDE = 2.5  # about sqrt(2 pi): around 0, a uniform proposal is accepted more often in a narrower interval
NEAR = 0.5  # beyond, an exponential tail is accepted more often, and costs less, than the half-normal


@kernel
def truncated_normal(a, b, rng):
    """Draw a standard normal variable given that it lies between a and b.

    Rejection from the normal, the uniform or the exponential distribution, whichever suits the interval (Robert 1995). No
    distribution function is evaluated, so that no accuracy is lost in the tails, and the acceptance probability is never
    below 0.4.

    Parameters
    ----------
    a : float
        May be minus infinity.
    b : float
        May be infinity.
    rng : numpy.random.Generator

    Returns
    -------
    float
        Between a and b, which may be equal; NaN if a > b or a bound is NaN.
    """
    if not a < b:
        return a if a == b else np.nan
    if b <= 0.0:
        return -_upper(-b, -a, rng)
    if a >= 0.0:
        return _upper(a, b, rng)
    if b - a > WIDE:
        while True:
            draw = rng.standard_normal()
            if a <= draw <= b:
                return draw
    while True:
        draw = a + (b - a) * rng.random()
        if 2.0 * rng.standard_exponential() >= draw * draw:
            return draw


@part
def normal_below(b, rng):
    """Draw a standard normal variable given that it lies below b; as `truncated_normal`, with less to decide.

    Part of what calls it: to hand a generator over costs as much as a draw.
    """
    if math.isnan(b):
        return np.nan
    if b > -NEAR:
        while True:
            draw = rng.standard_normal()
            if b < 0.0:
                draw = -abs(draw)
            if draw <= b:
                return draw
    rate = 0.5 * (math.sqrt(b * b + 4.0) - b)
    while True:  # see `_upper`
        step = rng.standard_exponential()
        if 2.0 * rate * rate * rng.standard_exponential() >= (step - 1.0) * (step - 1.0):
            return b - step / rate


@kernel
def _upper(a, b, rng):
    """The same for 0 <= a < b."""
    rate = 0.5 * (a + math.sqrt(a * a + 4.0))  # of the best exponential proposal
    if (b - a) * rate < 1.5:  # the density does not fall by much: uniform
        while True:
            shift = (b - a) * rng.random()
            if 2.0 * rng.standard_exponential() >= shift * (shift + 2.0 * a):
                return min(a + shift, b)
    if a < NEAR:
        while True:
            draw = abs(rng.standard_normal())
            if a <= draw <= b:
                return draw
    while True:  # accept with probability exp(-(draw - rate)^2 / 2), where draw - rate = (step - 1) / rate
        step = rng.standard_exponential()
        draw = a + step / rate
        if draw <= b and 2.0 * rate * rate * rng.standard_exponential() >= (step - 1.0) * (step - 1.0):
            return draw

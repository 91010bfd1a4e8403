"""Normal tail probabilities and their derivatives against SciPy."""

import numpy as np
import pytest
from scipy.special import log_ndtr
from scipy.stats import norm, truncnorm

from jmimpute.sampling.latents.tails import interval, score_half_lines, sum_logs

pytestmark = pytest.mark.sampling


def test_half_lines():
    t = np.concatenate([np.linspace(-40.0, 40.0, 4001), [-300.0, 300.0]])
    s = np.full(len(t), 0.5)
    for sign in (1.0, -1.0):
        mean, bound = -sign * 0.5 * t, np.zeros(len(t))
        info, scale, exponent, pull = np.empty((4, len(t)))
        score_half_lines(mean, bound, np.full(len(t), sign), 1.0 / s, info, scale, exponent, pull)
        np.testing.assert_allclose(np.log(scale) + exponent, log_ndtr(t), rtol=1e-9, atol=1e-11)
        ratio = np.exp(norm.logpdf(t) - log_ndtr(t))
        np.testing.assert_allclose(mean, -sign * ratio / s, rtol=1e-8, atol=1e-20)
        np.testing.assert_allclose(pull, -ratio * t, rtol=1e-8, atol=1e-18)
        near = np.abs(t) < 30  # beyond, the difference that SciPy's values leave is rounding
        np.testing.assert_allclose(info[near], (ratio * (ratio + t) / s**2)[near], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("a", "b"), [(-1, 2), (3, 3.1), (8, 9), (-9, -8.5), (-np.inf, 1), (2, np.inf), (-0.01, 0.01), (30, 31), (-np.inf, -30)]
)
def test_intervals(a, b):
    scale, exponent, ratio_a, ratio_b = interval(float(a), float(b))
    reference = truncnorm(a, b)
    log_probability = norm.logpdf(max(a, -50)) - reference.logpdf(max(a, -50)) if a > -np.inf else log_ndtr(b)
    np.testing.assert_allclose(np.log(scale) + exponent, log_probability, rtol=1e-8)
    for ratio, end in ((ratio_a, a), (ratio_b, b)):
        expected = np.exp(norm.logpdf(end) - log_probability) if np.isfinite(end) else 0.0
        np.testing.assert_allclose(ratio, expected, rtol=1e-7, atol=1e-300)


def test_sums_of_logarithms():
    values = np.random.default_rng(0).uniform(1e-4, 1.0, 1003)
    np.testing.assert_allclose(sum_logs(values), np.log(values).sum(), rtol=1e-12)

"""Log probabilities of intervals and rectangles under the normal distribution, and derivatives, however far in the tails.

For (X, Y) standard bivariate normal with correlation r and s^2 = 1 - r^2,

    Phi2(h, k; r) = Phi(h) Phi(k) + 1/(2 pi) int_0^{asin r} exp(-(h^2 + k^2 - 2 h k sin t) / (2 cos^2 t)) dt

at Gauss-Legendre nodes, for |r| > .925 in the form of Genz (2004, Statistics and Computing 14, 251-260), is good to an absolute
error of 1e-15. That is enough for all but improbable rectangles, and cheap. For those,

    P = int phi(t) [Phi((b2 - r t) / s) - Phi((a2 - r t) / s)] dt   over (a1, b1)

has no differences that cancel. Its integrand is log-concave, with a second derivative of the logarithm below -1, so that its
mode and the range that counts are found quickly. Derivatives need no quadrature: dP/db1 = phi(b1) [Phi((b2 - r b1) / s) -
Phi((a2 - r b1) / s)], and dP/dr is the signed sum of the densities at the corners.
"""

import math

import numpy as np

from jmimpute.compilation import kernel

ROOT_HALF = math.sqrt(0.5)
LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
DENSITY_AT_0 = math.exp(-LOG_ROOT_2PI)
FAR = -30.0  # below, the asymptotic series of the normal tail is exact
LIKELY = 1e-5  # above, an absolute error of 1e-15 is small enough
STRONG = 0.925  # |r| above which the integral over t needs another form (Genz)
WEAK, MODERATE = 0.3, 0.75  # |r| up to which 6 or 12 nodes are enough (Genz)
DROP = 30.0  # fall of the log integrand at which its tails are cut off: e^-30 = 1e-13
RESOLVED = 6.0  # standard deviations from its bound within which Phi((b2 - r t) / s) has panels of its own
MAX_STEPS = 100
X6, W6 = np.polynomial.legendre.leggauss(6)
X12, W12 = np.polynomial.legendre.leggauss(12)
X20, W20 = np.polynomial.legendre.leggauss(20)
MOST_NODES, N_TABLES = 20, 5


@kernel
def cdf(x):
    """Phi(x)."""
    return 0.5 * math.erfc(-ROOT_HALF * x)


@kernel
def log_density(x):
    """Logarithm of the normal density."""
    return -0.5 * x * x - LOG_ROOT_2PI


@kernel
def log_cdf(x):
    """Logarithm of Phi(x)."""
    if x > 0.0:
        return math.log1p(-0.5 * math.erfc(ROOT_HALF * x))
    if x > FAR:
        return math.log(0.5 * math.erfc(-ROOT_HALF * x))
    z = 1.0 / (x * x)
    series = z * (1.0 - z * (3.0 - z * (15.0 - z * (105.0 - z * (945.0 - z * 10395.0)))))
    return log_density(x) - math.log(-x) + math.log1p(-series)


@kernel
def log_probability(a, b):
    """Logarithm of Phi(b) - Phi(a) for a < b, either of which may be infinite."""
    low, high = (-b, -a) if a > 0.0 else (a, b)
    if high > 0.0:
        return math.log(0.5 * (math.erf(ROOT_HALF * high) - math.erf(ROOT_HALF * low)))
    value = log_cdf(high)
    if low == -np.inf:
        return value
    fall = log_cdf(low) - value
    return value + (math.log(-math.expm1(fall)) if fall > -0.7 else math.log1p(-math.exp(fall)))


@kernel
def interval(a, b):
    """Probability that a standard normal variable lies between a and b.

    Parameters
    ----------
    a, b : float
        May be infinite.

    Returns
    -------
    value : float
        log(Phi(b) - Phi(a)); minus infinity unless a < b.
    ratio_a, ratio_b : float
        Normal densities at a and b over the probability: minus the derivative by a, and the derivative by b.
    """
    if not a < b:
        return -np.inf, 0.0, 0.0
    value = log_probability(a, b)
    ratio_a = math.exp(log_density(a) - value) if a > -np.inf else 0.0
    ratio_b = math.exp(log_density(b) - value) if b < np.inf else 0.0
    return value, ratio_a, ratio_b


@kernel
def nodes(r, table):
    """Fill the nodes for |r|, and return how many there are: none where Genz's other form is needed.

    Parameters
    ----------
    r : float
        Correlation.
    table : ndarray, shape (5, 20)
        Receives sin t, 1 / cos^2 t, and weights that hold the factor 1 / (2 pi), or what the other form needs.
    """
    size = abs(r)
    if size > STRONG:
        half = 0.5 * math.sqrt(1.0 - size * size)
        for i in range(MOST_NODES):
            square = (half * (1.0 + X20[i])) ** 2
            root = math.sqrt(1.0 - square)
            table[0, i] = square
            table[1, i] = 1.0 / square
            table[2, i] = half * W20[i] / (2.0 * math.pi)
            table[3, i] = square / (1.0 + root) ** 2
            table[4, i] = 1.0 / root
        return 0
    x, w = (X6, W6) if size < WEAK else (X12, W12) if size < MODERATE else (X20, W20)
    half = 0.5 * math.asin(size)
    for i in range(len(x)):
        sine = math.sin(half * (1.0 + x[i]))
        table[0, i] = sine
        table[1, i] = 1.0 / (1.0 - sine * sine)
        table[2, i] = w[i] * half / (2.0 * math.pi)
    return len(x)


@kernel
def quadrant(h, k, r, n_nodes, table):
    """Phi2(h, k; r) to an absolute error of 1e-15; h and k may be infinite."""
    if h == -np.inf or k == -np.inf:
        return 0.0
    if h == np.inf or k == np.inf:
        return cdf(min(h, k))
    if n_nodes == 0:
        return _strong_quadrant(-h, -k, r, table)
    product = h * k if r > 0.0 else -h * k
    squares = 0.5 * (h * h + k * k)
    total = 0.0
    for i in range(n_nodes):
        total += table[2, i] * math.exp((table[0, i] * product - squares) * table[1, i])
    return cdf(h) * cdf(k) + (total if r > 0.0 else -total)


@kernel
def _strong_quadrant(h, k, r, table):
    """P(X > h, Y > k) for |r| > .925: the integral from r to 1 or -1, its singular part in closed form."""
    if r < 0.0:
        k = -k
    product = h * k
    square = (1.0 - r) * (1.0 + r)
    a = math.sqrt(square)
    gap = abs(h - k)
    bs = gap * gap
    c, d = (4.0 - product) / 8.0, (12.0 - product) / 80.0
    rest = 1.0 - c * (bs - square) * (1.0 - d * bs) / 3.0 + c * d * square * square
    total = a * math.exp(-0.5 * (bs / square + product)) * rest
    if product > -160.0:
        rest = 1.0 - c * bs * (1.0 - d * bs) / 3.0
        total -= math.exp(-0.5 * product) * math.sqrt(2.0 * math.pi) * cdf(-gap / a) * gap * rest
    total /= -2.0 * math.pi
    for i in range(MOST_NODES):
        exponent = -0.5 * (bs * table[1, i] + product)
        if exponent > -100.0:
            series = 1.0 + c * table[0, i] * (1.0 + 5.0 * d * table[0, i])
            exact = math.exp(-0.5 * product * table[3, i]) * table[4, i]
            total += table[2, i] * math.exp(exponent) * (series - exact)
    if r > 0.0:
        return total + cdf(-max(h, k))
    return -total + (max(cdf(k) - cdf(h), 0.0) if h < 0.0 else max(cdf(-h) - cdf(-k), 0.0))


@kernel
def rectangle(a1, b1, a2, b2, r, n_nodes, table):
    """Log probability of a rectangle under the standard bivariate normal distribution, and its derivatives.

    Parameters
    ----------
    a1, b1, a2, b2 : float
        The rectangle (a1, b1) x (a2, b2); any bound may be infinite.
    r : float
        Correlation.
    n_nodes, table
        What `nodes` makes of r or of -r.

    Returns
    -------
    tuple of float
        Log probability, and its derivatives with respect to a1, b1, a2, b2 and r: 0 at infinite bounds. Minus infinity and
        zeros for an empty rectangle, or unless -1 < r < 1.
    """
    if not (a1 < b1 and a2 < b2 and abs(r) < 1.0):
        return -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0
    if r == 0.0 or (a1 == -np.inf and b1 == np.inf) or (a2 == -np.inf and b2 == np.inf):
        value1, low1, high1 = interval(a1, b1)
        value2, low2, high2 = interval(a2, b2)
        return value1 + value2, -low1, high1, -low2, high2, (high1 - low1) * (high2 - low2)
    upper1, upper2 = b1 == np.inf, b2 == np.inf  # then mirrored, so that half-lines are lower ones
    if upper1:
        a1, b1, r = -np.inf, -a1, -r
    if upper2:
        a2, b2, r = -np.inf, -a2, -r
    probability = quadrant(b1, b2, r, n_nodes, table)
    if a1 > -np.inf:
        probability -= quadrant(a1, b2, r, n_nodes, table)
    if a2 > -np.inf:
        probability -= quadrant(b1, a2, r, n_nodes, table)
        if a1 > -np.inf:
            probability += quadrant(a1, a2, r, n_nodes, table)
    if probability > LIKELY:
        value, d_a1, d_b1, d_a2, d_b2, d_r = _likely(a1, b1, a2, b2, r, probability)
    else:
        value, d_a1, d_b1, d_a2, d_b2, d_r = _unlikely(a1, b1, a2, b2, r)
    if upper1:
        d_a1, d_b1, d_r = -d_b1, 0.0, -d_r
    if upper2:
        d_a2, d_b2, d_r = -d_b2, 0.0, -d_r
    return value, d_a1, d_b1, d_a2, d_b2, d_r


@kernel
def _likely(a1, b1, a2, b2, r, probability):
    """Derivatives where neither the probability nor its parts underflow; b1 and b2 are finite."""
    inverse = 1.0 / math.sqrt((1.0 - r) * (1.0 + r))
    scale = DENSITY_AT_0 / probability
    d_a1 = d_a2 = 0.0
    d_b1 = scale * math.exp(-0.5 * b1 * b1) * _between(a2, b2, r * b1, inverse)
    d_b2 = scale * math.exp(-0.5 * b2 * b2) * _between(a1, b1, r * b2, inverse)
    d_r = _corner(b1, b2, r, inverse)
    if a1 > -np.inf:
        d_a1 = -scale * math.exp(-0.5 * a1 * a1) * _between(a2, b2, r * a1, inverse)
        d_r -= _corner(a1, b2, r, inverse)
    if a2 > -np.inf:
        d_a2 = -scale * math.exp(-0.5 * a2 * a2) * _between(a1, b1, r * a2, inverse)
        d_r -= _corner(b1, a2, r, inverse)
        if a1 > -np.inf:
            d_r += _corner(a1, a2, r, inverse)
    return math.log(probability), d_a1, d_b1, d_a2, d_b2, d_r * DENSITY_AT_0 * DENSITY_AT_0 * inverse / probability


@kernel
def _between(a, b, mean, inverse):
    """Probability of (a, b) given the other variable."""
    probability = cdf((b - mean) * inverse)
    return probability - cdf((a - mean) * inverse) if a > -np.inf else probability


@kernel
def _corner(x, y, r, inverse):
    """Bivariate normal density but for its constant 1 / (2 pi s)."""
    z = (x - r * y) * inverse
    return math.exp(-0.5 * (z * z + y * y))


@kernel
def _unlikely(a1, b1, a2, b2, r):
    """Log probability and derivatives of any rectangle, on the scale of logarithms."""
    value = _log_integral(a1, b1, a2, b2, r)
    if not value > -np.inf:
        return -np.inf, 0.0, 0.0, 0.0, 0.0, 0.0
    d_r = _log_corner(b1, b2, r, value) - _log_corner(a1, b2, r, value)
    d_r += _log_corner(a1, a2, r, value) - _log_corner(b1, a2, r, value)
    return (
        value,
        -_edge(a1, a2, b2, r, value),
        _edge(b1, a2, b2, r, value),
        -_edge(a2, a1, b1, r, value),
        _edge(b2, a1, b1, r, value),
        d_r,
    )


@kernel
def _edge(x, a, b, r, value):
    """Density along an edge at x that runs from a to b, over the probability."""
    if math.isinf(x):
        return 0.0
    inverse = 1.0 / math.sqrt((1.0 - r) * (1.0 + r))
    return math.exp(log_density(x) + interval((a - r * x) * inverse, (b - r * x) * inverse)[0] - value)


@kernel
def _log_corner(x, y, r, value):
    """Bivariate density at a corner over the probability."""
    if math.isinf(x) or math.isinf(y):
        return 0.0
    square = (1.0 - r) * (1.0 + r)
    gap = x - r * y
    return math.exp(-0.5 * (gap * gap / square + y * y) - 2.0 * LOG_ROOT_2PI - 0.5 * math.log(square) - value)


@kernel
def _log_integral(a1, b1, a2, b2, r):
    """Logarithm of the integral over t: Gauss-Legendre on panels around the mode and where the inner probability bends."""
    s = math.sqrt((1.0 - r) * (1.0 + r))
    mode = find_mode(a1, b1, a2, b2, r, s)
    top = integrand(mode, a2, b2, r, s)[0]
    left, right = reach(mode, a1, a2, b2, r, s, top, DROP), reach(mode, b1, a2, b2, r, s, top, DROP)
    ends = np.empty(9)
    ends[0], ends[1], ends[2] = left, mode, right
    n = 3
    for bound in (a2, b2):
        for shift in (-RESOLVED, 0.0, RESOLVED):
            end = (bound - shift * s) / r
            if left < end < right:
                ends[n] = end
                n += 1
    ends = np.sort(ends[:n])
    total = 0.0
    for panel in range(n - 1):
        half = 0.5 * (ends[panel + 1] - ends[panel])
        center = 0.5 * (ends[panel + 1] + ends[panel])
        for i in range(MOST_NODES):
            t = center + half * X20[i]
            total += half * W20[i] * math.exp(log_probability((a2 - r * t) / s, (b2 - r * t) / s) - 0.5 * t * t - top)
    return top + math.log(total) - LOG_ROOT_2PI if total > 0.0 else -np.inf


@kernel
def integrand(t, a2, b2, r, s):
    """Log density of X at t given that Y is in (a2, b2), but for a constant, and its first two derivatives.

    It is -t^2/2 + log[Phi((b2 - r t) / s) - Phi((a2 - r t) / s)].
    """
    low, high = (a2 - r * t) / s, (b2 - r * t) / s
    value, ratio_low, ratio_high = interval(low, high)
    gap = ratio_high - ratio_low
    bend = gap * gap
    if low > -np.inf:
        bend -= low * ratio_low
    if high < np.inf:
        bend += high * ratio_high
    slope = r / s
    return value - 0.5 * t * t, -t - slope * gap, -1.0 - slope * slope * max(bend, 0.0)


@kernel
def find_mode(a1, b1, a2, b2, r, s):
    """Where in (a1, b1) the log integrand is largest, to a hundredth of its width: Newton's method within a bracket."""
    if a1 > -np.inf and integrand(a1, a2, b2, r, s)[1] <= 0.0:
        return a1
    if b1 < np.inf and integrand(b1, a2, b2, r, s)[1] >= 0.0:
        return b1
    t = min(max(0.0, a1), b1)
    _, slope, bend = integrand(t, a2, b2, r, s)
    low, high = max(a1, min(t, t + slope)), min(b1, max(t, t + slope))  # the slope falls by at least 1 a unit
    for _ in range(MAX_STEPS):
        if slope * slope <= -1e-4 * bend:
            break
        if slope > 0.0:
            low = t
        else:
            high = t
        t -= slope / bend
        if not low < t < high:
            t = 0.5 * (low + high)
        _, slope, bend = integrand(t, a2, b2, r, s)
    return t


@kernel
def reach(mode, end, a2, b2, r, s, top, drop):
    """A point between the mode and an end of the interval at which the log integrand has fallen by `drop` to `drop + 1`.

    The end itself if it falls by less. Newton's method from outside: on a concave function it never passes the point.
    """
    distance = math.sqrt(2.0 * drop) + 1.0  # the function falls faster than -t^2/2
    t = max(end, mode - distance) if end < mode else min(end, mode + distance)
    for _ in range(MAX_STEPS):
        value, slope, _ = integrand(t, a2, b2, r, s)
        if value >= top - drop - 1.0:
            break
        t += (top - drop - value) / slope
    return t

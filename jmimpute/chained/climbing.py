"""A search for the maximum of a smooth function, for those who search hundreds of times and would wait for scipy.optimize."""

from collections.abc import Callable

import numpy as np

#: A search ends with the step that promises to raise the function by no more.
PROMISE = 1e-12
MOST_STEPS = 500
#: Share of the promise that a step must keep, and the smallest part of a step that is tried.
KEPT, SHORTEST = 1e-4, 1e-6


def climb(function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray) -> tuple[np.ndarray, float]:
    """Search a local maximum by the method of Broyden, Fletcher, Goldfarb and Shanno.

    Parameters
    ----------
    function : callable
        ``function(x) -> (value, slope)``, with the slope of shape (k,).
    start : ndarray, shape (k,)

    Returns
    -------
    x : ndarray, shape (k,)
        Where the search ended; that it is a maximum has to be seen there.
    value : float

    Notes
    -----
    Nocedal and Wright (2006, Numerical Optimization), algorithm 6.1 with steps halved or so until they raise the function by a
    share of what they promise (algorithm 3.1); the first step is short.
    """
    x, (value, slope) = start, function(start)
    inverse = np.eye(len(x)) / max(1.0, float(np.linalg.norm(slope)))
    for number in range(MOST_STEPS):
        step = inverse @ slope
        promise = float(slope @ step)
        if promise < PROMISE:
            return x + step, value
        length, after, slope_after = _kept(function, x, step, value, promise)
        if not length:
            break
        moved, change = length * step, slope - slope_after
        x, value, slope = x + moved, after, slope_after
        curvature = float(moved @ change)
        if curvature > 0:
            if number == 0:
                inverse = np.eye(len(x)) * curvature / float(change @ change)
            inverse = _updated(inverse, moved, change, curvature)
    return x, value


def _kept(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], x: np.ndarray, step: np.ndarray, value: float, promise: float
) -> tuple[float, float, np.ndarray]:
    """Part of the step that keeps its promise, and value and slope there; the part is 0 if there is none."""
    length = 1.0
    while length > SHORTEST:
        after, slope = function(x + length * step)
        if after >= value + KEPT * length * promise:
            return length, after, slope
        bend = promise * length - (after - value)
        length *= np.clip(promise * length / (2 * bend), 0.1, 0.5) if np.isfinite(bend) else 0.1
    return 0.0, value, step


def _updated(inverse: np.ndarray, moved: np.ndarray, change: np.ndarray, curvature: float) -> np.ndarray:
    """The inverse of minus the Hessian, made to fit the last change of the slope."""
    along = inverse @ change
    crossed = np.outer(along, moved)
    return inverse + (np.outer(moved, moved) * (1 + change @ along / curvature) - crossed - crossed.T) / curvature

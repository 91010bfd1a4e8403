"""The No-U-Turn sampler, compiled together with the target: one call draws a whole chain.

Hoffman and Gelman (2014) with multinomial sampling of the trajectory (Betancourt 2017, appendix A.3), the tree built
iteratively with O(log n) memory (Phan, Pradhan and Jankowiak 2019, algorithm 2), and dual averaging of the step size. The
sampler moves in whitened coordinates xi with theta = center + whitening @ xi and a unit metric.
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel, part
from jmimpute.sampling.target import Target, log_density

MAX_DEPTH = 10
DIVERGENCE = 1000.0  # energy error, as in Stan


class Chain(NamedTuple):
    """Draws of one chain; the arrays are filled as the chain runs.

    Attributes
    ----------
    draws : ndarray, shape (n_draws, n)
        theta.
    log_density : ndarray, shape (n_draws,)
    acceptance : ndarray, shape (n_draws,)
        Mean acceptance probability over the trajectory.
    n_steps : ndarray of int, shape (n_draws,)
        Gradient evaluations.
    diverging : ndarray of bool, shape (n_draws,)
    """

    draws: np.ndarray
    log_density: np.ndarray
    acceptance: np.ndarray
    n_steps: np.ndarray
    diverging: np.ndarray


def allocate(n_draws: int, dimension: int) -> Chain:
    """Make room for a chain."""
    return Chain(
        np.empty((n_draws, dimension)),
        np.empty(n_draws),
        np.empty(n_draws),
        np.empty(n_draws, dtype=np.int64),
        np.zeros(n_draws, dtype=np.bool_),
    )


class State(NamedTuple):
    """A point of phase space: position xi, its density and gradient, and a momentum."""

    xi: np.ndarray
    gradient: np.ndarray
    momentum: np.ndarray
    density: np.ndarray  # shape (1,), so that the state can be written in place


@kernel
def run(
    target: Target,
    center: np.ndarray,
    whitening: np.ndarray,
    xi: np.ndarray,
    step_size: float,
    adapt: bool,
    target_acceptance: float,
    rng: np.random.Generator,
    chain: Chain,
    progress: np.ndarray,
    stop: np.ndarray,
) -> tuple[int, float]:
    """Draw until the chain is full or `stop[0]` is set.

    Parameters
    ----------
    target : Target
    center, whitening : ndarray, shapes (n,), (n, n)
        theta = center + whitening @ xi.
    xi : ndarray, shape (n,)
        Where to start; holds the last position afterwards.
    step_size : float
    adapt : bool
        Adapt the step size to `target_acceptance` (warm-up).
    rng : numpy.random.Generator
    chain : Chain
        Filled with draws.
    progress : ndarray of int, shape (1,)
        Incremented after each draw; another thread may read it.
    stop : ndarray of bool, shape (1,)
        Another thread may set it.

    Returns
    -------
    n_drawn : int
    step_size : float
        The adapted step size if `adapt`.
    """
    n = xi.shape[0]
    workspace = _workspace(n)
    current = workspace[0][0]
    theta, gradient = np.empty(n), np.empty(n)
    current.xi[:] = xi
    _evaluate(target, center, whitening, current, theta, gradient)
    log_step, log_average, error_sum = math.log(step_size), 0.0, 0.0
    shrinkage_point = math.log(10.0) + log_step
    n_draws = chain.draws.shape[0]
    for i in range(n_draws):
        if stop[0]:
            return i, math.exp(log_step)
        acceptance, n_steps, diverging = _transition(
            target, center, whitening, math.exp(log_step), rng, workspace, theta, gradient
        )
        if adapt:  # dual averaging, Hoffman and Gelman (2014), equation 6, with their constants
            t = i + 1.0
            error_sum += (target_acceptance - acceptance - error_sum) / (t + 10.0)
            log_step = shrinkage_point - math.sqrt(t) / 0.05 * error_sum
            log_average += t**-0.75 * (log_step - log_average)
        _to_theta(center, whitening, current.xi, theta)
        chain.draws[i] = theta
        chain.log_density[i] = current.density[0]
        chain.acceptance[i] = acceptance
        chain.n_steps[i] = n_steps
        chain.diverging[i] = diverging
        progress[0] += 1
    xi[:] = current.xi
    return n_draws, math.exp(log_average if adapt and n_draws > 0 else log_step)


def reasonable_step(
    target: Target, center: np.ndarray, whitening: np.ndarray, xi: np.ndarray, rng: np.random.Generator
) -> float:
    """Find a step size whose single leapfrog step is accepted about half of the time (Hoffman and Gelman, algorithm 4)."""
    momentum = rng.standard_normal(len(xi))
    gradient = np.empty(len(xi))
    density = log_density(center + whitening @ xi, target, gradient)
    half = whitening.T @ gradient / 2.0
    energy = momentum @ momentum / 2.0 - density

    def acceptable(step: float) -> bool:
        moving = momentum + step * half
        trial = log_density(center + whitening @ (xi + step * moving), target, gradient)
        arrived = moving + step * (whitening.T @ gradient / 2.0)
        error = energy - (arrived @ arrived / 2.0 - trial)
        return bool(error > math.log(0.5))

    step = 1.0
    if acceptable(step):
        return step  # whitened: longer steps are never wanted
    while step > 1e-10 and not acceptable(step):
        step /= 2.0
    return step


@part
def _transition(target, center, whitening, step, rng, workspace, theta, gradient):
    """One NUTS transition; the current state is replaced. Returns mean acceptance, gradient evaluations, divergence."""
    states, sums, momenta, checkpoints = workspace
    current, left, right, edge, candidate, proposal = states
    total, subtotal = sums
    near, first = momenta
    for k in range(current.xi.shape[0]):
        current.momentum[k] = rng.standard_normal()
    start_energy = _energy(current)
    _copy(current, left)
    _copy(current, right)
    _copy(current, proposal)
    total[:] = current.momentum
    log_weight = 0.0
    acceptance_sum, n_steps = 0.0, 0
    diverging = False
    for depth in range(MAX_DEPTH):
        forward = rng.random() < 0.5
        _copy(right if forward else left, edge)
        near[:] = edge.momentum
        signed = step if forward else -step
        sub_weight, sub_acceptance, sub_steps, turning, diverging = _subtree(
            target, center, whitening, signed, 2**depth, start_energy, rng, edge, candidate, subtotal, first, checkpoints,
            theta, gradient,
        )  # fmt: skip
        acceptance_sum += sub_acceptance
        n_steps += sub_steps
        if turning or diverging:
            break
        if math.log(rng.random()) < sub_weight - log_weight:
            _copy(candidate, proposal)
        log_weight = np.logaddexp(log_weight, sub_weight)
        far = left.momentum if forward else right.momentum
        if _is_turning_merged(far, near, first, edge.momentum, total, subtotal):
            break
        _copy(edge, right if forward else left)
        total += subtotal
    _copy(proposal, current)
    return acceptance_sum / n_steps, n_steps, diverging


@part
def _subtree(
    target, center, whitening, step, n_leaves, start_energy, rng, edge, candidate, subtotal, first, checkpoints, theta,
    gradient,
):  # fmt: skip
    """Extend the trajectory from `edge` by `n_leaves` steps, watching every balanced subtree for a U-turn.

    A checkpoint is kept where a subtree begins: its first momentum, the last one before it, and the sum of momenta so far,
    its first included. Checkpoint m + 1 is where the right half of the subtree that begins at checkpoint m begins.
    """
    begins, before, sums = checkpoints
    log_weight = -np.inf
    acceptance_sum = 0.0
    subtotal[:] = 0.0
    for leaf in range(n_leaves):
        last = _bits(leaf >> 1)
        if leaf % 2 == 0:
            before[last] = edge.momentum
        _leapfrog(target, center, whitening, step, edge, theta, gradient)
        log_ratio = start_energy - _energy(edge)
        if not log_ratio > -DIVERGENCE:
            return log_weight, acceptance_sum, leaf + 1, False, True
        acceptance_sum += min(1.0, math.exp(log_ratio))
        log_weight = np.logaddexp(log_weight, log_ratio)
        if math.log(rng.random()) < log_ratio - log_weight:
            _copy(edge, candidate)
        subtotal += edge.momentum
        if leaf == 0:
            first[:] = edge.momentum
        if leaf % 2 == 0:
            begins[last] = edge.momentum
            sums[last] = subtotal
            continue
        for m in range(last, last - _trailing_ones(leaf), -1):
            to_here = subtotal - sums[m] + begins[m]
            if m == last:  # two leaves
                turning = _is_turning(begins[m], edge.momentum, to_here)
            else:
                right = subtotal - sums[m + 1] + begins[m + 1]
                turning = _is_turning_merged(begins[m], before[m + 1], begins[m + 1], edge.momentum, to_here - right, right)
            if turning:
                return log_weight, acceptance_sum, leaf + 1, True, False
    return log_weight, acceptance_sum, n_leaves, False, False


@kernel
def _is_turning_merged(first, last_of_left, first_of_right, last, left, right):
    """U-turn of two neighbouring subtrees together, or of either with the next point of the other.

    The latter (as in Stan) sees trajectories of a nearly normal target that have gone round so far that their ends have met
    again. `left` and `right` are sums of momenta.
    """
    return (
        _is_turning(first, last, left + right)
        or _is_turning(first, first_of_right, left + first_of_right)
        or _is_turning(last_of_left, last, right + last_of_left)
    )


@kernel
def _is_turning(first, last, total):
    """Generalised U-turn criterion, end points counted half, which is robust for nearly normal targets."""
    dot_first, dot_last = 0.0, 0.0
    for k in range(total.shape[0]):
        span = total[k] - 0.5 * (first[k] + last[k])
        dot_first += first[k] * span
        dot_last += last[k] * span
    return dot_first <= 0.0 or dot_last <= 0.0


@part
def _leapfrog(target, center, whitening, step, state, theta, gradient):
    for k in range(state.xi.shape[0]):
        state.momentum[k] += 0.5 * step * state.gradient[k]
        state.xi[k] += step * state.momentum[k]
    _evaluate(target, center, whitening, state, theta, gradient)
    for k in range(state.xi.shape[0]):
        state.momentum[k] += 0.5 * step * state.gradient[k]


@part
def _evaluate(target, center, whitening, state, theta, gradient):
    """Density and gradient with respect to xi at state.xi."""
    _to_theta(center, whitening, state.xi, theta)
    state.density[0] = log_density(theta, target, gradient)
    state.gradient[:] = 0.0
    for i in range(theta.shape[0]):
        for k in range(theta.shape[0]):
            state.gradient[k] += whitening[i, k] * gradient[i]


@kernel
def _to_theta(center, whitening, xi, theta):
    for i in range(theta.shape[0]):
        total = center[i]
        for k in range(xi.shape[0]):
            total += whitening[i, k] * xi[k]
        theta[i] = total


@kernel
def _energy(state):
    total = 0.0
    for k in range(state.momentum.shape[0]):
        total += state.momentum[k] * state.momentum[k]
    return 0.5 * total - state.density[0]


@kernel
def _copy(source, destination):
    destination.xi[:] = source.xi
    destination.gradient[:] = source.gradient
    destination.momentum[:] = source.momentum
    destination.density[:] = source.density


@kernel
def _new_state(n):
    return State(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(1))


@kernel
def _workspace(n):
    """Arrays reused by all transitions: states, sums of momenta, single momenta, checkpoints."""
    states = (_new_state(n), _new_state(n), _new_state(n), _new_state(n), _new_state(n), _new_state(n))
    checkpoints = (np.zeros((MAX_DEPTH, n)), np.zeros((MAX_DEPTH, n)), np.zeros((MAX_DEPTH, n)))
    return states, (np.zeros(n), np.zeros(n)), (np.zeros(n), np.zeros(n)), checkpoints


@kernel
def _bits(k):
    count = 0
    while k:
        count += k & 1
        k >>= 1
    return count


@kernel
def _trailing_ones(k):
    count = 0
    while k & 1:
        count += 1
        k >>= 1
    return count

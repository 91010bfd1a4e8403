"""One iteration of the sampler, and many: latent by latent, then all parameters given the latents, then random effects.

The second half is the collapsed Gaussian model of `jmimpute.sampling.target` with the latents as data: B, Omega_e and Omega_u
move together, random effects and missing values integrated out. Parts of an iteration in which something is integrated out
are followed by a draw of it given the rest before anything else looks at it, so that the joint distribution is left as it
is (van Dyk and Park 2008).
"""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel, part
from jmimpute.graph.effects import draw_effects
from jmimpute.sampling.latents.conditional import n_parameters
from jmimpute.sampling.latents.given import look_around
from jmimpute.sampling.latents.moves import LARGEST_ERROR, move_latent, probability
from jmimpute.sampling.latents.rows import CHUNK, refresh_statistics
from jmimpute.sampling.latents.state import settle
from jmimpute.sampling.latents.tuning import JITTER, LEAPS, TARGET_LATENT, adapt_step, learn_metric
from jmimpute.sampling.target import log_density, pack, parameters


class Record(NamedTuple):
    """Draws of one chain; the arrays are filled as the chain runs.

    Attributes
    ----------
    theta : ndarray, shape (n_draws, n)
    cutpoints : ndarray, shape (n_draws, n_cuts)
    log_density : ndarray, shape (n_draws,)
        Of theta given the latents.
    acceptance : ndarray, shape (n_draws, L + 2)
        Of theta, of the parameters of each latent, and the mean of their random effects.
    diverging : ndarray of bool, shape (n_draws,)
    slot : ndarray of int, shape (n_draws,)
        Row of `latents` into which the latents of a draw go, -1 if they are not kept.
    latents : ndarray of float32, shape (n_kept, n_cells)
    cell_row, cell_coordinate : ndarray of int, shape (n_cells,)
        Which latents are kept.
    """

    theta: np.ndarray
    cutpoints: np.ndarray
    log_density: np.ndarray
    acceptance: np.ndarray
    diverging: np.ndarray
    slot: np.ndarray
    latents: np.ndarray
    cell_row: np.ndarray
    cell_coordinate: np.ndarray


@kernel
def run(problem, state, tuning, n_draws, thin, adapt, learning, target_acceptance, rng, record, progress, stop):
    """Iterate until `n_draws` draws are made or `stop[0]` is set.

    Parameters
    ----------
    problem : Problem
    state : State
        Where to start; holds the last state afterwards.
    tuning : Tuning
    n_draws, thin : int
        Draws, and iterations from one to the next.
    adapt : bool
        Tune step sizes; the draws are not recorded.
    learning : bool
        Gather information for the metrics, and use it at the end.
    target_acceptance : float
        For theta.
    rng : numpy.random.Generator
    record : Record
    progress : ndarray of int, shape (1,)
        Counts draws.
    stop : ndarray of bool, shape (1,)

    Returns
    -------
    int
        Draws made.
    """
    n_latents = problem.latents.coordinate.shape[0]
    work = np.empty((6, CHUNK))
    theta = np.empty(tuning.whitening.shape[0])
    acceptance = np.empty(n_latents + 2)
    for draw in range(n_draws):
        if stop[0]:
            return draw
        diverging = False
        for _ in range(thin):
            log_posterior, diverged = _iterate(problem, state, tuning, theta, learning, work, acceptance, rng)
            diverging = diverging or diverged
            if adapt:
                _adapt(tuning, acceptance, target_acceptance)
        if not adapt:
            record.theta[draw] = theta
            record.cutpoints[draw] = state.cutpoints
            record.log_density[draw] = log_posterior
            record.acceptance[draw] = acceptance
            record.diverging[draw] = diverging
            if record.slot[draw] >= 0:
                kept = record.latents[record.slot[draw]]
                for c in range(kept.shape[0]):
                    kept[c] = state.y[record.cell_coordinate[c], record.cell_row[c]]
        progress[0] += 1
    if learning:
        for latent in range(n_latents):
            given = look_around(latent, problem, state)
            learn_metric(tuning, latent, n_parameters(latent, given, problem.latents))
    return n_draws


@part
def _iterate(problem, state, tuning, theta, learning, work, acceptance, rng):
    """One iteration; theta and `acceptance` are overwritten. Returns the log density of theta, and whether one diverged."""
    n_latents = problem.latents.coordinate.shape[0]
    diverging = False
    total_u = 0.0
    for latent in range(n_latents):
        accepted, accepted_u, diverged = move_latent(latent, problem, state, tuning, learning, work, rng)
        acceptance[1 + latent] = accepted
        total_u += accepted_u
        diverging = diverging or diverged
    acceptance[n_latents + 1] = total_u / n_latents
    refresh_statistics(problem.latents, problem.rows, state.y, problem.target.stats)
    pack(state.beta, state.omega_e, state.omega_u, problem.target, theta)
    log_posterior, acceptance[0], diverged = _move_theta(problem.target, tuning, theta, rng)
    state.beta[:], state.omega_e[:], state.omega_u[:] = parameters(theta, problem.target)
    draw_effects_of_all(problem, state, rng)
    settle(problem, state)
    return log_posterior, diverging or diverged


@part
def _move_theta(target, tuning, theta, rng):
    """Hamiltonian trajectory of theta given the latents, which is replaced if it is accepted."""
    n = theta.shape[0]
    step = math.exp(tuning.log_step[0]) * (1.0 + JITTER * (2.0 * rng.random() - 1.0))
    trial, gradient, momentum = theta.copy(), np.empty(n), np.empty(n)
    kinetic = 0.0
    for c in range(n):
        momentum[c] = rng.standard_normal()
        kinetic += 0.5 * momentum[c] * momentum[c]
    start, density = -np.inf, -np.inf
    for leap in range(LEAPS + 1):
        density = log_density(trial, target, gradient)
        if leap == 0:
            start = density
        if density == -np.inf:
            return start, 0.0, True
        half = 0.5 if leap == 0 or leap == LEAPS else 1.0
        for c in range(n):
            for e in range(n):
                momentum[e] += half * step * tuning.whitening[c, e] * gradient[c]
        if leap < LEAPS:
            for c in range(n):
                for e in range(n):
                    trial[c] += step * tuning.whitening[c, e] * momentum[e]
    for c in range(n):
        kinetic -= 0.5 * momentum[c] * momentum[c]
    log_ratio = density - start + kinetic
    if math.log(rng.random()) < log_ratio:
        theta[:] = trial
        start = density
    return start, probability(log_ratio), not log_ratio > -LARGEST_ERROR


@kernel
def draw_effects_of_all(problem, state, rng):
    """Draw the random effects given parameters and latents."""
    d, n_clusters = state.u.shape
    if d == 0:
        return
    noise, drawn = np.empty((n_clusters, d)), np.empty((n_clusters, d))
    for j in range(n_clusters):
        for e in range(d):
            noise[j, e] = rng.standard_normal()
    target = problem.target
    draw_effects(
        state.beta, state.omega_e, state.omega_u, target.effect_response, target.effect_column, target.stats, noise, drawn
    )
    for e in range(d):
        for j in range(n_clusters):
            state.u[e, j] = drawn[j, e]


@part
def _adapt(tuning, acceptance, target_acceptance):
    """Adapt all step sizes to the last iteration."""
    count = tuning.n_adapted[0]
    tuning.log_step[0] = adapt_step(tuning.log_step[0], acceptance[0], target_acceptance, count)
    for latent in range(tuning.log_steps.shape[0]):
        tuning.log_steps[latent] = adapt_step(tuning.log_steps[latent], acceptance[1 + latent], TARGET_LATENT, count)
    tuning.n_adapted[0] += 1

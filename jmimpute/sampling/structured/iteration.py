"""One iteration of the structured sampler, and many.

Latents of rows one after the other with their parameters; then, given latents and Omega_e, everything about clusters with
missing responses integrated out: Omega_u, coefficients, psi; then level-2 responses; then missing responses, which complete the
residuals that Omega_e is drawn from. Whatever is integrated out in a step is drawn before another one looks at it.
"""

from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.sampling.latents.conditional import n_parameters
from jmimpute.sampling.latents.given import look_around
from jmimpute.sampling.latents.moves import move_latent
from jmimpute.sampling.latents.rows import CHUNK
from jmimpute.sampling.latents.state import FREE
from jmimpute.sampling.latents.tuning import TARGET_LATENT, adapt_step, learn_metric
from jmimpute.sampling.structured.absent import redraw_absent
from jmimpute.sampling.structured.coefficients import draw_coefficients
from jmimpute.sampling.structured.covariances import move_covariances
from jmimpute.sampling.structured.effects import draw_psi, move_omega_u, summarise
from jmimpute.sampling.structured.level2 import move_level2
from jmimpute.sampling.structured.priors import HIERARCHY
from jmimpute.sampling.structured.regressions import move_regressions
from jmimpute.sampling.structured.rows import cross_products, draw_missing, refresh_precisions, refresh_residuals
from jmimpute.sampling.structured.tuning import learn_metric_u


class Record(NamedTuple):
    """Draws of one chain on the standardised scale; the arrays are filled as the chain runs.

    Attributes
    ----------
    beta, omega, omega_u, beta2, cutpoints, cutpoints2, a, scale, log_sd : ndarray, shape (n_draws, ...)
        See `State`.
    acceptance : ndarray, shape (n_draws, n_blocks + L + 1)
        Of blocks of Omega_u, of the parameters of each latent, and the mean of their random effects.
    diverging : ndarray of bool, shape (n_draws,)
    slot : ndarray of int, shape (n_draws,)
        Row of `latents` into which the latents of a draw go, -1 if they are not kept.
    latents : ndarray of float32, shape (n_kept, n_cells + n_cells2)
        Of rows, then of clusters.
    cell_row, cell_coordinate, cell_cluster, cell_coordinate2 : ndarray of int
        Which they are.
    """

    beta: np.ndarray
    omega: np.ndarray
    omega_u: np.ndarray
    beta2: np.ndarray
    cutpoints: np.ndarray
    cutpoints2: np.ndarray
    a: np.ndarray
    scale: np.ndarray
    log_sd: np.ndarray
    acceptance: np.ndarray
    diverging: np.ndarray
    slot: np.ndarray
    latents: np.ndarray
    cell_row: np.ndarray
    cell_coordinate: np.ndarray
    cell_cluster: np.ndarray
    cell_coordinate2: np.ndarray


@kernel
def run(model, state, tuning, n_draws, thin, adapt, learning, target_acceptance, rng, record, progress, stop):
    """Iterate until `n_draws` draws are made or `stop[0]` is set.

    Parameters
    ----------
    model : Model
    state : State
        Where to start; holds the last state afterwards.
    tuning : Tuning
    n_draws, thin : int
        Draws, and iterations from one to the next.
    adapt : bool
        Tune steps; the draws are not recorded.
    learning : bool
        Gather what metrics are made of, and make them at the end.
    target_acceptance : float
        Of Omega_u.
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
    n_latents, n_blocks = model.problem.latents.coordinate.shape[0], tuning.log_step_u.shape[0]
    work = np.empty((6, CHUNK))
    acceptance = np.ones(n_blocks + n_latents + 1)
    for draw in range(n_draws):
        if stop[0]:
            return draw
        diverging = False
        for _ in range(thin):
            gain = (tuning.latents.n_adapted[0] + 1.0) ** -0.6 if adapt else 0.0
            diverged = _iterate(model, state, tuning, learning, gain, work, acceptance, rng)
            diverging = diverging or diverged
            if adapt:
                _adapt(tuning, acceptance, target_acceptance)
        if not adapt:
            _keep(draw, state, acceptance, diverging, record)
        progress[0] += 1
    if learning:
        learn_metric_u(tuning, model.prior_u.first_coordinate)
        for latent in range(n_latents):
            given = look_around(latent, model.problem, state.rows)
            learn_metric(tuning.latents, latent, n_parameters(latent, given, model.problem.latents))
    return n_draws


@kernel
def _iterate(model, state, tuning, learning, gain, work, acceptance, rng):
    """One iteration; `acceptance` is overwritten. Returns whether a trajectory diverged."""
    n_latents, n_blocks = model.problem.latents.coordinate.shape[0], tuning.log_step_u.shape[0]
    diverging, total_u = False, 0.0
    for latent in range(n_latents):
        accepted, accepted_u, diverged = move_latent(
            latent, model.problem, state.rows, tuning.latents, learning, work, rng
        )  # fmt: skip
        acceptance[n_blocks + latent] = accepted
        total_u += accepted_u
        diverging = diverging or diverged
    acceptance[-1] = total_u / n_latents if n_latents > 0 else 1.0
    if np.any(model.problem.moves_e == FREE):
        state.omega[0] = state.rows.omega_e
    summary = summarise(model, state)
    diverged = move_omega_u(model, state, tuning, summary, learning, acceptance, rng)
    diverging = diverging or diverged
    draw_coefficients(model, state, summary, rng)
    draw_psi(model, state, summary, rng)
    move_level2(model, state, gain, rng)
    refresh_residuals(model, state)
    draw_missing(model, state, rng)
    redraw_absent(model, state, rng)
    prior = model.prior_e
    if prior.kind == HIERARCHY and prior.latent.shape[0] > 0 and prior.continuous.shape[0] > 0:
        move_regressions(model, state, rng)
    cross = cross_products(model, state)
    move_covariances(model, state, cross, gain, rng)
    refresh_precisions(model, state)
    return diverging


@kernel
def _adapt(tuning, acceptance, target_acceptance):
    """Adapt all step sizes to the last iteration."""
    count, n_blocks = tuning.latents.n_adapted[0], tuning.log_step_u.shape[0]
    for block in range(n_blocks):
        tuning.log_step_u[block] = adapt_step(tuning.log_step_u[block], acceptance[block], target_acceptance, count)
    steps = tuning.latents.log_steps
    for latent in range(steps.shape[0]):
        steps[latent] = adapt_step(steps[latent], acceptance[n_blocks + latent], TARGET_LATENT, count)
    tuning.latents.n_adapted[0] += 1


@kernel
def _keep(draw, state, acceptance, diverging, record):
    """Record a draw."""
    record.beta[draw] = state.rows.beta
    record.omega[draw] = state.omega
    record.omega_u[draw] = state.rows.omega_u
    record.beta2[draw] = state.beta2
    record.cutpoints[draw] = state.rows.cutpoints
    record.cutpoints2[draw] = state.cutpoints2
    record.a[draw] = state.a[0]
    record.scale[draw] = state.scale
    record.log_sd[draw] = state.log_sd
    record.acceptance[draw] = acceptance
    record.diverging[draw] = diverging
    if record.slot[draw] >= 0:
        kept = record.latents[record.slot[draw]]
        n = record.cell_row.shape[0]
        for c in range(n):
            kept[c] = state.rows.y[record.cell_coordinate[c], record.cell_row[c]]
        for c in range(record.cell_cluster.shape[0]):
            kept[n + c] = state.w[record.cell_cluster[c], record.cell_coordinate2[c]]

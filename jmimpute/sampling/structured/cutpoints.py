"""Cut points of level-2 ordinal responses, the latent integrated out: between latents they could hardly move."""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.sampling.gibbs import between_cuts
from jmimpute.sampling.latents.tails import interval
from jmimpute.sampling.truncated import truncated_normal

WALKS = 2  # over all distances, in an iteration
ACCEPTANCE = 0.4


@kernel
def move_cutpoints(model, state, lambda_, gain, rng):
    """Random walks of the logarithms of distances between cut points, given all other coordinates of psi; then the latent.

    The latent follows at once, so that nothing sees an old one beside new cut points.

    Parameters
    ----------
    model : Model
    state : State
    lambda_ : ndarray, shape (d, d)
        Inverse of Omega_u.
    gain : float
        By which steps are tuned; 0 not to.
    rng : numpy.random.Generator
    """
    level2 = model.level2
    for v in range(level2.first.shape[0]):
        if level2.n_cuts[v] > 0:
            mean, scale = _conditional(level2.first[v], lambda_, state)
            _walk(v, mean, scale, model, state, gain, rng)
            _redraw(v, mean, scale, level2, state, rng)


@kernel
def _conditional(a, lambda_, state):
    """Mean of coordinate a of every cluster given the others, and its standard deviation."""
    n_effects = state.rows.u.shape[0] - state.w.shape[1]
    mean = np.empty(state.w.shape[0])
    for j in range(mean.shape[0]):
        shift = 0.0
        for k in range(lambda_.shape[0]):
            if k != a:
                shift -= lambda_[a, k] * state.rows.u[k, j]
        mean[j] = state.w[j, a - n_effects] - state.rows.u[a, j] + shift / lambda_[a, a]
    return mean, 1.0 / math.sqrt(lambda_[a, a])


@kernel
def _walk(v, mean, scale, model, state, gain, rng):
    """Distances one after the other; a longer one moves all later cut points."""
    first, n = model.level2.first_cut[v], model.level2.n_cuts[v]
    slot, cuts, trial = model.level2.slot[v], state.cutpoints2[first : first + n], np.empty(n)
    density = _log_density(cuts, mean, scale, slot, model.cut_sd)
    for _ in range(WALKS):
        for m in range(n):
            distance = cuts[m] - (cuts[m - 1] if m > 0 else 0.0)
            longer = distance * math.exp(math.exp(state.log_step_cuts2[first + m]) * rng.standard_normal())
            for i in range(n):
                trial[i] = cuts[i] + (longer - distance if i >= m else 0.0)
            there = _log_density(trial, mean, scale, slot, model.cut_sd)
            accepted = math.log(rng.random()) < there - density
            if accepted:
                cuts[:] = trial
                density = there
            state.log_step_cuts2[first + m] += gain * ((1.0 if accepted else 0.0) - ACCEPTANCE)


@kernel
def _redraw(v, mean, scale, level2, state, rng):
    """Latents of observed categories."""
    a, cut = level2.first[v], level2.first_cut[v]
    column = a - (state.rows.u.shape[0] - state.w.shape[1])
    for j in range(mean.shape[0]):
        if level2.slot[v, j] >= 0:
            below, above = between_cuts(level2.slot[v, j], state.cutpoints2, cut, cut + level2.n_cuts[v])
            drawn = mean[j] + scale * truncated_normal((below - mean[j]) / scale, (above - mean[j]) / scale, rng)
            drawn = min(max(drawn, below), above)  # against rounding
            state.rows.u[a, j] += drawn - state.w[j, column]
            state.w[j, column] = drawn


@kernel
def _log_density(cuts, mean, scale, slot, cut_sd):
    """Log density of the logarithms of distances."""
    value, before = 0.0, 0.0
    for cut in cuts:
        distance = cut - before
        if not distance > 0.0:
            return -np.inf
        value += math.log(distance) - 0.5 * (distance / cut_sd) ** 2
        before = cut
    for j in range(slot.shape[0]):
        if slot[j] >= 0:
            below, above = between_cuts(slot[j], cuts, 0, cuts.shape[0])
            factor, exponent, _, _ = interval((below - mean[j]) / scale, (above - mean[j]) / scale)
            value += math.log(factor) + exponent
    return value if math.isfinite(value) else -np.inf

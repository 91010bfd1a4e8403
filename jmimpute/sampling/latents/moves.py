"""The moves of one latent response: its parameters and its random effects with the latent integrated out, then the latent."""

import math

import numpy as np

from jmimpute.compilation import kernel, part
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle
from jmimpute.sampling.latents.conditional import (
    add_fixed,
    add_regression,
    effects_of,
    log_density_latent,
    n_parameters,
    pack_latent,
    regressions,
    score_rows,
    spread,
    unpack_latent,
)
from jmimpute.sampling.latents.given import bordered, look_around
from jmimpute.sampling.latents.tuning import JITTER, LEAPS, add_information
from jmimpute.sampling.truncated import normal_below, truncated_normal

LARGEST_ERROR = 1000.0  # of the energy, beyond which a trajectory counts as divergent


@kernel
def move_latent(latent, problem, state, tuning, learning, work, rng):
    """Update the parameters, random effects and values of one latent response.

    Parameters
    ----------
    latent : int
    problem : Problem
    state : State
        Changed.
    tuning : Tuning
        Its sums of information are added to if `learning`.
    learning : bool
    work : ndarray, shape (6, CHUNK)
    rng : numpy.random.Generator

    Returns
    -------
    acceptance : float
        Acceptance probability of the parameters.
    acceptance_u : float
        Mean acceptance probability of the clusters' effects.
    diverging : bool
    """
    given = look_around(latent, problem, state)
    n = n_parameters(latent, given, problem.latents)
    phi = np.empty(n)
    pack_latent(latent, given, problem, state, phi)
    u = np.empty(given.v.shape)
    if learning:
        turn = tuning.n_summed[latent]
        add_information(latent, phi, given, problem, state, work, u, turn, tuning.information[latent, :n, :n])
        tuning.n_summed[latent] += 1
    step = math.exp(tuning.log_steps[latent]) * (1.0 + JITTER * (2.0 * rng.random() - 1.0))
    acceptance, diverging = _trajectory(
        latent, phi, tuning.whitenings[latent], step, given, problem, state, work, u, rng
    )  # fmt: skip
    beta, omega, slopes, root, cuts = unpack_latent(latent, phi, given, problem.latents)
    effects_of(slopes, root, given, u)
    acceptance_u = 1.0
    if u.shape[0] > 0:
        acceptance_u = _move_effects(latent, beta, omega, slopes, root, cuts, given, problem, state, work, u, rng)
    _store(latent, beta, omega, slopes, root, cuts, u, given, problem, state)
    _redraw(latent, beta, omega, cuts, u, given, problem, state, work, rng)
    return acceptance, acceptance_u, diverging


@part
def _trajectory(latent, phi, whitening, step, given, problem, state, work, u, rng):
    """Hamiltonian trajectory of phi, which is replaced if it is accepted. Returns the acceptance probability, divergence."""
    n = phi.shape[0]
    trial, gradient = phi.copy(), np.empty(n)
    momentum = np.empty(n)
    kinetic = 0.0
    for c in range(n):
        momentum[c] = rng.standard_normal()
        kinetic += 0.5 * momentum[c] * momentum[c]
    start = -np.inf
    for leap in range(LEAPS + 1):
        density = log_density_latent(latent, trial, given, problem, state, work, u, gradient)
        if leap == 0:
            start = density
        if density == -np.inf:
            return 0.0, False  # out of the region where Omega_e is positive definite
        half = 0.5 if leap == 0 or leap == LEAPS else 1.0
        for c in range(n):
            for e in range(n):
                momentum[e] += half * step * whitening[c, e] * gradient[c]
        if leap < LEAPS:
            for c in range(n):
                for e in range(n):
                    trial[c] += step * whitening[c, e] * momentum[e]
    for c in range(n):
        kinetic -= 0.5 * momentum[c] * momentum[c]
    log_ratio = density - start + kinetic
    if math.log(rng.random()) < log_ratio:
        phi[:] = trial
    return probability(log_ratio), not log_ratio > -LARGEST_ERROR


@kernel
def probability(log_ratio):
    """Acceptance probability; 0 if there is no ratio, as after a trajectory that has left the floating-point numbers."""
    return math.exp(min(log_ratio, 0.0)) if not math.isnan(log_ratio) else 0.0


@part
def _move_effects(latent, beta, omega, slopes, root, cuts, given, problem, state, work, u, rng):
    """Propose the latent's effects of every cluster from a Newton step (Metropolised IWLS; Gamerman 1997).

    Cluster by cluster, with g and H the slope and the information of the rows' log probabilities at u, P the prior precision
    and a the prior mean: u' ~ N(u + V (g - P (u - a)), V), V = (P + H)^-1. Returns the mean acceptance probability.
    """
    n_own, n_clusters = u.shape
    inverse = inverse_triangle(root)
    precision = np.zeros((n_own, n_own))
    add_matmul(1.0, inverse.T, inverse, precision)
    center = np.zeros(u.shape)
    for e in range(n_own):
        for r in range(given.rest.shape[0]):
            for j in range(n_clusters):
                center[e, j] += slopes[r, e] * given.w_rest[r, j]
    here = _score_clusters(latent, beta, omega, cuts, u, given, problem, state, work)
    proposed, log_forward = np.empty(u.shape), np.empty(n_clusters)
    for j in range(n_clusters):
        log_forward[j] = _propose(u, center, precision, here, j, proposed, rng, True)
    there = _score_clusters(latent, beta, omega, cuts, proposed, given, problem, state, work)
    total = 0.0
    for j in range(n_clusters):
        log_ratio = there[0][j] - here[0][j] + _log_prior(proposed, center, precision, j) - _log_prior(u, center, precision, j)
        log_ratio += _propose(proposed, center, precision, there, j, u, rng, False) - log_forward[j]
        total += probability(log_ratio)
        if math.log(rng.random()) < log_ratio:
            u[:, j] = proposed[:, j]
    return total / n_clusters


@kernel
def _score_clusters(latent, beta, omega, cuts, u, given, problem, state, work):
    """Log probability (J,), its slope (d_k, J) and its information (d_k, d_k, J) with respect to the effects of clusters."""
    n_own, n_clusters = u.shape
    value, slope, info = np.zeros(n_clusters), np.zeros(u.shape), np.zeros((n_own, n_own, n_clusters))
    product = np.ones(n_clusters)
    d_cuts = np.zeros(cuts.shape[0])
    w, s = regressions(problem.latents.coordinate[latent], omega, given, problem)
    latents = problem.latents
    for span in range(latents.span_start[latent], latents.span_start[latent + 1]):
        first, end = latents.spans[span]
        score_rows(latent, first, end, beta, u, cuts, w, s, given, problem, state, work, d_cuts)
        d_mean, weight = work[0, : end - first], work[1, : end - first]
        scale, exponent = work[2, : end - first], work[3, : end - first]
        cluster = problem.rows.cluster[first:end]
        for i in range(d_mean.shape[0]):
            j = cluster[i]
            value[j] += exponent[i]
            product[j] *= scale[i]
            if product[j] < 1e-100:  # logarithms are dear: one for many rows
                value[j] += math.log(product[j])
                product[j] = 1.0
        for e in range(n_own):
            z = problem.rows.z[problem.target.effect_column[given.own[e]], first:end]
            for i in range(d_mean.shape[0]):
                slope[e, cluster[i]] += z[i] * d_mean[i]
            for f in range(e + 1):
                z_f = problem.rows.z[problem.target.effect_column[given.own[f]], first:end]
                for i in range(d_mean.shape[0]):
                    info[e, f, cluster[i]] += z[i] * z_f[i] * weight[i]
    for j in range(n_clusters):
        value[j] += math.log(product[j])
    return value, slope, info


@kernel
def _propose(origin, center, precision, scored, j, destination, rng, draw):
    """Draw the destination of one cluster, or take it as given; return the log density of the proposal."""
    _, slope, info = scored
    n = origin.shape[0]
    chol = np.empty((n, n))
    for e in range(n):
        for f in range(e + 1):
            chol[e, f] = precision[e, f] + info[e, f, j]
    log_det = cholesky_in_place(chol)
    inverse = inverse_triangle(chol)
    push = np.zeros(n)  # C^-1 (g - P (u - a)), so that the mean of C'(u' - u) is this
    for e in range(n):
        total = slope[e, j]
        for f in range(n):
            total -= precision[e, f] * (origin[f, j] - center[f, j])
        for f in range(e, n):
            push[f] += inverse[f, e] * total
    if draw:
        for f in range(n):
            destination[f, j] = origin[f, j]
        for e in range(n):
            noise = push[e] + rng.standard_normal()
            for f in range(e + 1):
                destination[f, j] += inverse[e, f] * noise
    form = 0.0
    for e in range(n):
        whitened = -push[e]
        for f in range(e, n):
            whitened += chol[f, e] * (destination[f, j] - origin[f, j])
        form += whitened * whitened
    return 0.5 * log_det - 0.5 * form


@kernel
def _log_prior(u, center, precision, j):
    form = 0.0
    for e in range(u.shape[0]):
        for f in range(u.shape[0]):
            form += (u[e, j] - center[e, j]) * precision[e, f] * (u[f, j] - center[f, j])
    return -0.5 * form


@part
def _store(latent, beta, omega, slopes, root, cuts, u, given, problem, state):
    """Put the parameters of the latent back where they belong."""
    k = problem.latents.coordinate[latent]
    for c in range(beta.shape[0]):
        state.beta[given.columns[c], k] = beta[c]
    for a in range(omega.shape[0]):
        if given.moves_e and a != k:
            state.omega_e[k, a] = omega[a]
            state.omega_e[a, k] = omega[a]
    for g in range(state.precision.shape[0] if given.moves_e else 0):
        if g == state.precision.shape[0] - 1 or problem.target.stats.observed[g, k]:
            bordered(given.inverse[g], omega, k, state.precision[g])
    for e in range(u.shape[0]):
        state.u[given.own[e]] = u[e]
    if given.moves_u:
        _store_effects(slopes, root, given, state)
    start = problem.latents.cut_start[latent]
    for c in range(cuts.shape[0] - 3):
        state.cutpoints[start + c] = cuts[c + 2]


@part
def _store_effects(slopes, root, given, state):
    """Put Lambda and T back into Omega_u."""
    n_own, n_rest = root.shape[0], slopes.shape[0]
    cross, within = np.zeros((n_rest, n_own)), np.zeros((n_own, n_own))
    add_matmul(1.0, given.root_rest, slopes, cross)
    add_matmul(1.0, slopes.T, slopes, within)
    add_matmul(1.0, root, root.T, within)
    for e in range(n_own):
        for r in range(n_rest):
            state.omega_u[given.rest[r], given.own[e]] = cross[r, e]
            state.omega_u[given.own[e], given.rest[r]] = cross[r, e]
        for f in range(n_own):
            state.omega_u[given.own[e], given.own[f]] = within[e, f]


@part
def _redraw(latent, beta, omega, cuts, u, given, problem, state, work, rng):
    """Draw the latent of every row whose category is observed, given the rest."""
    latents, rows = problem.latents, problem.rows
    k = latents.coordinate[latent]
    w, s = regressions(k, omega, given, problem)
    for span in range(latents.span_start[latent], latents.span_start[latent + 1]):
        first, end = latents.spans[span]
        fixed, mean, inverse = work[0, : end - first], work[1, : end - first], work[2, : end - first]
        fixed[:] = 0.0
        add_fixed(first, beta, u, given, problem, fixed)
        mean[:] = fixed
        if given.moves_e:
            add_regression(first, w, problem, state, mean)
            spread(first, s, problem, inverse)
        else:
            mean += given.offset[first:end]
            inverse[:] = given.inverse_s[first:end]
        drawn = state.y[k, first:end]
        if latents.ordinal[latent]:
            rank = rows.slot[latents.variable[latent], first:end]
            for i in range(drawn.shape[0]):
                low, high = (cuts[rank[i]] - mean[i]) * inverse[i], (cuts[rank[i] + 1] - mean[i]) * inverse[i]
                drawn[i] = mean[i] + truncated_normal(low, high, rng) / inverse[i]
        else:
            bound, sign = given.bound[first:end], given.sign[first:end]
            for i in range(drawn.shape[0]):
                drawn[i] = mean[i] + sign[i] * normal_below(sign[i] * (bound[i] - mean[i]) * inverse[i], rng) / inverse[i]
        residual = state.residual[k, first:end]
        for i in range(drawn.shape[0]):
            residual[i] = drawn[i] - fixed[i]

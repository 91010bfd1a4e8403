"""Priors of Omega_e and Omega_u as functions of the covariances of one latent, everything else in them fixed."""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, inverse_triangle


@kernel
def conditional_slopes(inverse, omega, w):
    """Write w = A omega; return s^2 = 1 - omega'w."""
    s_squared = 1.0
    for a in range(omega.shape[0]):
        w[a] = 0.0
        for b in range(omega.shape[0]):
            w[a] += inverse[a, b] * omega[b]
        s_squared -= omega[a] * w[a]
    return s_squared


@kernel
def level_1_prior(k, omega, given, problem, d_omega):
    """Log prior of Omega_e as a function of one row, with s^2 = 1 - omega'A omega, w = A omega and A over all others.

    |Omega_e| is proportional to s^2, also that without indicators, and tr(S Omega_e^-1) to (S_kk - 2 S_k'w + w'S w) / s^2,
    up to constants.
    """
    prior = problem.target.prior_e
    inverse = given.inverse[-1]
    p, n_responses = omega.shape[0], prior.scale.shape[0]
    w = np.empty(p)
    s_squared = conditional_slopes(inverse, omega, w)
    if not s_squared > 0.0:
        return -np.inf
    power = prior.shape - 1.0 if prior.lkj else -0.5 * (prior.shape + n_responses + 1.0)
    for a in range(p):
        d_omega[a] -= 2.0 * power * w[a] / s_squared
    if prior.lkj or prior.shape == -(n_responses + 1.0):  # LKJ, flat
        return power * math.log(s_squared)
    form = problem.scale_e[k, k]
    pull = np.empty(p)
    for a in range(p):
        pull[a] = -problem.scale_e[a, k]
        for b in range(p):
            pull[a] += problem.scale_e[a, b] * w[b]
        form += w[a] * (pull[a] - problem.scale_e[a, k])
    for a in range(p):
        total = form / s_squared * w[a]
        for b in range(p):
            total += inverse[a, b] * pull[b]
        d_omega[a] -= total / s_squared
    return power * math.log(s_squared) - 0.5 * form / s_squared


@kernel
def level_2_prior(slopes, root, given, prior, d_slopes, d_root):
    """Log prior of Omega_u as a function of Lambda and T (logarithms on its diagonal), the rest of it fixed.

    |Omega_u| is proportional to |T|^2, and d Omega_kk = prod_i T_ii^{d_k - i} dT. With P and C the two parts of the whitened
    scale and Q = S_kk - Lambda'C - C'Lambda + Lambda'P Lambda the trace of an inverse-Wishart prior is tr(Q (TT')^-1). With LKJ
    the variances count too: p(Omega) is |Corr|^{eta - 1} prod_i sd_i^{-d} times half-normal densities of sd_i.
    """
    n_own, n_rest = root.shape[0], slopes.shape[0]
    dim = n_own + n_rest
    power = 2.0 * (prior.shape - 1.0) if prior.lkj else -(prior.shape + dim + 1.0)
    value = 0.0
    for e in range(n_own):
        value += (power + n_own - e + 1.0) * math.log(root[e, e])
        d_root[e, e] += (power + n_own - e + 1.0) / root[e, e]
    if prior.lkj:
        return value + _variances_prior(slopes, root, given, prior, d_slopes, d_root)
    inverse = inverse_triangle(root)
    precision = np.zeros((n_own, n_own))
    add_matmul(1.0, inverse.T, inverse, precision)
    pull = np.zeros((n_rest, n_own))  # P Lambda - C
    form = np.zeros((n_own, n_own))
    for e in range(n_own):
        for r in range(n_rest):
            pull[r, e] = -given.scale_cross[r, e]
            for s in range(n_rest):
                pull[r, e] += given.scale_rest[r, s] * slopes[s, e]
    for e in range(n_own):
        for f in range(n_own):
            form[e, f] = prior.scale[given.own[e], given.own[f]]
            for r in range(n_rest):
                form[e, f] += slopes[r, e] * pull[r, f] - given.scale_cross[r, e] * slopes[r, f]
    add_matmul(-1.0, pull, precision, d_slopes)
    half, full = np.zeros((n_own, n_own)), np.zeros((n_own, n_own))
    add_matmul(1.0, precision, form, half)
    add_matmul(1.0, half, inverse.T, full)
    for e in range(n_own):
        value -= 0.5 * half[e, e]
        for f in range(e + 1):
            d_root[e, f] += full[e, f]
    return value


@kernel
def _variances_prior(slopes, root, given, prior, d_slopes, d_root):
    """What an LKJ prior says of the variances of the latent's random effects."""
    n_own, n_rest = root.shape[0], slopes.shape[0]
    value = 0.0
    for e in range(n_own):
        variance = 0.0
        for f in range(e + 1):
            variance += root[e, f] * root[e, f]
        for r in range(n_rest):
            variance += slopes[r, e] * slopes[r, e]
        squared = prior.scale[given.own[e], given.own[e]] ** 2
        power = prior.shape - 1.0 + 0.5 * (n_own + n_rest)
        value -= power * math.log(variance) + 0.5 * variance / squared
        slope = -2.0 * (power / variance + 0.5 / squared)
        for f in range(e + 1):
            d_root[e, f] += slope * root[e, f]
        for r in range(n_rest):
            d_slopes[r, e] += slope * slopes[r, e]
    return value

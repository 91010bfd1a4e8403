"""Responses without a single value in a cluster: what only the prior says of them is drawn with their residuals.

Given residuals of all rows, drawn one after the other, Omega_e,j would hardly move there. But given its block of the other
responses o, what it says of the absent ones m,

    Gamma = Omega_mo Omega_oo^-1,   Psi = Omega_mm - Gamma Omega_om,

enters the likelihood through the residuals e_m alone. So (Gamma, Psi, e_m) are drawn at once: Gamma and Psi from their prior
given Omega_oo, then e_m = Gamma e_o + N(0, Psi). The priors are, with T ~ IW(df, S) in the first case,

    Psi ~ IW(df, S_mm - S_mo S_oo^-1 S_om),   Gamma | Psi ~ MatrixNormal(S_mo S_oo^-1, Psi, S_oo^-1);
    LKJ: rows of the Cholesky factor of the correlation matrix, each of a direction and a beta distributed length;
    log standard deviations: these alone, as correlations are common to all clusters.

With a hierarchical prior responses may be latent normals: it is T_j of `jmimpute.sampling.structured.hierarchy` that is
inverse-Wishart, and the scales of absent latents, which no category holds, are those that give Omega_e,j its known elements.
With other priors latents are left out.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place, inverse_triangle
from jmimpute.sampling.gibbs_covariances import block, factor, inverse_wishart, inverted, noise
from jmimpute.sampling.structured.hierarchy import sandwich
from jmimpute.sampling.structured.priors import HIERARCHY, LOG_SD, SEPARATE
from jmimpute.sampling.structured.regressions import block_unscaling, product
from jmimpute.sampling.structured.rows import fill


@kernel
def redraw_absent(model, state, rng):
    """Draw what Omega_e,j says of absent responses, and their residuals; those of the others must be complete."""
    prior, cells = model.prior_e, model.cells
    for k in range(cells.absent.shape[0]):
        absent, present = np.flatnonzero(cells.absent[k]), np.flatnonzero(~cells.absent[k])
        if absent.shape[0] == 0:
            continue
        if prior.kind == LOG_SD:
            _draw_sds(state.omega[k], absent, state.log_sd, rng)
        elif prior.kind == SEPARATE:
            draw_rows_lkj(state.omega[k], present, absent, prior.eta, prior.sd, rng)
        elif prior.kind == HIERARCHY:
            draw_rows_scaled(state.omega[k], state.unscaling[k], present, absent, state.a[0], state.scale, prior, rng)
        else:
            df = prior.power - cells.absent.shape[1] - 1.0
            draw_rows_wishart(state.omega[k], present, absent, df, prior.scale, rng)
        precision = inverted(state.omega[k])
        starts = model.problem.rows.starts
        for g in range(cells.omega.shape[0]):
            if cells.omega[g] == k:
                fill(~cells.absent[k], precision, state.rows.residual[:, starts[g] : starts[g + 1]], rng)


@kernel
def _draw_sds(omega, absent, log_sd, rng):
    for a in absent:
        factor = math.exp(log_sd[0, a] + log_sd[1, a] * rng.standard_normal()) / math.sqrt(omega[a, a])
        omega[a, :] *= factor
        omega[:, a] *= factor


@kernel
def draw_rows_wishart(omega, present, absent, df, scale, rng):
    """Replace rows of an IW(df, scale) matrix by a draw given the others, in place.

    Parameters
    ----------
    omega : ndarray, shape (p, p)
    present, absent : ndarray of int
        Coordinates that stay, and those that are drawn.
    df : float
    scale : ndarray, shape (p, p)
    rng : numpy.random.Generator
    """
    inverse = inverted(block(scale, present, present))
    between = block(scale, absent, present)
    gamma = product(between, inverse)
    rest = block(scale, absent, absent)
    add_matmul(-1.0, gamma, between.T, rest)
    psi = inverse_wishart(df, rest, rng)
    left, right = psi.copy(), inverse
    factor(left)
    factor(right)
    gamma += product(product(left, noise(absent.shape[0], present.shape[0], rng)), right.T)
    between = product(gamma, block(omega, present, present))
    add_matmul(1.0, between, gamma.T, psi)
    for i in range(absent.shape[0]):
        for k in range(present.shape[0]):
            omega[absent[i], present[k]] = omega[present[k], absent[i]] = between[i, k]
        for k in range(i + 1):
            omega[absent[i], absent[k]] = omega[absent[k], absent[i]] = psi[i, k]


@kernel
def draw_rows_scaled(omega, unscaling, present, absent, df, scale, prior, rng):
    """Replace rows of K T K' with T ~ IW(df, scale), and the scales K of their latents, by a draw given the others, in place.

    Parameters
    ----------
    omega, unscaling : ndarray, shape (p, p)
    present, absent : ndarray of int
        Coordinates that stay, and those that are drawn; the latents of a response are all in one of them.
    df : float
    scale : ndarray, shape (p, p)
    prior : Prior1
        Which coordinates are latents of one response.
    rng : numpy.random.Generator
    """
    drawn = sandwich(inverse_triangle(unscaling), omega)
    draw_rows_wishart(drawn, present, absent, df, scale, rng)
    for b in range(prior.first.shape[0]):
        first, end = prior.first[b], prior.first[b] + prior.width[b]
        if np.any(absent == first):
            unscaling[first:end, first:end] = block_unscaling(drawn[first:end, first:end])
    drawn = sandwich(unscaling, drawn)
    for i in absent:
        omega[i, :] = omega[:, i] = drawn[i]
    for b in range(prior.first.shape[0]):  # known elements to the last bit
        for i in range(prior.first[b], prior.first[b] + prior.width[b]):
            for k in range(prior.first[b], prior.first[b] + prior.width[b]):
                omega[i, k] = 1.0 if i == k else 0.5


@kernel
def draw_rows_lkj(omega, present, absent, eta, sd, rng):
    """Replace rows of a matrix of LKJ correlations and half-normal standard deviations by a draw given the others, in place.

    Row i of the Cholesky factor of p correlations is (w, sqrt(1 - w'w)), where w has a uniform direction and
    w'w ~ Beta(i / 2, eta + (p - 1 - i) / 2) (Lewandowski, Kurowicka and Joe 2009).

    Parameters
    ----------
    omega : ndarray, shape (p, p)
    present, absent : ndarray of int
        Coordinates that stay, and those that are drawn.
    eta, sd : float
    rng : numpy.random.Generator
    """
    p, n = omega.shape[0], present.shape[0]
    order = np.concatenate((present, absent))
    root = np.zeros((p, p))
    top = block(omega, present, present)
    cholesky_in_place(top)
    for i in range(n):
        for k in range(i + 1):
            root[i, k] = top[i, k]
    for i in range(n, p):
        own = sd * abs(rng.standard_normal())
        square = 0.0
        for k in range(i):
            root[i, k] = rng.standard_normal()
            square += root[i, k] ** 2
        length = rng.beta(0.5 * i, eta + 0.5 * (p - 1 - i)) if i > 0 else 0.0
        for k in range(i):
            root[i, k] *= own * math.sqrt(length / square)
        root[i, i] = own * math.sqrt(1.0 - length)
    drawn = product(root, root.T)
    for i in range(n, p):
        for k in range(i + 1):
            omega[order[i], order[k]] = omega[order[k], order[i]] = drawn[i, k]

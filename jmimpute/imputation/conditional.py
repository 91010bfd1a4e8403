"""Exact draws of random effects and missing cells given the parameters: the posterior predictive of the missing cells.

Given B, Omega_e and Omega_u, the effects of a cluster are normal, u_j ~ N(Q_j b_j, Q_j) (notation of
`jmimpute.graph.likelihood`), and so are the missing responses of a row given the observed ones,

    y_m ~ N(mu_m + Gamma (y_o - mu_o), Omega_mm - Gamma Omega_om),   mu = B'x + U'z,   Gamma = Omega_mo Omega_oo^-1,

with Gamma and the Cholesky factor of the covariance computed once a pattern.
"""

import math

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.errors import ImputationError
from jmimpute.graph import effects as effects_kernel
from jmimpute.graph.likelihood import observed_precision
from jmimpute.graph.small_matrices import add_matmul, cholesky_in_place
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics


def draw_effects(
    beta: np.ndarray,
    omega_e: np.ndarray,
    omega_u: np.ndarray,
    specification: Specification,
    stats: Statistics,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the random effects of all clusters.

    Parameters
    ----------
    beta, omega_e, omega_u : ndarray, shapes (q, p), (p, p), (d, d)
        One draw of the parameters, on the standardised scale.
    specification : Specification
    stats : Statistics
        Of its arrays.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (J, d)
        On the standardised scale.
    """
    layout = specification.layout
    effects = np.zeros((specification.n_clusters, layout.n_effects))
    if layout.n_effects:
        noise = rng.standard_normal(effects.shape)
        effects_kernel.draw_effects(beta, omega_e, omega_u, layout.effect_response, layout.effect_column, stats, noise, effects)
    return effects


def draw_cells(
    beta: np.ndarray,
    omega_e: np.ndarray,
    effects: np.ndarray,
    specification: Specification,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the missing cells given parameters and random effects.

    Parameters
    ----------
    beta, omega_e : ndarray, shapes (q, p), (p, p)
        On the standardised scale.
    effects : ndarray, shape (J, d)
        As `draw_effects` gives them.
    specification : Specification
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_missing,)
        On the standardised scale, row by row in canonical order and by response within a row.

    Raises
    ------
    ImputationError
        If a draw is not finite, which means that the covariance matrix is numerically singular.
    """
    layout, patterns = specification.layout, specification.patterns
    out = rng.standard_normal(int(np.isnan(specification.y).sum()))
    _draw_cells(
        beta, omega_e, effects, layout.effect_response, layout.effect_column, specification.y, specification.x,
        specification.z, specification.clusters.codes, patterns.observed, patterns.codes, out,
    )  # fmt: skip
    if not np.all(np.isfinite(out)):
        raise ImputationError(
            "A missing value was drawn that is not finite: the level-1 covariance matrix is numerically singular. Are two "
            "responses (nearly) the same? Drop one, or use priors that keep correlations off the boundary."
        )
    return out


@kernel
def _draw_cells(
    beta, omega_e, effects, effect_response, effect_column, y, x, z, cluster, observed, pattern, out
):  # fmt: skip
    """Turn the standard normal numbers in `out` into draws of the missing cells."""
    n_patterns, p = observed.shape
    gamma = np.zeros((n_patterns, p, p))
    root = np.zeros((n_patterns, p, p))
    for g in range(n_patterns):
        _conditional(omega_e, observed[g], gamma[g], root[g])
    mean = np.empty(p)
    position = 0
    for i in range(y.shape[0]):
        g = pattern[i]
        if observed[g].all():
            continue
        mean[:] = 0.0
        for k in range(x.shape[1]):
            for a in range(p):
                mean[a] += x[i, k] * beta[k, a]
        for e in range(effect_response.shape[0]):
            mean[effect_response[e]] += z[i, effect_column[e]] * effects[cluster[i], e]
        first = position
        for a in range(p):
            if not observed[g, a]:
                position += 1
        _draw_row(mean, y[i], observed[g], gamma[g], root[g], out[first:position])


@kernel
def _draw_row(mean, y, observed, gamma, root, out):
    """Replace the noise of one row by its missing cells; last first, since a cell needs the noise of those before it."""
    last = out.shape[0] - 1
    for a in range(y.shape[0] - 1, -1, -1):
        if observed[a]:
            continue
        total = mean[a]
        for k in range(y.shape[0]):
            if observed[k]:
                total += gamma[a, k] * (y[k] - mean[k])
        for m in range(last + 1):
            total += root[last, m] * out[m]
        out[last] = total
        last -= 1


@kernel
def _conditional(omega, observed, gamma, root):
    """Regression of missing on observed coordinates, and the Cholesky factor of the conditional covariance.

    `gamma` has the rows of missing and the columns of observed coordinates filled; `root` is packed to the upper left.
    """
    p = observed.shape[0]
    precision = np.zeros((p, p))
    observed_precision(omega, observed, precision)
    add_matmul(1.0, omega, precision, gamma)
    missing = np.flatnonzero(~observed)
    n = missing.shape[0]
    chol = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            total = omega[missing[a], missing[b]]
            for k in range(p):
                if observed[k]:
                    total -= gamma[missing[a], k] * omega[k, missing[b]]
            chol[a, b] = total
    if not math.isfinite(cholesky_in_place(chol)):
        chol[:] = np.nan
    for a in range(n):
        for b in range(a + 1):
            root[a, b] = chol[a, b]

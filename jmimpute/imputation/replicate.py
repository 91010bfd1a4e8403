"""Replicated responses: what other data the fitted model would give, row by row and cluster by cluster.

Given a posterior draw of the parameters and the random effects,

    y_ij = B'x_ij + U_j'z_ij + e_ij,   w_j = B2'x2_j + v_j,
    v_j ~ N(Omega_vu Omega_uu^-1 u_j, Omega_vv - Omega_vu Omega_uu^-1 Omega_uv),

where u_j is that of the cluster itself, drawn given its data, or (u_j, v_j) ~ N(0, Omega_u) of a new cluster that has the same
rows: the mixed predictive distribution of Marshall and Spiegelhalter (2007, Bayesian Analysis 2, 409-444), which sees unusual
clusters better, since the replicates are not drawn towards them.
"""

import numpy as np

from jmimpute.imputation.completed import Response
from jmimpute.imputation.impute import original
from jmimpute.imputation.parameters import ParameterDraw
from jmimpute.specification.specify import Specification

SAME, NEW = "same", "new"


def replicate(
    parameters: ParameterDraw, psi: np.ndarray, specification: Specification, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw responses of all rows of the same clusters.

    Parameters
    ----------
    parameters : ParameterDraw
    psi : ndarray, shape (J, d) or (J, n_effects)
        Random effects and, behind them, level-2 residuals, which are drawn anew.
    specification : Specification
    rng : numpy.random.Generator

    Returns
    -------
    y : ndarray, shape (n_rows, p)
    w : ndarray, shape (J, p2)
        Both on the standardised scale.
    """
    n = specification.layout.n_effects
    effects, omega = psi[:, :n], parameters.omega_u
    residuals = np.zeros((len(effects), len(omega) - n))
    if residuals.size:
        gain = np.linalg.solve(omega[:n, :n], omega[:n, n:])
        root = np.linalg.cholesky(omega[n:, n:] - omega[n:, :n] @ gain)
        residuals = effects @ gain + rng.standard_normal(residuals.shape) @ root.T
    return _responses(parameters, effects, residuals, specification, rng)


def replicate_clusters(
    parameters: ParameterDraw, specification: Specification, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw responses of all rows of new clusters; see `replicate`.

    Parameters
    ----------
    parameters : ParameterDraw
    specification : Specification
    rng : numpy.random.Generator
    """
    n, omega = specification.layout.n_effects, parameters.omega_u
    psi = rng.standard_normal((specification.n_clusters, len(omega)))
    if psi.size:
        psi = psi @ np.linalg.cholesky(omega).T
    return _responses(parameters, psi[:, :n], psi[:, n:], specification, rng)


def _responses(
    parameters: ParameterDraw,
    effects: np.ndarray,
    residuals: np.ndarray,
    specification: Specification,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    layout, codes = specification.layout, specification.clusters.codes
    noise = rng.standard_normal((len(codes), len(layout.responses)))
    roots = np.linalg.cholesky(parameters.omega_e)
    y = specification.x @ parameters.beta
    y += noise @ roots[0].T if len(roots) == 1 else np.einsum("iab,ib->ia", roots[codes], noise)
    for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
        y[:, a] += specification.z[:, c] * effects[codes, e]
    return y, specification.x2 @ parameters.beta2 + residuals if layout.level2.variables else residuals


def values_of(
    response: Response, y: np.ndarray, w: np.ndarray, cutpoints: np.ndarray, specification: Specification
) -> np.ndarray:
    """A response on the original scale, or positions in `Variable.levels`, from replicated coordinates.

    Parameters
    ----------
    response : Response
    y, w : ndarray, shapes (n_rows, p), (J, p2)
    cutpoints : ndarray
        Free ones of this response.
    specification : Specification
    """
    variable, scaling = response.variable, specification.scaling
    own = slice(variable.first, variable.first + variable.width)
    if response.level == 2:
        return original(w[:, own], variable, cutpoints, scaling.center2, scaling.scale2)
    return original(y[:, own], variable, cutpoints, scaling.center, scaling.scale)

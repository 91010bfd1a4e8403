"""Coefficients and covariances of a PyMC model with the priors of a specification, on the standardised scale.

Deterministic variables `beta`, `beta_level2`, `Omega_e` and `Omega_u` hold the same on the original scale, with the names and
dimensions of `jmimpute.names`.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute import names
from jmimpute.graph.covariances import add_chol_e, add_chol_u
from jmimpute.graph.random_covariances import STANDARDISED
from jmimpute.graph.selection import crossed_coords, has_rho_by_cluster
from jmimpute.specification.covariances import COMMON
from jmimpute.specification.families import Variable
from jmimpute.specification.priors import CoefficientPrior, LogSd, Normal
from jmimpute.specification.specify import Specification

INCREMENTS = "increments"


class Symbols(NamedTuple):
    """Symbolic parameters on the standardised scale.

    Attributes
    ----------
    beta : tensor, shape (q, p)
        B.
    chol_e : tensor, shape (p, p) or (J, p, p)
        Lower Cholesky factor of Omega_e, of each cluster unless the covariance is common.
    chol_u : tensor, shape (d, d)
        That of Omega_u.
    """

    beta: Any
    chol_e: Any
    chol_u: Any


def coords(specification: Specification) -> dict[str, list]:
    """Labels of the dimensions of a PyMC model."""
    layout, level2 = specification.layout, specification.layout.level2
    responses, effects = list(layout.responses), list(layout.labels_u)
    found: dict[str, list] = {names.RESPONSE: responses, names.RESPONSE_: responses, names.COVARIATE: list(layout.covariates)}
    if effects or specification.covariance != COMMON or has_rho_by_cluster(specification):
        found[names.CLUSTER] = specification.clusters.labels
    if effects:
        found |= {names.EFFECT: effects, names.EFFECT_: effects}
    if level2.variables:
        found |= {names.RESPONSE_LEVEL2: list(level2.responses), names.COVARIATE_LEVEL2: list(level2.covariates)}
        found[names.RANDOM_EFFECT] = list(layout.effects)
    if isinstance(specification.priors.Omega_e, LogSd):
        found[names.CONTINUOUS_RESPONSE] = [responses[k] for k in np.flatnonzero(~layout.latent)]
    for variable in (*layout.variables, *level2.variables):
        if variable.n_cutpoints:  # the first one, which is 0, lies between the first two categories
            found[names.cutpoint_dimension(variable.name)] = [f"{low}|{high}" for low, high in pairwise(variable.levels[1:])]
    return found | crossed_coords(specification)


def add_parameters(specification: Specification) -> Symbols:
    """Add the parameters to the PyMC model of the current context, except for level-2 coefficients.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    Symbols
    """
    beta = coefficients(specification)
    report_coefficients(beta, specification)
    return Symbols(beta, *add_covariances(specification))


def report_coefficients(beta: Any, specification: Specification) -> None:
    """Add coefficients on the original scale to the PyMC model of the current context.

    Parameters
    ----------
    beta : tensor, shape (q, p)
        On the standardised scale.
    specification : Specification
    """
    scaling = specification.scaling
    scale = pt.as_tensor(scaling.scale)
    original = pt.dot(scaling.x_transform, beta) * scale + np.outer(scaling.intercept, scaling.center)
    pm.Deterministic(names.BETA, original.T, dims=(names.RESPONSE, names.COVARIATE))


def add_covariances(specification: Specification) -> tuple[Any, Any]:
    """Add the covariance matrices of both levels to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    chol_e, chol_u : tensor
        See `Symbols`.
    """
    layout, scaling = specification.layout, specification.scaling
    chol_e = add_chol_e(specification)
    scale = pt.as_tensor(scaling.scale)
    level_1 = chol_e * scale[:, None]
    by_cluster = () if specification.covariance == COMMON else (names.CLUSTER,)
    pm.Deterministic(names.OMEGA_E, level_1 @ level_1.mT, dims=(*by_cluster, names.RESPONSE, names.RESPONSE_))
    if not layout.dim_u:
        return chol_e, pt.zeros((0, 0))
    chol_u = add_chol_u(specification)
    level_2 = pt.dot(scaling.u_transform, chol_u)
    pm.Deterministic(names.OMEGA_U, level_2 @ level_2.T, dims=(names.EFFECT, names.EFFECT_))
    return chol_e, chol_u


def add_beta_level2(specification: Specification) -> Any:
    """Add the coefficients of level-2 responses to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    tensor, shape (q2, p2)
    """
    scaling, mask = specification.scaling, specification.layout.level2.beta_mask
    beta = _coefficients(names.BETA_LEVEL2, mask, specification.priors.beta)
    original = pt.dot(scaling.x2_transform, beta) * scaling.scale2 + np.outer(scaling.intercept2, scaling.center2)
    pm.Deterministic(names.BETA_LEVEL2, original.T, dims=(names.RESPONSE_LEVEL2, names.COVARIATE_LEVEL2))
    return beta


def add_cutpoints(specification: Specification) -> dict[str, Any]:
    """Add the free cut points of ordinal responses of both levels to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    dict of str to tensor, shape (n_cutpoints,)
        For each ordinal response with more than two categories.
    """
    variables = (*specification.layout.variables, *specification.layout.level2.variables)
    ordinal = [variable for variable in variables if variable.n_cutpoints]
    return {variable.name: _cutpoints(variable, specification.priors.cutpoints) for variable in ordinal}


def _cutpoints(variable: Variable, prior: CoefficientPrior) -> Any:
    """Cut points after the first, which is 0, as sums of positive increments."""
    name, size = f"{INCREMENTS}_{variable.name}", variable.n_cutpoints
    options: dict[str, Any] = {"shape": size, "initval": np.ones(size)}
    increments = pm.HalfNormal(name, prior.sd, **options) if isinstance(prior, Normal) else pm.HalfFlat(name, **options)
    dims = names.cutpoint_dimension(variable.name)
    return pm.Deterministic(names.cutpoints_label(variable.name), pt.cumsum(increments), dims=dims)


def coefficients(specification: Specification, mean: Any = None) -> Any:
    """Add the level-1 coefficients to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification
    mean : tensor, shape (q, p), optional
        Of their prior, where it is not 0.

    Returns
    -------
    tensor, shape (q, p)
    """
    return _coefficients(names.BETA, specification.layout.beta_mask, specification.priors.beta, mean)


def _coefficients(name: str, mask: np.ndarray, prior: CoefficientPrior, mean: Any = None) -> Any:
    """Place the coefficients that exist in a matrix of zeros."""
    name, n_free = name + STANDARDISED, int(mask.sum())
    center = 0.0 if mean is None else mean[np.nonzero(mask)]
    free = pm.Normal(name, center, prior.sd, shape=n_free) if isinstance(prior, Normal) else pm.Flat(name, shape=n_free)
    return pt.zeros(mask.shape)[np.nonzero(mask)].set(free)

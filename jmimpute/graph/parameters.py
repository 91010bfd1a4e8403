"""Coefficients and covariances of a PyMC model with the priors of a specification, on the standardised scale.

Deterministic variables `beta`, `Omega_e` and `Omega_u` hold the same on the original scale, with the names and dimensions
of `jmimpute.names`.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import CholeskyCovTransform

from jmimpute import names
from jmimpute.graph.constrained import constrained_covariance, inverse_wishart_logp
from jmimpute.specification.families import Variable
from jmimpute.specification.priors import LKJ, CoefficientPrior, CovariancePrior, Flat, InverseWishart, Normal
from jmimpute.specification.specify import Specification

STANDARDISED = "_standardised"
INCREMENTS = "increments"


class Symbols(NamedTuple):
    """Symbolic parameters on the standardised scale: B (q, p) and lower Cholesky factors (p, p) and (d, d)."""

    beta: Any
    chol_e: Any
    chol_u: Any


def coords(specification: Specification) -> dict[str, list]:
    """Labels of the dimensions of a PyMC model."""
    layout = specification.layout
    responses, effects = list(layout.responses), list(layout.effects)
    found: dict[str, list] = {names.RESPONSE: responses, names.RESPONSE_: responses, names.COVARIATE: list(layout.covariates)}
    if effects:
        found |= {names.EFFECT: effects, names.EFFECT_: effects, names.CLUSTER: specification.clusters.labels}
    for variable in layout.variables:
        if variable.n_cutpoints:  # the first one, which is 0, lies between the first two categories
            found[names.cutpoint_dimension(variable.name)] = [f"{low}|{high}" for low, high in pairwise(variable.levels[1:])]
    return found


def add_parameters(specification: Specification) -> Symbols:
    """Add the parameters to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    Symbols
    """
    layout, scaling, priors = specification.layout, specification.scaling, specification.priors
    beta = _beta(specification)
    chol_e = _chol_e(specification)
    scale = pt.as_tensor(scaling.scale)
    original = pt.dot(scaling.x_transform, beta) * scale + np.outer(scaling.intercept, scaling.center)
    pm.Deterministic(names.BETA, original.T, dims=(names.RESPONSE, names.COVARIATE))
    level_1 = chol_e * scale[:, None]
    pm.Deterministic(names.OMEGA_E, level_1 @ level_1.T, dims=(names.RESPONSE, names.RESPONSE_))
    if not layout.n_effects:
        return Symbols(beta, chol_e, pt.zeros((0, 0)))
    chol_u = _chol("chol_u", priors.Omega_u, scaling.u_transform)
    level_2 = pt.dot(scaling.u_transform, chol_u)
    pm.Deterministic(names.OMEGA_U, level_2 @ level_2.T, dims=(names.EFFECT, names.EFFECT_))
    return Symbols(beta, chol_e, chol_u)


def add_cutpoints(specification: Specification) -> dict[str, Any]:
    """Add the free cut points of ordinal responses to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    dict of str to tensor, shape (n_cutpoints,)
        For each ordinal response with more than two categories.
    """
    ordinal = [variable for variable in specification.layout.variables if variable.n_cutpoints]
    return {variable.name: _cutpoints(variable, specification.priors.cutpoints) for variable in ordinal}


def _cutpoints(variable: Variable, prior: CoefficientPrior) -> Any:
    """Cut points after the first, which is 0, as sums of positive increments."""
    name, size = f"{INCREMENTS}_{variable.name}", variable.n_cutpoints
    options: dict[str, Any] = {"shape": size, "initval": np.ones(size)}
    increments = pm.HalfNormal(name, prior.sd, **options) if isinstance(prior, Normal) else pm.HalfFlat(name, **options)
    dims = names.cutpoint_dimension(variable.name)
    return pm.Deterministic(names.cutpoints_label(variable.name), pt.cumsum(increments), dims=dims)


def _beta(specification: Specification) -> Any:
    """Place the coefficients that exist in a matrix of zeros."""
    mask, prior = specification.layout.beta_mask, specification.priors.beta
    name = names.BETA + STANDARDISED
    n_free = int(mask.sum())
    free = pm.Normal(name, 0.0, prior.sd, shape=n_free) if isinstance(prior, Normal) else pm.Flat(name, shape=n_free)
    return pt.zeros(mask.shape)[np.nonzero(mask)].set(free)


def _chol_e(specification: Specification) -> Any:
    layout, transform, prior = specification.layout, np.diag(specification.scaling.scale), specification.priors.Omega_e
    if not layout.has_latents and not isinstance(prior, Flat):
        return _chol("chol_e", prior, transform)
    scale = _standard_scale(prior, transform) if isinstance(prior, InverseWishart) else None
    return pt.linalg.cholesky(constrained_covariance(names.OMEGA_E + STANDARDISED, prior, layout, scale))


def _chol(name: str, prior: CovariancePrior, transform: np.ndarray) -> Any:
    dim = len(transform)
    if isinstance(prior, LKJ):
        return _lkj_chol(name, prior, dim)
    return pt.linalg.cholesky(_inverse_wishart(name.replace("chol", "Omega") + STANDARDISED, prior, transform))


def _lkj_chol(name: str, prior: LKJ, dim: int) -> Any:
    if dim == 1:  # no correlation, and PyMC's LKJ distribution starts at two dimensions
        return pm.HalfNormal(name, prior.sd, shape=1)[:, None]
    chol, _, _ = pm.LKJCholeskyCov(
        name, n=dim, eta=prior.eta, sd_dist=pm.HalfNormal.dist(prior.sd, size=dim), compute_corr=True
    )
    return chol


def _inverse_wishart(name: str, prior: InverseWishart, transform: np.ndarray) -> Any:
    """Inverse-Wishart matrix with the scale carried over to the standardised scale; PyMC has no such distribution."""
    dim = len(transform)
    return pm.CustomDist(
        name,
        prior.degrees(dim),
        _standard_scale(prior, transform),
        logp=inverse_wishart_logp,
        random=_draw_inverse_wishart,
        signature="(),(n,n)->(n,n)",
        dtype="float64",
        initval=0.5 * np.eye(dim),
        default_transform=CholeskyCovTransform(dim),
    )


def _standard_scale(prior: InverseWishart, transform: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(transform)
    return inverse @ prior.scale_matrix(len(transform)) @ inverse.T


def _draw_inverse_wishart(df: Any, scale: Any, rng: np.random.Generator, size: Any = None) -> np.ndarray:
    from scipy.stats import invwishart

    dim = scale.shape[-1]
    shape = tuple(size) if size is not None else ()
    draws = invwishart.rvs(float(df), scale, size=int(np.prod(shape)), random_state=rng)
    return np.asarray(draws).reshape((*shape, dim, dim))

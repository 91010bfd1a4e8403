"""Covariance matrices of both levels with the priors of a specification, on the standardised scale."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import CholeskyCovTransform

from jmimpute import names
from jmimpute.graph.constrained import Rows, can_draw, constrained_covariance, is_proper, rows_of, rows_of_u
from jmimpute.graph.random_covariances import STANDARDISED, add_hierarchy, add_log_sds
from jmimpute.graph.selection import add_rhos, with_indicators
from jmimpute.graph.wishart import draw_inverse_wishart, inverse_wishart_logp
from jmimpute.specification.covariances import CLUSTER_SPECIFIC
from jmimpute.specification.layout import Layout
from jmimpute.specification.priors import LKJ, CovariancePrior, Flat, HierarchicalInverseWishart, InverseWishart, LogSd
from jmimpute.specification.specify import Specification


def add_chol_e(specification: Specification) -> Any:
    """Add the level-1 covariance to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    tensor, shape (p, p) or (J, p, p)
        Lower Cholesky factor, of each cluster unless the covariance is common.
    """
    layout, prior = specification.layout_of_outcomes, specification.priors.Omega_e
    if isinstance(prior, HierarchicalInverseWishart):
        return add_hierarchy(specification, prior)
    if isinstance(prior, LogSd):
        return add_log_sds(specification, prior)
    scale = _standard_scale(prior, np.diag(specification.scaling.scale[: len(layout.responses)]))
    if specification.selections:
        return with_indicators(_chol("_e", prior, rows_of(layout), scale), add_rhos(specification), specification)
    if specification.covariance == CLUSTER_SPECIFIC:
        name, n_clusters = names.OMEGA_E + STANDARDISED, specification.n_clusters
        return pt.linalg.cholesky(constrained_covariance(name, prior, rows_of(layout), scale, n_clusters))
    return _chol("_e", prior, rows_of(layout), scale)


def add_chol_u(specification: Specification) -> Any:
    """Add the level-2 covariance to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    tensor, shape (d, d)
        Lower Cholesky factor.
    """
    layout, prior = specification.layout, specification.priors.Omega_u
    scale = _standard_scale(prior, specification.scaling.u_transform)
    blocks = blocks_of(layout)
    if len(blocks) == 1:
        return _chol("_u", prior, rows_of_u(layout, blocks[0]), scale)
    chol = pt.zeros((layout.dim_u, layout.dim_u))
    for k, members in enumerate(blocks):
        own = np.ix_(members, members)
        part = _chol(f"_u_{k + 1}", prior, rows_of_u(layout, members), None if scale is None else scale[own])
        chol = chol[own].set(part)
    return chol


def blocks_of(layout: Layout) -> list[np.ndarray]:
    """Rows of each block of Omega_u; rows of different blocks are uncorrelated.

    Parameters
    ----------
    layout : Layout
    """
    return [np.flatnonzero(layout.blocks == block) for block in np.unique(layout.blocks)]


def improper(specification: Specification) -> list[str]:
    """Names of the covariances whose prior is improper.

    Parameters
    ----------
    specification : Specification
    """
    return [name for name, prior, rows in _given_known_elements(specification) if not is_proper(prior, rows)]


def without_draws(specification: Specification) -> list[str]:
    """Names of the covariances from whose prior nothing can be drawn directly.

    Parameters
    ----------
    specification : Specification
    """
    return [name for name, prior, rows in _given_known_elements(specification) if not can_draw(prior, rows)]


def _given_known_elements(specification: Specification) -> list[tuple[str, CovariancePrior, Rows]]:
    """Priors on matrices whose elements may be known; hierarchical ones are proper and are drawn as they are defined."""
    layout, level_1, level_2 = specification.layout, specification.priors.Omega_e, specification.priors.Omega_u
    found = [(names.OMEGA_U, level_2, rows_of_u(layout, members)) for members in blocks_of(layout)]
    if not isinstance(level_1, HierarchicalInverseWishart | LogSd):
        found.insert(0, (names.OMEGA_E, level_1, rows_of(layout)))
    return found


def _chol(suffix: str, prior: CovariancePrior, rows: Rows, scale: np.ndarray | None) -> Any:
    """Factor of one matrix."""
    name = f"Omega{suffix}{STANDARDISED}"
    if rows.blocks or isinstance(prior, Flat):
        return pt.linalg.cholesky(constrained_covariance(name, prior, rows, scale))
    dim = len(rows.order)
    if isinstance(prior, LKJ):
        return _lkj_chol(f"chol{suffix}", prior, dim)
    return pt.linalg.cholesky(_inverse_wishart(name, prior.degrees(dim), scale))


def _lkj_chol(name: str, prior: LKJ, dim: int) -> Any:
    if dim == 1:  # no correlation, and PyMC's LKJ distribution starts at two dimensions
        return pm.HalfNormal(name, prior.sd, shape=1)[:, None]
    chol, _, _ = pm.LKJCholeskyCov(
        name, n=dim, eta=prior.eta, sd_dist=pm.HalfNormal.dist(prior.sd, size=dim), compute_corr=True
    )
    return chol


def _inverse_wishart(name: str, df: float, scale: np.ndarray | None) -> Any:
    """Inverse-Wishart matrix without known elements; PyMC has no such distribution."""
    dim = len(scale)
    return pm.CustomDist(
        name,
        df,
        scale,
        logp=inverse_wishart_logp,
        random=draw_inverse_wishart,
        signature="(),(n,n)->(n,n)",
        dtype="float64",
        initval=0.5 * np.eye(dim),
        default_transform=CholeskyCovTransform(dim),
    )


def _standard_scale(prior: CovariancePrior, transform: np.ndarray) -> np.ndarray | None:
    """Scale matrix of an inverse-Wishart prior on the standardised scale."""
    return prior.standard_scale(transform) if isinstance(prior, InverseWishart) else None

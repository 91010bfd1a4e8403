"""Priors of the covariance matrices as the structured sampler needs them, on the standardised scale."""

from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.sampling.coordinates import CovarianceDensity, covariance_density
from jmimpute.specification.priors import LKJ, Flat, HierarchicalInverseWishart, InverseWishart, LogSd
from jmimpute.specification.specify import Specification

WISHART, SEPARATE, HIERARCHY, LOG_SD = 0, 1, 2, 3


class Prior1(NamedTuple):
    """Prior of Omega_e, common or by cluster.

    Attributes
    ----------
    kind : int
        WISHART: density |Omega|^{-k/2} exp(-tr(S Omega^-1)/2) given the known elements, inverse-Wishart or flat. SEPARATE:
        LKJ correlations and half-normal standard deviations. HIERARCHY: inverse-Wishart with a and A of its own. LOG_SD: normal
        log standard deviations and a common correlation matrix.
    power : float
        k.
    scale : ndarray, shape (p, p)
        S; of HIERARCHY the scale of the Wishart prior of A (of A / a, if it is relative, times the degrees of freedom).
    relative : bool
    df : float
        Of the Wishart prior of A.
    eta : float
        Of the chi-square prior of a, or of LKJ.
    sd : float
        Scale of the half-normal prior of standard deviations, or of their spread.
    continuous, latent : ndarray of int, shapes (C,), (L,)
        Coordinates.
    first, width : ndarray of int, shape (B,)
        Of the coordinates of each categorical response.
    pairs : ndarray of int, shape (n_pairs, 2)
        Free elements of the covariance of latents, as positions in `latent`; with LKJ correlations, free elements of the
        correlation matrix, as coordinates.
    """

    kind: int
    power: float
    scale: np.ndarray
    relative: bool
    df: float
    eta: float
    sd: float
    continuous: np.ndarray
    latent: np.ndarray
    first: np.ndarray
    width: np.ndarray
    pairs: np.ndarray


class Prior2(NamedTuple):
    """Prior of Omega_u block by block; coordinates of different blocks are uncorrelated.

    Attributes
    ----------
    lkj : bool
    shape : ndarray, shape (n_blocks,)
        eta, or degrees of freedom.
    scale : ndarray, shape (d, d)
        As in `CovarianceDensity`, but in the order of Omega_u.
    order : ndarray of int, shape (d,)
        Coordinates of block after block, latents first in each.
    first : ndarray of int, shape (n_blocks + 1,)
        Where blocks begin in `order`.
    starts : ndarray of int, shape (n_starts,)
        `CovarianceDensity.starts` of all blocks, one after the other.
    first_start : ndarray of int, shape (n_blocks + 1,)
    root : ndarray, shape (w, w)
    first_coordinate : ndarray of int, shape (n_blocks + 1,)
        Where the unconstrained coordinates of blocks begin.
    """

    lkj: bool
    shape: np.ndarray
    scale: np.ndarray
    order: np.ndarray
    first: np.ndarray
    starts: np.ndarray
    first_start: np.ndarray
    root: np.ndarray
    first_coordinate: np.ndarray


def prior_1(specification: Specification) -> Prior1:
    """Express the prior of Omega_e.

    Parameters
    ----------
    specification : Specification
    """
    layout, prior = specification.layout, specification.priors.Omega_e
    scaling = specification.scaling
    p, latent = len(layout.responses), np.flatnonzero(layout.latent)
    continuous = np.setdiff1d(np.arange(p), latent)
    variables = [variable for variable in layout.variables if variable.is_latent]
    owner = np.repeat(np.arange(len(layout.variables)), [variable.width for variable in layout.variables])
    owner = np.where(layout.latent, owner, -1 - np.arange(p))  # a continuous response is by itself
    free = np.tril(owner[:, None] != owner[None, :])
    kind, power, scale, relative, df, eta, sd = WISHART, 0.0, np.zeros((p, p)), False, 0.0, 1.0, 1.0
    if isinstance(prior, InverseWishart):
        power, scale = prior.degrees(p) + p + 1.0, prior.standard_scale(np.diag(scaling.scale))
    elif isinstance(prior, LKJ):
        kind, eta, sd = SEPARATE, prior.eta, prior.sd
    elif isinstance(prior, HierarchicalInverseWishart):
        kind, relative = HIERARCHY, prior.relative
        df, eta = prior.df_for(p), prior.eta_for(p)
        scale = prior.scale_matrix(p) if relative else scaling.standard_omega_e(prior.scale_matrix(p))
    elif isinstance(prior, LogSd):
        kind, eta, sd = LOG_SD, prior.eta, prior.spread
    else:
        assert isinstance(prior, Flat)
    separate = kind in (SEPARATE, LOG_SD)
    pairs = np.argwhere(free) if separate else np.argwhere(free[np.ix_(latent, latent)])
    return Prior1(
        kind, float(power), np.ascontiguousarray(scale, dtype=float), relative, float(df), float(eta), float(sd),
        continuous.astype(np.int64), latent.astype(np.int64),
        np.array([variable.first for variable in variables], dtype=np.int64),
        np.array([variable.width for variable in variables], dtype=np.int64),
        np.ascontiguousarray(pairs.astype(np.int64).reshape(-1, 2)),  # argwhere has columns first in memory
    )  # fmt: skip


def prior_2(specification: Specification) -> Prior2:
    """Express the prior of Omega_u.

    Parameters
    ----------
    specification : Specification
    """
    layout, prior = specification.layout, specification.priors.Omega_u
    d, transform = layout.dim_u, specification.scaling.u_transform
    whole = covariance_density(prior, transform)
    widths = {layout.n_effects + v.first: v.width for v in layout.level2.variables if v.is_latent}
    order, first, starts, first_start, shape, first_coordinate = [], [0], [], [0], [], [0]
    for block in range(int(layout.blocks.max(initial=-1)) + 1):
        own = np.flatnonzero(layout.blocks == block)
        is_latent = layout.latent_u[own]
        own = np.concatenate([own[is_latent], own[~is_latent]])
        begins = np.concatenate([[0], np.cumsum([widths[c] for c in own if c in widths])]).astype(np.int64)
        n = len(own)
        shape.append(_shape(prior, n))
        order.extend(own)
        first.append(first[-1] + n)
        starts.extend(begins)
        first_start.append(len(starts))
        first_coordinate.append(first_coordinate[-1] + n * (n + 1) // 2 - sum(w * (w + 1) // 2 for w in np.diff(begins)))
    widest = max(widths.values(), default=1)
    integers = (np.array(values, dtype=np.int64) for values in (order, first, starts, first_start))
    return Prior2(
        whole.lkj, np.array(shape), np.ascontiguousarray(whole.scale).reshape(d, d), *integers,
        np.linalg.cholesky(0.5 * (np.eye(widest) + 1.0)), np.array(first_coordinate, dtype=np.int64),
    )  # fmt: skip


def _shape(prior, dim: int) -> float:
    """What `CovarianceDensity.shape` is for a block of some coordinates."""
    if isinstance(prior, LKJ):
        return float(prior.eta)
    return prior.degrees(dim) if isinstance(prior, InverseWishart) else -(dim + 1.0)


@kernel
def block_density(prior, block):
    """Coordinates of a block, and its `CovarianceDensity`."""
    own = prior.order[prior.first[block] : prior.first[block + 1]]
    scale = np.empty((own.shape[0], own.shape[0]))
    for i in range(own.shape[0]):
        for k in range(own.shape[0]):
            scale[i, k] = prior.scale[own[i], own[k]]
    starts = prior.starts[prior.first_start[block] : prior.first_start[block + 1]]
    return own, CovarianceDensity(prior.lkj, prior.shape[block], scale, own, starts, prior.root)

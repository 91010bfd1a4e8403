"""Covariance matrices with known elements: unconstrained coordinates of the free ones, and priors given the known ones.

The block of Omega_e that belongs to the n latents of one categorical response is known: 1 on the diagonal, 0.5 off it; so is
that of Omega_u for a categorical response of the clusters. In a correlation matrix every other row is such a block of one. The
coordinates are those of the rows of L, the lower Cholesky factor of Omega with latents first, response by response, and
continuous responses after them:

- rows f..f+n-1 of a block R = L_b L_b': an n x f matrix Y, with C = chol(I + YY')^-1 and rows [L_b C Y, L_b C] of L. Every
  Y gives the block R, since C (I + YY') C' = I;
- row i of a continuous response: L_ik (k < i) and log L_ii or, if the prior is one on standard deviations, the direction
  L_ik / L_ii (k < i) and the logarithm of the length of the row, which is the standard deviation.

With p rows, the volume elements are

    d(free Omega)   = prod_h L_hh^{p - e_h} prod_i 2 L_ii^{p - i} dL     (latent rows h of a block before row e_h)
    d(CY)           = prod_i c_ii^{f + 2 + 2 (n - 1 - i)} dY             (rows i of a block, from 0)
    d(row i)        = L_ii d log L_ii  or  L_ii^{i + 1} d(direction, log sd_i)

and c_ii is L_hh over the diagonal element of L_b, so that the logarithm of their product is linear in log L_hh.

Everything here also takes stacks of matrices, one a cluster, with the cluster as first dimension.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform

from jmimpute.graph.constrained_draws import draw_inverse_wishart, draw_lkj
from jmimpute.graph.wishart import inverse_wishart_logp, log_det
from jmimpute.specification.layout import Layout
from jmimpute.specification.priors import LKJ, CovariancePrior, InverseWishart


@dataclass(frozen=True)
class Rows:
    """Rows of a covariance matrix in the order of its coordinates.

    Attributes
    ----------
    order : ndarray of int, shape (p,)
        Position in the matrix of each row: latents first.
    blocks : tuple of (int, int)
        First row and number of rows of each known block, which stand together in the matrix too.
    """

    order: np.ndarray
    blocks: tuple[tuple[int, int], ...]

    @property
    def n_latent(self) -> int:
        """Number of latent rows."""
        return sum(width for _, width in self.blocks)

    @property
    def n_free(self) -> int:
        """Number of free elements, which is that of coordinates."""
        p = len(self.order)
        return p * (p + 1) // 2 - sum(width * (width + 1) // 2 for _, width in self.blocks)

    @property
    def continuous(self) -> np.ndarray:
        """Positions in the matrix of the other rows."""
        return self.order[self.n_latent :]

    @property
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """Index that puts a matrix of these rows into its own order."""
        return np.ix_(np.argsort(self.order), np.argsort(self.order))

    @property
    def spans(self) -> list[slice]:
        """Where the known blocks are in the matrix."""
        return [slice(self.order[first], self.order[first] + width) for first, width in self.blocks]

    @property
    def known(self) -> np.ndarray:
        """Known elements in the order of the matrix, 0 elsewhere, shape (p, p)."""
        matrix = np.zeros((len(self.order), len(self.order)))
        for span in self.spans:
            matrix[span, span] = known_block(span.stop - span.start)
        return matrix


def order_rows(latent: np.ndarray, widths: Sequence[int]) -> Rows:
    """Order the rows of a covariance matrix.

    Parameters
    ----------
    latent : ndarray of bool, shape (p,)
        Which rows belong to known blocks.
    widths : sequence of int
        Rows of each block, in the order of the matrix.
    """
    firsts = np.cumsum([0, *widths])[:-1].tolist()
    return Rows(np.argsort(~latent, kind="stable"), tuple(zip(firsts, widths, strict=True)))


def rows_of(layout: Layout) -> Rows:
    """Order the rows of Omega_e.

    Parameters
    ----------
    layout : Layout
    """
    return order_rows(layout.latent, [variable.width for variable in layout.variables if variable.is_latent])


def rows_of_correlations(layout: Layout) -> Rows:
    """Order the rows of the matrix that Omega_e is with all variances 1.

    Parameters
    ----------
    layout : Layout
    """
    return order_rows(np.ones(len(layout.responses), dtype=bool), [variable.width for variable in layout.variables])


def rows_of_u(layout: Layout, members: np.ndarray) -> Rows:
    """Order the rows of a block of Omega_u.

    Parameters
    ----------
    layout : Layout
    members : ndarray of int
        Rows of Omega_u in the block.
    """
    latent = [variable for variable in layout.level2.variables if variable.is_latent]
    widths = [variable.width for variable in latent if layout.n_effects + variable.first in members]
    return order_rows(layout.latent_u[members], widths)


def known_block(width: int) -> np.ndarray:
    """Covariance matrix of the latents of one response, shape (width, width)."""
    return 0.5 * (np.eye(width) + np.ones((width, width)))


def constrained_covariance(
    name: str, prior: CovariancePrior, rows: Rows, scale: np.ndarray | None = None, n_clusters: int | None = None
) -> Any:
    """Add a covariance matrix, given its known elements, to the PyMC model of the current context.

    Its log density is that of the prior as a function of the free elements, without the constant, which for most priors is
    not known.

    Parameters
    ----------
    name : str
    prior : LKJ, InverseWishart or Flat
    rows : Rows
    scale : ndarray, shape (p, p), optional
        Scale matrix of an inverse-Wishart prior on the standardised scale.
    n_clusters : int, optional
        Make as many independent matrices with this prior; one if not given.

    Returns
    -------
    tensor, shape (p, p) or (n_clusters, p, p)
        A constant if no element is free.
    """
    p = len(rows.order)
    shape = (p, p) if n_clusters is None else (n_clusters, p, p)
    if not rows.n_free:
        return pt.as_tensor(np.broadcast_to(rows.known, shape))
    start = rows.known
    start[rows.continuous, rows.continuous] = 0.5
    return pm.CustomDist(
        name,
        rows.known,
        logp=_log_density(prior, rows, scale),
        random=_sampler(prior, rows, scale) if is_proper(prior, rows) and can_draw(prior, rows) else None,
        signature="(n,n)->(n,n)",
        dtype="float64",
        shape=shape,
        initval=np.broadcast_to(start, shape),
        default_transform=ConstrainedTransform(rows, directions=isinstance(prior, LKJ)),
    )


def _log_density(prior: CovariancePrior, rows: Rows, scale: np.ndarray | None) -> Callable:
    """Log density of the free elements, as a function of value and known elements."""
    dim, continuous = len(rows.order), rows.continuous

    def lkj(value: Any, known: Any) -> Any:
        log_sd = 0.5 * pt.log(pt.diagonal(value, axis1=-2, axis2=-1)[..., continuous])
        total = pt.sum(log_sd, axis=-1)
        # From correlations and sds to covariances: a free sd multiplies dim - 1 correlations and gives its own variance.
        log_sds = -0.5 * pt.sum(pt.exp(2.0 * log_sd), axis=-1) / prior.sd**2 - dim * total
        return (prior.eta - 1.0) * (log_det(value) - 2.0 * total) + log_sds

    def inverse_wishart(value: Any, known: Any) -> Any:
        return inverse_wishart_logp(value, prior.degrees(dim), scale)

    def flat(value: Any, known: Any) -> Any:
        return pt.zeros(value.shape[:-2])

    return lkj if isinstance(prior, LKJ) else inverse_wishart if isinstance(prior, InverseWishart) else flat


def can_draw(prior: CovariancePrior, rows: Rows) -> bool:
    """Whether there are direct draws from a proper prior of a covariance matrix given its known elements."""
    return not isinstance(prior, InverseWishart) or len(rows.blocks) < 2


def is_proper(prior: CovariancePrior, rows: Rows) -> bool:
    """Whether the prior of a covariance matrix given its known elements has a finite integral.

    Latents by themselves have covariances in a bounded set, on which every density here is bounded.
    """
    n_continuous = len(rows.continuous)
    if n_continuous == 0 or isinstance(prior, LKJ):
        return True
    # The covariance of continuous responses given latents is inverse-Wishart with the same degrees of freedom.
    return isinstance(prior, InverseWishart) and prior.degrees(len(rows.order)) > n_continuous - 1


def _sampler(prior: CovariancePrior, rows: Rows, scale: np.ndarray | None) -> Callable:
    """Draws in the order of the matrix, in the form that `pymc.CustomDist` asks for."""
    p = len(rows.order)

    def one(rng: np.random.Generator) -> np.ndarray:
        if isinstance(prior, InverseWishart):
            internal = np.asarray(scale)[np.ix_(rows.order, rows.order)]
            return draw_inverse_wishart(prior.degrees(p), internal, known_block(rows.n_latent), rng)
        # Without continuous responses a flat prior is a uniform one.
        eta, sd = (prior.eta, prior.sd) if isinstance(prior, LKJ) else (1.0, 1.0)
        return draw_lkj(eta, sd, p, [known_block(width) for _, width in rows.blocks], rng)

    def random(known: np.ndarray, rng: np.random.Generator, size: Any = None) -> np.ndarray:
        shape = () if size is None else tuple(size)
        draws = [one(rng)[rows.place] for _ in range(int(np.prod(shape)))]
        return np.array(draws).reshape((*shape, p, p))

    return random


class ConstrainedTransform(Transform):
    """Between covariance matrices with known blocks, shape (..., p, p), and coordinates, shape (..., n_free); see the module.

    Parameters
    ----------
    rows : Rows
    directions : bool
        Coordinates of continuous responses are directions and log standard deviations.
    """

    name = "constrained-cov"
    ndim_supp = 1

    def __init__(self, rows: Rows, directions: bool) -> None:
        self.rows = rows
        self.directions = directions
        self.roots = [np.linalg.cholesky(known_block(width)) for _, width in rows.blocks]

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Build the matrix."""
        chol = self._factor(value)
        return (chol @ chol.mT)[(..., *self.rows.place)]

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Take the coordinates from a matrix whose known elements are as they must be."""
        order = self.rows.order
        chol = pt.linalg.cholesky(pt.as_tensor_variable(value)[(..., *np.ix_(order, order))])
        packed = []
        for first, width in self.rows.blocks:
            block = slice(first, first + width)
            if first:  # [CY, C] times L_b is in L
                y = pt.linalg.solve_triangular(chol[..., block, block], chol[..., block, :first], lower=True, b_ndim=2)
                packed.append(y.reshape((*chol.shape[:-2], width * first)))
        for i in range(self.rows.n_latent, len(order)):
            row = chol[..., i, : i + 1]
            last = row[..., i][..., None]
            scale = last if self.directions else 1.0
            length = pt.sqrt(pt.sum(row**2, axis=-1, keepdims=True)) if self.directions else last
            packed.append(pt.concatenate([row[..., :i] / scale, pt.log(length)], axis=-1))
        return pt.concatenate(packed, axis=-1)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """Log volume of the free elements for a volume of coordinates."""
        p, n_latent = len(self.rows.order), self.rows.n_latent
        powers = np.empty(p)
        constant = (p - n_latent) * np.log(2.0)
        for (first, width), root in zip(self.rows.blocks, self.roots, strict=True):
            i = np.arange(width)
            powers[first : first + width] = p + width - 2 * i  # (p - first - width) + (first + 2 + 2 (width - 1 - i))
            constant -= np.sum(2.0 * (width - i) * np.log(np.diag(root)))  # the second bracket, less d(L_b M) = |L_b|^first dM
        powers[n_latent:] = p + 1 if self.directions else p + 1 - np.arange(n_latent, p)
        return pt.sum(powers * pt.log(pt.diagonal(self._factor(value), axis1=-2, axis2=-1)), axis=-1) + constant

    def _factor(self, value: Any) -> Any:
        """L, shape (..., p, p), latents first."""
        value = pt.as_tensor_variable(value)
        p, start, stack = len(self.rows.order), 0, value.shape[:-1]
        chol = pt.zeros((*stack, p, p))
        for (first, width), root in zip(self.rows.blocks, self.roots, strict=True):
            block = root
            if first:
                block = _block_rows(value[..., start : start + width * first].reshape((*stack, width, first)), root)
            chol = chol[..., first : first + width, : first + width].set(block)
            start += width * first
        for i in range(self.rows.n_latent, p):
            row = _row(value[..., start : start + i + 1], self.directions)
            chol = chol[..., i, : i + 1].set(row)
            start += i + 1
        return chol


def _block_rows(y: Any, root: np.ndarray) -> Any:
    """Rows [L_b C Y, L_b C] of L for a block with L_b `root`, shape (..., n, f + n)."""
    unit = np.eye(len(root))
    inner = pt.linalg.cholesky(unit + y @ y.mT)
    both = pt.concatenate([y, pt.broadcast_to(unit, inner.shape)], axis=-1)
    return root @ pt.linalg.solve_triangular(inner, both, lower=True, b_ndim=2)


def _row(coordinates: Any, directions: bool) -> Any:
    """Row of L of a continuous response, up to its diagonal."""
    last = pt.exp(coordinates[..., -1])[..., None]
    if not directions:
        return pt.concatenate([coordinates[..., :-1], last], axis=-1)
    direction = pt.concatenate([coordinates[..., :-1], pt.ones_like(last)], axis=-1)
    return direction * last / pt.sqrt(pt.sum(direction**2, axis=-1, keepdims=True))

"""Omega_e with known elements: unconstrained coordinates of the free ones, and its prior given the known ones.

The block of Omega_e that belongs to the n latents of one categorical response is known: 1 on the diagonal, 0.5 off it. The
coordinates are those of the rows of L, the lower Cholesky factor of Omega_e with latents first, response by response, and
continuous responses after them:

- rows f..f+n-1 of a block R = L_b L_b': an n x f matrix Y, with C = chol(I + YY')^-1 and rows [L_b C Y, L_b C] of L. Every
  Y gives the block R, since C (I + YY') C' = I;
- row i of a continuous response: L_ik (k < i) and log L_ii or, if the prior is one on standard deviations, the direction
  L_ik / L_ii (k < i) and the logarithm of the length of the row, which is the standard deviation.

With p rows, the volume elements are

    d(free Omega_e) = prod_h L_hh^{p - e_h} prod_i 2 L_ii^{p - i} dL     (latent rows h of a block before row e_h)
    d(CY)           = prod_i c_ii^{f + 2 + 2 (n - 1 - i)} dY             (rows i of a block, from 0)
    d(row i)        = L_ii d log L_ii  or  L_ii^{i + 1} d(direction, log sd_i)

and c_ii is L_hh over the diagonal element of L_b, so that the logarithm of their product is linear in log L_hh.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform

from jmimpute.graph.constrained_draws import draw_inverse_wishart, draw_lkj
from jmimpute.specification.layout import Layout
from jmimpute.specification.priors import LKJ, CovariancePrior, InverseWishart


@dataclass(frozen=True)
class Rows:
    """Rows of Omega_e in the order of its coordinates.

    Attributes
    ----------
    order : ndarray of int, shape (p,)
        Position in the layout of each row: latents first.
    blocks : tuple of (int, int)
        First row and number of rows of each categorical response.
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
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """Index that puts a matrix of these rows into the order of the layout."""
        return np.ix_(np.argsort(self.order), np.argsort(self.order))

    @property
    def known(self) -> np.ndarray:
        """Known elements in the order of the layout, 0 elsewhere, shape (p, p)."""
        matrix = np.zeros((len(self.order), len(self.order)))
        for first, width in self.blocks:
            matrix[first : first + width, first : first + width] = known_block(width)
        return matrix[self.place]


def rows_of(layout: Layout) -> Rows:
    """Order the rows of Omega_e.

    Parameters
    ----------
    layout : Layout
    """
    widths = [variable.width for variable in layout.variables if variable.is_latent]
    firsts = np.cumsum([0, *widths])[:-1].tolist()
    return Rows(np.argsort(~layout.latent, kind="stable"), tuple(zip(firsts, widths, strict=True)))


def known_block(width: int) -> np.ndarray:
    """Covariance matrix of the latents of one response, shape (width, width)."""
    return 0.5 * (np.eye(width) + np.ones((width, width)))


def constrained_covariance(name: str, prior: CovariancePrior, layout: Layout, scale: np.ndarray | None = None) -> Any:
    """Add Omega_e, given its known elements, to the PyMC model of the current context.

    Its log density is that of the prior as a function of the free elements, without the constant, which for most priors is
    not known.

    Parameters
    ----------
    name : str
    prior : LKJ, InverseWishart or Flat
    layout : Layout
    scale : ndarray, shape (p, p), optional
        Scale matrix of an inverse-Wishart prior on the standardised scale.

    Returns
    -------
    tensor, shape (p, p)
        In the order of the layout. A constant if no element is free.
    """
    rows = rows_of(layout)
    if not rows.n_free:
        return pt.as_tensor(rows.known)
    return pm.CustomDist(
        name,
        rows.known,
        logp=_log_density(prior, layout, scale),
        random=_sampler(prior, rows, scale) if is_proper(prior, layout) and can_draw(prior, layout) else None,
        signature="(n,n)->(n,n)",
        dtype="float64",
        initval=rows.known + np.diag(np.where(layout.latent, 0.0, 0.5)),
        default_transform=ConstrainedTransform(rows, directions=isinstance(prior, LKJ)),
    )


def _log_density(prior: CovariancePrior, layout: Layout, scale: np.ndarray | None) -> Callable:
    """Log density of the free elements of Omega_e, as a function of value and known elements."""
    continuous = np.flatnonzero(~layout.latent)
    dim = len(layout.responses)

    def lkj(value: Any, known: Any) -> Any:
        log_sd = 0.5 * pt.log(pt.diag(value)[continuous])
        log_det_correlation = 2.0 * pt.sum(pt.log(pt.diag(pt.linalg.cholesky(value)))) - 2.0 * pt.sum(log_sd)
        # From correlations and sds to covariances: a free sd multiplies dim - 1 correlations and gives its own variance.
        log_sds = -0.5 * pt.sum(pt.exp(2.0 * log_sd)) / prior.sd**2 - dim * pt.sum(log_sd)
        return (prior.eta - 1.0) * log_det_correlation + log_sds

    def inverse_wishart(value: Any, known: Any) -> Any:
        return inverse_wishart_logp(value, prior.degrees(dim), scale)

    def flat(value: Any, known: Any) -> Any:
        return pt.zeros(())

    return lkj if isinstance(prior, LKJ) else inverse_wishart if isinstance(prior, InverseWishart) else flat


def inverse_wishart_logp(value: Any, df: Any, scale: Any) -> Any:
    """Log density of an inverse-Wishart distribution without its constant.

    Parameters
    ----------
    value : tensor, shape (n, n)
    df : float or scalar tensor
    scale : array or tensor, shape (n, n)
    """
    log_diagonal = pt.log(pt.diag(pt.linalg.cholesky(value)))
    trace = pt.trace(pt.linalg.solve(value, scale, assume_a="pos"))
    return -(df + value.shape[-1] + 1.0) * pt.sum(log_diagonal) - 0.5 * trace


def can_draw(prior: CovariancePrior, layout: Layout) -> bool:
    """Whether there are direct draws from a proper prior of Omega_e given its known elements."""
    return not isinstance(prior, InverseWishart) or len(rows_of(layout).blocks) < 2


def is_proper(prior: CovariancePrior, layout: Layout) -> bool:
    """Whether the prior of Omega_e given its known elements has a finite integral.

    Latents by themselves have covariances in a bounded set, on which every density here is bounded.
    """
    n_continuous = int(np.sum(~layout.latent))
    if n_continuous == 0 or isinstance(prior, LKJ):
        return True
    # The covariance of continuous responses given latents is inverse-Wishart with the same degrees of freedom.
    return isinstance(prior, InverseWishart) and prior.degrees(len(layout.responses)) > n_continuous - 1


def _sampler(prior: CovariancePrior, rows: Rows, scale: np.ndarray | None) -> Callable:
    """Draws of Omega_e in the order of the layout, in the form that `pymc.CustomDist` asks for."""
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
    """Between a covariance matrix with known blocks, shape (p, p), and its coordinates, shape (n_free,); see the module.

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
        """Build the matrix, in the order of the layout."""
        chol = self._factor(value)
        return (chol @ chol.T)[self.rows.place]

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Take the coordinates from a matrix whose known elements are as they must be."""
        order = self.rows.order
        chol = pt.linalg.cholesky(pt.as_tensor_variable(value)[np.ix_(order, order)])
        packed = []
        for first, width in self.rows.blocks:
            block = slice(first, first + width)
            if first:  # [CY, C] times L_b is in L
                packed.append(pt.linalg.solve_triangular(chol[block, block], chol[block, :first], lower=True).ravel())
        for i in range(self.rows.n_latent, len(order)):
            row = chol[i, : i + 1]
            scale = row[i] if self.directions else 1.0
            length = pt.sqrt(pt.sum(row**2)) if self.directions else row[i]
            packed.append(pt.concatenate([row[:i] / scale, pt.log(length)[None]]))
        return pt.concatenate(packed)

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
        return pt.dot(powers, pt.log(pt.diag(self._factor(value)))) + constant

    def _factor(self, value: Any) -> Any:
        """L, shape (p, p), latents first."""
        value = pt.as_tensor_variable(value)
        p, start = len(self.rows.order), 0
        chol = pt.zeros((p, p))
        for (first, width), root in zip(self.rows.blocks, self.roots, strict=True):
            y = value[start : start + width * first].reshape((width, first))
            chol = chol[first : first + width, : first + width].set(_block_rows(y, root) if first else root)
            start += width * first
        for i in range(self.rows.n_latent, p):
            row = _row(value[start : start + i + 1], self.directions)
            chol = chol[i, : i + 1].set(row)
            start += i + 1
        return chol


def _block_rows(y: Any, root: np.ndarray) -> Any:
    """Rows [L_b C Y, L_b C] of L for a block with L_b `root`, shape (n, f + n)."""
    unit = np.eye(len(root))
    inner = pt.linalg.cholesky(unit + y @ y.T)
    both = pt.concatenate([y, pt.as_tensor(unit)], axis=1)
    return pt.dot(root, pt.linalg.solve_triangular(inner, both, lower=True))


def _row(coordinates: Any, directions: bool) -> Any:
    """Row of L of a continuous response, up to its diagonal."""
    if not directions:
        return pt.concatenate([coordinates[:-1], pt.exp(coordinates[-1:])])
    direction = pt.concatenate([coordinates[:-1], [1.0]])
    return direction * pt.exp(coordinates[-1]) / pt.sqrt(pt.sum(direction**2))

"""What the structured sampler works on: rows by cell, level-2 responses, priors; and all that moves along a chain."""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from jmimpute.sampling import target as targets
from jmimpute.sampling.coordinates import covariance_density
from jmimpute.sampling.indicators import collect_indicators
from jmimpute.sampling.latents.rows import Rows, collect_latents, collect_rows
from jmimpute.sampling.latents.state import FREE, HELD, Problem
from jmimpute.sampling.latents.state import State as RowState
from jmimpute.sampling.structured.priors import Prior1, Prior2, prior_1, prior_2
from jmimpute.specification.families import ORDINAL, Variable
from jmimpute.specification.priors import LKJ, HierarchicalInverseWishart, Normal
from jmimpute.specification.specify import COMMON, Specification
from jmimpute.table.patterns import Patterns
from jmimpute.table.statistics import Statistics


class Cells(NamedTuple):
    """Rows of one cluster with one pattern of observed responses, cell by cell.

    The rows are sorted by cell. Cells that share a precision matrix of observed responses are in one group: those of one
    pattern if Omega_e is common, else each by itself.

    Attributes
    ----------
    start : ndarray of int, shape (n_cells + 1,)
        First row.
    cluster, group : ndarray of int, shape (n_cells,)
    omega : ndarray of int, shape (n_groups,)
        Which Omega_e the rows of a group have; 0 if it is common.
    absent : ndarray of bool, shape (K, p)
        Responses of which none of the rows of an Omega_e has a value, while they have others; latents with a hierarchical prior
        only.
    n_rows : ndarray of int, shape (K,)
        Rows that each of the K matrices Omega_e has.
    xx, zx, zz : ndarray, shapes (n_cells, q, q), (n_cells, r, q), (n_cells, r, r)
        Sums of products.
    rows : ndarray of int, shape (N,)
        Rows of cluster after cluster.
    first_row : ndarray of int, shape (J + 1,)
        Where those of each cluster begin.
    """

    start: np.ndarray
    cluster: np.ndarray
    group: np.ndarray
    omega: np.ndarray
    absent: np.ndarray
    n_rows: np.ndarray
    xx: np.ndarray
    zx: np.ndarray
    zz: np.ndarray
    rows: np.ndarray
    first_row: np.ndarray


class Level2(NamedTuple):
    """Responses of the clusters; coordinate l of them is coordinate n_effects + l of psi_j = (u_j, v_j).

    Attributes
    ----------
    x : ndarray, shape (J, q2)
    free : ndarray of bool, shape (J, d)
        Coordinates of psi_j that nothing fixes: random effects, and level-2 coordinates of missing responses. The others are
        continuous values and latents of observed categories.
    slot : ndarray of int, shape (V2, J)
        As `Rows.slot`, for categorical level-2 responses.
    first, width, first_cut, n_cuts : ndarray of int, shape (V2,)
        First coordinate of psi of each of these, how many it has, and where its cut points are among all.
    ordinal : ndarray of bool, shape (V2,)
    beta_row, beta_column : ndarray of int, shape (n_b2,)
        Coefficients that exist.
    """

    x: np.ndarray
    free: np.ndarray
    slot: np.ndarray
    first: np.ndarray
    width: np.ndarray
    first_cut: np.ndarray
    n_cuts: np.ndarray
    ordinal: np.ndarray
    beta_row: np.ndarray
    beta_column: np.ndarray


class Model(NamedTuple):
    """What does not change along a chain.

    Attributes
    ----------
    problem : Problem
        As the moves of single latents see it; "patterns" are groups of cells. Its Omega_u has level-2 coordinates too, which
        belong to no response.
    cells : Cells
    level2 : Level2
    prior_e : Prior1
    prior_u : Prior2
    cut_sd : float
        Scale of the half-normal distances of cut points; infinity if they are flat.
    """

    problem: Problem
    cells: Cells
    level2: Level2
    prior_e: Prior1
    prior_u: Prior2
    cut_sd: float


class State(NamedTuple):
    """Present values of everything that moves, on the standardised scale; the arrays are changed in place.

    Attributes
    ----------
    rows : RowState
        y, residuals, B, Omega_e if it is common, Omega_u, psi (d, J), level-1 cut points, and precisions by group.
    omega : ndarray, shape (K, p, p)
        Omega_e, common or by cluster.
    w : ndarray, shape (J, p2)
        Level-2 responses and latents, missing ones included.
    beta2 : ndarray, shape (q2, p2)
    cutpoints2 : ndarray, shape (n_cuts2,)
    a : ndarray, shape (1,)
    scale : ndarray, shape (p, p)
        A.
    unscaling : ndarray, shape (K, p, p)
        M_j^-1, see `jmimpute.sampling.structured.hierarchy`.
    log_sd : ndarray, shape (2, p)
        Mean and standard deviation of log standard deviations across clusters.
    log_step : ndarray, shape (K, n_pairs)
        Of random walks over correlations.
    log_step_a : ndarray, shape (1,)
    log_step_cuts2 : ndarray, shape (n_cuts2,)
        Of random walks of distances between level-2 cut points.
    """

    rows: RowState
    omega: np.ndarray
    w: np.ndarray
    beta2: np.ndarray
    cutpoints2: np.ndarray
    a: np.ndarray
    scale: np.ndarray
    unscaling: np.ndarray
    log_sd: np.ndarray
    log_step: np.ndarray
    log_step_a: np.ndarray
    log_step_cuts2: np.ndarray


def build(specification: Specification, every_row: bool = False) -> Model:
    """Collect the arrays of a specification.

    Parameters
    ----------
    specification : Specification
    every_row : bool
        Have rows without any observed response too, which inform no parameter.
    """
    layout, scaling, priors = specification.layout, specification.scaling, specification.priors
    common = specification.covariance == COMMON
    grouped, cluster_of_group = _grouped(specification, common)
    rows = collect_rows(grouped, every_row)
    informative = np.ones(len(grouped.patterns.observed), dtype=bool)
    if not every_row:
        informative = grouped.patterns.observed.any(axis=1)
    observed = grouped.patterns.observed[informative]
    omega = cluster_of_group[informative]
    beta_row, beta_column = (np.ascontiguousarray(index) for index in np.nonzero(layout.beta_mask))
    n_level2 = layout.dim_u - layout.n_effects
    target = targets.Target(
        _only_patterns(observed),
        beta_row,
        beta_column,
        np.concatenate([layout.effect_response, np.full(n_level2, -1)]),
        np.concatenate([layout.effect_column, np.zeros(n_level2, dtype=np.int64)]),
        priors.beta.sd**-2 if isinstance(priors.beta, Normal) else 0.0,
        # Only a common matrix is among the parameters of a latent.
        covariance_density(priors.Omega_e if common else LKJ(1.0, 1.0), np.diag(scaling.scale), layout),
        covariance_density(priors.Omega_u, scaling.u_transform),
        collect_indicators(()),
    )
    back = np.argsort(target.prior_e.order)
    cut_sd = priors.cutpoints.sd if isinstance(priors.cutpoints, Normal) else np.inf
    problem = Problem(
        rows,
        collect_latents(grouped, rows.starts, observed),
        target,
        np.ascontiguousarray(target.prior_e.scale[np.ix_(back, back)]),
        cut_sd**-2,
        np.full(int(layout.latent.sum()), FREE if common else HELD),
        not layout.blocks.any(),
    )
    n_omega = 1 if common else specification.n_clusters
    drawn = ~layout.latent | isinstance(priors.Omega_e, HierarchicalInverseWishart)
    return Model(
        problem,
        _cells(rows, omega, _absent(observed, omega, n_omega) & drawn, specification.n_clusters),
        _level2(specification),
        prior_1(specification),
        prior_2(specification),
        cut_sd,
    )


def _grouped(specification: Specification, common: bool) -> tuple[Specification, np.ndarray]:
    """The specification with groups for patterns, and the Omega_e of each."""
    patterns, codes = specification.patterns, specification.clusters.codes
    if common:
        return specification, np.zeros(len(patterns.observed), dtype=np.int64)
    n_clusters = specification.n_clusters
    keys, group = np.unique(patterns.codes * n_clusters + codes, return_inverse=True)
    groups = Patterns(patterns.observed[keys // n_clusters], group.ravel().astype(np.int64))
    return replace(specification, patterns=groups), (keys % n_clusters).astype(np.int64)


def _only_patterns(observed: np.ndarray) -> Statistics:
    """Statistics that hold nothing but patterns."""
    empty = np.zeros((len(observed), 0, 0))
    return Statistics(
        observed, np.zeros(len(observed)), empty, empty, empty, *(np.zeros((len(observed), 0, 0, 0)) for _ in range(3))
    )


def _absent(observed: np.ndarray, omega: np.ndarray, n_omega: int) -> np.ndarray:
    seen = np.zeros((n_omega, observed.shape[1]), dtype=bool)
    np.logical_or.at(seen, omega, observed)
    return ~seen & seen.any(axis=1)[:, None]


def _cells(rows: Rows, omega: np.ndarray, absent: np.ndarray, n_clusters: int) -> Cells:
    group_of_row = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))
    changes = (np.diff(group_of_row) != 0) | (np.diff(rows.cluster) != 0)
    first = np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
    start = np.append(first, len(group_of_row))
    n_rows = np.zeros(len(absent), dtype=np.int64)
    np.add.at(n_rows, omega[group_of_row], 1)

    def sums(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.array([left[:, a:b] @ right[:, a:b].T for a, b in pairwise(start)])

    return Cells(
        start, rows.cluster[first], group_of_row[first], omega, absent, n_rows,
        sums(rows.x, rows.x), sums(rows.z, rows.x), sums(rows.z, rows.z),
        np.argsort(rows.cluster, kind="stable"),
        np.concatenate([[0], np.cumsum(np.bincount(rows.cluster, minlength=n_clusters))]).astype(np.int64),
    )  # fmt: skip


def _level2(specification: Specification) -> Level2:
    layout = specification.layout
    level2, n_effects = layout.level2, layout.n_effects
    n_clusters = specification.n_clusters
    latent: list[tuple[int, Variable]] = [(v, variable) for v, variable in enumerate(level2.variables) if variable.is_latent]
    slot = np.full((len(latent), n_clusters), -1, dtype=np.int64)
    for row, (v, variable) in zip(slot, latent, strict=True):
        codes = specification.categories2[:, v]
        row[codes >= 0] = variable.slots[codes[codes >= 0]]
    missing = np.isnan(specification.w) if level2.variables else np.empty((n_clusters, 0), dtype=bool)
    cuts = np.array([variable.n_cutpoints for _, variable in latent], dtype=np.int64)
    beta_row, beta_column = (np.ascontiguousarray(index) for index in np.nonzero(level2.beta_mask))
    return Level2(
        np.ascontiguousarray(specification.x2) if level2.variables else np.empty((n_clusters, 0)),
        np.concatenate([np.ones((n_clusters, n_effects), dtype=bool), missing], axis=1),
        slot,
        np.array([n_effects + variable.first for _, variable in latent], dtype=np.int64),
        np.array([variable.width for _, variable in latent], dtype=np.int64),
        np.concatenate([[0], np.cumsum(cuts)])[:-1].astype(np.int64),
        cuts,
        np.array([variable.family == ORDINAL for _, variable in latent], dtype=bool),
        beta_row,
        beta_column,
    )

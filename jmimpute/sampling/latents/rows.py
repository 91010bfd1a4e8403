"""The rows as the sampler of latent normals walks over them: sorted by pattern, one coordinate after the other in memory."""

from itertools import chain
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.specification.families import ORDINAL
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

CHUNK = 1024  # rows whose intermediate results stay in cache


class Rows(NamedTuple):
    """Data of N rows with at least one observed response, sorted by pattern and within it in canonical order.

    Attributes
    ----------
    x, z : ndarray, shapes (q, N), (r, N)
    y : ndarray, shape (p, N)
        Continuous responses, 0 in missing cells and for latents.
    cluster : ndarray of int, shape (N,)
    slot : ndarray of int, shape (V, N)
        For each of V categorical responses `Variable.slots` of the observed category, -1 if missing.
    starts : ndarray of int, shape (G + 1,)
        First row of each pattern; the patterns are those of the statistics.
    position : ndarray of int, shape (N,)
        Canonical position of each row.
    """

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    cluster: np.ndarray
    slot: np.ndarray
    starts: np.ndarray
    position: np.ndarray


class Latents(NamedTuple):
    """Latent coordinate l = 0..L-1 by l: where it stands and what it belongs to.

    Attributes
    ----------
    coordinate : ndarray of int, shape (L,)
        Response of the layout.
    variable : ndarray of int, shape (L,)
        Row of `Rows.slot`.
    first, width : ndarray of int, shape (L,)
        First coordinate of its variable, and how many there are.
    ordinal : ndarray of bool, shape (L,)
    cut_start : ndarray of int, shape (L,)
        First free cut point of the variable among all.
    n_cuts : ndarray of int, shape (L,)
        Free cut points.
    span_start : ndarray of int, shape (L + 1,)
        First of the spans of each latent.
    spans : ndarray of int, shape (S, 2)
        Rows in which the latent is observed: first and behind last, at most `CHUNK` apart.
    """

    coordinate: np.ndarray
    variable: np.ndarray
    first: np.ndarray
    width: np.ndarray
    ordinal: np.ndarray
    cut_start: np.ndarray
    n_cuts: np.ndarray
    span_start: np.ndarray
    spans: np.ndarray


def collect_rows(specification: Specification, every_row: bool = False) -> Rows:
    """Sort the rows of a specification by pattern.

    Parameters
    ----------
    specification : Specification
    every_row : bool
        Have rows without an observed response too.
    """
    patterns = specification.patterns
    informative = patterns.observed.any(axis=1) | every_row
    position = np.argsort(patterns.codes, kind="stable")
    position = position[informative[patterns.codes[position]]]
    starts = np.concatenate([[0], np.cumsum(patterns.counts[informative])])
    latent = [(v, variable) for v, variable in enumerate(specification.layout.variables) if variable.is_latent]
    slot = np.full((len(latent), len(position)), -1, dtype=np.int64)
    for row, (v, variable) in zip(slot, latent, strict=True):
        codes = specification.categories[position, v]
        row[codes >= 0] = variable.slots[codes[codes >= 0]]

    def transposed(matrix: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.nan_to_num(matrix[position], nan=0.0).T)

    return Rows(
        transposed(specification.x),
        transposed(specification.z),
        transposed(specification.y),
        specification.clusters.codes[position].astype(np.int64),
        slot,
        starts.astype(np.int64),
        position,
    )


def collect_latents(specification: Specification, starts: np.ndarray, observed: np.ndarray) -> Latents:
    """List the latent coordinates of a specification.

    Parameters
    ----------
    specification : Specification
    starts : ndarray of int, shape (G + 1,)
        Of the rows.
    observed : ndarray of bool, shape (G, p)
    """
    entries = []
    cut_start = 0
    variables = [variable for variable in specification.layout.variables if variable.is_latent]
    for v, variable in enumerate(variables):
        for k in range(variable.width):
            ordinal = variable.family == ORDINAL
            entries.append((variable.first + k, v, variable.first, variable.width, ordinal, cut_start, variable.n_cutpoints))
        cut_start += variable.n_cutpoints
    columns = np.ascontiguousarray(np.array(entries, dtype=np.int64).reshape(-1, 7).T)
    spans = [_spans(starts, observed[:, k]) for k in columns[0]]
    span_start = np.cumsum([0, *map(len, spans)])
    return Latents(
        *columns[:4],
        columns[4].astype(bool),
        *columns[5:],
        span_start,
        np.array(list(chain(*spans)), dtype=np.int64).reshape(-1, 2),
    )


def _spans(starts: np.ndarray, observed: np.ndarray) -> list[tuple[int, int]]:
    """Rows of the patterns that are observed, in pieces; neighbouring patterns together."""
    edges = np.flatnonzero(np.diff(observed.astype(int), prepend=0, append=0))
    runs = starts[edges].reshape(-1, 2).tolist()
    return [(first, min(first + CHUNK, end)) for begin, end in runs for first in range(begin, end, CHUNK)]


def active_cells(specification: Specification) -> tuple[np.ndarray, np.ndarray]:
    """Canonical row and coordinate of every latent cell whose category is observed, coordinate by coordinate.

    Parameters
    ----------
    specification : Specification
    """
    latent = np.flatnonzero(specification.layout.latent)
    column, row = np.nonzero(~np.isnan(specification.y[:, latent]).T)
    return row, latent[column]


@kernel
def refresh_statistics(latents, rows, y, stats):
    """Recompute what the sufficient statistics hold of the latents, after these have changed.

    Parameters
    ----------
    latents : Latents
    rows : Rows
    y : ndarray, shape (p, N)
        Present values, 0 in missing cells.
    stats : Statistics
        Changed.
    """
    n_clusters = stats.zz.shape[3]
    for g in range(stats.observed.shape[0]):
        first, end = rows.starts[g], rows.starts[g + 1]
        for k in latents.coordinate:
            if not stats.observed[g, k]:
                continue
            own = y[k, first:end]
            for c in range(rows.x.shape[0]):
                stats.xy[g, c, k] = dot(rows.x[c, first:end], own)
            for a in range(y.shape[0]):
                if stats.observed[g, a] and not (a > k and _holds(latents.coordinate, a)):  # else its own turn will come
                    stats.yy[g, a, k] = dot(y[a, first:end], own)
                    stats.yy[g, k, a] = stats.yy[g, a, k]
            if n_clusters > 0:
                cluster = rows.cluster[first:end]
                for c in range(rows.z.shape[0]):
                    total = stats.zy[g, c, k]
                    total[:] = 0.0
                    z = rows.z[c, first:end]
                    for i in range(own.shape[0]):
                        total[cluster[i]] += z[i] * own[i]


@kernel
def _holds(values, value):
    for other in values:  # noqa: SIM110 (compiled)
        if other == value:
            return True
    return False


def copied(stats: Statistics) -> Statistics:
    """Copy the arrays that `refresh_statistics` changes, so that chains do not share them."""
    return stats._replace(xy=stats.xy.copy(), yy=stats.yy.copy(), zy=stats.zy.copy())


@kernel
def dot(x, y):
    """Inner product of two slices."""
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total


@kernel
def axpy(scale, x, out):
    """Add scale * x to a slice."""
    for i in range(out.shape[0]):
        out[i] += scale * x[i]

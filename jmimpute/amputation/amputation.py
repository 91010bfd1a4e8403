"""The way from a table and descriptions of holes to a table with holes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.amputation.checks import check_contents, check_names, check_something_is_left
from jmimpute.amputation.holes import SPORADIC, Holes
from jmimpute.amputation.probabilities import find_probabilities
from jmimpute.amputation.punching import punch
from jmimpute.table.clusters import Clusters, code
from jmimpute.table.order import canonical
from jmimpute.table.reading import read


@dataclass(frozen=True, repr=False)
class Amputation:
    """A table with holes, and how they came about. Made by `ampute`.

    Attributes
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        The table with holes, of the kind that was given, its rows in the same order. Of a pandas table, columns of whole
        numbers and truth values that get holes get the nullable type that holds them, such as Int64 or boolean.
    missing : DataFrame of bool
        One row a row of the table, numbered from 0; one column a column that got holes; True where a hole is.
    probabilities : DataFrame
        One row a row of the table; one column a description of holes, named by its number from 1 and its columns: the
        probability of the row, or of its cluster, to be hit.
    hits : DataFrame of bool
        Of the shape of `probabilities`: which rows were hit.
    summary : DataFrame
        One row a description of holes: columns, mechanism, kind, units (rows or clusters), proportion (asked for) and hit
        (share of units).
    """

    data: Any
    missing: pd.DataFrame
    probabilities: pd.DataFrame
    hits: pd.DataFrame
    summary: pd.DataFrame

    def __str__(self) -> str:
        """Show what was asked for and what came of it, and the missing cells of each column."""
        cells = ", ".join(f"{column} {count}" for column, count in self.missing.sum().items())
        return f"{self.summary.to_string(float_format='{:.3f}'.format)}\n\nCells made missing: {cells}"

    __repr__ = __str__


def ampute(
    data: Any,
    *holes: Holes,
    cluster: str | None = None,
    exclusive: bool = False,
    random_seed: int | None = None,
) -> Amputation:
    """Make holes in a table on purpose, to see what a method makes of them.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row a unit. Cells that are missing already stay missing; columns that holes depend on must be complete.
    *holes : Holes
        Descriptions of holes, made by the functions in `jm.holes`. All are worked out on the table as it was given.
    cluster : str, optional
        The cluster column; needed for holes that depend on clusters or hit whole ones.
    exclusive : bool
        No row is hit by more than one of the sporadic descriptions, which then are missing-data patterns with their
        frequencies, as in mice's `ampute`: each row is a candidate for one of them, drawn in proportion to their proportions.
        Otherwise descriptions are independent of each other and a row can be hit by several.
    random_seed : int, optional
        The same seed makes the same holes, whatever the order of rows. A description added at the end leaves the holes of
        those before it as they are, unless they are exclusive.

    Returns
    -------
    Amputation

    Raises
    ------
    TableError
        If the table or its cluster column cannot be used, see `inspect`.
    AmputationError
        If a column is not there, of the wrong kind or level, or incomplete where it must not be; if holes that are to be
        at random depend on a column that others make missing; if a column would keep no value.

    Examples
    --------
    >>> import jmimpute as jm
    >>> _, pupils = jm.datasets.simulate_pupils(random_seed=1, return_complete=True)
    >>> made = jm.ampute(
    ...     pupils,
    ...     jm.holes.mar("reading", 0.3, {"age": 0.8, "sex": {"girl": -0.5}}),
    ...     jm.holes.mcar("motivation", 0.2, kind="systematic"),
    ...     cluster="school",
    ...     random_seed=1,
    ... )
    >>> print(made)
          columns mechanism        kind     units  proportion   hit
    1     reading       MAR    sporadic      rows       0.300 0.287
    2  motivation      MCAR  systematic  clusters       0.200 0.225
    <BLANKLINE>
    Cells made missing: reading 284, motivation 212
    >>> int(made.data["reading"].isna().sum())
    284
    """
    table = read(data)
    check_names(table.frame, holes, cluster)
    clusters = code(table.frame, cluster)
    check_contents(table.frame, clusters, holes, exclusive)
    # Everything is worked out in one order of rows, in which random numbers and rounding errors are always the same.
    order = canonical(table.frame, clusters.codes, list(table.frame.columns))
    frame, clusters = table.frame.iloc[order].reset_index(drop=True), replace(clusters, codes=clusters.codes[order])
    back = np.argsort(order)
    drawn = [(chances[back], hit[back]) for chances, hit in _draw(frame, clusters, holes, exclusive, random_seed)]
    labels = [f"{number}: {', '.join(own.columns)}" for number, own in enumerate(holes, 1)]
    hits = pd.DataFrame({label: hit for label, (_, hit) in zip(labels, drawn, strict=True)})
    missing = _missing_cells(table.frame, holes, [hit for _, hit in drawn])
    check_something_is_left(table.frame, missing)
    return Amputation(
        data=punch(data, {column: missing[column].to_numpy() for column in missing}),
        missing=missing,
        probabilities=pd.DataFrame({label: chances for label, (chances, _) in zip(labels, drawn, strict=True)}),
        hits=hits,
        summary=_summary(holes, hits.to_numpy()[order], clusters),
    )


def _draw(
    frame: pd.DataFrame, clusters: Clusters, holes: Sequence[Holes], exclusive: bool, random_seed: int | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw which rows each description hits; return probabilities and hits, shape (n_rows,)."""
    assigning, *own = np.random.SeedSequence(random_seed).spawn(1 + len(holes))
    sporadic = np.array([description.kind == SPORADIC for description in holes])
    proportions = np.array([description.proportion for description in holes]) * sporadic
    pattern = None
    if exclusive and sporadic.any():
        pattern = np.random.default_rng(assigning).choice(len(holes), size=len(frame), p=proportions / proportions.sum())
    drawn = []
    for k, description in enumerate(holes):
        rng = np.random.default_rng(own[k])
        n_units = len(frame) if sporadic[k] else len(clusters.labels)
        one_of_several = pattern is not None and sporadic[k]
        candidates = pattern == k if one_of_several else np.ones(n_units, dtype=bool)
        target = proportions.sum() if one_of_several else description.proportion
        chances = find_probabilities(frame, clusters, description, rng, candidates, target)
        hit = rng.random(n_units) < chances
        drawn.append((chances, hit) if sporadic[k] else (chances[clusters.codes], hit[clusters.codes]))
    return drawn


def _missing_cells(frame: pd.DataFrame, holes: Sequence[Holes], hits: Sequence[np.ndarray]) -> pd.DataFrame:
    """Cells that are made missing, of the columns that get holes in the order of the table."""
    hit = {column: np.zeros(len(frame), dtype=bool) for column in frame.columns if any(column in own.columns for own in holes)}
    for description, rows in zip(holes, hits, strict=True):
        for column in description.columns:
            hit[column] |= rows
    return pd.DataFrame(hit) & frame[list(hit)].notna()


def _summary(holes: Sequence[Holes], hits: np.ndarray, clusters: Clusters) -> pd.DataFrame:
    first_rows = np.unique(clusters.codes, return_index=True)[1]
    rows = []
    for k, description in enumerate(holes):
        of_rows = description.kind == SPORADIC
        rows.append(
            {
                "columns": ", ".join(description.columns),
                "mechanism": description.mechanism,
                "kind": description.kind,
                "units": "rows" if of_rows else "clusters",
                "proportion": description.proportion,
                "hit": hits[:, k].mean() if of_rows else hits[first_rows, k].mean(),
            }
        )
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(holes) + 1))

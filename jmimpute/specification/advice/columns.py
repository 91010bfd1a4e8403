"""Columns: what they hold, at which level, and what is missing in them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.table.clusters import Clusters

NUMBER, TRUTH, CATEGORY, TEXT = "number", "truth value", "category", "text"


@dataclass(frozen=True)
class Column:
    """A column and what is missing in it.

    Attributes
    ----------
    name : str
    kind : {"number", "truth value", "category", "text"}
    level : int
        2 if observed values never differ within a cluster.
    missing : int
        Rows.
    lacking : tuple
        Labels of clusters without any value.
    n_values : int
        Distinct observed values.
    is_whole : bool
        Whether it holds whole numbers only.
    """

    name: str
    kind: str
    level: int
    missing: int
    lacking: tuple
    n_values: int
    is_whole: bool

    @property
    def is_incomplete(self) -> bool:
        """Whether any row lacks a value."""
        return self.missing > 0

    @property
    def is_measured(self) -> bool:
        """Whether it holds numbers, and more than two."""
        return self.kind == NUMBER and self.n_values > 2


def look(series: pd.Series, clusters: Clusters) -> Column:
    """Take down what advice needs to know of a column.

    Parameters
    ----------
    series : pandas.Series, n_rows
    clusters : Clusters
        Of the same rows.

    Returns
    -------
    Column

    Raises
    ------
    TableError
        If it has no observed value, or values of several types.
    """
    observed = series.dropna()
    if observed.empty:
        raise TableError(
            f"Column {series.name!r} has no observed value in any of the {len(series)} rows, so that there is nothing to "
            "impute it from. Drop it from the analysis."
        )
    kind = _kind(series)
    counts = np.bincount(clusters.codes[series.notna()], minlength=len(clusters.labels))
    # What clusters have once cannot differ within them.
    level = 2 if clusters.name and counts.max() > 1 and _is_constant_within(series, clusters) else 1
    return Column(
        name=str(series.name),
        kind=kind,
        level=level,
        missing=int(series.isna().sum()),
        lacking=tuple(clusters.labels[j] for j in np.flatnonzero(counts == 0)) if clusters.name else (),
        n_values=observed.nunique(),
        is_whole=kind == NUMBER and bool(np.all(observed.astype(float) % 1 == 0)),
    )


def numbers(series: pd.Series, column: Column) -> np.ndarray:
    """Write a complete column as numbers, or as dummies of its categories.

    Parameters
    ----------
    series : pandas.Series, n rows
    column : Column

    Returns
    -------
    ndarray, shape (n, k)
    """
    if column.kind == NUMBER and column.n_values > 2:
        return series.to_numpy(dtype=float)[:, None]
    return pd.get_dummies(series, drop_first=True).to_numpy(dtype=float)


def _is_constant_within(series: pd.Series, clusters: Clusters) -> bool:
    """Whether observed values never differ within a cluster; `conflicts` of `jmimpute.table.level2` says where they do."""
    values, _ = pd.factorize(series)
    codes, values = clusters.codes[values >= 0], values[values >= 0]
    lowest, highest = np.full(len(clusters.labels), len(values)), np.full(len(clusters.labels), -1)
    np.minimum.at(lowest, codes, values)
    np.maximum.at(highest, codes, values)
    return bool(np.all(lowest >= highest))


def _kind(series: pd.Series) -> str:
    if isinstance(series.dtype, pd.CategoricalDtype):
        return CATEGORY
    # Truth values with missing cells arrive as objects, so that the dtype alone does not tell.
    content = pd.api.types.infer_dtype(series, skipna=True)
    found = {"string": TEXT, "boolean": TRUTH, **dict.fromkeys(["integer", "floating", "mixed-integer-float"], NUMBER)}
    if content not in found:
        raise TableError(
            f"Column {series.name!r} holds values that are neither numbers, texts nor truth values alone ({content}), such as "
            f"{series.dropna().iloc[0]!r}. Convert or drop it."
        )
    return found[content]

"""Columns that belong to clusters: one value for each cluster, taken from whichever of its rows has it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, some
from jmimpute.table.clusters import Clusters


@dataclass(frozen=True)
class Held:
    """Where the values of clusters are in a column.

    Attributes
    ----------
    rows : ndarray of int, shape (J,)
        The first row of each cluster that has the value; the first row of all if none has.
    absent : ndarray of bool, shape (J,)
        Clusters without any value.
    carried : ndarray of int
        Rows without a value in clusters that have one, to which it is carried.
    """

    rows: np.ndarray
    absent: np.ndarray
    carried: np.ndarray


@dataclass(frozen=True)
class Conflict:
    """A cluster whose rows disagree.

    Attributes
    ----------
    cluster : object
        Its label.
    values : dict
        Rows of each value, as lists of row numbers.
    """

    cluster: object
    values: dict

    def __str__(self) -> str:
        """Say which value is where."""
        places = (f"{value!r} in row(s) {some(rows)}" for value, rows in self.values.items())
        return f"{self.cluster!r} has {some(places, 3)}"


def hold(series: pd.Series, clusters: Clusters) -> Held:
    """Find the one value that each cluster has in a column.

    Parameters
    ----------
    series : pandas.Series, n_rows
    clusters : Clusters
        Of the same rows.

    Returns
    -------
    Held

    Raises
    ------
    TableError
        If rows of a cluster have different values.
    """
    found = conflicts(series, clusters)
    if found:
        raise TableError(
            f"Column {series.name!r} is used at level 2, where a cluster has one value, but its values differ within "
            f"{len(found)} cluster(s) of {clusters.name!r}: {some(found, 3)}. Rows are counted from 0. Correct these cells, or "
            "use the column at level 1, in a formula with a grouping term."
        )
    present = series.notna().to_numpy()
    n_clusters = len(clusters.labels)
    rows = np.empty(n_clusters, dtype=np.int64)
    backwards = np.arange(len(series))[::-1]
    rows[clusters.codes[backwards]] = backwards
    backwards = np.flatnonzero(present)[::-1]
    rows[clusters.codes[backwards]] = backwards
    absent = ~present[rows]
    return Held(rows, absent, np.flatnonzero(~present & ~absent[clusters.codes]))


def conflicts(series: pd.Series, clusters: Clusters) -> list[Conflict]:
    """Find the clusters that have more than one value in a column.

    Parameters
    ----------
    series : pandas.Series, n_rows
    clusters : Clusters
        Of the same rows.

    Raises
    ------
    TableError
        If the column holds lists and the like, which cannot be compared.
    """
    try:
        codes, values = pd.factorize(series)
    except TypeError as error:
        raise TableError(
            f"Column {series.name!r} holds values that are neither numbers nor texts, such as {series.dropna().iloc[0]!r}. "
            "Convert or drop it."
        ) from error
    pairs = pd.DataFrame({"cluster": clusters.codes, "value": codes})[codes >= 0]
    distinct = pairs.drop_duplicates()["cluster"].value_counts()
    several = pairs[pairs["cluster"].isin(distinct.index[distinct > 1])]
    found = []
    for j, own in several.groupby("cluster")["value"]:
        rows = {_plain(values[code]): own.index[own == code].tolist() for code in own.unique()}
        found.append(Conflict(_plain(clusters.labels[j]), rows))
    return found


def _plain(value: object) -> object:
    """A value as Python writes it, not numpy."""
    return value.item() if isinstance(value, np.generic) else value

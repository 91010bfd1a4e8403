"""Cluster labels of any type become codes 0..J-1 that do not depend on the order of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.table.columns import require_complete


@dataclass(frozen=True)
class Clusters:
    """Clusters of a table.

    Attributes
    ----------
    name : str or None
        The cluster column; None for a single-level model.
    labels : list, length J
        As in the data, sorted.
    codes : ndarray of int, shape (n_rows,)
        Index into `labels`; all 0 for a single-level model.
    """

    name: str | None
    labels: list[Any]
    codes: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Rows in each cluster, shape (J,)."""
        return np.bincount(self.codes, minlength=len(self.labels))


def code(frame: pd.DataFrame, column: str | None) -> Clusters:
    """Code the cluster column.

    Parameters
    ----------
    frame : pandas.DataFrame
    column : str or None
        None codes every row as 0, with no label.

    Returns
    -------
    Clusters

    Raises
    ------
    TableError
        If a cluster label is missing.
    """
    if column is None:
        return Clusters(None, [], np.zeros(len(frame), dtype=np.int64))
    require_complete(frame, column, "the cluster column", "Give every row its cluster, or leave these rows out.")
    series = frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.cat.remove_unused_categories()
        return Clusters(column, list(series.cat.categories), series.cat.codes.to_numpy(dtype=np.int64))
    try:
        codes, labels = pd.factorize(series, sort=True)
    except TypeError:  # labels of several types cannot be compared: order them by type, then by text
        codes, labels = _factorize_mixed(series)
    return Clusters(column, list(labels), np.asarray(codes, dtype=np.int64))


def _factorize_mixed(series: pd.Series) -> tuple[np.ndarray, list]:
    try:
        found, labels = pd.factorize(series)
    except TypeError as error:  # lists and the like
        raise TableError(
            f"The cluster column {series.name!r} holds values that cannot be labels, such as {series.iloc[0]!r}. "
            "Use numbers or texts."
        ) from error
    order = sorted(range(len(labels)), key=lambda i: (type(labels[i]).__name__, str(labels[i])))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[found], [labels[i] for i in order]

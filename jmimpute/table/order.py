"""One order of rows whatever order they come in, so that a seed gives the same imputations for shuffled rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa


def canonical(frame: pd.DataFrame, codes: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """Order rows by cluster and content.

    Sums of floating-point numbers and the assignment of random numbers to rows then do not depend on the order in which
    rows came. Rows alike in every modelled column are told apart by the other columns; rows alike in all are exchangeable.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
    codes : ndarray of int, shape (n_rows,)
        Cluster codes.
    columns : sequence of str
        The modelled columns.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        Row positions, clusters contiguous.
    """
    columns = list(columns)
    others = [name for name in frame.columns if name not in columns]
    return np.lexsort((_content(frame[others]), _content(frame[columns]), codes))


def _content(frame: pd.DataFrame) -> np.ndarray:
    """Hash each row (uint64); equal rows have equal hashes."""
    if not frame.shape[1]:
        return np.zeros(len(frame), dtype=np.uint64)
    hashable = {name: _hashable(frame[name]) for name in frame.columns}
    return pd.util.hash_pandas_object(pd.DataFrame(hashable), index=False).to_numpy()


def _hashable(series: pd.Series) -> pd.Series:
    """Write objects as what a file gives back, so that a loaded table has the same order; as text if no file can hold them."""
    if series.dtype != object:
        return series
    try:
        series = pa.array(series, from_pandas=True).to_pandas().set_axis(series.index)
    except (pa.ArrowException, TypeError, ValueError):
        return series.map(repr)
    return series.map(repr) if series.dtype == object else series

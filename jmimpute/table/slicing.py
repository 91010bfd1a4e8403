"""Rows and columns taken from, or put to, a table of whatever kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def taken(native: Any, rows: np.ndarray, without: Sequence[str] = ()) -> Any:
    """Copy some rows of a table.

    Parameters
    ----------
    native : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    rows : ndarray of int
        Positions from 0, in the order wanted.
    without : sequence of str
        Columns to leave out.

    Returns
    -------
    The kind of `native`
        An index of pandas goes with the rows.
    """
    import narwhals as nw

    frame = nw.from_native(native, eager_only=True)
    return frame.drop(list(without))[np.asarray(rows).tolist()].to_native()


def with_column(native: Any, name: str, values: pd.Series) -> Any:
    """Copy a table with one more column at its end.

    Parameters
    ----------
    native : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    name : str
    values : pandas.Series, n_rows

    Returns
    -------
    The kind of `native`
    """
    if isinstance(native, pd.DataFrame):
        copy = native.copy()
        copy[name] = values.array
        return copy
    if type(native).__module__.startswith("polars"):
        import polars as pl

        return native.with_columns(pl.Series(name, pl.from_pandas(values)))
    import pyarrow as pa

    return native.append_column(name, pa.Array.from_pandas(values))


def stacked(natives: Sequence[Any]) -> Any:
    """Put tables of one kind, with the same columns, below each other.

    Parameters
    ----------
    natives : sequence of pandas.DataFrame, polars.DataFrame or pyarrow.Table

    Returns
    -------
    The kind of the first
    """
    import narwhals as nw

    return nw.concat([nw.from_native(native, eager_only=True) for native in natives], how="vertical").to_native()

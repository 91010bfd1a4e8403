"""Take a pandas, polars or pyarrow table in, and hand the same kind out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, some


@dataclass(frozen=True)
class Table:
    """The analyst's table and its pandas form.

    Attributes
    ----------
    native : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        As it was given; never changed.
    frame : pandas.DataFrame, n_rows rows
        The same cells with rows numbered from 0.
    """

    native: Any
    frame: pd.DataFrame

    def with_columns(self, columns: Mapping[str, np.ndarray]) -> Any:
        """Return the table, of the kind that was given, with some columns replaced.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n_rows,)
            New values. A floating dtype of the original column is kept; other numeric columns become float64.
        """
        cast = {name: values.astype(_floating(self.frame[name].dtype)) for name, values in columns.items()}
        if isinstance(self.native, pd.DataFrame):
            return replaced(self.native, cast)
        import narwhals as nw

        frame = nw.from_native(self.native, eager_only=True)
        backend = frame.implementation
        series = [nw.new_series(name, values, backend=backend) for name, values in cast.items()]
        return frame.with_columns(*series).to_native()


def replaced(frame: pd.DataFrame, columns: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Copy a data frame with some columns replaced, whatever their names (`DataFrame.assign` cannot set one called self)."""
    copy = frame.copy()
    for name, values in columns.items():
        copy[name] = values
    return copy


def read(data: Any) -> Table:
    """Read a table and refuse one that cannot be worked with.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row a unit. NaN counts as missing, as do None, null and NA.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If it is not a table, has no rows or columns, or has duplicate or unnamed columns.
    """
    names = _column_names(data)
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if duplicates:
        raise TableError(f"The table has more than one column named {some(map(repr, duplicates))}. Rename or drop them.")
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise TableError(f"Column names must be texts; these are not: {some(map(repr, odd))}. Rename them.")
    frame = _to_pandas(data)
    if not len(frame) or not len(names):
        raise TableError(f"The table is empty: {len(frame)} rows, {len(names)} columns.")
    return Table(data, frame)


def _column_names(data: Any) -> list:
    if hasattr(data, "collect"):
        raise TableError(f"A {type(data).__name__} is lazy. Collect it first.")
    names = getattr(data, "column_names", None)  # pyarrow
    names = getattr(data, "columns", None) if names is None else names
    if names is None or callable(names):
        raise TableError(
            f"A {type(data).__name__} is not a table. Give a pandas or polars DataFrame or a pyarrow Table with one row a unit."
        )
    return list(names)


def _to_pandas(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data.reset_index(drop=True)
    import narwhals as nw

    try:
        return nw.from_native(data, eager_only=True).to_pandas()
    except TypeError as error:
        raise TableError(
            f"A {type(data).__name__} cannot be read. Give a pandas or polars DataFrame or a pyarrow Table."
        ) from error


def _floating(dtype: Any) -> Any:
    return dtype if isinstance(dtype, np.dtype) and dtype.kind == "f" else np.dtype(float)

"""Single columns: read as numbers, or refused with the rows and the remedy."""

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, some


def numeric(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Read a column as numbers with NaN for missing cells.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
    column : str

    Returns
    -------
    ndarray, shape (n_rows,)

    Raises
    ------
    TableError
        If the column holds text, categories or truth values, or an infinite value.
    """
    series = frame[column]
    if not pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        raise TableError(
            f"Column {column!r} is to be modelled as a continuous response but holds {_description(series)}. Only numeric "
            "columns can be; if the values are numbers, convert the column (pandas.to_numeric) and see what does not convert."
        )
    values = series.to_numpy(dtype=float, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise TableError(
            f"Column {column!r} has infinite values in {len(infinite)} row(s), counted from 0: {some(infinite)}. "
            "Replace them, by missing values if they stand for missing."
        )
    return values


def require_complete(frame: pd.DataFrame, column: str, role: str, remedy: str) -> None:
    """Refuse a column with missing values, naming the rows.

    Parameters
    ----------
    frame : pandas.DataFrame
    column : str
    role : str
        What the column is used for, for the message.
    remedy : str
        What the analyst can do, for the message.

    Raises
    ------
    TableError
        If any value is missing.
    """
    missing = np.flatnonzero(frame[column].isna().to_numpy())
    if missing.size:
        raise TableError(
            f"Column {column!r} is {role} but has missing values in {len(missing)} row(s), counted from 0: {some(missing)}. "
            f"{remedy}"
        )


def _description(series: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(series.dtype):
        return "truth values"
    if isinstance(series.dtype, pd.CategoricalDtype):
        return f"categories ({some(map(repr, series.cat.categories))})"
    values = series.dropna().unique()
    return f"values of type {series.dtype}, such as {some(map(repr, values), 3)}" if len(values) else "no value at all"

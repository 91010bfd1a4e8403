"""Labels put into the missing cells of a column of categories, whose type stays as it was."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def filled(native: Any, column: str, rows: np.ndarray, labels: Sequence) -> Any:
    """Copy a table with some cells of one column replaced.

    Parameters
    ----------
    native : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    column : str
    rows : ndarray of int, shape (n_cells,)
        Positions from 0.
    labels : sequence, n_cells
        Values that the column has elsewhere; whole numbers may come as decimals.

    Returns
    -------
    The kind of `native`
        The column has the type it had: categories with their order, unused ones too, truth values, texts or numbers.
    """
    if isinstance(native, pd.DataFrame):
        series = native[column].copy()
        series.iloc[rows] = list(labels)
        copy = native.copy()
        copy[column] = series
        return copy
    if type(native).__module__.startswith("polars"):
        series = native[column]
        return native.with_columns(type(series)(column, _replaced(series.to_list(), rows, labels), dtype=series.dtype))
    place = native.schema.get_field_index(column)
    return native.set_column(place, native.schema.field(place), _arrow(native.column(place), rows, labels))


def _arrow(column: Any, rows: np.ndarray, labels: Sequence) -> Any:
    """Fill cells of a pyarrow column; a dictionary is kept, which its values alone would not tell."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return pa.array(_replaced(column.to_pylist(), rows, labels), column.type)
    whole = column.unify_dictionaries().combine_chunks()
    place = {label: k for k, label in enumerate(whole.dictionary.to_pylist())}
    indices = _replaced(whole.indices.to_pylist(), rows, [place[label] for label in labels])
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, column.type.index_type), whole.dictionary, ordered=column.type.ordered
    )


def _replaced(values: list, rows: np.ndarray, labels: Sequence) -> list:
    """Replace values of a list by labels, of the type that the others have."""
    kind = next(type(value) for value in values if value is not None)
    for row, label in zip(rows, labels, strict=True):
        values[row] = kind(label)
    return values

"""Completed tables from the original and the imputed cells."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.imputation.cells import Cells
from jmimpute.names import LONG_IMPUTATION, LONG_ROW
from jmimpute.table.filling import filled
from jmimpute.table.reading import Table
from jmimpute.table.slicing import stacked


def completed(table: Table, cells: Cells, k: int) -> Any:
    """Fill the missing cells of a table.

    Parameters
    ----------
    table : Table
    cells : Cells
    k : int
        Which imputation, from 0.

    Returns
    -------
    The kind of the table
    """
    numbers = {name: _numbers(table.frame[name], cells, k) for name in cells.rows if name not in cells.levels}
    native = table.with_columns(numbers)
    for name in cells.rows:
        if name in cells.levels:
            labels = [cells.levels[name][code] for code in cells.values[name][k]]
            native = filled(native, name, cells.rows[name], labels)
    return native


def completed_frame(frame: pd.DataFrame, cells: Cells, k: int) -> pd.DataFrame:
    """Fill the missing cells for an analysis, which takes truth values only as such and not as objects that hold them.

    Parameters
    ----------
    frame : pandas.DataFrame
    cells : Cells
    k : int
        Which imputation, from 0.
    """
    found = completed(Table(frame, frame), cells, k)
    truth = [name for name in cells.levels if pd.api.types.infer_dtype(found[name]) == "boolean"]
    return found.astype(dict.fromkeys(truth, bool))


def long(table: Table, cells: Cells, m: int, original: bool) -> Any:
    """Stack completed tables, numbered in two columns before the others.

    Parameters
    ----------
    table : Table
    cells : Cells
    m : int
    original : bool
        Put the original table first, as imputation 0.
    """
    import narwhals as nw

    natives = [completed(table, cells, k) for k in range(m)]
    if original:
        numbers = [name for name in cells.rows if name not in cells.levels]
        natives.insert(0, _typed_as(natives[0], table.native, numbers))
    parts = []
    for k, native in enumerate(natives, start=0 if original else 1):
        frame = nw.from_native(native, eager_only=True).with_row_index(LONG_ROW).with_columns(nw.lit(k).alias(LONG_IMPUTATION))
        parts.append(frame.select(LONG_IMPUTATION, LONG_ROW, *table.frame.columns).to_native())
    return stacked(parts)


def _numbers(column: pd.Series, cells: Cells, k: int) -> np.ndarray:
    values = column.to_numpy(dtype=float, na_value=np.nan).copy()
    values[cells.rows[str(column.name)]] = cells.values[str(column.name)][k]
    return values


def _typed_as(example: Any, native: Any, columns: Collection[str]) -> Any:
    """The original table with the column types of a completed one: it may hold whole numbers where that does not."""
    if isinstance(native, pd.DataFrame):
        return native.astype({name: example[name].dtype for name in columns})
    import narwhals as nw

    schema = nw.from_native(example, eager_only=True).schema
    frame = nw.from_native(native, eager_only=True)
    return frame.with_columns(*(nw.col(name).cast(schema[name]) for name in columns)).to_native()

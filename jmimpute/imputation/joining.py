"""Imputations put together: more imputations of one table, or the same number of tables of other rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.imputation.cells import Cells
from jmimpute.imputation.exchange.comparing import differing
from jmimpute.table.kinds import categories
from jmimpute.table.reading import Table, read
from jmimpute.table.slicing import stacked

#: Imputed cells that are no coincidence when all are the same.
BY_CHANCE = 20

_NONE = np.empty(0, dtype=np.int64)
_ROWS = 'Imputations of other rows are put together by along="rows".'


def more(tables: Sequence[Table], cells: Sequence[Cells]) -> Cells:
    """Take the imputations of one table together.

    Parameters
    ----------
    tables : sequence of Table
        Of which all must be the same.
    cells : sequence of Cells
        Imputed cells of each.

    Returns
    -------
    Cells

    Raises
    ------
    ImputationError
        If the tables or the imputed columns differ, or two imputations are the same draw.
    """
    for place, (table, own) in enumerate(zip(tables, cells, strict=True), start=1):
        _check_columns(tables[0].frame, table.frame, place)
        if len(table.frame) != len(tables[0].frame):
            raise ImputationError(f"Part {place} has {len(table.frame)} rows, part 1 {len(tables[0].frame)}. {_ROWS}")
        for name in table.frame.columns:
            unlike = np.flatnonzero(differing(tables[0].frame[name], table.frame[name]))
            if unlike.size:
                raise ImputationError(f"Column {name!r} of part {place} differs from part 1 in rows {some(unlike)}. {_ROWS}")
        if set(own.rows) != set(cells[0].rows):
            raise ImputationError(f"Part {place} has imputations of {list(own.rows)}, part 1 of {list(cells[0].rows)}.")
    _check_distinct(cells)
    levels = {name: _merged(tables[0].frame[name], cells) for name in cells[0].rows}
    values = {name: np.concatenate([_recoded(own, name, levels[name]) for own in cells]) for name in cells[0].rows}
    return Cells(cells[0].rows, values, {name: found for name, found in levels.items() if found})


def below(tables: Sequence[Table], cells: Sequence[Cells]) -> tuple[Table, Cells]:
    """Put imputations of other rows below each other, the first of one to the first of the others and so on.

    Parameters
    ----------
    tables : sequence of Table
        With the same columns.
    cells : sequence of Cells
        Imputed cells of each.

    Returns
    -------
    table : Table
    cells : Cells

    Raises
    ------
    ImputationError
        If columns or types differ, or if a column is imputed in one part and stays incomplete in another.
    """
    for place, table in enumerate(tables, start=1):
        _check_columns(tables[0].frame, table.frame, place)
        _check_types(tables[0], table, place)
    names = [name for name in tables[0].frame.columns if any(name in own.rows for own in cells)]
    for place, (table, own) in enumerate(zip(tables, cells, strict=True), start=1):
        left = [name for name in names if name not in own.rows and table.frame[name].isna().any()]
        if left:
            raise ImputationError(f"Column {left[0]!r} is imputed in another part, but stays incomplete in part {place}.")
    m = next((len(values) for own in cells for values in own.values.values()), 0)
    first_rows = np.cumsum([0, *(len(table.frame) for table in tables)])
    whole = read(_stacked([table.native for table in tables]))
    rows, values, levels = {}, {}, {}
    for name in names:
        levels[name] = _merged(whole.frame[name], cells)
        rows[name] = np.concatenate([own.rows.get(name, _NONE) + first for own, first in zip(cells, first_rows, strict=False)])
        parts = [_recoded(own, name, levels[name]) if name in own.rows else np.empty((m, 0)) for own in cells]
        values[name] = np.concatenate(parts, axis=1).astype(np.int64 if levels[name] else float)
    return whole, Cells(rows, values, {name: found for name, found in levels.items() if found})


def _check_columns(first: pd.DataFrame, other: pd.DataFrame, place: int) -> None:
    if list(first.columns) != list(other.columns):
        unlike = sorted(set(first.columns) ^ set(other.columns)) or "their order"
        raise ImputationError(f"Part {place} has other columns than part 1: {unlike}.")


def _check_types(first: Table, other: Table, place: int) -> None:
    """Columns have the same type in both, as far as that matters: pandas would make objects of other categories."""
    if type(first.native) is not type(other.native):
        raise ImputationError(f"Part {place} is of {type(other.native)}, part 1 of {type(first.native)}. Convert one of them.")
    for name in first.frame.columns:
        one, two = first.frame[name].dtype, other.frame[name].dtype
        numbers = pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(two)
        if one != two and not (numbers and isinstance(first.native, pd.DataFrame)):
            raise ImputationError(f"Column {name!r} is of type {two} in part {place}, {one} in part 1. Convert one of them.")


def _merged(column: pd.Series, cells: Sequence[Cells]) -> tuple:
    """Categories of a column in any part, in order."""
    found = {level for own in cells for level in own.levels.get(str(column.name), ())}
    known = categories(column)
    return tuple(sorted(found, key=known.index if known else None))


def _recoded(cells: Cells, name: str, levels: tuple) -> np.ndarray:
    """Imputed cells as positions in the categories of all parts."""
    own = cells.levels.get(name, ())
    return np.array([levels.index(level) for level in own])[cells.values[name]] if own else cells.values[name]


def _check_distinct(cells: Sequence[Cells]) -> None:
    """No part repeats another, as it would if one fit had made both; few cells may be alike by chance."""
    for place, own in enumerate(cells):
        for earlier, other in enumerate(cells[:place]):
            pairs = [(own.values[name], other.values[name]) for name in own.rows]
            n = min((len(values) for pair in pairs for values in pair), default=0)
            same = all(np.array_equal(one[:n], two[:n]) for one, two in pairs)
            if same and sum(one[:n].size for one, _ in pairs) >= BY_CHANCE:
                raise ImputationError(
                    f"Parts {earlier + 1} and {place + 1} begin with the same imputations: one fit and seed made both. To get "
                    "more of a fit ask it for all at once (fit.impute), or fit with another seed."
                )


def _stacked(natives: list[Any]) -> Any:
    """Put tables below each other."""
    try:
        return stacked(natives)
    except Exception as error:
        raise ImputationError(f"The tables cannot be put below each other: {error}") from error

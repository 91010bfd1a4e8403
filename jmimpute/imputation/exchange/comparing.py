"""Imputed cells found in completed tables: what was missing is filled, and nothing else may have changed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ExchangeError, some
from jmimpute.imputation.cells import Cells
from jmimpute.table.kinds import CATEGORIES, MOMENTS, NUMBERS, OTHER, TEXTS, TRUTH, categories, kind

#: Observed numbers may differ by so much: other programs write 15 digits, or single precision.
ROUNDING = 1e-7


def find(original: pd.DataFrame, completed: Sequence[pd.DataFrame]) -> Cells:
    """Find what was imputed.

    Parameters
    ----------
    original : pandas.DataFrame, n_rows rows
        With missing cells.
    completed : sequence of pandas.DataFrame, length m
        The same rows in the same order. A column that is not in them was not imputed.

    Returns
    -------
    Cells
        Of the columns of which all missing cells were filled in all tables; those with none filled were not imputed.

    Raises
    ------
    ExchangeError
        If a table has other rows or further columns, if an observed cell differs, or if a column is filled in part.
    """
    for k, table in enumerate(completed, start=1):
        if len(table) != len(original):
            raise ExchangeError(f"Imputation {k} has {len(table)} rows, the original {len(original)}. They must be the same.")
        further = [name for name in table.columns if name not in original.columns]
        if further:
            raise ExchangeError(
                f"Imputation {k} has columns that the original has not: {some(map(repr, further))}. Drop them, or give an "
                "original table that has them, with missing cells where they are derived from imputed values."
            )
        if list(table.columns) != list(completed[0].columns):
            raise ExchangeError(f"Imputation {k} has other columns than imputation 1. Give all the same.")
    rows, values, levels = {}, {}, {}
    for name in completed[0].columns:
        absent = original[name].isna().to_numpy()
        columns = [table[name] for table in completed]
        found = _categories(original[name])
        for k, column in enumerate(columns, start=1):
            _check_observed(original[name], column, found, f"Imputation {k}")
        if _is_imputed(name, columns, absent):
            rows[name] = np.flatnonzero(absent)
            values[name] = imputed_values(original[name], [column[absent] for column in columns])
            levels |= {name: found} if found else {}
    return Cells(rows, values, levels)


def imputed_values(original: pd.Series, columns: Sequence[pd.Series]) -> np.ndarray:
    """Imputed cells of one column as numbers, or as positions in its categories.

    Parameters
    ----------
    original : pandas.Series
    columns : sequence of pandas.Series, length m, n_missing each

    Returns
    -------
    ndarray, shape (m, n_missing)

    Raises
    ------
    ExchangeError
        If these are values that the column cannot have, or not finite numbers.
    """
    name, found = original.name, _categories(original)
    if not found and kind(original) not in (NUMBERS, OTHER):
        raise ExchangeError(f"Column {name!r} was imputed but holds {kind(original)}. Only numbers and categories can be.")
    values = []
    for k, column in enumerate(columns, start=1):
        coded = _codes(column, found) if found else _numbers(column, f"Imputation {k}")
        wrong = np.flatnonzero(coded < 0 if found else ~np.isfinite(coded))
        if wrong.size:
            allowed = f"its categories are {some(map(repr, found), 20)}" if found else "it must have finite numbers"
            shown = dict.fromkeys(map(repr, column.iloc[wrong].tolist()))
            raise ExchangeError(f"Imputation {k}: column {name!r} was imputed by {some(shown, 3)}; {allowed}.")
        values.append(coded)
    return np.array(values)


def differing(original: pd.Series, column: pd.Series) -> np.ndarray:
    """Say in which rows two columns do not hold the same; missing cells are the same.

    Parameters
    ----------
    original, column : pandas.Series, n_rows
        Numbers may differ by rounding.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    first, second = original.isna().to_numpy(), column.isna().to_numpy()
    differs, both = first != second, ~first & ~second
    differs[both] = _unlike_values(original[both], column[both], _categories(original))
    return differs


def _check_observed(original: pd.Series, column: pd.Series, found: tuple, where: str) -> None:
    """Refuse a completed column in which observed cells are not as they were."""
    present = original.notna().to_numpy()
    unlike = np.flatnonzero(present)[_unlike(original[present], column[present], found)]
    if unlike.size:
        first = unlike[0]
        raise ExchangeError(
            f"{where}: column {original.name!r} differs from the original in {unlike.size} observed cell(s), rows counted from "
            f"0: {some(unlike)}. Row {first} has {_shown(column, first)}, the original {_shown(original, first)}. Imputed "
            "tables must have the rows of the original in its order, or labels that tell them, and its observed values."
        )


def _unlike(original: pd.Series, column: pd.Series, found: tuple) -> np.ndarray:
    """Rows in which a column does not hold what the original, without missing cells, holds."""
    unlike = column.isna().to_numpy(copy=True)
    present = ~unlike
    unlike[present] = _unlike_values(original[present], column[present], found)
    return unlike


def _unlike_values(original: pd.Series, column: pd.Series, found: tuple) -> np.ndarray:
    if found:
        return _codes(original, found) != _codes(column, found)
    holds = kind(original)
    if holds == NUMBERS and kind(column) in (NUMBERS, TRUTH):
        first, second = original.to_numpy(dtype=float), column.to_numpy(dtype=float)
        return ~np.isclose(second, first, rtol=ROUNDING, atol=0)
    if holds == MOMENTS:
        original, column = (pd.to_datetime(series.astype(object), errors="coerce", utc=True) for series in (original, column))
    return np.fromiter((a != b for a, b in zip(original, column, strict=True)), dtype=bool, count=len(original))


def _is_imputed(name: str, columns: Sequence[pd.Series], absent: np.ndarray) -> bool:
    """Whether the missing cells of a column are filled: all of them in all imputations, or none."""
    empty = np.array([column[absent].isna() for column in columns], dtype=bool)
    if empty.all():
        return False
    if empty.any():
        k = int(np.flatnonzero(empty.any(axis=1))[0])
        left = np.flatnonzero(absent)[empty[k]]
        raise ExchangeError(
            f"Imputation {k + 1}: column {name!r} is imputed, but {left.size} cell(s) are still missing, rows counted from 0: "
            f"{some(left)}. Impute all of them, or none in any imputation."
        )
    return True


def _categories(original: pd.Series) -> tuple:
    return categories(original) if kind(original) in (CATEGORIES, TEXTS, TRUTH) else ()


def _numbers(column: pd.Series, where: str) -> np.ndarray:
    """Numbers of a column; texts are none."""
    if kind(column) not in (NUMBERS, TRUTH):
        raise ExchangeError(f"{where}: column {column.name!r} was imputed by {kind(column)}, but holds numbers.")
    return column.to_numpy(dtype=float, na_value=np.nan)


def _codes(column: pd.Series, found: tuple) -> np.ndarray:
    """Positions of cells in the categories, -1 for others; 1 and 1.0 are the same category, and 0 and False."""
    place: dict[Any, int] = {label: k for k, label in enumerate(found)}
    return np.array([place.get(value, -1) for value in column.tolist()], dtype=np.int64)


def _shown(column: pd.Series, row: int) -> str:
    """A cell for a message, as Python writes it."""
    return repr(column.iloc[[row]].tolist()[0])

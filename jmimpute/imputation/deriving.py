"""Columns derived from imputed ones, computed in every completed table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.imputation.cells import Cells
from jmimpute.imputation.completing import completed, completed_frame
from jmimpute.imputation.exchange.comparing import differing, imputed_values
from jmimpute.specification.derived import evaluate, names_in
from jmimpute.table.kinds import NUMBERS, TRUTH, categories, kind
from jmimpute.table.reading import Table, read
from jmimpute.table.slicing import with_column


@dataclass(frozen=True)
class Derived:
    """A derived column.

    Attributes
    ----------
    original : pandas.Series, n_rows
        Missing where it depends on imputed values.
    rows : ndarray of int, shape (n_missing,)
    values : ndarray, shape (m, n_missing)
        Numbers, or positions in `levels`.
    levels : tuple
    """

    original: pd.Series
    rows: np.ndarray
    values: np.ndarray
    levels: tuple


def derive(table: Table, cells: Cells, m: int, columns: Mapping[str, str | Callable]) -> tuple[Table, Cells]:
    """Add derived columns one after the other.

    Parameters
    ----------
    table : Table
    cells : Cells
    m : int
    columns : mapping of str to str or callable
        See `Imputations.assign`.

    Returns
    -------
    table : Table
    cells : Cells

    Raises
    ------
    FormulaError, ImputationError
        If a column cannot be made.
    """
    for name, how in columns.items():
        if name in table.frame:
            raise ImputationError(f"There is a column {name!r} already, with observed cells. Choose another name.")
        if callable(how):
            found = by_function(name, how, table.native, [completed(table, cells, k) for k in range(m)])
        else:
            found = by_expression(name, how, table.frame, [completed_frame(table.frame, cells, k) for k in range(m)])
        table = read(with_column(table.native, name, found.original))
        if found.rows.size:
            levels = cells.levels | ({name: found.levels} if found.levels else {})
            cells = Cells(cells.rows | {name: found.rows}, cells.values | {name: found.values}, levels)
    return table, cells


def by_expression(name: str, text: str, original: pd.DataFrame, completed: Sequence[pd.DataFrame]) -> Derived:
    """Derive a column by arithmetic; see `jmimpute.specification.derived.evaluate`.

    Parameters
    ----------
    name : str
    text : str
    original : pandas.DataFrame, n_rows rows
    completed : sequence of pandas.DataFrame, length m

    Returns
    -------
    Derived
        A cell is missing in the original where any cell that it is computed from is.

    Raises
    ------
    FormulaError
        If it is no such expression.
    ImputationError
        If a cell cannot be computed.
    """
    columns = [pd.Series(evaluate(text, table), name=name) for table in completed]
    used = list(names_in(text))
    _check_inputs(completed[0][used], f"{name}={text!r}")
    absent = original[used].isna().any(axis=1).to_numpy()
    return _derived(columns, absent, f"{name}={text!r}")


def by_function(name: str, function: Callable, original: Any, completed: Sequence[Any]) -> Derived:
    """Derive a column by a function of a table.

    Parameters
    ----------
    name : str
    function : callable
    original : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    completed : sequence of such tables, length m

    Returns
    -------
    Derived
        A cell is missing in the original where the function makes it so, or where completed tables differ.

    Raises
    ------
    ImputationError
        If the function does not give a value for each row.
    """
    columns = [_called(function, table, name, f"imputation {k}") for k, table in enumerate(completed, start=1)]
    observed = _called(function, original, name, "the original table, which has missing cells,")
    absent = observed.isna().to_numpy() | np.any([differing(columns[0], column) for column in columns], axis=0)
    return _derived(columns, absent, f"{name}=")


def _derived(columns: Sequence[pd.Series], absent: np.ndarray, said: str) -> Derived:
    for k, column in enumerate(columns, start=1):
        _check(column, said, k)
        if column.dtype != columns[0].dtype and (isinstance(column.dtype, pd.CategoricalDtype) or kind(column) == TRUTH):
            raise ImputationError(f"{said}: the categories of imputation {k} are not those of imputation 1.")
    rows = np.flatnonzero(absent)
    if not rows.size:
        return Derived(columns[0], rows, np.empty((len(columns), 0)), ())
    first = columns[0].astype("boolean") if kind(columns[0]) == TRUTH else columns[0]
    everything = pd.concat(columns, ignore_index=True)
    levels = categories(everything)
    if not levels and kind(everything) != NUMBERS:
        raise ImputationError(f"{said} gives {kind(everything)} that depend on imputed cells. Only numbers and categories can.")
    values = imputed_values(everything, [column[absent] for column in columns])
    return Derived(first.mask(absent), rows, values, levels)


def _check_inputs(table: pd.DataFrame, said: str) -> None:
    """Columns that an expression names must be complete once they are imputed: a comparison would hide that they are not."""
    for name in table.columns[table.isna().any()]:
        rows = np.flatnonzero(table[name].isna())
        raise ImputationError(
            f"{said} is computed from {name!r}, which was not imputed and is missing in {rows.size} row(s), counted from 0: "
            f"{some(rows)}. Impute it too, or use other columns."
        )


def _check(column: pd.Series, said: str, k: int) -> None:
    """No cell may be missing or infinite."""
    bad = column.isna().to_numpy()
    if kind(column) == NUMBERS:
        bad = bad | ~np.isfinite(column.to_numpy(dtype=float, na_value=np.nan))
    if bad.any():
        raise ImputationError(
            f"Imputation {k}: {said} is missing or infinite in {bad.sum()} row(s), counted from 0: "
            f"{some(np.flatnonzero(bad))}. Each row must have a value, of columns that are complete or imputed."
        )


def _called(function: Callable, table: Any, name: str, where: str) -> pd.Series:
    """What a function gives for each row of a table, as pandas with rows numbered from 0."""
    import narwhals as nw

    try:
        found = function(table)
    except Exception as error:
        raise ImputationError(f"The function for {name!r} raised {type(error).__name__} for {where}: {error}") from error
    values = nw.from_native(found, series_only=True, pass_through=True)
    column = values.to_pandas() if isinstance(values, nw.Series) else found
    if np.ndim(column) != 1 or len(column) != len(table):
        raise ImputationError(
            f"The function for {name!r} must give one value a row, {len(table)}, for {where}; not {found!r:.80}"
        )
    return pd.Series(getattr(column, "array", column), name=name)

"""Long stacks: all imputations below each other, with a column that numbers them and one that tells rows apart."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.errors import ExchangeError, some
from jmimpute.imputation.exchange.comparing import differing
from jmimpute.table.reading import Table, read
from jmimpute.table.slicing import taken


@dataclass(frozen=True)
class Stack:
    """A long stack taken apart.

    Attributes
    ----------
    original : Table
    completed : tuple of pandas.DataFrame, length m
        With the rows of `original`, in its order.
    """

    original: Table
    completed: tuple[pd.DataFrame, ...]


def take_apart(stack: Table, imputation: str, row: str | None, original: Table | None = None) -> Stack:
    """Take a long stack apart.

    Parameters
    ----------
    stack : Table
    imputation : str
        Column that numbers the imputations from 1; 0 is the table with missing cells.
    row : str, optional
        Column that tells the rows of an imputation apart. Without one, all imputations must have the same order of rows.
    original : Table, optional
        The table with missing cells, if the stack has no imputation 0, or to give columns the types that they had. The
        labels in `row` are those of its pandas index, or count its rows from 0 or from 1.

    Returns
    -------
    Stack

    Raises
    ------
    ExchangeError
        If imputations are not numbered as they should be, lack rows or have rows twice, or if rows cannot be told.
    """
    places = _places(stack.frame, imputation, row)
    used = [imputation] if row is None else [imputation, row]
    if 0 not in places and original is None:
        raise ExchangeError(
            f"There is no imputation 0 in the column {imputation!r}, the table with missing cells. Stack it too (in R: "
            'mice::complete(imp, "long", include = TRUE)), or give the table as original=.'
        )
    labels = places[0].index if original is None else _labels(original, places)
    whole = _original(stack, places[0], used) if original is None else original
    frames = {k: stack.frame.iloc[_positions(k, places[k], labels)].drop(columns=used) for k in places}
    frames = {k: frame.reset_index(drop=True) for k, frame in frames.items()}
    if original is not None and 0 in frames:
        _check_zero(original.frame, frames[0])
    return Stack(whole, tuple(frame for k, frame in frames.items() if k))


def _places(frame: pd.DataFrame, imputation: str, row: str | None) -> dict[int, pd.Series]:
    """Positions of the rows of each imputation, indexed by their labels."""
    for name in [imputation] if row is None else [imputation, row]:
        if name not in frame:
            raise ExchangeError(
                f"There is no column {name!r}. Columns: {some(map(repr, frame.columns), 20)}. Say which numbers the "
                "imputations (imputation=) and which the rows (row=, or None if all imputations have the same order of rows)."
            )
        missing = np.flatnonzero(frame[name].isna())
        if missing.size:
            raise ExchangeError(f"Column {name!r} has missing values in rows, counted from 0: {some(missing)}.")
    if "Unnamed: 0" in frame.columns:
        raise ExchangeError("The first column has no name, as if it held row names of R: write.csv(..., row.names = FALSE).")
    numbers = _numbers(frame[imputation])
    labels = None if row is None else frame[row].astype(object)
    places = {}
    for k in sorted(set(numbers.tolist())):
        positions = np.flatnonzero(numbers == k)
        index = pd.RangeIndex(len(positions)) if labels is None else pd.Index(labels.iloc[positions]).infer_objects()
        places[k] = pd.Series(positions, index=index)
        if index.has_duplicates:
            twice = some(map(repr, index[index.duplicated()].unique()))
            raise ExchangeError(f"Imputation {k} has rows twice, by column {row!r}: {twice}. Give each row a label of its own.")
    return places


def _numbers(column: pd.Series) -> np.ndarray:
    """Numbers of the imputations: 1 to m, perhaps with 0."""
    try:
        numbers = pd.to_numeric(column.astype(object)).to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ExchangeError(f"Column {column.name!r} should number the imputations 0, 1, 2, ...: {error}.") from error
    found = np.unique(numbers)
    m = int(found[-1]) if np.isfinite(found[-1]) else -1
    expected = set(range(1, m + 1))
    if m < 1 or set(found.tolist()) - {0.0} != expected:
        raise ExchangeError(
            f"Column {column.name!r} should number the imputations 1 to m, and the table with missing cells 0, none left "
            f"out; it holds {some([f'{number:g}' for number in found], 20)}."
        )
    return numbers.astype(np.int64)


def _labels(original: Table, places: dict[int, pd.Series]) -> pd.Index:
    """The labels that the rows of the original have in the stack."""
    n_rows, found = len(original.frame), places[1].index
    candidates = [original.native.index] if isinstance(original.native, pd.DataFrame) else []
    candidates += [pd.RangeIndex(n_rows), pd.RangeIndex(1, n_rows + 1)]
    for labels in candidates:
        if labels.is_unique and len(labels) == len(found) and found.isin(labels).all():
            return labels
    raise ExchangeError(
        f"The rows of the stack cannot be found in the original table: imputation 1 has {len(found)} rows with labels such as "
        f"{some(map(repr, found), 3)}, the original {n_rows} rows. Labels must be those of its pandas index, or count its rows "
        "from 0 or from 1."
    )


def _positions(k: int, places: pd.Series, labels: pd.Index) -> np.ndarray:
    """Positions in the stack of the rows of an imputation, in the order of the original."""
    absent, further = labels.difference(places.index, sort=False), places.index.difference(labels, sort=False)
    if len(absent) or len(further):
        said = [f"lacks {some(map(repr, absent))}"] if len(absent) else []
        said += [f"has besides {some(map(repr, further))}"] if len(further) else []
        raise ExchangeError(f"Imputation {k} has other rows than the original: it {' and '.join(said)}.")
    return places.loc[labels].to_numpy()


def _original(stack: Table, places: pd.Series, used: list[str]) -> Table:
    """Imputation 0 as a table; labels that are more than numbers of rows become the index of pandas."""
    native = taken(stack.native, places.to_numpy(), without=used)
    if isinstance(native, pd.DataFrame):
        labels = places.index
        counted = any(labels.equals(pd.RangeIndex(first, first + len(labels))) for first in (0, 1))
        native.index = pd.RangeIndex(len(labels)) if counted else labels.rename(used[-1])
    return read(native)


def _check_zero(original: pd.DataFrame, zero: pd.DataFrame) -> None:
    """Imputation 0 of the stack is the original, in observed cells and in missing ones."""
    for name in zero.columns.intersection(original.columns):
        unlike = np.flatnonzero(differing(original[name], zero[name]))
        if unlike.size:
            raise ExchangeError(
                f"Imputation 0 of the stack is not the original table: column {name!r} differs in {unlike.size} cell(s), rows "
                f"counted from 0: {some(unlike)}. Leave imputation 0 out, or give the table that was imputed."
            )

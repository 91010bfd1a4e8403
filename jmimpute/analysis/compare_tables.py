"""The tables of a comparison: which columns an analysis uses, whether all sources have the same, and the complete cases."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import AnalysisError, some
from jmimpute.imputation.exchange.comparing import differing
from jmimpute.specification.formula import parse
from jmimpute.table.kinds import CATEGORIES, NUMBERS, TEXTS, TRUTH, kind

#: Kinds that mean the same to a formula.
_ALIKE = {CATEGORIES: TEXTS, TRUTH: TEXTS}


def columns_of(analysis: str | Callable[..., Any], frame: pd.DataFrame) -> list[str] | None:
    """List the columns that an analysis uses.

    Parameters
    ----------
    analysis : str or callable
        A function can say so by an attribute ``columns``, as that of `jmimpute.mean` does.
    frame : pandas.DataFrame

    Returns
    -------
    list of str or None
        None for a function that does not say.

    Raises
    ------
    AnalysisError
        If a column of a function is not there.
    FormulaError
        If a formula does not parse, or a column of it is not there.
    """
    available = list(frame.columns)
    if isinstance(analysis, str):
        parsed = parse(analysis, available, allow_uncorrelated=True)
        own = [name for side in parsed.responses for name in parse(f"{side} ~ {side}", available).columns]
        return list(dict.fromkeys([*own, *parsed.columns, *([parsed.cluster] if parsed.cluster else [])]))
    names = getattr(analysis, "columns", None)
    if names is None:
        return None
    absent = [name for name in names if name not in available]
    if absent:
        raise AnalysisError(f"The analysis uses columns that the table has not: {some(map(repr, absent))}.")
    return list(names)


def complete_rows(frame: pd.DataFrame, used: Sequence[str] | None, imputed: Sequence[str]) -> np.ndarray:
    """Say which rows are complete cases.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
    used : sequence of str or None
        Columns of the analysis.
    imputed : sequence of str
        Columns that decide where those of the analysis are not known: what a source imputed.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    return np.asarray(frame[list(imputed if used is None else used)].notna()).all(axis=1)


def check_same(frames: Mapping[str, pd.DataFrame], used: Sequence[str] | None) -> None:
    """Refuse sources that are not imputations of the same table.

    Parameters
    ----------
    frames : mapping of str to pandas.DataFrame
        The incomplete table of each source.
    used : sequence of str or None
        Columns of the analysis, which must be the same; if not known, all that tables share.

    Raises
    ------
    AnalysisError
        Naming the sources, the column and the rows.
    """
    (first, frame), *others = frames.items()
    for name, other in others:
        _check_rows(first, frame, name, other)
        shared = [column for column in frame.columns if column in other.columns] if used is None else used
        for column in shared:
            if column not in other.columns:
                raise AnalysisError(f"The table of {name!r} has no column {column!r}, which the analysis uses.")
            _check_column(first, frame[column], name, other[column])


def check_complete(truth: pd.DataFrame, frame: pd.DataFrame, used: Sequence[str] | None) -> None:
    """Refuse a complete table that is not the incomplete one with its holes filled.

    Parameters
    ----------
    truth, frame : pandas.DataFrame
        The complete and the incomplete table, with the same rows.
    used : sequence of str or None
        Columns of the analysis; if not known, all that tables share.

    Raises
    ------
    AnalysisError
        Naming the column and the rows.
    """
    name, first = "truth", "the sources"
    _check_rows(first, frame, name, truth)
    shared = [column for column in frame.columns if column in truth.columns] if used is None else used
    for column in shared:
        if column not in truth.columns:
            raise AnalysisError(f"The complete table of the truth has no column {column!r}, which the analysis uses.")
        missing = np.flatnonzero(truth[column].isna())
        if missing.size and used is not None:
            raise AnalysisError(f"The complete table has missing values of {column!r} in rows {some(missing)}, from 0.")
        observed = frame[column].notna().to_numpy()
        _check_column(first, frame[column].where(observed), name, truth[column].where(observed))


def _check_rows(first: str, frame: pd.DataFrame, name: str, other: pd.DataFrame) -> None:
    if len(frame) != len(other):
        raise AnalysisError(
            f"The table of {name!r} has {len(other)} rows, that of {first!r} {len(frame)}. Methods can be compared on the same "
            "table only."
        )


def _check_column(first: str, column: Any, name: str, other: Any) -> None:
    kinds = [_ALIKE.get(kind(series), kind(series)) for series in (column, other)]
    if kinds[0] != kinds[1] and NUMBERS in kinds:
        raise AnalysisError(
            f"Column {column.name!r} holds {kind(column)} in the table of {first!r} and {kind(other)} in that of {name!r}, so "
            "that terms would mean different things. Read files with original=, which gives columns their types."
        )
    rows = np.flatnonzero(differing(column, other))
    if rows.size:
        raise AnalysisError(
            f"Column {column.name!r} is not the same in the tables of {first!r} and {name!r}: {rows.size} rows differ, counted "
            f"from 0: {some(rows)}. Methods can be compared on the same table only, its rows in the same order."
        )

"""Imputations read: our own from disk, those of other programs, and parts put together."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jmimpute.errors import ExchangeError, ImputationError, options
from jmimpute.imputation.cells import Cells
from jmimpute.imputation.exchange.comparing import find
from jmimpute.imputation.exchange.stack import take_apart
from jmimpute.imputations import Imputations
from jmimpute.names import LONG_IMPUTATION, LONG_ROW
from jmimpute.table.files import read_data
from jmimpute.table.kinds import CATEGORIES, TEXTS, categories, kind
from jmimpute.table.reading import Table, read

IMPUTATIONS, ROWS = "imputations", "rows"


def load(path: str | Path) -> Imputations:
    """Read imputations from a folder that `Imputations.save` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Imputations

    Raises
    ------
    ExchangeError
        If the folder is not one of ours or is damaged.
    """
    from jmimpute.imputation.storage import read_cells, read_levels
    from jmimpute.table.storage import read_manifest, read_table

    folder = Path(path)
    content = read_manifest(folder, "imputations", ("m", "columns", "cluster", "table", "levels", "provenance"))
    table = read_table(folder / "table.parquet", content["table"])
    levels = read_levels(content["levels"], folder)
    rows, values = read_cells(folder / "cells.parquet", content["m"], levels)
    if list(rows) != content["columns"]:
        raise ExchangeError(f"{folder} should hold imputed cells of {content['columns']}; it holds those of {list(rows)}.")
    for name, found in rows.items():
        if name not in table.frame or not np.array_equal(np.flatnonzero(table.frame[name].isna()), found):
            raise ExchangeError(f"In {folder}, the imputed cells of {name!r} do not fit the missing cells of the table.")
    return Imputations(table, rows, values, content["m"], content["cluster"], content["provenance"], levels)


def read_long(
    data: Any,
    imputation: str = LONG_IMPUTATION,
    row: str | None = LONG_ROW,
    original: Any = None,
    cluster: str | None = None,
) -> Imputations:
    """Read a long stack of completed tables, as jomo, mice and others make it.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame, pyarrow.Table, or str or Path of a .csv or .parquet file
        Completed tables below each other, in any order of rows.
    imputation : str
        Column that numbers the imputations from 1; 0 is the table with missing cells. In stacks of jomo ``"Imputation"``.
    row : str, optional
        Column that tells the rows of an imputation apart; of jomo ``"id"``. None if all have the same order of rows.
    original : table or path, optional
        The table with missing cells, where the stack has none, or to give columns the types that they had: CSV files do not
        tell categories from texts, nor their order. Its rows are told by its pandas index, or counted from 0 or from 1.
    cluster : str, optional
        Cluster column.

    Returns
    -------
    Imputations
        Without a fit. Columns of which no missing cell was filled stay incomplete. Labels of rows that do not count them
        become the index of a pandas table.

    Raises
    ------
    ExchangeError
        If there is no original table, imputations have different rows, observed cells differ from the original, cells of an
        imputed column are still missing, or were imputed by what is not among its categories.
    """
    given = None if original is None else _table(original)
    stack = take_apart(_table(data, given), imputation, row, given)
    return _imputations(stack.original, stack.completed, cluster, "read from a long stack")


def read_mice(path: Any, original: Any = None, cluster: str | None = None) -> Imputations:
    """Read imputations of the R package mice.

    In R: ``write.csv(complete(imp, "long", include = TRUE), "imp.csv", row.names = FALSE)``.

    Parameters
    ----------
    path : str or Path, or table
        This CSV file, a folder of `Imputations.to_mice`, or the same stack as a table.
    original, cluster
        See `read_long`.

    Returns
    -------
    Imputations

    Raises
    ------
    ExchangeError
        See `read_long`.
    """
    from jmimpute.imputation.exchange.r import STACK

    is_folder = isinstance(path, str | Path) and Path(path).is_dir()
    return read_long(Path(path) / STACK if is_folder else path, original=original, cluster=cluster)


def read_stata(path: str | Path, original: Any = None, cluster: str | None = None) -> Imputations:
    """Read imputations from a ``.dta`` file: mi data in the style flong, or a file of `Imputations.to_stata`.

    Parameters
    ----------
    path : str or Path
        Columns of which all values have labels are read as categories.
    original, cluster
        See `read_long`.

    Returns
    -------
    Imputations

    Raises
    ------
    ExchangeError
        If it is no such file; see also `read_long`.
    """
    from jmimpute.imputation.exchange import stata

    frame, imputation, row = stata.read_stata(path)
    return read_long(frame, imputation, row, original, cluster)


def read_spss(path: str | Path, original: Any = None, cluster: str | None = None) -> Imputations:
    """Read imputations from a ``.sav`` file with the variable ``Imputation_``, of SPSS or of `Imputations.to_spss`.

    Parameters
    ----------
    path : str or Path
        All imputations must have the same order of rows. Columns of which all values have labels are read as categories.
    original, cluster
        See `read_long`.

    Returns
    -------
    Imputations

    Raises
    ------
    ExchangeError
        If it is no such file, or pyreadstat is not installed; see also `read_long`.
    """
    from jmimpute.imputation.exchange import spss

    return read_long(spss.read_spss(path), spss.IMPUTATION, None, original, cluster)


def from_tables(original: Any, tables: Sequence[Any], cluster: str | None = None) -> Imputations:
    """Make imputations of completed tables; ``list(imputations)`` gives them back.

    Parameters
    ----------
    original : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        The table with missing cells.
    tables : sequence of such tables, length m
        With the same rows in the same order.
    cluster : str, optional
        Cluster column.

    Returns
    -------
    Imputations

    Raises
    ------
    ExchangeError
        If they are not completed forms of the original table; see `read_long`.
    """
    if hasattr(tables, "columns") or not len(tables):
        raise ExchangeError("Give the completed tables as a list, one table an imputation.")
    return _imputations(read(original), [read(table).frame for table in tables], cluster, "made of completed tables")


def concat(parts: Sequence[Imputations], along: str = IMPUTATIONS) -> Imputations:
    """Put imputations together.

    Parameters
    ----------
    parts : sequence of Imputations
    along : {"imputations", "rows"}
        More imputations of the same table; or the same number of imputations of tables with other rows, such as groups that
        were imputed apart.

    Returns
    -------
    Imputations
        In the order of the parts.

    Raises
    ------
    ImputationError
        If the parts do not fit together, or are the same draws.
    """
    from jmimpute.imputation.joining import below, more

    parts = list(parts)
    if not parts or not all(isinstance(part, Imputations) for part in parts):
        raise ImputationError("Give Imputations in a list.")
    if along not in (IMPUTATIONS, ROWS):
        raise ImputationError(f"along={along!r} is not known. Choose {options((IMPUTATIONS, ROWS))}.")
    clusters = {part.cluster for part in parts}
    if len(clusters) > 1:
        raise ImputationError(f"The parts have different cluster columns: {options(sorted(map(str, clusters)))}.")
    numbers = [part.m for part in parts]
    if along == ROWS and len(set(numbers)) > 1:
        raise ImputationError(f"The parts have {options(numbers)} imputations. To put rows together they must have as many.")
    tables, cells = [part._table for part in parts], [part._cells for part in parts]
    table, joined = (tables[0], more(tables, cells)) if along == IMPUTATIONS else below(tables, cells)
    m = sum(numbers) if along == IMPUTATIONS else numbers[0]
    provenance = {"changes": [{"concat": along, "parts": [part.provenance for part in parts]}], "versions": _versions()}
    return Imputations(table, joined.rows, joined.values, m, parts[0].cluster, provenance, joined.levels)


def _imputations(original: Table, completed: Sequence[Any], cluster: str | None, source: str) -> Imputations:
    """Imputations of an original table and its completed forms."""
    if cluster is not None and cluster not in original.frame:
        raise ExchangeError(f"There is no column {cluster!r} to take clusters from. Choose {options(list(original.frame))}.")
    if cluster is not None and original.frame[cluster].isna().any():
        raise ExchangeError(f"The cluster column {cluster!r} has missing values. Rows must belong to clusters.")
    found: Cells = find(original.frame, completed)
    provenance = {"source": source, "versions": _versions()}
    return Imputations(original, found.rows, found.values, len(completed), cluster, provenance, found.levels)


def _table(data: Any, original: Table | None = None) -> Table:
    """A table, or that of a file, in which columns that hold texts in the original do so too."""
    if not isinstance(data, str | Path):
        return read(data)
    return read(read_data(data, [] if original is None else _texts(original)))


def _texts(original: Table) -> list[str]:
    """Columns that hold texts or categories that are texts."""
    frame = original.frame
    return [
        name
        for name in frame.columns
        if kind(frame[name]) in (TEXTS, CATEGORIES) and any(isinstance(label, str) for label in categories(frame[name]))
    ]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("jmimpute", "numpy", "pandas")}

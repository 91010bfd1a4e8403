"""Imputations: the original table and the imputed cells, and what an analyst does with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import ExchangeError, ImputationError
from jmimpute.names import LONG_IMPUTATION, LONG_ROW
from jmimpute.table.filling import filled
from jmimpute.table.reading import Table

if TYPE_CHECKING:
    from jmimpute.analysis.analyze import Analyses
    from jmimpute.fit import Fit


@dataclass(frozen=True)
class Imputations:
    """Multiply imputed data: the original table and, for each incomplete column, m draws of its missing cells.

    Made by `Fit.impute`, `jmimpute.impute` or `jmimpute.load`; not by hand.

    Attributes
    ----------
    m : int
        Number of imputations.
    columns : tuple of str
        Imputed columns.
    cluster : str or None
        Cluster column.
    original : pandas.DataFrame
        The table as it was, rows numbered from 0.
    provenance : dict
        Model, seed, settings and versions.
    """

    _table: Table = field(repr=False)
    _rows: dict[str, np.ndarray] = field(repr=False)
    _values: dict[str, np.ndarray] = field(repr=False)
    m: int
    cluster: str | None
    provenance: dict[str, Any] = field(repr=False)
    _levels: dict[str, tuple] = field(repr=False)
    _fit: Fit | None = field(default=None, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Imputed columns."""
        return tuple(self._rows)

    @property
    def original(self) -> pd.DataFrame:
        """The table as it was, as pandas with rows numbered from 0."""
        return self._table.frame

    def rows(self, column: str) -> np.ndarray:
        """Rows (from 0, ascending) in which a column is missing, shape (n_missing,).

        Parameters
        ----------
        column : str
            One of `columns`.

        Raises
        ------
        ImputationError
            If the column was not imputed.
        """
        return self._rows[self._known(column)]

    def values(self, column: str) -> np.ndarray:
        """Imputed cells of a column, shape (m, n_missing), in the order of `rows`; labels for a column of categories.

        Parameters
        ----------
        column : str
            One of `columns`.

        Raises
        ------
        ImputationError
            If the column was not imputed.
        """
        values, levels = self._values[self._known(column)], self.levels(column)
        if not levels:
            return values
        numbers = {type(level) for level in levels} in ({bool}, {int}, {float})
        return np.array(levels, dtype=None if numbers else object)[values]

    def levels(self, column: str) -> tuple:
        """Categories that a column can be imputed by, in order; none for a continuous column.

        Parameters
        ----------
        column : str
            One of `columns`.

        Raises
        ------
        ImputationError
            If the column was not imputed.
        """
        return self._levels.get(self._known(column), ())

    def complete(self, imputation: int) -> Any:
        """Return one completed table.

        Parameters
        ----------
        imputation : int
            From 1 to m; 0 gives the original table.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Of the kind that was imputed. Observed cells are unchanged. A column of categories keeps its type; an imputed
            continuous column of whole numbers becomes float64, since imputed values are not whole numbers.

        Raises
        ------
        ImputationError
            If there is no such imputation.
        """
        if isinstance(imputation, bool | float) or imputation not in range(self.m + 1):
            raise ImputationError(f"There is no imputation {imputation!r}: they are numbered from 1 to {self.m} (0: original).")
        if imputation == 0:
            return self._table.native
        return self._completed(self._table, imputation)

    def __iter__(self) -> Iterator[Any]:
        """Yield the completed tables."""
        return (self.complete(k + 1) for k in range(self.m))

    def __len__(self) -> int:
        """Return the number of imputations, m."""
        return self.m

    def long(self, original: bool = False) -> Any:
        """Stack the completed tables.

        Parameters
        ----------
        original : bool
            Put the original table first, as imputation 0.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Columns ``.imp`` (imputation) and ``.id`` (row, from 0) before those of the table.

        Raises
        ------
        ImputationError
            If the table already has a column of one of these names.
        """
        taken = [name for name in (LONG_IMPUTATION, LONG_ROW) if name in self.original.columns]
        if taken:
            raise ImputationError(f"The table has a column {taken[0]!r}, which the long form needs. Rename it before imputing.")
        import narwhals as nw

        parts = []
        for k in range(0 if original else 1, self.m + 1):
            frame = nw.from_native(self.complete(k) if k else self._original_as_completed(), eager_only=True)
            frame = frame.with_row_index(LONG_ROW).with_columns(nw.lit(k).alias(LONG_IMPUTATION))
            parts.append(frame.select(LONG_IMPUTATION, LONG_ROW, *self.original.columns))
        return nw.concat(parts, how="vertical").to_native()

    def extend(self, m: int, *, progressbar: bool = True) -> Imputations:
        """Return m imputations of which the present ones are the first; the same as imputing m at once.

        Parameters
        ----------
        m : int
            New total.
        progressbar : bool

        Raises
        ------
        ImputationError
            If m is not larger than before, or the fit is not at hand.
        """
        if self._fit is None:
            raise ImputationError("These imputations were loaded from disk without their fit: use load_fit(path).impute(m).")
        if isinstance(m, int) and m <= self.m:
            raise ImputationError(f"There are {self.m} imputations already; m must be larger, not {m!r}.")
        return self._fit.impute(m, progressbar=progressbar)

    def analyze(self, model: Any, engine: str = "statsmodels", family: str = "gaussian", reml: bool = True) -> Analyses:
        """Fit a substantive model to each completed table.

        Parameters
        ----------
        model : str or callable
            A formula such as ``"english ~ ravens + sex + (1 | school)"``, or a function of a pandas DataFrame that returns
            estimates and their covariance matrix.
        engine, family, reml
            See `jmimpute.analysis.analyze.analyze`.

        Returns
        -------
        Analyses
            With a method `pool`.
        """
        from jmimpute.analysis.analyze import analyze

        frames = (self._frame(k + 1) for k in range(self.m))
        return analyze(frames, model, engine=engine, family=family, reml=reml)

    def save(self, path: str | Path) -> None:
        """Write to a folder: the table and the cells as parquet, the rest as JSON.

        Parameters
        ----------
        path : str or Path
            Made if it is not there.

        Raises
        ------
        ExchangeError
            If the table has a column that parquet cannot hold.
        """
        from jmimpute.imputation.storage import write_cells
        from jmimpute.table.storage import write_manifest, write_table

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        kind = write_table(self._table, folder / "table.parquet")
        write_cells(self._rows, self._values, folder / "cells.parquet")
        content = {
            "m": self.m,
            "columns": list(self.columns),
            "cluster": self.cluster,
            "table": kind,
            "levels": self._levels,
            "provenance": self.provenance,
        }
        write_manifest(folder, "imputations", content)

    def __repr__(self) -> str:
        """Tell how many, of what."""
        cells = ", ".join(f"{name} ({len(rows)} cells)" for name, rows in self._rows.items())
        return f"<{self.m} imputations of {len(self.original)} rows: {cells or 'nothing missing'}>"

    def _known(self, column: str) -> str:
        if column not in self._rows:
            raise ImputationError(f"Column {column!r} was not imputed. Imputed columns: {', '.join(self.columns) or 'none'}.")
        return column

    def _completed(self, table: Table, imputation: int) -> Any:
        """A table with its missing cells filled."""
        numbers = {name: self._filled(name, imputation) for name in self._continuous}
        completed = table.with_columns(numbers)
        for name in self.columns:
            if self.levels(name):
                labels = [self.levels(name)[code] for code in self._values[name][imputation - 1]]
                completed = filled(completed, name, self._rows[name], labels)
        return completed

    @property
    def _continuous(self) -> list[str]:
        return [name for name in self.columns if not self.levels(name)]

    def _filled(self, column: str, imputation: int) -> np.ndarray:
        values = self.original[column].to_numpy(dtype=float, na_value=np.nan).copy()
        values[self._rows[column]] = self._values[column][imputation - 1]
        return values

    def _original_as_completed(self) -> Any:
        """The original table with the column types of a completed one: it may hold whole numbers where that does not."""
        completed = self.complete(1)
        if isinstance(completed, pd.DataFrame):
            return self._table.native.astype({name: completed[name].dtype for name in self._continuous})
        import narwhals as nw

        schema = nw.from_native(completed, eager_only=True).schema
        frame = nw.from_native(self._table.native, eager_only=True)
        return frame.with_columns(*(nw.col(name).cast(schema[name]) for name in self._continuous)).to_native()

    def _frame(self, imputation: int) -> pd.DataFrame:
        """A completed table for an analysis, which takes truth values only as such and not as objects that hold them."""
        frame = self._completed(Table(self.original, self.original), imputation)
        truth = [name for name in self.columns if pd.api.types.infer_dtype(frame[name]) == "boolean"]
        return frame.astype(dict.fromkeys(truth, bool))


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

"""Imputations: the original table and the imputed cells, and what an analyst does with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.exports import Exports
from jmimpute.imputation.cells import Cells
from jmimpute.imputation.completing import completed, completed_frame, long
from jmimpute.names import LONG_IMPUTATION, LONG_ROW
from jmimpute.table.reading import Table

if TYPE_CHECKING:
    from jmimpute.analysis.analyze import Analyses
    from jmimpute.chained.traces import ChainedTraces
    from jmimpute.fit import Fit
    from jmimpute.mnar.adjustments import Adjustment


@dataclass(frozen=True)
class Imputations(Exports):
    """Multiply imputed data: the original table and, for each incomplete column, m draws of its missing cells.

    Made by `Fit.impute`, `jmimpute.impute`, or by the functions that read imputations; not by hand.

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
        Model, seed, settings and versions, and the ``seconds`` that fit and imputation took, ``wall`` and ``cpu``.
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

    @property
    def traces(self) -> ChainedTraces:
        """Whether the streams of `jmimpute.chained` converged: verdict and traces.

        Raises
        ------
        ImputationError
            If the imputations were not made by it.
        """
        from jmimpute.chained.traces import traces_of

        return traces_of(self.provenance)

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
        return completed(self._table, self._cells, imputation - 1)

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
        return long(self._table, self._cells, self.m, original)

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
            why = "kept without their fit, on disk or in a grid of fits: use load_fit(path).impute(m)"
            if "source" in self.provenance:
                why = f"{self.provenance['source']}: make more where these were made, and read all of them"
            if "chained" in self.provenance:
                why = "made by jm.chained: call it again with the same random_seed and a larger m, to get these first"
            if "changes" in self.provenance:
                why = "changed: extend those that they were made of"
            raise ImputationError(f"These imputations were {why}.")
        if isinstance(m, int) and m <= self.m:
            raise ImputationError(f"There are {self.m} imputations already; m must be larger, not {m!r}.")
        return self._fit.impute(m, progressbar=progressbar)

    def map(self, function: Callable[[Any], Any]) -> list:
        """Apply a function to each completed table.

        Parameters
        ----------
        function : callable
            Of a table of the kind that was imputed.

        Returns
        -------
        list, length m
            What it returned.
        """
        return [function(table) for table in self]

    def assign(self, **columns: str | Callable[[Any], Any]) -> Imputations:
        """Add columns that are derived from others in each completed table: ``assign(bmi="weight / height**2")``.

        Parameters
        ----------
        **columns : str or callable
            By name, in the order in which they are computed. Arithmetic of columns (numbers, quoted texts, ``+ - * / // % **``,
            comparisons, log, log1p, exp, sqrt, abs; nothing in it is run as code), or a function of a completed table that
            gives a value for each row. A function is called with the original table too.

        Returns
        -------
        Imputations
            In the original table a cell is missing where it depends on imputed cells: where an expression names a column
            that is missing, or where a function gives none or completed tables differ.

        Raises
        ------
        FormulaError
            If an expression is not allowed.
        ImputationError
            If a column is there already, or a value is missing or infinite in a completed table.
        """
        from jmimpute.imputation.deriving import derive

        table, cells = derive(self._table, self._cells, self.m, columns)
        said = {name: getattr(how, "__name__", "a function") if callable(how) else how for name, how in columns.items()}
        return self._changed(table, cells, assign=said)

    def filter(self, rows: Any) -> Imputations:
        """Keep some rows, the same ones in all imputations.

        Parameters
        ----------
        rows : callable or array
            Truth values, one a row, or positions from 0; or a function of the original table, without its imputed columns,
            that gives either, such as ``lambda table: table["age"] >= 16``.

        Returns
        -------
        Imputations

        Raises
        ------
        ImputationError
            If rows are chosen by an imputed column: they would differ between imputations. Choose them in the analysis, by a
            function given to `analyze`.
        """
        from jmimpute.imputation.selecting import select

        table, cells = select(self._table, self._cells, rows)
        return self._changed(table, cells, filter=f"{len(table.frame)} of {len(self.original)} rows")

    def delta(
        self, variable: str, adjustment: Adjustment, scope: str | None = None, *, random_seed: int | None = None
    ) -> Imputations:
        """Say how missing values differ from those that are missing at random, and adjust them.

        Delta does not enter the likelihood of what was observed, so that one posterior serves every delta exactly.

        Parameters
        ----------
        variable : str
            One of `columns`.
        adjustment : Adjustment
            `jmimpute.shift`, `jmimpute.scale`, `jmimpute.odds` or `jmimpute.latent`.
        scope : {"marginal", "conditional"}, optional
            "marginal" changes this variable alone. "conditional", the default where others are missing in the same rows: these
            are drawn anew given what was observed and the adjusted values, by the same posterior draws, random effects and
            random numbers.
        random_seed : int, optional
            Of what an adjustment draws; that of the imputations if not given.

        Returns
        -------
        Imputations
            Adjustments that change nothing give the same imputations, to the last bit.

        Raises
        ------
        ImputationError
            If the adjustment does not suit the variable, or needs a fit that is not at hand.
        """
        from jmimpute.mnar.delta import adjust

        return adjust(self, variable, adjustment, scope, random_seed)

    def analyze(self, model: Any, engine: str = "statsmodels", family: str = "gaussian", **settings: Any) -> Analyses:
        """Fit a substantive model to each completed table.

        Parameters
        ----------
        model : str or callable
            A formula such as ``"english ~ ravens + sex + (1 | school)"``, or a function of a pandas DataFrame that returns
            estimates and their covariance matrix.
        engine : {"statsmodels", "gee", "bambi"}, optional
            What fits a formula.
        family : {"gaussian", "binomial", "poisson", "ordinal", "ordinal-probit", "nominal"}, optional
            Family of its response.
        **settings
            Of the engine; see `jmimpute.analysis.analyze.analyze`.

        Returns
        -------
        Analyses
            With a method `pool`.
        """
        from jmimpute.analysis.analyze import analyze
        from jmimpute.analysis.source import Repeatable

        frames = Repeatable(lambda: (self._frame(k + 1) for k in range(self.m)))
        return analyze(frames, model, engine=engine, family=family, **settings)

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
        left = [name for name in self.original.columns[self.original.isna().any()] if name not in self._rows]
        incomplete = f"; not imputed: {some(left)}" if left else ""
        return f"<{self.m} imputations of {len(self.original)} rows: {cells or 'nothing missing'}{incomplete}>"

    def _known(self, column: str) -> str:
        if column not in self._rows:
            raise ImputationError(f"Column {column!r} was not imputed. Imputed columns: {', '.join(self.columns) or 'none'}.")
        return column

    @property
    def _cells(self) -> Cells:
        return Cells(self._rows, self._values, self._levels)

    def _frame(self, imputation: int) -> pd.DataFrame:
        return completed_frame(self.original, self._cells, imputation - 1)

    def _changed(self, table: Table, cells: Cells, **said: Any) -> Imputations:
        """Imputations of a table made of this one; what was done is recorded, and its fit can make no more of them."""
        provenance = {**self.provenance, "changes": [*self.provenance.get("changes", []), said]}
        return Imputations(table, cells.rows, cells.values, self.m, self.cluster, provenance, cells.levels)

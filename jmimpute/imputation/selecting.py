"""Some rows of imputations, the same ones in all."""

from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.imputation.cells import Cells
from jmimpute.table.reading import Table, read
from jmimpute.table.slicing import taken


def select(table: Table, cells: Cells, rows: Any) -> tuple[Table, Cells]:
    """Keep some rows.

    Parameters
    ----------
    table : Table
    cells : Cells
    rows : callable or array
        See `Imputations.filter`.

    Returns
    -------
    table : Table
    cells : Cells
        Columns without missing cells in these rows are no longer among them.

    Raises
    ------
    ImputationError
        If no such rows can be told.
    """
    keep = _mask(_called(rows, table, cells) if callable(rows) else rows, len(table.frame))
    place = np.cumsum(keep) - 1
    kept = {name: keep[found] for name, found in cells.rows.items() if keep[found].any()}
    new_rows = {name: place[cells.rows[name][mask]] for name, mask in kept.items()}
    values = {name: cells.values[name][:, mask] for name, mask in kept.items()}
    levels = {name: found for name, found in cells.levels.items() if name in kept}
    return read(taken(table.native, np.flatnonzero(keep))), Cells(new_rows, values, levels)


def _called(function: Any, table: Table, cells: Cells) -> Any:
    """What a function chooses, of columns that are the same in all imputations."""
    observed = taken(table.native, np.arange(len(table.frame)), without=list(cells.rows))
    try:
        return function(observed)
    except Exception as error:
        raise ImputationError(
            f"The function that chooses rows raised {type(error).__name__}: {error}. It has the columns that were not imputed. "
            "Rows chosen by an imputed column would differ between imputations: choose them in the analysis, by a function "
            f"given to analyze. Imputed columns: {some(cells.rows, 20)}."
        ) from error


def _mask(rows: Any, n_rows: int) -> np.ndarray:
    """Rows as truth values, shape (n_rows,)."""
    found = rows.to_pandas() if hasattr(rows, "to_pandas") else np.asarray(rows)
    found = pd.Series(found if np.ndim(found) == 1 else [])
    if found.isna().any():
        raise ImputationError(f"Whether rows {some(np.flatnonzero(found.isna()))} are chosen is missing. Say so for each row.")
    if pd.api.types.infer_dtype(found) == "boolean" and len(found) == n_rows:
        keep = found.to_numpy(dtype=bool)
    elif pd.api.types.is_integer_dtype(found.dtype) and found.between(0, n_rows - 1).all() and found.is_unique:
        keep = np.zeros(n_rows, dtype=bool)
        keep[found.to_numpy()] = True
    else:
        raise ImputationError(f"Choose rows by {n_rows} truth values, or by positions from 0 to {n_rows - 1}, none twice.")
    if not keep.any():
        raise ImputationError("No row is chosen.")
    return keep

"""Imputed cells on disk: one parquet file with a row a missing cell and a column an imputation."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ExchangeError

COLUMN, ROW = "column", "row"


def write_cells(rows: dict[str, np.ndarray], values: dict[str, np.ndarray], path: Path) -> None:
    """Write imputed cells.

    Parameters
    ----------
    rows : dict of str to ndarray of int, shape (n_missing,)
    values : dict of str to ndarray, shape (m, n_missing)
        Numbers, or codes of categories.
    path : Path
    """
    parts = [
        pd.DataFrame({COLUMN: name, ROW: rows[name], **{str(k + 1): draw for k, draw in enumerate(values[name])}})
        for name in rows
    ]
    (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({COLUMN: [], ROW: []})).to_parquet(path)


def read_levels(record: Any, folder: Path) -> dict[str, tuple]:
    """Read the categories of imputed columns from a manifest; JSON tells texts, truth values and numbers apart.

    Parameters
    ----------
    record : object
        What stands there.
    folder : Path
        For the message.

    Raises
    ------
    ExchangeError
        If it is not a list of categories for each of some columns.
    """
    if not isinstance(record, dict) or not all(isinstance(levels, list) and levels for levels in record.values()):
        raise ExchangeError(f"In {folder}, the levels in the manifest should be lists by column, not {record!r}.")
    return {name: tuple(levels) for name, levels in record.items()}


def read_cells(path: Path, m: int, levels: dict[str, tuple]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read imputed cells: rows and values by column, as `write_cells` was given them.

    Parameters
    ----------
    path : Path
    m : int
        Imputations that must be there.
    levels : dict of str to tuple
        Categories of the columns that have codes.

    Raises
    ------
    ExchangeError
        If the file is missing, corrupt or incomplete.
    """
    try:
        names = [str(k + 1) for k in range(m)]
        frame = pd.read_parquet(path)
        found = [name for name in frame.columns if name not in (COLUMN, ROW)]
        if m < 1 or (len(frame) and found != names):
            raise ValueError(f"it holds {len(found)} imputations, not {m!r}")
        groups = {str(name): group for name, group in frame.groupby(COLUMN, sort=False)}
        rows = {name: group[ROW].to_numpy(dtype=np.int64) for name, group in groups.items()}
        values = {name: np.ascontiguousarray(group[names].to_numpy(dtype=float).T) for name, group in groups.items()}
    except Exception as error:
        raise ExchangeError(f"{path} cannot be read: {error}. The file is missing, cut short or not ours.") from error
    return rows, {name: _checked(cells, name, levels.get(name), path) for name, cells in values.items()}


def _checked(cells: np.ndarray, name: str, levels: tuple | None, path: Path) -> np.ndarray:
    """Imputed cells as numbers or codes, of which none may be missing or impossible."""
    if not np.isfinite(cells).all():
        raise ExchangeError(f"In {path}, imputed cells of {name!r} are missing or infinite. The file is damaged.")
    if levels is None:
        return cells
    if not np.isin(cells, np.arange(len(levels))).all():
        raise ExchangeError(
            f"In {path}, imputed cells of {name!r} are not codes of its {len(levels)} levels. The file is damaged."
        )
    return cells.astype(np.int64)

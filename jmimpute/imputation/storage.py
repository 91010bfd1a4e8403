"""Imputed cells on disk: one parquet file with a row a missing cell and a column an imputation."""

from pathlib import Path

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
    path : Path
    """
    parts = [
        pd.DataFrame({COLUMN: name, ROW: rows[name], **{str(k + 1): draw for k, draw in enumerate(values[name])}})
        for name in rows
    ]
    (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({COLUMN: [], ROW: []})).to_parquet(path)


def read_cells(path: Path, m: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read imputed cells: rows and values by column, as `write_cells` was given them.

    Parameters
    ----------
    path : Path
    m : int
        Imputations that must be there.

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
    return rows, values

"""Tables in CSV and parquet files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from jmimpute.errors import ExchangeError
from jmimpute.table.reading import read
from jmimpute.table.storage import read_table, write_table

SUFFIXES = (".csv", ".parquet")
# What a missing cell of a CSV file holds. pandas would also take None and null for missing, which may be categories.
MISSING = ("", "NA", "NaN", "nan", "<NA>", "N/A", "n/a", "#N/A")


def read_data(path: str | Path, texts: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV or parquet file.

    Parameters
    ----------
    path : str or Path
        ``.csv`` (numbers are read to the last bit; empty cells, ``NA`` and ``NaN`` and their like are missing) or ``.parquet``.
    texts : iterable of str
        Columns of a CSV file that hold texts even where these look like numbers.

    Raises
    ------
    ExchangeError
        If it cannot be read, or is of another kind.
    """
    path = _checked(path)
    if path.suffix == ".parquet":
        return read_table(path, "pandas").native
    try:
        dtype = dict.fromkeys(texts, "str")
        return pd.read_csv(path, dtype=dtype, keep_default_na=False, na_values=list(MISSING))
    except Exception as error:
        raise ExchangeError(f"The data file {path} cannot be read: {error}") from error


def write_data(native: Any, path: str | Path) -> None:
    """Write a CSV or parquet file.

    Parameters
    ----------
    native : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        An index of pandas is left out.
    path : str or Path
        ``.csv`` (numbers to the last bit, missing cells empty; types are lost) or ``.parquet``.

    Raises
    ------
    ExchangeError
        If a column cannot be written, or the file is of another kind.
    """
    path = _checked(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        write_table(read(native), path)
    else:
        read(native).frame.to_csv(path, index=False)


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ExchangeError(f"{path} is neither a .csv nor a .parquet file. Convert it to one of these.")
    return path

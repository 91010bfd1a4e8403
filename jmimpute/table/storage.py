"""Tables and records on disk: parquet and JSON, never pickle."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from jmimpute.errors import ExchangeError
from jmimpute.table.reading import Table, read

MANIFEST = "manifest.json"
KINDS = ("pandas", "polars", "pyarrow")


def write_table(table: Table, path: Path) -> str:
    """Write the analyst's table to a parquet file.

    Parameters
    ----------
    table : Table
    path : Path

    Returns
    -------
    str
        Its kind, for `read_table`.

    Raises
    ------
    ExchangeError
        If a column cannot be written.
    """
    kind = "pandas" if isinstance(table.native, pd.DataFrame) else type(table.native).__module__.partition(".")[0]
    try:
        if kind == "pandas":
            table.native.to_parquet(path)
        elif kind == "polars":
            table.native.write_parquet(path)
        else:
            import pyarrow.parquet as pq

            pq.write_table(table.native, path)
    except Exception as error:
        raise ExchangeError(
            f"The table cannot be written to {path}: {error}. Columns that mix types, or hold Python objects, have no parquet "
            "form: convert them to text or drop them."
        ) from error
    return kind


def read_table(path: Path, kind: str) -> Table:
    """Read a table back as the kind it was.

    Parameters
    ----------
    path : Path
    kind : {"pandas", "polars", "pyarrow"}

    Raises
    ------
    ExchangeError
        If the file is missing or corrupt.
    """
    if kind not in KINDS:
        raise ExchangeError(f"{path} is said to hold a table of kind {kind!r}, which is not known.")
    try:
        if kind == "polars":
            import polars as pl

            return read(pl.read_parquet(path))
        if kind == "pyarrow":
            import pyarrow.parquet as pq

            return read(pq.read_table(path))
        return read(pd.read_parquet(path))
    except Exception as error:
        raise ExchangeError(f"{path} cannot be read: {error}. The file is missing, cut short or not a parquet file.") from error


def write_manifest(folder: Path, kind: str, content: dict[str, Any]) -> None:
    """Write the record that tells what a folder holds.

    Parameters
    ----------
    folder : Path
    kind : str
        Such as ``"imputations"``.
    content : dict
    """
    record = {"jmimpute": kind, "format": 1, **content}
    (folder / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path, kind: str, required: tuple[str, ...]) -> dict[str, Any]:
    """Read and check the record of a folder.

    Parameters
    ----------
    folder : Path
    kind : str
        What the folder must hold.
    required : tuple of str
        Keys that must be there.

    Raises
    ------
    ExchangeError
        If the folder is not one of ours, holds something else, or is of a newer format.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ExchangeError(f"{folder} holds no {MANIFEST}: it is not a folder that jmimpute saved.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ExchangeError(f"{path} cannot be read: {error}. The file is corrupt or not ours.") from error
    if not isinstance(content, dict) or content.get("jmimpute") != kind:
        found = content.get("jmimpute") if isinstance(content, dict) else None
        raise ExchangeError(f"{folder} holds {found or 'something else'!r}, not {kind!r}.")
    if content.get("format") != 1:
        raise ExchangeError(f"{folder} has format {content.get('format')!r}; this version reads 1. Update jmimpute.")
    lacking = [key for key in required if key not in content]
    if lacking:
        raise ExchangeError(f"{path} lacks {lacking[0]!r}: the file is corrupt.")
    return content

"""Tables and records on disk: parquet and JSON, never pickle."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from jmimpute.errors import ExchangeError
from jmimpute.table.reading import Table, read, replaced

MANIFEST = "manifest.json"
# Parquet keeps categories that are texts only: others are written as texts, and as what they are in its metadata.
CATEGORIES = b"jmimpute categories"
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
        if kind == "polars":
            table.native.write_parquet(path)
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(_with_texts(pa.Table.from_pandas(table.native) if kind == "pandas" else table.native), path)
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
        import pyarrow.parquet as pq

        categories = json.loads((pq.read_schema(path).metadata or {}).get(CATEGORIES, b"{}"))
        if kind == "pyarrow":
            return read(_without_texts(pq.read_table(path), categories))
        frame = pd.read_parquet(path)
        return read(replaced(frame, _renamed(frame, categories)))
    except Exception as error:
        raise ExchangeError(f"{path} cannot be read: {error}. The file is missing, cut short or not a parquet file.") from error


def _with_texts(table: Any) -> Any:
    """A pyarrow table in which the numbers and truth values of dictionaries stand as texts, and in its metadata."""
    import pyarrow as pa

    categories = {}
    for place, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else pa.null()
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            column = table.column(place).unify_dictionaries().combine_chunks()
            categories[field.name] = (str(kind), column.dictionary.to_pylist())
            texts = pa.array([str(value) for value in column.dictionary.to_pylist()])
            text = pa.DictionaryArray.from_arrays(column.indices, texts, ordered=field.type.ordered)
            table = table.set_column(place, field.name, text)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), CATEGORIES: json.dumps(categories)})


def _renamed(frame: pd.DataFrame, categories: dict[str, Any]) -> dict[str, Any]:
    """Columns of pandas whose categories were numbers or truth values."""
    import pyarrow as pa

    true = {name: pa.array(values, pa.type_for_alias(kind)).to_pandas() for name, (kind, values) in categories.items()}
    return {name: frame[name].cat.rename_categories(values.array) for name, values in true.items()}


def _without_texts(table: Any, categories: dict[str, Any]) -> Any:
    """The table that `_with_texts` was given."""
    import pyarrow as pa

    for name, (kind, values) in categories.items():
        column = table.column(name).unify_dictionaries().combine_chunks()
        dictionary = pa.array(values, pa.type_for_alias(kind))
        whole = pa.DictionaryArray.from_arrays(column.indices, dictionary, ordered=column.type.ordered)
        table = table.set_column(table.schema.get_field_index(name), name, whole)
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != CATEGORIES}
    return table.replace_schema_metadata(metadata or None)


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

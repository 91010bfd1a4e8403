"""Cells taken out of a table, which stays of the kind it was."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.table.reading import replaced


def punch(native: Any, missing: Mapping[str, np.ndarray]) -> Any:
    """Copy a table without some of its cells.

    Parameters
    ----------
    native : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    missing : mapping of str to ndarray of bool, shape (n_rows,)
        Cells to take out, by column.

    Returns
    -------
    The kind of `native`
        Of a pandas table, columns of whole numbers and truth values get the nullable type that holds them, such as Int64.
    """
    if isinstance(native, pd.DataFrame):
        return replaced(native, {name: _nullable(native[name]).mask(mask).array for name, mask in missing.items()})
    import narwhals as nw

    frame = nw.from_native(native, eager_only=True)
    kept = {name: nw.new_series(name, ~mask, backend=frame.implementation) for name, mask in missing.items()}
    return frame.with_columns(**{name: nw.when(keep).then(nw.col(name)) for name, keep in kept.items()}).to_native()


def _nullable(series: pd.Series) -> pd.Series:
    """Give a column a type that can hold missing cells without changing the others."""
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else None
    if kind == "b":
        return series.astype("boolean")
    prefix = {"i": "Int", "u": "UInt"}.get(kind)
    return series.astype(f"{prefix}{8 * series.dtype.itemsize}") if prefix else series

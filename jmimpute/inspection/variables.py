"""Columns of a table one by one: kind, missing values, level, intraclass correlation, and values as numbers."""

import numpy as np
import pandas as pd

from jmimpute.inspection.patterns import SPORADIC, SYSTEMATIC
from jmimpute.table.clusters import Clusters
from jmimpute.table.kinds import MOMENTS, NUMBERS, OTHER, TEXTS, TRUTH, kind

_WORDS = {NUMBERS: "numeric", TRUTH: "boolean", TEXTS: "text", MOMENTS: "date", OTHER: "other"}


def kind_of(series: pd.Series) -> str:
    """Name what a column holds.

    Parameters
    ----------
    series : Series

    Returns
    -------
    str
        ``numeric``, ``boolean``, ``ordered``, ``categorical``, ``text``, ``date`` or ``other``.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordered" if series.dtype.ordered else "categorical"
    return _WORDS[kind(series)]


def scores(series: pd.Series) -> np.ndarray | None:
    """Read a column as numbers.

    Parameters
    ----------
    series : Series, n_rows

    Returns
    -------
    ndarray, shape (n_rows,), or None
        NaN for missing cells. Truth values are 0 and 1, ordered categories their positions from 0; None for other kinds.
    """
    match kind_of(series):
        case "numeric":
            return series.astype(float).to_numpy() if series.dtype == object else series.to_numpy(dtype=float, na_value=np.nan)
        case "boolean":
            return series.astype("boolean").to_numpy(dtype=float, na_value=np.nan)
        case "ordered":
            return np.where(series.isna(), np.nan, series.cat.codes)
    return None


def describe_variables(frame: pd.DataFrame, clusters: Clusters | None, kinds: pd.DataFrame | None) -> pd.DataFrame:
    """Make the table of columns that `Inspection.variables` documents."""
    columns = list(frame.columns)
    missing = frame.isna().sum()
    table = pd.DataFrame(
        {
            "kind": [kind_of(frame[column]) for column in columns],
            "n_missing": missing.to_numpy(),
            "percent_missing": 100 * missing.to_numpy() / len(frame),
        },
        index=pd.Index(columns, name="variable"),
    )
    if clusters is None or kinds is None:
        return table
    table["level"] = pd.array([_level(frame[column], clusters.codes) for column in columns], dtype="Int64")
    for missing_kind in (SPORADIC, SYSTEMATIC):
        table[missing_kind] = (kinds == missing_kind).sum().reindex(columns, fill_value=0)
    table["icc"] = [np.nan if column == clusters.name else _icc(scores(frame[column]), clusters.codes) for column in columns]
    return table


def _level(series: pd.Series, codes: np.ndarray) -> int | None:
    observed = series.dropna()
    if kind_of(observed) == "other":  # lists and the like cannot be compared
        return None
    groups = observed.groupby(codes[series.notna()])
    if len(observed) == groups.ngroups:
        return None
    return 2 if (groups.nunique() == 1).all() else 1


def _icc(values: np.ndarray | None, codes: np.ndarray) -> float:
    """ICC(1) = (MSB - MSW) / (MSB + (n0 - 1) MSW); n0, an average cluster size: Donner (1986), Int. Stat. Rev. 54."""
    if values is None:
        return np.nan
    keep = ~np.isnan(values)
    values, codes = values[keep], codes[keep]
    sizes = np.bincount(codes)
    means = np.bincount(codes, values) / np.maximum(sizes, 1)
    sizes, n, k = sizes[sizes > 0], len(values), np.count_nonzero(sizes)
    if k < 2 or n == k or not np.isfinite(values).all():
        return np.nan
    within = ((values - means[codes]) ** 2).sum() / (n - k)
    between = ((means[codes] - values.mean()) ** 2).sum() / (k - 1)
    total = between + ((n - (sizes**2).sum() / n) / (k - 1) - 1) * within
    return float((between - within) / total) if total > 0 else np.nan

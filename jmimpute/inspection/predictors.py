"""Variables as predictors of missingness: numbers as they are, categories as indicators."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.inspection.variables import kind_of, scores
from jmimpute.table.clusters import Clusters

MOST_CATEGORIES = 10


@dataclass(frozen=True)
class Predictor:
    """One number a row.

    Attributes
    ----------
    name : str
        The column.
    category : object or None
        What `values` indicates; None for a column of numbers or ordered categories.
    values : ndarray, shape (n_rows,)
        NaN where the column is missing.
    """

    name: str
    category: Any
    values: np.ndarray


def find_predictors(frame: pd.DataFrame, clusters: Clusters | None) -> tuple[list[Predictor], dict[str, str]]:
    """Read the columns that can predict missingness.

    Parameters
    ----------
    frame : pandas.DataFrame
    clusters : Clusters or None
        The cluster column is no predictor.

    Returns
    -------
    predictors : list of Predictor
    left_out : dict
        Columns that are none, with the reason.
    """
    predictors, left_out = [], {}
    for name in frame.columns:
        if clusters is not None and name == clusters.name:
            continue
        reason = _unfit(frame[name])
        if reason:
            left_out[name] = reason
        else:
            predictors += _read(frame[name])
    return predictors, left_out


def _unfit(series: pd.Series) -> str | None:
    kind, observed = kind_of(series), series.dropna()
    if observed.empty:
        return "never observed"
    if kind in ("date", "other"):
        return "neither numbers nor categories"
    count = observed.nunique()
    if count == 1:
        return "constant"
    if kind in ("categorical", "text") and count > MOST_CATEGORIES:
        return f"{count} categories, more than {MOST_CATEGORIES}"
    if kind == "numeric" and np.isinf(scores(observed)).any():
        return "infinite values"
    return None


def _read(series: pd.Series) -> list[Predictor]:
    kind, values = kind_of(series), scores(series)
    if values is not None:
        return [Predictor(series.name, True if kind == "boolean" else None, values)]
    found = set(series.dropna())
    categories = [c for c in series.cat.categories if c in found] if kind == "categorical" else sorted(found)
    # Of two categories one tells all.
    shown = categories[1:] if len(categories) == 2 else categories
    missing = series.isna().to_numpy()
    indicators = {category: (series == category).to_numpy(dtype=float, na_value=np.nan) for category in shown}
    return [Predictor(series.name, category, np.where(missing, np.nan, own)) for category, own in indicators.items()]

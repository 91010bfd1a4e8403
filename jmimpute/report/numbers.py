"""How numbers are written, the same in every table of a report."""

from collections.abc import Callable
from math import floor, isfinite, isnan, log10
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.report.blocks import Table

NOTHING = "–"
#: Columns on the scale of an estimate, which have the decimals that its standard error tells.
ON_SCALE = ("estimate", "std_error", "conf_low", "conf_high", "mc_error", "difference")
TITLES = {
    "std_error": "SE",
    "statistic": "t",
    "df": "df",
    "p_value": "p",
    "conf_low": "CI low",
    "conf_high": "CI high",
    "riv": "RIV",
    "lambda": "λ",
    "fmi": "FMI",
    "mc_error": "MC error",
    "r_hat": "R-hat",
    "ess": "ESS",
    "ess_bulk": "ESS bulk",
    "ess_tail": "ESS tail",
    "n_missing": "missing",
    "n_observed": "observed",
    "percent_missing": "% missing",
    "icc": "ICC",
    "implied_mean": "mean of missing",
    "mean_missing": "mean of imputed",
    "mean_observed": "mean of observed",
    "rho_low": "low",
    "rho_high": "high",
}


def number(value: float, decimals: int | None = None) -> str:
    """Write a number with four significant digits, or with some decimals.

    Parameters
    ----------
    value : float
    decimals : int, optional
    """
    if isnan(value):
        return NOTHING
    if not isfinite(value):
        return "∞" if value > 0 else "-∞"
    size = floor(log10(abs(value))) if value else 0
    if decimals is None and value and not -4 <= size < 9:
        return f"{value:.3e}"
    return f"{value:z.{max(0, 3 - size) if decimals is None else decimals}f}"


def decimals_of(std_error: float) -> int | None:
    """Decimals that a standard error tells: three of its digits, as `jmimpute.Comparison` has them.

    Parameters
    ----------
    std_error : float
    """
    return max(0, 2 - floor(log10(std_error))) if isfinite(std_error) and std_error > 1e-6 else None


def amount(value: float) -> str:
    """Write a number that somebody chose, such as the end of a range.

    Parameters
    ----------
    value : float
    """
    return f"{value:z.4g}"


def p_value(value: float) -> str:
    """Write a p value with three decimals.

    Parameters
    ----------
    value : float
    """
    return NOTHING if isnan(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def span(range_: tuple[float, float]) -> str:
    """Write the ends of a range that somebody chose.

    Parameters
    ----------
    range_ : pair of float
    """
    return f"{amount(range_[0])} to {amount(range_[1])}"


def interval(low: float, high: float, decimals: int | None = None) -> str:
    """Write two limits.

    Parameters
    ----------
    low, high : float
    decimals : int, optional
    """
    return f"{number(low, decimals)} to {number(high, decimals)}"


def _fixed(decimals: int) -> Callable[[float], str]:
    return lambda value: number(value, decimals)


_FORMATS: dict[str, Callable[[float], str]] = {
    "p_value": p_value,
    **dict.fromkeys(["statistic", "riv", "lambda", "fmi", "icc", "contraction", "rho", "rho_low", "rho_high"], _fixed(3)),
    **dict.fromkeys(["percent_missing", "df"], _fixed(1)),
    **dict.fromkeys(["ess", "ess_bulk", "ess_tail"], _fixed(0)),
    "r_hat": _fixed(3),
}


def is_number(column: pd.Series) -> bool:
    """Say whether a column holds numbers, which stand on the right.

    Parameters
    ----------
    column : pandas.Series
    """
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def titles(table: Table) -> list[str]:
    """Titles of the columns of a table.

    Parameters
    ----------
    table : Table
    """
    known = {**TITLES, **table.titles}
    return [
        known.get(name, str(name).replace("_", " ")) if isinstance(name, str) else str(name) for name in table.frame.columns
    ]


def rows(table: Table) -> list[list[str]]:
    """Cells of a table as texts.

    Parameters
    ----------
    table : Table
    """
    frame = table.frame
    scaled = "std_error" in frame
    numeric = [is_number(frame[name]) for name in frame.columns]
    texts = []
    for row in frame.itertuples(index=False, name=None):
        cells = dict(zip(frame.columns, row, strict=True))
        cells |= {name: amount(cells[name]) for name in table.amounts}
        decimals = decimals_of(float(cells["std_error"])) if scaled else None
        texts.append([_cell(name, value, is_, decimals) for (name, value), is_ in zip(cells.items(), numeric, strict=True)])
    return texts


def _cell(name: Any, value: Any, numeric: bool, decimals: int | None) -> str:
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and isnan(value)):
        return NOTHING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not numeric or isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer):
        return str(int(value))
    if name in ON_SCALE:
        return number(float(value), decimals)
    return _FORMATS.get(name, number)(float(value))

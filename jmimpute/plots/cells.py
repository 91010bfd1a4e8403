"""Observed and imputed cells of variables, taken out of imputations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options


def imputed_variables(imputations: Any, variables: str | Sequence[str] | None) -> list[str]:
    """Check the variables to be drawn, or take all.

    Parameters
    ----------
    imputations : Imputations
    variables : str, sequence of str, or None
        None takes every imputed variable.

    Returns
    -------
    list of str, at least one

    Raises
    ------
    TableError
        If a variable was not imputed, or there is nothing to draw.
    """
    drawable = list(imputations.columns)
    chosen = drawable if variables is None else [variables] if isinstance(variables, str) else list(variables)
    if not chosen:
        raise TableError("No variable was imputed, so that there is nothing to draw.")
    for name in chosen:
        if name not in drawable:
            raise TableError(f"Variable {name!r} was not imputed. Choose among {options(drawable) or 'none'}.")
    return chosen


def observed_cells(imputations: Any, variable: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows where a continuous variable is observed, and its values there.

    Parameters
    ----------
    imputations : Imputations
    variable : str

    Returns
    -------
    rows, values : ndarray, shape (n_observed,)
        Positions from 0, and values on the scale of the data.
    """
    column = imputations.original[variable]
    rows = np.setdiff1d(np.arange(len(column)), imputations.rows(variable))
    return rows, column.to_numpy(dtype=float, na_value=np.nan)[rows]


def category_codes(imputations: Any, variable: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the observed and the imputed cells of a variable with categories, as positions in its levels.

    Parameters
    ----------
    imputations : Imputations
    variable : str

    Returns
    -------
    observed : ndarray of int, shape (n_observed,)
    imputed : ndarray of int, shape (m, n_missing)
    """
    place = {level: k for k, level in enumerate(imputations.levels(variable))}
    observed = [place[value] for value in imputations.original[variable].dropna().tolist()]
    imputed = imputations.values(variable)
    codes = [place[value] for value in imputed.ravel().tolist()]
    return np.array(observed, dtype=int), np.array(codes, dtype=int).reshape(imputed.shape)


def cells(imputations: Any, variable: str) -> pd.DataFrame:
    """Lay the observed and imputed cells of a variable out as a table.

    Parameters
    ----------
    imputations : Imputations
    variable : str

    Returns
    -------
    DataFrame
        A row a cell: ``source`` (``observed`` or ``imputed``), ``imputation`` (1 to m, 0 for observed), ``row`` (position from
        0) and ``value``: on the scale of the data, or position in the levels of a variable with categories.
    """
    missing = imputations.rows(variable)
    if imputations.levels(variable):
        values, imputed = category_codes(imputations, variable)
        rows = np.setdiff1d(np.arange(len(imputations.original)), missing)
    else:
        rows, values = observed_cells(imputations, variable)
        imputed = imputations.values(variable)
    m = len(imputed)
    return pd.DataFrame(
        {
            "source": np.repeat(["observed", "imputed"], [len(rows), imputed.size]),
            "imputation": np.concatenate([np.zeros(len(rows), dtype=int), np.repeat(np.arange(1, m + 1), len(missing))]),
            "row": np.concatenate([rows, np.tile(missing, m)]),
            "value": np.concatenate([values, imputed.ravel()]),
        }
    )


def numbers_of(imputations: Any, variables: str | Sequence[str] | None) -> pd.DataFrame:
    """Lay the cells of several continuous variables out as a table.

    Parameters
    ----------
    imputations : Imputations
    variables : str, sequence of str, or None
        None takes every imputed continuous variable.

    Returns
    -------
    DataFrame
        As of `cells`, with ``variable`` (categorical, in order) before the other columns.

    Raises
    ------
    TableError
        If a variable was not imputed or has categories, or there is nothing to draw.
    """
    names = imputed_variables(imputations, variables)
    graded = [name for name in names if imputations.levels(name)]
    if variables is None:
        names = [name for name in names if name not in graded]
    elif graded:
        raise TableError(f"Variable {graded[0]!r} has categories, which `bars` draws.")
    if not names:
        raise TableError("All imputed variables have categories, which `bars` draws.")
    return stacked({name: cells(imputations, name) for name in names})


def stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put tables of several variables below each other.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By variable.

    Returns
    -------
    DataFrame
        With ``variable`` (categorical, in order) before the other columns.
    """
    table = pd.concat(tables, names=["variable"]).reset_index(level=0).reset_index(drop=True)
    return table.astype({"variable": pd.CategoricalDtype(list(tables))})


def evenly(items: Any, limit: int) -> Any:
    """Keep as many items as can be told apart, evenly spaced in their order, the first and the last included.

    Parameters
    ----------
    items : Index, ndarray or Series
    limit : int
    """
    if len(items) <= limit:
        return items
    return items[np.linspace(0, len(items) - 1, limit).round().astype(int)]


def thinned(table: pd.DataFrame, column: str, limit: int) -> pd.DataFrame:
    """Keep rows that are evenly spaced in the order of a column, the ends included.

    Parameters
    ----------
    table : DataFrame
    column : str
    limit : int
    """
    return table.iloc[evenly(table[column].to_numpy().argsort(kind="stable"), limit)]


def category_label(level: Any) -> str:
    """Write a category for a picture.

    Parameters
    ----------
    level : object
    """
    return f"{level:g}" if isinstance(level, float) else str(level)

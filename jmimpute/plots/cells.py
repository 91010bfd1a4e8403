"""Observed and imputed cells of variables, taken out of imputations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

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


def category_label(level: Any) -> str:
    """Write a category for a picture.

    Parameters
    ----------
    level : object
    """
    return f"{level:g}" if isinstance(level, float) else str(level)

"""Observed and imputed cells of numeric variables, taken out of imputations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options


def numeric_variables(imputations: Any, variables: str | Sequence[str] | None) -> list[str]:
    """Check the variables to be drawn, or take all that can be.

    Parameters
    ----------
    imputations : Imputations
    variables : str, sequence of str, or None
        None takes every imputed numeric variable.

    Returns
    -------
    list of str, at least one

    Raises
    ------
    TableError
        If a variable was not imputed or is not numeric, or there is nothing to draw.
    """
    drawable = [name for name in imputations.columns if _is_numeric(imputations.original[name])]
    chosen = drawable if variables is None else [variables] if isinstance(variables, str) else list(variables)
    if not chosen:
        raise TableError("No numeric variable was imputed, so that there is nothing to draw.")
    for name in chosen:
        if name not in drawable:
            fault = "is not numeric" if name in imputations.columns else "was not imputed"
            raise TableError(f"Variable {name!r} {fault}. Choose among {options(drawable)}.")
    return chosen


def observed_cells(imputations: Any, variable: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows where a numeric variable is observed, and its values there.

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


def _is_numeric(series: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype)

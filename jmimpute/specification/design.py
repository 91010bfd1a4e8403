"""Design matrices: formulae evaluates a checked right-hand side on complete columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError

FUNCTIONS = {"log": np.log, "log1p": np.log1p, "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs}


@dataclass(frozen=True)
class Design:
    """Columns of a design matrix and their names.

    Attributes
    ----------
    matrix : ndarray, shape (n_rows, n_columns)
        On the scale of the data.
    names : tuple of str
        As formulae names them: ``Intercept``, ``sex[girl]``, ``sex[girl]:age``.
    """

    matrix: np.ndarray
    names: tuple[str, ...]


def design(side: str, frame: pd.DataFrame) -> Design:
    """Evaluate one side of a checked formula.

    Parameters
    ----------
    side : str
        `Formula.common` or `Formula.random`, for example ``"1 + sex"``.
    frame : pandas.DataFrame, n_rows rows
        The columns named must be complete.

    Returns
    -------
    Design
        With no columns for ``"0"``.

    Raises
    ------
    FormulaError
        If formulae cannot evaluate it; the cause is chained.
    """
    try:
        common = _evaluated(side, frame)
        names = () if common is None else tuple(str(name) for name in common.as_dataframe().columns)
    except Exception as error:
        raise FormulaError(f"The formula part {side!r} cannot be evaluated: {error}") from error
    if common is None:
        return Design(np.empty((len(frame), 0)), ())
    return Design(np.ascontiguousarray(common.design_matrix, dtype=float), names)


def design_at(side: str, frame: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """Evaluate one side of a checked formula on other rows than those it was fitted to.

    Parameters
    ----------
    side : str
        With at least one term.
    frame : pandas.DataFrame
        The table of the fit: from it come the categories, and what ``center``, ``scale``, ``poly`` and ``bs`` compute of a
        whole column.
    rows : pandas.DataFrame, n_new rows
        The columns named must be complete.

    Returns
    -------
    ndarray, shape (n_new, n_columns)
        The columns of `design`.

    Raises
    ------
    FormulaError
        If a category does not occur in the table of the fit, or formulae cannot evaluate the rows; the cause is chained.
    """
    try:
        common = _evaluated(side, frame)
        with np.errstate(all="ignore"):
            matrix = common.evaluate_new_data(rows).design_matrix
    except Exception as error:
        raise FormulaError(f"The formula part {side!r} cannot be evaluated on these rows: {error}") from error
    return np.ascontiguousarray(matrix, dtype=float)


def _evaluated(side: str, frame: pd.DataFrame) -> Any:
    """Formulae's matrix, None without columns."""
    from formulae import design_matrices

    # Missing values are refused beforehand, with row numbers; formulae's own default would drop the rows.
    with np.errstate(all="ignore"):  # what is not finite is refused afterwards, with its column
        return design_matrices(side, frame, na_action="pass", extra_namespace=dict(FUNCTIONS)).common

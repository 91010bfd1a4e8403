"""Design matrices: formulae evaluates a checked right-hand side on complete columns."""

from dataclasses import dataclass

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
    from formulae import design_matrices

    try:
        # Missing values are refused beforehand, with row numbers; formulae's own default would drop the rows.
        with np.errstate(all="ignore"):  # what is not finite is refused afterwards, with its column
            common = design_matrices(side, frame, na_action="pass", extra_namespace=dict(FUNCTIONS)).common
        names = () if common is None else tuple(str(name) for name in common.as_dataframe().columns)
    except Exception as error:
        raise FormulaError(f"The formula part {side!r} cannot be evaluated: {error}") from error
    if common is None:
        return Design(np.empty((len(frame), 0)), ())
    return Design(np.ascontiguousarray(common.design_matrix, dtype=float), names)

"""Design matrices of several formulas side by side, each column once."""

import numpy as np
import pandas as pd

from jmimpute.specification import checks
from jmimpute.specification.design import Design, design
from jmimpute.specification.formula import Formula


def add(side: str | None, frame: pd.DataFrame, formula: Formula, part: str, columns: dict[str, np.ndarray]) -> Design:
    """Evaluate and check one side of a formula, and add its columns to those of the other formulas.

    Parameters
    ----------
    side : str, optional
        See `jmimpute.specification.design.design`; no columns if not given.
    frame : pandas.DataFrame, n_rows rows
    formula : Formula
    part : str
        Which side, for messages.
    columns : dict of str to ndarray, shape (n_rows,)
        Columns found so far; changed in place.
    """
    built = design(side, frame) if side else Design(np.empty((len(frame), 0)), ())
    checks.check_design(built, formula, part)
    checks.check_names(built, columns, formula)
    columns.update(zip(built.names, built.matrix.T, strict=True))
    return built


def stack(columns: dict[str, np.ndarray], names: tuple[str, ...], n_rows: int) -> np.ndarray:
    """Put columns side by side.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n_rows,)
    names : tuple of str
        In the order wanted.
    n_rows : int

    Returns
    -------
    ndarray, shape (n_rows, n_names)
    """
    return np.column_stack([columns[name] for name in names]) if names else np.empty((n_rows, 0))

"""Correlations over m imputations, by Fisher's z."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jmimpute.analysis.pool import terms_table
from jmimpute.errors import AnalysisError, some


def combine_correlations(correlations: Sequence[float], n_rows: int, level: float = 0.95) -> pd.DataFrame:
    """Combine correlations that were computed elsewhere, one an imputation.

    Parameters
    ----------
    correlations : sequence of m float
        Product-moment correlations of the same two variables.
    n_rows : int
        Independent rows that each was computed from.
    level : float, optional
        Level of the confidence interval.

    Returns
    -------
    pandas.DataFrame
        One row with the columns estimate, conf_low and conf_high, on the scale of correlations, and statistic, df, p_value,
        riv, lambda and fmi, from the scale of z.

    Raises
    ------
    AnalysisError
        If there are fewer than two, one does not lie between -1 and 1, or an argument is out of range.

    Notes
    -----
    Rubin's rules on z = arctanh(r), of variance 1 / (n - 3), as miceadds' ``micombine.cor``.
    """
    values = np.array(correlations, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise AnalysisError(f"There are {values.size} correlations. Give one an imputation, at least two.")
    if not (np.abs(values) < 1).all():
        raise AnalysisError(
            f"The correlations of imputations {some(np.flatnonzero(~(np.abs(values) < 1)) + 1)} do not lie between -1 and 1."
        )
    if n_rows < 4:
        raise AnalysisError(f"n_rows is {n_rows}. Fisher's z needs at least four rows.")
    if not 0 < level < 1:
        raise AnalysisError(f"The level is {level}. It must lie between 0 and 1, for example 0.95.")
    variances = np.full((len(values), 1), 1 / (n_rows - 3))
    table = terms_table(["z"], np.arctanh(values)[:, None], variances, np.inf, level)
    scaled = table[["estimate", "conf_low", "conf_high"]].apply(np.tanh)
    return scaled.join(table[["statistic", "df", "p_value", "riv", "lambda", "fmi"]])

"""One adjustment of imputations, and what it says of the missing values."""

from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.mnar.adjustments import Adjustment
from jmimpute.mnar.displaced import displacement_of


def adjust(
    imputations: Any, variable: str, adjustment: Adjustment, scope: str | None = None, random_seed: int | None = None
) -> Any:
    """Adjust the imputed values of a variable; see `jmimpute.imputations.Imputations.delta`.

    Parameters
    ----------
    imputations : Imputations
    variable : str
    adjustment : Adjustment
    scope : {"marginal", "conditional"}, optional
    random_seed : int, optional

    Returns
    -------
    Imputations
    """
    displacement = displacement_of(imputations, variable, adjustment, scope, random_seed)
    said = {"variable": variable, **adjustment.record(), "scope": displacement.scope, "seed": displacement.seed}
    return imputations._changed(imputations._table, displacement.at({}), delta=said)


def implied_means(imputations: Any, variable: str, by: str | None = None) -> pd.DataFrame:
    """Compare the mean of the imputed values of a variable with that of the observed ones.

    An expert can judge this more easily than a delta, which is a difference between comparable rows: a delta of 5 given
    covariates is not a difference of 5 between those who are missing and those who are not.

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed column.
    by : str, optional
        Column of groups, such as the arm or the cluster; complete.

    Returns
    -------
    pandas.DataFrame
        A row a group, or one row: ``n_missing``, ``n_observed``, ``mean_missing`` (over imputations), ``mean_observed`` and
        their ``difference``. Of two categories the mean is the share of the second; of more, of their numbers from 1. NaN where
        a group has no such cells.

    Raises
    ------
    ImputationError
        If the column was not imputed, or the groups are not there or incomplete.
    """
    rows, frame = imputations.rows(variable), imputations.original
    missing = scores(imputations._values[variable], imputations.levels(variable)).mean(axis=0)
    observed_rows = np.flatnonzero(frame[variable].notna())
    observed = _observed(frame[variable].iloc[observed_rows], imputations.levels(variable))
    groups = _groups(frame, by)
    table = pd.DataFrame(
        {
            "n_missing": pd.Series(missing).groupby(groups[rows]).size(),
            "n_observed": pd.Series(observed).groupby(groups[observed_rows]).size(),
            "mean_missing": pd.Series(missing).groupby(groups[rows]).mean(),
            "mean_observed": pd.Series(observed).groupby(groups[observed_rows]).mean(),
        }
    ).fillna({"n_missing": 0, "n_observed": 0})
    table = table.astype({"n_missing": int, "n_observed": int})
    table["difference"] = table["mean_missing"] - table["mean_observed"]
    return table.reset_index(drop=True) if by is None else table.rename_axis(by).reset_index()


def scores(values: np.ndarray, levels: tuple) -> np.ndarray:
    """Numbers to take means of: as they are, 0 and 1 of two categories, or 1, 2, ... of more.

    Parameters
    ----------
    values : ndarray
        Numbers, or positions in the levels.
    levels : tuple
    """
    return values + 1.0 if len(levels) > 2 else values.astype(float)


def _observed(column: pd.Series, levels: tuple) -> np.ndarray:
    if not levels:
        return column.to_numpy(dtype=float)
    position = {level: place for place, level in enumerate(levels)}
    return scores(np.array([position[value] for value in column]), levels)


def _groups(frame: pd.DataFrame, by: str | None) -> np.ndarray:
    if by is None:
        return np.zeros(len(frame), dtype=int)
    if by not in frame:
        raise ImputationError(f"by={by!r} is not a column. Columns: {some(map(repr, frame.columns), 20)}.")
    absent = int(np.sum(frame[by].isna()))
    if absent:
        raise ImputationError(f"The group {by!r} is missing in {absent} row(s). Groups must be known.")
    return frame[by].to_numpy()

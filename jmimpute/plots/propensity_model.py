"""How likely each row was to lack a variable."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.inspection import kind_of

#: Texts with more values than this are taken to be names, not categories.
TEXT_LEVELS = 10


def usable(imputations: Any, variable: str, predictors: Sequence[str] | None) -> list[str]:
    """Check the predictors of the propensity, or find them.

    Parameters
    ----------
    imputations : Imputations
    variable : str
    predictors : sequence of str, optional

    Returns
    -------
    list of str, at least one

    Raises
    ------
    TableError
        If there is none, or one cannot be used.
    """
    frame = imputations.original
    others = [name for name in frame.columns if name not in (variable, imputations.cluster)]
    fit = {name: _problem(frame[name], name in imputations.columns) for name in others}
    if predictors is None:
        chosen = [name for name, problem in fit.items() if not problem]
    else:
        chosen = [predictors] if isinstance(predictors, str) else list(predictors)
    for name in chosen:
        if name not in fit:
            raise TableError(f"{name!r} cannot be a predictor of the propensity. Choose among {options(others)}.")
        if fit[name]:
            raise TableError(f"{name!r} cannot be a predictor of the propensity: {fit[name]}.")
    if not chosen:
        raise TableError(f"There is no other column that could predict whether {variable!r} is missing.")
    return chosen


def propensities(imputations: Any, variable: str, predictors: Sequence[str]) -> np.ndarray:
    """Estimate the probability that each row lacks a variable by logistic regression on completed predictors.

    Parameters
    ----------
    imputations : Imputations
    variable : str
    predictors : sequence of str

    Returns
    -------
    ndarray, shape (n_rows,)
        The mean over imputations; without imputed predictors one regression serves all.

    Notes
    -----
    Perfect prediction is kept finite by prior cells: with k coefficients and n rows each row also counts as k/n of a row that
    lacks the variable with the overall share (Clogg, Rubin, Schenker, Schultz and Weidman 1991, JASA 86).
    """
    missing = np.zeros(len(imputations.original))
    missing[imputations.rows(variable)] = 1
    imputed = any(name in imputations.columns for name in predictors)
    numbers = range(1, imputations.m + 1) if imputed else [1]
    return np.mean([_fitted(missing, _design(imputations, predictors, number)) for number in numbers], axis=0)


def _problem(series: pd.Series, imputed: bool) -> str:
    """Why a column cannot be a predictor; empty if it can."""
    kind = kind_of(series)
    if series.isna().any() and not imputed:
        return "it has missing values that were not imputed"
    if kind in ("date", "other"):
        return "it holds neither numbers nor categories"
    if kind == "text" and series.nunique() > TEXT_LEVELS:
        return f"it has {series.nunique()} different texts"
    return ""


def _design(imputations: Any, predictors: Sequence[str], number: int) -> np.ndarray:
    """Columns that span those of a completed table: numbers, and of categories one for each but the first."""
    columns = []
    for name in predictors:
        series = imputations.original[name]
        if name in imputations.columns:
            series = series.astype(object)
            series.iloc[imputations.rows(name)] = imputations.values(name)[number - 1].tolist()
        if kind_of(imputations.original[name]) == "numeric":
            columns.append(series.to_numpy(dtype=float))
        else:
            columns += list(pd.get_dummies(series, drop_first=True).to_numpy(dtype=float).T)
    design = np.column_stack(columns) if columns else np.empty((len(imputations.original), 0))
    design = design[:, np.ptp(design, axis=0) > 0]
    design = (design - design.mean(axis=0)) / design.std(axis=0)
    # Fitted values depend on what columns span only, so that collinear ones do no harm.
    basis, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return basis[:, sizes > 1e-8 * sizes.max(initial=0)] * np.sqrt(len(design))


def _fitted(missing: np.ndarray, design: np.ndarray) -> np.ndarray:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    design = np.column_stack([np.ones(len(design)), design])
    prior = design.shape[1] / len(design)
    outcome = (missing + prior * missing.mean()) / (1 + prior)
    weights = np.full(len(design), 1 + prior)
    return GLM(outcome, design, family=Binomial(), var_weights=weights).fit(maxiter=200).fittedvalues

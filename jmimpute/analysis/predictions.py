"""Predictions: fitted values of any rows from the fixed part of a formula, pooled."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.analysis.engines.arrays import LINKS
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.rules import rubin
from jmimpute.errors import AnalysisError, options, some
from jmimpute.specification.design import design_at
from jmimpute.specification.formula import Formula, parse
from jmimpute.table.reading import read

if TYPE_CHECKING:
    from jmimpute.analysis.analyze import Analyses

SCALES = ("response", "link")


@dataclass(frozen=True)
class Link:
    """From the linear predictor to the mean of the response.

    Attributes
    ----------
    mean, slope : callable
        The inverse link and its derivative.
    """

    mean: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FittedTable:
    """A fit and the completed table that it is of.

    Attributes
    ----------
    fit : Estimates
    table : pandas.DataFrame
    formula : Formula
    columns : tuple of str
        Columns that the fixed part names.
    """

    fit: Estimates
    table: pd.DataFrame
    formula: Formula
    columns: tuple[str, ...]

    def matrix(self, rows: pd.DataFrame) -> np.ndarray:
        """Design matrix of the fixed part on other rows, shape (n_new, k).

        Parameters
        ----------
        rows : pandas.DataFrame, n_new rows
        """
        return design_at(self.formula.common, self.table, rows)


def link_of(family: str | None, scale: str) -> Link:
    """Choose what turns linear predictors into what is asked for.

    Parameters
    ----------
    family : str
    scale : {"response", "link"}

    Returns
    -------
    Link
        The identity on the scale of the link.

    Raises
    ------
    AnalysisError
        If there is no such scale.
    """
    from scipy.special import expit

    if scale not in SCALES:
        raise AnalysisError(f"The scale {scale!r} is not known. Choose {options(SCALES)}.")
    name = LINKS[family] if family in LINKS and scale == "response" else "identity"
    if name == "logit":
        return Link(expit, lambda eta: expit(eta) * expit(-eta))
    return Link(np.exp, np.exp) if name == "log" else Link(lambda eta: eta, np.ones_like)


def fitted_tables(analyses: "Analyses") -> Iterator[FittedTable]:
    """Go through the fits with their tables, after a check that there is what predictions need.

    Parameters
    ----------
    analyses : Analyses

    Yields
    ------
    FittedTable

    Raises
    ------
    AnalysisError
        If the fits are those of a function, the tables are gone, or fitted values are not one number a row.
    """
    if analyses.engine is None:
        raise AnalysisError(
            f"{analyses.model!r} is a function, of which nothing is known but its estimates. Predictions need a formula."
        )
    if analyses.family not in LINKS:
        raise AnalysisError(
            f"There are predictions for the families {options(list(LINKS))}. Those of family {analyses.family!r} would be one "
            "number a category."
        )
    if analyses.source is None:
        raise AnalysisError(
            "The completed tables came one by one and are gone. Give 'analyze' a list of them, or use imputations.analyze."
        )
    for fit, table in zip(analyses.fits, analyses.source.tables, strict=True):
        available = [str(column) for column in table.columns]
        formula = parse(analyses.model, available, allow_uncorrelated=True)
        columns = parse(f"{formula.responses[0]} ~ {formula.common}", available).columns
        yield FittedTable(fit, table, formula, columns)


def predict(analyses: "Analyses", rows: Any, scale: str = "response", level: float = 0.95) -> pd.DataFrame:
    """Pool fitted values of new rows.

    Parameters
    ----------
    analyses : Analyses
        Fits of a formula of family gaussian, binomial or poisson.
    rows : pandas.DataFrame, polars.DataFrame or pyarrow.Table, n_new rows
        With the columns of the fixed part, complete.
    scale : {"response", "link"}, optional
        Means, or linear predictors.
    level : float, optional
        Level of the confidence intervals.

    Returns
    -------
    pandas.DataFrame, n_new rows
        Columns estimate, std_error, df, conf_low, conf_high and fmi, in the order of the rows.

    Raises
    ------
    AnalysisError
        If a column is not there or not complete, or there are no predictions of such fits.
    FormulaError
        If a category does not occur in the completed tables.

    Notes
    -----
    Linear predictors are pooled by Rubin's rules, estimates and limits then transformed; the standard error of a mean is
    that of the linear predictor times the slope of the inverse link. Intervals are those of the mean, not of a single
    response. Random effects are zero: for a logistic or Poisson mixed model this is the mean in a typical cluster, not the
    mean over clusters. What a formula computes from a whole column, such as its mean, is that of each completed table.
    """
    check_pooling(analyses, level)
    link = link_of(analyses.family, scale)
    frame = read(rows).frame
    values, variances = [], []
    for fitted in fitted_tables(analyses):
        _check_rows(frame, fitted.columns)
        X = fitted.matrix(frame)
        values.append(X @ fitted.fit.values)
        variances.append(np.einsum("ia,ab,ib->i", X, fitted.fit.covariance, X, optimize=True))
    pooled = rubin(np.array(values), np.array(variances), min(fit.df_complete for fit in analyses.fits))
    low, high = pooled.interval(level)
    return pd.DataFrame(
        {
            "estimate": link.mean(pooled.estimate),
            "std_error": link.slope(pooled.estimate) * pooled.std_error,
            "df": pooled.df,
            "conf_low": link.mean(low),
            "conf_high": link.mean(high),
            "fmi": pooled.fmi,
        }
    )


def check_pooling(analyses: "Analyses", level: float) -> None:
    """Refuse what cannot be pooled.

    Parameters
    ----------
    analyses : Analyses
    level : float

    Raises
    ------
    AnalysisError
        With fewer than two imputations, or if the level is out of range.
    """
    analyses.pool(level=level)


def _check_rows(rows: pd.DataFrame, columns: tuple[str, ...]) -> None:
    lacking = [column for column in columns if column not in rows.columns]
    if lacking:
        raise AnalysisError(f"The rows have no column {some(map(repr, lacking))}. A prediction needs {some(columns, 20)}.")
    for column in columns:
        missing = np.flatnonzero(rows[column].isna())
        if len(missing):
            raise AnalysisError(f"Column {column!r} is missing in rows {some(missing)}. A prediction needs complete rows.")

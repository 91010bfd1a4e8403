"""Marginal means and slopes: predictions averaged over the rows of the completed tables, pooled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.pool import Pooled, combine
from jmimpute.analysis.predictions import FittedTable, Link, fitted_tables, link_of
from jmimpute.errors import AnalysisError, options, some
from jmimpute.specification.design import design_at

if TYPE_CHECKING:
    from jmimpute.analysis.analyze import Analyses

#: Step of a numerical slope, in standard deviations: its error is of the order of the square.
STEP = 1e-4

#: Quadrature points for the mean over clusters.
NODES = 40


def margins(
    analyses: "Analyses",
    variable: str,
    values: Sequence[Any] | None = None,
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    over_clusters: bool = False,
    level: float = 0.95,
) -> Pooled:
    """Pool marginal means: what the mean response would be, were a variable the same in all rows.

    Parameters
    ----------
    analyses : Analyses
        Fits of a formula of family gaussian, binomial or poisson.
    variable : str
        A column of the fixed part.
    values : sequence, optional
        Its values; by default the categories of a column that is not numeric.
    at : mapping of str to value, optional
        Other columns that are set to one value in all rows.
    scale : {"response", "link"}, optional
        Means, or linear predictors.
    over_clusters : bool, optional
        Average over the random effects; by default they are zero.
    level : float, optional
        Level of the confidence intervals.

    Returns
    -------
    Pooled
        One term a value, ``fluent[1]``.

    Raises
    ------
    AnalysisError
        If a column is not part of the formula, there are no values to choose, or there are no predictions of such fits.
    FormulaError
        If a category does not occur in the completed tables.

    Notes
    -----
    In each completed table: all other columns stay as they are, the mean is taken over its rows, and its covariance comes
    from that of the coefficients (delta method); the rows count as given. Then Rubin's rules. For a linear model with
    balanced weights these are the estimated marginal means of emmeans; in general those of R's marginaleffects
    (``avg_predictions`` with ``variables``). For a logistic or Poisson mixed model random effects of zero mean a typical
    cluster; `over_clusters` integrates over their normal distribution, its variances taken as known.
    """
    link = link_of(analyses.family, scale)
    return combine(
        [_means(fitted, link, variable, values, at or {}, over_clusters) for fitted in fitted_tables(analyses)], level=level
    )


def contrast(
    analyses: "Analyses",
    variable: str,
    values: Sequence[Any] | None = None,
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    over_clusters: bool = False,
    adjust: str | None = None,
    level: float = 0.95,
) -> Pooled:
    """Pool the differences between all pairs of marginal means.

    Parameters
    ----------
    analyses, variable, values, at, scale, over_clusters, level
        See `margins`.
    adjust : {"holm"}, optional
        Adds a column ``p_adjusted`` for all pairs taken together.

    Returns
    -------
    Pooled
        One term a pair, ``fluent[2] - fluent[1]``.

    Raises
    ------
    AnalysisError
        As `margins`, or if the adjustment is unknown.

    Notes
    -----
    Holm (1979, Scand J Stat 6:65-70) holds for any dependence between the tests.
    """
    if adjust not in (None, "holm"):
        raise AnalysisError(f"The adjustment {adjust!r} is not known. Choose 'holm', or None.")
    link = link_of(analyses.family, scale)
    means = [_means(fitted, link, variable, values, at or {}, over_clusters) for fitted in fitted_tables(analyses)]
    if len(means[0].names) < 2:
        raise AnalysisError(f"A contrast needs at least two values of {variable!r}.")
    pooled = combine([_differences(fit) for fit in means], level=level)
    if adjust is None:
        return pooled
    return replace(pooled, table=pooled.table.assign(p_adjusted=_holm(pooled.table["p_value"].to_numpy())))


def slope(
    analyses: "Analyses",
    variable: str,
    at: Mapping[str, Any] | None = None,
    scale: str = "response",
    over_clusters: bool = False,
    level: float = 0.95,
) -> Pooled:
    """Pool the average slope of the mean response by a numeric variable (average marginal effect).

    Parameters
    ----------
    analyses, at, scale, over_clusters, level
        See `margins`.
    variable : str
        A numeric column of the fixed part; a value in `at` gives the slope at this value.

    Returns
    -------
    Pooled
        One term, the variable.

    Raises
    ------
    AnalysisError
        As `margins`, or if the variable is not numeric.

    Notes
    -----
    Central differences within the range of the column, so that transformations of it need no derivatives.
    """
    link = link_of(analyses.family, scale)
    return combine([_slope(fitted, link, variable, at or {}, over_clusters) for fitted in fitted_tables(analyses)], level=level)


def _means(
    fitted: FittedTable, link: Link, variable: str, values: Sequence[Any] | None, at: Mapping[str, Any], over_clusters: bool
) -> Estimates:
    """Marginal means of one table."""
    _check_columns(fitted, [variable, *at])
    if variable in at:
        raise AnalysisError(f"{variable!r} cannot be set to one value by 'at' and take several. Leave it out of 'at'.")
    chosen = _categories(pd.Series(fitted.table[variable])) if values is None else list(values)
    if len(set(chosen)) < len(chosen) or not chosen:
        raise AnalysisError(f"The values of {variable!r} must be different, at least one: {some(chosen)}.")
    settings = [{**at, variable: value} for value in chosen]
    found = [_average(fitted, link, _set(fitted.table, setting), over_clusters) for setting in settings]
    return _estimates(fitted.fit, [f"{variable}[{value}]" for value in chosen], found)


def _slope(fitted: FittedTable, link: Link, variable: str, at: Mapping[str, Any], over_clusters: bool) -> Estimates:
    """Average slope of one table."""
    _check_columns(fitted, [variable, *at])
    column = pd.Series(fitted.table[variable])
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise AnalysisError(f"Column {variable!r} is {column.dtype}. A slope needs numbers; use margins or contrast.")
    rows = _set(fitted.table, at)
    x, step = rows[variable].to_numpy(dtype=float), STEP * float(np.std(column.to_numpy(dtype=float)))
    low, high = min(x.min(), column.min()), max(x.max(), column.max())
    ends = np.maximum(x - step, low), np.minimum(x + step, high)
    weights = 1 / (ends[1] - ends[0])
    value, gradient = 0.0, np.zeros(len(fitted.fit.names))
    for end, sign in zip(ends, (-1.0, 1.0), strict=True):
        part = _average(fitted, link, _set(rows, {variable: end}), over_clusters, sign * weights)
        value, gradient = value + part[0], gradient + part[1]
    return _estimates(fitted.fit, [variable], [(value, gradient)])


def _average(
    fitted: FittedTable, link: Link, rows: pd.DataFrame, over_clusters: bool, weights: np.ndarray | float = 1.0
) -> tuple[float, np.ndarray]:
    """Weighted sum over the rows, divided by their number, of the means, and its gradient by the coefficients."""
    X = fitted.matrix(rows)
    eta = X @ fitted.fit.values
    means, slopes = _over_clusters(fitted, link, rows, eta) if over_clusters else (link.mean(eta), link.slope(eta))
    return float(np.mean(weights * means)), X.T @ (weights * slopes) / len(X)


def _over_clusters(fitted: FittedTable, link: Link, rows: pd.DataFrame, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and slopes integrated over the normal distribution of the random effects, by Gauss-Hermite quadrature."""
    random, side = fitted.fit.random, fitted.formula.random
    if random is None or side is None:
        raise AnalysisError("The model has no random effects to average over. Leave over_clusters out.")
    Z = design_at(side, fitted.table, rows)
    sd = np.sqrt(np.einsum("ia,ab,ib->i", Z, random.covariance, Z, optimize=True))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    means, slopes = np.zeros_like(eta), np.zeros_like(eta)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        means += weight * link.mean(eta + node * sd)
        slopes += weight * link.slope(eta + node * sd)
    return means, slopes


def _estimates(fit: Estimates, names: list[str], found: Sequence[tuple[float, np.ndarray]]) -> Estimates:
    gradients = np.array([gradient for _, gradient in found])
    values = np.array([value for value, _ in found])
    return Estimates(tuple(names), values, gradients @ fit.covariance @ gradients.T, fit.df_complete, fit.n_rows)


def _differences(means: Estimates) -> Estimates:
    """Later minus earlier values, of all pairs."""
    pairs = list(combinations(range(len(means.names)), 2))
    matrix = np.zeros((len(pairs), len(means.names)))
    for row, (i, j) in zip(matrix, pairs, strict=True):
        row[[i, j]] = -1.0, 1.0
    names = tuple(f"{means.names[j]} - {means.names[i]}" for i, j in pairs)
    return Estimates(names, matrix @ means.values, matrix @ means.covariance @ matrix.T, means.df_complete, means.n_rows)


def _holm(p_values: np.ndarray) -> np.ndarray:
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _set(table: pd.DataFrame, values: Mapping[str, Any]) -> pd.DataFrame:
    """Copy a table with some columns set, whatever their names."""
    rows = table.copy()
    for column, value in values.items():
        rows[column] = value
    return rows


def _categories(column: pd.Series) -> list[Any]:
    """Categories that occur, in their order."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        raise AnalysisError(
            f"Column {column.name!r} is numeric: give the values to compare, values=[...], or ask for its slope by "
            f"slope({column.name!r})."
        )
    return column.astype("category").cat.remove_unused_categories().cat.categories.tolist()


def _check_columns(fitted: FittedTable, wanted: Iterable[str]) -> None:
    for column in wanted:
        if column not in fitted.columns:
            raise AnalysisError(f"The fixed part of the formula has no column {column!r}. It has {options(fitted.columns)}.")

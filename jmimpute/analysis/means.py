"""Weighted means and prevalences, overall or by group, as an analysis of completed tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisError, some
from jmimpute.table.kinds import NUMBERS, TRUTH, categories, kind
from jmimpute.table.reading import read


@dataclass(frozen=True)
class Mean:
    """The analysis that `mean` makes: called with a completed table, it gives Estimates.

    Attributes
    ----------
    variable : str
    by, weights, cluster : str or None
    """

    variable: str
    by: str | None = None
    weights: str | None = None
    cluster: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it uses."""
        return tuple(name for name in (self.variable, self.by, self.weights, self.cluster) if name is not None)

    @property
    def __name__(self) -> str:
        """What it is, for titles."""
        said = [f"by {self.by}"] * bool(self.by) + [f"weighted by {self.weights}"] * bool(self.weights)
        return ", ".join([f"mean of {self.variable}", *said])

    def __call__(self, table: Any) -> Estimates:
        """Estimate the means of a completed table.

        Parameters
        ----------
        table : pandas.DataFrame, polars.DataFrame or pyarrow.Table, n_rows rows

        Returns
        -------
        Estimates

        Raises
        ------
        AnalysisError
            If a column is not there or incomplete, weights make no sense, or there are too few rows or clusters.
        """
        frame = read(table).frame
        _check(frame, self.columns)
        names, values = _values(frame[self.variable])
        weights = np.ones(len(frame)) if self.weights is None else _weights(frame[self.weights])
        groups, shares = _groups(frame, self.by, weights)
        # Row i moves the mean of group g by shares[i, g] (y_i - mean), to first order.
        means = shares.T @ values
        influence = (shares[:, :, None] * (values[:, None, :] - means)).reshape(len(frame), -1)
        covariance, df = _covariance(influence, None if self.cluster is None else frame[self.cluster])
        terms = tuple(f"{name}{group}" for group in groups for name in names)
        return Estimates(terms, means.ravel(), covariance, df_complete=df, n_rows=len(frame))


def mean(variable: str, by: str | None = None, weights: str | None = None, cluster: str | None = None) -> Mean:
    """Make an analysis of the mean of a column, or of the shares of its categories.

    Parameters
    ----------
    variable : str
        A column of numbers or truth values, of which the mean is taken; or of categories: of two, the share of the second, of
        more, the share of each.
    by : str, optional
        Column of groups, each of which has means of its own.
    weights : str, optional
        Column of sampling weights: not negative, their scale does not matter.
    cluster : str, optional
        Column of clusters (primary sampling units) that were drawn as a whole; the variance then is that between clusters.

    Returns
    -------
    Mean
        A function for `jmimpute.Imputations.analyze`, `jmimpute.compare` and `jmimpute.sensitivity`. Terms are ``hiv``,
        ``opinion[agree]``, and with groups ``hiv, region=North``. Complete-data degrees of freedom are rows or clusters less
        one.

    Raises
    ------
    AnalysisError
        If a name is no text, or a column has two roles.

    Notes
    -----
    The variance of the ratio sum(w y) / sum(w) by linearisation, for sampling with replacement (Binder 1983, International
    Statistical Review 51:279-292): n / (n - 1) times the sum of the squares of w_i (y_i - mean) / sum(w), with clusters of
    their totals by cluster and the number of clusters in place of n. Groups are domains: n counts the rows, or clusters, of
    the whole table, as in R's survey package (``svyby`` with ``svymean``).

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils").dropna()
    >>> jm.mean("reading", by="sex", cluster="school")(pupils).names
    ('reading, sex=boy', 'reading, sex=girl')
    """
    given = [name for name in (variable, by, weights, cluster) if name is not None]
    odd = [name for name in given if not isinstance(name, str)]
    if odd:
        raise AnalysisError(f"Columns are given by their names, not as {type(odd[0]).__name__}: jm.mean('hiv', by='region').")
    if len(set(given)) < len(given):
        raise AnalysisError(f"One column has two roles in the mean of {variable!r}: {some(map(repr, given))}.")
    return Mean(variable, by, weights, cluster)


def _check(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse columns that are absent or incomplete."""
    absent = [name for name in columns if name not in frame]
    if absent:
        raise AnalysisError(f"There is no column {some(map(repr, absent))}.")
    for name in columns:
        missing = np.flatnonzero(frame[name].isna())
        if missing.size:
            raise AnalysisError(
                f"Column {name!r} has missing values in {missing.size} rows, counted from 0: {some(missing)}. A mean needs a "
                "completed table: make the column part of the imputation model."
            )


def _values(column: Any) -> tuple[list[str], np.ndarray]:
    """Names of what is averaged, and its values, shape (n_rows, k)."""
    name = str(column.name)
    if kind(column) in (NUMBERS, TRUTH):
        values = column.to_numpy(dtype=float)[:, None]
        if not np.isfinite(values).all():
            raise AnalysisError(f"Column {name!r} has values that are not finite.")
        return [name], values
    labels = categories(column)
    if len(labels) < 2:
        raise AnalysisError(f"Column {name!r} holds {kind(column)} of {len(labels)} categories, which have no mean.")
    shown = labels[1:] if len(labels) == 2 else labels
    return [f"{name}[{label}]" for label in shown], np.array([column == label for label in shown], dtype=float).T


def _weights(column: Any) -> np.ndarray:
    if kind(column) != NUMBERS:
        raise AnalysisError(f"Weights are numbers; column {column.name!r} holds {kind(column)}.")
    weights = column.to_numpy(dtype=float)
    bad = np.flatnonzero((weights < 0) | ~np.isfinite(weights))
    if bad.size:
        raise AnalysisError(f"Weights {column.name!r} are negative or infinite in rows {some(bad)}, counted from 0.")
    return weights


def _groups(frame: pd.DataFrame, by: str | None, weights: np.ndarray) -> tuple[list[str], np.ndarray]:
    """What the terms of each group end in, and the share of each row in its group's weight, shape (n_rows, groups)."""
    if by is None:
        codes, endings = np.zeros(len(frame), dtype=int), [""]
    else:
        codes, labels = pd.factorize(frame[by], sort=True)
        endings = [f", {by}={label}" for label in labels]
    member = (codes[:, None] == np.arange(len(endings))) * weights[:, None]
    totals = member.sum(axis=0)
    empty = [ending.removeprefix(", ") or "all rows" for ending, total in zip(endings, totals, strict=True) if not total]
    if empty:
        raise AnalysisError(f"The weights of {some(empty)} add up to zero.")
    return endings, member / totals


def _covariance(influence: np.ndarray, clusters: Any) -> tuple[np.ndarray, float]:
    """Covariance matrix by linearisation, and its degrees of freedom; `influence` has shape (n_rows, k)."""
    if clusters is not None:
        codes, labels = pd.factorize(clusters)
        rows, influence = influence, np.zeros((len(labels), influence.shape[1]))
        np.add.at(influence, codes, rows)
    n = len(influence)
    if n < 2:
        raise AnalysisError(f"There is {n} {'row' if clusters is None else 'cluster'}. A variance needs at least two.")
    return n / (n - 1) * influence.T @ influence, float(n - 1)

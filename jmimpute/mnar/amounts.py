"""Amounts of an adjustment cell by cell and imputation by imputation, on the scale on which they are added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.mnar.adjustments import ALL, SPORADIC, Adjustment

#: Stream of random numbers of a seed; others are in `jmimpute.fit` and `jmimpute.checks`.
DELTA_STREAM = 5


@dataclass(frozen=True)
class Amounts:
    """Amounts of the missing cells of a variable.

    Attributes
    ----------
    adjustment : Adjustment
    group : ndarray of int, shape (n_missing,)
        Position of the group of each cell among those of the adjustment; -1 for cells that are not adjusted.
    noise : ndarray, shape (m, n_missing)
        What is drawn, apart from the amounts; 0 for cells that are not adjusted.
    of_groups : ndarray, shape (m, n_groups)
        The part of it that is drawn by group.
    """

    adjustment: Adjustment
    group: np.ndarray
    noise: np.ndarray
    of_groups: np.ndarray

    def at(self, values: Mapping[str, float]) -> np.ndarray:
        """Amounts, or logarithms of those that multiply, shape (m, n_missing); 0 stands for MAR.

        Parameters
        ----------
        values : mapping of str to float
            Of what makes a grid or is left open, by label.
        """
        amounts = self.adjustment.at(values)
        numbers = np.array([self._number(group, amount) for group, amount in amounts.items()] + [0.0])
        return numbers[self.group] + self.noise

    def adjusted(self, labels: Sequence[str]) -> np.ndarray:
        """Which cells some amounts adjust, shape (n_missing,).

        Parameters
        ----------
        labels : sequence of str

        Raises
        ------
        ImputationError
            If one of them adjusts no cell.
        """
        found = np.zeros(len(self.group), dtype=bool)
        for position, group in enumerate(self.adjustment.amounts):
            if self.adjustment.label(group) in labels:
                own = self.group == position
                if not own.any():
                    raise ImputationError(f"{self.adjustment.label(group)} adjusts no missing value: there is none to vary.")
                found |= own
        return found

    def _number(self, group: Any, amount: Any) -> float:
        if not isinstance(amount, float | int | np.floating):
            label = self.adjustment.label(group)
            what = "is left open" if amount is None else "has several values"
            raise ImputationError(
                f"{label} {what}. Give one number here; grids are for `sensitivity`, open amounts for `tipping_point`."
            )
        return float(np.log(amount)) if self.adjustment.is_ratio else float(amount)


def amounts_of(
    adjustment: Adjustment, frame: pd.DataFrame, cluster: str | None, variable: str, rows: np.ndarray, m: int, seed: int
) -> Amounts:
    """Find the group of each missing cell, and draw what is to be drawn.

    Parameters
    ----------
    adjustment : Adjustment
    frame : pandas.DataFrame
        The original table.
    cluster : str, optional
        Cluster column.
    variable : str
    rows : ndarray of int, shape (n_missing,)
        Rows of the cells.
    m : int
        Imputations.
    seed : int

    Returns
    -------
    Amounts

    Raises
    ------
    ImputationError
        If a group has no amount, the column of the groups or of clusters is not there or is incomplete, or the mask does not
        fit the table.
    """
    chosen = _chosen(adjustment, frame, cluster, variable, rows)
    if not chosen.any():
        raise ImputationError(f"where={adjustment.where!r:.60} leaves no missing value of {variable!r} to adjust.")
    group = np.where(chosen, _groups(adjustment, frame, rows, chosen), -1)
    noise, of_groups = np.zeros((m, len(rows))), np.zeros((m, len(adjustment.amounts)))
    codes = _codes(frame, cluster, "cluster_sd")[rows] if adjustment.cluster_sd else np.zeros(len(rows), dtype=int)
    for k in range(m):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(DELTA_STREAM, k)))
        of_groups[k] = adjustment.prior_sd * rng.standard_normal(len(adjustment.amounts))
        of_clusters = adjustment.cluster_sd * rng.standard_normal(int(codes.max(initial=0)) + 1)
        noise[k] = np.where(chosen, of_groups[k, group] + of_clusters[codes], 0.0)
    return Amounts(adjustment, group, noise, of_groups)


def _chosen(adjustment: Adjustment, frame: pd.DataFrame, cluster: str | None, variable: str, rows: np.ndarray) -> np.ndarray:
    """Which of the missing cells are adjusted."""
    where = adjustment.where
    if not isinstance(where, str):
        if len(where) != len(frame):
            raise ImputationError(f"where has {len(where)} truth values, but the table has {len(frame)} rows.")
        return where[rows]
    if where == ALL:
        return np.ones(len(rows), dtype=bool)
    codes = _codes(frame, cluster, f"where={where!r}")
    observed = np.bincount(codes, frame[variable].notna())[codes[rows]] > 0
    return observed if where == SPORADIC else ~observed


def _groups(adjustment: Adjustment, frame: pd.DataFrame, rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Position of the group of each cell."""
    if adjustment.by is None:
        return np.zeros(len(rows), dtype=int)
    if adjustment.by not in frame:
        raise ImputationError(f"by={adjustment.by!r} is not a column. Columns: {some(map(repr, frame.columns), 20)}.")
    column = frame[adjustment.by]
    foreign = [group for group in adjustment.amounts if not (column == group).any()]
    if foreign:
        raise ImputationError(
            f"{adjustment.by!r} has no group {foreign[0]!r}. It has {some(map(repr, column.dropna().unique().tolist()), 20)}."
        )
    own = column.iloc[rows]
    missing = rows[chosen & own.isna().to_numpy()]
    if missing.size:
        raise ImputationError(
            f"The group {adjustment.by!r} is missing in {missing.size} row(s) that are to be adjusted, counted from 0: "
            f"{some(missing)}. Groups must be known."
        )
    found = np.full(len(rows), -1)
    for position, group in enumerate(adjustment.amounts):
        found[(own == group).to_numpy(dtype=bool, na_value=False)] = position
    without = own[chosen & (found < 0)].unique().tolist()
    if without:
        raise ImputationError(
            f"{adjustment.by!r} has the group(s) {some(map(repr, without))} with missing values, but no amount for them. Give "
            f"one for each; {adjustment.neutral:g} stands for missing at random."
        )
    return found


def _codes(frame: pd.DataFrame, cluster: str | None, asked: str) -> np.ndarray:
    """Codes of clusters in the order of their labels, so that those of a cluster do not depend on the order of rows."""
    if cluster is None:
        raise ImputationError(f"{asked} is about clusters, but these imputations have none.")
    codes, _ = pd.factorize(frame[cluster], sort=True)
    if (codes < 0).any():
        raise ImputationError(
            f"{asked} is about clusters, but the cluster {cluster!r} is missing in {np.sum(codes < 0)} row(s)."
        )
    return codes

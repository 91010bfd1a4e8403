"""Does a table have what descriptions of holes need? Each refusal says what to do instead."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jmimpute.amputation.holes import HECKMAN, LEVEL2, MNAR, SPORADIC, Holes, Term
from jmimpute.errors import AmputationError, options, some
from jmimpute.table.clusters import Clusters
from jmimpute.table.level2 import conflicts


def check_names(frame: pd.DataFrame, holes: Sequence[Holes], cluster: str | None) -> None:
    """Refuse descriptions that name what a table does not have.

    Parameters
    ----------
    frame : pandas.DataFrame
    holes : sequence of Holes
    cluster : str or None

    Raises
    ------
    AmputationError
        If there is nothing to do, a column is not there, or clusters are needed and not given.
    """
    if not holes:
        raise AmputationError("There are no holes to make. Give descriptions, such as jm.holes.mcar('age', 0.2).")
    used = [cluster] if cluster is not None else []
    for description in holes:
        if not isinstance(description, Holes):
            raise AmputationError(f"{description!r} does not describe holes. Give what jm.holes.mcar and its like return.")
        used += [*description.columns, *(term.column for term in description.terms), *description.given]
        needs_clusters = description.kind != SPORADIC or description.cluster_sd > 0
        if cluster is None and (needs_clusters or any(term.of_cluster for term in description.terms)):
            raise AmputationError(f"The holes in {some(description.columns)} need clusters. Give cluster=, the cluster column.")
        if cluster in description.columns:
            raise AmputationError(f"The cluster column {cluster!r} cannot have holes.")
    unknown = [name for name in dict.fromkeys(used) if name not in frame.columns]
    if unknown:
        raise AmputationError(f"There is no column {unknown[0]!r}. Choose {options(list(frame.columns))}.")


def check_contents(frame: pd.DataFrame, clusters: Clusters, holes: Sequence[Holes], exclusive: bool) -> None:
    """Refuse descriptions that the columns they name do not fit, or that do not fit each other.

    Parameters
    ----------
    frame : pandas.DataFrame
    clusters : Clusters
    holes : sequence of Holes
    exclusive : bool

    Raises
    ------
    AmputationError
        If anything does not fit.
    """
    for description in holes:
        for name in (*description.columns, *(term.column for term in description.terms), *description.given):
            _check_comparable(frame[name])
        _check_level(frame, description, clusters)
        for term in description.terms:
            _check_term(frame[term.column], term)
        if description.mechanism == HECKMAN:
            _check_outcome(frame, description)
    _check_mechanisms(holes, exclusive)
    total = sum(description.proportion for description in holes if description.kind == SPORADIC)
    if exclusive and total >= 1:
        raise AmputationError(
            f"Exclusive holes hit a row once, but their proportions add up to {total:g}. Ask for less than 1."
        )


def check_something_is_left(frame: pd.DataFrame, missing: pd.DataFrame) -> None:
    """Refuse holes that take every value of a column."""
    left = frame[list(missing.columns)].notna() & ~missing
    empty = list(missing.columns[~left.any()])
    if empty:
        raise AmputationError(
            f"The holes that were drawn leave no value in {some(empty)}. Lower the proportion, or give another seed."
        )


def _check_comparable(series: pd.Series) -> None:
    if series.dtype == object:
        try:
            pd.factorize(series)
        except TypeError as error:
            raise AmputationError(
                f"Column {series.name!r} holds values that are neither numbers nor texts, such as "
                f"{series.dropna().iloc[0]!r}. Convert or drop it."
            ) from error


def _check_level(frame: pd.DataFrame, description: Holes, clusters: Clusters) -> None:
    """Holes of clusters are for columns of clusters, and the others for columns that vary within them."""
    if clusters.name is None:
        return
    for column in description.columns:
        series = frame[column]
        values = series.groupby(clusters.codes).nunique()
        varies = bool((values > 1).any())
        if description.kind == LEVEL2 and varies:
            found = conflicts(series, clusters)
            raise AmputationError(
                f"Column {column!r} is to lose the one value that clusters have, but it varies within {len(found)} of them: "
                f"{some(found, 2)}. Rows are counted from 0. Use kind='systematic' to take all values of a cluster, or correct "
                "these rows."
            )
        repeated = (series.groupby(clusters.codes).count() > 1).any()
        if description.kind != LEVEL2 and not varies and repeated and series.nunique() > 1:
            raise AmputationError(
                f"Column {column!r} never varies within clusters of {clusters.name!r}: it belongs to clusters, which have or "
                "lack its value as a whole. Use kind='level-2'."
            )


def _check_term(series: pd.Series, term: Term) -> None:
    _check_complete(series, "has a weight")
    if not isinstance(term.weight, dict):
        _check_numeric(series, f"Give weights of categories, such as {{{series.name!r}: {{{series.iloc[0]!r}: 0.5}}}}.")
        return
    found = set(series)
    unknown = [category for category in term.weight if category not in found]
    if unknown:
        known = some(map(repr, dict.fromkeys(series)))
        raise AmputationError(f"Column {series.name!r} has no value {unknown[0]!r} to give a weight to. It has {known}.")


def _check_outcome(frame: pd.DataFrame, description: Holes) -> None:
    """A residual is taken of numbers, given numbers and categories."""
    (column,) = description.columns
    for name in (column, *description.given):
        _check_complete(frame[name], "is used by a selection model")
        if name == column or pd.api.types.is_numeric_dtype(frame[name].dtype):
            _check_numeric(frame[name], "Recode it, or use jm.holes.mnar with weights of categories.")


def _check_complete(series: pd.Series, role: str) -> None:
    rows = np.flatnonzero(series.isna())
    if rows.size:
        raise AmputationError(
            f"Column {series.name!r} {role} but has missing values in {len(rows)} row(s), counted from 0: {some(rows)}. Holes "
            "can depend on complete columns only."
        )


def _check_numeric(series: pd.Series, remedy: str) -> None:
    if not pd.api.types.is_numeric_dtype(series.dtype) or pd.api.types.is_bool_dtype(series.dtype):
        raise AmputationError(f"Column {series.name!r} is not numeric. {remedy}")
    infinite = np.flatnonzero(np.isinf(series.to_numpy(dtype=float, na_value=np.nan)))
    if infinite.size:
        raise AmputationError(
            f"Column {series.name!r} has infinite values in {len(infinite)} row(s), counted from 0: {some(infinite)}. Replace "
            "them."
        )


def _check_mechanisms(holes: Sequence[Holes], exclusive: bool) -> None:
    """What holes depend on must stay observed where they are, or they are not missing at random."""
    for description in holes:
        if description.mechanism == MNAR:
            continue
        for other in holes:
            apart = exclusive and description.kind == other.kind == SPORADIC
            taken = [term.column for term in description.terms if term.column in other.columns]
            if taken and not apart:
                raise AmputationError(
                    f"The holes in {some(description.columns)} depend on {taken[0]!r}, in which others are made: where both "
                    "are, the values are not missing at random. Take it out of the weights, use jm.holes.mnar or, for "
                    "sporadic holes, exclusive=True."
                )

"""From what the analyst asks for to a plan of the streams: everything is checked here, before anything is drawn."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.chained.columns import Column, as_column
from jmimpute.chained.equations import Equation, check_clusters, entry_of, equation, methods_of, usual_predictors
from jmimpute.chained.loop import Plan
from jmimpute.chained.methods import NUMBER
from jmimpute.chained.passive import Passive, in_order
from jmimpute.chained.predictors import plain_terms
from jmimpute.errors import ChainedWarning, ImputationError, TableError, some
from jmimpute.table.clusters import Clusters, code
from jmimpute.table.columns import numeric
from jmimpute.table.level2 import hold
from jmimpute.table.order import canonical


@dataclass(frozen=True)
class Request:
    """What the analyst asks for; see `jmimpute.chained.chained.chained`."""

    methods: Mapping[str, Any]
    predictors: Mapping[str, str]
    cluster: str | None
    iterations: int
    passive: Mapping[str, str]
    cluster_means: bool | Sequence[str]
    visit: Sequence[str] | None
    selection: Mapping[str, str]


def make_plan(frame: pd.DataFrame, request: Request) -> tuple[Plan, dict[str, str]]:
    """Check what is asked for, and choose what is not said.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
    request : Request

    Returns
    -------
    plan : Plan
    left_out : dict of str to str
        Columns that are no predictors unless they are asked for, and why.

    Raises
    ------
    FormulaError, ImputationError, TableError
        If something cannot be done.
    """
    _check_forms(frame, request)
    clusters = _clusters(frame, request.cluster)
    computed = in_order(request.passive, list(frame.columns))
    imputed, methods = methods_of(frame, request.methods, clusters, request.passive)
    check_clusters(methods, request.cluster)
    _check_keys(frame, imputed, request)
    usual, left_out = usual_predictors(frame, list(imputed), computed, request.cluster)
    named = _named(frame, request, computed)
    _check_named(named, frame, list(imputed), request.passive)
    wanted = named if set(request.predictors) == set(imputed) else [*usual, *named]
    _warn_of_contradictions(frame, computed)
    columns = imputed | _others(frame, [name for name in wanted if name not in imputed], computed, clusters)
    levels = _levels(frame, columns, methods, computed, clusters)
    equations = [
        equation(
            name, method, levels, usual, computed, request.cluster, request.predictors.get(name), request.selection.get(name)
        )
        for name, method in methods.items()
    ]
    for one in equations:
        left_out |= _unused(one, usual, request, levels)
    equations = [_with_means(one, request.cluster_means, levels, computed) for one in equations]
    return _ordered(frame, columns, equations, computed, clusters, request), left_out


def _check_forms(frame: pd.DataFrame, request: Request) -> None:
    """Arguments are of the right form, and name columns that are there."""
    for what, given in (("predictors", request.predictors), ("passive", request.passive), ("selection", request.selection)):
        if not isinstance(given, Mapping):
            raise ImputationError(f"{what} must be a dict with an entry a variable, not {given!r}.")
    means = request.cluster_means
    if isinstance(means, str):
        raise ImputationError(f"cluster_means must be True, False or a list of columns, such as [{means!r}], not {means!r}.")
    unknown = [] if isinstance(means, bool) else [name for name in means if name not in frame and name not in request.passive]
    if unknown:
        raise TableError(f"cluster_means names {unknown[0]!r}, which is not a column. Columns: {some(frame.columns, 20)}.")
    if means and request.cluster is None:
        raise ImputationError("cluster_means are asked for, but there are no clusters. Give cluster=..., or leave them out.")


def _clusters(frame: pd.DataFrame, cluster: str | None) -> Clusters:
    if cluster is not None and cluster not in frame:
        raise TableError(f"There is no column {cluster!r} to take clusters from. Columns: {some(frame.columns, 20)}.")
    clusters = code(frame, cluster)
    if cluster is not None and len(clusters.labels) == 1:
        raise TableError(f"Column {cluster!r} has one cluster only ({clusters.labels[0]!r}). Leave cluster out.")
    return clusters


def _check_keys(frame: pd.DataFrame, imputed: Mapping[str, Column], request: Request) -> None:
    """Predictors and selection equations are given for variables that are imputed."""
    for what, given in (("Predictors", request.predictors), ("A selection equation", request.selection)):
        for name in given:
            if name in imputed:
                continue
            if name not in frame:
                raise TableError(f"{what}: {name!r} is not a column. Columns: {some(frame.columns, 20)}.")
            why = "passive" if name in request.passive else "not imputed" if frame[name].isna().any() else "complete"
            raise ImputationError(f"{what}: {name!r} is {why}, so that nothing predicts it. Imputed are {some(imputed, 20)}.")


def _named(frame: pd.DataFrame, request: Request, computed: Sequence[Passive]) -> list[str]:
    """Columns and passive variables that the analyst named."""
    available = list(dict.fromkeys([*frame.columns, *request.passive]))
    found: list[str] = []
    for given in (request.predictors, request.selection):
        for name, text in given.items():
            terms = plain_terms(name, text, available)
            found += [*terms.fixed, *terms.random]
    found += [] if isinstance(request.cluster_means, bool) else request.cluster_means
    found += sorted(set().union(*(one.sources for one in computed)))
    return [name for name in dict.fromkeys(found) if name != request.cluster]


def _check_named(named: Sequence[str], frame: pd.DataFrame, imputed: Sequence[str], passive: Mapping[str, str]) -> None:
    """What predicts a variable, or enters a passive one, is complete, imputed or passive."""
    for name in named:
        if name not in imputed and name not in passive and frame[name].isna().any():
            rows = np.flatnonzero(frame[name].isna())
            raise ImputationError(
                f"Column {name!r} is a predictor, or enters a passive variable, but has missing values in {rows.size} row(s), "
                f"counted from 0: {some(rows)}, and is not imputed. Give it a method, or leave it out."
            )


def _warn_of_contradictions(frame: pd.DataFrame, computed: Sequence[Passive]) -> None:
    """Warn of observed cells of passive variables that imputed values of their sources will not agree with."""
    for one in computed:
        if one.name in frame:
            rows = np.flatnonzero(frame[one.name].notna() & frame[list(one.sources)].isna().any(axis=1))
            if rows.size:
                warnings.warn(
                    f"The passive variable {one.name!r} is observed in {rows.size} row(s), counted from 0: {some(rows)}, where "
                    "what it is computed from is missing. It stays as it is there, and imputed values will not agree with it: "
                    "fill these in by hand if it determines them.",
                    ChainedWarning,
                    stacklevel=4,
                )


def _others(frame: pd.DataFrame, names: Sequence[str], computed: Sequence[Passive], clusters: Clusters) -> dict[str, Column]:
    """Columns that are not imputed by a method: complete predictors, and passive variables that are in the table."""
    passive = [one.name for one in computed]
    found = {name: as_column(frame[name], clusters) for name in dict.fromkeys(names) if name not in passive}
    return found | {name: Column(name, numeric(frame, name), NUMBER, (), 1) for name in passive if name in frame}


def _levels(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    methods: Mapping[str, Any],
    computed: Sequence[Passive],
    clusters: Clusters,
) -> dict[str, int]:
    """Level of each column and passive variable, as its imputed values will have it."""
    levels = {}
    for name, column in columns.items():
        levels[name] = column.level if name not in methods else entry_of(methods[name]).level
        if name in methods and levels[name] == 2:
            hold(frame[name], clusters)  # rows of a cluster agree
    for one in computed:
        levels[one.name] = 2 if clusters.name and all(levels[name] == 2 for name in one.sources) else 1
    return levels


def _unused(one: Equation, usual: Sequence[str], request: Request, levels: Mapping[str, int]) -> dict[str, str]:
    """Usual predictors that a method cannot have."""
    if one.name in request.predictors or one.entry.random != "all" or one.entry.moderators:
        return {}
    why = f"does not vary within clusters, as predictors of {one.name} must"
    return {name: why for name in usual if levels[name] == 2 and name != one.name}


def _with_means(one: Equation, means: bool | Sequence[str], levels: Mapping[str, int], computed: Sequence[Passive]) -> Equation:
    """The equation with the cluster means that are asked for; a variable's own mean has no value while it is imputed."""
    wanted = one.predictors.fixed if means is True else means or ()
    own = {one.name, *(passive.name for passive in computed if one.name in passive.sources)}
    chosen = tuple(name for name in wanted if name not in own and levels[name] == 1)
    if one.of_clusters or not chosen:
        return one
    if one.entry.random == "all" and not one.entry.moderators:
        raise ImputationError(
            f"cluster_means are asked for, which the method of {one.name!r} cannot have as predictors. Leave them out, or use "
            "'one-stage', 'mixed' or 'two-stage'."
        )
    return replace(one, means=chosen)


def _ordered(
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    equations: Sequence[Equation],
    computed: Sequence[Passive],
    clusters: Clusters,
    request: Request,
) -> Plan:
    """The plan, with rows in canonical order and variables in visiting order."""
    rows = canonical(frame, clusters.codes, list(columns))
    names = [one.name for one in equations]
    visit = names if request.visit is None else list(request.visit)
    if sorted(visit) != sorted(names):
        raise ImputationError(f"visit must have each imputed column once: {some(names, 20)}; not {some(map(repr, visit), 20)}.")
    return Plan(
        columns={name: replace(column, values=column.values[rows]) for name, column in columns.items()},
        equations=tuple(equations[names.index(name)] for name in visit),
        passive=tuple(computed),
        clusters=replace(clusters, codes=clusters.codes[rows]),
        rows=rows,
        # Draws of a single variable do not depend on the draws before.
        iterations=1 if len(names) == 1 else request.iterations,
    )

"""The conditional model of each incomplete variable: what the analyst said of it, checked, and what is chosen for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import isclass
from typing import Any

import pandas as pd

from jmimpute.chained.choosing import default_method
from jmimpute.chained.columns import Column, as_column, unusable
from jmimpute.chained.methods import BINARY, ENTRIES, Entry, make
from jmimpute.chained.passive import Passive
from jmimpute.chained.predictors import Predictors, by_rules, check_predictor, plain_terms, said
from jmimpute.chained.target import Method
from jmimpute.errors import FormulaError, ImputationError, TableError, options, some
from jmimpute.table.clusters import Clusters

#: Categories that a predictor may have unless it is asked for.
MOST_CATEGORIES = 20
#: What is known of a function that the analyst wrote: it takes what it is given.
_OWN = Entry("", "", random="some", moderators=True)


@dataclass(frozen=True)
class Equation:
    """The conditional model of a variable.

    Attributes
    ----------
    name : str
        The variable.
    method : Method
    entry : Entry
    predictors : Predictors
    means : tuple of str
        Columns whose cluster means are predictors too.
    selection : tuple of str or None
        Columns of its selection equation.
    """

    name: str
    method: Method
    entry: Entry
    predictors: Predictors
    means: tuple[str, ...] = ()
    selection: tuple[str, ...] | None = None

    @property
    def of_clusters(self) -> bool:
        """Whether the variable has one value per cluster."""
        return self.entry.level == 2


def methods_of(
    frame: pd.DataFrame, said: Any, clusters: Clusters, passive: Mapping[str, str]
) -> tuple[dict[str, Column], dict[str, Any]]:
    """Encode the incomplete columns that are imputed, and take or choose their methods.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
    said : mapping of str to str, Method or None
        By the analyst; None leaves a column as it is.
    clusters : Clusters
    passive : mapping of str to str

    Returns
    -------
    columns : dict of str to Column
        In the order of the table.
    methods : dict of str to str or Method

    Raises
    ------
    ImputationError, TableError
        If a method is not known or does not suit the column, or there is nothing to impute.
    """
    _check_methods(frame, said, clusters, passive)
    columns, methods = {}, {}
    for name in frame.columns[frame.isna().any()]:
        if name in passive or (name in said and said[name] is None):
            continue
        given = said.get(name)
        entry = entry_of(given) if given is not None else None
        columns[name] = as_column(frame[name], clusters, binary=entry is not None and entry.kinds == (BINARY,))
        methods[name] = default_method(columns[name], clusters) if given is None else given
        _check_kind(columns[name], methods[name])
    if not methods:
        raise ImputationError("There is nothing to impute: no column with missing values is left that has a method.")
    return columns, methods


def entry_of(method: Any) -> Entry:
    """What is known of a method.

    Parameters
    ----------
    method : str or Method
    """
    if isinstance(method, str):
        return ENTRIES[method]
    own = (type(method).__module__, type(method).__name__)
    return next((entry for entry in ENTRIES.values() if (entry.module, entry.name) == own), _OWN)


def equation(
    name: str,
    method: Any,
    levels: Mapping[str, int],
    usual: Sequence[str],
    passive: Sequence[Passive],
    cluster: str | None,
    formula: str | None,
    selection: str | None,
) -> Equation:
    """Put the conditional model of a variable together.

    Parameters
    ----------
    name : str
        The variable.
    method : str or Method
    levels : mapping of str to int
        Level of each column and passive variable that can be used.
    usual : sequence of str
        Predictors where no formula is given.
    passive : sequence of Passive
    cluster : str or None
    formula : str or None
        Predictors that the analyst gave.
    selection : str or None
        Formula of the selection equation.

    Raises
    ------
    FormulaError
        If predictors are none that the method can have, or depend on the variable itself.
    """
    entry, available = entry_of(method), [*levels, *([cluster] if cluster else [])]
    own = {name, *(one.name for one in passive if name in one.sources)}
    if formula is None:
        predictors = by_rules([column for column in usual if column not in own], entry, levels)
    else:
        predictors = said(name, formula, available, cluster, entry, levels)
    chosen = _selection(name, selection, entry, available, cluster)
    circular = [column for column in (*predictors.fixed, *predictors.of_clusters, *(chosen or ())) if column in own]
    if circular:
        raise FormulaError(f"{circular[0]!r} is computed from {name!r} and cannot predict it. Drop it from its predictors.")
    return Equation(name, make(method) if isinstance(method, str) else method, entry, predictors, (), chosen)


def usual_predictors(
    frame: pd.DataFrame, imputed: Sequence[str], passive: Sequence[Passive], cluster: str | None
) -> tuple[list[str], dict[str, str]]:
    """Predictors of a variable for which none were given, before its own are taken out.

    Parameters
    ----------
    frame : pandas.DataFrame
    imputed : sequence of str
    passive : sequence of Passive
    cluster : str or None

    Returns
    -------
    columns : list of str
        Columns of the table, then passive variables that are not among them.
    left_out : dict of str to str
        Columns that are no predictors, and why.
    """
    computed = [one.name for one in passive]
    left_out = {}
    for name in frame.columns:
        if name == cluster or name in imputed or name in computed:
            continue
        why = "stays incomplete" if frame[name].isna().any() else unusable(frame[name], MOST_CATEGORIES)
        if why is not None:
            left_out[name] = why
    columns = [name for name in frame.columns if name != cluster and name not in left_out]
    return columns + [name for name in computed if name not in columns], left_out


def _check_methods(frame: pd.DataFrame, said: Any, clusters: Clusters, passive: Mapping[str, str]) -> None:
    """Methods are given by column, for columns that are there and incomplete, and exist."""
    if not isinstance(said, Mapping):
        raise ImputationError(f"methods must be a dict such as {{'x': 'two-stage'}}, not {said!r}.")
    for name, method in said.items():
        if name not in frame:
            raise TableError(f"A method is given for {name!r}, which is not a column. Columns: {some(frame.columns, 20)}.")
        if name == clusters.name:
            raise ImputationError(f"A method is given for the cluster column {name!r}, which must be complete. Leave it out.")
        if name in passive:
            raise ImputationError(f"Column {name!r} has a method and is passive as well. Drop one of these.")
        if isinstance(method, str) and method not in ENTRIES:
            raise ImputationError(f"There is no method {method!r}, given for {name!r}. Choose {options(sorted(ENTRIES))}.")
        if isclass(method):
            raise ImputationError(
                f"The method of {name!r} is the class {method.__name__}: write {method.__name__}(), with its options."
            )
        if not (isinstance(method, str) or callable(method) or method is None):
            raise ImputationError(
                f"The method of {name!r} must be a name, an object of jm.methods or a function, not {method!r}."
            )


def _check_kind(column: Column, method: Any) -> None:
    """A method can impute values of this kind, and clusters are there if it needs them."""
    entry = entry_of(method)
    if entry is not _OWN and column.kind not in entry.kinds:
        suited = [name for name, other in ENTRIES.items() if column.kind in other.kinds]
        raise ImputationError(
            f"Column {column.name!r} is {column.kind}, which {method!r} cannot impute. Methods for it: {some(suited, 20)}."
        )


def check_clusters(methods: Mapping[str, Any], cluster: str | None) -> None:
    """Methods that need clusters have them.

    Parameters
    ----------
    methods : mapping of str to str or Method
    cluster : str or None

    Raises
    ------
    ImputationError
        If they have none.
    """
    for name, method in methods.items():
        entry = entry_of(method)
        needs = entry is not _OWN and (entry.random != "none" or entry.level == 2 or entry.name == "Dummies")
        if needs and cluster is None:
            raise ImputationError(
                f"The method {method!r} of {name!r} needs clusters. Give cluster=..., or use 'norm' or 'pmm'."
            )


def _selection(
    name: str, formula: str | None, entry: Entry, available: Sequence[str], cluster: str | None
) -> tuple[str, ...] | None:
    """Columns of a selection equation."""
    if formula is None:
        if entry.selection:
            raise FormulaError(
                f"The method of {name!r} has a selection equation, for which no formula is given. Give one with what predicts "
                f"whether it is observed, such as selection={{{name!r}: '~ x + z'}}."
            )
        return None
    if not entry.selection and entry is not _OWN:
        raise FormulaError(f"A selection equation is given for {name!r}, but its method has none. Leave it out.")
    terms = plain_terms(name, formula, available)
    if terms.group is not None:
        raise FormulaError(
            f"The selection formula {formula!r} of {name!r} has a grouping term. All its coefficients vary between clusters "
            "anyway: leave it out."
        )
    for column in terms.fixed:
        check_predictor(name, formula, column, cluster)
    return terms.fixed

"""Selection submodels in the layout: the indicator of being observed as a further binary response."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError, TableError
from jmimpute.specification import selection_checks as checks
from jmimpute.specification.checks import unquoted
from jmimpute.specification.families import NOMINAL, Family, Variable, binary
from jmimpute.specification.formula import Formula, without_crossed
from jmimpute.specification.layout import Layout
from jmimpute.specification.selection import Selection
from jmimpute.table.clusters import Clusters, code

#: Ending of the name of an indicator.
ENDING = ".selection"


@dataclass(frozen=True)
class Crossed:
    """A random intercept of an indicator by a factor other than the clusters of the model.

    Attributes
    ----------
    column : str
    labels : list, length G
    codes : ndarray of int, shape (n_rows,)
        In canonical order.
    """

    column: str
    labels: list[Any]
    codes: np.ndarray


@dataclass(frozen=True)
class Selected:
    """A selection submodel and where it stands in the layout.

    Attributes
    ----------
    clause : Selection
    variable, indicator : Variable
    crossed : tuple of Crossed
    excluded : tuple of str
        Columns of X that the exclusion restriction is about.
    """

    clause: Selection
    variable: Variable
    indicator: Variable
    crossed: tuple[Crossed, ...]
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class Expanded:
    """A table and formulas with the indicators as further responses.

    Attributes
    ----------
    frame : pandas.DataFrame
    formulas : list of Formula
        Those of the indicators, in the order of `missing`.
    families : dict of str to Family
        Of the indicators.
    crossed : dict of str to tuple of str
        Columns of the crossed grouping terms of each indicator.
    """

    frame: pd.DataFrame
    formulas: list[Formula]
    families: dict[str, Family]
    crossed: dict[str, tuple[str, ...]]


def expand(missing: Mapping[str, Selection], formulas: Sequence[Formula], frame: pd.DataFrame) -> Expanded:
    """Make the indicators, and the formulas that they have.

    Parameters
    ----------
    missing : mapping of str to Selection
        By response.
    formulas : sequence of Formula
        Of the responses at level 1.
    frame : pandas.DataFrame

    Returns
    -------
    Expanded

    Raises
    ------
    FormulaError, TableError
        If a selection submodel is of no response, or of one without missing cells; if its exclusion restriction is not part of
        it, is part of the equation of the variable or is incomplete; or its indicator contradicts the cells.
    """
    cluster = next((formula.cluster for formula in formulas if formula.cluster), None)
    found, families, crossed, indicators = [], {}, {}, {}
    for name, clause in checks.checked(missing).items():
        own = checks.formula_of(name, formulas)
        checks.check_incomplete(name, frame, clause)
        label = f"{name}{ENDING}"
        if label in frame:
            raise TableError(f"The table has a column {label!r}, which is the name of the selection of {name!r}. Rename it.")
        indicators[label] = _indicator(frame[name], None if cluster is None else code(frame, cluster))
        formula, crossed[label] = _parse(label, clause, cluster, list(frame.columns))
        checks.check_exclusion(name, clause, formula, crossed[label], own, frame)
        found.append(formula)
        families[label] = binary(levels=(False, True))
    return Expanded(frame.assign(**indicators), found, families, crossed)


def _indicator(column: pd.Series, clusters: Clusters | None) -> pd.Series:
    """Whether cells are observed; missing where a whole cluster lacks the variable, which was not asked for there."""
    observed = column.notna().astype("boolean")
    if clusters is not None:
        absent = ~np.bincount(clusters.codes, observed.to_numpy(dtype=float)).astype(bool)
        observed[absent[clusters.codes]] = pd.NA
    return observed


def _parse(label: str, clause: Selection, cluster: str | None, columns: list[str]) -> tuple[Formula, tuple[str, ...]]:
    """The formula of an indicator, and the columns of crossed grouping terms."""
    text = clause.formula.strip() if isinstance(clause.formula, str) else ""
    if not text.startswith("~"):
        raise FormulaError(
            f"A selection formula starts with '~', as '~ age + smoke + (1 | region)' does, not {clause.formula!r}."
        )
    formula, crossed = without_crossed(f"`{label}` {text}", [*columns, label], cluster)
    return replace(unquoted(formula), text=f"{label} {text}"), crossed


def place(missing: Mapping[str, Selection], expanded: Expanded, layout: Layout, rows: np.ndarray) -> tuple[Selected, ...]:
    """Say where selection submodels stand in the layout.

    Parameters
    ----------
    missing : mapping of str to Selection
    expanded : Expanded
    layout : Layout
        Of all responses, indicators included.
    rows : ndarray of int, shape (n_rows,)
        Row of the table at each canonical position.

    Returns
    -------
    tuple of Selected

    Raises
    ------
    FormulaError
        For a nominal variable.
    """
    by_name = {variable.name: variable for variable in layout.variables}
    found = []
    for name, clause in missing.items():
        label = f"{name}{ENDING}"
        if by_name[name].family == NOMINAL:
            raise FormulaError(
                f"{name!r} is nominal: a selection model is for a continuous, binary or ordinal variable. Merge categories "
                "into two, or order them."
            )
        crossed = tuple(_crossed(expanded.frame, column, rows) for column in expanded.crossed[label])
        terms = [term for term in clause.exclude if not checks.crossed_column(term)]
        excluded = tuple(column for column in layout.covariates if any(is_about(column, term) for term in terms))
        found.append(Selected(clause, by_name[name], by_name[label], crossed, excluded))
    return tuple(found)


def is_about(column: str, term: str) -> bool:
    """Tell whether a column of X is made of a column of the table: ``smoke``, ``smoke[yes]``, ``age:smoke``.

    Parameters
    ----------
    column, term : str
    """
    return re.search(rf"(?<!\w){re.escape(term)}(?!\w)", column) is not None


def _crossed(frame: pd.DataFrame, column: str, rows: np.ndarray) -> Crossed:
    coded = code(frame, column)
    return Crossed(column, coded.labels, coded.codes[rows])

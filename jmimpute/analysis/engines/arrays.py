"""From a formula and a completed table to the arrays that a fit needs, checked."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from jmimpute.analysis.engines.responses import read_response
from jmimpute.errors import AnalysisError, some
from jmimpute.names import INTERCEPT
from jmimpute.specification.design import Design, design
from jmimpute.specification.formula import Formula, parse

#: Links of the families whose fitted values are one number a row.
LINKS = {"gaussian": "identity", "binomial": "logit", "poisson": "log"}


@dataclass(frozen=True)
class Grouping:
    """The random part of a mixed model, or the clusters of a GEE."""

    name: str
    side: str  # its formula, "1 + sex"
    design: Design
    codes: np.ndarray  # cluster of each row, (n_rows,)
    uncorrelated: bool


@dataclass(frozen=True)
class Arrays:
    """What a fit needs of a table."""

    y: np.ndarray  # (n_rows,), codes from 0 for a response of categories
    categories: tuple[str, ...]  # of the response, in order; none for numbers and 0/1
    side: str  # formula of the fixed part, with an explicit intercept
    fixed: Design
    grouping: Grouping | None


def arrays_of(formula: str, table: pd.DataFrame, family: str, allow_uncorrelated: bool = False) -> Arrays:
    """Evaluate and check all parts of a formula.

    Parameters
    ----------
    formula : str
    table : pandas.DataFrame
        A completed table.
    family : str
        Decides what the response may be.
    allow_uncorrelated : bool, optional
        Whether the grouping term may have ``||``.

    Returns
    -------
    Arrays

    Raises
    ------
    AnalysisError
        If a value is missing or not finite, the response does not fit the family, or the design has no full rank.
    FormulaError
        If the formula does not parse or cannot be evaluated.
    """
    available = [str(column) for column in table.columns]
    parsed = parse(formula, available, allow_uncorrelated)
    if len(parsed.responses) != 1:
        raise AnalysisError(
            f"The formula {parsed.text!r} has {len(parsed.responses)} responses. An analysis has one; write a sum as "
            "'I(a + b)'."
        )
    (response,) = parsed.responses
    # A response formula names its columns by the same rules as a covariate.
    own = parse(f"{response} ~ {response}", available).columns
    _check_complete(table, [*own, *parsed.columns, *([parsed.cluster] if parsed.cluster else [])])
    y, categories = read_response(response, table, family)
    fixed = _checked_design(parsed.common, table, "fixed part")
    return Arrays(y, categories, parsed.common, fixed, _grouping(parsed, table))


def without_intercept(arrays: Arrays, family: str) -> Design:
    """Take the intercept out of the fixed part, where cut points stand in its place.

    Parameters
    ----------
    arrays : Arrays
    family : str
        For the message.

    Returns
    -------
    Design
        Perhaps without columns.

    Raises
    ------
    AnalysisError
        If there is no intercept: the coding of categories would follow another rule.
    """
    names = arrays.fixed.names
    if INTERCEPT not in names:
        raise AnalysisError(
            f"The fixed part {arrays.side!r} has no intercept. In a model of family {family!r} cut points stand in its place; "
            "leave '0 +' out."
        )
    keep = [k for k, name in enumerate(names) if name != INTERCEPT]
    return Design(arrays.fixed.matrix[:, keep], tuple(names[k] for k in keep))


def cut_point_names(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Name the cut points by the categories on their two sides: ``low|medium``.

    Parameters
    ----------
    categories : tuple of str
    """
    return tuple(f"{low}|{high}" for low, high in pairwise(categories))


def _grouping(parsed: Formula, table: pd.DataFrame) -> Grouping | None:
    if parsed.cluster is None or parsed.random is None:
        return None
    random = _checked_design(parsed.random, table, "random part")
    codes, labels = pd.factorize(table[parsed.cluster], sort=False)
    if len(labels) < 2 or len(labels) * len(random.names) >= len(table):
        raise AnalysisError(
            f"The table has {len(table)} rows in {len(labels)} clusters of {parsed.cluster!r}, and {len(random.names)} "
            "random effects a cluster. A mixed model needs at least two clusters, and fewer random effects than rows "
            "in all."
        )
    return Grouping(parsed.cluster, parsed.random, random, codes, parsed.uncorrelated)


def _check_complete(table: pd.DataFrame, columns: list[str]) -> None:
    for column in dict.fromkeys(columns):
        missing = int(np.sum(pd.isna(table[column])))
        if missing:
            raise AnalysisError(
                f"Column {column!r} has missing values in {missing} rows. An analysis needs a completed table: make "
                "the column part of the imputation model, or leave it out of the analysis."
            )


def _checked_design(side: str, table: pd.DataFrame, part: str) -> Design:
    """Evaluate one part of the right-hand side, and make sure that its columns are finite and independent."""
    result = design(side, table)
    if not result.names:
        raise AnalysisError(f"The {part} {side!r} has no terms. It needs at least one, for example the intercept '1'.")
    for name, column in zip(result.names, result.matrix.T, strict=True):
        if not np.isfinite(column).all():
            raise AnalysisError(f"The term {name!r} is not finite in {int((~np.isfinite(column)).sum())} rows.")
    if len(table) <= len(result.names):
        raise AnalysisError(f"The table has {len(table)} rows for {len(result.names)} terms of the {part}. It needs more rows.")
    dependent = _dependent_columns(result)
    if dependent:
        raise AnalysisError(
            f"The {part} {side!r} has terms that are constant or follow from the terms before them: {some(dependent)}. "
            "Leave them out."
        )
    return result


def _dependent_columns(matrix: Design) -> list[str]:
    """Names of the columns that are linear combinations of the columns before them."""
    lengths = np.linalg.norm(matrix.matrix, axis=0)
    # R has the same dependencies between columns as the matrix, in k rows.
    r = np.linalg.qr(matrix.matrix / np.where(lengths > 0, lengths, 1.0), mode="r")
    basis, dependent = np.empty((len(r), 0)), []
    for name, column in zip(matrix.names, r.T, strict=True):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length < 1e-9:
            dependent.append(name)
        else:
            basis = np.column_stack([basis, rest / length])
    return dependent

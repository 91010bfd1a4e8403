"""Columns outside an analysis that predict what is missing in it, or whether it is."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.specification.advice.columns import NUMBER, Column, look, numbers
from jmimpute.specification.advice.problem import Problem

#: Correlations with an incomplete variable, and with whether it is missing, from which a column is worth a thought.
WITH_VALUES, WITH_MISSINGNESS = 0.4, 0.2
#: Rows that a correlation needs; categories that a column may have, so that identifiers are left out; columns that are named.
ROWS, CATEGORIES, NAMED = 50, 12, 5


def candidates(problem: Problem, others: Sequence[Column]) -> list[str]:
    """Name columns that might serve as auxiliary variables.

    Parameters
    ----------
    problem : Problem
    others : sequence of Column
        As `others_of` gives them.

    Returns
    -------
    list of str
        One text, or none.
    """
    found = {}
    for column in others:
        strongest = max((_association(problem, column, name) for name in problem.incomplete), default=(0.0, ""))
        if strongest[0] > 0:
            found[column.name] = strongest
    best = sorted(found.items(), key=lambda item: -item[1][0])[:NAMED]
    if not best:
        return []
    listed = ", ".join(f"{name} ({why})" for name, (_, why) in best)
    return [
        f"Columns outside the analysis that predict what is missing, or whether it is: {listed}. Name useful ones as "
        "auxiliary=[...]."
    ]


def marks(problem: Problem, others: Sequence[Column]) -> list[str]:
    """Name columns that say exactly in which rows a variable is missing: someone decided so, or was asked.

    Parameters
    ----------
    problem : Problem
    others : sequence of Column
        As `others_of` gives them.

    Returns
    -------
    list of str
    """
    found = []
    for name in problem.incomplete:
        missing = problem.frame[name].isna()
        for column in others:
            if column.n_values == 2 and not column.is_incomplete and _is_indicator(problem.frame[column.name], missing):
                found.append(
                    f"{column.name} tells exactly where {name} is missing. If the reason has to do with {name} itself, values "
                    "are not missing at random, and imputations need a sensitivity analysis or a selection model."
                )
    return found


def others_of(problem: Problem) -> list[Column]:
    """Look at the columns that are not in a problem but could be in a model.

    Parameters
    ----------
    problem : Problem
    """
    found = []
    for name in problem.frame.columns:
        if name in problem.columns or name == problem.cluster:
            continue
        try:
            column = look(problem.frame[name], problem.clusters)
        except TableError:  # dates, lists and empty columns, which the analyst has not asked about
            continue
        if column.n_values > 1 and (column.kind == NUMBER or column.n_values <= CATEGORIES):
            found.append(column)
    return found


def _association(problem: Problem, column: Column, name: str) -> tuple[float, str]:
    """The correlation of a column with a variable or with its missingness, over its threshold, and in words."""
    candidate, target = problem.frame[column.name], problem.frame[name]
    both = candidate.notna() & target.notna()
    # What does not vary where the variable is observed cannot be a covariate of it.
    if both.sum() < ROWS or candidate[both].nunique() < 2 or target[both].nunique() < 2:
        return 0.0, ""
    with_values = correlation(numbers(candidate[both], column), numbers(target[both], problem.columns[name]))
    seen = candidate.notna()
    missing = target[seen].isna().to_numpy(dtype=float)[:, None]
    with_missing = correlation(numbers(candidate[seen], column), missing) if np.ptp(missing) else 0.0
    found = [
        (with_values / WITH_VALUES, f"r = {with_values:.2f} with {name}"),
        (with_missing / WITH_MISSINGNESS, f"r = {with_missing:.2f} with the missingness of {name}"),
    ]
    strongest = max(found)
    return strongest if strongest[0] > 1 else (0.0, "")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Largest canonical correlation: the absolute correlation of two numbers, the correlation ratio of a number and categories.

    Parameters
    ----------
    a : ndarray, shape (n, k)
    b : ndarray, shape (n, l)
    """
    from scipy.linalg import orth

    bases = [orth(m - m.mean(axis=0)) for m in (a, b)]
    if not all(basis.shape[1] for basis in bases):
        return 0.0
    return float(min(1.0, np.linalg.norm(bases[0].T @ bases[1], 2)))


def _is_indicator(series: pd.Series, missing: pd.Series) -> bool:
    return series[missing].nunique() == series[~missing].nunique() == 1

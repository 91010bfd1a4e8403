"""Does missingness depend on observed values? Each incomplete variable against each other variable."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options, some
from jmimpute.inspection.contrasts import cluster_means, compare, holm, p_value, split
from jmimpute.inspection.dependence_text import as_text
from jmimpute.inspection.patterns import SPORADIC, SYSTEMATIC
from jmimpute.inspection.predictors import Predictor, find_predictors
from jmimpute.table.clusters import Clusters

#: Standardised differences above this are conventionally taken to matter (Austin 2009, Statistics in Medicine 28, 3083).
NOTABLE = 0.1
SIGNIFICANT = 0.05
FEW_CLUSTERS = 10
#: Clusters with, or without, a systematically missing variable.
FEW_ON_A_SIDE = 5


@dataclass(frozen=True, repr=False)
class Dependence:
    """Whether variables are missing more often where others are high or low. Made by `Inspection.dependence`.

    Printed, it tells in words which differences are larger than 0.1 standard deviations and have a p value below 0.05
    after Holm's correction: what these variables tell about the missing values should be in the imputation model.

    Attributes
    ----------
    cluster : str or None
        The cluster column.
    table : DataFrame
        One row an incomplete variable, predictor and, unless the predictor is numeric or ordered, category: all but the
        first of two categories, otherwise each.

        - ``variable``: the one that is missing; ``predictor``, ``category`` (None for numbers and ordered categories);
        - ``n``: units where the predictor is observed; ``n_missing``: those of them where the variable is missing;
        - ``mean_missing``, ``mean_observed``: mean of the predictor, share of the category, or mean position from 0 of
          ordered categories, where the variable is missing and where it is observed;
        - ``difference``: of the two, divided by the square root of the mean of the two variances;
        - ``p_value``: of a generalised score test in a logistic regression of missingness on the predictor, robust to
          dependence within clusters; ``p_holm``: adjusted for the number of rows of the table;
        - ``notable``: ``difference`` is above 0.1 in size and ``p_holm`` below 0.05.

        With clusters also

        - ``kind``: ``sporadic``, where units are rows of clusters that have a value, or ``systematic``, where units are
          clusters, with the mean of the predictor in each, and those without any value are the missing ones;
        - ``within``, ``between``: the parts of the difference that are of deviations from cluster means, and of these
          means; ``p_within``, ``p_between``: tests of each; not defined within for ``systematic``.
    notes : tuple of str
        Variables that were left out, and where the tests say little.
    """

    cluster: str | None
    table: pd.DataFrame
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """Read the table in words."""
        return as_text(self)

    __repr__ = __str__


@dataclass(frozen=True)
class _Question:
    """Which units lack a variable: rows, or clusters when `kind` is systematic."""

    variable: str
    kind: str | None
    rows: np.ndarray
    missing: np.ndarray


def find_dependence(frame: pd.DataFrame, clusters: Clusters | None, variable: str | None = None) -> Dependence:
    """Compute what `Inspection.dependence` documents."""
    variables = _incomplete(frame, variable)
    predictors, left_out = find_predictors(frame, clusters)
    questions = [question for name in variables for question in _questions(frame[name], clusters)]
    rows = [
        _answer(question, predictor, clusters)
        for question in questions
        for predictor in predictors
        if predictor.name != question.variable
    ]
    table = pd.DataFrame(rows, columns=_columns(clusters is not None))
    # Texts and None side by side would become texts and NaN.
    table["category"] = pd.Series([row["category"] for row in rows], dtype=object)
    table["p_holm"] = holm(table["p_value"].to_numpy(dtype=float))
    table["notable"] = (table["difference"].abs() > NOTABLE) & (table["p_holm"] < SIGNIFICANT)
    notes = _notes(frame, clusters, questions, table, left_out)
    return Dependence(None if clusters is None else clusters.name, table, tuple(notes))


def _incomplete(frame: pd.DataFrame, variable: str | None) -> list[str]:
    incomplete = list(frame.columns[frame.isna().any()])
    if variable is None:
        return incomplete
    choice = f"Choose {options(incomplete)}." if incomplete else "Nothing is missing in this table."
    if variable not in frame.columns:
        raise TableError(f"There is no column {variable!r}. {choice}")
    if variable not in incomplete:
        raise TableError(f"Column {variable!r} has no missing value. {choice}")
    return [variable]


def _questions(series: pd.Series, clusters: Clusters | None) -> Iterator[_Question]:
    missing = series.isna().to_numpy()
    if missing.all():
        return
    if clusters is None:
        yield _Question(series.name, None, np.ones(len(series), dtype=bool), missing)
        return
    systematic = np.bincount(clusters.codes, ~missing, minlength=len(clusters.labels)) == 0
    in_others = ~systematic[clusters.codes]
    if (missing & in_others).any():
        yield _Question(series.name, SPORADIC, in_others, missing[in_others])
    if systematic.any():
        yield _Question(series.name, SYSTEMATIC, np.ones(len(systematic), dtype=bool), systematic)


def _answer(question: _Question, predictor: Predictor, clusters: Clusters | None) -> dict[str, Any]:
    values, codes = predictor.values, np.arange(len(predictor.values)) if clusters is None else clusters.codes
    if question.kind == SYSTEMATIC:
        values, codes = cluster_means(values, codes), np.arange(len(question.missing))
    values, codes = values[question.rows], codes[question.rows]
    seen = ~np.isnan(values)
    values, codes, missing = values[seen], codes[seen], question.missing[seen]
    answer = {
        "variable": question.variable,
        "kind": question.kind,
        "predictor": predictor.name,
        "category": predictor.category,
        **compare(values, missing),
        "p_value": p_value(values, missing, codes),
    }
    if question.kind == SPORADIC:
        answer |= split(values, missing, codes)
    elif question.kind == SYSTEMATIC:
        answer |= {"between": answer["difference"], "p_between": answer["p_value"]}
    return answer


def _columns(with_clusters: bool) -> list[str]:
    parts = ("within", "between", "p_within", "p_between") if with_clusters else ()
    kind = ("kind",) if with_clusters else ()
    compared = ("n", "n_missing", "mean_missing", "mean_observed", "difference")
    return ["variable", *kind, "predictor", "category", *compared, *parts, "p_value"]


def _notes(
    frame: pd.DataFrame, clusters: Clusters | None, questions: list[_Question], table: pd.DataFrame, left_out: dict[str, str]
) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"Not compared: {some((f'{name} ({reason})' for name, reason in left_out.items()), 10)}.")
    incomplete = [name for name in dict.fromkeys(table["predictor"]) if frame[name].isna().any()]
    if incomplete:
        notes.append(f"Incomplete themselves, and compared in the units that have them: {some(incomplete, 10)}.")
    apart = table[(table["n_missing"] == 0) | (table["n_missing"] == table["n"])]
    pairs = list(dict.fromkeys(zip(apart["predictor"], apart["variable"], strict=True)))
    if pairs:
        told = (f"{predictor} with {variable}" for predictor, variable in pairs)
        notes.append(f"Observed only where the other is observed, or only where it is missing: {some(told, 10)}.")
    if clusters is not None and len(clusters.labels) < FEW_CLUSTERS and questions:
        notes.append(f"With {len(clusters.labels)} clusters the tests say little.")
    for question in questions:
        lacking, n = int(question.missing.sum()), len(question.missing)
        if question.kind == SYSTEMATIC and min(lacking, n - lacking) < FEW_ON_A_SIDE:
            notes.append(f"{question.variable} is systematically missing in {lacking} of {n} clusters: tests say little.")
    return notes

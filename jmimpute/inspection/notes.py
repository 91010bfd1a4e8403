"""What to look at before modelling: odd columns, and columns of clusters with mistakes in them."""

import numpy as np
import pandas as pd

from jmimpute.errors import some
from jmimpute.table.clusters import Clusters
from jmimpute.table.level2 import Conflict, conflicts

# A column that differs within no more than this share of the clusters is taken to belong to clusters, with mistakes in it.
FEW_CONFLICTS = 0.1
# Numbers that stand for missing values in many files, if they occur more than once and all other values are far away.
_PLAIN = (7, 8, 9, 77, 88, 97, 98, 99, 777, 888, 997, 998, 999, 7777, 8888, 9997, 9998, 9999)
CODES = (*_PLAIN, *(-code for code in _PLAIN))


def notes_on_columns(frame: pd.DataFrame, variables: pd.DataFrame) -> list[str]:
    """Columns that are empty, constant or infinite, or of unknown level."""
    notes = []
    for column, kind in variables["kind"].items():
        observed = frame[column].dropna()
        if observed.empty:
            notes.append(f"{column}: no value is observed.")
        elif kind != "other" and observed.nunique() == 1:
            notes.append(f"{column}: constant, every observed value is {observed.iloc[0]!s}.")
        if kind == "numeric":
            infinite = np.flatnonzero(np.isinf(frame[column].astype(float)))
            if infinite.size:
                notes.append(f"{column}: infinite values in {len(infinite)} row(s), counted from 0: {some(infinite)}.")
    if "level" in variables:
        undecided = variables.index[variables["level"].isna() & (variables["n_missing"] < len(frame))]
        notes += [f"{column}: level not known, no cluster has two values to compare." for column in undecided]
    return notes


def notes_on_values(frame: pd.DataFrame, variables: pd.DataFrame, cluster: str | None) -> list[str]:
    """Numbers and texts that look like codes of missing values, and labels that are nearly alike."""
    notes = []
    for column, kind in variables["kind"].items():
        observed = frame[column].dropna()
        if kind in ("text", "categorical", "ordered"):
            notes += [f"{column}: {some(map(repr, labels))} differ in blanks or capitals only." for labels in _alike(observed)]
        if column == cluster:
            continue
        if kind == "numeric":
            notes += [
                f"{column}: {code:g} in {n} row(s), far from all other values: empty these cells if this means missing."
                for code, n in _codes(observed.astype(float))
            ]
        elif kind == "text" and (texts := _among_numbers(observed)):
            notes.append(f"{column}: numbers, but for {some(map(repr, texts))}: empty these cells if this means missing.")
    return notes


def _codes(values: pd.Series) -> list[tuple[float, int]]:
    """Values of `CODES` that a wide gap parts from all others, and how often they occur."""
    values = values[np.isfinite(values)]
    low, middle, high = values.quantile([0.25, 0.5, 0.75], interpolation="nearest")
    counts = values.value_counts().sort_index()
    distinct = counts.index.to_numpy()
    gaps = np.flatnonzero((np.diff(distinct) > high - low) & (high > low))
    below = distinct[: max((k + 1 for k in gaps if distinct[k] < middle), default=0)]
    above = distinct[min((k + 1 for k in gaps if distinct[k] >= middle), default=len(distinct)) :]
    apart = [part for part in (below, above) if set(part) <= set(CODES) and counts[part].sum() > 1]
    return [(code, int(counts[code])) for part in apart for code in part]


def _alike(observed: pd.Series) -> list[list]:
    """Groups of labels that differ in blanks or capitals only."""
    labels = pd.Series(observed.unique()).astype(str)
    groups = labels.groupby(labels.str.strip().str.casefold()).agg(list)
    return groups[groups.map(len) > 1].tolist()


def _among_numbers(observed: pd.Series) -> list[str]:
    """Texts of a column that holds numbers for the most part."""
    texts = observed[pd.to_numeric(observed, errors="coerce").isna()]
    return texts.unique().tolist() if len(texts) < len(observed) / 2 else []


def notes_on_levels(frame: pd.DataFrame, clusters: Clusters, variables: pd.DataFrame) -> list[str]:
    """Columns of clusters that are given in some rows only, or that seem to be such columns with mistakes in them."""
    mistakes = find_mistakes(frame, clusters, variables)
    notes = []
    for column, level in variables["level"].drop(clusters.name).dropna().items():
        counts = _values_by_cluster(frame[column], clusters)
        partly = [clusters.labels[j] for j in np.flatnonzero((counts > 0) & (counts < clusters.sizes))]
        if level == 2 and partly and frame[column].nunique() > 1:
            notes.append(
                f"{column}: belongs to clusters and is given in some rows only of {len(partly)} of them: {some(partly)}. A "
                "model that has it at level 2 carries it to their other rows."
            )
        if column in mistakes:
            comparable = int(np.sum(counts > 1))
            notes.append(
                f"{column}: does not vary within {comparable - len(mistakes[column])} of {comparable} clusters, but "
                f"{some(mistakes[column], 3)}. Correct these rows, counted from 0, if it belongs to clusters."
            )
    return notes


def find_mistakes(frame: pd.DataFrame, clusters: Clusters, variables: pd.DataFrame) -> dict[str, list[Conflict]]:
    """Find the clusters whose rows disagree in columns that seem to belong to clusters, by column."""
    found = {}
    for column in variables.index[(variables["level"] == 1).to_numpy(dtype=bool, na_value=False)]:
        series, present = frame[column], frame[column].notna().to_numpy()
        differing = int((series[present].groupby(clusters.codes[present]).nunique() > 1).sum())
        if differing <= FEW_CONFLICTS * np.sum(_values_by_cluster(series, clusters) > 1):
            found[column] = conflicts(series, clusters)
    return found


def _values_by_cluster(series: pd.Series, clusters: Clusters) -> np.ndarray:
    """Count the observed values of each cluster."""
    return np.bincount(clusters.codes[series.notna()], minlength=len(clusters.labels))

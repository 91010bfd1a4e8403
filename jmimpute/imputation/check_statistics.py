"""Statistics of responses by variable, cluster and missing-data pattern, in which data and replicates are compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.imputation.completed import Response, shown_levels
from jmimpute.specification.specify import Specification

VARIABLE, CLUSTER, PATTERN = "variable", "cluster", "pattern"
MEAN, SD, SKEWNESS, SHARE, CORRELATION = "mean", "sd", "skewness", "share", "correlation"
BETWEEN, WITHIN = "sd between clusters", "sd within clusters"
#: Statistics that are more nearly normal when raised to a power: of a variance the third root (Wilson and Hilferty 1931).
SPREADS = (SD, BETWEEN, WITHIN)
COLUMNS = ("by", "variable", "category", "group", "statistic", "n_observed", "n")
COMPLETE = "complete"

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Group:
    """Some statistics of one kind, and how they are computed.

    Attributes
    ----------
    rows : list of tuple
        What each is about; see `COLUMNS`.
    compute : callable
        Gives them, shape (len(rows),), from values by variable.
    """

    rows: list[tuple]
    compute: Callable[[Values], np.ndarray]


class Statistics:
    """All statistics of a model.

    Parameters
    ----------
    specification : Specification
    responses : list of Response
    completed : bool
        Statistics by variable and cluster are of all cells, not only of those that are observed in the data. Those by
        pattern always are of observed cells.

    Attributes
    ----------
    index : pandas.DataFrame
        A row a statistic, with `COLUMNS`.
    """

    def __init__(self, specification: Specification, responses: list[Response], completed: bool) -> None:
        self.groups: list[Group] = []
        n_clusters = specification.n_clusters
        for response in responses:
            used = np.ones_like(response.observed) if completed else response.observed
            for score in _scores(response):
                self.groups.append(_of_variable(response, score, used))
                if n_clusters > 1 and response.level == 1:
                    self.groups.append(_between(response, score, used, n_clusters))
        self.groups += _correlations(responses, completed)
        for response in responses:
            used = np.ones_like(response.observed) if completed else response.observed
            if n_clusters and response.level == 1:
                self.groups += [_by_cluster(response, score, used, specification) for score in _scores(response)]
        for response in responses:
            if response.level == 1 and len(specification.patterns.observed) > 1:
                self.groups += [_by_pattern(response, score, specification) for score in _scores(response)]
        self.index = pd.DataFrame([row for group in self.groups for row in group.rows], columns=list(COLUMNS))

    def of(self, values: Values) -> np.ndarray:
        """Their values in one data set, in the order of `index`.

        Parameters
        ----------
        values : mapping of str to ndarray
            Of each response, over its units.
        """
        return np.concatenate([group.compute(values) for group in self.groups])


@dataclass(frozen=True)
class Score:
    """Numbers that stand for a response: its values, or whether it is in a category.

    Attributes
    ----------
    category : object
        None for a continuous response.
    of : callable
        Gives the numbers from values.
    """

    category: Any
    of: Callable[[np.ndarray], np.ndarray]


def _scores(response: Response) -> list[Score]:
    variable = response.variable
    if not variable.is_latent:
        return [Score(None, lambda values: values)]
    return [Score(variable.levels[k], lambda values, k=k: (values == k).astype(float)) for k in shown_levels(variable)]


def _of_variable(response: Response, score: Score, used: np.ndarray) -> Group:
    name, counts = response.variable.name, (int(response.observed.sum()), int(used.sum()))
    statistics = (SHARE,) if response.variable.is_latent else (MEAN, SD, SKEWNESS)

    def compute(values: Values) -> np.ndarray:
        own = score.of(values[name][used])
        mean = own.mean()
        if response.variable.is_latent:
            return np.array([mean])
        deviations = own - mean
        variance = np.mean(deviations**2)
        return np.array([mean, own.std(ddof=1), np.mean(deviations**3) / variance**1.5])

    return Group([(VARIABLE, name, score.category, None, statistic, *counts) for statistic in statistics], compute)


def _between(response: Response, score: Score, used: np.ndarray, n_clusters: int) -> Group:
    """Spread of cluster means and, of continuous responses, of rows around them."""
    name, counts = response.variable.name, (int(response.observed.sum()), int(used.sum()))
    codes = response.cluster[used]
    sizes = np.bincount(codes, minlength=n_clusters)
    present = sizes > 0
    freedom = sizes.sum() - present.sum()
    statistics = (BETWEEN,) if response.variable.is_latent or freedom < 1 else (BETWEEN, WITHIN)

    def compute(values: Values) -> np.ndarray:
        own = score.of(values[name][used])
        means = np.bincount(codes, own, n_clusters) / np.maximum(sizes, 1)
        within = np.sum((own - means[codes]) ** 2) / max(freedom, 1)
        return np.array([means[present].std(ddof=1), np.sqrt(within)])[: len(statistics)]

    return Group([(VARIABLE, name, score.category, None, statistic, *counts) for statistic in statistics], compute)


def _correlations(responses: list[Response], completed: bool) -> list[Group]:
    continuous = [r for r in responses if r.level == 1 and not r.variable.is_latent]
    groups = []
    for a, b in combinations(continuous, 2):
        both = a.observed & b.observed
        used = np.ones_like(both) if completed else both
        if used.sum() > 2:
            groups.append(_correlation(a.variable.name, b.variable.name, used, int(both.sum())))
    return groups


def _correlation(first: str, second: str, used: np.ndarray, n_observed: int) -> Group:
    def compute(values: Values) -> np.ndarray:
        return np.array([np.corrcoef(values[first][used], values[second][used])[0, 1]])

    return Group([(VARIABLE, f"{first}, {second}", None, None, CORRELATION, n_observed, int(used.sum()))], compute)


def _by_cluster(response: Response, score: Score, used: np.ndarray, specification: Specification) -> Group:
    """Of clusters with observed cells, which alone can tell anything: means or shares, and standard deviations."""
    name, n_clusters = response.variable.name, specification.n_clusters
    codes = response.cluster[used]
    sizes = np.bincount(codes, minlength=n_clusters)
    n_observed = np.bincount(response.cluster[response.observed], minlength=n_clusters)
    informative = np.flatnonzero(n_observed > 0)
    several = np.flatnonzero(n_observed > 1) if not response.variable.is_latent else np.empty(0, dtype=np.int64)
    first = SHARE if response.variable.is_latent else MEAN

    def compute(values: Values) -> np.ndarray:
        own = score.of(values[name][used])
        means = np.bincount(codes, own, n_clusters) / np.maximum(sizes, 1)
        squares = np.bincount(codes, (own - means[codes]) ** 2, n_clusters)
        return np.concatenate([means[informative], np.sqrt(squares[several] / (sizes[several] - 1))])

    labels = specification.clusters.labels
    rows = [
        (CLUSTER, name, score.category, labels[j], statistic, int(n_observed[j]), int(sizes[j]))
        for statistic, clusters in ((first, informative), (SD, several))
        for j in clusters
    ]
    return Group(rows, compute)


def _by_pattern(response: Response, score: Score, specification: Specification) -> Group:
    """Means or shares in the patterns that have the response."""
    name, codes, labels = response.variable.name, specification.patterns.codes, pattern_labels(specification)
    present = np.flatnonzero(specification.patterns.observed[:, response.variable.first])
    sizes = specification.patterns.counts
    used = response.observed
    statistic = SHARE if response.variable.is_latent else MEAN

    def compute(values: Values) -> np.ndarray:
        return np.bincount(codes[used], score.of(values[name][used]), len(sizes))[present] / sizes[present]

    rows = [(PATTERN, name, score.category, labels[g], statistic, int(sizes[g]), int(sizes[g])) for g in present]
    return Group(rows, compute)


def pattern_labels(specification: Specification) -> list[str]:
    """Name each missing-data pattern of the responses of rows by what it lacks.

    Parameters
    ----------
    specification : Specification
    """
    variables = specification.layout.variables
    lacking = [[v.name for v in variables if not observed[v.first]] for observed in specification.patterns.observed]
    return [f"without {', '.join(names)}" if names else COMPLETE for names in lacking]

"""Coverage and calibration of overimputed cells, in all, by cluster and by missing-data pattern, and what they say."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

ALL, CLUSTER, PATTERN, PROBABILITY = "all", "cluster", "pattern", "probability"
BINS = 10
FALSE_ALARM = 0.01  # probability that a right model is found fault with
PARETO_LIMIT = 0.7  # Vehtari, Simpson, Gelman, Yao and Gabry (2024), Journal of Machine Learning Research 25(72)
FEWEST_EXPECTED = 5.0  # of both outcomes in a bin that is judged by a normal distribution


def interval_columns(level: float) -> tuple[str, str]:
    """Names of the limits of an interval.

    Parameters
    ----------
    level : float
        Such as 0.9.
    """
    return f"low_{100 * level:g}", f"high_{100 * level:g}"


def coverage(cells: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """Count the cells that intervals cover.

    Parameters
    ----------
    cells : DataFrame
        Of a continuous variable; see `jmimpute.imputation.overimpute.Overimputation`.
    levels : sequence of float

    Returns
    -------
    DataFrame
        ``by``, ``group``, ``n``, ``level``, ``coverage``, ``std_error``.
    """
    rows = []
    for by, group, own in _groups(cells):
        for level in levels:
            share = float((np.abs(own["pit"] - 0.5) <= level / 2).mean())
            rows.append((by, group, len(own), level, share, np.sqrt(level * (1 - level) / len(own))))
    return pd.DataFrame(rows, columns=["by", "group", "n", "level", "coverage", "std_error"])


def calibration(cells: pd.DataFrame, levels: tuple) -> pd.DataFrame:
    """Compare predicted probabilities of categories with observed shares.

    Parameters
    ----------
    cells : DataFrame
        Of a variable with categories.
    levels : tuple

    Returns
    -------
    DataFrame
        ``by`` (probability, cluster or pattern), ``category``, ``group`` (of probabilities an interval such as 0.2-0.3), ``n``,
        ``predicted`` (mean), ``observed`` (share), ``std_error``.
    """
    rows = []
    for level in levels[1:] if len(levels) == 2 else levels:
        own = pd.DataFrame(
            {"p": cells[f"p[{level}]"], "hit": cells["observed"] == level, CLUSTER: cells[CLUSTER], PATTERN: cells[PATTERN]}
        )
        place = np.minimum((own["p"] * BINS).astype(int), BINS - 1)
        bins = ((PROBABILITY, f"{b / BINS:g}-{(b + 1) / BINS:g}", part) for b, part in own.groupby(place))
        for by, group, part in (*bins, *(found for found in _groups(own) if found[0] != ALL)):
            error = np.sqrt((part["p"] * (1 - part["p"])).sum()) / len(part)
            rows.append((by, level, group, len(part), part["p"].mean(), part["hit"].mean(), error))
    return pd.DataFrame(rows, columns=["by", "category", "group", "n", "predicted", "observed", "std_error"])


def judge(table: pd.DataFrame, cells: pd.DataFrame, variable: str, n_observed: int) -> tuple[bool, tuple[str, ...]]:
    """Say whether cells are covered, or categories occur, as often as they should.

    Parameters
    ----------
    table : DataFrame
        Of `coverage` or `calibration`.
    cells : DataFrame
    variable : str
    n_observed : int
        Observed cells of the variable, of which `cells` may be a part.

    Returns
    -------
    ok : bool
    messages : tuple of str
    """
    findings = list(_coverage_findings(table) if "coverage" in table else _calibration_findings(table, variable))
    part = f"{len(cells)}" if len(cells) == n_observed else f"{len(cells)} (evenly spaced) of {n_observed}"
    head = f"{part} observed cells of {variable!r} were imputed as if each were missing."
    if "coverage" in table:
        overall = table[table["by"] == ALL]
        shares = (
            f"{100 * r.level:g} % intervals cover {100 * r.coverage:.1f} % (Monte Carlo error {100 * r.std_error:.1f})"
            for r in overall.itertuples()
        )
        head = f"{head} {'; '.join(shares)}."
    elif not findings:
        head = f"{head} Categories occur as often as predicted."
    notes = []
    unreliable = int((cells["pareto_k"] > PARETO_LIMIT).sum())
    if unreliable:
        notes.append(
            f"{unreliable} cells weigh so much on the posterior (Pareto k above {PARETO_LIMIT}) that what is imputed for them "
            "is only roughly what it would be without them."
        )
    return not findings, (head, *findings, *notes)


def _coverage_findings(table: pd.DataFrame) -> Iterator[str]:
    from scipy.stats import norm

    overall = table[table["by"] == ALL]
    limit = norm.isf(FALSE_ALARM / 2 / len(overall))
    for row in overall.itertuples():
        if abs(row.coverage - row.level) > limit * row.std_error:
            narrow = row.coverage < row.level
            yield (
                f"{100 * row.level:g} % intervals are too {'narrow' if narrow else 'wide'}. Look for outliers, skewness and "
                "another spread in some clusters: transform the variable, or let covariances differ "
                '(covariance="random").'
            )


def _calibration_findings(table: pd.DataFrame, variable: str) -> Iterator[str]:
    from scipy.stats import norm

    bins = table[table["by"] == PROBABILITY]
    expected = np.minimum(bins["predicted"], 1 - bins["predicted"]) * bins["n"]
    bins = bins[expected >= FEWEST_EXPECTED]
    limit = norm.isf(FALSE_ALARM / 2 / max(len(bins), 1))
    for row in bins[(bins["observed"] - bins["predicted"]).abs() > limit * bins["std_error"]].itertuples():
        yield (
            f"{variable} = {row.category!r} was predicted for {row.n} cells with probability {row.group}, "
            f"mean {100 * row.predicted:.1f} %, and is observed in {100 * row.observed:.1f} %. Is a covariate missing?"
        )


def _groups(cells: pd.DataFrame) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    """All cells, those of each cluster, and those of each pattern."""
    yield ALL, None, cells
    for by in (CLUSTER, PATTERN):
        for group, own in cells.groupby(by, observed=True):
            yield by, group, own

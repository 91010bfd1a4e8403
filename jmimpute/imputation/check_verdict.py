"""What a posterior predictive check says, in words."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from jmimpute.errors import some
from jmimpute.imputation.check_statistics import (
    BETWEEN,
    CLUSTER,
    CORRELATION,
    MEAN,
    PATTERN,
    SD,
    SHARE,
    SKEWNESS,
    VARIABLE,
    WITHIN,
)
from jmimpute.specification.covariances import COMMON

OUTSIDE = 0.05  # share of statistics beyond the 95 % interval of their replicates
#: Probability that a right model is found fault with: by variable, by clusters together, by single clusters, by pattern.
FALSE_ALARM = 0.01
FEWEST_DRAWS = 20  # for sums of squares of z-scores
ADVICE = {
    MEAN: "Do covariates act otherwise than linearly, or is a covariate missing?",
    SD: "Is the response bounded, or are there outliers?",
    SKEWNESS: "Transform the response (such as a logarithm) before imputing, or treat it as ordinal.",
    SHARE: "Is a covariate or a random effect missing?",
    BETWEEN: "Add or drop random effects, or covariates of clusters.",
    WITHIN: "Is the response bounded, or are there outliers?",
    CORRELATION: "Is the relation not linear, or another in each cluster?",
}


def judge(table: pd.DataFrame, draws: int, covariance: str) -> tuple[bool, tuple[str, ...]]:
    """Find what is unlike the replicates.

    Parameters
    ----------
    table : pandas.DataFrame
        See `jmimpute.imputation.check.PredictiveCheck`.
    draws : int
        Replicates.
    covariance : str
        Covariance structure of level 1.

    Returns
    -------
    ok : bool
    messages : tuple of str
    """
    of_clusters = table[table["by"] == CLUSTER]
    findings = [*_by_variable(table[table["by"] == VARIABLE], draws), *_by_cluster(of_clusters, draws, covariance)]
    notes = _by_pattern(table[table["by"] == PATTERN], draws)
    if findings:
        return False, (*findings, *notes)
    return True, (_fine(table, of_clusters), *notes)


def _by_variable(table: pd.DataFrame, draws: int) -> Iterator[str]:
    for row in table[_extreme(table, draws)].itertuples():
        yield (
            f"The {row.statistic} of {_name(row)} is {row.data:.3g}; 95 % of replicates have {row.low:.3g} to {row.high:.3g} "
            f"(z = {row.z:.1f}). {ADVICE[row.statistic]}"
        )


def _by_cluster(table: pd.DataFrame, draws: int, covariance: str) -> Iterator[str]:
    families = list(table.groupby(["variable", "category", "statistic"], sort=False, dropna=False))
    numbers = table[table["statistic"].isin([MEAN, SD])]  # shares in small clusters are far from normal
    far = numbers[_extreme(numbers, draws)]
    for _, family in families:
        row = next(family.itertuples())
        outside, single = family[family["p_value"] < OUTSIDE], far[far.index.isin(family.index)]
        most, many = _many(family, len(outside), draws, FALSE_ALARM / len(families))
        if not many and not len(single):
            continue
        worst = (outside if many and len(outside) else single).sort_values("z", key=np.abs, ascending=False)
        yield (
            f"The {row.statistic} of {_name(row)} is outside the 95 % interval of replicates in {len(outside)} of "
            f"{len(family)} clusters; about {OUTSIDE * len(family):.3g} are expected by chance, seldom more than {most}: "
            f"{some(_in_clusters(worst), 3)}. {_cluster_advice(row.statistic, covariance, many)}"
        )


def _many(family: pd.DataFrame, outside: int, draws: int, level: float) -> tuple[int, bool]:
    """How many clusters may be outside, and whether they are more, or all clusters together are farther off than by chance."""
    from scipy.stats import binom, chi2

    most = int(binom.isf(level, len(family), OUTSIDE))
    if family["statistic"].iloc[0] == SHARE or draws < FEWEST_DRAWS:
        return most, outside > most
    together = float((family["z"] ** 2).sum()) * (draws - 3) / (draws - 1)  # squares of t variables have this mean
    return most, outside > most or together > chi2.isf(level, len(family))


def _in_clusters(table: pd.DataFrame) -> list[str]:
    return [f"{row.group} ({row.data:.3g}; {row.low:.3g} to {row.high:.3g})" for row in table.itertuples()]


def _cluster_advice(statistic: str, covariance: str, many: bool) -> str:
    if not many:
        return "Look at the values of these clusters: another unit, a mistake, or another population?"
    if statistic == SD and covariance == COMMON:
        return 'Clusters spread differently: try covariance="random".'
    if statistic == SD:
        return "Clusters spread differently than their covariances allow."
    return "Clusters differ otherwise than normal random effects: add covariates of clusters, or random slopes."


def _by_pattern(table: pd.DataFrame, draws: int) -> list[str]:
    """A note, since patterns differ whenever values are not missing completely at random."""
    unlike = table[_extreme(table, draws)]
    if not len(unlike):
        return []
    found = [f"{_name(row)} in rows {row.group}" for row in unlike.sort_values("z", key=np.abs, ascending=False).itertuples()]
    return [
        f"Note: by missing-data pattern, observed values are unlike replicates: {some(found, 3)}. Whether values are missing "
        "depends on these responses, beyond covariates and cluster; imputations allow for that: it is no fault of the model."
    ]


def _extreme(table: pd.DataFrame, draws: int) -> pd.Series:
    """Which z-scores are too large for chance, by Holm's method; their standard deviations are of so many draws."""
    from scipy.stats import t

    p = 2 * t.sf(table["z"].abs().to_numpy(), max(draws - 1, 1))
    order = np.argsort(p, kind="stable")
    held = p[order] <= FALSE_ALARM / np.arange(len(p), 0, -1)
    extreme = np.zeros(len(p), dtype=bool)
    extreme[order[: int(np.argmin(held)) if not held.all() else len(p)]] = True
    return pd.Series(extreme, index=table.index)


def _name(row) -> str:
    return f"{row.variable!r}" if row.category is None or row.category != row.category else f"{row.variable} = {row.category!r}"


def _fine(table: pd.DataFrame, of_clusters: pd.DataFrame) -> str:
    text = f"The data look like replicates of the model in all {int((table['by'] == VARIABLE).sum())} statistics by variable"
    if not len(of_clusters):
        return f"{text}."
    outside = int((of_clusters["p_value"] < OUTSIDE).sum())
    return (
        f"{text} and by cluster: {outside} of {len(of_clusters)} statistics of clusters are outside the 95 % interval of "
        f"replicates; up to {OUTSIDE * len(of_clusters):.3g} are expected by chance."
    )

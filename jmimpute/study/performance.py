"""How methods performed over the replications of a simulation study, with Monte Carlo errors."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from jmimpute.errors import StudyError, StudyWarning, options, some
from jmimpute.study.replications import REPLICATE, Replications

#: Measures in the order in which they are reported.
MEASURES = (
    "mean",
    "bias",
    "empirical_se",
    "mse",
    "model_se",
    "relative_error",
    "coverage",
    "bias_eliminated_coverage",
    "width",
)

Value = tuple[float, float]  # a measure and its Monte Carlo error


def performance(
    results: Replications | pd.DataFrame, truth: Mapping[str, float] | pd.Series, by: str | Sequence[str] = "method"
) -> pd.DataFrame:
    """Judge estimates by the truth that they were meant for.

    Parameters
    ----------
    results : Replications or pandas.DataFrame
        A row a replication, method and term, with the columns ``replicate``, those of `by`, ``term`` and ``estimate``, and,
        where known, ``std_error``, ``conf_low`` and ``conf_high``.
    truth : mapping or pandas.Series
        True values by term. A term without one, such as seconds, has a mean and a spread only.
    by : str or sequence of str, optional
        Columns that tell methods and settings apart.

    Returns
    -------
    pandas.DataFrame
        Columns `by`, ``term``, ``measure``, ``value``, ``mc_error`` (Monte Carlo standard error of the value) and ``n``
        (replications that it rests on). The measures, of estimates Q with standard errors s and truth T:

        * ``mean`` of Q; ``bias``, mean of Q - T; ``empirical_se``, standard deviation of Q; ``mse``, mean of (Q - T)^2
        * ``model_se``, square root of the mean of s^2; ``relative_error``, 100 (model_se / empirical_se - 1), per cent
        * ``coverage``, share of intervals that contain T; ``bias_eliminated_coverage``, that contain the mean of Q
        * ``width``, mean width of the intervals

    Raises
    ------
    StudyError
        If a column is missing, a term has several rows in a replication, or there are fewer than two replications.

    Warns
    -----
    StudyWarning
        If methods rest on different numbers of replications: failures are seldom a random choice of tables.

    Notes
    -----
    Morris, White and Crowther (2019), Using simulation studies to evaluate statistical methods, Stat Med 38, table 6, which has
    the Monte Carlo errors too.
    """
    rows = results.results if isinstance(results, Replications) else results
    by = [by] if isinstance(by, str) else list(by)
    rows = _checked(rows, by)
    truth = dict(truth)
    judged = []
    for key, group in rows.groupby([*by, "term"], sort=False, observed=True):
        labels = dict(zip([*by, "term"], key, strict=True))
        found = _measures(group, truth.get(str(labels["term"])))
        judged += [{**labels, "measure": name, "value": v, "mc_error": e, "n": len(group)} for name, (v, e) in found.items()]
    table = pd.DataFrame(judged)
    _warn_of_unequal(table, by)
    return table


def _checked(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    lacking = [name for name in (REPLICATE, *by, "term", "estimate") if name not in rows]
    if lacking:
        raise StudyError(f"The results have no column {options(lacking)}. They have {some(rows.columns, 20)}.")
    keys = [REPLICATE, *by, "term"]
    double = rows.duplicated(keys)
    if double.any():
        first = rows.loc[double, keys].iloc[0].to_dict()
        raise StudyError(
            f"{int(double.sum())} rows of results repeat another one, the first {first}. Name the columns that tell them apart "
            "in 'by'."
        )
    if rows[REPLICATE].nunique() < 2:
        raise StudyError(f"There are results of {rows[REPLICATE].nunique()} replications. A spread needs at least two.")
    rows = rows.reindex(columns=[*keys, "estimate", "std_error", "conf_low", "conf_high"])
    return rows[np.isfinite(rows["estimate"].astype(float))]


def _measures(group: pd.DataFrame, truth: float | None) -> dict[str, Value]:
    """All measures that can be had of one method and term, in the order of `MEASURES`."""
    estimates, errors, low, high = group[["estimate", "std_error", "conf_low", "conf_high"]].to_numpy(float).T
    n = len(estimates)
    if n < 2:
        return {"mean": (float(estimates.mean()), np.nan)}
    found = {"mean": _mean(estimates), "empirical_se": (_sd(estimates), _sd(estimates) / np.sqrt(2 * (n - 1)))}
    if truth is not None:
        found |= {"bias": _mean(estimates - truth), "mse": _mean((estimates - truth) ** 2)}
    if np.isfinite(errors).all():
        found |= _model_errors(errors**2, _sd(estimates), n)
    if np.isfinite([low, high]).all():
        found["width"] = _mean(high - low)
        found["bias_eliminated_coverage"] = _share((low <= estimates.mean()) & (estimates.mean() <= high))
        if truth is not None:
            found["coverage"] = _share((low <= truth) & (truth <= high))
    return {name: found[name] for name in MEASURES if name in found}


def _model_errors(variances: np.ndarray, empirical: float, n: int) -> dict[str, Value]:
    """Model standard error, and how much larger than the empirical one it is, in per cent."""
    model = float(np.sqrt(variances.mean()))
    relative = float(variances.var(ddof=1) / (4 * n * model**4)) if model > 0 else np.nan
    ratio = model / empirical if empirical > 0 else np.nan
    spread = np.sqrt(relative + 1 / (2 * (n - 1)))
    return {"model_se": (model, model * np.sqrt(relative)), "relative_error": (100 * (ratio - 1), 100 * ratio * spread)}


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1))


def _mean(values: np.ndarray) -> Value:
    return float(values.mean()), _sd(values) / np.sqrt(len(values))


def _share(hits: np.ndarray) -> Value:
    share = float(hits.mean())
    return share, np.sqrt(share * (1 - share) / len(hits))


def _warn_of_unequal(table: pd.DataFrame, by: list[str]) -> None:
    counts = table.groupby("term", sort=False)["n"].agg(["min", "max"])
    unequal = counts[counts["min"] < counts["max"]]
    if len(unequal):
        texts = (f"{term} {row['min']} to {row['max']}" for term, row in unequal.iterrows())
        warnings.warn(
            f"Groups by {some(by)} rest on different numbers of replications: {some(texts)}. Compare them on those that all "
            "have.",
            StudyWarning,
            stacklevel=3,
        )

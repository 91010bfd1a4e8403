"""The results of one method in a comparison: pooled, of a single table, or as published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.pool import combine
from jmimpute.analysis.variance_components import Components, pool_components
from jmimpute.errors import AnalysisError, options, some
from jmimpute.stopwatch import CPU, SECONDS, WALL, added
from jmimpute.table.reading import read

COMPLETE_CASES, COMPLETE_DATA, TRUTH = "complete cases", "complete data", "truth"
IMPUTED, PUBLISHED = "imputed", "published"
FIXED, RANDOM, ICC = "fixed", "random", "icc"
NUMBERS = ("estimate", "std_error", "df", "conf_low", "conf_high", "riv", "fmi", "mc_error")
#: What is known of a method as a whole: imputations, rows that were analysed, and what it took to impute.
COUNTS, TIMES = ("m", "rows"), ("wall_seconds", "cpu_seconds")


@dataclass(frozen=True)
class Method:
    """What one method says.

    Attributes
    ----------
    name : str
    kind : {"complete cases", "imputed", "published", "complete data", "truth"}
    table : pandas.DataFrame, k rows
        ``part`` ("fixed", or "random" for what is told of random effects and residuals), ``term`` and `NUMBERS`.
    m : int or None
        Imputations.
    rows : int or None
        Rows that were analysed.
    wall_seconds, cpu_seconds : float or None
        What it took to impute.
    left_out : ndarray, shape (m, k)
        Estimates from all imputations but one.
    provenance : mapping
        Of imputations.
    """

    name: str
    kind: str
    table: pd.DataFrame
    m: int | None = None
    rows: int | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    left_out: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False, compare=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def jackknife(left_out: np.ndarray) -> np.ndarray:
    """Give Monte Carlo errors by the jackknife over imputations.

    Parameters
    ----------
    left_out : ndarray, shape (m, k)
        Estimates from all imputations but one.

    Returns
    -------
    ndarray, shape (k,)

    Notes
    -----
    Royston, Carlin and White (2009, Stata Journal 9:252-264). For a mean over imputations this is sqrt(B / m), with B the
    variance between imputations.
    """
    return np.sqrt((len(left_out) - 1) * left_out.var(axis=0))


def imputed(name: str, fits: Sequence[Estimates], level: float, provenance: Mapping[str, Any]) -> Method:
    """Pool the fits to imputed tables.

    Parameters
    ----------
    name : str
    fits : sequence of Estimates, length m
    level : float
        Of the confidence intervals.
    provenance : mapping

    Returns
    -------
    Method

    Raises
    ------
    AnalysisError
        If there are fewer than two imputations, or terms differ between them.
    """
    pooled = combine(fits, level=level)
    random = _told(Components(pooled.random_effects, pooled.icc, pooled.icc_interval, ()))
    fixed_left_out = _without_each(np.array([fit.values for fit in fits]))
    left_out = np.hstack([fixed_left_out, _random_left_out(fits, list(random["term"]))])
    table = _table(pooled.table, random).assign(mc_error=jackknife(left_out))
    seconds = seconds_of(provenance)
    times = (seconds.get(WALL), seconds.get(CPU))
    return Method(name, IMPUTED, table, len(fits), fits[0].n_rows, *times, left_out, provenance)


def seconds_of(provenance: Mapping[str, Any]) -> dict[str, float]:
    """Look up what it took to impute, of imputations that were put together the sum of the parts.

    Parameters
    ----------
    provenance : mapping

    Returns
    -------
    dict of str to float
        ``wall`` and ``cpu``; empty if not known.
    """
    if SECONDS in provenance:
        return dict(provenance[SECONDS])
    parts = [part for change in provenance.get("changes", []) for part in change.get("parts", [])]
    return added(*map(seconds_of, parts))


def single(name: str, fit: Estimates, level: float) -> Method:
    """Lay out a fit to one table, which has no Monte Carlo error.

    Parameters
    ----------
    name : {"complete cases", "complete data"}
    fit : Estimates
    level : float
        Of the confidence intervals.

    Returns
    -------
    Method
    """
    fixed = pd.DataFrame({"term": fit.names, "estimate": fit.values, "std_error": fit.std_errors, "df": fit.df_complete})
    # Two fits that are the same have no variance between them.
    random = _told(pool_components((fit, fit), fit.df_complete, level)).assign(riv=np.nan, fmi=np.nan)
    return Method(name, name, _table(_with_intervals(fixed, level), random).assign(mc_error=0.0), rows=fit.n_rows)


def known(truth: Mapping[Any, Any], parts: Mapping[str, str]) -> Method:
    """Lay out true values.

    Parameters
    ----------
    truth : mapping of str to float
    parts : mapping of str to str
        Part of each term that any method has.

    Returns
    -------
    Method

    Raises
    ------
    AnalysisError
        If a term is not one of these, or a value is not a finite number.
    """
    terms, values = [str(term) for term in truth], _numbers(truth.values(), "The truth")
    _check_terms("The truth", terms, parts)
    if not np.isfinite(values).all():
        raise AnalysisError(f"The truth of {some(terms[k] for k in np.flatnonzero(~np.isfinite(values)))} is not finite.")
    table = pd.DataFrame({"part": [parts[term] for term in terms], "term": terms, "estimate": values, "mc_error": 0.0})
    return Method(TRUTH, TRUTH, _laid_out(table))


def published(name: str, data: Any, parts: Mapping[str, str], level: float) -> Method:
    """Lay out results that exist only as numbers.

    Parameters
    ----------
    name : str
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        Columns ``term``, ``estimate``, ``std_error``, and any others of `NUMBERS`. Without limits, they come from the t
        distribution with ``df``, or the normal one. Those of `COUNTS` and `TIMES` hold one number.
    parts : mapping of str to str
        Part of each term that any other method has.
    level : float
        Of the confidence intervals.

    Returns
    -------
    Method

    Raises
    ------
    AnalysisError
        If a column is not there or holds what makes no sense, or a term is not known.
    """
    where = f"The published results {name!r}"
    frame = read(data).frame
    absent = [column for column in ("term", "estimate", "std_error") if column not in frame]
    if absent:
        raise AnalysisError(f"{where} have no column {options(absent)}. They need term, estimate and std_error.")
    if ("conf_low" in frame) != ("conf_high" in frame):
        raise AnalysisError(f"{where} have one of the columns conf_low and conf_high. Give both limits, or none.")
    table = pd.DataFrame({"term": frame["term"].map(str)})
    for column in [column for column in NUMBERS if column in frame]:
        table[column] = _numbers(frame[column], f"{where}, column {column}")
    _check_terms(where, list(table["term"]), parts)
    if not np.isfinite(table["estimate"]).all():
        raise AnalysisError(f"{where} have no finite estimate of {some(table['term'][~np.isfinite(table['estimate'])])}.")
    if np.any(table["std_error"] < 0):
        raise AnalysisError(f"{where} have a negative standard error of {some(table['term'][table['std_error'] < 0])}.")
    table = table if "conf_low" in table else _with_intervals(table, level)
    m, rows = (_only(frame, column, where, whole=True) for column in COUNTS)
    wall, cpu = (_only(frame, column, where) for column in TIMES)
    table = _laid_out(table.assign(part=[parts[term] for term in table["term"]]))
    return Method(name, PUBLISHED, table, m, rows, wall, cpu)


def _table(fixed: pd.DataFrame, random: pd.DataFrame) -> pd.DataFrame:
    """Put both parts into one table."""
    parts = [frame.assign(part=part) for part, frame in ((FIXED, fixed), (RANDOM, random)) if len(frame)]
    return pd.concat([_laid_out(frame) for frame in parts], ignore_index=True)


def _laid_out(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns of a method's table, NaN where nothing is known."""
    numbers = frame.reindex(columns=list(NUMBERS)).astype(float)
    return pd.concat([frame[["part", "term"]].astype(str), numbers], axis=1).reset_index(drop=True)


def _with_intervals(table: pd.DataFrame, level: float) -> pd.DataFrame:
    from scipy.stats import t

    df = table["df"].fillna(np.inf) if "df" in table else np.inf
    half = t.ppf((1 + level) / 2, df) * table["std_error"]
    return table.assign(conf_low=table["estimate"] - half, conf_high=table["estimate"] + half)


def _without_each(values: np.ndarray) -> np.ndarray:
    """Means over all rows but one, the same shape."""
    return (values.sum(axis=0) - values) / (len(values) - 1)


def _random_left_out(fits: Sequence[Estimates], terms: Sequence[str]) -> np.ndarray:
    """What is told of random effects and residuals, from all imputations but one, shape (m, terms)."""
    values: dict[str, np.ndarray] = {}
    if "sd(residual)" in terms:
        residual = np.array([fit.residual_variance for fit in fits])
        values["sd(residual)"] = np.sqrt(_without_each(residual))
    effects = fits[0].random
    if effects is not None:
        covariances = np.array([fit.random.covariance for fit in fits if fit.random is not None])
        means = _without_each(covariances)
        for i, row in enumerate(effects.names):
            values[f"sd({row}|{effects.cluster})"] = np.sqrt(means[:, i, i])
            for j, column in enumerate(effects.names[:i]):
                product = means[:, i, i] * means[:, j, j]
                correlation = np.divide(means[:, i, j], np.sqrt(product), out=np.full(len(fits), np.nan), where=product > 0)
                values[f"cor({column},{row}|{effects.cluster})"] = correlation
        if ICC in terms:
            values[ICC] = _without_each(covariances[:, 0, 0] / (covariances[:, 0, 0] + residual))
    return np.array([values[term] for term in terms]).reshape(len(terms), len(fits)).T


def _told(components: Components) -> pd.DataFrame:
    """Standard deviations, correlations and the ICC: what papers tell of random effects and residuals."""
    table = pd.DataFrame(components.table[components.table["term"].str.startswith(("sd(", "cor("))])
    if components.icc is None:
        return table
    low, high = components.icc_interval or (np.nan, np.nan)
    icc = pd.DataFrame({"term": [ICC], "estimate": components.icc, "conf_low": low, "conf_high": high})
    return pd.concat([table, icc], ignore_index=True)


def _check_terms(where: str, terms: Sequence[str], parts: Mapping[str, str]) -> None:
    twice = [term for term in dict.fromkeys(terms) if terms.count(term) > 1]
    if twice:
        raise AnalysisError(f"{where}: the term {some(map(repr, twice))} is there twice.")
    foreign = [term for term in terms if term not in parts]
    if foreign:
        raise AnalysisError(f"{where}: no method has the term {some(map(repr, foreign))}. Terms: {options(list(parts))}.")


def _only(frame: pd.DataFrame, column: str, where: str, whole: bool = False) -> Any:
    """The number that a column holds in all rows; None where it is not known."""
    values = _numbers(frame[column], f"{where}, column {column}") if column in frame else np.empty(0)
    found = np.unique(values)  # of several NaN one
    if np.isnan(found).all():
        return None
    if len(found) > 1 or not 0 < found[0] < np.inf or (whole and found[0] % 1):
        kind = "whole number" if whole else "number"
        raise AnalysisError(f"{where}, column {column}: it is about all terms, so all rows must hold the same positive {kind}.")
    return int(found[0]) if whole else float(found[0])


def _numbers(values: Any, where: str) -> np.ndarray:
    try:
        return np.array(list(values), dtype=float)
    except (TypeError, ValueError) as error:
        raise AnalysisError(f"{where} cannot be read as numbers: {error}.") from error

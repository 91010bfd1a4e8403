"""Explained variance over m imputations: one level by Fisher's z, two levels by the means of several measures."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.nested import source_of
from jmimpute.analysis.rules import rubin
from jmimpute.errors import AnalysisError, AnalysisWarning, some
from jmimpute.names import INTERCEPT
from jmimpute.specification.formula import parse

if TYPE_CHECKING:
    from jmimpute.analysis.analyses import Analyses

COLUMNS = ("measure", "estimate", "conf_low", "conf_high", "fmi")


def pool_shares(fits: Sequence[Estimates], level: float = 0.95) -> pd.DataFrame:
    """Combine the shares of explained variance that each fit has of itself.

    Parameters
    ----------
    fits : sequence of Estimates, length m
    level : float, optional
        Level of the confidence intervals.

    Returns
    -------
    pandas.DataFrame
        One row a measure, with `COLUMNS`; without rows where fits have none.

    Notes
    -----
    R2 and R2_adjusted of a single-level linear model: Rubin's rules on Fisher's z of the multiple correlation, with variance
    1/(n - 3) (Harel 2009). Estimate and fmi are those of mice's ``pool.r.squared``. The limits are taken from the t
    distribution, where mice takes 1.96 whatever the degrees of freedom; a negative lower limit of the correlation is an R2 of
    zero, where mice squares it. Measures of two-level models are means over the imputations, as in mitml, without interval.
    """
    rows = []
    for measure in fits[0].r_squared or {}:
        values = np.array([(fit.r_squared or {}).get(measure, np.nan) for fit in fits])
        rows.append({"measure": measure, **(_by_fisher(values, fits, level) if measure.startswith("R2") else _mean(values))})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _mean(values: np.ndarray) -> dict[str, float]:
    return {"estimate": float(values.mean()), "conf_low": np.nan, "conf_high": np.nan, "fmi": np.nan}


def _by_fisher(values: np.ndarray, fits: Sequence[Estimates], level: float) -> dict[str, float]:
    # An adjusted R2 can be negative: the root keeps its sign.
    variances = np.array([1 / (fit.n_rows - 3) if fit.n_rows and fit.n_rows > 3 else np.nan for fit in fits])
    with np.errstate(all="ignore"):  # a perfect fit has an infinite z
        z = np.arctanh(np.sign(values) * np.sqrt(np.abs(values)))
        pooled = rubin(z[:, None], variances[:, None])
        low, high = pooled.interval(level)
    limits = np.maximum(np.tanh([low[0], high[0]]), 0.0) ** 2
    root = np.tanh(pooled.estimate[0])
    estimate = float(np.sign(root) * root**2)
    return {"estimate": estimate, "conf_low": limits[0], "conf_high": limits[1], "fmi": pooled.fmi[0]}


def r_squared(analyses: "Analyses", level: float = 0.95) -> pd.DataFrame:
    """Combine all measures of explained variance; see `jmimpute.analysis.analyses.Analyses.r_squared`.

    Parameters
    ----------
    analyses : Analyses
    level : float, optional

    Returns
    -------
    pandas.DataFrame
        One row a measure, with `COLUMNS`.

    Raises
    ------
    AnalysisError
        If the model has no such measure, or the tables are gone.

    Warns
    -----
    AnalysisWarning
        If clusters do not differ in the null model, so that there is nothing between them to explain.
    """
    own = pool_shares(analyses.fits, level)
    if own.empty:
        raise AnalysisError(
            f"No measure of explained variance is defined for {analyses.model}. There are some for linear models, and for "
            "mixed models of gaussian and binomial responses."
        )
    if analyses.fits[0].random is None or analyses.family != "gaussian":
        return own
    shares = [_reductions(fit, null) for fit, null in zip(analyses, _null_fits(analyses), strict=True)]
    rows = [{"measure": measure, **_mean(np.array([each[measure] for each in shares]))} for measure in shares[0]]
    flat = [number for number, each in enumerate(shares, start=1) if not np.isfinite(each["RB2"])]
    if flat:
        warnings.warn(
            f"RB2 is not defined: in imputations {some(flat)} the null model has no variance between clusters.",
            AnalysisWarning,
            3,
        )
    return pd.concat([pd.DataFrame(rows), own], ignore_index=True)


def _null_fits(analyses: "Analyses") -> list[Estimates]:
    """Fit the model with nothing but a random intercept, in the way (REML or ML) of the analysis."""
    source = source_of(analyses, "A multilevel R2")
    parsed = parse(analyses.model, [str(column) for column in next(iter(source.tables)).columns])
    quoted = parsed.cluster if parsed.cluster is not None and parsed.cluster.isidentifier() else f"`{parsed.cluster}`"
    formula = f"{parsed.responses[0]} ~ 1 + (1 | {quoted})"
    reml = analyses.fits[0].restricted
    return [replace(fit, log_likelihood_at=None) for fit in source.fits(formula, reml)]


def _reductions(fit: Estimates, null: Estimates) -> Mapping[str, float]:
    """By how much variances of one table are smaller than in the null model."""
    within, between = fit.residual_variance, _intercept_variance(fit)
    null_within, null_between = null.residual_variance, _intercept_variance(null)
    assert within is not None and null_within is not None
    return {
        "RB1": float(1 - within / null_within),
        "RB2": float(1 - between / null_between) if null_between > 0 else np.nan,
        "SB": float(1 - (within + between) / (null_within + null_between)),
    }


def _intercept_variance(fit: Estimates) -> float:
    if fit.random is None or INTERCEPT not in fit.random.names:
        raise AnalysisError("A multilevel R2 needs a random intercept: it compares its variance with that of the null model.")
    at = fit.random.names.index(INTERCEPT)
    return float(fit.random.covariance[at, at])

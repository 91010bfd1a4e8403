"""Monte Carlo error: how much results would differ with other imputations of the same table, and how many are needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.nested import select_terms
from jmimpute.analysis.rules import rubin
from jmimpute.errors import AnalysisError


@dataclass(frozen=True, repr=False)
class MonteCarloError:
    """Monte Carlo errors of pooled results.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a term. The columns estimate, std_error, statistic, df, p_value and fmi have the Monte Carlo errors of what the
        pooled table has under these names, relative that of the estimate as a share of its standard error, and required_m the
        imputations that `cv` asks for.
    m : int
        Number of imputations.
    cv : float
        Coefficient of variation of the standard errors over sets of imputations that is aimed at.
    """

    table: pd.DataFrame
    m: int
    cv: float

    def __repr__(self) -> str:
        """Show the table, and say whether the imputations suffice."""
        terms, relative, required = (self.table[name].to_numpy() for name in ("term", "relative", "required_m"))
        worst, most = int(relative.argmax()), terms[required.argmax()]
        needed = int(required.max())
        enough = (
            f"{self.m} are enough." if needed <= self.m else f"{needed} are needed ({most}): imputations.extend(m={needed})"
        )
        lines = [
            f"Monte Carlo errors of results from {self.m} imputations",
            self.table.to_string(index=False, float_format="%.3g"),
            f"{self.m} imputations give a Monte Carlo error of at most {100 * relative[worst]:.1f} % of the standard error "
            f"({terms[worst]}).",
            f"For standard errors that other imputations reproduce to within {100 * self.cv:g} % (coefficient of variation), "
            f"{enough}",
        ]
        return "\n".join(lines)


def monte_carlo_error(fits: Sequence[Estimates], df_complete: float | None = None, cv: float = 0.05) -> MonteCarloError:
    """Estimate Monte Carlo errors by the jackknife; see `jmimpute.analysis.analyses.Analyses.monte_carlo_error`.

    Parameters
    ----------
    fits : sequence of Estimates, length m
    df_complete : float, optional
        Complete-data degrees of freedom. By default the smallest of the fits.
    cv : float, optional
        See `required_m`.

    Returns
    -------
    MonteCarloError

    Raises
    ------
    AnalysisError
        With fewer than three imputations.
    """
    m = len(fits)
    if m < 3:
        raise AnalysisError(f"There are {m} imputations. The jackknife leaves out one at a time, and needs at least three.")
    if df_complete is None:
        df_complete = min(fit.df_complete for fit in fits)
    estimates = np.array([fit.values for fit in fits])
    variances = np.array([np.diag(fit.covariance) for fit in fits])
    left = [_results(np.delete(estimates, i, axis=0), np.delete(variances, i, axis=0), df_complete) for i in range(m)]
    table = pd.DataFrame({"term": fits[0].names, **{name: _jackknife([each[name] for each in left]) for name in left[0]}})
    pooled = rubin(estimates, variances, df_complete)
    zero = pooled.std_error == 0
    table["relative"] = np.divide(table["estimate"], pooled.std_error, out=np.zeros(len(zero)), where=~zero)
    table["required_m"] = _quadratic(pooled.fmi, m, cv, 0.95)
    return MonteCarloError(table, m, cv)


def _results(estimates: np.ndarray, variances: np.ndarray, df_complete: float) -> dict[str, np.ndarray]:
    pooled = rubin(estimates, variances, df_complete)
    statistic, p_value = pooled.p_values()
    return {
        "estimate": pooled.estimate,
        "std_error": pooled.std_error,
        "statistic": statistic,
        "df": pooled.df,
        "p_value": p_value,
        "fmi": pooled.fmi,
    }


def _jackknife(values: Sequence[np.ndarray]) -> np.ndarray:
    """Jackknife standard errors from the results without one imputation each, shape (m, k) -> (k,)."""
    array = np.array(values)
    same = (array == array[0]).all(axis=0)  # infinite degrees of freedom have no mean, but no error either
    spread = np.where(same, 0.0, array)
    m = len(array)
    return np.sqrt((m - 1) / m * ((spread - spread.mean(axis=0)) ** 2).sum(axis=0))


def required_m(
    table: pd.DataFrame, m: int, cv: float = 0.05, terms: str | Sequence[str] | None = None, level: float = 0.95
) -> int:
    """Say how many imputations are needed; see `jmimpute.analysis.pool.Pooled.required_m`.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns term and fmi.
    m : int
        Number of imputations that the FMI come from.
    cv : float, optional
    terms : str or sequence of str, optional
    level : float, optional

    Returns
    -------
    int

    Raises
    ------
    AnalysisError
        If a term is not in the table, or an argument is out of range.
    """
    if not cv > 0:
        raise AnalysisError(f"cv is {cv}. A coefficient of variation is positive, for example 0.05.")
    if not 0 < level < 1:
        raise AnalysisError(f"The level is {level}. It must lie between 0 and 1, for example 0.95.")
    fmi = table["fmi"].to_numpy()
    if terms is not None:
        fmi = fmi[select_terms(terms, list(table["term"]))]
    return int(_quadratic(fmi, m, cv, level).max())


def _quadratic(fmi: np.ndarray, m: int, cv: float, level: float) -> np.ndarray:
    """Required imputations of each term by von Hippel's rule, shape (k,)."""
    from scipy.special import expit, logit
    from scipy.stats import norm

    upper = expit(logit(fmi) + norm.ppf((1 + level) / 2) * np.sqrt(2 / m))
    return np.maximum(np.ceil(1 + (upper / cv) ** 2 / 2), 2).astype(int)

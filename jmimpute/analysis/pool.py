"""Pool: Rubin's rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates, as_estimates, same_terms
from jmimpute.analysis.monte_carlo import required_m
from jmimpute.analysis.r_squared import pool_shares
from jmimpute.analysis.rules import rubin
from jmimpute.analysis.variance_components import pool_components
from jmimpute.errors import AnalysisError, some


@dataclass(frozen=True, repr=False)
class Pooled:
    """The combined result of m fits.

    Attributes
    ----------
    table : pandas.DataFrame, k rows
        Columns term, estimate, std_error, statistic, df, p_value, conf_low, conf_high, riv (relative increase in
        variance due to missing values), lambda (their share of the total variance) and fmi (fraction of missing
        information). The p value is two-sided and tests against zero.
    covariance : pandas.DataFrame, shape (k, k)
        Total covariance matrix of the pooled estimates.
    m : int
        Number of imputations.
    df_complete : float
        Complete-data degrees of freedom that were used.
    level : float
        Level of the confidence intervals.
    random_effects : pandas.DataFrame
        Columns term, estimate, std_error, conf_low, conf_high, riv and fmi. Variances and covariances of the random
        effects and the residual variance, as means over the imputations, and the standard deviations and correlations
        that belong to these means. Intervals, riv and fmi were found on the scale of logarithms, and of Fisher's z for
        correlations (`jmimpute.analysis.variance_components.pool_components`). Without rows where the model has none.
    icc : float or None
        Mean over the imputations of var / (var + residual variance), for a model whose only random effect is an
        intercept.
    icc_interval : pair of float or None
        Its confidence limits, found on the logit scale; None where there is no ICC, or a fit is singular.
    r2 : pandas.DataFrame
        Columns measure, estimate, conf_low, conf_high and fmi: shares of explained variance; ``Analyses.r_squared`` has
        more of them for two levels. Without rows where the model has none.
    notes : tuple of str
        What one should know about these results.
    """

    table: pd.DataFrame
    covariance: pd.DataFrame
    m: int
    df_complete: float
    level: float
    random_effects: pd.DataFrame
    icc: float | None
    icc_interval: tuple[float, float] | None
    r2: pd.DataFrame
    notes: tuple[str, ...] = ()

    def required_m(self, cv: float = 0.05, terms: str | Sequence[str] | None = None, level: float = 0.95) -> int:
        """Say how many imputations are needed for standard errors that another set of imputations would reproduce.

        Parameters
        ----------
        cv : float, optional
            Coefficient of variation of a standard error over sets of imputations of the same table.
        terms : str or sequence of str, optional
            Terms that matter; by default all. The one with the most missing information decides.
        level : float, optional
            Level of the interval of the FMI whose upper limit is used.

        Returns
        -------
        int
            At least 2; can be smaller than the number of imputations that there are.

        Raises
        ------
        AnalysisError
            If a term is not in the model, or an argument is out of range.

        Notes
        -----
        The two-stage quadratic rule of von Hippel (2020, Sociological Methods & Research 49): m = 1 + (FMI / cv)^2 / 2, with
        the upper limit of the FMI's interval, logit(FMI) +- z sqrt(2 / m), from the imputations that there are.
        """
        return required_m(self.table, self.m, cv=cv, terms=terms, level=level)

    def __repr__(self) -> str:
        """Show the table, the random effects and the ICC."""
        parts = [self._title(), self.table.to_string(index=False, formatters=_FORMATS)]
        if len(self.random_effects):
            parts += ["", self.random_effects.to_string(index=False, formatters=_FORMATS, na_rep="-")]
        return "\n".join([*parts, *self._below()])

    def _repr_html_(self) -> str:
        parts = [f"<p>{self._title()}</p>", self.table.to_html(index=False, formatters=_FORMATS)]
        if len(self.random_effects):
            parts.append(self.random_effects.to_html(index=False, formatters=_FORMATS, na_rep="-"))
        return "\n".join([*parts, *(f"<p>{escape(line)}</p>" for line in self._below())])

    def _below(self) -> list[str]:
        """Lines below the tables."""
        icc = [] if self.icc is None else [f"ICC {self.icc:.4g}"]
        if self.icc_interval is not None:
            low, high = self.icc_interval
            icc = [f"{icc[0]} ({100 * self.level:g} % confidence interval {low:.4g} to {high:.4g})"]
        return [*icc, *self.notes]

    def _title(self) -> str:
        return f"Pooled over {self.m} imputations (Rubin's rules); {100 * self.level:g} % confidence intervals"


def pool(
    estimates: Sequence[Any],
    covariances: Sequence[Any],
    names: Sequence[str] | None = None,
    df_complete: float = np.inf,
    level: float = 0.95,
) -> Pooled:
    """Pool results that were computed elsewhere.

    Parameters
    ----------
    estimates : sequence of m vectors
        Each k numbers, a Series or a mapping.
    covariances : sequence of m matrices or vectors
        Each of shape (k, k), or k squared standard errors.
    names : sequence of str, optional
        The k terms; by default the labels of the estimates, or b1, b2, and so on.
    df_complete : float, optional
        Complete-data degrees of freedom; see `combine`.
    level : float, optional
        Level of the confidence intervals.

    Returns
    -------
    Pooled

    Raises
    ------
    AnalysisError
        If lengths or shapes do not fit, a number is not finite, or m < 2.
    """
    if len(estimates) != len(covariances):
        raise AnalysisError(f"There are {len(estimates)} estimates, but {len(covariances)} covariances.")
    fits = []
    for number, pair in enumerate(zip(estimates, covariances, strict=True), start=1):
        try:
            fits.append(as_estimates((_named(pair[0], names), pair[1])))
        except AnalysisError as error:
            raise AnalysisError(f"Imputation {number}: {error}") from error
    return combine(fits, df_complete=df_complete, level=level)


def _named(estimate: Any, names: Sequence[str] | None) -> Any:
    """Label a bare vector; labels that are there already must be the same."""
    if names is None:
        return estimate
    own = list(estimate.keys()) if isinstance(estimate, Mapping | pd.Series) else list(names)
    if own != list(names) or len(names) != len(estimate):
        raise AnalysisError(f"The names {some(names)} do not fit the {len(estimate)} estimates {some(own)}.")
    return pd.Series(estimate, index=own, dtype=float)


def combine(fits: Sequence[Estimates], df_complete: float | None = None, level: float = 0.95) -> Pooled:
    """Combine fits by Rubin's rules.

    Parameters
    ----------
    fits : sequence of Estimates, length m
        One an imputation, all with the same terms.
    df_complete : float, optional
        Complete-data degrees of freedom. By default the smallest of the fits.
    level : float, optional
        Level of the confidence intervals.

    Returns
    -------
    Pooled

    Raises
    ------
    AnalysisError
        If the terms differ, m < 2, or an argument is out of range.

    Notes
    -----
    See `jmimpute.analysis.rules.rubin`, `jmimpute.analysis.variance_components.pool_components` and
    `jmimpute.analysis.r_squared.pool_shares` for formulas and sources.
    """
    if df_complete is None:
        df_complete = min((fit.df_complete for fit in fits), default=np.inf)
    _check_arguments(fits, df_complete, level)
    same_terms(fits)
    m = len(fits)
    values = np.array([fit.values for fit in fits])
    within = np.mean([fit.covariance for fit in fits], axis=0)
    between = np.cov(values, rowvar=False, ddof=1).reshape(within.shape)
    names = list(fits[0].names)
    components = pool_components(fits, df_complete, level)
    return Pooled(
        table=terms_table(names, values, np.array([np.diag(fit.covariance) for fit in fits]), df_complete, level),
        covariance=pd.DataFrame(within + (1 + 1 / m) * between, index=names, columns=names),
        m=m,
        df_complete=float(df_complete),
        level=level,
        random_effects=components.table,
        icc=components.icc,
        icc_interval=components.icc_interval,
        r2=pool_shares(fits, level),
        notes=components.notes,
    )


def _check_arguments(fits: Sequence[Estimates], df_complete: float, level: float) -> None:
    if len(fits) < 2:
        raise AnalysisError(
            f"There are {len(fits)} imputations. Rubin's rules need at least two, since the variance between them is "
            "part of the standard error."
        )
    if not df_complete > 0:
        raise AnalysisError(f"df_complete is {df_complete}. It must be positive; infinite stands for a large sample.")
    if not 0 < level < 1:
        raise AnalysisError(f"The level is {level}. It must lie between 0 and 1, for example 0.95.")


def terms_table(
    names: Sequence[str], estimates: np.ndarray, variances: np.ndarray, df_complete: float, level: float
) -> pd.DataFrame:
    """Make the table of inference for each of k quantities by itself.

    Parameters
    ----------
    names : sequence of str, length k
    estimates, variances : ndarray, shape (m, k)
    df_complete : float
        Complete-data degrees of freedom.
    level : float
        Level of the confidence intervals.

    Returns
    -------
    pandas.DataFrame
        As `Pooled.table`.
    """
    pooled = rubin(estimates, variances, df_complete)
    statistic, p_value = pooled.p_values()
    low, high = pooled.interval(level)
    return pd.DataFrame(
        {
            "term": list(names),
            "estimate": pooled.estimate,
            "std_error": pooled.std_error,
            "statistic": statistic,
            "df": pooled.df,
            "p_value": p_value,
            "conf_low": low,
            "conf_high": high,
            "riv": pooled.riv,
            "lambda": pooled.share,
            "fmi": pooled.fmi,
        }
    )


_FORMATS: dict[str | int, Callable[[Any], str]] = {
    **dict.fromkeys(["estimate", "std_error", "conf_low", "conf_high"], "{:.5g}".format),
    **dict.fromkeys(["statistic", "riv", "lambda", "fmi"], "{:.3f}".format),
    "df": "{:.1f}".format,
    "p_value": lambda p: "<0.001" if p < 0.001 else f"{p:.3f}",
}

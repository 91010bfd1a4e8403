"""Pool: Rubin's rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates, as_estimates, same_terms
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
        Columns term and estimate: variances and covariances of the random effects and the residual variance, as means
        over the imputations, and the standard deviations that belong to these means. Without rows where the model has
        none.
    icc : float or None
        Mean over the imputations of var / (var + residual variance), for a model whose only random effect is an
        intercept.
    """

    table: pd.DataFrame
    covariance: pd.DataFrame
    m: int
    df_complete: float
    level: float
    random_effects: pd.DataFrame
    icc: float | None

    def __repr__(self) -> str:
        """Show the table, the random effects and the ICC."""
        parts = [self._title(), self.table.to_string(index=False, formatters=_FORMATS)]
        if len(self.random_effects):
            parts += ["", self.random_effects.to_string(index=False, formatters=_FORMATS)]
        return "\n".join(parts + ([] if self.icc is None else [f"ICC {self.icc:.4g}"]))

    def _repr_html_(self) -> str:
        parts = [f"<p>{self._title()}</p>", self.table.to_html(index=False, formatters=_FORMATS)]
        if len(self.random_effects):
            parts.append(self.random_effects.to_html(index=False, formatters=_FORMATS))
        return "\n".join(parts + ([] if self.icc is None else [f"<p>ICC {self.icc:.4g}</p>"]))

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
    With Q the estimates, U their variances, B the variance of Q between imputations (Rubin 1987, equations 3.1.2 to
    3.1.10):

    * total variance T = mean(U) + (1 + 1/m) B; riv = (1 + 1/m) B / mean(U); lambda = (1 + 1/m) B / T
    * df = (m - 1) / lambda^2, infinite where B is zero
    * with finite complete-data df nu: 1 / (1/df + 1/df_obs), df_obs = (1 - lambda) nu (nu + 1) / (nu + 3)
      (Barnard and Rubin 1999, equation 3)
    * fmi = (riv + 2 / (df + 3)) / (riv + 1), with whichever df was used (Rubin 1987, equation 3.1.10)
    """
    if df_complete is None:
        df_complete = min((fit.df_complete for fit in fits), default=np.inf)
    _check_arguments(fits, df_complete, level)
    same_terms(fits)
    m = len(fits)
    values = np.array([fit.values for fit in fits])
    within = np.mean([fit.covariance for fit in fits], axis=0)
    between = np.cov(values, rowvar=False, ddof=1).reshape(within.shape)
    total = within + (1 + 1 / m) * between
    names = list(fits[0].names)
    return Pooled(
        table=_table(names, values.mean(axis=0), np.diag(within), np.diag(between), m, df_complete, level),
        covariance=pd.DataFrame(total, index=names, columns=names),
        m=m,
        df_complete=float(df_complete),
        level=level,
        random_effects=_random_effects(fits),
        icc=_icc(fits),
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


def _table(
    names: list[str],
    estimate: np.ndarray,
    within: np.ndarray,
    between: np.ndarray,
    m: int,
    df_complete: float,
    level: float,
) -> pd.DataFrame:
    """Inference for each term, from vectors of length k; see `combine` for the formulas."""
    from scipy.stats import t

    extra = (1 + 1 / m) * between
    total = within + extra
    # 0/0 is a term that is known exactly: no variance, none of it from missing values.
    share = np.divide(extra, total, out=np.zeros_like(total), where=total > 0)
    riv = np.divide(extra, within, out=np.where(extra > 0, np.inf, 0.0), where=within > 0)
    df = _degrees_of_freedom(share, m, df_complete)
    std_error = np.sqrt(total)
    statistic = np.divide(estimate, std_error, out=np.full_like(estimate, np.nan), where=total > 0)
    half = t.ppf((1 + level) / 2, df) * std_error
    # (riv + a) / (riv + 1), written with the share so that an infinite riv gives 1.
    fmi = share + 2 / (df + 3) * (1 - share)
    return pd.DataFrame(
        {
            "term": names,
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "df": df,
            "p_value": 2 * t.sf(np.abs(statistic), df),
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "riv": riv,
            "lambda": share,
            "fmi": fmi,
        }
    )


def _degrees_of_freedom(share: np.ndarray, m: int, df_complete: float) -> np.ndarray:
    df = np.divide(m - 1, share**2, out=np.full_like(share, np.inf), where=share > 0)
    if np.isinf(df_complete):
        return df
    observed = (1 - share) * df_complete * (df_complete + 1) / (df_complete + 3)
    # A term without variance within imputations has no complete-data df to correct by.
    correction = np.divide(1, observed, out=np.zeros_like(share), where=observed > 0)
    return 1 / (1 / df + correction)


def _random_effects(fits: Sequence[Estimates]) -> pd.DataFrame:
    """Means over the imputations of variances and covariances, then standard deviations of these means."""
    moments: dict[str, float] = {}
    deviations: dict[str, float] = {}
    random = [fit.random for fit in fits if fit.random is not None]
    if len(random) == len(fits):
        cluster, names = random[0].cluster, random[0].names
        mean = np.mean([effects.covariance for effects in random], axis=0)
        for i, row in enumerate(names):
            moments[f"var({row}|{cluster})"] = mean[i, i]
            deviations[f"sd({row}|{cluster})"] = np.sqrt(mean[i, i])
            for j, column in enumerate(names[:i]):
                moments[f"cov({column},{row}|{cluster})"] = mean[i, j]
    residuals = [fit.residual_variance for fit in fits if fit.residual_variance is not None]
    if len(residuals) == len(fits):
        residual = float(np.mean(residuals))
        moments["var(residual)"] = residual
        deviations["sd(residual)"] = np.sqrt(residual)
    both = {**moments, **deviations}
    return pd.DataFrame({"term": list(both), "estimate": np.array(list(both.values()), dtype=float)})


def _icc(fits: Sequence[Estimates]) -> float | None:
    """Mean of the intraclass correlations, which is not the correlation of the mean variances."""
    values = []
    for fit in fits:
        if fit.random is None or fit.random.names != ("Intercept",) or fit.residual_variance is None:
            return None
        between = fit.random.covariance[0, 0]
        values.append(between / (between + fit.residual_variance))
    return float(np.mean(values))


_FORMATS: dict[str | int, Callable[[Any], str]] = {
    **dict.fromkeys(["estimate", "std_error", "conf_low", "conf_high"], "{:.5g}".format),
    **dict.fromkeys(["statistic", "riv", "lambda", "fmi"], "{:.3f}".format),
    "df": "{:.1f}".format,
    "p_value": lambda p: "<0.001" if p < 0.001 else f"{p:.3f}",
}

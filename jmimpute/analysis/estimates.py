"""The result of one substantive model on one completed table, and the checks on what an analyst's function returned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import AnalysisError, some


@dataclass(frozen=True)
class RandomEffects:
    """Random effects of a fitted mixed model.

    Attributes
    ----------
    cluster : str
        Name of the cluster column.
    names : tuple of str, length r
        As formulae names the columns of the random part: ``Intercept``, ``sex[girl]``.
    covariance : ndarray, shape (r, r)
        On the scale of the data.
    uncorrelated : bool
        Whether the matrix is diagonal by definition.
    """

    cluster: str
    names: tuple[str, ...]
    covariance: np.ndarray
    uncorrelated: bool = False


@dataclass(frozen=True)
class Estimates:
    """One substantive model, fitted to one completed table.

    Attributes
    ----------
    names : tuple of str, length k
        The terms.
    values : ndarray, shape (k,)
        Their estimates.
    covariance : ndarray, shape (k, k)
        Covariance matrix of the estimates; off its diagonal NaN where only standard errors were known.
    df_complete : float
        Residual degrees of freedom, had the data been complete; infinite when unknown.
    n_rows : int or None
        Rows of the table; None when unknown.
    random : RandomEffects or None
        None for a single-level model.
    residual_variance : float or None
        None where the model has none.
    log_likelihood : float or None
        The restricted one for a mixed model fitted by REML; None when unknown.
    problems : tuple of str
        What should be looked at: the fit did not converge, or is singular.
    restricted : bool
        Whether `log_likelihood` is a restricted one.
    components_covariance : ndarray, shape (c, c), or None
        Covariance matrix of the variance components: the lower triangle of ``random.covariance`` row by row (variance of
        the first effect, covariance of the first two, variance of the second, and so on), then the residual variance.
        NaN where a component is at the edge of what it may be, so that it has no standard error; None when unknown.
    parameters : ndarray or None
        All parameters of the likelihood: the values, the lower triangle of ``random.covariance``, and the residual
        variance (without a correction for the number of terms). None where there is no likelihood.
    log_likelihood_at : callable or None
        The (never restricted) log likelihood of this table as a function of `parameters`. It may hold the rows of the
        table; `jmimpute.analysis.analyze.analyze` does not keep it.
    r_squared : dict or None
        Shares of explained variance by name; see `jmimpute.analysis.r_squared`.
    draws : dict or None
        Of an engine that samples: draws of each parameter by name, shape (chains, draws); of coefficients, cut points, and
        standard deviations ``sd(effect|cluster)`` and ``sd(residual)``.
    """

    names: tuple[str, ...]
    values: np.ndarray
    covariance: np.ndarray
    df_complete: float = np.inf
    n_rows: int | None = None
    random: RandomEffects | None = None
    residual_variance: float | None = None
    log_likelihood: float | None = None
    problems: tuple[str, ...] = ()
    restricted: bool = False
    components_covariance: np.ndarray | None = None
    parameters: np.ndarray | None = None
    log_likelihood_at: Callable[[np.ndarray], float] | None = field(default=None, repr=False, compare=False)
    r_squared: Mapping[str, float] | None = None
    draws: Mapping[str, np.ndarray] | None = field(default=None, repr=False, compare=False)

    @property
    def std_errors(self) -> np.ndarray:
        """Square roots of the diagonal of `covariance`, shape (k,)."""
        return np.sqrt(np.diag(self.covariance))


def as_estimates(returned: Any, n_rows: int | None = None) -> Estimates:
    """Make Estimates of what an analyst's function returned, and check them.

    Parameters
    ----------
    returned : Estimates, pair or statsmodels results
        A pair is (estimates, covariance). Estimates: a mapping, Series or sequence of k numbers. Covariance: a
        DataFrame or matrix of shape (k, k), or a mapping, Series or sequence of k squared standard errors. Labelled
        parts are matched by label; where nothing is labelled the terms are called b1, b2, and so on. Results have
        ``params`` and ``cov_params()``.
    n_rows : int, optional
        Rows of the table that was analysed.

    Returns
    -------
    Estimates

    Raises
    ------
    AnalysisError
        If it is none of these, the shapes or labels do not fit, or a number is not finite or a variance negative.
    """
    if isinstance(returned, Estimates):
        result = returned if returned.n_rows is not None else replace(returned, n_rows=n_rows)
    elif hasattr(returned, "params") and callable(getattr(returned, "cov_params", None)):
        result = _from_results(returned, n_rows)
    elif isinstance(returned, Sequence) and not isinstance(returned, str) and len(returned) == 2:
        names, values = _read_values(*returned)
        result = Estimates(names, values, _read_covariance(returned[1], names), n_rows=n_rows)
    else:
        raise AnalysisError(
            f"The analysis returned {type(returned).__name__}. It must return a pair (estimates, covariance), "
            "Estimates, or statsmodels results."
        )
    _check(result)
    return result


def same_terms(fits: Sequence[Estimates]) -> None:
    """Check that all fits have the same terms in the same order.

    Parameters
    ----------
    fits : sequence of Estimates
        One an imputation.

    Raises
    ------
    AnalysisError
        Naming the first imputation that differs from imputation 1, and the terms.
    """
    for number, fit in enumerate(fits, start=1):
        if fit.names == fits[0].names:
            continue
        missing = [name for name in fits[0].names if name not in fit.names]
        extra = [name for name in fit.names if name not in fits[0].names]
        difference = [f"lacks {some(missing)}"] * bool(missing) + [f"has {some(extra)} in addition"] * bool(extra)
        raise AnalysisError(
            f"Imputation {number} has other terms than imputation 1: it "
            f"{' and '.join(difference) or 'has another order'}. Only equal models can be pooled. If a level of a "
            "categorical column is absent from one imputation, merge it with another level."
        )


def problems_by_imputation(fits: Sequence[Estimates]) -> dict[str, list[int]]:
    """List the imputations in which each problem appeared.

    Parameters
    ----------
    fits : sequence of Estimates

    Returns
    -------
    dict
        Numbers of imputations, from 1, by problem.
    """
    found: dict[str, list[int]] = {}
    for number, fit in enumerate(fits, start=1):
        for problem in fit.problems:
            found.setdefault(problem, []).append(number)
    return found


def _from_results(results: Any, n_rows: int | None) -> Estimates:
    """Read statsmodels results; of a MixedLM only the fixed effects."""
    params, covariance = results.params, results.cov_params()
    names, values = _read_values(params, covariance)
    matrix = _read_covariance(covariance, names)
    df = getattr(results, "df_resid", np.inf)
    if hasattr(results, "fe_params"):
        fixed = len(results.fe_params)
        names, values, matrix, df = names[:fixed], values[:fixed], matrix[:fixed, :fixed], np.inf
    return Estimates(names, values, matrix, df_complete=float(df), n_rows=n_rows)


def _read_values(estimates: Any, covariance: Any) -> tuple[tuple[str, ...], np.ndarray]:
    if isinstance(estimates, Mapping):
        estimates = pd.Series(dict(estimates))
    if isinstance(estimates, pd.Series):
        labels = estimates.index
    elif isinstance(covariance, pd.DataFrame | pd.Series):
        labels = covariance.index
    else:
        labels = None
    values = np.atleast_1d(_numbers(estimates, "The estimates"))
    if values.ndim != 1:
        raise AnalysisError(f"The estimates have shape {values.shape}. They must be a vector, one number a term.")
    names = tuple(f"b{i + 1}" for i in range(len(values))) if labels is None else tuple(str(label) for label in labels)
    if len(set(names)) < len(names):
        raise AnalysisError(f"Two estimates have the same name: {some(name for name in names if names.count(name) > 1)}.")
    if len(names) != len(values):
        raise AnalysisError(f"There are {len(values)} estimates, but the covariance names {len(names)}: {some(names)}.")
    return names, values


def _read_covariance(covariance: Any, names: tuple[str, ...]) -> np.ndarray:
    """Covariance matrix in the order of the names; a vector is read as squared standard errors."""
    if isinstance(covariance, Mapping):
        covariance = pd.Series(dict(covariance))
    if isinstance(covariance, pd.DataFrame | pd.Series):
        covariance = _reorder(covariance, names)
    matrix = np.atleast_1d(_numbers(covariance, "The covariance"))
    k = len(names)
    if matrix.shape == (k,):
        return np.where(np.eye(k, dtype=bool), matrix, np.nan)
    if matrix.shape != (k, k):
        raise AnalysisError(
            f"The covariance has shape {matrix.shape}. For {k} estimates it must be a matrix of shape ({k}, {k}) or a "
            f"vector of {k} squared standard errors."
        )
    return matrix


def _reorder(covariance: pd.DataFrame | pd.Series, names: tuple[str, ...]) -> pd.DataFrame | pd.Series:
    axes = [axis.map(str) for axis in covariance.axes]
    for labels in axes:
        if sorted(labels) != sorted(names):
            raise AnalysisError(
                f"The covariance is labelled {some(labels)}, the estimates {some(names)}. Both must have the same labels."
            )
    renamed = covariance.set_axis(axes[0], axis=0)
    if isinstance(renamed, pd.DataFrame):
        renamed = renamed.set_axis(axes[1], axis=1)
        return renamed.loc[list(names), list(names)]
    return renamed.loc[list(names)]


def _numbers(values: Any, what: str) -> np.ndarray:
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise AnalysisError(f"{what} cannot be read as numbers: {error}") from error


def _check(fit: Estimates) -> None:
    """Refuse shapes and numbers that cannot be pooled."""
    k = len(fit.names)
    if k == 0:
        raise AnalysisError("The analysis has no estimates. A model needs at least one term.")
    if fit.values.shape != (k,) or fit.covariance.shape != (k, k):
        raise AnalysisError(
            f"There are {k} terms, but values of shape {fit.values.shape} and a covariance of shape {fit.covariance.shape}."
        )
    if not np.isfinite(fit.values).all():
        raise AnalysisError(f"The estimate of {_where(fit.names, ~np.isfinite(fit.values))} is not finite.")
    variances = np.diag(fit.covariance)
    if not np.isfinite(variances).all():
        raise AnalysisError(f"The variance of {_where(fit.names, ~np.isfinite(variances))} is not finite.")
    if (variances < 0).any():
        raise AnalysisError(f"The variance of {_where(fit.names, variances < 0)} is negative.")
    between = fit.covariance[~np.eye(k, dtype=bool)]
    if np.isinf(between).any() or 0 < np.isnan(between).sum() < between.size:
        raise AnalysisError("The covariance matrix is not finite off its diagonal.")
    if not np.allclose(fit.covariance, fit.covariance.T, rtol=1e-6, atol=1e-8 * variances.max(), equal_nan=True):
        raise AnalysisError("The covariance matrix is not symmetric.")
    if not fit.df_complete > 0:
        raise AnalysisError(f"The complete-data degrees of freedom are {fit.df_complete}. They must be positive.")


def _where(names: tuple[str, ...], bad: np.ndarray) -> str:
    return some(name for name, is_bad in zip(names, bad, strict=True) if is_bad)

"""Analyze: one substantive model on every completed table."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.engines import ENGINES
from jmimpute.analysis.estimates import Estimates, as_estimates, same_terms
from jmimpute.analysis.pool import Pooled, combine
from jmimpute.errors import AnalysisError, AnalysisWarning, FormulaError, options, some

Analysis = str | Callable[[pd.DataFrame], Any]


@dataclass(frozen=True, repr=False)
class Analyses:
    """The fits of one substantive model, one a completed table.

    Attributes
    ----------
    fits : tuple of Estimates, length m
        In the order of the imputations.
    model : str
        The formula, or the name of the function.
    engine : str or None
        Name of the engine; None for a function.
    family : str or None
        Family of the response; None for a function.
    """

    fits: tuple[Estimates, ...]
    model: str
    engine: str | None
    family: str | None

    def pool(self, df_complete: float | None = None, level: float = 0.95) -> Pooled:
        """Combine the fits by Rubin's rules.

        Parameters
        ----------
        df_complete : float, optional
            Complete-data degrees of freedom for the small-sample correction of Barnard and Rubin (1999). By default
            those of the fits: n - k for OLS and GLM, infinite for mixed models and functions. ``np.inf`` gives the
            degrees of freedom of Rubin (1987), mitml's default.
        level : float, optional
            Level of the confidence intervals.

        Returns
        -------
        Pooled

        Raises
        ------
        AnalysisError
            With fewer than two imputations, or if an argument is out of range.
        """
        return combine(self.fits, df_complete=df_complete, level=level)

    def to_frame(self) -> pd.DataFrame:
        """Give all estimates as a table with the columns imputation, term, estimate and std_error."""
        parts = [
            pd.DataFrame({"imputation": i, "term": fit.names, "estimate": fit.values, "std_error": fit.std_errors})
            for i, fit in enumerate(self.fits, start=1)
        ]
        return pd.concat(parts, ignore_index=True)

    def __len__(self) -> int:
        """Count the imputations."""
        return len(self.fits)

    def __iter__(self) -> Iterator[Estimates]:
        """Go through the fits in the order of the imputations."""
        return iter(self.fits)

    def __repr__(self) -> str:
        """Show what was fitted, and how the estimates spread over the imputations."""
        values = np.array([fit.values for fit in self.fits])
        table = pd.DataFrame(
            {
                "term": self.fits[0].names,
                "mean": values.mean(axis=0),
                "smallest": values.min(axis=0),
                "largest": values.max(axis=0),
                "mean std_error": np.mean([fit.std_errors for fit in self.fits], axis=0),
            }
        )
        how = "a function" if self.engine is None else f"{self.family}, engine {self.engine}"
        lines = [f"{len(self)} fits of {self.model} ({how})", table.to_string(index=False, float_format="%.5g")]
        lines += [f"imputations {some(where)}: {problem}" for problem, where in _problems(self.fits).items()]
        return "\n".join([*lines, "Combine with .pool()"])


def analyze(
    tables: Iterable[pd.DataFrame],
    model: Analysis,
    engine: str = "statsmodels",
    family: str = "gaussian",
    reml: bool = True,
) -> Analyses:
    """Fit one substantive model to every completed table.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
        Completed tables, one an imputation.
    model : str or callable
        A formula such as ``"english ~ ravens + sex + (1 | school)"``, or a function of one completed table that returns
        (estimates, covariance), Estimates or statsmodels results; see `jmimpute.analysis.estimates.as_estimates`.
    engine : str, optional
        What fits a formula.
    family : {"gaussian", "binomial", "poisson"}, optional
        Family of the response of a formula.
    reml : bool, optional
        For a gaussian model with a grouping term: restricted (default) or ordinary maximum likelihood.

    Returns
    -------
    Analyses

    Raises
    ------
    AnalysisError
        If there are no tables, or a fit fails, or the fits have different terms; the imputation is named.

    Warns
    -----
    AnalysisWarning
        Once for all tables, naming the imputations whose fit did not converge or is singular.
    """
    if isinstance(tables, pd.DataFrame):
        raise AnalysisError("Give the completed tables as a list, one DataFrame an imputation, not a single DataFrame.")
    fit = _chosen(model, engine, family, reml)
    fits = tuple(_fit_one(fit, table, number) for number, table in enumerate(tables, start=1))
    if not fits:
        raise AnalysisError("There are no completed tables to analyse.")
    same_terms(fits)
    for problem, where in _problems(fits).items():
        warnings.warn(f"{len(where)} of {len(fits)} fits: {problem}. Imputations {some(where, 20)}.", AnalysisWarning, 2)
    if callable(model):
        return Analyses(fits, getattr(model, "__name__", type(model).__name__), None, None)
    return Analyses(fits, model, engine, family)


def _chosen(model: Analysis, engine: str, family: str, reml: bool) -> Callable[[pd.DataFrame], Any]:
    """Turn formula and engine, or function, into one function of a table."""
    if callable(model):
        return model
    if not isinstance(model, str):
        raise AnalysisError(f"The model must be a formula or a function, not {type(model).__name__}.")
    if engine not in ENGINES:
        raise AnalysisError(f"The engine {engine!r} is not known. Choose {options(list(ENGINES))}, or give a function.")
    return lambda table: ENGINES[engine](model, table, family, reml)


def _fit_one(fit: Callable[[pd.DataFrame], Any], table: pd.DataFrame, number: int) -> Estimates:
    """Fit and check one table; an error names its imputation."""
    if not isinstance(table, pd.DataFrame):
        raise AnalysisError(f"Imputation {number} is {type(table).__name__}. Completed tables must be pandas DataFrames.")
    try:
        return as_estimates(fit(table), n_rows=len(table))
    except (AnalysisError, FormulaError) as error:
        raise AnalysisError(f"Imputation {number}: {error}") from error
    except Exception as error:
        raise AnalysisError(f"Imputation {number}: the analysis raised {type(error).__name__}: {error}") from error


def _problems(fits: tuple[Estimates, ...]) -> dict[str, list[int]]:
    """Imputations by problem."""
    found: dict[str, list[int]] = {}
    for number, fit in enumerate(fits, start=1):
        for problem in fit.problems:
            found.setdefault(problem, []).append(number)
    return found

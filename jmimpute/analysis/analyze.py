"""Analyze: one substantive model on every completed table."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.engines import ENGINES, settings_of
from jmimpute.analysis.estimates import Estimates, as_estimates, problems_by_imputation, same_terms
from jmimpute.analysis.source import Source
from jmimpute.errors import AnalysisError, AnalysisWarning, FormulaError, options, some

Analysis = str | Callable[[pd.DataFrame], Any]


def analyze(
    tables: Iterable[pd.DataFrame],
    model: Analysis,
    engine: str = "statsmodels",
    family: str = "gaussian",
    **settings: Any,
) -> Analyses:
    """Fit one substantive model to every completed table.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
        Completed tables, one an imputation.
    model : str or callable
        A formula such as ``"english ~ ravens + sex + (1 | school)"``, or a function of one completed table that returns
        (estimates, covariance), Estimates or statsmodels results; see `jmimpute.analysis.estimates.as_estimates`.
    engine : {"statsmodels", "gee", "bambi"}, optional
        What fits a formula: maximum likelihood, generalised estimating equations, or a posterior by NUTS.
    family : {"gaussian", "binomial", "poisson", "ordinal", "ordinal-probit", "nominal"}, optional
        Family of the response of a formula; not every engine has all.
    **settings
        Of the engine. Statsmodels (`jmimpute.analysis.engines.likelihood.fit_statsmodels`): ``reml``. Gee
        (`jmimpute.analysis.engines.estimating.gee`): ``correlation``. Bambi (`jmimpute.analysis.engines.bayesian.bambi`):
        ``draws``, ``tune``, ``chains``, ``cores``, ``target_accept``, ``priors``, ``random_seed``.

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
    fit = _chosen(model, engine, family, settings)
    # Likelihoods hold rows: all of them would be as large as all tables.
    fits = tuple(
        replace(_fit_one(fit, table, f"Imputation {number}"), log_likelihood_at=None)
        for number, table in enumerate(tables, start=1)
    )
    if not fits:
        raise AnalysisError("There are no completed tables to analyse.")
    same_terms(fits)
    for problem, where in problems_by_imputation(fits).items():
        warnings.warn(f"{len(where)} of {len(fits)} fits: {problem}. Imputations {some(where, 20)}.", AnalysisWarning, 2)
    if callable(model):
        return Analyses(fits, getattr(model, "__name__", type(model).__name__), None, None)
    return Analyses(fits, model, engine, family, source_of(tables, engine, family, settings))


def source_of(tables: Iterable[pd.DataFrame], engine: str, family: str, settings: dict[str, Any]) -> Source | None:
    """Keep what other fits need, unless the tables came one by one and are gone.

    Parameters
    ----------
    tables : iterable of pandas.DataFrame
    engine, family : str
    settings : dict
        Of the engine.

    Returns
    -------
    Source or None
    """
    if iter(tables) is tables:
        return None

    def fit(formula: str, table: pd.DataFrame, where: str, reml: bool) -> Estimates:
        chosen = {**settings, "reml": reml} if "reml" in settings_of(engine) else settings
        return _fit_one(_chosen(formula, engine, family, chosen), table, where)

    return Source(tables, fit)


def _chosen(model: Analysis, engine: str, family: str, settings: dict[str, Any]) -> Callable[[pd.DataFrame], Any]:
    """Turn formula and engine, or function, into one function of a table."""
    if callable(model):
        if settings:
            raise AnalysisError(f"A function has no settings of an engine, such as {some(settings)}. Leave them out.")
        return model
    if not isinstance(model, str):
        raise AnalysisError(f"The model must be a formula or a function, not {type(model).__name__}.")
    if engine not in ENGINES:
        raise AnalysisError(f"The engine {engine!r} is not known. Choose {options(list(ENGINES))}, or give a function.")
    unknown, known = [name for name in settings if name not in settings_of(engine)], settings_of(engine)
    if unknown:
        raise AnalysisError(f"The engine {engine!r} has no setting {some(map(repr, unknown))}. It has {options(known)}.")
    return ENGINES[engine](model, family, **settings)


def _fit_one(fit: Callable[[pd.DataFrame], Any], table: pd.DataFrame, where: str) -> Estimates:
    """Fit and check one table; an error names it."""
    if not isinstance(table, pd.DataFrame):
        raise AnalysisError(f"{where} is {type(table).__name__}. Completed tables must be pandas DataFrames.")
    try:
        return as_estimates(fit(table), n_rows=len(table))
    except (AnalysisError, FormulaError) as error:
        raise AnalysisError(f"{where}: {error}") from error
    except Exception as error:
        raise AnalysisError(f"{where}: the analysis raised {type(error).__name__}: {error}") from error

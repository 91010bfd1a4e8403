"""Generalised estimating equations: the mean of a response whose rows are correlated within clusters."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from jmimpute.analysis.engines.arrays import LINKS, Arrays, Grouping, arrays_of
from jmimpute.analysis.engines.problems import DIVERGED, listed
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.mixed import whiten
from jmimpute.errors import AnalysisError, options
from jmimpute.names import INTERCEPT

CORRELATIONS = ("exchangeable", "independence")

#: With fewer clusters the sandwich is corrected for its bias.
MANY_CLUSTERS = 40


def gee(formula: str, family: str = "gaussian", *, correlation: str = "exchangeable") -> Callable[[pd.DataFrame], Estimates]:
    """Generalised estimating equations (Liang and Zeger 1986) with a robust covariance matrix, by statsmodels.

    Parameters
    ----------
    formula : str
        ``"passed ~ ravens + sex + (1 | school)"``: the grouping term names the clusters and has no slopes. Coefficients are
        those of the mean over all clusters, not of one cluster as in a mixed model.
    family : {"gaussian", "binomial", "poisson"}, optional
        Binomial has a logit link and poisson a log link.
    correlation : {"exchangeable", "independence"}, optional
        Working correlation within clusters.

    Returns
    -------
    callable
        Takes a completed table and gives Estimates. The covariance is the sandwich, with fewer than 40 clusters in the form
        of Mancl and DeRouen (2001, Biometrics 57:126-134), since the plain one is then too small. ``df_complete`` is the
        number of clusters minus the number of terms: the clusters are the observations that the sandwich is made of.

    Raises
    ------
    AnalysisError
        If the family or the correlation is unknown. The function raises it if there is no grouping term, or it has slopes, or
        there are not more clusters than terms.
    """
    if family not in LINKS:
        raise AnalysisError(f"The engine 'gee' has no family {family!r}. Choose {options(list(LINKS))}.")
    if correlation not in CORRELATIONS:
        raise AnalysisError(f"The working correlation {correlation!r} is not known. Choose {options(CORRELATIONS)}.")
    return lambda table: _fit(*_grouped(arrays_of(formula, table, family), formula), family, correlation)


def _grouped(arrays: Arrays, formula: str) -> tuple[Arrays, Grouping]:
    grouping = arrays.grouping
    if grouping is None or grouping.design.names != (INTERCEPT,):
        raise AnalysisError(
            f"The formula {formula!r} must say which rows belong together, and no more: for engine 'gee' it ends in a "
            "grouping term without slopes, '(1 | school)'."
        )
    n_clusters, n_terms = int(grouping.codes.max()) + 1, len(arrays.fixed.names)
    if n_clusters <= n_terms:
        raise AnalysisError(
            f"There are {n_clusters} clusters of {grouping.name!r} for {n_terms} terms. The robust covariance of engine 'gee' "
            "needs more clusters than terms: leave terms out, or fit a mixed model with engine 'statsmodels'."
        )
    return arrays, grouping


def _fit(arrays: Arrays, grouping: Grouping, family: str, correlation: str) -> Estimates:
    """Covariates are orthonormalised, and a gaussian response scaled, so that one tolerance suits all units."""
    from statsmodels.genmod.cov_struct import Exchangeable, Independence
    from statsmodels.genmod.families import Binomial, Gaussian, Poisson
    from statsmodels.genmod.generalized_estimating_equations import GEE

    white, factor = whiten(arrays.fixed.matrix)
    unit = float(np.sqrt(np.mean(arrays.y**2))) if family == "gaussian" else 1.0
    n_clusters = int(grouping.codes.max()) + 1
    # What statsmodels would say for every table is said once for all of them, by `analyze`.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = GEE(
            arrays.y / unit,
            white,
            groups=grouping.codes,
            family={"gaussian": Gaussian, "binomial": Binomial, "poisson": Poisson}[family](),
            cov_struct={"exchangeable": Exchangeable, "independence": Independence}[correlation](),
        ).fit(cov_type="robust" if n_clusters >= MANY_CLUSTERS else "bias_reduced", maxiter=200)
    if fit is None:
        raise AnalysisError("The estimating equations have no solution: a covariate may separate the response perfectly.")
    back = unit * np.linalg.inv(factor)
    covariance = fit.cov_robust if n_clusters >= MANY_CLUSTERS else fit.cov_robust_bc
    return Estimates(
        arrays.fixed.names,
        back @ fit.params,
        back @ covariance @ back.T,
        df_complete=float(n_clusters - len(back)),
        n_rows=len(arrays.y),
        problems=listed({DIVERGED: not fit.converged}),
    )

"""Binary responses and counts: generalised linear models, and those with a random intercept."""

import warnings

import numpy as np

from jmimpute.analysis.engines.arrays import Arrays, Grouping
from jmimpute.analysis.engines.problems import DIVERGED, SEPARATED, SINGULAR, listed
from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.analysis.explained import LOGISTIC, mixed_shares
from jmimpute.analysis.mixed_glm import fit_mixed_glm
from jmimpute.errors import AnalysisError, some
from jmimpute.names import INTERCEPT


def generalised(arrays: Arrays, family: str) -> Estimates:
    """A generalised linear model, by statsmodels.

    Parameters
    ----------
    arrays : Arrays
    family : {"binomial", "poisson"}
    """
    from statsmodels.genmod.families import Binomial, Poisson
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    chosen = {"binomial": Binomial, "poisson": Poisson}[family]()
    # What statsmodels would say for every table is said once for all of them, by `analyze`.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = GLM(arrays.y, arrays.fixed.matrix, family=chosen)
        fit = model.fit()
        covariance, log_likelihood = fit.cov_params(), float(fit.llf)
    separated = any(issubclass(warning.category, PerfectSeparationWarning) for warning in caught)
    return Estimates(
        arrays.fixed.names,
        fit.params,
        covariance,
        df_complete=float(fit.df_resid),
        n_rows=len(arrays.y),
        log_likelihood=log_likelihood,
        problems=listed({DIVERGED: not fit.converged, SEPARATED: separated}),
        parameters=fit.params,
        log_likelihood_at=lambda parameters: float(model.loglike(parameters)),
    )


def mixed(arrays: Arrays, grouping: Grouping, family: str) -> Estimates:
    """The logistic or Poisson mixed model with a random intercept, by `jmimpute.analysis.mixed_glm`.

    Parameters
    ----------
    arrays : Arrays
    grouping : Grouping
    family : {"binomial", "poisson"}

    Raises
    ------
    AnalysisError
        If there are random slopes.
    """
    if grouping.design.names != (INTERCEPT,):
        raise AnalysisError(
            f"The random part of this {family} model has the terms {some(grouping.design.names)}. Engine 'statsmodels' fits "
            f"such models with a random intercept, (1 | {grouping.name}). With slopes, use engine='bambi' and "
            f"({grouping.side} || {grouping.name}), or give a function instead of a formula: it gets a completed table and "
            "returns (estimates, covariance), so that any other package can do the fit."
        )
    X = arrays.fixed.matrix
    fit = fit_mixed_glm(arrays.y, X, grouping.codes, family)
    random = np.array([[fit.variance]])
    return Estimates(
        arrays.fixed.names,
        fit.values,
        fit.covariance,
        n_rows=len(arrays.y),
        random=RandomEffects(grouping.name, grouping.design.names, random),
        log_likelihood=fit.log_likelihood,
        problems=listed({DIVERGED: not fit.converged, SINGULAR: fit.singular, SEPARATED: fit.separated}),
        components_covariance=np.array([[fit.variance_of_variance]]),
        parameters=np.append(fit.values, fit.variance),
        log_likelihood_at=lambda parameters: fit.log_likelihood_at(parameters[:-1], float(parameters[-1])),
        r_squared=mixed_shares(X @ fit.values, grouping.design.matrix, random, LOGISTIC) if family == "binomial" else None,
    )

"""Gaussian responses: ordinary least squares and the mixed model."""

import numpy as np

from jmimpute.analysis.components import pack, unpack
from jmimpute.analysis.engines.arrays import Arrays, Grouping
from jmimpute.analysis.engines.problems import DIVERGED, SINGULAR, listed
from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.analysis.explained import mixed_shares
from jmimpute.analysis.mixed import fit_mixed


def linear(arrays: Arrays) -> Estimates:
    """Ordinary least squares, by statsmodels.

    Parameters
    ----------
    arrays : Arrays
    """
    from statsmodels.regression.linear_model import OLS

    y, X = arrays.y, arrays.fixed.matrix
    fit = OLS(y, X).fit()
    n, squares, gram = len(y), float(fit.ssr), X.T @ X

    def log_likelihood_at(parameters: np.ndarray) -> float:
        step, variance = parameters[:-1] - fit.params, parameters[-1]
        return float(-(n * np.log(2 * np.pi * variance) + (squares + step @ gram @ step) / variance) / 2)

    return Estimates(
        arrays.fixed.names,
        fit.params,
        fit.cov_params(),
        df_complete=float(fit.df_resid),
        n_rows=len(arrays.y),
        residual_variance=float(fit.scale),
        log_likelihood=float(fit.llf),
        components_covariance=np.array([[2 * fit.scale**2 / fit.df_resid]]),
        parameters=np.append(fit.params, squares / n),
        log_likelihood_at=log_likelihood_at,
        r_squared={"R2": float(fit.rsquared), "R2_adjusted": float(fit.rsquared_adj)},
    )


def mixed(arrays: Arrays, grouping: Grouping, reml: bool) -> Estimates:
    """The gaussian mixed model, by `jmimpute.analysis.mixed`.

    Parameters
    ----------
    arrays : Arrays
    grouping : Grouping
    reml : bool
    """
    X, Z = arrays.fixed.matrix, grouping.design.matrix
    fit = fit_mixed(arrays.y, X, Z, grouping.codes, reml, grouping.uncorrelated)
    k = X.shape[1]
    return Estimates(
        arrays.fixed.names,
        fit.values,
        fit.covariance,
        n_rows=len(arrays.y),
        random=RandomEffects(grouping.name, grouping.design.names, fit.random, grouping.uncorrelated),
        residual_variance=fit.residual,
        log_likelihood=fit.log_likelihood,
        problems=listed({DIVERGED: not fit.converged, SINGULAR: fit.singular}),
        restricted=reml,
        components_covariance=fit.components_covariance,
        parameters=np.concatenate([fit.values, pack(fit.random), [fit.residual]]),
        log_likelihood_at=lambda parameters: fit.log_likelihood_at(
            parameters[:k], unpack(parameters[k:-1]), float(parameters[-1])
        ),
        r_squared=mixed_shares(X @ fit.values, Z, fit.random, fit.residual),
    )

"""Regressions of a response of categories: cumulative links for ordered ones, baseline-category logits for others."""

import warnings

import numpy as np

from jmimpute.analysis.engines.arrays import Arrays, cut_point_names, without_intercept
from jmimpute.analysis.engines.problems import DIVERGED, SEPARATED, listed
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.mixed import whiten
from jmimpute.analysis.mixed_glm import FLAT
from jmimpute.analysis.ordinal import fit_ordinal

PROBIT = "ordinal-probit"


def ordinal(arrays: Arrays, family: str) -> Estimates:
    """Coefficients, then cut points, of ``P(y <= j) = F(cut_j - X b)``.

    Parameters
    ----------
    arrays : Arrays
    family : {"ordinal", "ordinal-probit"}
    """
    covariates = without_intercept(arrays, family)
    fit = fit_ordinal(arrays.y, covariates.matrix, "probit" if family == PROBIT else "logit")
    return Estimates(
        (*covariates.names, *cut_point_names(arrays.categories)),
        fit.values,
        fit.covariance,
        df_complete=float(len(arrays.y) - len(fit.values)),
        n_rows=len(arrays.y),
        log_likelihood=fit.log_likelihood,
        parameters=fit.values,
        problems=listed({DIVERGED: not fit.converged, SEPARATED: fit.separated}),
    )


def nominal(arrays: Arrays) -> Estimates:
    """Log odds of each category against the first, by statsmodels' MNLogit; terms are called ``category:term``.

    Parameters
    ----------
    arrays : Arrays
    """
    from scipy.special import logsumexp
    from statsmodels.discrete.discrete_model import MNLogit

    white, factor = whiten(arrays.fixed.matrix)
    # What statsmodels would say for every table is said once for all of them, by `analyze`.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MNLogit(arrays.y, white).fit(method="newton", maxiter=30, disp=False)
        coefficients = np.asarray(fit.params)  # one column an equation
        information = -np.asarray(fit.model.hessian(coefficients), dtype=float)
    n_equations = len(arrays.categories) - 1
    # statsmodels' own takes the logarithm of probabilities, which may be zero.
    predictors = np.column_stack([np.zeros(len(white)), white @ coefficients])
    chosen = predictors[np.arange(len(white)), arrays.y] - np.asarray(logsumexp(predictors, axis=1))
    back = np.kron(np.eye(n_equations), np.linalg.inv(factor))
    return Estimates(
        tuple(f"{category}:{term}" for category in arrays.categories[1:] for term in arrays.fixed.names),
        back @ coefficients.T.ravel(),
        back @ np.linalg.pinv(information, hermitian=True) @ back.T,
        df_complete=float(len(arrays.y) - len(back)),
        n_rows=len(arrays.y),
        log_likelihood=float(chosen.sum()),
        parameters=back @ coefficients.T.ravel(),
        problems=listed({DIVERGED: not fit.mle_retvals["converged"], SEPARATED: np.linalg.eigvalsh(information)[0] < FLAT}),
    )

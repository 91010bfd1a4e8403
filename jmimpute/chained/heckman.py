"""Heckman's selection model as a conditional model: values that are missing depending on what they would have been."""

import warnings
from dataclasses import dataclass

import numpy as np

from jmimpute.chained.heckman_clusters import ClusterModels, places
from jmimpute.chained.heckman_draws import draw_unselected
from jmimpute.chained.heckman_pooling import Estimable, first_stage, one_model, second_stage
from jmimpute.chained.stage_two import ESTIMATORS
from jmimpute.chained.target import Target
from jmimpute.chained.two_stage_checks import check_predictors
from jmimpute.errors import ChainedWarning, ImputationError, options

FEWEST = 2  # clusters with a model of their own, below which there is one for all rows
_SAYS = {
    "bounded": "the likelihood has no maximum within rho = -1 to 1, and was multiplied by 1 - rho^2",
    "independent": "no correlation of selection and outcome could be estimated, and was taken as 0 with variance 1/n",
    "none": "no model could be fitted, and parameters are drawn as for clusters without observed values",
}
APART = 1e-8  # share of a predictor of selection that the predictors of the outcome must leave, to be an exclusion


@dataclass(frozen=True)
class ClusterParameters:
    """ClusterParameters parameters of every cluster.

    Attributes
    ----------
    beta : ndarray of shape (J, p)
    gamma : ndarray of shape (J, s)
    log_sigma : ndarray of shape (J, 1)
        0 for binary outcomes.
    atanh_rho : ndarray of shape (J, 1)
    """

    beta: np.ndarray
    gamma: np.ndarray
    log_sigma: np.ndarray
    atanh_rho: np.ndarray


@dataclass(frozen=True)
class TwoStageHeckman:
    """Two-stage Heckman imputation of a number or a binary variable that is missing not at random.

    In every cluster an outcome y = x beta_i + e and a probit model of being observed, r* = w gamma_i + eps, are fitted
    together, with corr(eps, e) = rho_i; a binary y is 1 where its latent outcome is positive. Four random-effects meta-analyses
    (of beta, gamma, log sigma and atanh rho) pool the clusters, parameters are drawn, and from them those of each cluster given
    its own estimates. Predictors of being observed that do not predict the value, exclusions, are what identifies rho.

    Parameters
    ----------
    exact : bool, optional
        Draw y given that it was not selected from its exact distribution, and without selection where it is missing in a whole
        cluster, by design. False draws as published, for comparison: numbers with the full residual SD around their mean,
        which makes them too dispersed, and in whole clusters as if nobody there had been selected.
    estimator : str, optional
        Of the meta-analyses: ``"reml"`` or ``"moments"``.

    Notes
    -----
    Munoz et al. (2023, arXiv 2301.05043), but where the likelihood of a cluster has no maximum with abs(rho) < 1, a factor
    1 - rho^2 is added, the density of atanh rho when rho is uniform. A cluster in which all is observed contributes an outcome
    model. Clusters that cannot be fitted are imputed with draws from the distribution between clusters. As in the paper, the
    covariance of estimates between the four meta-analyses is not used.
    """

    exact: bool = True
    estimator: str = "reml"

    def __post_init__(self) -> None:
        """Refuse estimators that do not exist."""
        if self.estimator not in ESTIMATORS:
            raise ImputationError(f"The estimator is {self.estimator!r}. It can be {options(ESTIMATORS)}.")

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values.

        Parameters
        ----------
        target : Target
            With a selection design.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n_missing,)
            In row order; 0 and 1 for binary variables.

        Raises
        ------
        ImputationError
            If there is no selection design, a predictor has no random coefficient, there are more than two categories, or
            nothing can be fitted.
        """
        check_predictors(target)
        data = Estimable(target, _selection_design(target))
        fits = first_stage(data)
        if fits.n_models < FEWEST:
            _warn(
                f"Only {fits.n_models} cluster(s) could be fitted with a Heckman model of {target.name!r}, so one model of all "
                "rows was used, without differences between clusters. Use fewer predictors if clusters are to differ."
            )
            return _impute(data, _draw_single(data, rng), self.exact, rng)
        _warn_of_clusters(target, fits)
        return _impute(data, _draw_clusters(data, self.estimator, rng), self.exact, rng)


@dataclass(frozen=True)
class Heckman:
    """Heckman imputation of a number or a binary variable that is missing not at random, clusters ignored.

    One model as in `TwoStageHeckman` for all rows, but those of clusters in which the variable is missing as a whole; all its
    parameters are drawn together.

    Parameters
    ----------
    exact : bool, optional
        As for `TwoStageHeckman`.

    Notes
    -----
    Galimard et al. (2018, BMC Med Res Methodol 18:90).
    """

    exact: bool = True

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values.

        Parameters
        ----------
        target : Target
            With a selection design.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (n_missing,)
            In row order; 0 and 1 for binary variables.

        Raises
        ------
        ImputationError
            If there is no selection design, there are more than two categories, or the model cannot be fitted.
        """
        data = Estimable(target, _selection_design(target))
        return _impute(data, _draw_single(data, rng), self.exact, rng)


def _selection_design(target: Target) -> np.ndarray:
    """Design of selection, checked."""
    _check_values(target)
    w = target.selection
    if w is None:
        raise ImputationError(
            f"Variable {target.name!r} has a Heckman method but no selection equation. Give its predictors, with one at least "
            f"that does not predict the outcome, such as selection={{{target.name!r}: '~ x + z'}}."
        )
    if np.linalg.matrix_rank(w) < w.shape[1]:
        raise ImputationError(f"The selection equation of {target.name!r} has collinear predictors. Leave some out.")
    rest = w - target.x @ np.linalg.lstsq(target.x, w, rcond=None)[0]
    if np.all(np.linalg.norm(rest, axis=0) <= APART * np.linalg.norm(w, axis=0)):
        _warn(
            f"All predictors of the selection of {target.name!r} predict its value as well: the correlation of both errors "
            "rests on their normality alone. Take a variable that only predicts whether it is observed out of the predictors "
            "of the value, or compare results under several assumptions (jm.sensitivity)."
        )
    return w


def _check_values(target: Target) -> None:
    """The variable is a number or has two categories."""
    if target.n_categories not in (0, 2):
        raise ImputationError(
            f"Variable {target.name!r} has {target.n_categories} categories; Heckman methods impute numbers and two categories."
        )
    values = np.unique(target.y[target.observed])
    if target.n_categories == 0 and len(values) == 2:
        raise ImputationError(
            f"Variable {target.name!r} is a number with two values, {values[0]:g} and {values[1]:g}, but its model would be "
            f"that of a normal variable. Make it categorical: data[{target.name!r}].astype('category')."
        )


def _draw_clusters(data: Estimable, estimator: str, rng: np.random.Generator) -> ClusterParameters:
    """Draw the distributions between clusters, and from them the parameters of each cluster."""
    blocks, drawn = first_stage(data).blocks, {}
    for name, pooled in second_stage(data, estimator).items():
        block = blocks[name]
        drawn[name] = pooled.draw(rng).cluster_draw(rng, block.fitted, block.estimates, block.covariances)
    return ClusterParameters(**({"log_sigma": np.zeros((data.target.n_clusters, 1))} | drawn))


def _draw_single(data: Estimable, rng: np.random.Generator) -> ClusterParameters:
    """Draw the parameters of one model for all clusters."""
    target, fit = data.target, one_model(data)
    if fit.kind != "likelihood":
        _warn(
            f"The Heckman model of {target.name!r}: {_SAYS[fit.kind]}. Use fewer predictors, or a stronger predictor of being "
            "observed."
        )
    theta = fit.theta + np.linalg.cholesky(fit.covariance) @ rng.standard_normal(len(fit.theta))
    found = places(target.x.shape[1], data.w.shape[1], data.binary)
    drawn = {name: np.tile(theta[at], (target.n_clusters, 1)) for name, at in found.items()}
    return ClusterParameters(**({"log_sigma": np.zeros((target.n_clusters, 1))} | drawn))


def _impute(data: Estimable, drawn: ClusterParameters, exact: bool, rng: np.random.Generator) -> np.ndarray:
    """Draw the missing values given the parameters of the clusters."""
    target = data.target
    rows = target.missing
    codes = target.codes[rows]
    mean = np.sum(target.x[rows] * drawn.beta[codes], axis=1)
    eta = np.sum(data.w[rows] * drawn.gamma[codes], axis=1)
    sigma, rho = np.exp(drawn.log_sigma[codes, 0]), np.tanh(drawn.atanh_rho[codes, 0])
    values = draw_unselected(mean, eta, sigma, rho, exact or data.binary, rng)
    if exact:
        by_design = target.systematic[codes]
        values[by_design] = (mean + sigma * rng.standard_normal(len(mean)))[by_design]
    return (values > 0.0).astype(float) if data.binary else values


def _warn_of_clusters(target: Target, fits: ClusterModels) -> None:
    """Name clusters that were not fitted in the usual way."""
    parts = [f"in cluster(s) {target.named(fits.of_kind(kind))} {says}" for kind, says in _SAYS.items() if fits.of_kind(kind)]
    if parts:
        _warn(
            f"Heckman models of {target.name!r}: {'; '.join(parts)}. Use fewer predictors, or a stronger predictor of being "
            "observed, or merge clusters."
        )


def _warn(text: str) -> None:
    """Warn at the caller of the method."""
    warnings.warn(text, ChainedWarning, stacklevel=4)

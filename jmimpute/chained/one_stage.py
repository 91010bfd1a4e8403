"""One-stage imputation of Resche-Rigon and White: a mixed model by REML, with all its parameters drawn."""

import warnings
from dataclasses import dataclass

import numpy as np

from jmimpute.analysis.mixed import SINGULAR, MixedFit, whiten
from jmimpute.chained.mixed_model import Design, fit_reml, impute, make_design
from jmimpute.chained.random_effects import draw_normal
from jmimpute.chained.target import Target
from jmimpute.chained.unbounded import from_unbounded, to_unbounded, unbounded_jacobian
from jmimpute.errors import ChainedWarning, ImputationError

#: Standard error of a log variance beyond which its normal distribution says nothing: one draw in forty would be more than
#: 400 times the estimate.
LOOSEST = 3.0


@dataclass(frozen=True)
class OneStage:
    """Impute by a mixed model with one residual variance.

    Notes
    -----
    Resche-Rigon and White (2018, Stat Methods Med Res 27:1634-1649), section 2. Estimates are by restricted maximum
    likelihood. Fixed effects are drawn from N(beta, S_beta). Independently of them, the log variances of the random effects,
    ``log((1 + rho) / (1 - rho))`` of their correlations and the log residual standard deviation are drawn from the normal
    distribution whose covariance matrix is the inverse of the observed information. A drawn matrix that is not positive
    semi-definite has its negative eigenvalues set to 0.

    At the boundary, where a random coefficient has an estimated variance of 0 or is a combination of the others, the paper
    leaves open what is done. Here such a coefficient stays that combination: only the others' variances and correlations are
    drawn. A variance that is not 0, but whose logarithm has a standard error above 3, stays at its estimate. Both are told by a
    ChainedWarning.
    """

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values of a target.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)

        Raises
        ------
        ImputationError
            If the mixed model cannot be fitted.
        """
        design = make_design(target)
        estimate = estimate_parameters(target, design)
        beta = draw_normal(estimate.fit.values, estimate.fit.covariance, rng)
        psi, variance = estimate.draw_components(rng)
        return impute(design, beta, psi, variance, rng)


@dataclass(frozen=True)
class Estimate:
    """What draws are made from. Random coefficients are `loading` times those of the fit, of which there may be fewer.

    Attributes
    ----------
    fit : MixedFit
    loading : ndarray, shape (q, r)
    components : ndarray, shape (r (r + 1) / 2 + 1,)
        Estimates of `to_unbounded`.
    covariance : ndarray, shape (r (r + 1) / 2 + 1, r (r + 1) / 2 + 1)
        Theirs; 0 for what is not drawn.
    """

    fit: MixedFit
    loading: np.ndarray
    components: np.ndarray
    covariance: np.ndarray

    def draw_components(self, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """Draw the covariance matrix of the random coefficients and the residual variance.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        psi : ndarray, shape (q, q)
        variance : float
        """
        psi, variance = from_unbounded(draw_normal(self.components, self.covariance, rng))
        return self.loading @ psi @ self.loading.T, variance


def estimate_parameters(target: Target, design: Design) -> Estimate:
    """Fit the mixed model; where its covariance matrix is singular, with those random coefficients that vary on their own.

    Parameters
    ----------
    target : Target
        For messages.
    design : Design

    Returns
    -------
    Estimate

    Raises
    ------
    ImputationError
        If the model cannot be fitted, or the likelihood has no curvature at its maximum.
    """
    fit = fit_reml(target, design)
    loading = np.eye(design.z.shape[1])
    while fit.singular and loading.shape[1]:
        loading = loading @ _combinations(fit, design.z @ loading)
        if loading.shape[1]:
            fit = fit_reml(target, design, design.z @ loading)
    _tell_dependent(target, design, loading)
    if not loading.shape[1]:
        return Estimate(fit, loading, np.log([fit.residual]) / 2, fit.components_covariance[-1:, -1:] / (4 * fit.residual**2))
    covariance = _covariance(target, design, fit)
    covariance = _without_loose(target, design, loading, covariance)
    return Estimate(fit, loading, to_unbounded(fit.random, fit.residual), covariance)


def _combinations(fit: MixedFit, z: np.ndarray) -> np.ndarray:
    """Coefficients as combinations of as many among them as the rank of their covariance matrix, shape (q, rank).

    Those come first that move the linear predictor most, given the others that were taken.
    """
    factor = whiten(z)[1]
    rank = np.sum(np.linalg.eigvalsh(factor @ fit.random @ factor.T / fit.residual) >= SINGULAR**2)
    size = np.sqrt(np.mean(z**2, axis=0))
    rest = fit.random * np.outer(size, size)
    leading = np.zeros(len(size), dtype=bool)
    for _ in range(min(rank, len(size) - 1)):
        k = np.where(leading, -np.inf, np.diag(rest)).argmax()
        leading[k] = True
        rest = rest - np.outer(rest[k], rest[k]) / rest[k, k]
    combinations = fit.random[:, leading] @ np.linalg.inv(fit.random[np.ix_(leading, leading)])
    combinations[leading] = np.eye(leading.sum())
    return combinations


def _tell_dependent(target: Target, design: Design, loading: np.ndarray) -> None:
    own = (loading == 1).any(axis=1)
    if own.all():
        return
    names = [repr(name) for name, kept in zip(design.random_columns, own, strict=True) if not kept]
    warnings.warn(
        f"{target.name!r}: the covariance matrix of its random coefficients is singular at the restricted maximum likelihood. "
        f"The coefficients of {' and '.join(names)} do not vary between clusters on their own, and stay the combination of the "
        "others that was estimated, or constant. Make them fixed if this goes on.",
        ChainedWarning,
        stacklevel=2,
    )


def _covariance(target: Target, design: Design, fit: MixedFit) -> np.ndarray:
    """Covariance matrix of the unbounded components: the delta method, exact as the likelihood has no slope at its maximum."""
    if not np.isfinite(fit.components_covariance).all():
        raise ImputationError(
            f"{target.name!r}: the restricted likelihood is flat at its maximum, so that the variances of the random "
            f"coefficients of {', '.join(map(repr, design.random_columns))} cannot be drawn. Give it fewer of them."
        )
    jacobian = unbounded_jacobian(fit.random, fit.residual)
    return jacobian @ fit.components_covariance @ jacobian.T


def _without_loose(target: Target, design: Design, loading: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Hold what belongs to variances that the data hardly tell from 0; the rest is given that."""
    size = loading.shape[1]
    rows, columns = np.tril_indices(size)
    loose = np.sqrt(np.diag(covariance)[:-1][rows == columns]) > LOOSEST
    if not loose.any():
        return covariance
    drawn = np.append(~(loose[rows] | loose[columns]), True)
    leading = [design.random_columns[int((loading[:, k] == 1).argmax())] for k in np.flatnonzero(loose)]
    warnings.warn(
        f"{target.name!r}: the variances of its random coefficients of {' and '.join(map(repr, leading))} are so close to 0 "
        "that their logarithms are far from normal; they stay at their estimates. Make the coefficients fixed if this goes on.",
        ChainedWarning,
        stacklevel=2,
    )
    result = np.zeros_like(covariance)
    result[np.ix_(drawn, drawn)] = np.linalg.inv(np.linalg.inv(covariance)[np.ix_(drawn, drawn)])
    return result

"""The mixed model of a target: its design, its fit, and imputations given drawn parameters."""

from dataclasses import dataclass

import numpy as np

from jmimpute.analysis.mixed import MixedFit, fit_mixed
from jmimpute.chained.random_effects import draw_effects, effects_given_data
from jmimpute.chained.regression import check_full_rank
from jmimpute.chained.target import Target
from jmimpute.errors import AnalysisError, ImputationError


@dataclass(frozen=True)
class Design:
    """A target as a mixed model sees it. Predictors of the clusters are among the fixed effects.

    Attributes
    ----------
    y : ndarray, shape (n_observed,)
    x : ndarray, shape (n_observed, p)
    z : ndarray, shape (n_observed, q)
    codes : ndarray of int, shape (n_observed,)
    n_clusters : int
        With or without observed values.
    n_seen : int
        Clusters with observed values.
    x_missing, z_missing, codes_missing : ndarray
        The same of the rows to be imputed.
    random_columns : tuple of str, length q
        Names of the columns of `z`.
    """

    y: np.ndarray
    x: np.ndarray
    z: np.ndarray
    codes: np.ndarray
    n_clusters: int
    n_seen: int
    x_missing: np.ndarray
    z_missing: np.ndarray
    codes_missing: np.ndarray
    random_columns: tuple[str, ...]


def make_design(target: Target) -> Design:
    """Lay out a target for a mixed model.

    Parameters
    ----------
    target : Target

    Returns
    -------
    Design

    Raises
    ------
    ImputationError
        If no coefficient is random, fewer than two clusters have observed values, these are fewer than the fixed effects, or
        predictors are collinear in the rows where the target is observed.
    """
    x = np.column_stack([target.x, target.means[target.codes]])
    _check(target, x[target.observed])
    z = target.x[:, target.random]
    seen, unseen = target.observed, target.missing
    return Design(
        y=target.y[seen],
        x=x[seen],
        z=z[seen],
        codes=target.codes[seen],
        n_clusters=target.n_clusters,
        n_seen=int((~target.systematic).sum()),
        x_missing=x[unseen],
        z_missing=z[unseen],
        codes_missing=target.codes[unseen],
        random_columns=tuple(target.columns[k] for k in target.random),
    )


def _check(target: Target, x: np.ndarray) -> None:
    """A mixed model can be fitted to what is observed."""
    if not len(target.random):
        raise ImputationError(
            f"{target.name!r}: a mixed model has a random coefficient at least, and none was asked for. Take a method that "
            "ignores clusters, such as 'norm'."
        )
    seen = target.n_clusters - int(target.systematic.sum())
    if seen < 2:
        raise ImputationError(
            f"{target.name!r}: {seen} of {target.n_clusters} clusters have observed values; a mixed model needs two at least. "
            "Take a method that ignores clusters, such as 'norm'."
        )
    if len(x) <= x.shape[1]:
        raise ImputationError(
            f"{target.name!r}: {len(x)} observed values are too few for {x.shape[1]} fixed effects. Give it fewer predictors."
        )
    names = [*target.columns, *(f"cluster-level predictor {k + 1}" for k in range(target.means.shape[1]))]
    check_full_rank(x, target.name, names)


def fit_reml(target: Target, design: Design, z: np.ndarray | None = None) -> MixedFit:
    """Fit the linear mixed model by restricted maximum likelihood.

    Parameters
    ----------
    target : Target
        For messages.
    design : Design
    z : ndarray, shape (n_observed, r), optional
        Another random part than `design.z`.

    Returns
    -------
    MixedFit

    Raises
    ------
    ImputationError
        If no maximum is found.
    """
    try:
        fit = fit_mixed(design.y, design.x, design.z if z is None else z, design.codes)
    except AnalysisError as error:
        raise ImputationError(f"{target.name!r} has no mixed model. {error}") from error
    if not fit.converged:
        raise ImputationError(
            f"{target.name!r}: the search for the restricted maximum likelihood did not converge. Give it fewer random "
            "coefficients or predictors on a similar scale."
        )
    return fit


def impute(design: Design, beta: np.ndarray, psi: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the missing values of a linear mixed model given its parameters.

    Parameters
    ----------
    design : Design
    beta : ndarray, shape (p,)
    psi : ndarray, shape (q, q)
    variance : float
        Of the residuals.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_missing,)

    Notes
    -----
    Resche-Rigon and White (2018), section 2.2: random effects of a cluster are drawn given what is observed in it, and from
    N(0, psi) where nothing is.
    """
    residuals = design.y - design.x @ beta
    given = effects_given_data(residuals, design.z, design.codes, design.n_clusters, psi, variance)
    mean = linear_predictor(design, beta, draw_effects(*given, rng))
    return mean + np.sqrt(variance) * rng.standard_normal(len(mean))


def linear_predictor(design: Design, beta: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Linear predictor of the rows to be imputed.

    Parameters
    ----------
    design : Design
    beta : ndarray, shape (p,)
    effects : ndarray, shape (n_clusters, q)

    Returns
    -------
    ndarray, shape (n_missing,)
    """
    return design.x_missing @ beta + np.sum(design.z_missing * effects[design.codes_missing], axis=1)

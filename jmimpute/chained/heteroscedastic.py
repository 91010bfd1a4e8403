"""Imputation by a mixed model with a residual variance for each cluster, by a Gibbs sampler."""

from dataclasses import dataclass, replace

import numpy as np

from jmimpute.analysis.mixed import whiten
from jmimpute.chained.mixed_model import make_design
from jmimpute.chained.random_effects import draw_inverse_wishart, draw_normal, sum_by_cluster
from jmimpute.chained.target import Target
from jmimpute.errors import ImputationError


@dataclass(frozen=True)
class Heteroscedastic:
    """Impute by a mixed model whose clusters have residual variances of their own, as ``2l.norm`` of mice.

    Each of the q predictors, the constant among them, has a random coefficient. Every cluster must have an observed value, and
    2 q + 3 clusters more than q.

    Attributes
    ----------
    iterations : int, optional
        Of the Gibbs sampler, which starts anew in every sweep; its last state is used.

    Notes
    -----
    Kasim and Raudenbush (1998, J Educ Behav Stat 23:93-116), as in mice 3.19: coefficients of clusters are N(mu, psi), residual
    variances scaled inverse chi-square with 1 / theta degrees of freedom and location s0, and priors flat on mu, psi, s0 and
    theta. The draw of theta replaces a gamma function by Stirling's formula. Other than in mice there is no ridge, the sampler
    starts on the scale of the data, and a predictor whose coefficient is fixed is an error where mice leaves it out.
    """

    iterations: int = 100

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ImputationError(f"iterations={self.iterations} must be 1 at least.")

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
            If a cluster has no observed value, a coefficient is fixed, or clusters are too few.
        """
        _check(target)
        design = make_design(target)
        z, factor = whiten(design.z)
        centre = z.T @ design.y / len(z)
        scale = np.sqrt(np.mean((design.y - z @ centre) ** 2))
        if scale <= 1e-10 * np.sqrt(np.mean(design.y**2)):
            raise ImputationError(
                f"{target.name!r}: its predictors reproduce it without any residual. Check whether it is constant or a "
                "combination of them."
            )
        rows = Rows((design.y - z @ centre) / scale, z, design.codes, design.n_clusters)
        state = start(rows)
        for _ in range(self.iterations):
            state = step(state, rows, rng)
        coefficients = np.linalg.solve(factor, (centre + scale * state.coefficients).T).T
        mean = np.einsum("nq,nq->n", design.z_missing, coefficients[design.codes_missing])
        sd = scale * np.sqrt(state.variances[design.codes_missing])
        return mean + sd * rng.standard_normal(len(mean))


def _check(target: Target) -> None:
    fixed = [name for k, name in enumerate(target.columns) if k not in set(target.random.tolist())]
    if fixed or target.means.shape[1]:
        named = ", ".join(map(repr, fixed)) or "cluster means"
        raise ImputationError(
            f"{target.name!r}: in a heteroscedastic model every predictor has a random coefficient, and {named} would have a "
            "fixed one. Make it random, leave it out, or take 'one-stage'."
        )
    empty = np.flatnonzero(target.systematic)
    if len(empty):
        raise ImputationError(
            f"{target.name!r} has no observed value in {len(empty)} of {target.n_clusters} clusters ({target.named(empty)}), "
            "which a heteroscedastic model needs for their residual variances. Take 'one-stage' or 'two-stage'."
        )
    q = len(target.random)
    enough = int(np.sum(np.bincount(target.codes[target.observed]) > q))
    if enough < 2 * q + 3:  # with fewer clusters the covariance matrix of the coefficients has no mean
        raise ImputationError(
            f"{target.name!r}: a heteroscedastic model with {q} coefficients needs {2 * q + 3} clusters at least with more "
            f"than {q} observed values, and there are {enough}. Give it fewer predictors, or take 'one-stage'."
        )


@dataclass(frozen=True)
class Rows:
    """Observed rows, whitened.

    Attributes
    ----------
    y : ndarray, shape (n_rows,)
    z : ndarray, shape (n_rows, q)
    codes : ndarray of int, shape (n_rows,)
    n_clusters : int
    """

    y: np.ndarray
    z: np.ndarray
    codes: np.ndarray
    n_clusters: int

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the rows of each cluster.

        Parameters
        ----------
        values : ndarray, shape (n_rows, ...)

        Returns
        -------
        ndarray, shape (n_clusters, ...)
        """
        return sum_by_cluster(values, self.codes, self.n_clusters)


@dataclass(frozen=True)
class State:
    """State of the Gibbs sampler.

    Attributes
    ----------
    coefficients : ndarray, shape (n_clusters, q)
    mu : ndarray, shape (q,)
    psi : ndarray, shape (q, q)
    variances : ndarray, shape (n_clusters,)
        Of residuals.
    location : float
        s0 of the residual variances.
    theta : float
        Their spread: one over their degrees of freedom.
    """

    coefficients: np.ndarray
    mu: np.ndarray
    psi: np.ndarray
    variances: np.ndarray
    location: float
    theta: float


def start(rows: Rows) -> State:
    """Give the state from which mice starts: unit variances, means of 0.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    State
    """
    n, q = rows.n_clusters, rows.z.shape[1]
    return State(np.zeros((n, q)), np.zeros(q), np.eye(q), np.ones(n), 1.0, 1.0)


def step(state: State, rows: Rows, rng: np.random.Generator) -> State:
    """Draw each part of the state given the others.

    Parameters
    ----------
    state : State
    rows : Rows
    rng : numpy.random.Generator

    Returns
    -------
    State
    """
    state = replace(state, coefficients=draw_coefficients(state, rows, rng))
    mu = draw_normal(state.coefficients.mean(axis=0), state.psi / rows.n_clusters, rng)
    away = state.coefficients - mu
    psi = draw_inverse_wishart(rows.n_clusters - len(mu) - 1, away.T @ away, rng)
    state = replace(state, mu=mu, psi=psi)
    state = replace(state, variances=draw_variances(state, rows, rng))
    state = replace(state, location=draw_location(state, rng))
    return replace(state, theta=draw_theta(state, rng))


def draw_coefficients(state: State, rows: Rows, rng: np.random.Generator) -> np.ndarray:
    """Draw the coefficients of the clusters.

    Parameters
    ----------
    state : State
    rows : Rows
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_clusters, q)
    """
    inverse = np.linalg.inv(state.psi)
    weighted = rows.z / state.variances[rows.codes][:, None]
    precision = rows.sums(weighted[:, :, None] * rows.z[:, None, :]) + inverse
    sums = rows.sums(weighted * rows.y[:, None]) + inverse @ state.mu
    lower = np.linalg.cholesky(precision)
    half = np.linalg.solve(lower, sums[:, :, None]) + rng.standard_normal(sums.shape)[:, :, None]
    return np.linalg.solve(lower.swapaxes(1, 2), half)[:, :, 0]


def draw_variances(state: State, rows: Rows, rng: np.random.Generator) -> np.ndarray:
    """Draw the residual variances of the clusters.

    Parameters
    ----------
    state : State
    rows : Rows
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_clusters,)
    """
    residuals = rows.y - np.einsum("nq,nq->n", rows.z, state.coefficients[rows.codes])
    shape = rows.sums(np.ones(len(residuals))) / 2 + 1 / (2 * state.theta)
    rate = rows.sums(residuals**2) / 2 + state.location / (2 * state.theta)
    return rate / rng.gamma(shape)


def draw_location(state: State, rng: np.random.Generator) -> float:
    """Draw the location s0 of the residual variances.

    Parameters
    ----------
    state : State
    rng : numpy.random.Generator

    Returns
    -------
    float
    """
    shape = len(state.variances) / (2 * state.theta)
    return float(rng.gamma(shape + 1) / (shape * np.mean(1 / state.variances)))


def draw_theta(state: State, rng: np.random.Generator) -> float:
    """Draw the spread of the residual variances, with Stirling's formula for the gamma function of their density.

    Parameters
    ----------
    state : State
    rng : numpy.random.Generator

    Returns
    -------
    float
    """
    n = len(state.variances)
    relative = state.location / state.variances
    rate = n * np.mean(relative - np.log(relative) - 1) / 2
    return float(rate / rng.gamma(n / 2 - 1))

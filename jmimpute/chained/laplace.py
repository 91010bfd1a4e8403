"""The logistic and the Poisson mixed model with any random coefficients, by Laplace's approximation.

The same estimator as lme4's ``glmer`` with its default of one quadrature point. `jmimpute.analysis.mixed_glm` needs no
approximation, but has random intercepts only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jmimpute.analysis.mixed import SINGULAR, whiten
from jmimpute.analysis.mixed_glm import FLAT, SLACK
from jmimpute.chained.random_effects import root, sum_by_cluster

#: Step of differences of the gradient, by coefficients of whitened columns.
STEP = 1e-4

_OPTIONS = {"gtol": 1e-8, "maxiter": 500}


@dataclass(frozen=True)
class LaplaceFit:
    """A fitted mixed model.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Fixed effects, on the scale of the linear predictor.
    covariance : ndarray, shape (k, k)
        Their part of the inverse of the observed information on all parameters; where `random` is singular, the inverse of
        their part of the information.
    random : ndarray, shape (r, r)
        Covariance matrix of the random effects.
    log_likelihood : float
        Approximate, without a constant of the data.
    converged, singular, separated : bool
        Whether the search reached a maximum; whether `random` has no full rank; whether the likelihood is flat in a direction
        of the fixed effects, as it is where covariates separate the response.
    """

    values: np.ndarray
    covariance: np.ndarray
    random: np.ndarray
    log_likelihood: float
    converged: bool
    singular: bool
    separated: bool


@dataclass(frozen=True)
class Family:
    """The canonical exponential family: log density ``y eta - cumulant(eta)``, and further derivatives of the cumulant.

    Attributes
    ----------
    cumulant, mean : callable
        Of linear predictors.
    variance, skew : callable
        Second and third derivative of the cumulant, of means.
    start : callable
        Linear predictors, roughly, of responses.
    """

    cumulant: Callable[[np.ndarray], np.ndarray]
    mean: Callable[[np.ndarray], np.ndarray]
    variance: Callable[[np.ndarray], np.ndarray]
    skew: Callable[[np.ndarray], np.ndarray]
    start: Callable[[np.ndarray], np.ndarray]


def _logistic_mean(eta: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(eta / 2))


BINOMIAL = Family(
    cumulant=lambda eta: np.logaddexp(0.0, eta),
    mean=_logistic_mean,
    variance=lambda mean: mean * (1 - mean),
    skew=lambda mean: mean * (1 - mean) * (1 - 2 * mean),
    start=lambda y: 4 * y - 2,
)
POISSON = Family(
    cumulant=np.exp, mean=np.exp, variance=lambda mean: mean, skew=lambda mean: mean, start=lambda y: np.log(y + 0.5)
)


@dataclass(frozen=True)
class _Rows:
    """Whitened table."""

    y: np.ndarray  # (n_rows,)
    X: np.ndarray  # (n_rows, k)
    Z: np.ndarray  # (n_rows, r)
    clusters: np.ndarray  # (n_rows,)
    n_clusters: int
    family: Family

    def sums(self, values: np.ndarray) -> np.ndarray:
        return sum_by_cluster(values, self.clusters, self.n_clusters)


@dataclass(frozen=True)
class _Laplace:
    """Approximate log-likelihood at one point, and its derivatives."""

    value: float
    by_fixed: np.ndarray  # (k,)
    by_factor: np.ndarray  # (r, r)


@dataclass(frozen=True)
class Modes:
    """Most probable random effects ``factor u`` of each cluster, and the curvature there.

    Attributes
    ----------
    u : ndarray, shape (n_clusters, r)
    precision : ndarray, shape (n_clusters, r, r)
        Negative second derivatives of the log density of u given the data; the identity where there are none.
    factor : ndarray, shape (r, r)
    """

    u: np.ndarray
    precision: np.ndarray
    factor: np.ndarray

    @property
    def effects(self) -> np.ndarray:
        """The modes on the scale of the random effects, shape (n_clusters, r)."""
        return self.u @ self.factor.T

    @property
    def root(self) -> np.ndarray:
        """Roots of the covariance matrices of the approximating normal distributions, shape (n_clusters, r, r)."""
        return self.factor @ np.linalg.inv(np.linalg.cholesky(self.precision)).swapaxes(1, 2)


def fit_laplace(
    y: np.ndarray, X: np.ndarray, Z: np.ndarray, clusters: np.ndarray, n_clusters: int, family: Family = BINOMIAL
) -> LaplaceFit:
    """Fit ``g(E y) = X b + Z_j u_j``, ``u_j ~ N(0, random)``.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        0 or 1, or counts.
    X : ndarray, shape (n_rows, k)
        Fixed part, of full column rank.
    Z : ndarray, shape (n_rows, r)
        Random part, of full column rank.
    clusters : ndarray of int, shape (n_rows,)
        Cluster of each row, coded 0 to n_clusters - 1.
    n_clusters : int
        Clusters without rows do no harm.
    family : Family, optional
        Logistic (default) or Poisson.

    Returns
    -------
    LaplaceFit

    Notes
    -----
    Bates, Maechler, Bolker and Walker (2015, J Stat Softw 67(1)) describe the estimator. With u_j = F v_j, v_j standard
    normal, the log-likelihood of a cluster is that of its data and v_j at the most probable v_j, less half the log
    determinant of the curvature there. Its gradient is exact; the observed information is differences of it, by the fixed
    effects and the Cholesky factor. X and Z are orthonormalised first, which changes nothing but the conditioning.
    """
    X_white, X_factor = whiten(X)
    Z_white, Z_factor = whiten(Z)
    rows = _Rows(y, X_white, Z_white, clusters, n_clusters, family)
    fixed, factor = _search(rows)
    lower = np.linalg.qr(factor.T)[1].T
    singular = bool(np.linalg.svd(lower, compute_uv=False).min() < SINGULAR)
    best = _laplace(fixed, lower, rows)
    slope, information = _information(fixed, lower, rows)
    k = X.shape[1]
    kept = slice(k) if singular else slice(None)
    slope, information = slope[kept], information[kept, kept]
    definite = bool(np.linalg.eigvalsh(information)[0] > 0)
    inverse = np.linalg.inv(information) if definite else np.full_like(information, np.nan)
    X_back, Z_back = np.linalg.inv(X_factor), np.linalg.inv(Z_factor)
    return LaplaceFit(
        values=X_back @ fixed,
        covariance=X_back @ inverse[:k, :k] @ X_back.T,
        random=Z_back @ lower @ lower.T @ Z_back.T,
        log_likelihood=best.value,
        converged=definite and bool(slope @ inverse @ slope < SLACK),
        singular=singular,
        separated=bool(np.linalg.eigvalsh(information[:k, :k])[0] < FLAT),
    )


def find_modes(
    y: np.ndarray, fixed: np.ndarray, Z: np.ndarray, clusters: np.ndarray, n_clusters: int, psi: np.ndarray, family: Family
) -> Modes:
    """Find the most probable random effects given the data and the parameters.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
    fixed : ndarray, shape (n_rows,)
        Fixed part of the linear predictor.
    Z : ndarray, shape (n_rows, r)
    clusters : ndarray of int, shape (n_rows,)
    n_clusters : int
        Those without rows have the mode 0.
    psi : ndarray, shape (r, r)
        Covariance matrix of the random effects; may be singular.
    family : Family

    Returns
    -------
    Modes
    """
    factor = root(psi)
    rows = _Rows(y, np.empty((len(y), 0)), Z, clusters, n_clusters, family)
    u, precision = _modes(fixed, Z @ factor, rows)
    return Modes(u, precision, factor)


def _modes(fixed: np.ndarray, scaled: np.ndarray, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method in all clusters at once. No step moves a linear predictor by more than one."""
    u = np.zeros((rows.n_clusters, scaled.shape[1]))
    for _ in range(200):
        mean = rows.family.mean(fixed + _along(scaled, u, rows))
        precision = _precision(mean, scaled, rows)
        slope = rows.sums(scaled * (rows.y - mean)[:, None]) - u
        step = np.linalg.solve(precision, slope[:, :, None])[:, :, 0]
        promised = np.sum(step * slope, axis=1).max()
        moved = np.zeros(rows.n_clusters)
        np.maximum.at(moved, rows.clusters, np.abs(_along(scaled, step, rows)))
        u = u + step / np.maximum(moved, 1.0)[:, None]
        if not promised >= 1e-12:  # also where it is not a number: the search steps back
            break
    mean = rows.family.mean(fixed + _along(scaled, u, rows))
    return u, _precision(mean, scaled, rows)


def _along(scaled: np.ndarray, u: np.ndarray, rows: _Rows) -> np.ndarray:
    """Random part of the linear predictors."""
    return np.einsum("nr,nr->n", scaled, u[rows.clusters])


def _precision(mean: np.ndarray, scaled: np.ndarray, rows: _Rows) -> np.ndarray:
    weighted = scaled * rows.family.variance(mean)[:, None]
    return np.eye(scaled.shape[1]) + rows.sums(weighted[:, :, None] * scaled[:, None, :])


def _laplace(fixed: np.ndarray, factor: np.ndarray, rows: _Rows) -> _Laplace:
    """Value and gradient at coefficients and a factor F of the covariance matrix, both of whitened columns.

    The mode moves with the parameters, which changes the determinant only: by ``skew`` times the leverages ``c`` of the rows.
    """
    scaled = rows.Z @ factor
    u, precision = _modes(rows.X @ fixed, scaled, rows)
    eta = rows.X @ fixed + _along(scaled, u, rows)
    mean = rows.family.mean(eta)
    variance, residuals = rows.family.variance(mean), rows.y - mean
    value = np.sum(rows.y * eta - rows.family.cumulant(eta)) - np.sum(u**2) / 2 - np.linalg.slogdet(precision)[1].sum() / 2
    inverse = np.linalg.inv(precision)
    leverage = np.einsum("na,nab,nb->n", scaled, inverse[rows.clusters], scaled, optimize=True)
    pull = rows.family.skew(mean) * leverage
    shift = np.einsum("jab,jb->ja", inverse, rows.sums(scaled * pull[:, None]))
    weights = residuals - pull / 2 + variance * _along(scaled, shift, rows) / 2
    curvature = rows.sums(rows.Z[:, :, None] * (rows.Z * variance[:, None])[:, None, :])
    by_factor = (
        rows.sums(rows.Z * weights[:, None]).T @ u
        - np.einsum("jab,bc,jcd->ad", curvature, factor, inverse, optimize=True)
        - rows.sums(rows.Z * residuals[:, None]).T @ shift / 2
    )
    return _Laplace(float(value), rows.X.T @ weights, by_factor)


def _search(rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Maximise over fixed effects and any square factor, once more from beside a point where that lost its rank."""
    from scipy.optimize import minimize

    k, r, n = rows.X.shape[1], rows.Z.shape[1], len(rows.y)

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            here = _laplace(theta[:k], theta[k:].reshape(r, r), rows)
        gradient = np.append(here.by_fixed, here.by_factor.ravel())
        return (-here.value, -gradient) if np.isfinite(gradient).all() else (np.inf, np.zeros_like(theta))

    start = np.append(rows.X.T @ rows.family.start(rows.y) / n, np.eye(r).ravel())
    first = minimize(negative, start, jac=True, method="BFGS", options=_OPTIONS)
    factor = first.x[k:].reshape(r, r)
    if np.linalg.svd(factor, compute_uv=False).min() < SINGULAR:
        beside = np.linalg.cholesky(factor @ factor.T + 0.01 * np.eye(r))
        second = minimize(negative, np.append(first.x[:k], beside.ravel()), jac=True, method="BFGS", options=_OPTIONS)
        first = second if second.fun < first.fun else first
    return first.x[:k], first.x[k:].reshape(r, r)


def _information(fixed: np.ndarray, lower: np.ndarray, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and negative Hessian by the fixed effects and the lower triangle of the factor."""
    k, triangle = len(fixed), np.tril_indices(len(lower))

    def slope(theta: np.ndarray) -> np.ndarray:
        factor = np.zeros_like(lower)
        factor[triangle] = theta[k:]
        here = _laplace(theta[:k], factor, rows)
        return np.append(here.by_fixed, here.by_factor[triangle])

    point = np.append(fixed, lower[triangle])
    differences = [(slope(point - step) - slope(point + step)) / (2 * STEP) for step in STEP * np.eye(len(point))]
    information = np.array(differences)
    return slope(point), (information + information.T) / 2

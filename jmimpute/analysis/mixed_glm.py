"""The logistic and the Poisson mixed model with a random intercept, by maximum likelihood.

The same estimator as lme4's ``glmer`` with many quadrature points, and the same covariance matrix, from the curvature of the
likelihood. It stands here because statsmodels has no maximum likelihood for these models.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from jmimpute.analysis.mixed import SINGULAR, whiten

#: Quadrature points a cluster: at least, for each unit of the standard deviation, and at most. The log density of an intercept
#: has dropped by `DROP` beyond them.
FEWEST, BY_SD, MOST = 24, 16.0, 200
DROP = 25.0

#: What a Newton step promises, in log-likelihood, when it is the last one.
GAIN = 1e-10

#: What the last step may promise when a fit is called converged: estimates are within 0.01 standard errors of the maximum.
SLACK = 1e-4

#: Information on a direction of coefficients that moves linear predictors by one (root mean square): with less, the likelihood
#: is flat there. A single event gives about one.
FLAT = 1e-2

STEPS = 100


@dataclass(frozen=True)
class MixedGLMFit:
    """A fitted mixed model.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Fixed effects, on the scale of the linear predictor.
    covariance : ndarray, shape (k, k)
        Their part of the inverse of the observed information on fixed effects and standard deviation.
    variance : float
        Of the random intercept.
    log_likelihood : float
    converged, singular, separated : bool
        Whether the search reached a maximum; whether the variance is zero there; whether the likelihood is flat in a direction
        of the fixed effects, as it is where covariates separate the response.
    variance_of_variance : float
        Squared standard error of `variance`, from the same information; NaN where the variance is zero.
    log_likelihood_at : callable
        The log likelihood at ``(values, variance)``. It holds the rows.
    """

    values: np.ndarray
    covariance: np.ndarray
    variance: float
    log_likelihood: float
    converged: bool
    singular: bool
    separated: bool
    variance_of_variance: float
    log_likelihood_at: Callable[[np.ndarray, float], float] = field(repr=False)


@dataclass(frozen=True)
class _Link:
    """The canonical exponential family: log density ``y eta - cumulant(eta) + constant(y)``."""

    cumulant: Callable[[np.ndarray], np.ndarray]
    mean: Callable[[np.ndarray], np.ndarray]
    variance: Callable[[np.ndarray], np.ndarray]  # of a mean
    constant: Callable[[np.ndarray], float]  # summed over the rows
    start: Callable[[np.ndarray], np.ndarray]  # linear predictors, roughly, of responses


@dataclass(frozen=True)
class _Rows:
    """The table, ordered by cluster."""

    y: np.ndarray  # (n_rows,)
    X: np.ndarray  # (n_rows, k)
    clusters: np.ndarray  # (n_rows,)
    starts: np.ndarray  # (n_clusters,), first row of each
    link: _Link

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the rows of each cluster."""
        return np.add.reduceat(values, self.starts)


@dataclass(frozen=True)
class _Marginal:
    """The log-likelihood at one point (fixed effects, standard deviation), its gradient and its negative Hessian."""

    value: float
    slope: np.ndarray  # (k + 1,)
    information: np.ndarray  # (k + 1, k + 1)


def fit_mixed_glm(y: np.ndarray, X: np.ndarray, clusters: np.ndarray, family: str = "binomial") -> MixedGLMFit:
    """Fit ``g(E y) = X b + u_j``, ``u_j ~ N(0, variance)``.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        0 or 1, or counts.
    X : ndarray, shape (n_rows, k)
        Fixed part, of full column rank.
    clusters : ndarray of int, shape (n_rows,)
        Cluster of each row, coded 0 to n_clusters - 1. The order of rows does not matter.
    family : {"binomial", "poisson"}, optional
        Binomial has a logit link, Poisson a log link.

    Returns
    -------
    MixedGLMFit

    Notes
    -----
    The intercept of each cluster, in units of its standard deviation (which may be negative on the way: the likelihood is the
    same), is integrated out by the trapezoidal rule over the range that matters. For a smooth density that falls off on both
    sides its error shrinks exponentially with the number of points (Trefethen and Weideman 2014), also for the lopsided ones of
    clusters whose responses are all the same, with which Gauss-Hermite quadrature at the mode has trouble. Gradient and Hessian
    are expectations over the intercepts given the data (Louis 1982), by the same quadrature, so that Newton's method and the
    covariance matrix need no differences. X is orthonormalised first, which changes nothing but the conditioning.
    """
    order = np.argsort(clusters, kind="stable")
    X_white, X_factor = whiten(X)
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    rows = _Rows(y[order], X_white[order], clusters[order], starts, _links()[family])
    point, best, converged = _search(rows)
    k = X.shape[1]
    back = np.linalg.inv(X_factor)
    inverse = np.linalg.pinv(best.information, hermitian=True)
    singular = bool(abs(point[k]) < SINGULAR)
    constant = rows.link.constant(y)
    return MixedGLMFit(
        values=back @ point[:k],
        covariance=back @ inverse[:k, :k] @ back.T,
        variance=float(point[k] ** 2),
        log_likelihood=best.value + constant,
        converged=converged,
        singular=singular,
        separated=bool(np.linalg.eigvalsh(best.information[:k, :k])[0] < FLAT),
        variance_of_variance=np.nan if singular else float((2 * point[k]) ** 2 * inverse[k, k]),
        log_likelihood_at=lambda values, variance: (
            _marginal(np.append(X_factor @ values, np.sqrt(variance)), rows).value + constant
        ),
    )


def _links() -> dict[str, _Link]:
    from scipy.special import expit, gammaln

    logistic = _Link(
        cumulant=lambda eta: np.logaddexp(0.0, eta),
        mean=expit,
        variance=lambda mean: mean * (1 - mean),
        constant=lambda y: 0.0,
        start=lambda y: 4 * y - 2,
    )
    poisson = _Link(
        cumulant=np.exp,
        mean=np.exp,
        variance=lambda mean: mean,
        constant=lambda y: -float(gammaln(y + 1).sum()),
        start=lambda y: np.log(y + 0.5),
    )
    return {"binomial": logistic, "poisson": poisson}


def _search(rows: _Rows) -> tuple[np.ndarray, _Marginal, bool]:
    """Newton's method. Where the likelihood is not concave, a step uses the sizes of the curvatures, so that it goes up."""
    point = np.append(rows.X.T @ rows.link.start(rows.y) / len(rows.y), 1.0)
    here = _marginal(point, rows)
    for _ in range(STEPS):
        curvatures, directions = np.linalg.eigh(here.information)
        sizes = np.maximum(np.abs(curvatures), 1e-12 * np.abs(curvatures).max())
        step = directions @ (directions.T @ here.slope / sizes)
        promised = float(here.slope @ step)
        point, here, moved = _move(point, here, step, rows)
        # Gradients are off by the error of the quadrature, so that values may cease to rise before that.
        if promised < GAIN or not moved:
            return point, here, promised < SLACK
    return point, here, False


def _move(point: np.ndarray, here: _Marginal, step: np.ndarray, rows: _Rows) -> tuple[np.ndarray, _Marginal, bool]:
    """Go along a step, halved until the likelihood does not fall by more than rounding."""
    floor = here.value - 1e-12 * abs(here.value)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(40):
            there = _marginal(point + step, rows)
            if there.value >= floor:
                return point + step, there, True
            step = step / 2
    return point, here, False


def _marginal(point: np.ndarray, rows: _Rows) -> _Marginal:
    """Integrate the intercepts out."""
    fixed, sd = rows.X @ point[:-1], point[-1]
    low, high = _reach(fixed, sd, rows)
    n_nodes = int(np.clip(BY_SD * abs(sd), FEWEST, MOST))
    z = np.linspace(low, high, n_nodes, axis=1)
    heights, scores = _at_nodes(fixed, sd, z, rows)
    heights += np.log((high - low) / (n_nodes - 1) / np.sqrt(2 * np.pi))[:, None] - 0.5 * z**2
    values = np.logaddexp.reduce(heights, axis=1)
    weights = np.exp(heights - values[:, None])
    slopes = np.einsum("jn,jna->ja", weights, scores)
    scatter = np.einsum("jna,jnb->ab", weights[:, :, None] * scores, scores, optimize=True) - slopes.T @ slopes
    return _Marginal(float(values.sum()), slopes.sum(axis=0), _complete_information(fixed, sd, z, weights, rows) - scatter)


def _reach(fixed: np.ndarray, sd: float, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the range in which the log density of each cluster's intercept, in standard deviations, is less than DROP down.

    It is concave, so that Newton's method ends outside wherever it starts, and its curvature of at least one bounds the range.
    """
    mode = _modes(fixed, sd, rows)
    peak, _, curvature = _height(mode, fixed, sd, rows)
    longest = np.sqrt(2 * DROP)
    ends = []
    for sign in (-1.0, 1.0):
        length = longest / np.sqrt(curvature)
        for _ in range(20):
            height, slope, _ = _height(mode + sign * length, fixed, sd, rows)
            before, length = length, np.minimum(length + sign * (peak - DROP - height) / slope, longest)
            if (np.abs(length - before) < 0.05 * length).all():
                break
        ends.append(mode + sign * length)
    return ends[0], ends[1]


def _modes(fixed: np.ndarray, sd: float, rows: _Rows) -> np.ndarray:
    """Most probable intercept of each cluster, in standard deviations, shape (n_clusters,).

    No step moves a linear predictor by more than one, over which a quadratic approximation holds.
    """
    mode = np.zeros(len(rows.starts))
    longest = 1.0 / max(abs(sd), 1e-3)
    for _ in range(100):
        _, slope, curvature = _height(mode, fixed, sd, rows)
        step = np.clip(slope / curvature, -longest, longest)
        mode = mode + step
        if np.abs(step * np.sqrt(curvature)).max() < 1e-3:
            break
    return mode


def _height(z: np.ndarray, fixed: np.ndarray, sd: float, rows: _Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log density of each cluster's data and intercept, with its slope and its curvature (sign reversed) by the intercept."""
    eta = fixed + sd * z[rows.clusters]
    mean = rows.link.mean(eta)
    height = rows.sums(rows.y * eta - rows.link.cumulant(eta)) - 0.5 * z**2
    return height, sd * rows.sums(rows.y - mean) - z, 1.0 + sd**2 * rows.sums(rows.link.variance(mean))


def _at_nodes(fixed: np.ndarray, sd: float, z: np.ndarray, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Log density of each cluster's data given its intercept, (clusters, nodes), and its gradient, (clusters, nodes, k + 1)."""
    heights = np.empty(z.shape)
    scores = np.empty((*z.shape, rows.X.shape[1] + 1))
    for node, intercepts in enumerate(z.T):
        eta = fixed + sd * intercepts[rows.clusters]
        residuals = rows.y - rows.link.mean(eta)
        heights[:, node] = rows.sums(rows.y * eta - rows.link.cumulant(eta))
        scores[:, node, :-1] = rows.sums(rows.X * residuals[:, None])
        scores[:, node, -1] = intercepts * rows.sums(residuals)
    return heights, scores


def _complete_information(fixed: np.ndarray, sd: float, z: np.ndarray, weights: np.ndarray, rows: _Rows) -> np.ndarray:
    """Information that there would be if intercepts were known, averaged over them."""
    moments = np.zeros((3, len(fixed)))
    for intercepts, weight in zip(z.T, weights.T, strict=True):
        own = intercepts[rows.clusters]
        variance = weight[rows.clusters] * rows.link.variance(rows.link.mean(fixed + sd * own))
        moments += variance * np.stack([np.ones_like(own), own, own**2])
    cross = rows.X.T @ moments[1]
    return np.block([[rows.X.T @ (rows.X * moments[0][:, None]), cross[:, None]], [cross, moments[2].sum()]])

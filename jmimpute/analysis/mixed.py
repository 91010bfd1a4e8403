"""The gaussian mixed model with one grouping factor, by profiled (restricted) likelihood.

The same estimator as lme4's ``lmer``, reduced to cluster sums, so that an evaluation costs the same for a hundred rows a
cluster as for a million. It stands here because statsmodels' MixedLM stops short of the maximum, claiming convergence,
where a covariate with a random slope is not centred (``benchmarks/mixed_models.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from jmimpute.analysis.components import basis, congruence, pack
from jmimpute.errors import AnalysisError

#: The square root of a relative random-effect variance below which a fit is called singular (lme4's ``isSingular``).
SINGULAR = 1e-4

#: How far the deviance may still fall, by the KKT conditions, when a fit is called converged.
SLACK = 1e-2

_OPTIONS = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000, "maxcor": 20}


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed model.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Fixed effects.
    covariance : ndarray, shape (k, k)
        ``sigma^2 (X'V^-1 X)^-1`` at the estimated variances, as lme4's ``vcov``.
    random : ndarray, shape (r, r)
        Covariance matrix of the random effects.
    residual : float
        Residual variance.
    log_likelihood : float
        Restricted log likelihood if REML, else log likelihood.
    converged, singular : bool
        Whether the optimality conditions hold; whether `random` has no full rank.
    components_covariance : ndarray, shape (c, c)
        Covariance matrix of the lower triangle of `random`, row by row, and `residual`: the inverse of the observed
        information of the (restricted) likelihood. Of a singular fit only the variance of `residual` is given, at the
        other components as they are; the rest is NaN. Zero where a component is zero by definition.
    log_likelihood_at : callable
        The (never restricted) log likelihood at ``(values, random, residual)``. It holds cluster sums, no rows.
    """

    values: np.ndarray
    covariance: np.ndarray
    random: np.ndarray
    residual: float
    log_likelihood: float
    converged: bool
    singular: bool
    components_covariance: np.ndarray
    log_likelihood_at: Callable[[np.ndarray, np.ndarray, float], float] = field(repr=False)


@dataclass(frozen=True)
class _Sums:
    """Cross products by cluster of whitened Z and W = [X, y]: all that the likelihood needs."""

    zz: np.ndarray  # (clusters, r, r)
    zw: np.ndarray  # (clusters, r, k + 1)
    ww: np.ndarray  # (k + 1, k + 1)
    n_rows: int


@dataclass(frozen=True)
class _Profile:
    """The profiled deviance at one relative covariance matrix, and what is profiled out there."""

    deviance: float
    slope: np.ndarray  # (r, r), derivative of the deviance by the relative covariance matrix
    values: np.ndarray
    inverse: np.ndarray  # (k, k), (X'V^-1 X)^-1
    residual: float


@dataclass(frozen=True)
class _Shape:
    """What the relative covariance matrix of whitened effects may be: any, or one that is diagonal in the columns of Z.

    It is ``F F'``; of a diagonal one each column of F lies along its axis.
    """

    axes: np.ndarray  # (r, r), columns of length one
    diagonal: bool

    def factor(self, theta: np.ndarray) -> np.ndarray:
        return self.axes * theta if self.diagonal else theta.reshape(self.axes.shape)

    def parameters(self, matrix: np.ndarray) -> np.ndarray:
        """Coordinates of a matrix of the size of a factor: of a derivative by the factor, or where it is a factor."""
        return (self.axes * matrix).sum(axis=0) if self.diagonal else matrix.ravel()

    def slack(self, factor: np.ndarray, profile: _Profile) -> float:
        """Measure how far a point is from the optimality (KKT) conditions of a minimum over covariance matrices.

        They are: the slope vanishes on the range of the matrix, and is nowhere negative off it. In units of deviance,
        since the relative covariance of whitened columns is of the order of one.
        """
        inside = np.abs(self.parameters(2 * profile.slope @ factor)).max()
        along = self.parameters(profile.slope @ self.axes) if self.diagonal else np.linalg.eigvalsh(profile.slope)
        return float(max(inside, -along.min()))

    def beside(self, factor: np.ndarray, profile: _Profile, step: float) -> np.ndarray:
        """Factor of full rank, a little along the direction in which the deviance falls most."""
        if self.diagonal:
            lowest = self.parameters(profile.slope @ self.axes).argmin()
            variances = self.parameters(factor) ** 2 + 1e-3 * step + step * (np.arange(len(factor)) == lowest)
            return self.factor(np.sqrt(variances))
        direction = np.linalg.eigh(profile.slope)[1][:, 0]
        moved = factor @ factor.T + step * np.outer(direction, direction) + 1e-3 * step * np.eye(len(factor))
        return np.linalg.cholesky(moved)

    def singular(self, factor: np.ndarray) -> bool:
        lengths = np.linalg.norm(factor, axis=0) if self.diagonal else np.linalg.svd(factor, compute_uv=False)
        return bool(lengths.min() < SINGULAR)

    def free(self) -> np.ndarray:
        """Places in the lower triangle, in these axes, that are not zero by definition."""
        return np.flatnonzero(pack(np.eye(len(self.axes)) if self.diagonal else np.ones(self.axes.shape)))


def fit_mixed(
    y: np.ndarray, X: np.ndarray, Z: np.ndarray, clusters: np.ndarray, reml: bool = True, uncorrelated: bool = False
) -> MixedFit:
    """Fit ``y = X b + Z_j u_j + e``, ``u_j ~ N(0, random)``, ``e ~ N(0, residual)``.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        Response.
    X : ndarray, shape (n_rows, k)
        Fixed part, of full column rank.
    Z : ndarray, shape (n_rows, r)
        Random part, of full column rank.
    clusters : ndarray of int, shape (n_rows,)
        Cluster of each row, coded 0 to n_clusters - 1. The order of rows does not matter.
    reml : bool, optional
        Restricted (default) or ordinary maximum likelihood.
    uncorrelated : bool, optional
        Whether `random` is diagonal, as in lme4's ``(1 + x || g)``.

    Returns
    -------
    MixedFit
        On the scale of the data.

    Raises
    ------
    AnalysisError
        If the fixed part reproduces the response without residual.

    Notes
    -----
    Bates, Maechler, Bolker and Walker (2015, J Stat Softw 67(1)), equations 33 to 42, for one grouping factor. The
    relative covariance matrix is optimised as ``L L'``, with the gradient of the profiled deviance. X and Z are
    orthonormalised first, which changes nothing but the conditioning: a calendar year is no harder than a centred
    covariate.
    """
    n, k = X.shape
    X_white, X_factor = whiten(X)
    Z_white, Z_factor = whiten(Z)
    start, residuals, scale = _least_squares(y, X_white)
    sums = _sum_by_cluster(Z_white, np.column_stack([X_white, residuals / scale]), clusters)
    axes = Z_factor / np.linalg.norm(Z_factor, axis=0) if uncorrelated else np.eye(Z.shape[1])
    shape = _Shape(axes, uncorrelated)
    factor, best = _search(sums, reml, shape)
    X_back, Z_back = np.linalg.inv(X_factor), np.linalg.inv(Z_factor)
    residual = scale**2 * best.residual
    random = residual * Z_back @ factor @ factor.T @ Z_back.T
    df = n - k if reml else n

    def log_likelihood_at(values: np.ndarray, random: np.ndarray, residual: float) -> float:
        whitened = (X_factor @ values - start) / scale, Z_factor @ random @ Z_factor.T / scale**2, residual / scale**2
        return _log_likelihood(*whitened, sums) - n * float(np.log(scale))

    constant = df * (1 + np.log(2 * np.pi * scale**2)) + (2 * np.linalg.slogdet(X_factor)[1] if reml else 0.0)
    return MixedFit(
        values=X_back @ (start + scale * best.values),
        covariance=residual * X_back @ best.inverse @ X_back.T,
        random=np.diag(np.diag(random)) if uncorrelated else random,
        residual=float(residual),
        log_likelihood=float(-(best.deviance + constant) / 2),
        converged=shape.slack(factor, best) < SLACK,
        singular=shape.singular(factor),
        components_covariance=_components_covariance(factor, sums, reml, shape, scale, Z_back),
        log_likelihood_at=log_likelihood_at,
    )


def whiten(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write a matrix as (columns with ``Q'Q = n I``) times a triangular factor.

    Parameters
    ----------
    matrix : ndarray, shape (n, k)
        Of full column rank.

    Returns
    -------
    columns : ndarray, shape (n, k)
    factor : ndarray, shape (k, k)
    """
    q, r = np.linalg.qr(matrix)
    root = np.sqrt(len(matrix))
    return q * root, r / root


def _least_squares(y: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Regress on whitened X: coefficients, residuals and their scale.

    Sums of squares of these residuals do not suffer from the cancellation that sums of squares of a response far from
    zero would.
    """
    values = X.T @ y / len(y)
    residuals = y - X @ values
    scale = float(np.sqrt(np.mean(residuals**2)))
    if scale <= 1e-10 * float(np.sqrt(np.mean(y**2))):
        raise AnalysisError(
            "The fixed part reproduces the response without any residual, so that no variance is left to estimate. "
            "Check whether the response is constant or a combination of its covariates."
        )
    return values, residuals, scale


def _sum_by_cluster(Z: np.ndarray, W: np.ndarray, clusters: np.ndarray) -> _Sums:
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    Z, W = Z[order], W[order]
    zz = np.add.reduceat(Z[:, :, None] * Z[:, None, :], starts)
    zw = np.add.reduceat(Z[:, :, None] * W[:, None, :], starts)
    return _Sums(zz, zw, W.T @ W, len(W))


def _profile(relative: np.ndarray, sums: _Sums, reml: bool) -> _Profile:
    """Deviance at ``V_j = I + Z_j relative Z_j'`` with fixed effects and residual variance at their best."""
    k = len(sums.ww) - 1
    inner = np.eye(len(relative)) + sums.zz @ relative
    # (I + Z'Z S)^-1 Z'A = Z'V^-1 A: no inverse of the covariance matrix, which may be singular.
    zvz = np.linalg.solve(inner, sums.zz)
    zvw = np.linalg.solve(inner, sums.zw)
    wvw = sums.ww - np.einsum("jra,rs,jsb->ab", sums.zw, relative, zvw, optimize=True)
    inverse = np.linalg.inv(wvw[:k, :k])
    values = inverse @ wvw[:k, k]
    df = sums.n_rows - k if reml else sums.n_rows
    residual = (wvw[k, k] - wvw[:k, k] @ values) / df
    zvx, zve = zvw[:, :, :k], zvw[:, :, k] - zvw[:, :, :k] @ values
    deviance = np.linalg.slogdet(inner)[1].sum() + df * np.log(residual)
    slope = zvz.sum(axis=0) - zve.T @ zve / residual
    if reml:
        deviance += np.linalg.slogdet(wvw[:k, :k])[1]
        slope = slope - np.einsum("jra,ab,jsb->rs", zvx, inverse, zvx, optimize=True)
    return _Profile(float(deviance), (slope + slope.T) / 2, values, inverse, float(residual))


def _search(sums: _Sums, reml: bool, shape: _Shape) -> tuple[np.ndarray, _Profile]:
    """Optimise, and refuse a search that ran off to a residual variance of zero."""
    try:
        with np.errstate(all="ignore"):
            factor = _optimise(sums, reml, shape)
            best = _profile(factor @ factor.T, sums, reml)
    except np.linalg.LinAlgError:
        best = None
    if best is None or not np.isfinite(best.deviance):
        raise AnalysisError(
            "The clusters reproduce the response without any residual, so that no residual variance is left to "
            "estimate. Check whether the response varies within clusters at all."
        )
    return factor, best


def _optimise(sums: _Sums, reml: bool, shape: _Shape) -> np.ndarray:
    """Find a factor of the best relative covariance matrix.

    The factor is any square matrix: one bounded or triangular has points of lost rank from which not every direction
    can be reached. Even so the slope by the factor vanishes along a direction of variance zero whether or not the
    deviance still falls there. The slope by the covariance matrix tells, and the search goes on from beside such a
    point, ever closer.
    """
    from scipy.optimize import minimize

    def deviance(theta: np.ndarray) -> tuple[float, np.ndarray]:
        factor = shape.factor(theta)
        profile = _profile(factor @ factor.T, sums, reml)
        return profile.deviance, shape.parameters(2 * (profile.slope @ factor))

    start = shape.axes
    for step in (1e-2, 1e-4, 1e-6, 1e-8):
        found = minimize(deviance, shape.parameters(start), jac=True, method="L-BFGS-B", options=_OPTIONS).x
        factor = shape.factor(found)
        profile = _profile(factor @ factor.T, sums, reml)
        if shape.slack(factor, profile) < SLACK:
            break
        start = shape.beside(factor, profile, step)
    return factor


def _log_likelihood(values: np.ndarray, random: np.ndarray, residual: float, sums: _Sums) -> float:
    """Log likelihood at any parameters of the whitened and scaled model."""
    inner = np.eye(len(random)) + sums.zz @ random / residual
    contrast = np.append(-values, 1.0)
    ze = sums.zw @ contrast
    shrunk = np.linalg.solve(inner, ze[:, :, None])[:, :, 0]
    squares = contrast @ sums.ww @ contrast - np.einsum("jr,rs,js->", ze, random, shrunk) / residual
    logdet = np.linalg.slogdet(inner)[1].sum()
    return float(-(sums.n_rows * np.log(2 * np.pi * residual) + logdet + squares / residual) / 2)


def _components_covariance(
    factor: np.ndarray, sums: _Sums, reml: bool, shape: _Shape, scale: float, Z_back: np.ndarray
) -> np.ndarray:
    """Covariance matrix of the variance components on the scale of the data, shape (c, c)."""
    kept = np.append(shape.free(), -1)
    along = _with_residual(congruence(shape.axes))[:, kept]
    information = along.T @ _information(factor @ factor.T, sums, reml) @ along
    covariance = np.full_like(information, np.nan)
    covariance[-1, -1] = 1 / information[-1, -1]
    if not shape.singular(factor) and np.linalg.eigvalsh(information)[0] > 0:
        covariance = np.linalg.inv(information)
    back = (_with_residual(congruence(Z_back)) @ along)[kept]
    edge = np.isnan(covariance)
    result = np.zeros((len(along), len(along)))
    result[np.ix_(kept, kept)] = np.where(edge, np.nan, scale**4 * back @ np.where(edge, 0.0, covariance) @ back.T)
    return result


def _with_residual(linear: np.ndarray) -> np.ndarray:
    """Add the residual variance, which stays as it is, to a linear map of the other components."""
    size = len(linear)
    return np.block([[linear, np.zeros((size, 1))], [np.zeros((1, size)), np.ones((1, 1))]])


def _information(relative: np.ndarray, sums: _Sums, reml: bool) -> np.ndarray:
    """Observed information on the lower triangle of the covariance matrix of whitened effects, and the residual variance.

    With V = sum_i theta_i V_i and P the projector of generalised least squares, the negative Hessian of the restricted
    likelihood is ``y'P V_i P V_j P y - tr(P V_i P V_j) / 2``; the profile likelihood has ``V^-1`` for P in the trace
    (Searle, Casella and McCulloch 1992, chapter 6, with the fixed effects integrated or profiled out). V_i is
    ``Z E_i Z'`` for a random effect; what is needed of the residual variance follows from V itself, as ``P V P = P``.
    """
    k = len(sums.ww) - 1
    profile = _profile(relative, sums, reml)
    inner = np.eye(len(relative)) + sums.zz @ relative
    A = np.linalg.solve(inner, sums.zz) / profile.residual  # Z'V^-1 Z by cluster
    zvw = np.linalg.solve(inner, sums.zw) / profile.residual
    C, d = zvw[:, :, :k], zvw[:, :, k] - zvw[:, :, :k] @ profile.values  # Z'V^-1 X and Z'P y by cluster
    M = profile.residual * profile.inverse
    E = basis(len(relative))
    EA, EC, Ed = E[:, None] @ A, E[:, None] @ C, np.einsum("irs,cs->icr", E, d)
    q = np.einsum("cra,icr->ia", C, Ed)
    squares = np.einsum("icr,crs,jcs->ij", Ed, A, Ed, optimize=True) - q @ M @ q.T
    traces, trace = np.einsum("icrs,jcsr->ij", EA, EA, optimize=True), np.einsum("icrr->i", EA)
    if reml:
        K = np.einsum("cra,icrb->iab", C, EC, optimize=True) @ M
        traces += np.einsum("iab,jba->ij", K, K) - 2 * np.einsum("icrs,jcsa,ab,crb->ij", EA, EC, M, C, optimize=True)
        trace = trace - np.einsum("iaa->i", K)
    theta, df = profile.residual * pack(relative), sums.n_rows - k if reml else sums.n_rows
    doubled = 2 * _bordered(squares, np.einsum("icr,cr->i", Ed, d), df, theta, profile.residual)
    return (doubled - _bordered(traces, trace, df, theta, profile.residual)) / 2


def _bordered(inner: np.ndarray, product: np.ndarray, total: float, theta: np.ndarray, residual: float) -> np.ndarray:
    """Add the residual variance to a form f(V_i, V_j), given f(V_i, V) and f(V, V), as V = sum_i theta_i V_i + residual I."""
    border = (product - inner @ theta) / residual
    corner = ((total - product @ theta) / residual - border @ theta) / residual
    return np.block([[inner, border[:, None]], [border, np.array([corner])]])

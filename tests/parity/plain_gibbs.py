"""A plain Gibbs sampler of the joint model with a random intercept, to compare posteriors with.

It draws missing values, coefficients, random intercepts and matrices one after another, so it mixes slowly and is easy to read;
it shares no code with the package. With it two questions are kept apart: whether the package's posterior is right (`EXACT`),
and whether jomo's chains differ from it for the reasons known (`JOMO`).

Priors are jomo's: flat coefficients; Omega_u inverse-Wishart with as many df as rows and scale I; Omega_e inverse-Wishart with
-1 df and scale I, or for each cluster with a df and scale A: df chi-square with p df and at least p, A Wishart(p + 1, I).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln


class Departures(NamedTuple):
    """What jomo does otherwise than its model says.

    Attributes
    ----------
    scale_first : bool
        A is drawn given the old df; then the df, with A integrated out. The right order is the reverse.
    wrong_exponent : bool
        The df is proposed from a t of 4 df, whose density in the Hastings ratio has exponent -2 in place of -5/2.
    integer_df : bool
        Degrees of freedom of draws of A and of clusters' matrices are cut to integers.
    level2_alone : bool
        Means of level-2 responses are drawn without regard to the random intercepts.
    """

    scale_first: bool
    wrong_exponent: bool
    integer_df: bool
    level2_alone: bool


EXACT = Departures(False, False, False, False)
JOMO = Departures(True, True, True, True)


class Hyper(NamedTuple):
    """The inverse-Wishart of clusters' matrices; shapes (chains,) and (chains, p, p)."""

    df: np.ndarray
    scale: np.ndarray


def inverse_wishart(rng, df, scale):
    """Draws from inverse-Wishart distributions, by Bartlett's decomposition."""
    p = scale.shape[-1]
    df = np.broadcast_to(df, scale.shape[:-2])
    root = np.tril(rng.standard_normal(scale.shape), -1)
    root[..., range(p), range(p)] = np.sqrt(rng.chisquare(df[..., None] - np.arange(p)))
    half = np.linalg.solve(root, np.linalg.cholesky(scale).swapaxes(-1, -2))
    return half.swapaxes(-1, -2) @ half


def normal(rng, precision, right):
    """Draws from N(precision^-1 right, precision^-1)."""
    lower = np.linalg.cholesky(precision)
    half = np.linalg.solve(lower, right[..., None]) + rng.standard_normal((*right.shape, 1))
    return np.linalg.solve(lower.swapaxes(-1, -2), half)[..., 0]


def conditional(cov, there, gone):
    """Slopes and covariance of coordinates `gone` given those `there`."""
    across = cov[..., there, :][..., gone]
    slopes = np.linalg.solve(cov[..., there, :][..., there], across).swapaxes(-1, -2)
    return slopes, cov[..., gone, :][..., gone] - slopes @ across


class Group:
    """Rows with the same responses missing, sorted by cluster: predictors (q, rows) and responses (p, chains, rows)."""

    def __init__(self, x, y, cluster, seen):
        self.x, self.y, self.cluster = x, y, cluster
        self.there, self.gone = np.flatnonzero(seen), np.flatnonzero(~seen)
        self.present, self.first = np.unique(cluster, return_index=True)

    def add_crossproducts(self, total):
        """Add those of (x, y), by cluster; those of x with x are there."""
        q, p = len(self.x), len(self.y)
        for r in range(p):
            for k in range(q):
                total[:, self.present, k, q + r] += np.add.reduceat(self.x[k] * self.y[r], self.first, axis=-1)
            for s in range(r + 1):
                total[:, self.present, q + s, q + r] += np.add.reduceat(self.y[s] * self.y[r], self.first, axis=-1)

    def redraw(self, rng, beta, u, omega):
        """Draw what is missing, given all else."""
        expected = [(beta[..., r] @ self.x) + u[:, self.cluster, r] for r in range(len(self.y))]
        slopes, cov = conditional(omega, self.there, self.gone)
        root = np.linalg.cholesky(cov)
        if omega.shape[1] > 1:
            slopes, root = slopes[:, self.cluster], root[:, self.cluster]
        noise = rng.standard_normal((len(self.gone), *self.y.shape[1:]))
        residual = [self.y[r] - expected[r] for r in self.there]
        for i, r in enumerate(self.gone):
            self.y[r] = expected[r]
            for k in range(len(residual)):
                self.y[r] += slopes[..., i, k] * residual[k]
            for k in range(i + 1):
                self.y[r] += root[..., i, k] * noise[k]


class Rows:
    """Responses of all chains."""

    def __init__(self, rng, y, x, cluster, chains):
        order = np.argsort(cluster, kind="stable")
        y, x, cluster = y[order], x[order], np.unique(cluster[order], return_inverse=True)[1]
        self.p, self.q, self.size = y.shape[1], x.shape[1], np.bincount(cluster)
        seen = ~np.isnan(y)
        whole = seen.all(axis=1)
        both = np.hstack([x, np.where(whole[:, None], y, 0.0)])
        self.fixed = np.zeros((len(self.size), both.shape[1], both.shape[1]))
        np.add.at(self.fixed, cluster, both[:, :, None] * both[:, None, :])
        self.groups = []
        for kind in np.unique(seen[~whole], axis=0):
            rows = (seen == kind).all(axis=1)
            start = rng.normal(np.nanmean(y, axis=0), 1.0, (chains, rows.sum(), self.p))
            values = np.where(kind, y[rows], start).transpose(2, 0, 1).copy()
            self.groups.append(Group(x[rows].T.copy(), values, cluster[rows], kind))

    def crossproducts(self, chains):
        """Of (x, y) by cluster, shape (chains, clusters, q + p, q + p)."""
        total = np.repeat(self.fixed[None], chains, axis=0)
        for group in self.groups:
            group.add_crossproducts(total)
        upper = np.triu(total)
        return upper + np.triu(total, 1).swapaxes(-1, -2)


def draw_coefficients(rng, products, u, precision, q):
    """Coefficients given random intercepts, shape (chains, q, p); a column of ones is the first of x."""
    chains, p = len(u), precision.shape[-1]
    xx = products[0, :, :q, :q]
    right = ((products[..., :q, q:] - xx[:, :, :1] * u[:, :, None, :p]) @ precision).sum(axis=1)
    total = np.einsum("jkm,cjrs->ckrms", xx, np.broadcast_to(precision, (chains, len(xx), p, p)))
    return normal(rng, total.reshape(chains, q * p, q * p), right.reshape(chains, q * p)).reshape(chains, q, p)


def draw_intercepts(rng, products, beta, u, omega_u, precision, size):
    """Random intercepts given coefficients and level-2 residuals."""
    (q, p), d = beta.shape[1:], u.shape[-1]
    slopes, cov = conditional(omega_u, np.arange(p, d), np.arange(p))
    between = np.linalg.inv(cov)[:, None]
    residual = products[..., :1, q:] - products[..., :1, :q] @ beta[:, None]
    right = residual @ precision + u[..., None, p:] @ slopes[:, None].swapaxes(-1, -2) @ between
    return normal(rng, size[:, None, None] * precision + between, right[..., 0, :])


def draw_level2_means(rng, w, u, omega_u, p, alone):
    """Means of level-2 responses, from their values `alone` or given the random intercepts too."""
    d = omega_u.shape[-1]
    given = np.arange(0 if alone else p)
    slopes, cov = conditional(omega_u, given, np.arange(p, d))
    precision = w.shape[1] * np.linalg.inv(cov)
    means = (w - u[..., given] @ slopes.swapaxes(-1, -2)).mean(axis=1)
    return normal(rng, precision, (precision @ means[..., None])[..., 0])


def log_gamma(a, p):
    """Logarithm of the multivariate gamma function, up to a constant."""
    return sum(gammaln(a - i / 2) for i in range(p))


def log_density(v, p, n_clusters, log_dets, log_det):
    """Of v = log(df + p), the scale integrated out; `log_det` is that of I + the sum of clusters' inverse matrices."""
    df = np.exp(v) - p
    inside = df > p - 1
    df = np.where(inside, df, p)
    total = n_clusters * df + p + 1
    value = (p / 2 - 1) * np.log(df) - df / 2 - n_clusters * log_gamma(df / 2, p) - (df + p + 1) / 2 * log_dets
    return np.where(inside, value - total / 2 * log_det + log_gamma(total / 2, p) + v, np.nan)


def walk(rng, df, p, *density):
    """Draws of df: ten steps of a random walk."""
    v = np.log(df + p)
    now = log_density(v, p, *density)
    for _ in range(10):
        proposal = v + 0.1 * rng.standard_normal(v.shape)
        there = log_density(proposal, p, *density)
        accepted = (np.exp(proposal) >= 2 * p) & (np.log(rng.random(v.shape)) < there - now)
        v, now = np.where(accepted, proposal, v), np.where(accepted, there, now)
    return np.exp(v) - p


@np.errstate(invalid="ignore", over="ignore")
def jump(rng, df, p, *density):
    """Draws of df: one proposal from a t of 4 df about the mode, found by Newton's method, with the wrong exponent."""
    v, h = np.log(df + p), 0.001
    mode = v.copy()
    for _ in range(50):
        left, middle, right = (log_density(mode + shift, p, *density) for shift in (-h, 0.0, h))
        curvature = (right - 2 * middle + left) / h**2
        step = (right - left) / (2 * h) / curvature
        mode = mode - step
        if not np.any(np.abs(step) > 0.001 * np.abs(mode)):
            break
    width = np.sqrt(-5 / (4 * curvature))  # NaN, which is never accepted, if the mode was not found
    proposal = mode + width * rng.standard_t(4, v.shape)
    ratio = log_density(proposal, p, *density) - log_density(v, p, *density)
    ratio += 2 * np.log1p(((proposal - mode) / width) ** 2 / 4) - 2 * np.log1p(((v - mode) / width) ** 2 / 4)
    accepted = (np.exp(proposal) >= 2 * p) & (np.log(rng.random(v.shape)) < ratio)
    return np.where(accepted, np.exp(proposal) - p, df)


def draw_hyper(rng, hyper, precision, departures):
    """df and scale of the inverse-Wishart of clusters' matrices."""
    n_clusters, p = precision.shape[1:3]
    pooled = np.eye(p) + precision.sum(axis=1)
    density = (n_clusters, -np.linalg.slogdet(precision)[1].sum(axis=1), np.linalg.slogdet(pooled)[1])
    old = hyper.df
    df = (jump if departures.wrong_exponent else walk)(rng, old, p, *density)
    total = n_clusters * (old if departures.scale_first else df) + p + 1
    total = np.floor(total) if departures.integer_df else total
    return Hyper(df, np.linalg.inv(inverse_wishart(rng, total, pooled)))


def sample(y, x, cluster, w=None, *, random=False, departures=EXACT, tune=500, draws=1000, chains=16, seed=1):
    """Run chains side by side.

    Parameters
    ----------
    y : ndarray, shape (rows, p)
        Responses, NaN where missing.
    x : ndarray, shape (rows, q)
        The first column is one.
    cluster : ndarray, shape (rows,)
    w : ndarray, shape (clusters, level-2 responses), optional
        In order of sorted labels of clusters; NaN where missing.
    random : bool
        Whether each cluster has a matrix of its own, about a common scale.
    departures : Departures
    tune, draws, chains, seed : int

    Returns
    -------
    dict of str to ndarray, shape (chains, draws, ...)
        ``beta`` (q, p), ``beta_level2``, ``Omega_u``, ``Omega_e`` (clusters or 1, p, p) and ``df``.
    """
    rng = np.random.default_rng(seed)
    rows = Rows(rng, y, x, cluster, chains)
    p, q, n_clusters = rows.p, rows.q, len(rows.size)
    w = np.broadcast_to(np.zeros((n_clusters, 0)) if w is None else w, (chains, n_clusters, 0 if w is None else w.shape[1]))
    d = p + w.shape[2]
    seen_all = np.hstack([np.ones((n_clusters, p), dtype=bool), ~np.isnan(w[0])])
    kinds = [kind for kind in np.unique(seen_all, axis=0) if not kind.all()]
    incomplete = [(kind, np.flatnonzero((seen_all == kind).all(axis=1))) for kind in kinds]
    w = np.nan_to_num(w)
    u, omega_u = np.zeros((chains, n_clusters, d)), np.tile(np.eye(d), (chains, 1, 1))
    precision = np.tile(np.eye(p), (chains, n_clusters if random else 1, 1, 1))
    hyper = Hyper(np.full(chains, p + 50.0), np.tile(np.eye(p), (chains, 1, 1)))
    kept = {
        "beta": np.empty((chains, draws, q, p)),
        "beta_level2": np.empty((chains, draws, d - p)),
        "Omega_u": np.empty((chains, draws, d, d)),
        "Omega_e": np.empty((chains, draws, *precision.shape[1:])),
        "df": np.empty((chains, draws)),
    }
    for t in range(-tune, draws):
        products = rows.crossproducts(chains)
        beta = draw_coefficients(rng, products, u, precision, q)
        means = draw_level2_means(rng, w, u, omega_u, p, departures.level2_alone)
        u[..., p:] = w - means[:, None]
        u[..., :p] = draw_intercepts(rng, products, beta, u, omega_u, precision, rows.size)
        omega_u = inverse_wishart(rng, n_clusters + d, np.eye(d) + u.swapaxes(-1, -2) @ u)
        shift = beta[:, None] * np.ones((1, n_clusters, 1, 1))
        shift[..., 0, :] += u[..., :p]
        contrast = np.concatenate([-shift, np.broadcast_to(np.eye(p), (chains, n_clusters, p, p))], axis=-2)
        residual = contrast.swapaxes(-1, -2) @ products @ contrast
        if random:
            hyper = draw_hyper(rng, hyper, precision, departures)
            total = hyper.df[:, None] + rows.size
            omega = inverse_wishart(rng, np.floor(total) if departures.integer_df else total, hyper.scale[:, None] + residual)
        else:
            omega = inverse_wishart(rng, rows.size.sum() - 1, np.eye(p) + residual.sum(axis=1, keepdims=True))
        precision = np.linalg.inv(omega)
        for group in rows.groups:
            group.redraw(rng, beta, u, omega)
        for seen, where in incomplete:
            there, gone = np.flatnonzero(seen), np.flatnonzero(~seen)
            slopes, cov = conditional(omega_u, there, gone)
            noise = rng.standard_normal((chains, len(where), len(gone)))
            root = np.linalg.cholesky(cov)
            drawn = u[:, where][..., there] @ slopes.swapaxes(-1, -2) + noise @ root.swapaxes(-1, -2)
            u[:, where[:, None], gone] = drawn
            w[:, where[:, None], gone - p] = drawn + means[:, None, gone - p]
        if t >= 0:
            for name, value in zip(kept, (beta, means, omega_u, omega, hyper.df), strict=True):
                kept[name][:, t] = value
    return kept

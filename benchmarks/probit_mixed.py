"""The probit mixed model with uncorrelated random effects of one grouping factor, by Laplace's approximation.

The estimator of lme4's ``glmer(y ~ x + (1 | g) + (0 + x | g), family = binomial("probit"))``, made for the few large clusters
of a simulation study that needs a thousand such fits. ``.venv/bin/python benchmarks/probit_mixed.py`` compares both on a table.
"""

import subprocess
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_ndtr

LOG_ROOT = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class ProbitFit:
    """A fitted model.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Coefficients.
    covariance : ndarray, shape (k, k)
        Their part of the inverse of the observed information on them and the standard deviations.
    sd : ndarray, shape (r,)
        Of the random effects.
    log_likelihood : float
    converged : bool
    """

    values: np.ndarray
    covariance: np.ndarray
    sd: np.ndarray
    log_likelihood: float
    converged: bool


class _Laplace:
    """The approximate log-likelihood at (coefficients, standard deviations) and its gradient, with signs reversed."""

    def __init__(self, y: np.ndarray, X: np.ndarray, Z: np.ndarray, clusters: np.ndarray) -> None:
        order = np.argsort(clusters, kind="stable")
        self.sign, self.X, self.Z, self.codes = 2 * y[order] - 1, X[order], Z[order], clusters[order]
        self.starts = np.flatnonzero(np.diff(self.codes, prepend=-1))
        self.ZZ = self.Z[:, :, None] * self.Z[:, None, :]
        self.modes = np.zeros((len(self.starts), Z.shape[1]))

    def __call__(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        k, r = self.X.shape[1], self.Z.shape[1]
        theta = point[k:]
        eta, score, information = self._find_modes(point)
        # curvature for the modes: observed information; in the determinant: expected information, as in lme4
        weight, slope = _expected(eta)
        inner = self._sums(weight[:, None, None] * self.ZZ)
        H = np.eye(r) + theta[:, None] * inner * theta
        value = self._sums(log_ndtr(self.sign * eta)).sum() - 0.5 * (self.modes**2).sum() - 0.5 * np.linalg.slogdet(H)[1].sum()
        inverse = np.linalg.inv(H)
        leverage = np.einsum("ir,irs,is->i", self.Z * theta, inverse[self.codes], self.Z * theta)
        pull = slope * leverage  # derivative of the log determinant by each linear predictor
        curvature = np.eye(r) + theta[:, None] * self._sums(information[:, None, None] * self.ZZ) * theta
        own = self.modes[self.codes]
        ze = self._sums(self.Z * score[:, None])
        by_mode = np.linalg.solve(curvature, (theta * self._sums(self.Z * pull[:, None]))[:, :, None])[:, :, 0]
        # the modes move with the point: through them row i is pulled by - information_i z_i' theta by_mode
        through = pull - information * np.einsum("ir,ir->i", self.Z * theta, by_mode[self.codes])
        by_beta = self.X.T @ (score - 0.5 * through)
        by_theta = (self.modes * ze).sum(axis=0) - 0.5 * (self.Z * own * through[:, None]).sum(axis=0)
        by_theta -= 0.5 * (by_mode * ze).sum(axis=0) + np.einsum("jkl,l,jlk->k", inner, theta, inverse)
        return -float(value), -np.concatenate([by_beta, by_theta])

    def _find_modes(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Newton's method for the effects of all clusters, in standard deviations, from where they were."""
        k, r = self.X.shape[1], self.Z.shape[1]
        theta, fixed = point[k:], self.X @ point[:k]
        for _ in range(50):
            eta = fixed + ((self.Z * theta) * self.modes[self.codes]).sum(axis=1)
            score, information = _derivatives(self.sign, eta)
            gradient = theta * self._sums(self.Z * score[:, None]) - self.modes
            curvature = np.eye(r) + theta[:, None] * self._sums(information[:, None, None] * self.ZZ) * theta
            step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
            if np.abs(step).max() < 1e-7:
                return eta, score, information
            self.modes = self.modes + np.clip(step, -2, 2)
        raise RuntimeError("The modes of the random effects were not found.")

    def _sums(self, values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, self.starts)


def _derivatives(sign: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope of the log density of each row by its linear predictor, and its observed information."""
    ratio = np.exp(-0.5 * eta**2 - LOG_ROOT - log_ndtr(sign * eta))
    return sign * ratio, ratio * (ratio + sign * eta)


def _expected(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected information of each row, and its slope."""
    above, below = log_ndtr(eta), log_ndtr(-eta)
    density = -0.5 * eta**2 - LOG_ROOT
    weight = np.exp(2 * density - above - below)
    return weight, weight * (-2 * eta - np.exp(density - above) + np.exp(density - below))


def fit_probit(y: np.ndarray, X: np.ndarray, Z: np.ndarray, clusters: np.ndarray) -> ProbitFit:
    """Fit ``P(y = 1) = Phi(X b + Z_j u_j)``, the columns of u independent and normal.

    Parameters
    ----------
    y : ndarray, shape (n_rows,)
        0 or 1.
    X, Z : ndarray, shapes (n_rows, k) and (n_rows, r)
    clusters : ndarray of int, shape (n_rows,)
        From 0.
    """
    k, r = X.shape[1], Z.shape[1]
    target = _Laplace(np.asarray(y, float), X, Z, clusters)
    start = np.concatenate([np.zeros(k), np.full(r, 0.5)])
    best = minimize(target, start, jac=True, method="BFGS", options={"gtol": 1e-3})
    information = np.empty((k + r, k + r))
    for place in range(k + r):
        step = 1e-4 * np.eye(k + r)[place]
        information[place] = (target(best.x + step)[1] - target(best.x - step)[1]) / 2e-4
    covariance = np.linalg.inv((information + information.T) / 2)[:k, :k]
    converged = bool(np.abs(best.jac).max() < 0.01)
    return ProbitFit(best.x[:k], covariance, np.abs(best.x[k:]), -float(best.fun), converged)


LME4 = """
suppressMessages(library(lme4))
d <- read.csv(file("stdin"))
control <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-10, optCtrl = list(rhoend = 1e-8, maxfun = 1e5))
took <- system.time(fit <- glmer(y ~ x1 + x2 + (1 | g) + (0 + x1 | g) + (0 + x2 | g), d, family = binomial("probit")))
exact <- update(fit, control = control)
cat(fixef(exact), getME(exact, "theta"), sqrt(diag(vcov(exact))), took[["user.self"]])
"""


def main() -> None:
    """Print estimates, standard errors and CPU seconds of both; lme4's estimates are those of its strictest settings."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(10), 1000)
    X = np.column_stack([np.ones(len(g)), rng.random(len(g)) < 0.6, rng.normal(size=len(g))])
    y = (X * ([0.3, 1, 1] + rng.normal(0, 0.63, (10, 3))[g])).sum(axis=1) + rng.normal(size=len(g)) > 0
    started = time.process_time()
    ours = fit_probit(y, X, X, g)
    seconds = time.process_time() - started
    table = pd.DataFrame({"y": y.astype(int), "x1": X[:, 1], "x2": X[:, 2], "g": g}).to_csv(index=False)
    done = subprocess.run(["Rscript", "-e", LME4], input=table, capture_output=True, text=True, check=True)
    lme4 = np.array(done.stdout.split(), dtype=float)
    for what, a, b in (
        ("coefficients", ours.values, lme4[:3]),
        ("sd of effects", ours.sd, lme4[3:6]),
        ("standard errors", np.sqrt(np.diag(ours.covariance)), lme4[6:9]),
        ("CPU seconds", np.array([seconds]), lme4[9:]),
    ):
        print(f"{what:>16}  ours {a.round(5)}  lme4 {b.round(5)}")


if __name__ == "__main__":
    main()

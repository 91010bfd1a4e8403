"""Probit regression with random intercepts of several factors: quick, for what is said before a fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Variance of a normal prior of the coefficients, which keeps them finite where covariates separate.
WEAK = 1e4
ITERATIONS, HALVINGS, TOLERANCE = 100, 20, 1e-8
FIRST_SD, LARGEST_SD, STEP, PRECISION = 0.3, 5.0, 1e-3, 1e-8


@dataclass(frozen=True)
class Factor:
    """A grouping factor.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
    size : int
        Labels, G.
    """

    codes: np.ndarray
    size: int


@dataclass(frozen=True)
class Probit:
    """A fitted probit regression.

    Attributes
    ----------
    beta : ndarray, shape (q,)
    covariance : ndarray, shape (q, q)
        Of `beta`, given the standard deviations.
    sds : ndarray, shape (K,)
        Standard deviations of the random intercepts of each factor.
    effects : tuple of ndarray, shapes (G_k,)
        Modes of the random intercepts.
    deviance : float
        Minus twice the approximate log likelihood.
    """

    beta: np.ndarray
    covariance: np.ndarray
    sds: np.ndarray
    effects: tuple[np.ndarray, ...]
    deviance: float


def fit_probit(y: np.ndarray, x: np.ndarray, factors: Sequence[Factor] = ()) -> Probit:
    """Fit a probit regression with independent normal random intercepts of crossed or nested factors.

    Parameters
    ----------
    y : ndarray of bool, shape (n,)
    x : ndarray, shape (n, q)
        With an intercept, if there is to be one; other columns have standard deviations of about 1.
    factors : sequence of Factor, length K

    Returns
    -------
    Probit

    Notes
    -----
    Coefficients and random intercepts are at their joint mode, standard deviations at the maximum of Laplace's approximation of
    the likelihood: what lme4 does with nAGQ = 0 (Bates, Maechler, Bolker and Walker 2015, Journal of Statistical Software
    67(1)).
    """
    from scipy.optimize import minimize

    surface = _Surface(y, x, factors)
    if not factors:
        return surface.at(np.empty(0))
    bounds = [(0.0, LARGEST_SD)] * len(factors)
    start = np.full(len(factors), FIRST_SD)
    options = {"eps": STEP, "ftol": PRECISION}
    found = minimize(surface.deviance, start, method="L-BFGS-B", bounds=bounds, options=options)
    return surface.at(found.x)


class _Surface:
    """The deviance as a function of the standard deviations.

    A random intercept is its standard deviation times a standard normal, and the mode is found over coefficients and standard
    normals. Those of the largest factor come last: their part of the Hessian is diagonal, and is eliminated.
    """

    def __init__(self, y: np.ndarray, x: np.ndarray, factors: Sequence[Factor]) -> None:
        from scipy import sparse

        self.sign, self.q = np.where(y, 1.0, -1.0), x.shape[1]
        self.order = np.argsort([factor.size for factor in factors], kind="stable")
        self.sizes = [factors[k].size for k in self.order]
        rows = np.arange(len(y))
        parts: list[Any] = [sparse.csr_array(x)]
        parts += [sparse.csr_array((np.ones(len(y)), (rows, factors[k].codes)), (len(y), factors[k].size)) for k in self.order]
        self.last = parts.pop() if factors else sparse.csr_array((len(y), 0))
        self.kept = sparse.hstack(parts, format="csr")
        self.prior = np.concatenate([np.full(self.q, 1.0 / WEAK), np.ones(sum(self.sizes))])
        self.mode = np.zeros(len(self.prior))

    def deviance(self, sds: np.ndarray) -> float:
        return self._settle(sds)[0]

    def at(self, sds: np.ndarray) -> Probit:
        """All that is wanted of a fit."""
        deviance, schur = self._settle(sds)
        parts = np.split(self.mode * self._scale(sds), self.q + np.cumsum([0, *self.sizes])[:-1])
        effects = tuple(parts[1 + place] for place in np.argsort(self.order))
        return Probit(parts[0], np.linalg.inv(schur)[: self.q, : self.q], np.asarray(sds), effects, deviance)

    def _scale(self, sds: np.ndarray) -> np.ndarray:
        """What multiplies each coefficient and standard normal."""
        return np.concatenate([np.ones(self.q), np.repeat(np.asarray(sds)[self.order], self.sizes)])

    def _settle(self, sds: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance, and the Hessian of what is not eliminated; moves the mode, from where the next search starts."""
        scale = self._scale(sds)
        value, eta = self._penalised(scale, self.mode)
        for _ in range(ITERATIONS):
            step, schur, log_det = self._step(scale, *_derivatives(self.sign, eta))
            moved, eta = self._penalised(scale, self.mode + step)
            for _ in range(HALVINGS):
                if moved <= value + TOLERANCE:
                    break
                step = step / 2
                moved, eta = self._penalised(scale, self.mode + step)
            self.mode, gain, value = self.mode + step, value - moved, moved
            if gain < TOLERANCE:
                break
        return value + log_det, schur

    def _penalised(self, scale: np.ndarray, mode: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus twice the log posterior, and the linear predictor."""
        from scipy.special import log_ndtr

        terms, n_kept = scale * mode, self.kept.shape[1]
        eta = self.kept @ terms[:n_kept] + self.last @ terms[n_kept:]
        return float(-2 * log_ndtr(self.sign * eta).sum() + np.sum(self.prior * mode**2)), eta

    def _step(self, scale: np.ndarray, ratio: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Newton's step, the Hessian of what is not eliminated, and the log determinant of the part of random intercepts."""
        n = self.kept.shape[1]
        prior, of_kept, of_last = self.prior, scale[:n], scale[n:]
        gradient = scale * np.concatenate([self.kept.T @ ratio, self.last.T @ ratio]) - prior * self.mode
        weighted = (self.kept * weight[:, None]).T
        block = (weighted @ self.kept).toarray() * np.outer(of_kept, of_kept) + np.diag(prior[:n])
        cross = (weighted @ self.last).toarray() * np.outer(of_kept, of_last)
        own = (self.last.T @ weight) * of_last**2 + prior[n:]
        schur = block - (cross / own) @ cross.T
        first = np.linalg.solve(schur, gradient[:n] - (cross / own) @ gradient[n:])
        second = (gradient[n:] - first @ cross) / own
        log_det = np.log(own).sum() + np.linalg.slogdet(schur[self.q :, self.q :])[1]
        return np.concatenate([first, second]), schur, float(log_det)


def _derivatives(sign: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First derivative of the log likelihood by the linear predictor, and minus the second."""
    from scipy.special import log_ndtr

    log_density = -0.5 * eta**2 - 0.5 * np.log(2 * np.pi)
    ratio = sign * np.exp(log_density - log_ndtr(sign * eta))
    return ratio, ratio * (ratio + eta)

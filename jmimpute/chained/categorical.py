"""Methods for more than two categories that ignore clusters."""

from dataclasses import dataclass

import numpy as np

from jmimpute.chained.regression import ITERATIONS, TOLERANCE, check_full_rank, is_usable, separated
from jmimpute.chained.target import Target
from jmimpute.errors import ImputationError


@dataclass(frozen=True)
class Polytomous:
    """Impute unordered categories by a multinomial logistic regression that ignores clusters.

    Coefficients are drawn from the normal approximation to their posterior, which ``polyreg`` of the R package mice keeps at
    their estimates.
    """

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing categories.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)
            Codes.

        Raises
        ------
        ImputationError
            If the regression cannot be fitted.
        """
        seen, codes = target.x[target.observed], target.y[target.observed].astype(np.int64)
        scale = check_full_rank(seen, target.name, target.columns)
        # In coordinates in which predictors are orthogonal, so that a standard error says how much its direction is known.
        q, r = np.linalg.qr(seen / scale)
        estimate, information = fit_multinomial(q * np.sqrt(len(q)), codes, target.n_categories)
        if information is None:
            raise ImputationError(separated(target.name, target.columns))
        lower = np.linalg.cholesky(information)
        drawn = estimate + np.linalg.solve(lower.T, rng.standard_normal(len(estimate)))
        white = np.linalg.solve(r.T, (target.x[target.missing] / scale).T).T * np.sqrt(len(q))
        scores = _scores(white, drawn, target.n_categories)
        # The largest of independent Gumbel variables about scores has the probabilities of a multinomial logit.
        return np.argmax(scores + rng.gumbel(size=scores.shape), axis=1).astype(float)


@dataclass(frozen=True)
class ProportionalOdds:
    """Impute ordered categories by a proportional odds regression that ignores clusters.

    As ``polr`` of the R package mice, with coefficients and cut points drawn from the normal approximation to their posterior.
    """

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing categories.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)
            Codes.

        Raises
        ------
        ImputationError
            If the regression cannot be fitted.
        """
        from jmimpute.analysis.ordinal import fit_ordinal

        seen = target.x[target.observed]
        check_full_rank(seen, target.name, target.columns)
        fit = fit_ordinal(target.y[target.observed].astype(np.int64), seen[:, 1:])
        if fit.separated or not fit.converged:
            raise ImputationError(separated(target.name, target.columns))
        drawn = rng.multivariate_normal(fit.values, fit.covariance, method="cholesky")
        k = seen.shape[1] - 1
        latent = target.x[target.missing, 1:] @ drawn[:k] + rng.logistic(size=int(target.missing.sum()))
        return np.sum(latent[:, None] > drawn[k:], axis=1).astype(float)


def fit_multinomial(x: np.ndarray, codes: np.ndarray, n_categories: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Fit log odds of each category against the first by Newton's method.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Orthogonal columns of mean square 1.
    codes : ndarray of int, shape (n,)
        0 to K - 1, all of which occur.
    n_categories : int
        K.

    Returns
    -------
    estimate : ndarray, shape ((K - 1) p,)
        Category by category.
    information : ndarray, shape ((K - 1) p, (K - 1) p), or None
        None if there is no estimate.
    """
    chosen = (codes[:, None] == np.arange(1, n_categories)).astype(float)
    point = np.zeros((n_categories - 1) * x.shape[1])
    value, slope, information = _likelihood(x, chosen, point)
    for _ in range(ITERATIONS):
        if not is_usable(information):
            return point, None
        step = np.linalg.solve(information, slope)
        there = _likelihood(x, chosen, point + step)
        while there[0] < value - 1e-10 * abs(value):
            step = step / 2
            there = _likelihood(x, chosen, point + step)
        point, (value, slope, information) = point + step, there
        if np.max(np.abs(step)) < TOLERANCE * (1 + np.max(np.abs(point))):
            return point, information
    return point, None


def _likelihood(x: np.ndarray, chosen: np.ndarray, point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood, its gradient and its negative Hessian."""
    n_others = chosen.shape[1]
    scores = _scores(x, point, n_others + 1)
    scores = scores - scores.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(scores).sum(axis=1))
    shares = np.exp(scores - normaliser[:, None])[:, 1:]
    value = np.sum(chosen * scores[:, 1:]) + np.sum((1 - chosen.sum(axis=1)) * scores[:, 0]) - normaliser.sum()
    weights = np.einsum("nj,jk->njk", shares, np.eye(n_others)) - np.einsum("nj,nk->njk", shares, shares)
    information = np.einsum("na,njk,nb->jakb", x, weights, x, optimize=True).reshape(len(point), len(point))
    return float(value), ((chosen - shares).T @ x).ravel(), information


def _scores(x: np.ndarray, point: np.ndarray, n_categories: int) -> np.ndarray:
    """Linear predictors of all categories, 0 for the first."""
    return np.column_stack([np.zeros(len(x)), x @ point.reshape(n_categories - 1, -1).T])

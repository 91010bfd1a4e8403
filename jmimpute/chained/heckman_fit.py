"""Heckman's selection model by maximum likelihood.

Designs are made orthonormal and the outcome is divided by its standard deviation, so that the trust region is as wide in all
directions and nothing depends on units.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.chained.heckman_likelihood import HeckmanRows, heckman_rows, hessian, value_and_gradient
from jmimpute.chained.heckman_starts import Regression, invert, least_squares, probit, two_step

STEEPEST = 0.995  # |rho| above which the likelihood has its maximum on the boundary, to all that can be told
LOST = 0.9999  # |rho| at which a search is given up
FLAT = 1e-6  # largest mean score at a maximum
DEPENDENT = 1e-8  # of the length of a column that is left when the columns before it are taken out


@dataclass(frozen=True)
class HeckmanFit:
    """What is estimated of a Heckman model.

    Attributes
    ----------
    theta : ndarray of shape (q,)
        (beta, gamma, log sigma unless the outcome is binary, atanh rho).
    covariance : ndarray of shape (q, q)
        Inverse of the information that was observed; for independent equations, zero between them.
    kind : str
        ``"likelihood"``: its maximum. ``"bounded"``: the likelihood rises up to rho = 1 or -1, and was multiplied by 1 - rho^2,
        which is the density of atanh rho when rho is uniform. ``"independent"``: two equations without a correlation.
    """

    theta: np.ndarray
    covariance: np.ndarray
    kind: str


@dataclass(frozen=True)
class _Problem:
    """Rows in standard form, and the way back: theta = back @ standard + shift."""

    rows: HeckmanRows
    observed: np.ndarray
    y: np.ndarray
    back: np.ndarray
    shift: np.ndarray


def fit_heckman(y: np.ndarray, observed: np.ndarray, x: np.ndarray, w: np.ndarray, binary: bool) -> HeckmanFit | None:
    """Fit a Heckman model.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Outcome, 0 or 1 if it is binary; ignored where it is not observed.
    observed : ndarray of bool of shape (n,)
    x : ndarray of shape (n, p)
        Design of the outcome.
    w : ndarray of shape (n, s)
        Design of selection.
    binary : bool
        Whether the outcome is binary.

    Returns
    -------
    HeckmanFit or None
        None where an equation cannot be fitted by itself: data are separated, columns are not independent, or rows too few.

    Notes
    -----
    A maximum counts if the observed information there is positive definite and abs(rho) < 0.995. Without one, the likelihood
    times 1 - rho^2 is maximised, and if that fails, the equations are fitted by themselves, both as probit models where
    they are binary, with 1/n as variance of atanh rho (Munoz et al. 2023, arXiv 2301.05043, as in their program micemd).
    """
    problem = _standardise(np.asarray(y, dtype=float), observed, x, w, binary)
    if problem is None:
        return None
    equations = _fit_apart(problem)
    if equations is None:
        return None
    independent = _join(*equations, 0.0, binary)
    for start in _starts(problem, *equations, independent):
        theta, covariance = _maximise(start, problem.rows, bounded=False)
        if covariance is not None and abs(np.tanh(theta[-1])) < STEEPEST:
            return _on_scale(theta, covariance, "likelihood", problem)
    theta, covariance = _maximise(independent, problem.rows, bounded=True)
    if covariance is not None:
        return _on_scale(theta, covariance, "bounded", problem)
    return _on_scale(independent, _apart_covariance(*equations, len(y), binary), "independent", problem)


def fit_outcome(y: np.ndarray, x: np.ndarray, binary: bool) -> Regression | None:
    """Fit the outcome alone, to rows that are all observed.

    Parameters
    ----------
    y : ndarray of shape (n,)
    x : ndarray of shape (n, p)
    binary : bool
        Whether the outcome is binary: probit.

    Returns
    -------
    Regression or None
        None where it cannot be fitted.
    """
    basis = _basis(x)
    if basis is None:
        return None
    fit = (probit if binary else least_squares)(x @ basis, np.asarray(y, dtype=float))
    return fit and fit._replace(coefficients=basis @ fit.coefficients, covariance=basis @ fit.covariance @ basis.T)


def _basis(x: np.ndarray) -> np.ndarray | None:
    """Matrix B with (x B)'(x B) = n I; None if the columns of x are not independent."""
    if len(x) < x.shape[1]:
        return None
    root = np.linalg.qr(x, mode="r")
    lengths = np.linalg.norm(x, axis=0)
    if not np.all(np.abs(np.diag(root)) > DEPENDENT * lengths):
        return None
    return np.linalg.solve(root, np.sqrt(len(x)) * np.eye(len(root)))


def _standardise(y: np.ndarray, observed: np.ndarray, x: np.ndarray, w: np.ndarray, binary: bool) -> _Problem | None:
    """Standard form of the data, if both designs have full rank and the outcome varies."""
    x_basis, w_basis = _basis(x[observed]), _basis(w)
    scale = 1.0 if binary else float(np.std(y[observed]))
    if x_basis is None or w_basis is None or not scale > 0.0:
        return None
    p, s, extra = x.shape[1], w.shape[1], 1 if binary else 2
    back, shift = np.eye(p + s + extra), np.zeros(p + s + extra)
    back[:p, :p], back[p : p + s, p : p + s] = scale * x_basis, w_basis
    shift[p + s : p + s + extra - 1] = np.log(scale)
    rows = heckman_rows(y / scale, observed, x @ x_basis, w @ w_basis, binary)
    return _Problem(rows, observed, y / scale, back, shift)


def _fit_apart(problem: _Problem) -> tuple[Regression, Regression] | None:
    """The outcome and selection, each by itself."""
    outcome = (probit if problem.rows.binary else least_squares)(problem.rows.x[problem.observed], problem.y[problem.observed])
    selection = probit(problem.rows.w, problem.observed)
    return None if outcome is None or selection is None else (outcome, selection)


def _starts(problem: _Problem, outcome: Regression, selection: Regression, independent: np.ndarray) -> list[np.ndarray]:
    """Where to start: Heckman's two steps, and two independent equations."""
    rows, observed = problem.rows, problem.observed
    steps = two_step(rows.x[observed], problem.y[observed], rows.w[observed] @ selection.coefficients, rows.binary)
    return [independent] if steps is None else [_join(steps[0], selection, steps[1], rows.binary), independent]


def _join(outcome: Regression, selection: Regression, atanh_rho: float, binary: bool) -> np.ndarray:
    """One vector of parameters."""
    scales = [atanh_rho] if binary else [outcome.log_sigma, atanh_rho]
    return np.concatenate([outcome.coefficients, selection.coefficients, scales])


def _apart_covariance(outcome: Regression, selection: Regression, n: int, binary: bool) -> np.ndarray:
    """Covariance of the parameters of two independent equations."""
    p, s = len(outcome.coefficients), len(selection.coefficients)
    covariance = np.zeros((p + s + 2 - binary,) * 2)
    covariance[:p, :p], covariance[p : p + s, p : p + s] = outcome.covariance, selection.covariance
    covariance[p + s, p + s] = outcome.log_sigma_variance
    covariance[-1, -1] = 1.0 / n
    return covariance


def _maximise(start: np.ndarray, rows: HeckmanRows, bounded: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Maximum of the log-likelihood, or of that plus log(1 - rho^2), and the covariance there; None where it is no maximum."""
    from scipy.optimize import minimize

    n = len(rows.x)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(theta, rows)
        if bounded:
            size = abs(theta[-1])
            value -= 2.0 * (size + np.log1p(np.exp(-2.0 * size)))
            gradient[-1] -= 2.0 * np.tanh(theta[-1])
        return -value / n, -gradient / n

    def curvature(theta: np.ndarray) -> np.ndarray:
        bend = -hessian(theta, rows)
        if bounded:
            bend[-1, -1] += 2.0 / np.cosh(theta[-1]) ** 2
        return bend / n

    def give_up(intermediate_result: Any) -> None:
        if abs(np.tanh(intermediate_result.x[-1])) > LOST:
            raise StopIteration

    options: Any = {"gtol": 0.1 * FLAT, "maxiter": 200, "initial_trust_radius": 1.0, "max_trust_radius": 2.0}
    theta = minimize(loss, start, jac=True, hess=curvature, method="trust-exact", options=options, callback=give_up).x
    covariance = invert(n * curvature(theta))
    if covariance is None or not np.max(np.abs(loss(theta)[1])) < FLAT:
        return theta, None
    return theta - n * covariance @ loss(theta)[1], covariance


def _on_scale(theta: np.ndarray, covariance: np.ndarray, kind: str, problem: _Problem) -> HeckmanFit:
    """Back to the scale of the data."""
    return HeckmanFit(problem.back @ theta + problem.shift, problem.back @ covariance @ problem.back.T, kind)

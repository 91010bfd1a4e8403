"""Mode and curvature of the target: a linear map that makes it nearly standard normal, so that NUTS needs few steps."""

from dataclasses import dataclass

import numpy as np

from jmimpute.sampling.target import Target, dimension, log_density, pack, parameters


@dataclass(frozen=True)
class Whitening:
    """theta = center + matrix @ xi, with xi nearly standard normal.

    Attributes
    ----------
    center : ndarray, shape (n,)
        Mode.
    matrix : ndarray, shape (n, n)
        Square root of the inverse negative Hessian at the mode.
    reliable : bool
        False if the Hessian was not finite and positive definite; `matrix` is then a rough diagonal, and the sampler
        learns the covariance during warm-up instead.
    """

    center: np.ndarray
    matrix: np.ndarray
    reliable: bool


def whiten(target: Target, start: np.ndarray | None = None) -> Whitening:
    """Find the mode and the Hessian of a target.

    Parameters
    ----------
    target : Target
    start : ndarray, shape (n,), optional
        Where to begin the search; `starting_point` if not given.

    Returns
    -------
    Whitening
    """
    center = find_mode(target, starting_point(target) if start is None else start)
    curvature = -_hessian(center, target)
    matrix = _inverse_root(curvature)
    if matrix is not None:
        return Whitening(center, matrix, True)
    diagonal = np.diagonal(curvature)
    usable = np.isfinite(diagonal) & (diagonal > 0)
    scale = np.where(usable, diagonal, 1.0) ** -0.5
    return Whitening(center, np.diag(np.minimum(scale, 1.0)), False)


def starting_point(target: Target) -> np.ndarray:
    """Coefficients 0, residual sds 0.9, sds of random effects 0.3, no correlation: sensible on the standardised scale."""
    theta = np.zeros(dimension(target))
    beta, omega_e, omega_u = parameters(theta, target)
    free = np.ones(len(omega_e), dtype=bool)
    free[target.prior_e.order[: target.prior_e.starts[-1]]] = False
    omega_e[free, free] = 0.9**2
    pack(beta, omega_e, 0.3**2 * np.eye(len(omega_u)), target, theta)
    return theta


def find_mode(target: Target, start: np.ndarray) -> np.ndarray:
    """Maximise the target from a starting point, theta of shape (n,)."""
    from scipy.optimize import minimize

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.empty_like(theta)
        value = log_density(theta, target, gradient)
        return -value, -gradient  # infinite where the density cannot be evaluated: the trust region then shrinks

    def curvature(theta: np.ndarray) -> np.ndarray:
        # SciPy asks for it at rejected points too, and refuses what is not finite.
        return np.nan_to_num(-_hessian(theta, target), nan=0.0, posinf=0.0, neginf=0.0)

    # A trust region takes indefinite curvature far from the mode in its stride; a line search along the gradient does not.
    result = minimize(
        objective, start, jac=True, hess=curvature, method="trust-exact",
        options={"maxiter": 200, "gtol": 1e-4},
    )  # fmt: skip
    return result.x


def _hessian(theta: np.ndarray, target: Target) -> np.ndarray:
    """Second derivatives by central differences of the gradient."""
    step = 1e-4
    upper, lower = np.empty((len(theta), len(theta))), np.empty((len(theta), len(theta)))
    for k, shift in enumerate(step * np.eye(len(theta))):
        log_density(theta + shift, target, upper[k])
        log_density(theta - shift, target, lower[k])
    hessian = (upper - lower) / (2.0 * step)
    return 0.5 * (hessian + hessian.T)


def _inverse_root(curvature: np.ndarray) -> np.ndarray | None:
    """A with A A' the inverse of the curvature, or None if it is not finite and safely positive definite."""
    if not np.all(np.isfinite(curvature)):
        return None
    scale = np.diagonal(curvature)
    if np.any(scale <= 0):
        return None
    root = np.sqrt(scale)
    correlation = curvature / np.outer(root, root)
    values, vectors = np.linalg.eigh(correlation)
    if values[0] < 1e-6:
        return None
    return np.ascontiguousarray((vectors / np.sqrt(values)) / root[:, None])

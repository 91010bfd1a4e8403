"""The two equations of Heckman's model apart from one another, and his two-step estimate: where maximisation starts."""

from typing import NamedTuple

import numpy as np

MOST_STEPS = 100
DECREMENT = 1e-16  # of Newton's method, in units of the log-likelihood
FEWEST_DF = 4  # of a linear regression, above which the variance of the logarithm of its residual SD is finite
WIDEST = 1000.0  # standard error of a coefficient of a design with unit mean squares, above which data are separated
STEEPEST = 0.9  # |rho| of a start


class Regression(NamedTuple):
    """Coefficients of one equation.

    Attributes
    ----------
    coefficients : ndarray of shape (p,)
    covariance : ndarray of shape (p, p)
    log_sigma : float
        Logarithm of the residual SD; 0 for probit.
    log_sigma_variance : float
        Its sampling variance; 0 for probit.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    log_sigma: float = 0.0
    log_sigma_variance: float = 0.0


def probit(x: np.ndarray, y: np.ndarray) -> Regression | None:
    """Probit regression by Newton's method.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        Design with columns of mean square about 1.
    y : ndarray of shape (n,)
        0 or 1.

    Returns
    -------
    Regression or None
        None where data are separated, or the columns of the design are not independent.
    """
    signs = 2.0 * np.asarray(y, dtype=float) - 1.0
    coefficients = np.zeros(x.shape[1])
    value, gradient, information = _probit_terms(coefficients, x, signs)
    for _ in range(MOST_STEPS):
        covariance = invert(information)
        if covariance is None:
            return None
        step = covariance @ gradient
        if gradient @ step < DECREMENT:
            return Regression(coefficients, covariance)
        new = _probit_terms(coefficients + step, x, signs)
        while not new[0] >= value - 1e-12 * abs(value):
            step *= 0.5
            new = _probit_terms(coefficients + step, x, signs)
        coefficients, (value, gradient, information) = coefficients + step, new
    return None


def least_squares(x: np.ndarray, y: np.ndarray) -> Regression | None:
    """Linear regression.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        Design with columns of mean square about 1.
    y : ndarray of shape (n,)

    Returns
    -------
    Regression or None
        None where the columns of the design are not independent, the outcome is constant, or n - p <= 4. The variance of
        log sigma is 1 / (2 (n - p - 4)) (Resche-Rigon and White 2018, section 3.2.1, by the delta method).
    """
    inverse, df = invert(x.T @ x), len(y) - x.shape[1]
    if inverse is None or df <= FEWEST_DF:
        return None
    coefficients = inverse @ (x.T @ y)
    residual = y - x @ coefficients
    variance = residual @ residual / df
    if not variance > np.finfo(float).eps * np.mean(y * y):
        return None
    return Regression(coefficients, inverse * variance, 0.5 * np.log(variance), 0.5 / (df - FEWEST_DF))


def two_step(x: np.ndarray, y: np.ndarray, eta: np.ndarray, binary: bool) -> tuple[Regression, float] | None:
    """Heckman's two-step estimate (Econometrica 1979): regress on the design and on the mean of the selection error.

    Parameters
    ----------
    x : ndarray of shape (n, p)
        Design of the outcome, observed rows.
    y : ndarray of shape (n,)
        Outcome.
    eta : ndarray of shape (n,)
        Linear predictor of selection.
    binary : bool
        Whether the outcome is binary; the estimate is then approximate.

    Returns
    -------
    regression : Regression
    atanh_rho : float
        With rho between -0.9 and 0.9.
    None
        In place of both where the regression cannot be fitted.
    """
    mills = _mills(eta)
    fit = (probit if binary else least_squares)(np.column_stack([x, mills]), y)
    if fit is None:
        return None
    slope = fit.coefficients[-1]
    sigma = np.sqrt(np.exp(2.0 * fit.log_sigma) + slope**2 * np.mean(mills * (mills + eta)))
    shrink = 1.0 / sigma if binary else 1.0
    outcome = Regression(fit.coefficients[:-1] * shrink, fit.covariance[:-1, :-1] * shrink**2, 0.0 if binary else np.log(sigma))
    return outcome, np.arctanh(np.clip(slope / sigma, -STEEPEST, STEEPEST))


def invert(matrix: np.ndarray) -> np.ndarray | None:
    """Inverse of a matrix of information.

    Parameters
    ----------
    matrix : ndarray of shape (p, p)

    Returns
    -------
    ndarray of shape (p, p) or None
        None if the matrix is not positive definite, or says next to nothing about a parameter.
    """
    try:
        inverse_root = np.linalg.inv(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return None
    inverse = inverse_root.T @ inverse_root
    return inverse if np.all(np.diag(inverse) < WIDEST**2) else None


def _probit_terms(coefficients: np.ndarray, x: np.ndarray, signs: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, gradient and information."""
    from scipy.special import log_ndtr

    eta = signs * (x @ coefficients)
    ratio = _mills(eta)
    return log_ndtr(eta).sum(), x.T @ (signs * ratio), x.T @ ((ratio * (ratio + eta))[:, None] * x)


def _mills(eta: np.ndarray) -> np.ndarray:
    """phi(eta) / Phi(eta), the mean of a standard normal error that is above -eta."""
    from scipy.special import log_ndtr

    return np.exp(-0.5 * (eta * eta + np.log(2.0 * np.pi)) - log_ndtr(eta))

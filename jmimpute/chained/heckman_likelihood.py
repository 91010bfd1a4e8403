"""Likelihood of Heckman's selection model for one variable: value, gradient and Hessian.

    selection   r* = w gamma + eps,   y is observed where r* > 0
    outcome     y = x beta + e,       or y = 1 where that is positive, with sigma = 1
    corr(eps, e) = rho,   var(eps) = 1,   var(e) = sigma^2

It is the likelihood of `jmimpute.graph.selected` for one response. With eta = w gamma, a missing y contributes log Phi(-eta),
an observed one log N(y) + log Phi((eta + rho r) / sqrt(1 - rho^2)), where r is its standardised residual, or log Phi2. The
parameters are (beta, gamma, log sigma, atanh rho), without log sigma for binary outcomes.
"""

from dataclasses import dataclass

import numpy as np

from jmimpute.graph.selected import all_cuts, group_rows
from jmimpute.graph.selected_kernel import log_likelihood
from jmimpute.graph.selected_rows import Known

STEP = 1e-5  # of differences of scores: of the order of the cube root of the rounding error


@dataclass(frozen=True)
class HeckmanParameters:
    """Parameters of one Heckman model.

    Attributes
    ----------
    beta : ndarray of shape (p,)
        Coefficients of the outcome.
    gamma : ndarray of shape (s,)
        Coefficients of selection, probit scale.
    log_sigma : float
        Logarithm of the residual SD of the outcome; 0 for binary outcomes.
    atanh_rho : float
        Fisher's z of the correlation of both errors.
    """

    beta: np.ndarray
    gamma: np.ndarray
    log_sigma: float
    atanh_rho: float


@dataclass(frozen=True)
class HeckmanRows:
    """Rows of a Heckman model.

    Attributes
    ----------
    x : ndarray of shape (n, p)
        Design of the outcome.
    w : ndarray of shape (n, s)
        Design of selection.
    known : Known
        What is known of each row.
    binary : bool
        Whether the outcome is binary.
    """

    x: np.ndarray
    w: np.ndarray
    known: Known
    binary: bool

    def unpack(self, theta: np.ndarray) -> HeckmanParameters:
        """Name the parts of a vector of parameters.

        Parameters
        ----------
        theta : ndarray of shape (p + s + 1,) or (p + s + 2,)
            (beta, gamma, log sigma unless the outcome is binary, atanh rho).

        Returns
        -------
        HeckmanParameters
        """
        p, s = self.x.shape[1], self.w.shape[1]
        log_sigma = 0.0 if self.binary else float(theta[p + s])
        return HeckmanParameters(theta[:p], theta[p : p + s], log_sigma, float(theta[-1]))


def heckman_rows(y: np.ndarray, observed: np.ndarray, x: np.ndarray, w: np.ndarray, binary: bool) -> HeckmanRows:
    """Arrange rows for `value_and_gradient`.

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
    HeckmanRows
    """
    values, categories = np.full((len(y), 1), np.nan), np.full((len(y), 2), -1)
    categories[:, 1] = observed
    if binary:
        categories[observed, 0] = y[observed]
    else:
        values[observed, 0] = y[observed]
    return HeckmanRows(x, w, group_rows(values, categories, [2 if binary else 1, 2], [0]), binary)


def value_and_gradient(theta: np.ndarray, rows: HeckmanRows) -> tuple[float, np.ndarray]:
    """Log-likelihood and its gradient.

    Parameters
    ----------
    theta : ndarray of shape (p + s + 1,) or (p + s + 2,)
        As for `HeckmanRows.unpack`.
    rows : HeckmanRows

    Returns
    -------
    value : float
        Minus infinity where it cannot be computed.
    gradient : ndarray, shaped like theta
    """
    value, d_mean, d_scales = _scores(*_linear(theta, rows), rows)
    return value, np.concatenate([rows.x.T @ d_mean[:, 0], rows.w.T @ d_mean[:, 1], d_scales[rows.binary :]])


def hessian(theta: np.ndarray, rows: HeckmanRows) -> np.ndarray:
    """Second derivatives of the log-likelihood: differences of the scores of the rows, not of each parameter.

    Parameters
    ----------
    theta : ndarray of shape (q,)
        As for `HeckmanRows.unpack`.
    rows : HeckmanRows

    Returns
    -------
    ndarray of shape (q, q)
    """
    mean, scales = _linear(theta, rows)
    widths = STEP * np.array([np.exp(scales[0]), 1.0, 1.0, 1.0])  # of the linear predictors, log sigma and atanh rho
    differences = [_difference(mean, scales, step, rows) for step in np.diag(widths)]
    by_mean, by_scale = [d_mean for d_mean, _ in differences[:2]], differences[2 + rows.binary :]
    designs = (rows.x, rows.w)
    coefficients = np.block(
        [[a.T @ (by_mean[j][:, k, None] * b) for k, b in enumerate(designs)] for j, a in enumerate(designs)]
    )
    across = np.column_stack([np.concatenate([rows.x.T @ d[:, 0], rows.w.T @ d[:, 1]]) for d, _ in by_scale])
    among = np.column_stack([d[rows.binary :] for _, d in by_scale])
    full = np.block([[coefficients, across], [across.T, among]])
    return 0.5 * (full + full.T)


def _linear(theta: np.ndarray, rows: HeckmanRows) -> tuple[np.ndarray, np.ndarray]:
    """Linear predictors of both equations, shape (n, 2), and (log sigma, atanh rho)."""
    parameters = rows.unpack(theta)
    mean = np.column_stack([rows.x @ parameters.beta, rows.w @ parameters.gamma])
    return mean, np.array([parameters.log_sigma, parameters.atanh_rho])


def _scores(mean: np.ndarray, scales: np.ndarray, rows: HeckmanRows) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, and its derivatives by the linear predictors of each row and by (log sigma, atanh rho)."""
    variance, rho = np.exp(2.0 * scales[0]), np.tanh(scales[1])
    cuts = all_cuts(rows.known.n_categories, None, np.concatenate)
    value, _, d_mean, d_variance, d_rho, _ = log_likelihood(mean, np.array([[variance]]), np.array([[rho]]), cuts, rows.known)
    return value, d_mean, np.array([2.0 * variance * d_variance[0, 0], (1.0 - rho) * (1.0 + rho) * d_rho[0, 0]])


def _difference(mean: np.ndarray, scales: np.ndarray, step: np.ndarray, rows: HeckmanRows) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the scores in one direction of (both linear predictors, log sigma, atanh rho)."""
    _, up_mean, up_scales = _scores(mean + step[:2], scales + step[2:], rows)
    _, down_mean, down_scales = _scores(mean - step[:2], scales - step[2:], rows)
    width = 2.0 * step.sum()
    return (up_mean - down_mean) / width, (up_scales - down_scales) / width

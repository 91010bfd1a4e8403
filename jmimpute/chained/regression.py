"""Draws of regression coefficients from their posterior, for the methods that ignore clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jmimpute.errors import ImputationError
from jmimpute.specification.checks import first_dependent

ITERATIONS = 50
TOLERANCE = 1e-8
#: Standard error of a logistic coefficient, of orthogonal predictors of mean square 1, beyond which the categories
#: count as separated.
LARGEST_ERROR = 100.0


@dataclass(frozen=True)
class Drawn:
    """Estimates and one draw from the posterior.

    Attributes
    ----------
    estimate, coefficients : ndarray, shape (p,)
        Estimated, and drawn.
    sd : float
        Drawn residual standard deviation; 1 for a logistic regression.
    """

    estimate: np.ndarray
    coefficients: np.ndarray
    sd: float


def draw_linear(x: np.ndarray, y: np.ndarray, name: str, columns: Sequence[str], rng: np.random.Generator) -> Drawn:
    """Draw from the posterior of a linear regression with the usual improper prior.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        With a constant.
    y : ndarray, shape (n,)
    name : str
        The variable, for messages.
    columns : sequence of str, length p
    rng : numpy.random.Generator

    Returns
    -------
    Drawn

    Raises
    ------
    ImputationError
        If there are no more observed values than coefficients, or predictors are collinear.

    Notes
    -----
    ``sd^2 = RSS / chi2(n - p)``, coefficients from N(estimate, sd^2 (X'X)^-1): Rubin (1987), Multiple Imputation for
    Nonresponse in Surveys, p. 167.
    """
    df = len(y) - x.shape[1]
    if df < 1:
        raise ImputationError(
            f"Variable {name!r} has {len(y)} observed values for {x.shape[1]} coefficients. Give it fewer predictors."
        )
    scale = check_full_rank(x, name, columns)
    q, r = np.linalg.qr(x / scale)
    estimate = np.linalg.solve(r, q.T @ y)
    residuals = y - (x / scale) @ estimate
    sd = float(np.sqrt(residuals @ residuals / rng.chisquare(df)))
    coefficients = estimate + sd * np.linalg.solve(r, rng.standard_normal(x.shape[1]))
    return Drawn(estimate / scale, coefficients / scale, sd)


def draw_logistic(x: np.ndarray, y: np.ndarray, name: str, columns: Sequence[str], rng: np.random.Generator) -> Drawn:
    """Draw from the normal approximation to the posterior of a logistic regression.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        With a constant.
    y : ndarray, shape (n,)
        0 or 1.
    name : str
        The variable, for messages.
    columns : sequence of str, length p
    rng : numpy.random.Generator

    Returns
    -------
    Drawn

    Raises
    ------
    ImputationError
        If predictors are collinear, or separate the categories so that there is no estimate.
    """
    scale = check_full_rank(x, name, columns)
    # In coordinates in which predictors are orthogonal, so that a standard error says how much its direction is known.
    q, r = np.linalg.qr(x / scale)
    scaled, estimate = q * np.sqrt(len(y)), np.zeros(x.shape[1])
    for _ in range(ITERATIONS):
        probability = 1 / (1 + np.exp(-np.clip(scaled @ estimate, -500, 500)))
        information = (scaled * (probability * (1 - probability))[:, None]).T @ scaled
        if not is_usable(information):
            raise ImputationError(separated(name, columns))
        step = np.linalg.solve(information, scaled.T @ (y - probability))
        estimate = estimate + step
        if np.max(np.abs(step)) < TOLERANCE * (1 + np.max(np.abs(estimate))):
            break
    else:
        raise ImputationError(separated(name, columns))
    lower = np.linalg.cholesky(information)
    coefficients = estimate + np.linalg.solve(lower.T, rng.standard_normal(x.shape[1]))
    estimate, coefficients = np.sqrt(len(y)) * np.linalg.solve(r, np.column_stack([estimate, coefficients])).T / scale
    return Drawn(estimate, coefficients, 1.0)


def check_full_rank(x: np.ndarray, name: str, columns: Sequence[str]) -> np.ndarray:
    """Refuse predictors of which one is a combination of those before it in the observed rows.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    name : str
        The variable, for the message.
    columns : sequence of str, length p

    Returns
    -------
    ndarray, shape (p,)
        Norm of each column, 1 where it is 0.

    Raises
    ------
    ImputationError
        If there is one.
    """
    norm = np.linalg.norm(x, axis=0)
    scale = np.where(norm > 0, norm, 1.0)
    dependent = first_dependent(x / scale)
    if dependent is not None:
        raise ImputationError(
            f"Predictor {columns[dependent]!r} of {name!r} is constant or a combination of those before it in the "
            f"{len(x)} rows where {name!r} is observed. Take it out of the predictors of {name!r}, or merge rare categories."
        )
    return scale


def is_usable(information: np.ndarray) -> bool:
    """Tell whether all standard errors are those of an estimate that exists.

    Parameters
    ----------
    information : ndarray, shape (k, k)
        Of coefficients of orthogonal predictors of mean square 1.
    """
    try:
        errors = np.sqrt(np.diagonal(np.linalg.inv(information)))
    except np.linalg.LinAlgError:
        return False
    return bool(np.all(errors < LARGEST_ERROR))


def separated(name: str, columns: Sequence[str]) -> str:
    """Say that a logistic regression has no estimate.

    Parameters
    ----------
    name : str
        The variable.
    columns : sequence of str
        Its predictors, after the constant.
    """
    return (
        f"The predictors {', '.join(columns[1:])} of {name!r} tell its categories apart without error, or nearly, so that its "
        "logistic regression has no estimate. Take out the predictor that does, merge rare categories, or use 'pmm'."
    )

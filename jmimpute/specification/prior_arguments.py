"""Arguments of priors: numbers and matrices that make sense, or an error."""

from numbers import Real
from typing import Any

import numpy as np

from jmimpute.errors import PriorError


def positive(value: Any, name: str) -> float:
    """A positive number.

    Parameters
    ----------
    value : float
    name : str
        Of the argument, for the message.

    Raises
    ------
    PriorError
    """
    if not is_number(value) or value <= 0:
        raise PriorError(f"{name} must be a positive number, not {value!r}.")
    return float(value)


def is_number(value: Any) -> bool:
    """Whether something is a finite number.

    Parameters
    ----------
    value : object
    """
    return isinstance(value, Real) and bool(np.isfinite(float(value)))


def scale(value: Any, whose: str) -> float | tuple[tuple[float, ...], ...]:
    """A positive number, or a symmetric positive definite matrix as nested tuples.

    Parameters
    ----------
    value : float or array_like
    whose : str
        What has this scale, for the message.

    Raises
    ------
    PriorError
    """
    try:
        matrix = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise PriorError(f"The {whose} scale must hold numbers, not {value!r}.") from error
    if matrix.ndim == 0:
        return positive(float(matrix), "scale")
    symmetric = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and np.allclose(matrix, matrix.T)
    if not symmetric or not np.all(np.isfinite(matrix)) or np.linalg.eigvalsh(matrix).min() <= 0:
        raise PriorError(f"The {whose} scale must be a positive number or a symmetric positive definite matrix.")
    return tuple(map(tuple, matrix.tolist()))


def square(given: float | tuple[tuple[float, ...], ...], dim: int, whose: str) -> np.ndarray:
    """Write a scale as a matrix, a number being that multiple of the identity.

    Parameters
    ----------
    given : float or tuple of tuple of float
    dim : int
        Dimension of the covariance matrix.
    whose : str
        What has this scale, for the message.

    Returns
    -------
    ndarray, shape (dim, dim)

    Raises
    ------
    PriorError
        If a matrix of another shape was given.
    """
    value = np.asarray(given, dtype=float)
    matrix = value * np.eye(dim) if value.ndim == 0 else value
    if matrix.shape != (dim, dim):
        raise PriorError(f"The {whose} scale has shape {matrix.shape}; this model needs ({dim}, {dim}).")
    return matrix


def shown(given: float | tuple[tuple[float, ...], ...]) -> str:
    """Write a scale for a text.

    Parameters
    ----------
    given : float or tuple of tuple of float
    """
    return f"{given:g} x identity" if np.ndim(given) == 0 else "given matrix"

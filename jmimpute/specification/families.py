"""Families of responses: continuous ones are responses themselves, categorical ones are read off latent normals.

A binary response has one latent normal with variance 1, positive for the category that is not the reference. A nominal one with
K categories has K - 1 with variances 1 and covariances 0.5: the category is that of the largest latent if any is positive, else
the reference. An ordinal one has one latent with variance 1, cut at 0 = c_1 < c_2 < ... < c_{K-1}. With two observed categories
all three are the same model, and the response is a binary one.

Where no family is given, truth values are binary; categoricals are binary with two observed categories, else ordinal if ordered
(as every polars Enum is) or nominal if not; numbers are gaussian. A category that is never observed is not modelled, since
nothing is known of its latent.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jmimpute.errors import ExchangeError

GAUSSIAN, BINARY, NOMINAL, ORDINAL = "gaussian", "binary", "nominal", "ordinal"
FAMILIES = (GAUSSIAN, BINARY, NOMINAL, ORDINAL)


@dataclass(frozen=True)
class Family:
    """What the analyst says about a response.

    Attributes
    ----------
    kind : {"gaussian", "binary", "nominal", "ordinal"}
    levels : tuple, optional
        Categories, in order: texts, truth values or numbers; those of the data if not given.
    reference : optional
        Category without a latent of its own, or in which the latent of a binary response is negative.
    """

    kind: str
    levels: tuple | None = None
    reference: Any = None

    def __post_init__(self) -> None:
        """Make any sequence of levels a tuple; a text or a set is none, and is refused when the column is known."""
        if isinstance(self.levels, Iterable) and not isinstance(self.levels, str | Set | Mapping):
            object.__setattr__(self, "levels", tuple(self.levels))


def gaussian() -> Family:
    """Continuous response."""
    return Family(GAUSSIAN)


def binary(levels: Sequence | None = None, reference: Any = None) -> Family:
    """Response with two categories: one latent normal, positive for the category that is not the reference.

    Parameters
    ----------
    levels : sequence, optional
        The two categories; those of the data, sorted or in the order of their dtype, if not given.
    reference : optional
        The first of them if not given.
    """
    return Family(BINARY, levels, reference)


def nominal(levels: Sequence | None = None, reference: Any = None) -> Family:
    """Response with unordered categories: a latent normal for each but the reference. With two it is a binary response.

    Parameters
    ----------
    levels : sequence, optional
        Categories; those of the data, sorted or in the order of their dtype, if not given. A polars Categorical has them as
        they first appear.
    reference : optional
        The last of them if not given; of two the first.
    """
    return Family(NOMINAL, levels, reference)


def ordinal(levels: Sequence | None = None) -> Family:
    """Response with ordered categories: one latent normal and cut points. With two it is a binary response.

    Parameters
    ----------
    levels : sequence, optional
        Categories from low to high. May be left out for numbers and for categoricals that are ordered.
    """
    return Family(ORDINAL, levels)


@dataclass(frozen=True)
class Variable:
    """A response column and the coordinates of the joint model that stand for it.

    Attributes
    ----------
    name : str
    family : {"gaussian", "binary", "nominal", "ordinal"}
    first : int
        Position of its first coordinate among the p responses of the layout.
    levels : tuple
        Categories that are modelled, in order; empty for a gaussian response.
    reference : int
        Index into `levels` of the reference category of a binary or nominal response, else -1.
    unused : tuple
        Categories that are never observed and not modelled.
    """

    name: str
    family: str
    first: int
    levels: tuple = ()
    reference: int = -1
    unused: tuple = ()

    @property
    def is_latent(self) -> bool:
        """Whether latent normals stand for it."""
        return self.family != GAUSSIAN

    @property
    def width(self) -> int:
        """Coordinates that stand for it."""
        return len(self.levels) - 1 if self.family == NOMINAL else 1

    @property
    def n_cutpoints(self) -> int:
        """Free cut points, those after the first, which is 0."""
        return len(self.levels) - 2 if self.family == ORDINAL else 0

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Labels of its coordinates: ``fluent.1`` and ``fluent.2`` for a nominal response, otherwise its name."""
        if self.family != NOMINAL:
            return (self.name,)
        return tuple(f"{self.name}.{k + 1}" for k in range(self.width))

    @property
    def slots(self) -> np.ndarray:
        """For each level: the latent (from 0) that is largest in it, `width` for the reference; ordinal: its rank."""
        rank = np.arange(len(self.levels))
        if self.family == ORDINAL:
            return rank
        slots = np.where(rank > self.reference, rank - 1, rank)
        slots[self.reference] = self.width
        return slots

    def categories(self, latents: np.ndarray, cutpoints: np.ndarray) -> np.ndarray:
        """Categories that latent normals stand for.

        Parameters
        ----------
        latents : ndarray, shape (n, width)
        cutpoints : ndarray, shape (n_cutpoints,)
            The free ones.

        Returns
        -------
        ndarray of int, shape (n,)
            Index into `levels`.
        """
        if self.family == ORDINAL:
            return np.searchsorted(np.concatenate([[0.0], cutpoints]), latents[:, 0])
        best = np.argmax(latents, axis=1)
        slot = np.where(latents[np.arange(len(latents)), best] > 0, best, self.width)
        return np.argsort(self.slots)[slot]


def to_record(variables: Iterable[Variable]) -> dict[str, dict[str, Any]]:
    """Write families as they were resolved, as plain numbers and texts, for JSON.

    Parameters
    ----------
    variables : iterable of Variable
    """
    return {variable.name: asdict(_resolved(variable)) for variable in variables}


def from_record(record: Mapping[str, Any]) -> dict[str, Family]:
    """Read what `to_record` wrote.

    Parameters
    ----------
    record : mapping

    Raises
    ------
    ExchangeError
        If it is something else.
    """
    try:
        return {str(name): Family(**entry) for name, entry in record.items()}
    except (AttributeError, TypeError) as error:
        raise ExchangeError(f"Families cannot be read from {record!r}: {error}. The file is corrupt.") from error


def _resolved(variable: Variable) -> Family:
    """The family that makes this variable again."""
    if not variable.is_latent:
        return gaussian()
    reference = None if variable.family == ORDINAL else variable.levels[variable.reference]
    return Family(variable.family, variable.levels + variable.unused, reference)

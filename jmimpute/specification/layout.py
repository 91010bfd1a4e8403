"""The shape of a model: which response has which covariates and which random effects."""

from dataclasses import dataclass

import numpy as np

from jmimpute.names import INTERCEPT, effect_label
from jmimpute.specification.families import Variable


@dataclass(frozen=True)
class Layout:
    """Names and shape of a two-level model; what the graph and the samplers know of the specification.

    Attributes
    ----------
    variables : tuple of Variable
        Response columns of the table.
    responses : tuple of str, length p
        Coordinates that stand for them: continuous responses and latent normals.
    covariates : tuple of str, length q
        Columns of X, the union over responses.
    random : tuple of str, length r
        Columns of Z, the union over responses.
    beta_mask : ndarray of bool, shape (q, p)
        Which coefficients exist; the others are 0.
    effect_response, effect_column : ndarray of int, shape (d,)
        Response and column of Z of each random effect, response by response.
    """

    variables: tuple[Variable, ...]
    responses: tuple[str, ...]
    covariates: tuple[str, ...]
    random: tuple[str, ...]
    beta_mask: np.ndarray
    effect_response: np.ndarray
    effect_column: np.ndarray

    @property
    def n_effects(self) -> int:
        """Random effects of a cluster, d; 0 for a single-level model."""
        return len(self.effect_response)

    @property
    def latent(self) -> np.ndarray:
        """Which coordinates are latent normals, shape (p,)."""
        return np.array([variable.is_latent for variable in self.variables for _ in range(variable.width)], dtype=bool)

    @property
    def has_latents(self) -> bool:
        """Whether any response is categorical."""
        return any(variable.is_latent for variable in self.variables)

    @property
    def effects(self) -> tuple[str, ...]:
        """Labels of the random effects, e.g. ``english|Intercept``."""
        pairs = zip(self.effect_response, self.effect_column, strict=True)
        return tuple(effect_label(self.responses[a], self.random[c]) for a, c in pairs)

    @property
    def random_mask(self) -> np.ndarray:
        """Which response has which column of Z, shape (r, p)."""
        mask = np.zeros((len(self.random), len(self.responses)), dtype=bool)
        mask[self.effect_column, self.effect_response] = True
        return mask


def lay_out(variables: tuple[Variable, ...], fixed: dict[str, tuple[str, ...]], random: dict[str, tuple[str, ...]]) -> Layout:
    """Build the layout from the columns of each response.

    Parameters
    ----------
    variables : tuple of Variable
    fixed, random : dict of str to tuple of str
        Columns of X and of Z for each response column.
    """
    names = tuple(variable.name for variable in variables)
    covariates = _union(fixed, names)
    columns = _union(random, names)
    owners = [variable.name for variable in variables for _ in range(variable.width)]
    responses = tuple(label for variable in variables for label in variable.coordinates)
    mask = np.array([[name in fixed[owner] for owner in owners] for name in covariates], dtype=bool)
    pairs = [(a, columns.index(name)) for a, owner in enumerate(owners) for name in random[owner]]
    index = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    shape = (len(covariates), len(responses))
    return Layout(variables, responses, covariates, columns, mask.reshape(shape), index[:, 0].copy(), index[:, 1].copy())


def _union(columns: dict[str, tuple[str, ...]], responses: tuple[str, ...]) -> tuple[str, ...]:
    """All columns, the intercept first and the others as they first appear."""
    names = dict.fromkeys(name for response in responses for name in columns[response])
    return tuple(sorted(names, key=lambda name: name != INTERCEPT))

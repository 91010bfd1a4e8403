"""The shape of a model: which response has which covariates and which random effects."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from jmimpute.names import INTERCEPT, effect_label
from jmimpute.specification.families import Variable


@dataclass(frozen=True)
class Level2:
    """Responses of the clusters.

    Attributes
    ----------
    variables : tuple of Variable
        Response columns of the table; `Variable.first` counts level-2 coordinates.
    responses : tuple of str, length p2
        Coordinates that stand for them: continuous responses and latent normals.
    covariates : tuple of str, length q2
        Columns of X2, the union over responses.
    beta_mask : ndarray of bool, shape (q2, p2)
        Which coefficients exist; the others are 0.
    """

    variables: tuple[Variable, ...]
    responses: tuple[str, ...]
    covariates: tuple[str, ...]
    beta_mask: np.ndarray

    @property
    def latent(self) -> np.ndarray:
        """Which coordinates are latent normals, shape (p2,)."""
        return np.array([variable.is_latent for variable in self.variables for _ in range(variable.width)], dtype=bool)


NO_LEVEL_2 = Level2((), (), (), np.zeros((0, 0), dtype=bool))


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
    effect_response, effect_column : ndarray of int, shape (n_effects,)
        Response and column of Z of each random effect, response by response.
    blocks : ndarray of int, shape (d,)
        Block of Omega_u to which each random effect and, behind them, each level-2 coordinate belongs; coordinates of different
        blocks are uncorrelated. All 0 unless a formula has ``||``.
    level2 : Level2
        Responses of the clusters; `NO_LEVEL_2` without any.
    """

    variables: tuple[Variable, ...]
    responses: tuple[str, ...]
    covariates: tuple[str, ...]
    random: tuple[str, ...]
    beta_mask: np.ndarray
    effect_response: np.ndarray
    effect_column: np.ndarray
    blocks: np.ndarray
    level2: Level2 = NO_LEVEL_2

    @property
    def n_effects(self) -> int:
        """Random effects of a cluster; 0 for a single-level model."""
        return len(self.effect_response)

    @property
    def dim_u(self) -> int:
        """Dimension d of Omega_u: random effects, then level-2 coordinates."""
        return self.n_effects + len(self.level2.responses)

    @property
    def latent_u(self) -> np.ndarray:
        """Which rows of Omega_u are latent normals, shape (d,)."""
        return np.concatenate([np.zeros(self.n_effects, dtype=bool), self.level2.latent])

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
    def labels_u(self) -> tuple[str, ...]:
        """Labels of the rows of Omega_u: random effects, then level-2 responses by name."""
        return (*self.effects, *self.level2.responses)

    def without_last(self, n: int) -> "Layout":
        """The layout without its last n response columns, each of one coordinate; random effects are those of all.

        Parameters
        ----------
        n : int
        """
        p = len(self.responses) - n
        variables = self.variables[: len(self.variables) - n]
        return replace(self, variables=variables, responses=self.responses[:p], beta_mask=self.beta_mask[:, :p])

    @property
    def random_mask(self) -> np.ndarray:
        """Which response has which column of Z, shape (r, p)."""
        mask = np.zeros((len(self.random), len(self.responses)), dtype=bool)
        mask[self.effect_column, self.effect_response] = True
        return mask


def lay_out(
    variables: tuple[Variable, ...],
    fixed: dict[str, tuple[str, ...]],
    random: dict[str, tuple[str, ...]],
    uncorrelated: Collection[str] = (),
    level2: Level2 = NO_LEVEL_2,
) -> Layout:
    """Build the layout from the columns of each response.

    Parameters
    ----------
    variables : tuple of Variable
    fixed, random : dict of str to tuple of str
        Columns of X and of Z for each response column.
    uncorrelated : collection of str
        Response columns whose random effects of different columns of Z are uncorrelated.
    level2 : Level2
    """
    columns = _union(random, variables)
    owners = _owners(variables)
    responses = tuple(label for variable in variables for label in variable.coordinates)
    covariates, mask = _coefficients(fixed, variables)
    pairs = [(a, columns.index(name)) for a, owner in enumerate(owners) for name in random[owner]]
    index = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    blocks = _blocks(index, [owner in uncorrelated for owner in owners], columns, len(level2.responses))
    return Layout(variables, responses, covariates, columns, mask, index[:, 0].copy(), index[:, 1].copy(), blocks, level2)


def lay_out_level2(variables: tuple[Variable, ...], fixed: dict[str, tuple[str, ...]]) -> Level2:
    """Build the level-2 part of a layout from the columns of each response.

    Parameters
    ----------
    variables : tuple of Variable
    fixed : dict of str to tuple of str
        Columns of X2 for each response column.
    """
    responses = tuple(label for variable in variables for label in variable.coordinates)
    return Level2(variables, responses, *_coefficients(fixed, variables))


def _coefficients(fixed: dict[str, tuple[str, ...]], variables: tuple[Variable, ...]) -> tuple[tuple[str, ...], np.ndarray]:
    """Columns of a design matrix, and which of them each coordinate has."""
    covariates, owners = _union(fixed, variables), _owners(variables)
    mask = np.array([[name in fixed[owner] for owner in owners] for name in covariates], dtype=bool)
    return covariates, mask.reshape(len(covariates), len(owners))


def _blocks(index: np.ndarray, uncorrelated: list[bool], columns: tuple[str, ...], n_level2: int) -> np.ndarray:
    """Blocks of Omega_u: 0, and one for each column of Z but the intercept where effects are uncorrelated."""
    own = np.array([uncorrelated[a] and columns[c] != INTERCEPT for a, c in index], dtype=bool)
    blocks = np.concatenate([np.where(own, 1 + index[:, 1], 0), np.zeros(n_level2, dtype=np.int64)])
    return np.unique(blocks, return_inverse=True)[1].astype(np.int64).ravel()


def _owners(variables: tuple[Variable, ...]) -> list[str]:
    """The response column of each coordinate."""
    return [variable.name for variable in variables for _ in range(variable.width)]


def _union(columns: dict[str, tuple[str, ...]], variables: tuple[Variable, ...]) -> tuple[str, ...]:
    """All columns, the intercept first and the others as they first appear."""
    names = dict.fromkeys(name for variable in variables for name in columns[variable.name])
    return tuple(sorted(names, key=lambda name: name != INTERCEPT))

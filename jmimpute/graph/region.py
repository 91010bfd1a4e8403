"""Where latent normals agree with the observed categories."""

from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute.specification.families import ORDINAL, Variable
from jmimpute.specification.specify import Specification

#: Tables of responses in the graph, of rows and of clusters.
Y, W = "y", "w"


class Responses(NamedTuple):
    """Responses of one level, of n rows or n clusters.

    Attributes
    ----------
    name : str
        Of the table in the graph.
    values : ndarray, shape (n, p)
        NaN for missing cells.
    latent : ndarray of bool, shape (p,)
    variables : tuple of Variable
    categories : ndarray of int, shape (n, n_variables)
        -1 for missing cells and gaussian responses.
    region : str
        Name of the potential that is 0 where latents agree with the categories.
    """

    name: str
    values: np.ndarray
    latent: np.ndarray
    variables: tuple[Variable, ...]
    categories: np.ndarray
    region: str


def of_rows(specification: Specification) -> Responses:
    """Responses of the rows.

    Parameters
    ----------
    specification : Specification
    """
    layout = specification.layout
    return Responses(Y, specification.y, layout.latent, layout.variables, specification.categories, "region")


def of_clusters(specification: Specification) -> Responses:
    """Responses of the clusters.

    Parameters
    ----------
    specification : Specification
    """
    level2 = specification.layout.level2
    return Responses(W, specification.w, level2.latent, level2.variables, specification.categories2, "region_level2")


def add_region(table: Any, cutpoints: dict[str, Any], responses: Responses) -> None:
    """Add the potential to the PyMC model of the current context: 0 inside the region, minus infinity outside.

    Parameters
    ----------
    table : tensor, shape (n, p)
    cutpoints : dict of str to tensor
        Free cut points of ordinal responses.
    responses : Responses
    """
    agree = []
    for position, variable in enumerate(responses.variables):
        if variable.is_latent:
            categories = responses.categories[:, position]
            seen = np.flatnonzero(categories >= 0)
            latents = table[seen, variable.first : variable.first + variable.width]
            slots = variable.slots[categories[seen]]
            if variable.family == ORDINAL:
                agree.append(_between(latents[:, 0], slots, cutpoints.get(variable.name, np.empty(0))))
            else:
                agree.append(_largest(latents, slots, variable))
    pm.Potential(responses.region, pt.switch(pt.all(pt.stack(agree)), 0.0, -np.inf))


def _between(latent: Any, ranks: np.ndarray, cutpoints: Any) -> Any:
    """Whether ordinal latents lie between the cut points of their ranks."""
    cuts = pt.concatenate([[-np.inf, 0.0], cutpoints, [np.inf]])
    return pt.all((latent > cuts[ranks]) & (latent < cuts[ranks + 1]))


def _largest(latents: Any, slots: np.ndarray, variable: Variable) -> Any:
    """Whether the latent of the category is the largest, that of the reference being 0; so for two categories too."""
    everything = pt.concatenate([latents, pt.zeros((len(slots), 1))], axis=1)
    own = everything[np.arange(len(slots)), slots]
    return pt.all((everything < own[:, None]) | np.equal.outer(slots, np.arange(variable.width + 1)))


def inside(responses: Responses) -> np.ndarray:
    """Find a point inside the region, for cut points 1 apart.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    ndarray, shape (n, p)
        0 for continuous responses and where the category is missing.
    """
    table = np.zeros(responses.values.shape)
    for position, variable in enumerate(responses.variables):
        seen = responses.categories[:, position] >= 0
        if not (variable.is_latent and seen.any()):
            continue
        slots = variable.slots[responses.categories[seen, position]]
        if variable.family == ORDINAL:
            table[seen, variable.first] = slots - 0.5
        else:
            own = np.equal.outer(slots, np.arange(variable.width))
            table[seen, variable.first : variable.first + variable.width] = np.where(own, 0.5, -0.5)
    return table

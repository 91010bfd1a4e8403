"""Where latent normals agree with the observed categories."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute.specification.families import ORDINAL, Variable
from jmimpute.specification.specify import Specification


def add_region(y: Any, cutpoints: dict[str, Any], specification: Specification) -> None:
    """Add the potential ``region`` to the PyMC model of the current context: 0 inside, minus infinity outside.

    Parameters
    ----------
    y : tensor, shape (n_rows, p)
    cutpoints : dict of str to tensor
        Free cut points of ordinal responses.
    specification : Specification
    """
    agree = []
    for position, variable in enumerate(specification.layout.variables):
        if variable.is_latent:
            categories = specification.categories[:, position]
            seen = np.flatnonzero(categories >= 0)
            latents = y[seen, variable.first : variable.first + variable.width]
            slots = variable.slots[categories[seen]]
            if variable.family == ORDINAL:
                agree.append(_between(latents[:, 0], slots, cutpoints.get(variable.name, np.empty(0))))
            else:
                agree.append(_largest(latents, slots, variable))
    pm.Potential("region", pt.switch(pt.all(pt.stack(agree)), 0.0, -np.inf))


def _between(latent: Any, ranks: np.ndarray, cutpoints: Any) -> Any:
    """Whether ordinal latents lie between the cut points of their ranks."""
    cuts = pt.concatenate([[-np.inf, 0.0], cutpoints, [np.inf]])
    return pt.all((latent > cuts[ranks]) & (latent < cuts[ranks + 1]))


def _largest(latents: Any, slots: np.ndarray, variable: Variable) -> Any:
    """Whether the latent of the category is the largest, that of the reference being 0; so for two categories too."""
    everything = pt.concatenate([latents, pt.zeros((len(slots), 1))], axis=1)
    own = everything[np.arange(len(slots)), slots]
    return pt.all((everything < own[:, None]) | np.equal.outer(slots, np.arange(variable.width + 1)))


def inside(specification: Specification) -> np.ndarray:
    """Find a point inside the region, for cut points 1 apart.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    ndarray, shape (n_rows, p)
        0 for continuous responses and where the category is missing.
    """
    y = np.zeros(specification.y.shape)
    for position, variable in enumerate(specification.layout.variables):
        seen = specification.categories[:, position] >= 0
        if not (variable.is_latent and seen.any()):
            continue
        slots = variable.slots[specification.categories[seen, position]]
        if variable.family == ORDINAL:
            y[seen, variable.first] = slots - 0.5
        else:
            own = np.equal.outer(slots, np.arange(variable.width))
            y[seen, variable.first : variable.first + variable.width] = np.where(own, 0.5, -0.5)
    return y

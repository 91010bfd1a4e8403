"""The plain generative PyMC model: explicit random effects and missing cells. Slow, obvious, the definition of the model."""

import warnings
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from jmimpute import names
from jmimpute.errors import PriorError
from jmimpute.graph.parameters import STANDARDISED, add_parameters, coords
from jmimpute.specification.priors import Flat, InverseWishart
from jmimpute.specification.specify import Specification

Y = "y"


def generative(specification: Specification, observe: bool = True) -> pm.Model:
    """Write the model as in its definition.

    Parameters
    ----------
    specification : Specification
    observe : bool
        Condition on the observed cells; the missing ones are parameters either way.

    Returns
    -------
    pymc.Model
        On the standardised scale inside, with rows in canonical order; `beta`, `Omega_e`, `Omega_u` and `u` are reported
        on the original scale.
    """
    layout, scaling = specification.layout, specification.scaling
    with pm.Model(coords=coords(specification)) as model:
        beta, chol_e, chol_u = add_parameters(specification)
        mean = pt.dot(specification.x, beta)
        if layout.n_effects:
            shape = (specification.n_clusters, layout.n_effects)
            effects = pm.MvNormal(names.U + STANDARDISED, np.zeros(layout.n_effects), chol=chol_u, shape=shape)
            pm.Deterministic(names.U, pt.dot(effects, scaling.u_transform.T), dims=(names.CLUSTER, names.EFFECT))
            terms = effects[specification.clusters.codes] * specification.z[:, layout.effect_column]
            for a in range(len(layout.responses)):
                own = np.flatnonzero(layout.effect_response == a)
                mean = pt.inc_subtensor(mean[:, a], terms[:, own].sum(axis=1))
        with warnings.catch_warnings():
            # Missing cells become parameters, which is what this model is for.
            warnings.filterwarnings("ignore", category=pm.exceptions.ImputationWarning)
            pm.MvNormal(
                Y, mean, chol=chol_e, **({"observed": specification.y} if observe else {"shape": specification.y.shape})
            )
    return model


def prior_predictive(specification: Specification, draws: int, random_seed: int | None) -> xr.DataTree:
    """Draw parameters and complete tables from the prior.

    Parameters
    ----------
    specification : Specification
    draws : int
    random_seed : int, optional

    Returns
    -------
    xarray.DataTree
        Group `prior`: parameters and `y` (row, response), rows as in the table, all on the original scale.

    Raises
    ------
    PriorError
        If a prior is improper.
    """
    _require_proper(specification)
    with generative(specification, observe=False), warnings.catch_warnings():
        # PyTensor has no compiled inverse-Wishart draws and says so.
        warnings.filterwarnings("ignore", message="Numba will use object mode", category=UserWarning)
        drawn = pm.sample_prior_predictive(draws, random_seed=random_seed)["prior"].to_dataset()
    standard = drawn[Y].to_numpy()
    y = np.empty_like(standard)
    y[..., specification.order, :] = standard * specification.scaling.scale + specification.scaling.center
    dims = (names.CHAIN, names.DRAW, names.ROW, names.RESPONSE)
    kept: Any = drawn[[name for name in (names.BETA, names.OMEGA_E, names.OMEGA_U, names.U) if name in drawn]]
    return xr.DataTree.from_dict({"prior": kept.assign({Y: (dims, y)}).assign_coords({names.ROW: np.arange(y.shape[-2])})})


def _require_proper(specification: Specification) -> None:
    priors, layout = specification.priors, specification.layout
    improper = [names.BETA] if isinstance(priors.beta, Flat) else []
    for name, dim in ((names.OMEGA_E, len(layout.responses)), (names.OMEGA_U, layout.n_effects)):
        prior = getattr(priors, name)
        if dim and isinstance(prior, InverseWishart) and prior.degrees(dim) <= dim - 1:
            improper.append(name)
    if improper:
        raise PriorError(
            f"The prior of {improper[0]!r} is improper, so nothing can be drawn from it: {getattr(priors, improper[0])}. Use "
            "jm.priors.default(), jm.priors.normal(sd) for beta, or an inverse-Wishart prior with more degrees of freedom."
        )

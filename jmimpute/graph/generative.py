"""The plain generative PyMC model: explicit random effects, missing cells and latent normals. Slow, obvious, the definition."""

import warnings
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pytensor.compile.mode import Mode

from jmimpute import names
from jmimpute.errors import PriorError
from jmimpute.graph.constrained import can_draw, is_proper
from jmimpute.graph.parameters import STANDARDISED, add_cutpoints, add_parameters, coords
from jmimpute.graph.region import add_region, inside
from jmimpute.specification.families import Variable
from jmimpute.specification.priors import Flat, InverseWishart
from jmimpute.specification.specify import Specification

Y, UNOBSERVED = "y", "y_unobserved"


def generative(specification: Specification, observe: bool = True) -> pm.Model:
    """Write the model as in its definition.

    Parameters
    ----------
    specification : Specification
    observe : bool
        Condition on the observed cells and categories; missing cells and latent normals are parameters either way.

    Returns
    -------
    pymc.Model
        On the standardised scale inside, with rows in canonical order; `beta`, `Omega_e`, `Omega_u`, `u` and cut points are
        reported on the original scale. The potential ``region`` is 0 where the latent normals agree with the observed
        categories and minus infinity elsewhere.
    """
    with pm.Model(coords=coords(specification)) as model:
        beta, chol_e, chol_u = add_parameters(specification)
        cutpoints = add_cutpoints(specification)
        mean = _add_effects(pt.dot(specification.x, beta), chol_u, specification)
        if observe:
            _observe(mean, chol_e, cutpoints, specification)
        else:
            pm.MvNormal(Y, mean, chol=chol_e, shape=specification.y.shape)
    return model


def _observe(mean: Any, chol_e: Any, cutpoints: dict[str, Any], specification: Specification) -> None:
    """Add observed, missing and latent cells, and the region of the latent ones, to the model of the current context."""
    layout = specification.layout
    observed = np.where(layout.latent, np.nan, specification.y)
    start = inside(specification)
    if layout.latent.all():  # PyMC cannot evaluate a table of which nothing is observed
        y = pm.Deterministic(Y, pm.MvNormal(UNOBSERVED, mean, chol=chol_e, shape=observed.shape, initval=start))
    else:
        with warnings.catch_warnings():
            # Missing cells become parameters, which is what this model is for.
            warnings.filterwarnings("ignore", category=pm.exceptions.ImputationWarning)
            y = pm.MvNormal(Y, mean, chol=chol_e, observed=observed)
        if layout.has_latents:  # PyMC has no argument for where missing cells start
            model = pm.modelcontext(None)
            model.set_initval(model[UNOBSERVED], start[np.isnan(observed)])
    if layout.has_latents:
        add_region(y, cutpoints, specification)


def _add_effects(mean: Any, chol_u: Any, specification: Specification) -> Any:
    """Add the random effects to the model of the current context and their terms to the mean, shape (n_rows, p)."""
    layout, scaling = specification.layout, specification.scaling
    if not layout.n_effects:
        return mean
    shape = (specification.n_clusters, layout.n_effects)
    effects = pm.MvNormal(names.U + STANDARDISED, np.zeros(layout.n_effects), chol=chol_u, shape=shape)
    pm.Deterministic(names.U, pt.dot(effects, scaling.u_transform.T), dims=(names.CLUSTER, names.EFFECT))
    terms = effects[specification.clusters.codes] * specification.z[:, layout.effect_column]
    for a in range(len(layout.responses)):
        own = np.flatnonzero(layout.effect_response == a)
        mean = pt.inc_subtensor(mean[:, a], terms[:, own].sum(axis=1))
    return mean


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
        Group `prior`: parameters and `y` (row, response), rows as in the table, all on the original scale. Categories that
        the latent normals stand for are in `category_NAME` (row) for each categorical response.

    Raises
    ------
    PriorError
        If a prior is improper, or nothing can be drawn from it directly.
    """
    _require_proper(specification)
    with generative(specification, observe=False):
        # The graph as it is, interpreted: compiling takes many times longer than drawing, and the draws are the same.
        options = {"mode": Mode(linker="py", optimizer=None)}
        drawn = pm.sample_prior_predictive(draws, random_seed=random_seed, compile_kwargs=options)["prior"].to_dataset()
    standard = drawn[Y].to_numpy()
    y = np.empty_like(standard)
    y[..., specification.order, :] = standard * specification.scaling.scale + specification.scaling.center
    variables = specification.layout.variables
    wanted = [names.BETA, names.OMEGA_E, names.OMEGA_U, names.U, *(names.cutpoints_label(v.name) for v in variables)]
    kept: Any = drawn[[name for name in wanted if name in drawn]]
    by_row = (names.CHAIN, names.DRAW, names.ROW)
    categories = {names.category_label(v.name): (by_row, _categories(y, v, drawn)) for v in variables if v.is_latent}
    kept = kept.assign({Y: ((*by_row, names.RESPONSE), y), **categories})
    return xr.DataTree.from_dict({"prior": kept.assign_coords({names.ROW: np.arange(y.shape[-2])})})


def _categories(y: np.ndarray, variable: Variable, drawn: Any) -> np.ndarray:
    """Categories of a variable, shape (chain, draw, row): levels, or their positions if they do not fit into one array."""
    latents = y[..., variable.first : variable.first + variable.width]
    codes = np.empty(y.shape[:-1], dtype=np.int64)
    for at in np.ndindex(*codes.shape[:2]):
        cutpoints = drawn[names.cutpoints_label(variable.name)].to_numpy()[at] if variable.n_cutpoints else np.empty(0)
        codes[at] = variable.categories(latents[at], cutpoints)
    kinds = {type(level) for level in variable.levels}
    return np.array(variable.levels)[codes] if len(kinds) == 1 and kinds <= {str, int, bool, float} else codes


def _require_proper(specification: Specification) -> None:
    priors, layout = specification.priors, specification.layout
    improper = [names.BETA] if isinstance(priors.beta, Flat) else []
    if not is_proper(priors.Omega_e, layout):
        improper.append(names.OMEGA_E)
    d = layout.n_effects
    if d and isinstance(priors.Omega_u, InverseWishart) and priors.Omega_u.degrees(d) <= d - 1:
        improper.append(names.OMEGA_U)
    if isinstance(priors.cutpoints, Flat) and any(variable.n_cutpoints for variable in layout.variables):
        improper.append(names.CUTPOINTS)
    if improper:
        raise PriorError(
            f"The prior of {improper[0]!r} is improper, so nothing can be drawn from it: {getattr(priors, improper[0])}. Use "
            "jm.priors.default(), jm.priors.normal(sd) for beta or cutpoints, or an inverse-Wishart prior with more degrees of "
            "freedom."
        )
    if not can_draw(priors.Omega_e, layout):
        raise PriorError(
            f"There are no direct draws of {names.OMEGA_E!r} from its prior, {priors.Omega_e}, with more than one categorical "
            "response: its known blocks have no simple distribution there. Use jm.priors.lkj(eta, sd), which has them."
        )

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
from jmimpute.graph.covariances import improper, without_draws
from jmimpute.graph.parameters import STANDARDISED, add_beta_level2, add_cutpoints, add_parameters, coords
from jmimpute.graph.region import Responses, W, Y, add_region, inside, of_clusters, of_rows
from jmimpute.graph.selection import add_crossed, factors_of_clusters, has_rho_by_cluster, rho_of_rows
from jmimpute.specification.families import Variable
from jmimpute.specification.priors import Flat
from jmimpute.specification.specify import Specification

UNOBSERVED = f"{Y}_unobserved"


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
        On the standardised scale inside, with rows in canonical order; `beta`, `beta_level2`, `Omega_e`, `Omega_u`, `u` and cut
        points are reported on the original scale. The potential ``region`` is 0 where the latent normals agree with the
        observed categories and minus infinity elsewhere; ``region_level2`` likewise for categories of clusters.
    """
    rows, clusters = of_rows(specification), of_clusters(specification)
    with pm.Model(coords=coords(specification)) as model:
        beta, chol_e, chol_u = add_parameters(specification)
        cutpoints = add_cutpoints(specification)
        mean, effects = _add_effects(pt.dot(specification.x, beta), chol_u, specification)
        mean = add_crossed(mean, specification)
        if clusters.variables:
            mean_w, chol_w = _given_effects(effects, chol_u, specification)
            _add_responses(mean_w, chol_w, cutpoints, clusters, observe)
        # A row has the factor of its cluster.
        if has_rho_by_cluster(specification):
            rhos = [model[names.rho_label(selected.variable.name)] for selected in specification.selections]
            chol_e = factors_of_clusters(chol_e, rho_of_rows(rhos, specification), specification)
        chol = chol_e if chol_e.ndim == 2 else chol_e[specification.clusters.codes]
        _add_responses(mean, chol, cutpoints, rows, observe)
    return model


def _add_effects(mean: Any, chol_u: Any, specification: Specification) -> tuple[Any, Any]:
    """Add the random effects to the model of the current context and their terms to the mean, shape (n_rows, p)."""
    layout, scaling, n_effects = specification.layout, specification.scaling, specification.layout.n_effects
    if not n_effects:
        return mean, None
    shape = (specification.n_clusters, n_effects)
    effects = pm.MvNormal(names.U + STANDARDISED, np.zeros(n_effects), chol=chol_u[:n_effects, :n_effects], shape=shape)
    dim = names.RANDOM_EFFECT if layout.level2.variables else names.EFFECT
    pm.Deterministic(names.U, pt.dot(effects, scaling.effects_transform.T), dims=(names.CLUSTER, dim))
    terms = effects[specification.clusters.codes] * specification.z[:, layout.effect_column]
    for a in range(len(layout.responses)):
        own = np.flatnonzero(layout.effect_response == a)
        mean = pt.inc_subtensor(mean[:, a], terms[:, own].sum(axis=1))
    return mean, effects


def _given_effects(effects: Any, chol_u: Any, specification: Specification) -> tuple[Any, Any]:
    """Mean, shape (J, p2), and Cholesky factor of level-2 responses given random effects; adds their coefficients.

    With L the factor of Omega_u, random effects first, u = L_uu e and w = B2'x2 + L_wu e + L_ww f for standard normal e, f.
    """
    mean, n_effects = pt.dot(specification.x2, add_beta_level2(specification)), specification.layout.n_effects
    if n_effects:
        standard = pt.linalg.solve_triangular(chol_u[:n_effects, :n_effects], effects.T, lower=True)
        mean = mean + (chol_u[n_effects:, :n_effects] @ standard).T
    return mean, chol_u[n_effects:, n_effects:]


def _add_responses(mean: Any, chol: Any, cutpoints: dict[str, Any], responses: Responses, observe: bool) -> None:
    """Add a table of responses to the model of the current context."""
    if observe:
        _observe(mean, chol, cutpoints, responses)
    else:
        pm.MvNormal(responses.name, mean, chol=chol, shape=responses.values.shape)


def _observe(mean: Any, chol: Any, cutpoints: dict[str, Any], responses: Responses) -> None:
    """Add observed, missing and latent cells, and the region of the latent ones, to the model of the current context."""
    name, unobserved = responses.name, f"{responses.name}_unobserved"
    observed = np.where(responses.latent, np.nan, responses.values)
    start = inside(responses)
    if responses.latent.all():  # PyMC cannot evaluate a table of which nothing is observed
        table = pm.Deterministic(name, pm.MvNormal(unobserved, mean, chol=chol, shape=observed.shape, initval=start))
    else:
        with warnings.catch_warnings():
            # Missing cells become parameters, which is what this model is for.
            warnings.filterwarnings("ignore", category=pm.exceptions.ImputationWarning)
            table = pm.MvNormal(name, mean, chol=chol, observed=observed)
        if responses.latent.any():  # PyMC has no argument for where missing cells start
            model = pm.modelcontext(None)
            model.set_initval(model[unobserved], start[np.isnan(observed)])
    if responses.latent.any():
        add_region(table, cutpoints, responses)


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
        Group `prior`: parameters, `y` (row, response), rows as in the table, and with level-2 responses `w` (cluster,
        response_level2), all on the original scale. Categories that the latent normals stand for are in `category_NAME` (row
        or cluster) for each categorical response.

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
    layout, scaling, level2 = specification.layout, specification.scaling, specification.layout.level2
    standard = drawn[Y].to_numpy()
    y = np.empty_like(standard)
    y[..., specification.order, :] = standard * scaling.scale + scaling.center
    kept: Any = drawn[[name for name in _reported(specification) if name in drawn]]
    by_row, by_cluster = ((names.CHAIN, names.DRAW, dim) for dim in (names.ROW, names.CLUSTER))
    found = {Y: ((*by_row, names.RESPONSE), y)} | _categories(y, layout.variables, drawn, by_row)
    if level2.variables:
        w = drawn[W].to_numpy() * scaling.scale2 + scaling.center2
        kept = kept.assign_coords({names.CLUSTER: specification.clusters.labels})
        found |= {W: ((*by_cluster, names.RESPONSE_LEVEL2), w)} | _categories(w, level2.variables, drawn, by_cluster)
    return xr.DataTree.from_dict({"prior": kept.assign(found).assign_coords({names.ROW: np.arange(y.shape[-2])})})


def _reported(specification: Specification) -> list[str]:
    """Parameters that are drawn from the prior, if the model has them."""
    variables = (*specification.layout.variables, *specification.layout.level2.variables)
    hierarchy = [names.HYPER_DF, names.HYPER_SCALE, names.LOG_SD_MEAN, names.LOG_SD_SPREAD]
    cutpoints = (names.cutpoints_label(variable.name) for variable in variables)
    return [names.BETA, names.BETA_LEVEL2, names.OMEGA_E, *hierarchy, names.OMEGA_U, names.U, *cutpoints]


def _categories(table: np.ndarray, variables: tuple[Variable, ...], drawn: Any, dims: tuple[str, ...]) -> dict[str, Any]:
    """Categories of the variables of a level, by the name that they have in a posterior."""
    return {names.category_label(v.name): (dims, _category(table, v, drawn)) for v in variables if v.is_latent}


def _category(table: np.ndarray, variable: Variable, drawn: Any) -> np.ndarray:
    """Categories of a variable, shape (chain, draw, n): levels, or their positions if they do not fit into one array."""
    latents = table[..., variable.first : variable.first + variable.width]
    codes = np.empty(table.shape[:-1], dtype=np.int64)
    for at in np.ndindex(*codes.shape[:2]):
        cutpoints = drawn[names.cutpoints_label(variable.name)].to_numpy()[at] if variable.n_cutpoints else np.empty(0)
        codes[at] = variable.categories(latents[at], cutpoints)
    kinds = {type(level) for level in variable.levels}
    return np.array(variable.levels)[codes] if len(kinds) == 1 and kinds <= {str, int, bool, float} else codes


def _require_proper(specification: Specification) -> None:
    priors, layout = specification.priors, specification.layout
    wrong = [names.BETA] if isinstance(priors.beta, Flat) else []
    wrong += improper(specification)
    has_cutpoints = any(variable.n_cutpoints for variable in (*layout.variables, *layout.level2.variables))
    if isinstance(priors.cutpoints, Flat) and has_cutpoints:
        wrong.append(names.CUTPOINTS)
    if wrong:
        raise PriorError(
            f"The prior of {wrong[0]!r} is improper, so nothing can be drawn from it: {getattr(priors, wrong[0])}. Use "
            "jm.priors.default(), jm.priors.normal(sd) for beta or cutpoints, or an inverse-Wishart prior with more degrees of "
            "freedom."
        )
    for name in without_draws(specification):
        raise PriorError(
            f"There are no direct draws of {name!r} from its prior, {getattr(priors, name)}, with more than one categorical "
            "response: its known blocks have no simple distribution there. Use jm.priors.lkj(eta, sd), which has them."
        )

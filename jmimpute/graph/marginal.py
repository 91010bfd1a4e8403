"""The model that NUTS sees where a variable is missing not at random: random effects explicit, missing cells and latents gone.

Selection makes the likelihood of a row other than Gaussian in its random effects, so that these stay; everything at level 1 is
integrated out in closed form (`jmimpute.graph.selected`).
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute import names
from jmimpute.graph.parameters import add_cutpoints, add_parameters, coords
from jmimpute.graph.selected import group_rows, log_likelihood
from jmimpute.graph.selected_rows import Known
from jmimpute.graph.selection import add_crossed
from jmimpute.specification.families import ORDINAL, Variable
from jmimpute.specification.specify import Specification

WHITE = "_white"


def marginal(specification: Specification) -> pm.Model:
    """Write the model of a specification with selection submodels for NUTS.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    pymc.Model
        With the parameters of the generative model and the same posterior; `u` is a deterministic function of independent
        normals.
    """
    with pm.Model(coords=coords(specification)) as model:
        beta, chol, chol_u = add_parameters(specification)
        cutpoints = add_cutpoints(specification)
        mean = _add_effects(pt.dot(specification.x, beta), chol_u, specification)
        mean = add_crossed(mean, specification)
        p = len(specification.layout.responses) - len(specification.selections)
        sigma = chol[:p, :p] @ chol[:p, :p].T
        rho = pt.stack([_rho(selected.variable.name, model) for selected in specification.selections])
        of_responses = [cutpoints.get(variable.name) for variable in specification.outcomes]
        pm.Potential("rows", log_likelihood(mean, sigma, rho, known_of(specification), of_responses)[0])
    return model


def known_of(specification: Specification) -> Known:
    """What is known of each row, for the likelihood and for imputation.

    Parameters
    ----------
    specification : Specification
        With selection submodels, and without nominal responses: a coordinate a variable.
    """
    variables = specification.layout.variables
    values = np.where(specification.layout.latent, np.nan, specification.y)[:, : len(specification.outcomes)]
    ranks = np.column_stack([_ranks(specification.categories[:, k], variable) for k, variable in enumerate(variables)])
    counts = [len(variable.levels) if variable.is_latent else 1 for variable in variables]
    return group_rows(values, ranks, counts, [selected.variable.first for selected in specification.selections])


def _ranks(categories: np.ndarray, variable: Variable) -> np.ndarray:
    """Order of the categories along the latent normal; -1 for what is missing, and for continuous responses."""
    if not variable.is_latent or variable.family == ORDINAL:
        return categories
    return np.where(categories < 0, -1, (categories != variable.reference).astype(np.int64))


def _add_effects(mean: Any, chol_u: Any, specification: Specification) -> Any:
    """Add random effects, as factors of independent normals, and their terms to the mean, shape (n_rows, p)."""
    layout = specification.layout
    if not layout.n_effects:
        return mean
    white = pm.Normal(names.U + WHITE, 0.0, 1.0, shape=(specification.n_clusters, layout.n_effects))
    effects = white @ chol_u.T
    pm.Deterministic(names.U, pt.dot(effects, specification.scaling.effects_transform.T), dims=(names.CLUSTER, names.EFFECT))
    terms = effects[specification.clusters.codes] * specification.z[:, layout.effect_column]
    onto = np.zeros((layout.n_effects, len(layout.responses)))
    onto[np.arange(layout.n_effects), layout.effect_response] = 1.0
    return mean + terms @ onto


def _rho(name: str, model: pm.Model) -> Any:
    return model[names.rho_label(name)]

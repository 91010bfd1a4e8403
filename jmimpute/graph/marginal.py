"""The model that NUTS sees where a variable is missing not at random: random effects explicit, missing cells and latents gone.

Selection makes the likelihood of a row other than Gaussian in its random effects, so that these stay; everything at level 1 is
integrated out in closed form (`jmimpute.graph.selected`).
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute import names
from jmimpute.graph.parameters import add_covariances, add_cutpoints, coefficients, coords, report_coefficients
from jmimpute.graph.selected import group_rows, log_likelihood
from jmimpute.graph.selected_rows import Known
from jmimpute.graph.selection import add_crossed, has_rho_by_cluster, rho_of_rows
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
        chol, chol_u = add_covariances(specification)
        cutpoints = add_cutpoints(specification)
        mean = _add_fixed_and_random(chol_u, specification)
        mean = add_crossed(mean, specification)
        p = len(specification.outcomes)
        sigma = chol[:p, :p] @ chol[:p, :p].T
        rhos = [model[names.rho_label(selected.variable.name)] for selected in specification.selections]
        rho = rho_of_rows(rhos, specification)
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
    groups = specification.clusters.codes if has_rho_by_cluster(specification) else None
    return group_rows(values, ranks, counts, [selected.variable.first for selected in specification.selections], groups)


def _ranks(categories: np.ndarray, variable: Variable) -> np.ndarray:
    """Order of the categories along the latent normal; -1 for what is missing, and for continuous responses."""
    if not variable.is_latent or variable.family == ORDINAL:
        return categories
    return np.where(categories < 0, -1, (categories != variable.reference).astype(np.int64))


def _add_fixed_and_random(chol_u: Any, specification: Specification) -> Any:
    """Add coefficients and random effects to the model of the current context; their terms, shape (n_rows, p).

    Random effects are factors of independent normals, which suits variances near zero. Data determine a coefficient plus the
    mean of its random effects over clusters much better than the two apart, so that the sum is what is sampled: given the mean
    its prior is that of the coefficient, moved by the mean, and the likelihood does not depend on the mean any more.
    """
    layout = specification.layout
    if not layout.n_effects:
        beta = coefficients(specification)
        report_coefficients(beta, specification)
        return pt.dot(specification.x, beta)
    white = pm.Normal(names.U + WHITE, 0.0, 1.0, shape=(specification.n_clusters, layout.n_effects))
    effects = white @ chol_u.T
    pm.Deterministic(names.U, pt.dot(effects, specification.scaling.effects_transform.T), dims=(names.CLUSTER, names.EFFECT))
    rows, weights = _partners(specification), _weights(specification)
    paired = rows >= 0
    average = pt.sum(effects * weights, axis=0) * paired
    moved = pt.zeros(layout.beta_mask.shape)[rows[paired], layout.effect_response[paired]].set(average[np.flatnonzero(paired)])
    sums = coefficients(specification, moved)
    report_coefficients(sums - moved, specification)
    terms = (effects - average)[specification.clusters.codes] * specification.z[:, layout.effect_column]
    onto = np.zeros((layout.n_effects, len(layout.responses)))
    onto[np.arange(layout.n_effects), layout.effect_response] = 1.0
    return pt.dot(specification.x, sums) + terms @ onto


def _partners(specification: Specification) -> np.ndarray:
    """For each random effect, the row of B whose column of X is its column of Z; -1 without one."""
    layout, x, z = specification.layout, specification.x, specification.z
    found = np.full(layout.n_effects, -1)
    for place, (response, column) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
        same = np.flatnonzero(layout.beta_mask[:, response] & np.isclose(x, z[:, [column]], rtol=0, atol=1e-12).all(axis=0))
        found[place] = same[0] if same.size else -1
    return found


def _weights(specification: Specification) -> np.ndarray:
    """Weights of clusters in the mean of each random effect, shape (J, n_effects): equal where the response is observed."""
    observed = ~np.isnan(specification.y[:, specification.layout.effect_response])
    seen = np.zeros((specification.n_clusters, specification.layout.n_effects))
    np.maximum.at(seen, specification.clusters.codes, observed.astype(float))
    return seen / seen.sum(axis=0)

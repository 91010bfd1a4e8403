"""Selection submodels in a PyMC model: rho, the covariance that it gives indicators, and crossed random intercepts."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute import names
from jmimpute.graph.random_covariances import STANDARDISED
from jmimpute.specification.rho_priors import ByCluster, FisherZ, RhoPrior, TruncatedNormal, Uniform
from jmimpute.specification.selected import Selected
from jmimpute.specification.specify import Specification

#: Ending of what multiplies the intercepts of crossed factors; their sd has a half-normal prior with this scale (probit units).
RAW, CROSSED_SD = "_raw", 0.5


def add_rhos(specification: Specification) -> list[Any]:
    """Add the correlation of each selection submodel to the PyMC model of the current context, or take it as given.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    list of tensor
    """
    found = []
    for selected in specification.selections:
        name, rho = names.rho_label(selected.variable.name), selected.clause.rho
        found.append(_held(name, rho) if isinstance(rho, float) else add_rho(name, rho))
    return found


def _held(name: str, rho: float) -> Any:
    """A correlation that is given: as data, so that graphs of all values are compiled once."""
    return pm.Deterministic(name, pm.Data(f"{name}_held", rho))


def add_rho(name: str, prior: RhoPrior) -> Any:
    """Add one correlation with its prior to the PyMC model of the current context.

    Parameters
    ----------
    name : str
    prior : RhoPrior
    """
    if isinstance(prior, Uniform):
        return pm.Uniform(name, prior.lower, prior.upper)
    if isinstance(prior, TruncatedNormal):
        return pm.TruncatedNormal(name, prior.mean, prior.sd, lower=prior.lower, upper=prior.upper)
    if isinstance(prior, FisherZ):  # of the typical cluster, where clusters have their own
        return pm.Deterministic(name, pt.tanh(pm.Normal(f"{name}{STANDARDISED}", 0.0, prior.sd)))
    raise TypeError(f"{prior!r} is not a prior of rho")


def rho_of_rows(rhos: list[Any], specification: Specification) -> Any:
    """Add what is special of clusters to the PyMC model of the current context.

    Parameters
    ----------
    rhos : list of tensor
        One a selection submodel.
    specification : Specification

    Returns
    -------
    tensor, shape (L,) or (J, L)
        Of each cluster, if one of them differs between clusters.
    """
    columns = list(rhos)
    for k, selected in enumerate(specification.selections):
        if isinstance(selected.clause.rho, ByCluster):
            columns[k] = _add_rho_by_cluster(selected.variable.name, selected.clause.rho, columns[k])
    if not has_rho_by_cluster(specification):
        return pt.stack(columns)
    return pt.stack([pt.broadcast_to(column, (specification.n_clusters,)) for column in columns], axis=1)


def has_rho_by_cluster(specification: Specification) -> bool:
    """Whether a correlation differs between clusters.

    Parameters
    ----------
    specification : Specification
    """
    return any(isinstance(selected.clause.rho, ByCluster) for selected in specification.selections)


def _add_rho_by_cluster(name: str, prior: ByCluster, typical: Any) -> Any:
    label = names.rho_clusters_label(name)
    spread = pm.HalfNormal(names.rho_spread_label(name), prior.spread)
    own = pt.arctanh(typical) + spread * pm.Normal(label + RAW, 0.0, 1.0, dims=names.CLUSTER)
    return pm.Deterministic(label, pt.tanh(own), dims=names.CLUSTER)


def factors_of_clusters(chol: Any, rho: Any, specification: Specification) -> Any:
    """Cholesky factors of the level-1 covariance of each cluster, shape (J, p + L, p + L), from that with other rhos.

    Parameters
    ----------
    chol : tensor, shape (p + L, p + L)
    rho : tensor, shape (J, L)
    specification : Specification
    """
    p, n_clusters = len(specification.layout_of_outcomes.responses), specification.n_clusters
    responses, own = chol[:p, :p], [rho[:, k] for k in range(len(specification.selections))]
    return pt.stack([with_indicators(responses, [column[j] for column in own], specification) for j in range(n_clusters)])


def with_indicators(chol: Any, rhos: list[Any], specification: Specification) -> Any:
    """Extend the level-1 covariance by the latent normals of indicators.

    The residual of an indicator is rho times the standardised residual of its variable, and something of its own.

    Parameters
    ----------
    chol : tensor, shape (p, p)
        Cholesky factor of the other responses.
    rhos : list of tensor
        One a selection submodel.
    specification : Specification

    Returns
    -------
    tensor, shape (p + L, p + L)
        Cholesky factor.
    """
    p, n = len(specification.layout.responses) - len(rhos), len(specification.layout.responses)
    extended = pt.zeros((n, n))[:p, :p].set(chol)
    for k, (selected, rho) in enumerate(zip(specification.selections, rhos, strict=True)):
        own = chol[selected.variable.first]
        extended = extended[p + k, :p].set(rho * own / pt.sqrt(pt.sum(own**2)))
        extended = extended[p + k, p + k].set(pt.sqrt(1.0 - rho**2))
    return extended


def add_crossed(mean: Any, specification: Specification) -> Any:
    """Add the random intercepts of crossed factors to the PyMC model of the current context and to the mean of indicators.

    Parameters
    ----------
    mean : tensor, shape (n_rows, p)
    specification : Specification
    """
    for selected in specification.selections:
        for crossed in selected.crossed:
            terms = _add_intercepts(selected, crossed.column, len(crossed.labels))[crossed.codes]
            mean = pt.inc_subtensor(mean[:, selected.indicator.first], terms)
    return mean


def _add_intercepts(selected: Selected, column: str, size: int) -> Any:
    indicator = selected.indicator.name
    sd = pm.HalfNormal(names.crossed_sd_label(indicator, column), CROSSED_SD)
    name = names.crossed_label(indicator, column)
    return pm.Deterministic(name, sd * pm.Normal(name + RAW, 0.0, 1.0, shape=size), dims=column_dimension(column))


def column_dimension(column: str) -> str:
    """Dimension of the labels of a crossed factor.

    Parameters
    ----------
    column : str
    """
    return f"label_{column}"


def crossed_coords(specification: Specification) -> dict[str, list]:
    """Labels of crossed factors.

    Parameters
    ----------
    specification : Specification
    """
    return {
        column_dimension(crossed.column): np.array(crossed.labels).tolist()
        for selected in specification.selections
        for crossed in selected.crossed
    }

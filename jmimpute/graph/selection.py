"""Selection submodels in a PyMC model: rho, the covariance that it gives indicators, and crossed random intercepts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from jmimpute import names
from jmimpute.graph.random_covariances import STANDARDISED
from jmimpute.specification.layout import Layout
from jmimpute.specification.rho_priors import FisherZ, RhoPrior, TruncatedNormal, Uniform
from jmimpute.specification.selected import Selected
from jmimpute.specification.specify import Specification

#: Ending of what multiplies the intercepts of crossed factors; their sd has a half-normal prior with this scale (probit units).
RAW, CROSSED_SD = "_raw", 0.5


def outcomes(specification: Specification) -> Layout:
    """The layout of the responses that are columns of the table, without indicators.

    Parameters
    ----------
    specification : Specification
    """
    layout = specification.layout
    p = len(layout.responses) - len(specification.selections)
    return replace(layout, variables=specification.outcomes, responses=layout.responses[:p], beta_mask=layout.beta_mask[:, :p])


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
        found.append(pm.Deterministic(name, pt.as_tensor(rho)) if isinstance(rho, float) else add_rho(name, rho))
    return found


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
    if isinstance(prior, FisherZ):
        return pm.Deterministic(name, pt.tanh(pm.Normal(f"{name}{STANDARDISED}", 0.0, prior.sd)))
    raise TypeError(f"{prior!r} is not a prior of rho")


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

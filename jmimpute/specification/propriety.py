"""What data and flat priors together leave undetermined: refused; under other priors worth a note."""

from typing import TYPE_CHECKING

import numpy as np

from jmimpute.errors import PriorError, some
from jmimpute.specification.checks import first_dependent
from jmimpute.specification.covariances import CLUSTER_SPECIFIC
from jmimpute.specification.layout import Layout, Level2
from jmimpute.specification.priors import Flat, InverseWishart
from jmimpute.specification.separation import separations

if TYPE_CHECKING:
    from jmimpute.specification.specify import Specification


def check_posterior(specification: "Specification") -> None:
    """Refuse flat priors under which the posterior would be improper.

    Parameters
    ----------
    specification : Specification

    Raises
    ------
    PriorError
    """
    priors = specification.priors
    if isinstance(priors.beta, Flat):
        found = unidentified(specification) or _unbounded(specification)
        if found:
            raise PriorError(
                f"{found[0]}. With a flat prior of beta the posterior is then improper: give it a prior such as "
                "priors={'beta': jm.priors.normal(5.0)}, or drop the covariate or merge categories."
            )
    if specification.covariance == CLUSTER_SPECIFIC:
        _check_rows_of_clusters(specification)
    elif isinstance(priors.Omega_e, Flat):
        _check_rows(specification)
    if isinstance(priors.Omega_u, Flat):
        _check_clusters(specification)


def _unbounded(specification: "Specification") -> list[str]:
    """Separated responses, as texts, if their latent normals are free to go to infinity with the coefficients.

    In a box they are not. Given everything else, the density of a response of n rows, q of which have covariates of full
    rank, integrates over the other n - q latents to 1, and then over the coefficients to a constant that depends on the
    covariates alone; what is left is the volume of the box in q dimensions. So the latents multiply the posterior of the
    other parameters by no more than a constant. Cut points lie between latents, and hence in the box as well.
    """
    if specification.latent_bounds is not None:
        return []
    if isinstance(specification.priors.cutpoints, Flat):
        return list(map(str, specification.separations))
    layout = specification.layout
    found = separations(layout, specification.categories, specification.x, free=False)
    found += separations(layout.level2, specification.categories2, specification.x2, free=False)
    return list(map(str, found))


def unidentified(specification: "Specification") -> list[str]:
    """Covariates that are collinear in the rows where a response is observed, though not in all rows; as texts.

    Parameters
    ----------
    specification : Specification
        For level-2 responses clusters take the place of rows.
    """
    found = _unidentified(specification.layout, specification.y, specification.x, "rows")
    return found + _unidentified(specification.layout.level2, specification.w, specification.x2, "clusters")


def _unidentified(layout: Layout | Level2, y: np.ndarray, x: np.ndarray, units: str) -> list[str]:
    found = []
    for variable in layout.variables:
        used = np.flatnonzero(layout.beta_mask[:, variable.first])
        own = x[np.ix_(~np.isnan(y[:, variable.first]), used)]
        length = np.linalg.norm(own, axis=0)
        dependent = first_dependent(own / np.where(length > 0, length, 1.0))
        if dependent is not None:
            name = layout.covariates[used[dependent]]
            found.append(f"{name} is constant or collinear in the {len(own)} {units} where {variable.name!r} is observed")
    return found


def informative_rows(specification: "Specification") -> np.ndarray:
    """Rows with an observed response in each cluster; in all for a single-level model.

    Parameters
    ----------
    specification : Specification

    Returns
    -------
    ndarray of int, shape (J,) or (1,)
    """
    seen = (~np.isnan(specification.y)).any(axis=1)
    return np.bincount(specification.clusters.codes[seen], minlength=max(1, specification.n_clusters))


def _check_rows(specification: "Specification") -> None:
    """A flat prior of Omega_e needs rows: more than one for each latent and two for each continuous response."""
    latent = specification.layout.latent
    needed = _needed(latent)
    informative = int(informative_rows(specification).sum())
    if informative <= needed:
        raise PriorError(
            f"A flat prior of Omega_e needs more than {needed} rows with an observed response, one for each of the "
            f"{latent.sum()} latent normals and two for each of the {(~latent).sum()} continuous responses; there are "
            f"{informative}. Give it a prior such as priors={{'Omega_e': jm.priors.lkj()}}."
        )


def _check_rows_of_clusters(specification: "Specification") -> None:
    """An improper prior of the matrices of clusters needs rows in each of them."""
    prior, latent = specification.priors.Omega_e, specification.layout.latent
    n_continuous = int((~latent).sum())
    if isinstance(prior, Flat):
        needed = _needed(latent)
        why = f"one for each of the {latent.sum()} latent normals and two for each of the {n_continuous} continuous responses"
    elif isinstance(prior, InverseWishart) and n_continuous:
        # Given latents, the covariance of the continuous responses is inverse-Wishart with the same degrees of freedom.
        df = prior.degrees(len(latent))
        needed = n_continuous - 1 - df
        why = f"since it has {df:g} degrees of freedom and there are {n_continuous} continuous responses"
    else:
        return
    rows = informative_rows(specification)
    short = np.flatnonzero(rows <= needed)
    if short.size:
        listed = some(f"{specification.clusters.labels[j]} ({rows[j]} rows)" for j in short)
        raise PriorError(
            f"This prior of Omega_e, {prior}, needs more than {needed:g} rows with an observed response in every cluster, "
            f"{why}. Too few: {listed}. Give it a prior such as priors={{'Omega_e': jm.priors.lkj()}}, or let clusters borrow "
            "from each other by covariance='random'."
        )
    _check_absent(specification, float(df) if isinstance(prior, InverseWishart) else -1.0)


def _check_absent(specification: "Specification", df: float) -> None:
    """Of a response without values in a cluster only the prior tells how it varies there."""
    continuous = ~specification.layout.latent
    seen = np.zeros((specification.n_clusters, len(continuous)), dtype=bool)
    np.logical_or.at(seen, specification.clusters.codes, ~np.isnan(specification.y))
    absent = ~seen & continuous
    improper = np.flatnonzero(absent.any(axis=1) & (absent.sum(axis=1) - 1 >= df))
    if improper.size:
        names = np.array(specification.layout.responses, dtype=object)
        listed = some(f"{specification.clusters.labels[j]} ({', '.join(names[absent[j]])})" for j in improper)
        raise PriorError(
            f"This prior of Omega_e, {specification.priors.Omega_e}, is improper, and responses have no value in some "
            f"clusters: {listed}. Give it a prior such as priors={{'Omega_e': jm.priors.lkj()}}, or let clusters borrow from "
            "each other by covariance='random'."
        )


def _needed(latent: np.ndarray) -> int:
    """Rows that a flat prior of a covariance matrix needs more than."""
    return int(latent.sum() + 2 * (~latent).sum())


def _check_clusters(specification: "Specification") -> None:
    """A flat prior of Omega_u needs clusters, as one of Omega_e needs rows."""
    latent = specification.layout.latent_u
    needed, n_clusters = _needed(latent), specification.n_clusters
    if n_clusters <= needed:
        raise PriorError(
            f"A flat prior of Omega_u needs more than {needed} clusters, one for each of the {latent.sum()} latent normals of "
            f"level 2 and two for each of the {(~latent).sum()} random effects and continuous level-2 responses; there are "
            f"{n_clusters}. Give it a prior such as priors={{'Omega_u': jm.priors.lkj()}}."
        )

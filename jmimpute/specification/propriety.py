"""What data and flat priors together leave undetermined: refused; under other priors worth a note."""

from typing import TYPE_CHECKING

import numpy as np

from jmimpute.errors import PriorError
from jmimpute.specification.checks import first_dependent
from jmimpute.specification.priors import Flat
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
    if isinstance(priors.Omega_e, Flat):
        _check_rows(specification)


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
    return list(map(str, separations(specification.layout, specification.categories, specification.x, free=False)))


def unidentified(specification: "Specification") -> list[str]:
    """Covariates that are collinear in the rows where a response is observed, though not in all rows; as texts.

    Parameters
    ----------
    specification : Specification
    """
    found = []
    layout = specification.layout
    for variable in layout.variables:
        used = np.flatnonzero(layout.beta_mask[:, variable.first])
        x = specification.x[np.ix_(~np.isnan(specification.y[:, variable.first]), used)]
        length = np.linalg.norm(x, axis=0)
        dependent = first_dependent(x / np.where(length > 0, length, 1.0))
        if dependent is not None:
            name = layout.covariates[used[dependent]]
            found.append(f"{name} is constant or collinear in the {len(x)} rows where {variable.name!r} is observed")
    return found


def _check_rows(specification: "Specification") -> None:
    """A flat prior of Omega_e needs rows: more than one for each latent and two for each continuous response."""
    latent = specification.layout.latent
    needed = int(latent.sum() + 2 * (~latent).sum())
    informative = int((~np.isnan(specification.y)).any(axis=1).sum())
    if informative <= needed:
        raise PriorError(
            f"A flat prior of Omega_e needs more than {needed} rows with an observed response, one for each of the "
            f"{latent.sum()} latent normals and two for each of the {(~latent).sum()} continuous responses; there are "
            f"{informative}. Give it a prior such as priors={{'Omega_e': jm.priors.lkj()}}."
        )

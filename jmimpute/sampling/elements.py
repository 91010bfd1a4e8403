"""The free numbers of a posterior, one by one: no fixed zero, no diagonal of a correlation, no element twice."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names

if TYPE_CHECKING:
    import xarray as xr

SYMMETRIC = (names.OMEGA_E, names.OMEGA_U)
CORRELATIONS = (names.CORR_E, names.CORR_U)
OF_LATENTS = (names.OMEGA_E, names.SD_E, names.CORR_E)


def elements(posterior: "xr.Dataset", variables: tuple[str, ...] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Walk over the free elements.

    Parameters
    ----------
    posterior : xarray.Dataset
        As `jmimpute.sampling.posterior.label` makes it.
    variables : tuple of str, optional
        All if not given.

    Yields
    ------
    label : str
        Such as ``Omega_e[ravens, english]``.
    draws : ndarray, shape (chains, draws)
    """
    for name in variables or tuple(posterior.data_vars):
        array = posterior[name]
        dims = array.dims[2:]
        labels = [[str(label) for label in array.coords[dim].values] for dim in dims]
        values = array.to_numpy()
        for index in np.ndindex(values.shape[2:]):
            draws = values[(slice(None), slice(None), *index)]
            if _is_free(name, index, draws):
                yield f"{name}[{', '.join(labels[k][i] for k, i in enumerate(index))}]", draws


def _is_free(name: str, index: tuple[int, ...], draws: np.ndarray) -> bool:
    if name in SYMMETRIC and index[1] > index[0]:
        return False
    if name in CORRELATIONS and index[1] >= index[0]:
        return False
    if name in OF_LATENTS and np.all((draws == 1.0) | (draws == 0.5)):
        return False  # a variance or covariance of latent normals that is known
    # A coefficient that a response does not have is 0 in every draw; an ICC that is not defined is NaN.
    return not (name == names.BETA and not draws.any()) and not np.isnan(draws[0, 0])

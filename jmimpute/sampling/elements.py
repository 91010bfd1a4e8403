"""The free numbers of a posterior, one by one: no fixed zero, no diagonal of a correlation, no element twice."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names

if TYPE_CHECKING:
    import xarray as xr

CORRELATIONS = (names.CORR_E, names.CORR_U)
SYMMETRIC = (names.OMEGA_E, names.OMEGA_U, names.HYPER_SCALE, *CORRELATIONS)
OF_LATENTS = (names.OMEGA_E, names.SD_E, names.CORR_E, names.OMEGA_U, names.SD_U, names.CORR_U)
WITH_ZEROS = (names.BETA, names.BETA_LEVEL2, names.OMEGA_E, names.OMEGA_U, names.CORR_U)
#: Variances and covariances of latent normals that are known.
KNOWN = (1.0, 0.5)
ROUNDING = 1e-12


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
        labels = [[str(label) for label in array.coords[dim].values] for dim in array.dims[2:]]
        values = array.to_numpy()
        for index in map(tuple, np.argwhere(_free(name, values))):
            text = f"[{', '.join(labels[k][i] for k, i in enumerate(index))}]" if index else ""
            yield f"{name}{text}", values[(slice(None), slice(None), *index)]


def _free(name: str, values: np.ndarray) -> np.ndarray:
    """Which elements of a variable are free, in the shape of one draw."""
    shape = values.shape[2:]
    free = ~np.isnan(values[0, 0])  # an ICC that is not defined
    if name in SYMMETRIC:
        free &= np.tril(np.ones(shape[-2:], dtype=bool), -1 if name in CORRELATIONS else 0)
    low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
    if name in WITH_ZEROS:  # a coefficient that a response does not have, or effects that are uncorrelated
        free &= (low != 0.0) | (high != 0.0)
    if name == names.CORR_E or name.startswith(names.rho_label("")):  # a correlation that is held at a number
        free &= high - low > ROUNDING
    for number in KNOWN if name in OF_LATENTS else ():
        free &= (np.abs(low - number) > ROUNDING) | (np.abs(high - number) > ROUNDING)
    return free

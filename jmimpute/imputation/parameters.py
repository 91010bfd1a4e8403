"""One posterior draw of the parameters on the standardised scale, and of the latent normals that go with it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names
from jmimpute.imputation.latents import KeptLatents
from jmimpute.sampling.structured.chains import fixed_latents
from jmimpute.specification.families import Variable
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr


def standard_parameters(
    posterior: "xr.Dataset", specification: Specification, chain: int, draw: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One draw of B (q, p), Omega_e (p, p) and Omega_u (d, d) on the standardised scale."""
    at = {names.CHAIN: chain, names.DRAW: draw}
    scaling = specification.scaling
    beta = scaling.standard_beta(posterior[names.BETA].isel(at).to_numpy().T)
    omega_e = scaling.standard_omega_e(posterior[names.OMEGA_E].isel(at).to_numpy())
    if not specification.layout.dim_u:
        return beta, omega_e, np.empty((0, 0))
    return beta, omega_e, scaling.standard_omega_u(posterior[names.OMEGA_U].isel(at).to_numpy())


def cutpoints_of(posterior: "xr.Dataset", variable: Variable, chain: int, draw: int) -> np.ndarray:
    """Free cut points of a response in one draw; none if it has none."""
    if not variable.n_cutpoints:
        return np.empty(0)
    return posterior[names.cutpoints_label(variable.name)].isel({names.CHAIN: chain, names.DRAW: draw}).to_numpy()


@dataclass(frozen=True)
class ParameterDraw:
    """A posterior draw; with its latents as data, the model is a Gaussian one.

    Attributes
    ----------
    beta : ndarray, shape (q, p)
    omega_e : ndarray, shape (K, p, p)
        K is 1 if Omega_e is common, else the number of clusters J.
    omega_u : ndarray, shape (d, d)
    beta2 : ndarray, shape (q2, p2)
    y : ndarray, shape (n_rows, p)
        As in the specification, latents of observed categories included.
    w : ndarray, shape (J, p2)
        Likewise, of the clusters.
    """

    beta: np.ndarray
    omega_e: np.ndarray
    omega_u: np.ndarray
    beta2: np.ndarray
    y: np.ndarray
    w: np.ndarray


def parameters_at(
    posterior: "xr.Dataset", specification: Specification, latents: KeptLatents | None, k: int, chain: int, draw: int
) -> ParameterDraw:
    """Read one posterior draw.

    Parameters
    ----------
    posterior : xarray.Dataset
    specification : Specification
    latents : KeptLatents, optional
        Needed with categorical responses.
    k : int
        Place of the draw among them.
    chain, draw : int

    Returns
    -------
    ParameterDraw
    """
    beta, omega_e, omega_u = standard_parameters(posterior, specification, chain, draw)
    y, w, beta2 = specification.y, specification.w, np.zeros((0, 0))
    if specification.layout.level2.variables:
        at = {names.CHAIN: chain, names.DRAW: draw}
        beta2 = specification.scaling.standard_beta_level2(posterior[names.BETA_LEVEL2].isel(at).to_numpy().T)
    if latents is not None:
        coordinate, cluster = fixed_latents(specification)
        y, w = latents.filled(k, specification).y, w.copy()
        w[cluster, coordinate] = latents.values2[k]
    return ParameterDraw(beta, omega_e.reshape(-1, *omega_e.shape[-2:]), omega_u, beta2, y, w)

"""Draws of theta become a labelled posterior on the original scale."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.compilation import kernel
from jmimpute.sampling.target import Target, parameters
from jmimpute.specification.layout import Layout
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr


def to_posterior(
    draws: list[np.ndarray], target: Target, specification: Specification, cutpoints: np.ndarray | None = None
) -> "xr.Dataset":
    """Label the parameters of compiled chains.

    Parameters
    ----------
    draws : list of ndarray, shape (n_draws, n)
        theta of each chain.
    target : Target
    specification : Specification
    cutpoints : ndarray, shape (chains, n_draws, n_cuts), optional

    Returns
    -------
    xarray.Dataset
        See `label`.
    """
    beta, omega_e, omega_u = _unpack_all(np.concatenate(draws), target)
    scaling = specification.scaling
    shape = (len(draws), len(draws[0]))
    arrays = (scaling.beta(beta), scaling.omega_e(omega_e), scaling.omega_u(omega_u))
    return label(*(array.reshape(shape + array.shape[1:]) for array in arrays), specification.layout, cutpoints)


def to_sample_stats(columns: dict[str, list[np.ndarray]]) -> "xr.Dataset":
    """Sampler statistics by chain and draw, named as PyMC and ArviZ name them.

    Parameters
    ----------
    columns : dict of str to list of ndarray, shape (n_draws,)
        One array a chain.
    """
    import xarray as xr

    n_chains, n_draws = np.shape(next(iter(columns.values())))
    coords = {names.CHAIN: np.arange(n_chains), names.DRAW: np.arange(n_draws)}
    return xr.Dataset({name: ((names.CHAIN, names.DRAW), np.stack(values)) for name, values in columns.items()}, coords)


def label(
    beta: np.ndarray, omega_e: np.ndarray, omega_u: np.ndarray, layout: Layout, cutpoints: np.ndarray | None = None
) -> "xr.Dataset":
    """Name dimensions and coordinates, and derive standard deviations, correlations and ICCs.

    Parameters
    ----------
    beta : ndarray, shape (chains, draws, q, p)
    omega_e : ndarray, shape (chains, draws, p, p)
    omega_u : ndarray, shape (chains, draws, d, d)
        On the original scale.
    layout : Layout
    cutpoints : ndarray, shape (chains, draws, n_cuts), optional
        Free cut points of all ordinal responses.

    Returns
    -------
    xarray.Dataset
        `beta` (response, covariate), `Omega_e` (response, response_), `sd_e`, `corr_e`; for a two-level model `Omega_u`
        (effect, effect_), `sd_u`, `corr_u`, and `icc` of responses whose only random effect is an intercept; `cutpoints_NAME`
        (cutpoint_NAME) of an ordinal response with more than two categories.
    """
    import xarray as xr

    dims = (names.CHAIN, names.DRAW)
    level_1, level_2 = (*dims, names.RESPONSE), (*dims, names.EFFECT)
    sd_e, corr_e = _sd_and_correlation(omega_e)
    variables: dict[str, Any] = {
        names.BETA: ((*level_1, names.COVARIATE), np.swapaxes(beta, -1, -2)),
        names.OMEGA_E: ((*level_1, names.RESPONSE_), omega_e),
        names.SD_E: (level_1, sd_e),
        names.CORR_E: ((*level_1, names.RESPONSE_), corr_e),
    }
    responses, effects = list(layout.responses), list(layout.effects)
    coords: dict[str, Any] = {
        names.CHAIN: np.arange(beta.shape[0]),
        names.DRAW: np.arange(beta.shape[1]),
        names.RESPONSE: responses,
        names.RESPONSE_: responses,
        names.COVARIATE: list(layout.covariates),
    }
    if effects:
        sd_u, corr_u = _sd_and_correlation(omega_u)
        variables |= {
            names.OMEGA_U: ((*level_2, names.EFFECT_), omega_u),
            names.SD_U: (level_2, sd_u),
            names.CORR_U: ((*level_2, names.EFFECT_), corr_u),
            names.ICC: (level_1, _icc(omega_e, omega_u, layout)),
        }
        coords |= {names.EFFECT: effects, names.EFFECT_: effects}
    start = 0
    for variable in layout.variables if cutpoints is not None else ():
        if variable.n_cutpoints:
            dim = names.cutpoint_dimension(variable.name)
            own = cutpoints[..., start : start + variable.n_cutpoints]
            variables[names.cutpoints_label(variable.name)] = ((*dims, dim), own)
            coords[dim] = [f"{low}|{high}" for low, high in pairwise(variable.levels[1:])]
            start += variable.n_cutpoints
    return xr.Dataset(variables, coords)


@kernel
def _unpack_all(draws, target):
    beta, omega_e, omega_u = parameters(draws[0], target)
    n = draws.shape[0]
    betas = np.empty((n,) + beta.shape)
    omegas_e = np.empty((n,) + omega_e.shape)
    omegas_u = np.empty((n,) + omega_u.shape)
    for i in range(n):
        betas[i], omegas_e[i], omegas_u[i] = parameters(draws[i], target)
    return betas, omegas_e, omegas_u


def _sd_and_correlation(omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sd = np.sqrt(np.diagonal(omega, axis1=-2, axis2=-1))
    return sd, omega / (sd[..., :, None] * sd[..., None, :])


def _icc(omega_e: np.ndarray, omega_u: np.ndarray, layout: Layout) -> np.ndarray:
    """Share of the residual variance that lies between clusters; NaN where a response has none or several random effects."""
    icc = np.full(omega_e.shape[:-1], np.nan)
    for a in range(len(layout.responses)):
        own = np.flatnonzero(layout.effect_response == a)
        if len(own) == 1 and layout.random[layout.effect_column[own[0]]] == names.INTERCEPT:
            between = omega_u[..., own[0], own[0]]
            icc[..., a] = between / (between + omega_e[..., a, a])
    return icc

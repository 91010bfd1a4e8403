"""Draws of theta become a labelled posterior on the original scale."""

from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.compilation import kernel
from jmimpute.sampling.nuts import Chain
from jmimpute.sampling.target import Target, parameters
from jmimpute.specification.layout import Layout
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr


def to_posterior(chains: list[Chain], target: Target, specification: Specification) -> "xr.Dataset":
    """Label the parameters of compiled chains.

    Parameters
    ----------
    chains : list of Chain
        Of equal length.
    target : Target
    specification : Specification

    Returns
    -------
    xarray.Dataset
        See `label`.
    """
    beta, omega_e, omega_u = _unpack_all(np.concatenate([chain.draws for chain in chains]), target)
    scaling = specification.scaling
    shape = (len(chains), len(chains[0].draws))
    arrays = (scaling.beta(beta), scaling.omega_e(omega_e), scaling.omega_u(omega_u))
    return label(*(array.reshape(shape + array.shape[1:]) for array in arrays), specification.layout)


def to_sample_stats(chains: list[Chain], step_sizes: list[float]) -> "xr.Dataset":
    """Sampler statistics by chain and draw, named as PyMC and ArviZ name them."""
    import xarray as xr

    n_draws = len(chains[0].draws)
    columns = {
        "lp": [chain.log_density for chain in chains],
        "acceptance_rate": [chain.acceptance for chain in chains],
        "n_steps": [chain.n_steps for chain in chains],
        "diverging": [chain.diverging for chain in chains],
        "step_size": [np.full(n_draws, step) for step in step_sizes],
    }
    dims = (names.CHAIN, names.DRAW)
    coords = {names.CHAIN: np.arange(len(chains)), names.DRAW: np.arange(n_draws)}
    return xr.Dataset({name: (dims, np.stack(values)) for name, values in columns.items()}, coords)


def label(beta: np.ndarray, omega_e: np.ndarray, omega_u: np.ndarray, layout: Layout) -> "xr.Dataset":
    """Name dimensions and coordinates, and derive standard deviations, correlations and ICCs.

    Parameters
    ----------
    beta : ndarray, shape (chains, draws, q, p)
    omega_e : ndarray, shape (chains, draws, p, p)
    omega_u : ndarray, shape (chains, draws, d, d)
        On the original scale.
    layout : Layout

    Returns
    -------
    xarray.Dataset
        `beta` (response, covariate), `Omega_e` (response, response_), `sd_e`, `corr_e`; for a two-level model `Omega_u`
        (effect, effect_), `sd_u`, `corr_u`, and `icc` of responses whose only random effect is an intercept.
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

"""Draws of theta become a labelled posterior on the original scale."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.compilation import kernel
from jmimpute.sampling.target import Target, parameters
from jmimpute.specification.families import Variable
from jmimpute.specification.layout import Layout
from jmimpute.specification.selected import Selected
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr

#: Covariance matrix, standard deviations and correlations of a level, and the dimensions of the matrix.
LEVEL_1 = (names.OMEGA_E, names.SD_E, names.CORR_E, names.RESPONSE, names.RESPONSE_)
LEVEL_2 = (names.OMEGA_U, names.SD_U, names.CORR_U, names.EFFECT, names.EFFECT_)


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
        See `label`; with selection submodels `rho_NAME` too.
    """
    beta, omega_e, omega_u = _unpack_all(np.concatenate(draws), target)
    scaling = specification.scaling
    shape = (len(draws), len(draws[0]))
    arrays = (scaling.beta(beta), scaling.omega_e(omega_e), scaling.omega_u(omega_u))
    labelled = label(*(array.reshape(shape + array.shape[1:]) for array in arrays), specification.layout, cutpoints)
    return labelled.assign({names.rho_label(s.variable.name): _rho_of(s, omega_e, shape) for s in specification.selections})


def _rho_of(selected: Selected, omega_e: np.ndarray, shape: tuple[int, int]) -> tuple[tuple[str, str], np.ndarray]:
    """The correlation of a selection submodel; where it is held, to the last bit."""
    own, indicator, held = selected.variable.first, selected.indicator.first, selected.clause.rho
    rho = omega_e[:, indicator, own] / np.sqrt(omega_e[:, own, own])
    return (names.CHAIN, names.DRAW), np.full(shape, held) if isinstance(held, float) else rho.reshape(shape)


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
    beta: np.ndarray,
    omega_e: np.ndarray,
    omega_u: np.ndarray,
    layout: Layout,
    cutpoints: np.ndarray | None = None,
    *,
    beta_level2: np.ndarray | None = None,
    hierarchy: Mapping[str, np.ndarray] | None = None,
    clusters: Sequence[Any] | None = None,
) -> "xr.Dataset":
    """Name dimensions and coordinates, and derive standard deviations, correlations and ICCs.

    Parameters
    ----------
    beta : ndarray, shape (chains, draws, q, p)
    omega_e : ndarray, shape (chains, draws, p, p) or (chains, draws, J, p, p)
        Of each cluster if they have covariances of their own.
    omega_u : ndarray, shape (chains, draws, d, d)
        On the original scale.
    layout : Layout
    cutpoints : ndarray, shape (chains, draws, n_cuts), optional
        Free cut points of all ordinal responses, those of level 1 first.
    beta_level2 : ndarray, shape (chains, draws, q2, p2), optional
        With level-2 responses.
    hierarchy : mapping of str to ndarray, optional
        Parameters of the distribution of `omega_e` over clusters: `a`, shape (chains, draws), and `A`, shape (chains, draws,
        p, p), or `log_sd_mean` and `log_sd_spread`, shape (chains, draws, C) with C continuous responses.
    clusters : sequence, length J, optional
        Labels of clusters with covariances of their own.

    Returns
    -------
    xarray.Dataset
        `beta` (response, covariate), `Omega_e` (response, response_), `sd_e`, `corr_e`, of each `cluster` where it has its own;
        `beta_level2` (response_level2, covariate_level2); for a two-level model `Omega_u` (effect, effect_), `sd_u`, `corr_u`,
        and, with a common `Omega_e`, `icc` of responses whose only random effect is an intercept; `a`, `A` (response,
        response_), `log_sd_mean` and `log_sd_spread` (continuous_response) if given; `cutpoints_NAME` (cutpoint_NAME) of an
        ordinal response with more than two categories.
    """
    import xarray as xr

    dims, responses = (names.CHAIN, names.DRAW), list(layout.responses)
    coords: dict[str, Any] = {
        names.CHAIN: np.arange(beta.shape[0]),
        names.DRAW: np.arange(beta.shape[1]),
        names.RESPONSE: responses,
        names.RESPONSE_: responses,
        names.COVARIATE: list(layout.covariates),
    }
    by_cluster = () if omega_e.ndim == beta.ndim else (names.CLUSTER,)
    if by_cluster:
        coords[names.CLUSTER] = np.arange(omega_e.shape[2]) if clusters is None else list(clusters)
    variables: dict[str, Any] = {names.BETA: ((*dims, names.RESPONSE, names.COVARIATE), np.swapaxes(beta, -1, -2))}
    if layout.level2.variables and beta_level2 is not None:
        level2_dims = (*dims, names.RESPONSE_LEVEL2, names.COVARIATE_LEVEL2)
        variables[names.BETA_LEVEL2] = (level2_dims, np.swapaxes(beta_level2, -1, -2))
        coords |= {names.RESPONSE_LEVEL2: list(layout.level2.responses)}
        coords |= {names.COVARIATE_LEVEL2: list(layout.level2.covariates)}
    variables |= _of_matrix(LEVEL_1, omega_e, (*dims, *by_cluster))
    variables |= _of_hierarchy(hierarchy or {}, dims)
    if hierarchy and names.LOG_SD_MEAN in hierarchy:
        coords[names.CONTINUOUS_RESPONSE] = [responses[k] for k in np.flatnonzero(~layout.latent)]
    if layout.dim_u:
        variables |= _of_matrix(LEVEL_2, omega_u, dims)
        coords |= {names.EFFECT: list(layout.labels_u), names.EFFECT_: list(layout.labels_u)}
    if layout.n_effects and not by_cluster:
        variables[names.ICC] = ((*dims, names.RESPONSE), _icc(omega_e, omega_u, layout))
    if cutpoints is not None:
        found, labels = _of_cutpoints(cutpoints, (*layout.variables, *layout.level2.variables), dims)
        variables, coords = variables | found, coords | labels
    return xr.Dataset(variables, coords)


def _of_matrix(labels: tuple[str, ...], omega: np.ndarray, dims: tuple[str, ...]) -> dict[str, Any]:
    """A covariance matrix, standard deviations and correlations."""
    matrix, sd, correlation, row, column = labels
    sds, correlations = _sd_and_correlation(omega)
    return {
        matrix: ((*dims, row, column), omega),
        sd: ((*dims, row), sds),
        correlation: ((*dims, row, column), correlations),
    }


def _of_hierarchy(given: Mapping[str, np.ndarray], dims: tuple[str, ...]) -> dict[str, Any]:
    """Parameters of the distribution of level-1 covariances over clusters."""
    own = {
        names.HYPER_DF: (),
        names.HYPER_SCALE: (names.RESPONSE, names.RESPONSE_),
        names.LOG_SD_MEAN: (names.CONTINUOUS_RESPONSE,),
        names.LOG_SD_SPREAD: (names.CONTINUOUS_RESPONSE,),
    }
    return {name: ((*dims, *own[name]), values) for name, values in given.items()}


def _of_cutpoints(
    cutpoints: np.ndarray, responses: tuple[Variable, ...], dims: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cut points and coordinates of each ordinal response."""
    variables, coords, start = {}, {}, 0
    for variable in responses:
        if variable.n_cutpoints:
            dim = names.cutpoint_dimension(variable.name)
            own = cutpoints[..., start : start + variable.n_cutpoints]
            variables[names.cutpoints_label(variable.name)] = ((*dims, dim), own)
            coords[dim] = [f"{low}|{high}" for low, high in pairwise(variable.levels[1:])]
            start += variable.n_cutpoints
    return variables, coords


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

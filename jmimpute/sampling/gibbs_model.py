"""What the reference Gibbs sampler works on: data and priors as arrays, and all unknowns with values to start from."""

from typing import NamedTuple

import numpy as np

from jmimpute.errors import SamplingError
from jmimpute.specification.families import ORDINAL
from jmimpute.specification.priors import Flat, InverseWishart, Normal
from jmimpute.specification.specify import Specification


class Model(NamedTuple):
    """Data and priors as arrays.

    Attributes
    ----------
    x, z : ndarray, shapes (n_rows, q), (n_rows, r)
    cluster : ndarray of int, shape (n_rows,)
    slot : ndarray of int, shape (n_rows, n_variables)
        `Variable.slots` of the observed category; -1 for missing and continuous cells.
    active : ndarray of bool, shape (n_patterns, p)
        Coordinates that are observed or latent normals of observed categories.
    pattern : ndarray of int, shape (n_rows,)
    ordinal : ndarray of bool, shape (n_variables,)
    first, width : ndarray of int, shape (n_variables,)
        Coordinates of a variable. A binary one is a nominal one of width 1.
    first_cut : ndarray of int, shape (n_variables + 1,)
        Where the free cut points of a variable begin, and end.
    beta_row, beta_column : ndarray of int, shape (n_beta,)
        Coefficients that exist.
    effect_response, effect_column : ndarray of int, shape (d,)
    continuous, latent : ndarray of int, shapes (C,), (L,)
        Coordinates.
    pairs : ndarray of int, shape (n_free, 2)
        Latents of different variables, as positions in `latent`: the free elements of their covariance R.
    bounds : ndarray, shape (2,)
        Box that latents of observed categories are restricted to.
    beta_precision : float
    power_e, scale_e : float, ndarray of shape (p, p)
        k and S of a prior density |Omega_e|^{-k/2} exp(-tr(S Omega_e^-1)/2).
    df_u, scale_u : float, ndarray of shape (d, d)
    cut_sd : float
        Scale of the half-normal distances of cut points; infinity if flat.
    """

    x: np.ndarray
    z: np.ndarray
    cluster: np.ndarray
    slot: np.ndarray
    active: np.ndarray
    pattern: np.ndarray
    ordinal: np.ndarray
    first: np.ndarray
    width: np.ndarray
    first_cut: np.ndarray
    beta_row: np.ndarray
    beta_column: np.ndarray
    effect_response: np.ndarray
    effect_column: np.ndarray
    continuous: np.ndarray
    latent: np.ndarray
    pairs: np.ndarray
    bounds: np.ndarray
    beta_precision: float
    power_e: float
    scale_e: np.ndarray
    df_u: float
    scale_u: np.ndarray
    cut_sd: float


class State(NamedTuple):
    """All unknowns, on the standardised scale; changed in place.

    Attributes
    ----------
    y : ndarray, shape (n_rows, p)
        Responses and latent normals, observed or not.
    u : ndarray, shape (n_clusters, d)
    beta, omega_e, omega_u : ndarray, shapes (q, p), (p, p), (d, d)
    cutpoints : ndarray, shape (n_cutpoints,)
    log_step : ndarray, shape (n_free,)
        Of the random walks over R.
    """

    y: np.ndarray
    u: np.ndarray
    beta: np.ndarray
    omega_e: np.ndarray
    omega_u: np.ndarray
    cutpoints: np.ndarray
    log_step: np.ndarray


def build(specification: Specification, bounds: tuple[float, float] | None = None) -> Model:
    """Collect the arrays of a specification.

    Parameters
    ----------
    specification : Specification
    bounds : tuple of float, optional
        Box for latents of observed categories.

    Raises
    ------
    SamplingError
        For a prior that the sampler does not have, or that leaves the full conditionals improper.
    """
    s, layout, variables = specification, specification.layout, specification.layout.variables
    low, high = (-np.inf, np.inf) if bounds is None else bounds
    if not low < 0 < high:
        raise SamplingError(f"The bounds of the latent normals must lie on both sides of 0, not {bounds!r}.")
    p, latent = len(layout.responses), np.flatnonzero(layout.latent)
    owner = np.repeat(np.arange(len(variables)), [variable.width for variable in variables])[latent]
    (power_e, scale_e), (df_u, scale_u) = _prior_e(s), _prior_u(s)
    model = Model(
        np.ascontiguousarray(s.x),
        np.ascontiguousarray(s.z),
        s.clusters.codes.astype(np.int64),
        _slots(s),
        s.patterns.observed,
        s.patterns.codes.astype(np.int64),
        np.array([variable.family == ORDINAL for variable in variables]),
        np.array([variable.first for variable in variables]),
        np.array([variable.width for variable in variables]),
        np.cumsum([0, *(variable.n_cutpoints for variable in variables)]),
        *(index.astype(np.int64) for index in np.nonzero(layout.beta_mask)),
        layout.effect_response,
        layout.effect_column,
        np.setdiff1d(np.arange(p), latent),
        latent,
        np.argwhere(np.tril(owner[:, None] != owner[None, :])),
        np.array([low, high], dtype=float),
        s.priors.beta.sd**-2 if isinstance(s.priors.beta, Normal) else 0.0,
        power_e,
        scale_e,
        df_u,
        scale_u,
        s.priors.cutpoints.sd if isinstance(s.priors.cutpoints, Normal) else np.inf,
    )
    _check(model, specification)
    return model


def start(model: Model, specification: Specification, rng: np.random.Generator) -> State:
    """Random values to start from, overdispersed.

    Parameters
    ----------
    model : Model
    specification : Specification
    rng : numpy.random.Generator
    """
    p, d = len(model.scale_e), len(model.scale_u)
    beta = np.where(specification.layout.beta_mask, rng.normal(size=(model.x.shape[1], p)), 0.0)
    omega_e = np.diag(np.exp(0.7 * rng.normal(size=p)))
    for variable in specification.layout.variables:
        if variable.is_latent:
            block = slice(variable.first, variable.first + variable.width)
            omega_e[block, block] = 0.5 * (np.eye(variable.width) + 1.0)
    omega_u = np.diag(np.exp(rng.normal(size=d) - 1.0))
    u = rng.normal(size=(specification.n_clusters if d else 0, d)) @ np.sqrt(omega_u)
    cutpoints = np.empty(model.first_cut[-1])
    y = np.where(np.isnan(specification.y), rng.normal(size=(len(model.x), p)), specification.y)
    state = State(y, u, beta, omega_e, omega_u, cutpoints, np.full(len(model.pairs), np.log(0.1)))
    for v in range(len(model.first)):
        _place_latents(model, state, v, rng)
    return state


def _place_latents(model: Model, state: State, v: int, rng: np.random.Generator) -> None:
    """Cut points of one variable in ascending order, and latents of its observed categories where they belong."""
    low, high = model.bounds
    cuts = state.cutpoints[model.first_cut[v] : model.first_cut[v + 1]]
    distances = np.cumsum(rng.uniform(0.2, 1.5, len(cuts) + 1))
    cuts[:] = (distances * min(1.0, high / distances[-1]))[:-1]  # within the box, with room above the last
    edges = np.array([low, 0.0, *cuts, high])
    for k in range(model.width[v]):
        rows = np.flatnonzero(model.slot[:, v] >= 0)
        slot = model.slot[rows, v]
        rank = slot if model.ordinal[v] else (slot == k).astype(int)
        below, above = edges[rank], edges[rank + 1]
        share = rng.random(len(rows))
        reach = np.minimum(1.0, above - below)
        state.y[rows, model.first[v] + k] = np.where(np.isfinite(below), below + share * reach, above - share * reach)


def _slots(specification: Specification) -> np.ndarray:
    slot = np.full(specification.categories.shape, -1, dtype=np.int64)
    for v, variable in enumerate(specification.layout.variables):
        if variable.is_latent:
            seen = specification.categories[:, v] >= 0
            slot[seen, v] = variable.slots[specification.categories[seen, v]]
    return slot


def _prior_e(specification: Specification) -> tuple[float, np.ndarray]:
    prior, scale = specification.priors.Omega_e, specification.scaling.scale
    if isinstance(prior, InverseWishart):
        return prior.degrees(len(scale)) + len(scale) + 1.0, prior.standard_scale(np.diag(scale))
    if not isinstance(prior, Flat):
        raise SamplingError(f"This reference sampler needs an inverse-Wishart or a flat prior of Omega_e, not {prior}.")
    return 0.0, np.zeros((len(scale), len(scale)))


def _prior_u(specification: Specification) -> tuple[float, np.ndarray]:
    prior, d = specification.priors.Omega_u, specification.layout.n_effects
    if not d:
        return 0.0, np.zeros((0, 0))
    if not isinstance(prior, InverseWishart):
        raise SamplingError(f"This reference sampler needs an inverse-Wishart prior of Omega_u, not {prior}.")
    return prior.degrees(d), prior.standard_scale(specification.scaling.u_transform)


def _check(model: Model, specification: Specification) -> None:
    """Refuse improper full conditionals."""
    n_rows, n_c, n_l = len(model.x), len(model.continuous), len(model.latent)
    if n_c and n_rows + model.power_e - n_l - n_c - 1 <= n_c - 1:
        raise SamplingError(
            f"{n_rows} rows are too few for this prior of Omega_e: {n_c} continuous responses and {n_l} latent normals "
            f"need more than {n_l + 2 * n_c - model.power_e:g}. Use an inverse-Wishart prior with more degrees of freedom."
        )
    d = len(model.scale_u)
    if d and specification.n_clusters + model.df_u <= d - 1:
        raise SamplingError(f"Omega_u with {d} random effects needs an inverse-Wishart prior with more degrees of freedom.")

"""Where chains of the structured sampler begin: frequencies of categories, and random values around moderate ones."""

import numpy as np

from jmimpute import names
from jmimpute.sampling.latents.start import cuts_of, inside, intercepts
from jmimpute.sampling.latents.state import State as RowState
from jmimpute.sampling.structured.arrays import Model, State
from jmimpute.sampling.structured.level2 import refresh_psi
from jmimpute.sampling.structured.rows import refresh_precisions, refresh_residuals
from jmimpute.specification.families import Variable
from jmimpute.specification.specify import Specification

SPREAD = 0.3  # of logarithms of variances, and of coefficients, between chains
FIRST_A = 10.0  # above the number of responses


def start(model: Model, specification: Specification, rng: np.random.Generator) -> State:
    """Values to start from.

    Parameters
    ----------
    model : Model
    specification : Specification
    rng : numpy.random.Generator
    """
    layout = specification.layout
    p, d, n_omega = len(layout.responses), layout.dim_u, len(model.cells.n_rows)
    n_clusters = len(model.level2.free)
    omega = np.empty((n_omega, p, p))
    for k in range(n_omega):
        omega[k] = _covariance(layout.variables, 0.6, rng)
    level2 = layout.level2
    omega_u = np.zeros((d, d))
    omega_u[: layout.n_effects, : layout.n_effects] = np.diag(0.2 * np.exp(SPREAD * rng.normal(size=layout.n_effects)))
    omega_u[layout.n_effects :, layout.n_effects :] = _covariance(level2.variables, 0.9, rng)
    rows = _rows(model, specification, omega_u, n_omega, rng)
    w = np.where(np.isnan(specification.w), rng.normal(size=specification.w.shape), specification.w)
    state = State(
        rows,
        omega,
        np.ascontiguousarray(w.reshape(n_clusters, len(level2.responses))),
        SPREAD * rng.normal(size=level2.beta_mask.shape) * level2.beta_mask,
        np.zeros(int(model.level2.n_cuts.sum())),
        np.full(1, p + FIRST_A),
        (p + FIRST_A) * _covariance(layout.variables, 0.6, rng),
        np.tile(np.eye(p), (n_omega, 1, 1)),
        np.tile([[-0.3], [0.3]], (1, p)),
        np.full((n_omega, len(model.prior_e.pairs)), np.log(0.1)),
        np.full(1, np.log(0.3)),
        np.full(int(model.level2.n_cuts.sum()), np.log(0.2)),
    )
    latent = [variable for variable in level2.variables if variable.is_latent]
    for slot, variable, first_cut in zip(model.level2.slot, latent, model.level2.first_cut, strict=True):
        cuts = _share_cuts(variable, slot)[1]
        state.cutpoints2[first_cut : first_cut + variable.n_cutpoints] = cuts[1:]
        own = slice(variable.first, variable.first + variable.width)
        state.w[:, own] = np.where(slot[:, None] >= 0, inside(variable, slot, cuts).T, state.w[:, own])
    refresh(model, state)
    return state


def refresh(model: Model, state: State) -> None:
    """Recompute what follows from parameters, latents and random effects."""
    refresh_psi(model, state)
    refresh_residuals(model, state)
    refresh_precisions(model, state)


def _rows(model: Model, specification: Specification, omega_u: np.ndarray, n_omega: int, rng: np.random.Generator) -> RowState:
    """Latents inside their intervals, coefficients by the frequencies of categories, no random effects."""
    problem, layout = model.problem, specification.layout
    p, n_rows = problem.rows.y.shape
    beta = SPREAD * rng.normal(size=layout.beta_mask.shape) * layout.beta_mask
    variables = [variable for variable in layout.variables if variable.is_latent]
    y, cutpoints, first_cut = problem.rows.y.copy(), np.zeros(sum(v.n_cutpoints for v in variables)), 0
    for slot, variable in zip(problem.rows.slot, variables, strict=True):
        own = slice(variable.first, variable.first + variable.width)
        share, cuts = _share_cuts(variable, slot)
        cutpoints[first_cut : first_cut + variable.n_cutpoints] = cuts[1:]
        first_cut += variable.n_cutpoints
        if names.INTERCEPT in layout.covariates:
            row = layout.covariates.index(names.INTERCEPT)
            beta[row, own] += np.where(layout.beta_mask[row, own], intercepts(variable, share), 0.0)
        y[own] = inside(variable, slot, cuts)
    return RowState(
        y, np.zeros((p, n_rows)), beta, np.eye(p), omega_u, np.zeros((len(omega_u), len(model.level2.free))), cutpoints,
        np.zeros((len(problem.rows.starts), p, p)),
    )  # fmt: skip


def _share_cuts(variable: Variable, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = np.bincount(slot[slot >= 0], minlength=len(variable.levels)) / np.sum(slot >= 0)
    return share, cuts_of(variable, share)


def _covariance(variables: tuple[Variable, ...], size: float, rng: np.random.Generator) -> np.ndarray:
    """A matrix with random variances of continuous responses, and what is known of latents."""
    p = sum(variable.width for variable in variables)
    matrix = np.diag(size * np.exp(SPREAD * rng.normal(size=p)))
    for variable in variables:
        if variable.is_latent:
            own = slice(variable.first, variable.first + variable.width)
            matrix[own, own] = 0.5 * (np.eye(variable.width) + 1.0)
    return matrix

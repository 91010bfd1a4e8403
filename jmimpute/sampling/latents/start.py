"""A first guess of parameters and latents, from which a pilot run starts."""

import numpy as np
from scipy.special import ndtri

from jmimpute import names
from jmimpute.sampling import laplace
from jmimpute.sampling.latents.state import Problem, State
from jmimpute.sampling.target import pack, parameters
from jmimpute.specification.families import NOMINAL, ORDINAL, Variable
from jmimpute.specification.specify import Specification

AWAY = 0.7  # distance of a first latent from the bound of its interval


def first_guess(specification: Specification, problem: Problem, state: State) -> np.ndarray:
    """Guess from the frequencies of categories.

    Parameters
    ----------
    specification : Specification
    problem : Problem
    state : State
        Receives latents inside their intervals, and cut points.

    Returns
    -------
    ndarray, shape (n,)
        theta: intercepts of latents by frequency, no other effect and no correlation.
    """
    layout = specification.layout
    theta = laplace.starting_point(problem.target)
    beta, omega_e, omega_u = parameters(theta, problem.target)
    cut_start = 0
    variables = [variable for variable in layout.variables if variable.is_latent]
    for slot, variable in zip(problem.rows.slot, variables, strict=True):
        own = slice(variable.first, variable.first + variable.width)
        share = np.bincount(slot[slot >= 0], minlength=len(variable.levels)) / np.sum(slot >= 0)
        cuts = cuts_of(variable, share)
        state.cutpoints[cut_start : cut_start + variable.n_cutpoints] = cuts[1:]
        cut_start += variable.n_cutpoints
        if names.INTERCEPT in layout.covariates:
            row = layout.covariates.index(names.INTERCEPT)
            beta[row, own] = np.where(layout.beta_mask[row, own], intercepts(variable, share), 0.0)
        state.y[own] = inside(variable, slot, cuts)
    pack(beta, omega_e, omega_u, problem.target, theta)
    return theta


def intercepts(variable: Variable, share: np.ndarray) -> np.ndarray:
    """Means of the latents: exact without covariates for one latent, rough for several."""
    if variable.family == ORDINAL:
        return np.array([-ndtri(share[0])])
    if variable.family == NOMINAL:
        return ndtri(share[:-1] / (share[:-1] + share[-1]))
    return np.array([ndtri(share[0])])


def cuts_of(variable: Variable, share: np.ndarray) -> np.ndarray:
    """Cut points of an ordinal response, the first 0; a single 0 for the others."""
    if variable.family != ORDINAL:
        return np.zeros(1)
    return ndtri(np.cumsum(share)[:-1]) - ndtri(share[0])


def inside(variable: Variable, slot: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Latents inside the intervals of the observed categories, shape (width, n_rows); 0 where it is missing."""
    if variable.family == ORDINAL:
        ends = np.concatenate([[cuts[0] - 2 * AWAY], cuts, [cuts[-1] + 2 * AWAY]])
        return np.where(slot >= 0, 0.5 * (ends[slot] + ends[slot + 1]), 0.0)[None]
    largest = np.arange(variable.width)[:, None] == slot
    return np.where(slot >= 0, np.where(largest, AWAY, -AWAY), 0.0)

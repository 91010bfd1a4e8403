"""What the moves share: the problem and the present state of a chain."""

from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.likelihood import observed_precision
from jmimpute.sampling import target as targets
from jmimpute.sampling.latents.rows import CHUNK, Latents, Rows, axpy, collect_latents, collect_rows, copied
from jmimpute.sampling.target import Target
from jmimpute.specification.priors import InverseWishart, Normal
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

# What of the covariances of a latent within rows is among its parameters: nothing, all but those with latents of the same
# variable, or, of an indicator, rho.
HELD, FREE, RHO = 0, 1, 2


class Problem(NamedTuple):
    """What does not change along a chain, except the statistics in `target`.

    Attributes
    ----------
    rows : Rows
    latents : Latents
    target : Target
        Its statistics belong to one chain.
    scale_e : ndarray, shape (p, p)
        Scale matrix of an inverse-Wishart prior of Omega_e, in the order of responses.
    cut_precision : float
        Of the half-normal prior of distances between cut points; 0 if it is flat.
    moves_e : ndarray of int, shape (L,)
        Which covariances of each latent within rows are among its parameters: `HELD` where clusters have matrices of their own,
        where others depend on them, and for indicators whose rho is held.
    moves_u : bool
        Whether covariances of its random effects are among them, which are not where some of them are 0.
    """

    rows: Rows
    latents: Latents
    target: Target
    scale_e: np.ndarray
    cut_precision: float
    moves_e: np.ndarray
    moves_u: bool


class State(NamedTuple):
    """Present values of everything that moves, on the standardised scale; the arrays are changed in place.

    Attributes
    ----------
    y, residual : ndarray, shape (p, N)
        Responses with the present latents, 0 in missing cells; and what is left of them after B'x + U'z.
    beta, omega_e, omega_u : ndarray, shapes (q, p), (p, p), (d, d)
    u : ndarray, shape (d, J)
    cutpoints : ndarray, shape (n_cuts,)
    precision : ndarray, shape (G + 1, p, p)
        Inverse of Omega_e over the observed coordinates of each pattern, and, last, over all.
    """

    y: np.ndarray
    residual: np.ndarray
    beta: np.ndarray
    omega_e: np.ndarray
    omega_u: np.ndarray
    u: np.ndarray
    cutpoints: np.ndarray
    precision: np.ndarray


def build_problem(specification: Specification, stats: Statistics) -> Problem:
    """Collect the arrays of a specification; the statistics are copied."""
    target = targets.build(specification, copied(stats))
    rows = collect_rows(specification)
    back = np.argsort(target.prior_e.order)
    prior = specification.priors.cutpoints
    return Problem(
        rows,
        collect_latents(specification, rows.starts, target.stats.observed),
        target,
        np.ascontiguousarray(target.prior_e.scale[np.ix_(back, back)]),
        prior.sd**-2 if isinstance(prior, Normal) else 0.0,
        _moving(specification),
        True,
    )


def _moving(specification: Specification) -> np.ndarray:
    """What of the covariances of each latent moves.

    Those of a response that has an indicator do not, since whole rows of Omega_e hang on them; beside indicators none do with
    an inverse-Wishart prior, which is not one of the whole of Omega_e.
    """
    selections, variables = specification.selections, specification.outcomes
    selected = {one.variable.name for one in selections}
    stays = bool(selections) and isinstance(specification.priors.Omega_e, InverseWishart)
    of_responses = [
        HELD if stays or variable.name in selected else FREE
        for variable in variables
        for _ in range(variable.width)
        if variable.is_latent
    ]
    of_indicators = [HELD if isinstance(one.clause.rho, float) else RHO for one in selections]
    return np.array(of_responses + of_indicators, dtype=np.int64)


def new_state(problem: Problem, n_clusters: int) -> State:
    """Make room for a state; all latents 0."""
    p, n_rows = problem.rows.y.shape
    q, d = len(problem.rows.x), len(problem.target.prior_u.scale)
    n_patterns = len(problem.rows.starts) - 1
    n_cuts = int((problem.latents.n_cuts / problem.latents.width).sum())
    return State(
        problem.rows.y.copy(),
        np.zeros((p, n_rows)),
        np.zeros((q, p)),
        np.eye(p),
        np.eye(d),
        np.zeros((d, n_clusters)),
        np.zeros(n_cuts),
        np.zeros((n_patterns + 1, p, p)),
    )


@kernel
def settle(problem, state):
    """Recompute residuals and precisions from the parameters, after all of them have changed."""
    rows, target = problem.rows, problem.target
    for g in range(target.stats.observed.shape[0]):
        for a in range(state.y.shape[0]):
            if not target.stats.observed[g, a]:
                continue
            for first in range(rows.starts[g], rows.starts[g + 1], CHUNK):
                end = min(first + CHUNK, rows.starts[g + 1])
                out = state.residual[a, first:end]
                out[:] = state.y[a, first:end]
                for c in range(rows.x.shape[0]):
                    axpy(-state.beta[c, a], rows.x[c, first:end], out)
                for e in range(target.effect_response.shape[0]):
                    if target.effect_response[e] == a:
                        add_effect(-1.0, rows.z[target.effect_column[e], first:end], state.u[e], rows.cluster[first:end], out)
        state.precision[g] = 0.0
        observed_precision(state.omega_e, target.stats.observed[g], state.precision[g])
    state.precision[-1] = 0.0
    observed_precision(state.omega_e, np.ones(state.y.shape[0], dtype=np.bool_), state.precision[-1])


@kernel
def add_effect(scale, z, u, cluster, out):
    """Add scale z u_j to the rows of `out`."""
    for i in range(out.shape[0]):
        out[i] += scale * z[i] * u[cluster[i]]

"""The sampler of latent normals as a step method of PyMC, on the generative graph.

A step forgets missing values, iterates on everything else as the chains of `jmimpute.sampling.latents.chains` do, which
leaves the joint density without them as it is, and draws them given the rest: a valid kernel for the density of the graph.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
from pymc.step_methods.compound import BlockedStep, Competence, StepMethodState
from pymc.step_methods.state import dataclass_state

from jmimpute import names
from jmimpute.errors import SamplingError
from jmimpute.graph.generative import UNOBSERVED
from jmimpute.graph.parameters import INCREMENTS, STANDARDISED
from jmimpute.sampling.coordinates import n_coordinates, pack_covariance
from jmimpute.sampling.latents import tuning as tunings
from jmimpute.sampling.latents.chains import LEARNING_ITERATIONS, Cells, Chain, Pilot, put
from jmimpute.sampling.latents.rows import active_cells
from jmimpute.sampling.latents.state import Problem, State, build_problem
from jmimpute.sampling.latents.tuning import Tuning
from jmimpute.sampling.target import pack, unpack
from jmimpute.sampling.threads import Settings
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

Point = dict[str, np.ndarray]


class PointMap:
    """The way from a point of the generative graph, on the scale of its value variables, to a State, and back.

    Value variables of coefficients and of Omega_e are theta; that of Omega_u has the rows of its Cholesky factor with
    logarithms on the diagonal, whatever the prior; those of cut points have logarithms of their distances.

    Parameters
    ----------
    graph : pymc.Model
        `generative` of the specification.
    specification : Specification
    problem : Problem

    Attributes
    ----------
    cells : Cells
        Latents of observed categories.
    active : ndarray of int
        Where these are among the unobserved values of a point, flattened.
    """

    def __init__(self, graph: pm.Model, specification: Specification, problem: Problem) -> None:
        values = {variable.name: graph.rvs_to_values[variable].name for variable in graph.free_RVs}
        layout = specification.layout
        self.beta, self.unobserved = values[names.BETA + STANDARDISED], values[UNOBSERVED]
        self.omega_e = values.get(names.OMEGA_E + STANDARDISED)  # absent if no element is free
        self.omega_u = values.get("chol_u", values.get(names.OMEGA_U + STANDARDISED))
        self.u = values.get(names.U + STANDARDISED)
        self.increments = [(values[f"{INCREMENTS}_{v.name}"], v.n_cutpoints) for v in layout.variables if v.n_cutpoints]
        cells = np.isnan(specification.y) | layout.latent
        self.shape = cells.shape if layout.latent.all() else (int(cells.sum()),)
        number = (np.cumsum(cells) - 1).reshape(cells.shape)
        row, coordinate = active_cells(specification)
        place = np.empty(len(cells), dtype=np.int64)
        place[problem.rows.position] = np.arange(len(problem.rows.position))
        self.cells, self.active = Cells(row, coordinate, place[row]), number[row, coordinate]
        self.missing = number[np.isnan(specification.y)]
        self.specification = specification
        self.n_beta, self.n_e = len(problem.target.beta_row), int(n_coordinates(problem.target.prior_e))

    def read(self, point: Point, problem: Problem, state: State) -> None:
        """Set a state; values that are missing have no place in it."""
        target = problem.target
        d = len(state.omega_u)
        n_e = self.n_beta + self.n_e
        theta = np.zeros(n_e + d * (d + 1) // 2)
        theta[: self.n_beta] = point[self.beta]
        if self.omega_e:
            theta[self.n_beta : n_e] = point[self.omega_e]
        if self.omega_u:
            chol = np.zeros((d, d))
            chol[np.tril_indices(d)] = point[self.omega_u]
            chol[np.diag_indices(d)] = np.exp(np.diag(chol))
            pack_covariance(chol @ chol.T, target.prior_u, theta[n_e:])
            state.u[:] = point[self.u].T
        start = 0
        for name, size in self.increments:
            state.cutpoints[start : start + size] = np.cumsum(np.exp(point[name]))
            start += size
        state.y[self.cells.coordinate, self.cells.place] = point[self.unobserved].ravel()[self.active]
        put(theta, problem, state, None)

    def write(self, problem: Problem, state: State, rng: np.random.Generator) -> Point:
        """Express a state as a point; missing values are drawn given all the rest."""
        d = len(state.omega_u)
        theta = np.empty(self.n_beta + self.n_e + d * (d + 1) // 2)
        pack(state.beta, state.omega_e, state.omega_u, problem.target, theta)
        point = {self.beta: theta[: self.n_beta]}
        if self.omega_e:
            point[self.omega_e] = theta[self.n_beta : self.n_beta + self.n_e]
        _, chol_e, chol_u = unpack(theta, problem.target)
        if self.omega_u:
            chol_u[np.diag_indices(d)] = np.log(np.diag(chol_u))
            point[self.omega_u] = chol_u[np.tril_indices(d)]
            point[self.u] = state.u.T.copy()
        start = 0
        for name, size in self.increments:
            point[name] = np.log(np.diff(state.cutpoints[start : start + size], prepend=0.0))
            start += size
        values = np.empty(len(self.active) + len(self.missing))
        values[self.active] = state.y[self.cells.coordinate, self.cells.place]
        error = rng.standard_normal(self.specification.y.shape) @ chol_e[np.argsort(problem.target.prior_e.order)].T
        values[self.missing] = self._missing(values[self.active], state, error)
        return point | {self.unobserved: values.reshape(self.shape)}

    def _missing(self, latents: np.ndarray, state: State, error: np.ndarray) -> np.ndarray:
        """Draws of the missing values, row by row, from errors that have covariance Omega_e and are overwritten.

        With e such errors, and r the residuals of what is observed, e_m + Gamma (r - e_o) with Gamma = Omega_mo Omega_oo^-1
        has the distribution of the missing errors given r.
        """
        specification, omega = self.specification, state.omega_e
        layout, patterns = specification.layout, specification.patterns
        y, mean = specification.y.copy(), specification.x @ state.beta
        y[self.cells.row, self.cells.coordinate] = latents
        for e, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            mean[:, a] += specification.z[:, c] * state.u[e, specification.clusters.codes]
        excess = y - mean - error
        for g in np.flatnonzero(~patterns.observed.all(axis=1)):
            seen, unseen = np.flatnonzero(patterns.observed[g]), np.flatnonzero(~patterns.observed[g])
            rows = np.flatnonzero(patterns.codes == g)
            slope = np.linalg.solve(omega[np.ix_(seen, seen)], omega[np.ix_(seen, unseen)])
            error[np.ix_(rows, unseen)] += excess[np.ix_(rows, seen)] @ slope
        return (mean + error)[np.isnan(y)]


@dataclass_state
class LatentNormalState(StepMethodState):
    """What a step adapts, which PyMC sets back before each chain."""

    tune: bool
    tuning: Tuning
    n_warm: int


class LatentNormalStep(BlockedStep):
    """Step method for all variables of the generative graph of a model with categorical responses.

    A pilot run at construction finds metrics, from which all chains start. They and the step sizes are adapted in tuning
    steps; one of these, after a third, has several iterations, from which the metrics of the latents' parameters are learned.

    Parameters
    ----------
    vars : sequence, optional
        All value variables of the graph, which is what it takes if not given.
    specification : Specification
        Of the model.
    stats : Statistics
        Of its arrays.
    thin : int
        Iterations of a step after tuning.
    target_accept : float
        Acceptance probability that the step size of the parameters given the latents is tuned to.
    model : pymc.Model, optional
        `JointModel.pymc`; that of the context if not given.
    rng : int or numpy.random.Generator, optional
        For the pilot run; PyMC sets another for each chain.
    blocked : bool
        As for other step methods; variables cannot be separated.
    """

    name = "latent_normals"
    _state_class = LatentNormalState

    def __init__(
        self,
        vars: Sequence[Any] | None = None,
        *,
        specification: Specification,
        stats: Statistics,
        thin: int = 1,
        target_accept: float = 0.8,
        model: pm.Model | None = None,
        rng: Any = None,
        blocked: bool = True,
    ) -> None:
        graph = pm.modelcontext(model)
        self.vars = list(graph.value_vars if vars is None else vars)
        if set(self.vars) != set(graph.value_vars):
            raise SamplingError("LatentNormalStep moves all variables of a model together: leave out vars.")
        latent = np.array(specification.layout.responses)[specification.layout.latent]
        self.acceptances = ["acceptance_rate", *(f"acceptance_{label}" for label in latent), "acceptance_effects"]
        dtypes = {**dict.fromkeys(["lp", "step_size", *self.acceptances], np.float64), "diverging": np.bool_}
        self.stats_dtypes = [dtypes]
        self.stats_dtypes_shapes = {name: (dtype, []) for name, dtype in dtypes.items()}
        self.rng = np.random.default_rng(rng)
        problem = build_problem(specification, stats)
        self.pilot = Pilot(specification, problem, self.rng)
        self.map = PointMap(graph, specification, problem)
        self.settings = Settings(draws=1, thin=thin, target_accept=target_accept)
        self.chain = self._new_chain(self.rng)
        self.chain.allocate([], warm=True)
        self.tuning, self.last = tunings.copied(self.pilot.tuning), None
        self.tune, self.n_warm, self.n_tune = True, 0, 0

    @staticmethod
    def competence(var: Any, has_grad: bool) -> Competence:
        """Never chosen by PyMC: it has to be passed."""
        return Competence.INCOMPATIBLE

    def start(self, rng: np.random.Generator) -> Point:
        """Draw a point further out than the posterior is wide, for `initvals`.

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        chain = self._new_chain(rng)
        return self.map.write(chain.problem, chain.state, rng)

    def setup_chain(self, rng: Any, tune: int, draws: int) -> None:
        """Begin a chain; see `pymc.step_methods.compound.BlockedStep`."""
        super().setup_chain(rng, tune, draws)
        self.n_tune, self.last, self.tune = tune, None, tune > 0
        if tune:  # a step that has been tuned may also go on as it is
            self.tuning, self.n_warm = tunings.copied(self.pilot.tuning), 0

    def step(self, point: Point) -> tuple[Point, list[dict[str, Any]]]:
        """Move all variables.

        Parameters
        ----------
        point : dict of str to ndarray
            Present values of the value variables.
        """
        problem, state = self.chain.problem, self.chain.state
        # Where the step stands already is not read again, which would cost passes through the rows.
        if self.last is None or any(not np.array_equal(value, point[name]) for name, value in self.last.items()):
            self.map.read(point, problem, state)
        learning = self.tune and self.n_tune >= 4 and self.n_warm == self.n_tune // 3
        self._run(min(LEARNING_ITERATIONS, self.n_tune // 4) if learning else 1, learning)
        self.last = self.map.write(problem, state, self.rng)
        return {**point, **self.last}, [self._stats()]

    def _new_chain(self, rng: np.random.Generator) -> Chain:
        chain = Chain(self.pilot.problem, self.map.cells, self.settings, rng)
        chain.disperse(self.pilot)
        return chain

    def _run(self, n: int, learning: bool) -> None:
        self.chain.rng, self.chain.tuning = self.rng, self.tuning
        counter, stop = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
        self.chain.iterate(n, self.tune, learning, counter, stop)
        self.n_warm += self.tune

    def _stats(self) -> dict[str, Any]:
        """Statistics of the last step; while tuning nothing but the step size is recorded."""
        record, tune = self.chain.record, self.tune
        acceptance = np.full(len(self.acceptances), np.nan) if tune else record.acceptance[0]
        return {
            "lp": np.nan if tune else record.log_density[0],
            "step_size": float(np.exp(self.tuning.log_step[0])),
            "diverging": not tune and bool(record.diverging[0]),
            **dict(zip(self.acceptances, acceptance, strict=True)),
        }

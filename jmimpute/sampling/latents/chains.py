"""Chains of the sampler of latent normals: a pilot run that finds metrics, warm-up, draws, and going on later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.sampling import laplace
from jmimpute.sampling import target as targets
from jmimpute.sampling.latents import tuning as tunings
from jmimpute.sampling.latents.iteration import Record, draw_effects_of_all, run
from jmimpute.sampling.latents.rows import active_cells, copied, refresh_statistics
from jmimpute.sampling.latents.start import first_guess
from jmimpute.sampling.latents.state import Problem, State, build_problem, new_state, settle
from jmimpute.sampling.latents.tuning import Tuning
from jmimpute.sampling.target import pack, parameters
from jmimpute.sampling.threads import Settings, run_chains
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

CRUDE = 0.01  # sd of all coordinates until something is known of their curvature
PILOT_ROUNDS = 4
PILOT_ITERATIONS = 15  # of each round
LEARNING_ITERATIONS = 25  # of a warm-up, which average the information of the latents' parameters
DISPERSION = 2.0  # of starting points, in posterior standard deviations given the latents


@dataclass(frozen=True)
class Cells:
    """Latent normals of observed categories: where they are in the table and in the rows of the sampler."""

    row: np.ndarray
    coordinate: np.ndarray
    place: np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """Where a chain stands, from which it can go on.

    Attributes
    ----------
    latents : ndarray, shape (n_cells,)
    theta, cutpoints : ndarray, shapes (n,), (n_cuts,)
    u : ndarray, shape (d, J)
    tuning : Tuning
    rng : dict
        State of the random generator.
    """

    latents: np.ndarray
    theta: np.ndarray
    cutpoints: np.ndarray
    u: np.ndarray
    tuning: Tuning
    rng: dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """What a run leaves.

    Attributes
    ----------
    records : list of Record
        One a chain, cut to one length.
    kept : list of (chain, draw)
        Draws whose latents were kept, in the order asked for.
    latents : ndarray of float32, shape (n_kept, n_cells)
        In the order of `active_cells`.
    step_sizes : list of float
    snapshots : list of Snapshot
    """

    records: list[Record]
    kept: list[tuple[int, int]]
    latents: np.ndarray
    step_sizes: list[float]
    snapshots: list[Snapshot]


def draw(
    specification: Specification,
    stats: Statistics,
    settings: Settings,
    seeds: Sequence[Any],
    pilot_seed: Any,
    keep: Sequence[tuple[int, int]],
    snapshots: Sequence[Snapshot] | None = None,
) -> Drawn:
    """Draw all chains.

    Parameters
    ----------
    specification : Specification
        With at least one categorical response.
    stats : Statistics
        Of its arrays.
    settings : Settings
    seeds : sequence of numpy.random.SeedSequence
        One a chain.
    pilot_seed : numpy.random.SeedSequence
    keep : sequence of (chain, draw)
        Draws whose latents are kept.
    snapshots : sequence of Snapshot, optional
        Where to go on, without warm-up.

    Returns
    -------
    Drawn
        Fewer or shorter chains, with an `InterruptedWarning`, after a KeyboardInterrupt.

    Raises
    ------
    SamplingError
        If an interrupted run holds too few draws to keep.
    """
    problem = build_problem(specification, stats)
    row, coordinate = active_cells(specification)
    place = np.empty(len(specification.y), dtype=np.int64)
    place[problem.rows.position] = np.arange(len(problem.rows.position))
    cells = Cells(row, coordinate, place[row])
    if snapshots is None:
        pilot = Pilot(specification, problem, np.random.default_rng(pilot_seed))
        chains = [Chain(problem, cells, settings, np.random.default_rng(seed)) for seed in seeds]
        for chain in chains:
            chain.disperse(pilot)
    else:
        chains = [_resumed(specification, problem, cells, settings, snapshot) for snapshot in snapshots]
    for number, chain in enumerate(chains):
        chain.allocate([d for c, d in keep if c == number], warm=snapshots is None)
    used, n_draws = run_chains(chains, settings)
    return _collect(chains, used, n_draws, keep)


class Pilot:
    """A short run that finds a likely region, and metrics for all chains.

    Each round puts theta at its mode given the latents (as a stochastic EM algorithm would) and then iterates.
    """

    def __init__(self, specification: Specification, problem: Problem, rng: np.random.Generator) -> None:
        self.state = new_state(problem, specification.n_clusters)
        self.theta = first_guess(specification, problem, self.state)
        longest = max(map(int, tunings.sizes(problem)))
        self.tuning = tunings.new_tuning(CRUDE * np.eye(len(self.theta)), len(problem.latents.coordinate), longest)
        self.problem, self.rng = problem, rng
        put(self.theta, problem, self.state, rng)
        self._run()  # spreads the latents, so that there is a mode to look for
        for number in range(PILOT_ROUNDS):
            whitening = laplace.whiten(problem.target, self.theta)
            self.tuning.whitening[:] = whitening.matrix
            if number < PILOT_ROUNDS - 1:
                put(whitening.center, problem, self.state, rng)
            self._run()

    def _run(self) -> None:
        problem, state = self.problem, self.state
        record = _no_record(problem, self.theta, state)
        counter, stop = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
        run(problem, state, self.tuning, PILOT_ITERATIONS, 1, True, True, 0.8, self.rng, record, counter, stop)
        pack(state.beta, state.omega_e, state.omega_u, problem.target, self.theta)


class Chain:
    """One chain: warm-up, then draws."""

    def __init__(self, problem: Problem, cells: Cells, settings: Settings, rng: np.random.Generator) -> None:
        stats = copied(problem.target.stats)
        self.problem = problem._replace(target=problem.target._replace(stats=stats))
        self.cells, self.settings, self.rng = cells, settings, rng
        self.warm = True

    def disperse(self, pilot: Pilot) -> None:
        """Start from a point further out than the posterior is wide."""
        self.state = State(*(array.copy() for array in pilot.state))
        self.tuning = tunings.copied(pilot.tuning)
        for attempt in range(20):
            xi = DISPERSION * 0.8**attempt * self.rng.standard_normal(len(pilot.theta))
            theta = pilot.theta + self.tuning.whitening @ xi
            if np.isfinite(targets.log_density(theta, self.problem.target, np.empty_like(theta))):
                put(theta, self.problem, self.state, self.rng)
                return

    def allocate(self, kept: list[int], warm: bool) -> None:
        """Make room for the draws, and for the latents of some of them."""
        n_draws, n = self.settings.draws, len(self.tuning.whitening)
        slot = np.full(n_draws, -1, dtype=np.int64)
        slot[kept] = np.arange(len(kept))
        self.warm, self.n_draws = warm, 0
        self.record = Record(
            np.empty((n_draws, n)),
            np.empty((n_draws, len(self.state.cutpoints))),
            np.empty(n_draws),
            np.empty((n_draws, len(self.problem.latents.coordinate) + 2)),
            np.zeros(n_draws, dtype=np.bool_),
            slot,
            np.empty((len(kept), len(self.cells.row)), dtype=np.float32),
            self.cells.place,
            self.cells.coordinate,
        )

    def __call__(self, progress: np.ndarray, stop: np.ndarray) -> int:
        """Run; returns the number of draws."""
        learning = min(LEARNING_ITERATIONS, self.settings.tune // 4)
        before = self.settings.tune // 3
        if self.warm:
            self.iterate(before, True, False, progress, stop)
            if learning:
                self.iterate(learning, True, True, progress, stop)
            self.iterate(self.settings.tune - before - learning, True, False, progress, stop)
        self.n_draws = self.iterate(self.settings.draws, False, False, progress, stop)
        return self.n_draws

    def iterate(self, n: int, adapt: bool, learning: bool, progress: np.ndarray, stop: np.ndarray) -> int:
        """Make n draws, or n iterations of warm-up; see `jmimpute.sampling.latents.iteration.run`."""
        return run(
            self.problem, self.state, self.tuning, n, 1 if adapt else self.settings.thin, adapt, learning,
            self.settings.target_accept, self.rng, self.record, progress, stop,
        )  # fmt: skip

    def snapshot(self) -> Snapshot:
        """Where the chain stands."""
        if self.n_draws:
            theta = self.record.theta[self.n_draws - 1].copy()  # to the last bit, which packing parameters would not be
        else:
            theta = np.empty(len(self.tuning.whitening))
            pack(self.state.beta, self.state.omega_e, self.state.omega_u, self.problem.target, theta)
        latents = self.state.y[self.cells.coordinate, self.cells.place]
        rng: Any = self.rng.bit_generator.state
        return Snapshot(latents, theta, self.state.cutpoints.copy(), self.state.u.copy(), self.tuning, rng)


def put(theta: np.ndarray, problem: Problem, state: State, rng: np.random.Generator | None) -> None:
    """Set the parameters of a state; random effects are drawn anew if `rng` is given."""
    state.beta[:], state.omega_e[:], state.omega_u[:] = parameters(theta, problem.target)
    refresh_statistics(problem.latents, problem.rows, state.y, problem.target.stats)
    if rng is not None:
        draw_effects_of_all(problem, state, rng)
    settle(problem, state)


def _resumed(specification: Specification, problem: Problem, cells: Cells, settings: Settings, snapshot: Snapshot) -> Chain:
    """A chain that stands where a former one stopped."""
    rng = np.random.default_rng()
    rng.bit_generator.state = snapshot.rng
    chain = Chain(problem, cells, settings, rng)
    chain.state = new_state(problem, specification.n_clusters)
    chain.state.y[cells.coordinate, cells.place] = snapshot.latents
    chain.state.u[:] = snapshot.u
    chain.state.cutpoints[:] = snapshot.cutpoints
    chain.tuning = Tuning(*(array.copy() for array in snapshot.tuning))
    put(snapshot.theta, chain.problem, chain.state, None)
    return chain


def _no_record(problem: Problem, theta: np.ndarray, state: State) -> Record:
    """Room for nothing, for runs that are not recorded."""
    integers = np.zeros(0, dtype=np.int64)
    return Record(
        np.empty((0, len(theta))),
        np.empty((0, len(state.cutpoints))),
        np.empty(0),
        np.empty((0, len(problem.latents.coordinate) + 2)),
        np.zeros(0, dtype=np.bool_),
        integers,
        np.empty((0, 0), dtype=np.float32),
        integers,
        integers,
    )


def _collect(chains: list[Chain], used: list[int], n_draws: int, keep: Sequence[tuple[int, int]]) -> Drawn:
    """Cut the chains to one length and put the kept latents into the order asked for."""
    by_draw = ("theta", "cutpoints", "log_density", "acceptance", "diverging", "slot")
    records = [chains[k].record for k in used]
    cut = [record._replace(**{name: getattr(record, name)[:n_draws] for name in by_draw}) for record in records]
    kept, latents = [], []
    for chain, number in keep:
        if chain in used and number < n_draws:
            kept.append((used.index(chain), number))
            latents.append(chains[chain].record.latents[chains[chain].record.slot[number]])
    cells = len(chains[0].cells.row)
    return Drawn(
        cut,
        kept,
        np.array(latents, dtype=np.float32).reshape(-1, cells),
        [float(np.exp(chains[k].tuning.log_step[0])) for k in used],
        [chains[k].snapshot() for k in used],
    )

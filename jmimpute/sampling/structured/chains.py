"""Chains of the structured sampler: warm-up in rounds, draws, and going on later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.sampling.latents import tuning as latents_tuning
from jmimpute.sampling.latents.rows import active_cells
from jmimpute.sampling.structured.arrays import Model, State, build
from jmimpute.sampling.structured.iteration import Record, run
from jmimpute.sampling.structured.start import refresh, start
from jmimpute.sampling.structured.tuning import Tuning, new_tuning
from jmimpute.sampling.threads import Settings, run_chains
from jmimpute.specification.specify import Specification

ROUNDS = (0.06, 0.12, 0.2, 0.3)  # of the warm-up, in which metrics are learned; then only steps are tuned
DRAWN = ("beta", "omega", "omega_u", "beta2", "cutpoints", "cutpoints2", "a", "scale", "log_sd")
# What a chain stands on; the rest of a state follows from it.
ROW_STATE = ("beta", "omega_u", "u", "cutpoints")
STATE = ("omega", "w", "beta2", "cutpoints2", "a", "scale", "unscaling", "log_sd", "log_step", "log_step_a", "log_step_cuts2")


@dataclass(frozen=True)
class Cells:
    """Latents of observed categories, of rows and of clusters: where they are in the arrays of the sampler.

    Attributes
    ----------
    row, coordinate : ndarray of int, shape (n_cells,)
    cluster, coordinate2 : ndarray of int, shape (n_cells2,)
    """

    row: np.ndarray
    coordinate: np.ndarray
    cluster: np.ndarray
    coordinate2: np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """Where a chain stands, from which it can go on: arrays by name, and the state of the random generator."""

    arrays: dict[str, np.ndarray]
    rng: dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """What a run leaves.

    Attributes
    ----------
    draws : dict of str to ndarray, shape (chains, n_draws, ...)
        Fields of `Record`.
    kept : list of (chain, draw)
    latents : ndarray of float32, shape (n_kept, n_cells + n_cells2)
    step_sizes : list of float
    snapshots : list of Snapshot
    """

    draws: dict[str, np.ndarray]
    kept: list[tuple[int, int]]
    latents: np.ndarray
    step_sizes: list[float]
    snapshots: list[Snapshot]


def draw(
    specification: Specification,
    settings: Settings,
    seeds: Sequence[Any],
    keep: Sequence[tuple[int, int]],
    snapshots: Sequence[Snapshot] | None = None,
) -> Drawn:
    """Draw all chains.

    Parameters
    ----------
    specification : Specification
    settings : Settings
    seeds : sequence of numpy.random.SeedSequence
        One a chain.
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
    model = build(specification)
    cells = cells_of(specification, model)
    if snapshots is None:
        chains = [Chain(model, specification, settings, np.random.default_rng(seed)) for seed in seeds]
    else:
        chains = [_resumed(model, specification, cells, settings, snapshot) for snapshot in snapshots]
    for number, chain in enumerate(chains):
        chain.allocate(cells, [d for c, d in keep if c == number], warm=snapshots is None)
    used, n_draws = run_chains(chains, settings)
    return _collect([chains[k] for k in used], cells, n_draws, [(used.index(c), d) for c, d in keep if c in used])


def cells_of(specification: Specification, model: Model) -> Cells:
    """Find the latents of observed categories."""
    row, coordinate = active_cells(specification)
    place = np.empty(len(specification.y), dtype=np.int64)
    place[model.problem.rows.position] = np.arange(len(model.problem.rows.position))
    coordinate2, cluster = fixed_latents(specification)
    return Cells(place[row], coordinate, cluster, coordinate2)


def fixed_latents(specification: Specification) -> tuple[np.ndarray, np.ndarray]:
    """Coordinate and cluster of every level-2 latent whose category is observed."""
    if not specification.layout.level2.latent.any():
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.nonzero((~np.isnan(specification.w) & specification.layout.level2.latent).T)


class Chain:
    """One chain: warm-up, then draws."""

    def __init__(self, model: Model, specification: Specification, settings: Settings, rng: np.random.Generator) -> None:
        self.model, self.settings, self.rng = model, settings, rng
        self.state: State = start(model, specification, rng)
        self.tuning: Tuning = new_tuning(model)

    def allocate(self, cells: Cells, kept: list[int], warm: bool) -> None:
        """Make room for the draws, and for the latents of some of them."""
        n, state = self.settings.draws, self.state
        slot = np.full(n, -1, dtype=np.int64)
        slot[kept] = np.arange(len(kept))
        self.warm, self.n_draws = warm, 0
        drawn = {name: getattr(state.rows if name in ROW_STATE else state, name) for name in DRAWN}
        drawn["a"] = np.empty(())
        n_moves = len(self.tuning.log_step_u) + len(self.model.problem.latents.coordinate) + 1
        self.record = Record(
            *(np.empty((n, *array.shape)) for array in drawn.values()),
            np.empty((n, n_moves)),
            np.zeros(n, dtype=np.bool_),
            slot,
            np.empty((len(kept), len(cells.row) + len(cells.cluster)), dtype=np.float32),
            cells.row,
            cells.coordinate,
            cells.cluster,
            cells.coordinate2,
        )

    def __call__(self, progress: np.ndarray, stop: np.ndarray) -> int:
        """Run; returns the number of draws."""
        if self.warm:
            left = self.settings.tune
            for share in ROUNDS:
                n = int(share * self.settings.tune)
                self.iterate(n, True, True, progress, stop)
                left -= n
            self.tuning.latents.n_adapted[:] = 0
            self.iterate(left, True, False, progress, stop)
        self.n_draws = self.iterate(self.settings.draws, False, False, progress, stop)
        return self.n_draws

    def iterate(self, n: int, adapt: bool, learning: bool, progress: np.ndarray, stop: np.ndarray) -> int:
        """Make n draws, or n iterations of warm-up; see `jmimpute.sampling.structured.iteration.run`."""
        return run(
            self.model, self.state, self.tuning, n, 1 if adapt else self.settings.thin, adapt, learning,
            self.settings.target_accept, self.rng, self.record, progress, stop,
        )  # fmt: skip

    def snapshot(self, cells: Cells) -> Snapshot:
        """Where the chain stands."""
        state, tuning = self.state, self.tuning
        arrays = {f"rows_{name}": getattr(state.rows, name).copy() for name in ROW_STATE}
        arrays |= {f"state_{name}": getattr(state, name).copy() for name in STATE}
        arrays["latents"] = state.rows.y[cells.coordinate, cells.row]
        arrays |= {f"latents_{name}": getattr(tuning.latents, name).copy() for name in tuning.latents._fields}
        arrays |= {f"tuning_{name}": getattr(tuning, name).copy() for name in tuning._fields[1:]}
        rng: Any = self.rng.bit_generator.state
        return Snapshot(arrays, rng)


def _resumed(model: Model, specification: Specification, cells: Cells, settings: Settings, snapshot: Snapshot) -> Chain:
    """A chain that stands where a former one stopped."""
    rng = np.random.default_rng()
    chain = Chain(model, specification, settings, rng)
    rng.bit_generator.state = snapshot.rng
    arrays, state = snapshot.arrays, chain.state
    for name in ROW_STATE:
        getattr(state.rows, name)[:] = arrays[f"rows_{name}"]
    for name in STATE:
        getattr(state, name)[:] = arrays[f"state_{name}"]
    state.rows.y[cells.coordinate, cells.row] = arrays["latents"]
    names = latents_tuning.Tuning._fields
    of_latents = latents_tuning.Tuning(*(arrays[f"latents_{name}"].copy() for name in names))
    chain.tuning = Tuning(of_latents, *(arrays[f"tuning_{name}"].copy() for name in Tuning._fields[1:]))
    refresh(model, state)
    return chain


def _collect(chains: list[Chain], cells: Cells, n_draws: int, keep: list[tuple[int, int]]) -> Drawn:
    """Cut the chains to one length and put the kept latents into the order asked for."""
    fields = (*DRAWN, "acceptance", "diverging")
    draws = {name: np.stack([getattr(chain.record, name)[:n_draws] for chain in chains]) for name in fields}
    kept = [(c, d) for c, d in keep if d < n_draws]
    latents = [chains[c].record.latents[chains[c].record.slot[d]] for c, d in kept]
    shape = (len(kept), len(cells.row) + len(cells.cluster))
    return Drawn(
        draws,
        kept,
        np.array(latents, dtype=np.float32).reshape(shape),
        [float(np.exp(chain.tuning.log_step_u[0])) if len(chain.tuning.log_step_u) else 0.0 for chain in chains],
        [chain.snapshot(cells) for chain in chains],
    )

"""Several chains side by side in threads: warm-up, sampling, progress, and a stop that keeps what there is.

Compiled chains release the interpreter, so threads suffice; each has a random generator of its own, so that the draws do not
depend on how many run at a time.
"""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.errors import InterruptedWarning, SamplingError
from jmimpute.progress import progress
from jmimpute.sampling import nuts
from jmimpute.sampling.laplace import Whitening
from jmimpute.sampling.target import Target, log_density

# Shares of the warm-up in which a covariance is learned where the Laplace approximation failed; the rest tunes the step.
LEARNING_WINDOWS = (0.15, 0.25, 0.4)
FEWEST_DRAWS = 10


@dataclass(frozen=True)
class Settings:
    """How to sample."""

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    cores: int | None = None
    target_accept: float = 0.8
    progressbar: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers that make no run."""
        for name, least in (("draws", 1), ("tune", 0), ("chains", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SamplingError(f"{name} must be a whole number of at least {least}, not {value!r}.")
        if not 0 < self.target_accept < 1:
            raise SamplingError(f"target_accept must lie between 0 and 1, not {self.target_accept!r}.")

    @property
    def workers(self) -> int:
        """Chains that run at a time."""
        return max(1, min(self.chains, self.cores or os.cpu_count() or 1))


@dataclass
class _Run:
    """One chain while it runs."""

    chain: nuts.Chain
    progress: np.ndarray
    n_drawn: int = 0
    step_size: float = np.nan


def draw(target: Target, whitening: Whitening, settings: Settings, seeds: Sequence[Any]) -> list[tuple[nuts.Chain, float]]:
    """Draw all chains.

    Parameters
    ----------
    target : Target
    whitening : Whitening
    settings : Settings
    seeds : sequence of numpy.random.SeedSequence
        One a chain.

    Returns
    -------
    list of (Chain, step size)
        Chains of equal length; fewer or shorter ones, with an `InterruptedWarning`, after a KeyboardInterrupt.

    Raises
    ------
    SamplingError
        If no chain finds a point to start from, or an interrupted run holds too few draws to keep.
    """
    n = len(whitening.center)
    runs = [_Run(nuts.allocate(settings.draws, n), np.zeros(1, dtype=np.int64)) for _ in seeds]
    stop = np.zeros(1, dtype=np.bool_)
    with ThreadPoolExecutor(settings.workers) as pool:
        futures = [
            pool.submit(_run_chain, target, whitening, settings, np.random.default_rng(seed), run, stop)
            for seed, run in zip(seeds, runs, strict=True)
        ]
        interrupted = _watch(futures, runs, settings, stop)
    for future in futures:
        if not future.cancelled():  # an interrupted run cancels chains that had not begun
            future.result()
    return _kept(runs, settings) if interrupted else [(run.chain, run.step_size) for run in runs]


def _run_chain(
    target: Target, whitening: Whitening, settings: Settings, rng: np.random.Generator, run: _Run, stop: np.ndarray
) -> None:
    """Warm up and sample one chain."""
    center, matrix = whitening.center, whitening.matrix
    xi = _start(target, whitening, rng)
    step = nuts.reasonable_step(target, center, matrix, xi, rng)
    remaining = settings.tune
    for share in () if whitening.reliable else LEARNING_WINDOWS:
        window = nuts.allocate(int(share * settings.tune), len(xi))
        remaining -= len(window.draws)
        n_drawn, step = nuts.run(
            target, center, matrix, xi, step, True, settings.target_accept, rng, window, run.progress, stop
        )
        if n_drawn > 2 * len(xi):
            position = matrix @ xi
            matrix = _learned(window.draws[:n_drawn])
            xi = np.linalg.solve(matrix, position)
    _, step = nuts.run(
        target, center, matrix, xi, step, True, settings.target_accept, rng, nuts.allocate(remaining, len(xi)),
        run.progress, stop,
    )  # fmt: skip
    run.n_drawn, run.step_size = nuts.run(
        target, center, matrix, xi, step, False, settings.target_accept, rng, run.chain, run.progress, stop
    )


def _start(target: Target, whitening: Whitening, rng: np.random.Generator) -> np.ndarray:
    """A point twice as dispersed as the posterior should be, nearer to the mode if the density cannot be evaluated there."""
    n = len(whitening.center)
    gradient = np.empty(n)
    for attempt in range(50):
        xi = 2.0 * 0.8**attempt * rng.standard_normal(n)
        if np.isfinite(log_density(whitening.center + whitening.matrix @ xi, target, gradient)):
            return xi
    raise SamplingError(
        "No point was found where the posterior density can be evaluated. Check responses and covariates for extreme values, "
        "and the priors for scales that do not fit the data."
    )


def _learned(draws: np.ndarray) -> np.ndarray:
    """Cholesky factor of the covariance of draws, shrunk a little towards its diagonal."""
    n = len(draws)
    covariance = np.cov(draws, rowvar=False)
    shrunk = n / (n + 5.0) * covariance + 5.0 / (n + 5.0) * np.diag(np.diagonal(covariance))
    return np.ascontiguousarray(np.linalg.cholesky(shrunk))


def _watch(futures: list[Future], runs: list[_Run], settings: Settings, stop: np.ndarray) -> bool:
    """Show progress until all chains are done; on Ctrl-C tell them to stop. Returns whether that happened."""
    total = settings.tune + settings.draws
    try:
        with progress("Sampling", len(runs) * total, settings.progressbar) as update:
            pending = set(futures)
            while pending:
                _, pending = wait(pending, timeout=0.1)
                update(sum(int(run.progress[0]) for run in runs))
    except KeyboardInterrupt:
        stop[0] = True
        for future in futures:
            future.cancel()
        wait([future for future in futures if not future.cancelled()])
        return True
    return False


def _kept(runs: list[_Run], settings: Settings) -> list[tuple[nuts.Chain, float]]:
    """What an interrupted run leaves: the number of chains that keeps most draws when all are cut to one length."""
    by_length = sorted(runs, key=lambda run: -run.n_drawn)
    lengths = np.array([run.n_drawn for run in by_length])
    n_chains = int(np.argmax(lengths * np.arange(1, len(lengths) + 1))) + 1
    n_draws = int(lengths[n_chains - 1])
    if n_draws < FEWEST_DRAWS:
        raise SamplingError(
            f"Sampling was interrupted after {int(lengths.max())} of {settings.draws} draws a chain (warm-up not counted); "
            f"fewer than {FEWEST_DRAWS} are not kept. Run it again."
        )
    warnings.warn(
        f"Sampling was interrupted: {n_chains} of {settings.chains} chain(s) with {n_draws} of {settings.draws} draws were "
        "kept. Look at fit.diagnostics() before using them.",
        InterruptedWarning,
        stacklevel=2,
    )
    kept = by_length[:n_chains]
    return [(nuts.Chain(*(array[:n_draws] for array in run.chain)), run.step_size) for run in kept]

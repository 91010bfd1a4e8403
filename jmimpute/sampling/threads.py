"""Several chains side by side in threads: progress, and a stop that keeps what there is.

Compiled chains release the interpreter, so threads suffice; each has a random generator of its own, so that the draws do not
depend on how many run at a time.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from jmimpute.errors import InterruptedWarning, SamplingError
from jmimpute.progress import progress

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
    thin: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers that make no run."""
        for name, least in (("draws", 1), ("tune", 0), ("chains", 1), ("thin", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SamplingError(f"{name} must be a whole number of at least {least}, not {value!r}.")
        if not 0 < self.target_accept < 1:
            raise SamplingError(f"target_accept must lie between 0 and 1, not {self.target_accept!r}.")

    @property
    def workers(self) -> int:
        """Chains that run at a time."""
        return max(1, min(self.chains, self.cores or os.cpu_count() or 1))


Chain = Callable[[np.ndarray, np.ndarray], int]


def run_chains(chains: Sequence[Chain], settings: Settings) -> tuple[list[int], int]:
    """Run chains, and decide what to keep of them.

    Parameters
    ----------
    chains : sequence of callable
        Each takes an array of shape (1,) in which it counts the draws made, warm-up included, and one that tells it to stop,
        and returns the number of draws it leaves.
    settings : Settings

    Returns
    -------
    kept : list of int
        Chains to keep: all, or, after a KeyboardInterrupt and with an `InterruptedWarning`, as many as leave most draws.
    n_draws : int
        Draws that each of them has.

    Raises
    ------
    SamplingError
        If an interrupted run leaves too few draws to keep.
    """
    counters = [np.zeros(1, dtype=np.int64) for _ in chains]
    stop = np.zeros(1, dtype=np.bool_)
    with ThreadPoolExecutor(settings.workers) as pool:
        futures = [pool.submit(chain, counter, stop) for chain, counter in zip(chains, counters, strict=True)]
        interrupted = _watch(futures, counters, settings, stop)
    # An interrupted run cancels chains that had not begun.
    lengths = np.array([0 if future.cancelled() else future.result() for future in futures])
    if not interrupted:
        return list(range(len(chains))), settings.draws
    return _kept(lengths, settings)


def _watch(futures: list[Future], counters: list[np.ndarray], settings: Settings, stop: np.ndarray) -> bool:
    """Show progress until all chains are done; on Ctrl-C tell them to stop. Returns whether that happened."""
    total = settings.tune + settings.draws
    try:
        with progress("Sampling", len(futures) * total, settings.progressbar) as update:
            pending = set(futures)
            while pending:
                _, pending = wait(pending, timeout=0.1)
                update(sum(int(counter[0]) for counter in counters))
    except KeyboardInterrupt:
        stop[0] = True
        for future in futures:
            future.cancel()
        wait([future for future in futures if not future.cancelled()])
        return True
    return False


def _kept(lengths: np.ndarray, settings: Settings) -> tuple[list[int], int]:
    """What an interrupted run leaves: the chains that keep most draws when all are cut to one length."""
    longest_first = np.argsort(-lengths, kind="stable")
    by_length = lengths[longest_first]
    n_chains = int(np.argmax(by_length * np.arange(1, len(lengths) + 1))) + 1
    n_draws = int(by_length[n_chains - 1])
    if n_draws < FEWEST_DRAWS:
        raise SamplingError(
            f"Sampling was interrupted after {int(lengths.max())} of {settings.draws} draws a chain (warm-up not counted); "
            f"fewer than {FEWEST_DRAWS} are not kept. Run it again."
        )
    warnings.warn(
        f"Sampling was interrupted: {n_chains} of {settings.chains} chain(s) with {n_draws} of {settings.draws} draws were "
        "kept. Look at fit.diagnostics() before using them.",
        InterruptedWarning,
        stacklevel=3,
    )
    return [int(k) for k in longest_first[:n_chains]], n_draws

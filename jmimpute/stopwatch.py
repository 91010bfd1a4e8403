"""How long work takes, in wall and CPU seconds."""

import os
import time
from collections.abc import Mapping

#: Keys of times, and of them in a provenance.
WALL, CPU = "wall", "cpu"
SECONDS = "seconds"


class Stopwatch:
    """Runs from when it is made.

    Parameters
    ----------
    processes : bool
        Count the CPU seconds of processes that ended meanwhile too, not only those of this one and its threads.
    """

    def __init__(self, processes: bool = False) -> None:
        self._processes = processes
        self._start = self._now()

    def seconds(self) -> dict[str, float]:
        """Give the wall and CPU seconds so far, in milliseconds' precision.

        Returns
        -------
        dict of str to float
            ``wall`` and ``cpu``.
        """
        return {name: round(now - self._start[name], 3) for name, now in self._now().items()}

    def _now(self) -> dict[str, float]:
        ended = sum(os.times()[2:4]) if self._processes else 0.0
        return {WALL: time.perf_counter(), CPU: time.process_time() + ended}


def added(*parts: Mapping[str, float] | None) -> dict[str, float]:
    """Add up times; without one of them nothing is known of the whole.

    Parameters
    ----------
    *parts : mapping of str to float or None

    Returns
    -------
    dict of str to float
        Empty if a part is not known.
    """
    known = [part for part in parts if part]
    return {name: round(sum(part[name] for part in known), 3) for name in (WALL, CPU)} if len(known) == len(parts) > 0 else {}

"""How cost grows with rows: one gradient, an iteration with categorical responses, and twenty imputations of large tables.

Large are a table of a million rows and one of many small clusters, by whose number the cost of a gradient grows. Run as a
script, this file is the process that imputes: ``python benchmarks/scaling.py ROWS RESPONSES CLUSTERS``.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from measuring import run, show, verdict
from simulating import CLUSTERS, simulate, simulate_binary

import jmimpute as jm
from jmimpute.sampling import laplace, target
from jmimpute.sampling.sample import COMPILED, sample
from jmimpute.sampling.threads import Settings

M = 20
ROWS = (1_000, 10_000, 100_000, 1_000_000)
CALLS, REPEATS = 2_000, 5
LATENT_ROWS, N_LATENT, N_DRAWS, LATENT_REPEATS = (1_000, 10_000, 100_000), 8, (20, 80), 3
TARGET_MB, TARGET_ITERATION = 3_000.0, 100.0


class Large(NamedTuple):
    """A table to impute, and the CPU seconds that this may take."""

    rows: int
    responses: int
    clusters: int
    target: float


LARGE = {"imputation": Large(ROWS[-1], 5, CLUSTERS, 15.0), "small clusters": Large(100_000, 3, 20_000, 120.0)}


def measure(rounds: int) -> dict:
    """Time gradients, iterations and large imputations.

    Parameters
    ----------
    rounds : int
        Runs of each large imputation, after one that fills the caches.

    Returns
    -------
    dict
        Rows of the printed tables.
    """
    results = {"gradient": _gradients(), "iteration": _iterations()}
    return results | {name: _imputations(table, rounds) for name, table in LARGE.items()}


def _gradients() -> list[dict]:
    """CPU time of a gradient by number of rows."""
    rows = []
    for n_rows in ROWS:
        model = jm.JointModel(*simulate(n_rows, 2))
        goal = target.build(model.specification, model.statistics)
        theta = laplace.starting_point(goal)
        gradient = np.empty_like(theta)
        _repeat(theta, goal, gradient, 10)
        best = min(_timed(theta, goal, gradient) for _ in range(REPEATS))
        rows.append({"rows": f"{n_rows:,}", "patterns": len(goal.stats.observed), "microseconds": best * 1e6})
    rows = [row | {"ratio to first": row["microseconds"] / rows[0]["microseconds"]} for row in rows]
    show(f"One gradient, 2 responses, {CLUSTERS} clusters: CPU time, best of {REPEATS} times {CALLS:,} calls", rows)
    return rows


def _timed(theta: np.ndarray, goal: target.Target, gradient: np.ndarray) -> float:
    started = time.process_time()
    _repeat(theta, goal, gradient, CALLS)
    return (time.process_time() - started) / CALLS


@numba.njit
def _repeat(theta, goal, gradient, times):
    for _ in range(times):
        target.log_density(theta, goal, gradient)


def _iterations() -> list[dict]:
    """CPU time of an iteration with binary responses by number of rows: the difference between a long and a short run.

    The shortest of several runs of each, since what else the machine does counts twice in a difference.
    """
    rows = []
    for n_rows in LATENT_ROWS:
        formula, data = simulate_binary(n_rows, N_LATENT)
        families = dict.fromkeys(data.columns[:N_LATENT], "binary")
        model = jm.JointModel(formula, data, families=families)
        _sampling(model, 1)
        short, long = (min(_sampling(model, n) for _ in range(LATENT_REPEATS)) for n in N_DRAWS)
        cost = (long - short) / (N_DRAWS[1] - N_DRAWS[0])
        rows.append({"rows": f"{n_rows:,}", "patterns": len(model.statistics.observed), "milliseconds": cost * 1e3})
    show(f"One iteration, {N_LATENT} binary responses, {CLUSTERS} clusters: CPU time, best of {LATENT_REPEATS}", rows)
    verdict(f"milliseconds at {rows[-1]['rows']} rows", rows[-1]["milliseconds"], TARGET_ITERATION, at_least=False)
    print()
    return rows


def _sampling(model: jm.JointModel, n_draws: int) -> float:
    """CPU seconds of one chain with little warm-up."""
    settings = Settings(n_draws, 20, 1, 1, progressbar=False)
    started = time.process_time()
    sample(model.specification, model.statistics, settings, COMPILED, 1, [])
    return time.process_time() - started


def _imputations(table: Large, rounds: int) -> list[dict]:
    """Twenty imputations of a large table, each in a process of its own."""
    command = [sys.executable, Path(__file__), *map(str, table[:3])]
    runs = [json.loads(run(command).output) for _ in range(rounds + 1)][1:]
    rows = [{"round": k, **found} for k, found in enumerate(runs, 1)]
    show(
        f"{M} imputations of {table.rows:,} rows, {table.responses} responses, {table.clusters:,} clusters; "
        "from data frame to Imputations",
        rows,
    )
    verdict("CPU seconds", max(row["CPU s"] for row in rows), table.target, at_least=False)
    verdict("peak MB of the process, simulation included", max(row["peak MB"] for row in rows), TARGET_MB, at_least=False)
    print()
    return rows


def impute(n_rows: int, n_responses: int, n_clusters: int) -> dict[str, float]:
    """Impute a simulated table; CPU seconds by step, and the peak of resident memory of this process.

    Parameters
    ----------
    n_rows, n_responses, n_clusters : int
    """
    formula, data = simulate(n_rows, n_responses, n_clusters)
    clock = [time.process_time()]
    wall = time.perf_counter()
    model = jm.JointModel(formula, data)
    clock.append(time.process_time())
    fit = model.fit(random_seed=1, progressbar=False)
    clock.append(time.process_time())
    fit.impute(M, progressbar=False)
    clock.append(time.process_time())
    wall = time.perf_counter() - wall
    steps = dict(zip(("specify", "fit", "impute"), np.diff(clock).tolist(), strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**steps, "CPU s": clock[-1] - clock[0], "wall s": wall, "peak MB": peak}


if __name__ == "__main__":
    print(json.dumps(impute(*map(int, sys.argv[1:]))))

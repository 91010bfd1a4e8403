"""Time to twenty imputations of JSPmiss, with and without a categorical response: jmimpute and jomo in alternation.

jomo runs its default schedule (1000 iterations, then 1000 between imputations) in an R process that also reads and writes CSV.
jmimpute runs with its defaults (4 chains of 1000 warm-up and 1000 kept draws) in three ways: as a call in a process that has
imputed before; as a process that does what the R process does; and from the command line, where it also analyses, pools,
draws a picture and saves the fit. Both processes are run with empty caches too, as on a new machine.
"""

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pandas as pd
from measuring import ROOT, Cost, data_file, have_jomo, run, show

import jmimpute as jm

M = 20
SCRIPT = """
import sys, pandas as pd, jmimpute as jm
imputations = jm.impute(
    pd.read_csv(sys.argv[1]), {formula!r}, families={families!r}, m={m}, random_seed=1, progressbar=False
)
imputations.long().to_csv(sys.argv[2], index=False)
"""


class Case(NamedTuple):
    """A shipped model, and how to say it to both programs."""

    model: Path
    formula: str
    families: dict[str, str]
    categorical: str


CASES = {
    "continuous": Case(ROOT / "models" / "jsp_continuous.toml", "english + ravens ~ sex + (1 | school)", {}, "-"),
    "mixed": Case(
        ROOT / "models" / "jsp.toml", "english + ravens + fluent ~ sex + (1 | school)", {"fluent": "nominal"}, "fluent"
    ),
}


def measure(rounds: int) -> dict:
    """Time all ways to twenty imputations.

    Parameters
    ----------
    rounds : int
        Alternations; one run of each before them fills the caches.

    Returns
    -------
    dict
        Rows of the printed tables, by case: medians over rounds.
    """
    return {name: _measure_case(case, rounds) for name, case in CASES.items()}


def _measure_case(case: Case, rounds: int) -> list[dict]:
    path = data_file("JSPmiss.csv")
    data = pd.read_csv(path)
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(case, path, Path(folder))
        first = {f"{name}, empty caches": [run(commands[name], _new_caches(folder))] for name in commands if name != "jomo"}
        costs: dict[str, list[Cost]] = {name: [] for name in (*commands, "call in a warm process")}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                costs[name].append(run(command))
            costs["call in a warm process"].append(_call(case, data))
    rows = [_row(name, found[1:]) for name, found in costs.items()] + [_row(name, found) for name, found in first.items()]
    if have_jomo():
        theirs = rows[0]
        assert theirs["what"] == "jomo"
        rows = [row | {f"jomo {key} / ours": theirs[key] / row[key] for key in ("CPU s", "wall s")} for row in rows]
    show(f"{M} imputations of JSPmiss, {case.formula}: medians of {rounds} alternated runs; with empty caches one run", rows)
    return rows


def _commands(case: Case, path: Path, folder: Path) -> dict[str, list]:
    """Programs to run, jomo first if it is there."""
    command = shutil.which("jmimpute", path=Path(sys.executable).parent)
    script = SCRIPT.format(formula=case.formula, families=case.families, m=M)
    programs = {
        "process": [sys.executable, "-c", script, path, folder / "ours.csv"],
        "command line, with analysis": [
            command, "run", case.model, "--data", path, "-m", M, "--seed", 1, "--out", folder / "out", "--no-progress",
        ],
    }  # fmt: skip
    if not have_jomo():
        return programs
    return {
        "jomo": ["Rscript", ROOT / "benchmarks" / "jomo_impute.R", path, folder / "jomo.csv", 1, M, case.categorical]
    } | programs


def _new_caches(folder: str) -> dict[str, str]:
    """Environment in which nothing has been compiled yet."""
    empty = tempfile.mkdtemp(dir=folder)
    return {"NUMBA_CACHE_DIR": f"{empty}/numba", "PYTENSOR_FLAGS": f"base_compiledir={empty}/pytensor"}


def _call(case: Case, data: pd.DataFrame) -> Cost:
    """Time a call in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    jm.impute(data, case.formula, families=case.families, m=M, random_seed=1, progressbar=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(time.process_time() - cpu, time.perf_counter() - wall, peak, "")


def _row(name: str, costs: list[Cost]) -> dict:
    """Medians of one way."""
    wall, cpu, peak = (median(getattr(cost, key) for cost in costs) for key in ("wall", "cpu", "peak"))
    return {"what": name, "wall s": wall, "CPU s": cpu, "peak MB": peak}

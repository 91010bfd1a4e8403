"""What the benchmarks share: where the data are, CPU seconds of other programs, tables."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Cost(NamedTuple):
    """What a process used, its children included."""

    cpu: float  # seconds, user and system
    wall: float  # seconds
    peak: float  # MB of resident memory
    output: str


def data_file(name: str) -> Path:
    """Find a data file in ``../shared/data``, or in the folder that the variable JMIMPUTE_DATA names.

    Parameters
    ----------
    name : str

    Returns
    -------
    Path

    Raises
    ------
    SystemExit
        If it is not there.
    """
    folder = Path(os.environ.get("JMIMPUTE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / name).exists():
        raise SystemExit(
            f"{folder / name} is not there. JSPmiss and ExamScores come with the R package jomo (GPL) and are not shipped with "
            "jmimpute: write them with R's write.csv(..., row.names = FALSE, na = '') and set JMIMPUTE_DATA to their folder."
        )
    return folder / name


@cache
def have_jomo() -> bool:
    """Tell whether R and jomo are installed, and say so if not."""
    command = ["Rscript", "-e", "library(jomo)"]
    found = bool(shutil.which("Rscript")) and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not found:
        print("NOTE: Rscript with package jomo was not found. Only our side is measured; there are no ratios.\n")
    return found


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a program and measure the whole of it.

    Parameters
    ----------
    command : sequence of str or Path
    environment : mapping of str to str, optional
        Added to the present environment.

    Raises
    ------
    SystemExit
        If the program fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT, env=os.environ | dict(environment or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, output)


def show(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table.

    Parameters
    ----------
    title : str
    rows : sequence of mapping
        All with the same keys, which become the header.
    """
    lines = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(title)
    for line in lines:
        print("  " + "  ".join(f"{text:<{widths[0]}}" if k == 0 else f"{text:>{widths[k]}}" for k, text in enumerate(line)))
    print()


def verdict(what: str, value: float, target: float, at_least: bool = True) -> None:
    """Print how a measured value stands to its target."""
    met = value >= target if at_least else value <= target
    relation = "at least" if at_least else "at most"
    print(f"  {'pass' if met else 'FALLS SHORT'}: {what} {_text(value)}, target {relation} {_text(target)}")


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""Tables of finished runs of `resche_rigon.py`, published rows between ours, as Markdown.

.venv/bin/python benchmarks/resche_rigon_tables.py out/table1 out/table2 > benchmarks/resche_rigon.md
"""

import json
import sys
from itertools import groupby
from pathlib import Path

import pandas as pd
from resche_rigon import COUNTERPARTS, MEASURES, measures_of, published

TERMS = ("x1", "x2")
TITLES = {
    1: "base case",
    2: "covariates that spread unequally",
    3: "as 2, clusters of 160 and 40 rows",
    4: "as 2, variances of covariates differ between clusters",
    8: "only sporadically missing",
    9: "only systematically missing",
}
HEAD = "| | data sets | mean | model SE | empirical SE | coverage | sqrt(Psi) | CPU s |\n|---|---|---|---|---|---|---|---|"
INTRODUCTION = """# The simulation study of Resche-Rigon and White (2018)

Made by `benchmarks/resche_rigon_tables.py` from runs of `benchmarks/resche_rigon.py`: m = 5, 10 sweeps; joint models with 2
chains of 500 + 1000 draws. Entries are for the coefficients of x1 (truth 0.5) and x2 (truth 1) and the standard deviations of
their random effects (both 0.5), Monte Carlo errors in brackets; rows in italics are published ones (1000 data sets), with wall
seconds. What is known of these, and what can be expected to agree, is said in `benchmarks/resche_rigon.py`."""


def setting(folder: Path) -> tuple[int, str]:
    """Number and title of the table that a run is about."""
    given = json.loads((folder / "replications" / "study.json").read_text(encoding="utf-8"))["settings"]
    table = given["table"]
    title = f"## Table {table}: {TITLES[table]}"
    if table == 4:
        title += f" ({given['spread']} normal)"
    if given["systematic"] is not None:
        title += f" (in {given['systematic']:.0%} of the clusters)"
    return table, title


def pair(cells: list[str]) -> str:
    return " / ".join(cells)


def own_row(method: str, found: pd.DataFrame) -> str:
    """Measures of a method with their Monte Carlo errors."""

    def cell(term: str, measure: str) -> str:
        value, error = found.loc[(term, measure), ["value", "mc_error"]]
        return f"{value:.3f} ({error:.3f})"

    cells = [pair([cell(term, measure) for term in TERMS]) for measure in MEASURES]
    cells.append(pair([cell(f"sd({term}|cluster)", "mean") for term in TERMS]))
    seconds = f"{found.loc[('CPU seconds', 'mean'), 'value']:.1f}" if ("CPU seconds", "mean") in found.index else ""
    return " | ".join([f"| {method}", f"{found.loc[('x1', 'mean'), 'n']:.0f}", *cells, f"{seconds} |"])


def published_row(row: dict[str, float]) -> str:
    """Published measures, and the wall time of a data set."""
    numbers = [measures_of(row, term) for term in TERMS]
    cells = [pair([f"{measures[k]:.3f}" for measures in numbers]) for k in range(len(MEASURES))]
    cells.append(pair([f"{measures_of(row, f'sd({term}|cluster)')[0]:.3f}" for term in TERMS]))
    seconds = f"{row[' run_time_seconds']:.0f}" if " run_time_seconds" in row else ""
    return " | ".join(["| *published*", "", *cells, f"{seconds} |"])


def main(folders: list[Path]) -> None:
    """Print all tables."""
    print(INTRODUCTION)
    runs = sorted((*setting(folder), folder) for folder in folders)
    for (table, title), group in groupby(runs, key=lambda run: run[:2]):
        theirs = published(table)
        print(f"\n{title}\n\n{HEAD}")
        parts = [pd.read_csv(folder / "performance.csv") for *_, folder in group]
        # Every run has the tables before deletion, and complete cases may be in several: the largest run is shown.
        done: dict[str, pd.DataFrame] = {}
        for part in sorted(parts, key=lambda part: part["n"].max()):
            done |= {str(name): each.set_index(["term", "measure"]) for name, each in part.groupby("method", sort=False)}
        for method in sorted(done, key=lambda name: (name not in ("before deletion", "complete"), name)):
            print(own_row(method, done[method]))
            if COUNTERPARTS.get(method) in theirs:
                print(published_row(theirs[COUNTERPARTS[method]]))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])

"""Measure jmimpute against the R package jomo, side by side, and how it scales.

    python benchmarks/against_jomo.py [efficiency] [impute] [scaling] [--rounds 3] [--json FILE]

Data: JSPmiss.csv and ExamScores.csv in ``../shared/data`` beside the project, or in the folder that JMIMPUTE_DATA names.
Without R and jomo only our side is measured. CPU times are those to trust; nothing else should run meanwhile, and BLAS should
have one thread (OPENBLAS_NUM_THREADS=1), so that both programs use one core at a time.
"""

import argparse
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import efficiency
import imputing
import scaling

SECTIONS = {"efficiency": efficiency.measure, "impute": imputing.measure, "scaling": scaling.measure}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure jmimpute against the R package jomo, and how it scales.")
    parser.add_argument("sections", nargs="*", help=f"any of: {', '.join(SECTIONS)}; all if none is given")
    parser.add_argument("--rounds", type=int, default=3, help="alternations (default 3)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {unknown.pop()!r}; choose from {', '.join(SECTIONS)}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores\n")
    results = {name: SECTIONS[name](arguments.rounds) for name in arguments.sections or SECTIONS}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Public data sets for tests: those of a folder beside the repository, where there is one."""

import os
from pathlib import Path

BESIDE = Path(__file__).parents[2] / "shared" / "data"

if BESIDE.is_dir():
    os.environ.setdefault("JMIMPUTE_DATA", str(BESIDE))

"""Public data sets for tests, where there is a folder beside the repository; and which tests one process runs."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
BESIDE = TESTS.parents[1] / "shared" / "data"
#: Pages and notebooks with structured models.
PAGES = (
    "docs/explanation/congeniality",
    "docs/from-r/jomo",
    "docs/how-to/choose-covariance",
    "docs/how-to/level-2",
    "notebooks/",
)
#: Tests that need the sampler of structured models, of which the first one compiles it for minutes: one process runs them all.
STRUCTURED = (
    *(f"docs/test_code_blocks.py::test_python_runs[{page}" for page in PAGES),
    "imputation/test_check.py",
    "imputation/test_overimpute.py",
    "report/test_runs.py",
    "sampling/structured/",
    "test_models.py",
    "test_structured_runs.py",
    "test_structures.py",
)

if BESIDE.is_dir():
    os.environ.setdefault("JMIMPUTE_DATA", str(BESIDE))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell `--dist loadgroup` which tests belong together."""
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(STRUCTURED):
            item.add_marker(pytest.mark.xdist_group("structured"))

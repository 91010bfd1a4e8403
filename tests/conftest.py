"""Public data sets for tests, where there is a folder beside the repository; and the order in which tests run."""

import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

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
#: Tests that need what takes long to make, a compiled sampler or the site: one process runs them all, so that it is made once.
GROUPS = {
    "structured": (
        *(f"docs/test_code_blocks.py::test_python_runs[{page}" for page in PAGES),
        "imputation/test_check.py",
        "imputation/test_overimpute.py",
        "report/test_runs.py",
        "sampling/structured/",
        "test_models.py",
        "test_structured_runs.py",
        "test_structures.py",
    ),
    "gibbs": ("sampling/test_gibbs.py",),
    "site": ("docs/test_site.py",),
}

if BESIDE.is_dir():
    os.environ.setdefault("JMIMPUTE_DATA", str(BESIDE))


def group(nodeid: str) -> str | None:
    """The group of a test."""
    name = nodeid.removeprefix("tests/")
    return next((group for group, beginnings in GROUPS.items() if name.startswith(beginnings)), None)


class Grouped(LoadScopeScheduling):
    """Tests of one group go to one process, others wherever there is time; xdist's own groups are lost on pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped:
    """Have xdist distribute tests by group."""
    return Grouped(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; what it compiles serves other tests too, so that those without a sampler come next."""
    ranks = {own: 2 * rank for rank, own in enumerate(GROUPS)}

    def rank(item: pytest.Item) -> int:
        if own := group(item.nodeid):
            return ranks[own]
        return 1 if item.get_closest_marker("sampling") is None else 2 * len(GROUPS)

    items.sort(key=rank)

"""Public data sets for tests, where there is a folder beside the repository; and the order in which tests run."""

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


def group(item: pytest.Item) -> str | None:
    """The group of a test."""
    name = item.nodeid.removeprefix("tests/")
    return next((group for group, beginnings in GROUPS.items() if name.startswith(beginnings)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell `--dist loadgroup` which tests belong together, and begin with what takes longest.

    What the first group compiles serves other tests too, so that those that need no sampler come next.
    """
    groups = {item: group(item) for item in items}
    for item, own in groups.items():
        if own:
            item.add_marker(pytest.mark.xdist_group(own))
    ranks = {own: rank for rank, own in enumerate(GROUPS)}

    def rank(item: pytest.Item) -> int:
        if own := groups[item]:
            return 2 * ranks[own]
        return 1 if item.get_closest_marker("sampling") is None else 2 * len(GROUPS)

    items.sort(key=rank)

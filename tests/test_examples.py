"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil

import pytest

import jmimpute

MODULES = [
    module.name
    for module in pkgutil.walk_packages(jmimpute.__path__, "jmimpute.")
    if any(test.examples for test in doctest.DocTestFinder().find(importlib.import_module(module.name)))
]


def test_there_are_examples():
    assert "jmimpute.model" in MODULES


@pytest.mark.sampling
@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0

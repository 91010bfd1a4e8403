"""Patterns of observed responses, and missing cells by kind."""

import numpy as np
import pytest

from jmimpute.table.missing import classify
from jmimpute.table.patterns import find

NAN = np.nan


def test_patterns_by_hand():
    y = np.array([[1, 2], [NAN, 2], [NAN, NAN], [1, 5], [NAN, 0], [1, NAN]])
    found = find(y)
    assert found.observed.tolist() == [[False, False], [False, True], [True, False], [True, True]]
    assert found.codes.tolist() == [3, 1, 0, 3, 1, 2]
    assert found.counts.tolist() == [1, 2, 1, 2]


def test_complete_data_have_one_pattern():
    found = find(np.ones((3, 2)))
    assert found.observed.tolist() == [[True, True]]
    assert found.codes.tolist() == [0, 0, 0]


@pytest.mark.parametrize("p", [1, 7, 8, 9, 17])
def test_patterns_of_many_responses(p):
    rng = np.random.default_rng(p)
    y = rng.normal(size=(400, p))
    y[rng.random(y.shape) < 0.3] = NAN
    y[:5] = 1.0
    y[5:7, -1] = NAN  # the last response alone, beyond the first byte for p > 8
    found = find(y)
    np.testing.assert_array_equal(found.observed[found.codes], ~np.isnan(y))
    assert len({tuple(row) for row in found.observed}) == len(found.observed), "patterns are distinct"
    assert found.observed.tolist() == sorted(found.observed.tolist())
    assert found.observed[-1].all(), "the complete pattern is last"
    assert found.counts.sum() == 400 and (found.counts > 0).all()
    assert found.codes.dtype == np.int64


def test_missing_cells_by_hand():
    """Cluster 0 lacks the second response, cluster 1 one cell of each, cluster 2 everything."""
    y = np.array([[1, NAN], [NAN, NAN], [NAN, 2], [1, NAN], [1, 2], [NAN, NAN]])
    found = classify(y, np.array([0, 0, 1, 1, 1, 2]), 3)
    assert found.cells.tolist() == [3, 4]
    assert found.systematic.tolist() == [[False, True], [False, False], [True, True]]
    assert found.sporadic.tolist() == [2, 1]


def test_missing_cells_of_a_single_level_are_sporadic():
    found = classify(np.array([[1, NAN], [NAN, NAN]]), np.zeros(2, dtype=int), 0)
    assert found.cells.tolist() == [1, 2]
    assert found.sporadic.tolist() == [1, 2]
    assert found.systematic.shape == (0, 2)


def test_nothing_missing():
    found = classify(np.ones((2, 1)), np.array([0, 1]), 2)
    assert (found.cells.tolist(), found.sporadic.tolist(), found.systematic.any()) == ([0], [0], False)

"""Columns of clusters: where the value of each is, which rows lack it, and rows that disagree."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.table.clusters import code
from jmimpute.table.level2 import conflicts, hold

NAN = np.nan


def table(**columns):
    """Seven rows of clusters a, b, c and d, not sorted."""
    return pd.DataFrame({"g": ["b", "a", "b", "c", "a", "b", "d"], **columns})


def held(values):
    frame = table(v=values)
    return hold(frame["v"], code(frame, "g"))


def test_each_cluster_has_the_first_of_its_values():
    found = held([NAN, 1.0, 5.0, NAN, 1.0, 5.0, 7.0])
    assert found.rows.tolist() == [1, 2, 3, 6], "b has its value in row 2, c none"
    assert found.absent.tolist() == [False, False, True, False]
    assert found.carried.tolist() == [0]


def test_complete_columns_carry_nothing():
    found = held([2, 1, 2, 3, 1, 2, 3])
    assert found.rows.tolist() == [1, 0, 3, 6]
    assert not found.absent.any() and not found.carried.size


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical(["y", None, "y", "x", "x", None, "x"]),
        pd.array([True, None, True, False, False, None, True], dtype="boolean"),
        ["y", None, "y", "x", "x", None, "x"],
    ],
    ids=["categorical", "boolean", "text"],
)
def test_kinds_of_columns(values):
    found = held(values)
    assert found.rows.tolist() == [4, 0, 3, 6]
    assert found.carried.tolist() == [1, 5]


def test_a_column_without_any_value():
    found = held([NAN] * 7)
    assert found.absent.all() and not found.carried.size


def test_labels_that_mix_types_are_compared_as_they_are():
    assert [str(conflict) for conflict in conflicts(*_with_codes([1, "x", "1", 2, "x", 1, 2]))] == [
        "'b' has 1 in row(s) 0, 5, '1' in row(s) 2"
    ]


def _with_codes(values):
    frame = table(v=values)
    return frame["v"], code(frame, "g")


def test_rows_that_disagree_are_listed():
    with pytest.raises(TableError) as caught:
        held([5.5, 1.0, 6.0, NAN, 2.0, 5.5, 7.0])
    text = str(caught.value)
    assert "Column 'v' is used at level 2" in text and "within 2 cluster(s) of 'g'" in text
    assert "'a' has 1.0 in row(s) 1, 2.0 in row(s) 4, 'b' has 5.5 in row(s) 0, 5, 6.0 in row(s) 2." in text
    assert "counted from 0" in text and "Correct these cells" in text


def test_only_the_first_of_many_conflicts_are_listed():
    frame = pd.DataFrame({"g": np.repeat(np.arange(9), 4), "v": np.arange(36)})
    with pytest.raises(
        TableError, match=r"9 cluster.* 0 has 0 in row\(s\) 0, 1 in .* and 1 more, 1 has .*, 2 has .* and 6 more"
    ):
        hold(frame["v"], code(frame, "g"))


def test_values_that_cannot_be_compared():
    with pytest.raises(TableError, match=r"'v' holds values that are neither numbers nor texts, such as \[1\]"):
        held([[1]] * 7)

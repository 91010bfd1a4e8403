"""Labels of any type become codes that do not depend on the order of rows."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

from jmimpute.errors import TableError
from jmimpute.table.clusters import code
from jmimpute.table.reading import read

FIRST, SECOND = date(2020, 1, 1), date(2021, 1, 1)
LABELS = {
    "int": ([3, -1, 3, 2], [-1, 2, 3]),
    "text": (["b", "a", "b", "B"], ["B", "a", "b"]),
    "text as objects": (pd.Series(["b", "a", "b", "B"], dtype=object), ["B", "a", "b"]),
    "float": ([2.5, -0.5, 2.5, 10.0], [-0.5, 2.5, 10.0]),
    "nullable": (pd.array([3, 1, 3, 2], dtype="Int64"), [1, 2, 3]),
    "bool": ([True, False, True, True], [False, True]),
    "dates": ([SECOND, FIRST, SECOND, SECOND], [FIRST, SECOND]),
    "timestamps": (pd.to_datetime([SECOND, FIRST, SECOND, SECOND]), [pd.Timestamp(FIRST), pd.Timestamp(SECOND)]),
    "numbers and texts": ([2, "a", 2, 1], [1, 2, "a"]),
    "dates and numbers": ([FIRST, 1, FIRST, "a"], [FIRST, 1, "a"]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_sorted_and_codes_point_at_them(kind):
    values, labels = LABELS[kind]
    frame = pd.DataFrame({"school": values})
    found = code(frame, "school")
    assert found.name == "school"
    assert found.labels == labels
    assert [found.labels[j] for j in found.codes] == list(frame["school"])
    assert found.codes.dtype == np.int64
    assert found.sizes.tolist() == [list(frame["school"]).count(label) for label in labels]


@pytest.mark.parametrize("kind", LABELS)
def test_codes_do_not_depend_on_the_order_of_rows(kind):
    frame = pd.DataFrame({"school": LABELS[kind][0]})
    for shuffled in ([3, 2, 1, 0], [1, 3, 0, 2]):
        found = code(frame.iloc[shuffled], "school")
        assert found.labels == code(frame, "school").labels
        assert found.codes.tolist() == code(frame, "school").codes[shuffled].tolist()


@pytest.mark.parametrize("ordered", [False, True])
def test_categories_keep_their_order_and_unused_ones_go(ordered):
    values = pd.Categorical(["high", "low", "high"], categories=["none", "low", "middle", "high"], ordered=ordered)
    found = code(pd.DataFrame({"school": values}), "school")
    assert found.labels == ["low", "high"]
    assert found.codes.tolist() == [1, 0, 1]
    assert found.sizes.tolist() == [1, 2]


def test_polars_categories():
    table = pl.DataFrame({"g": pl.Series(["b", "c", "b"], dtype=pl.Enum(["c", "a", "b"]))})
    found = code(read(table).frame, "g")
    assert found.labels == ["c", "b"]
    assert found.codes.tolist() == [1, 0, 1]


def test_a_single_level_has_no_label():
    found = code(pd.DataFrame({"y": [1.0, 2.0]}), None)
    assert (found.name, found.labels, found.codes.tolist()) == (None, [], [0, 0])


@pytest.mark.parametrize("values", [["a", None, "b"], [1.0, np.nan, 2.0], pd.Categorical(["a", None, "b"])])
def test_missing_labels_are_refused(values):
    with pytest.raises(TableError, match=r"'school' is the cluster column .*1 row\(s\), counted from 0: 1\. Give every row"):
        code(pd.DataFrame({"school": values}), "school")


def test_lists_are_no_labels():
    with pytest.raises(TableError, match=r"'school' holds values that cannot be labels, such as \[1\]"):
        code(pd.DataFrame({"school": [[1], [2]]}), "school")

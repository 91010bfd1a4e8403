"""What columns hold, and rows and columns of any kind of table."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from jmimpute.table.kinds import CATEGORIES, MOMENTS, NUMBERS, OTHER, TEXTS, TRUTH, categories, kind
from jmimpute.table.slicing import stacked, taken, with_column


@pytest.mark.parametrize(
    ("column", "expected", "found"),
    [
        ([1, 2], NUMBERS, ()),
        ([1.5, None], NUMBERS, ()),
        (pd.array([1, None], dtype="Int64"), NUMBERS, ()),
        ([True, False], TRUTH, (False, True)),
        ([True, None], TRUTH, (False, True)),
        (pd.array([True, None], dtype="boolean"), TRUTH, (False, True)),
        (["b", None, "a", "b"], TEXTS, ("a", "b")),
        (pd.Categorical(["b", None], ["b", "a"]), CATEGORIES, ("b", "a")),
        (pd.Categorical([2, None], [3, 2]), CATEGORIES, (3, 2)),
        (pd.to_datetime(["2024-05-01", None]), MOMENTS, ()),
        ([datetime.date(2024, 5, 1), None], MOMENTS, ()),
        ([1, "a"], OTHER, ()),
        ([[1], [2]], OTHER, ()),
        (pd.Series([None, None], dtype=object), OTHER, ()),
    ],
)
def test_kinds(column, expected, found):
    series = pd.Series(column)
    assert kind(series) == expected
    assert categories(series) == found
    assert [type(level) for level in categories(series)] == [type(level) for level in found]


TABLE = pd.DataFrame({"a": [1.5, np.nan, 3.5], "b": ["x", "y", None]}, index=["p", "q", "r"])


@pytest.mark.parametrize("of", [lambda t: t, pl.from_pandas, lambda t: pl.from_pandas(t).to_arrow()])
def test_rows_and_columns(of):
    table = of(TABLE)
    part = taken(table, np.array([2, 0]), without=["b"])
    assert type(part) is type(table)
    more = with_column(part, "c", pd.Series([True, None], dtype="boolean"))
    below = stacked([more, more])
    assert type(below) is type(table)
    plain = below if isinstance(below, pd.DataFrame) else pl.DataFrame(below).to_pandas()
    assert plain["a"].tolist() == [3.5, 1.5, 3.5, 1.5]
    assert plain["c"].isna().tolist() == [False, True] * 2
    assert list(plain.columns) == ["a", "c"]
    if isinstance(below, pd.DataFrame):
        assert below.index.tolist() == ["r", "p"] * 2

"""A table of any kind comes in, and the same kind goes out with nothing changed but the columns that were replaced."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from jmimpute.errors import TableError
from jmimpute.table.reading import read

NAN = np.nan


def pandas_table():
    return pd.DataFrame(
        {
            "id": [10, 20, 30],
            "score": [1.5, NAN, 3.5],
            "small": np.array([0.1, NAN, 0.3], dtype="float32"),
            "count": pd.array([4, None, 6], dtype="Int64"),
            "sex": pd.Categorical(["girl", None, "boy"], categories=["boy", "girl", "other"], ordered=True),
            "when": pd.to_datetime(["2020-01-01", None, "2020-03-01"]),
        },
        index=pd.Index(["r", "s", "r"], name="label"),
    )


def as_kind(kind):
    if kind == "pandas":
        return pandas_table()
    table = pl.from_pandas(pandas_table().reset_index(drop=True), nan_to_null=True)
    return table if kind == "polars" else table.to_arrow()


TYPES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}


@pytest.mark.parametrize("kind", TYPES)
def test_cells_are_the_same_whatever_the_kind(kind):
    frame = read(as_kind(kind)).frame
    assert list(frame.index) == [0, 1, 2]
    assert list(frame.columns) == ["id", "score", "small", "count", "sex", "when"]
    assert frame["score"].isna().tolist() == [False, True, False]
    np.testing.assert_array_equal(frame["score"].to_numpy(dtype=float), [1.5, NAN, 3.5])
    assert frame["count"].isna().tolist() == [False, True, False]
    assert frame["sex"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("kind", TYPES)
def test_with_columns_gives_the_same_kind(kind):
    given = as_kind(kind)
    table = read(given)
    new = table.with_columns({"score": np.array([1.5, 2.25, 3.5]), "count": np.array([4.0, 5.5, 6.0])})
    assert type(new) is TYPES[kind]
    assert list(read(new).frame.columns) == ["id", "score", "small", "count", "sex", "when"], "the order of columns stays"
    filled = read(new).frame
    assert filled["score"].tolist() == [1.5, 2.25, 3.5]
    assert filled["count"].tolist() == [4.0, 5.5, 6.0]
    assert filled["count"].dtype == float, "imputed whole numbers become float64"
    assert filled["id"].tolist() == [10, 20, 30]
    assert filled["sex"].isna().tolist() == [False, True, False]


def test_the_given_table_is_never_changed():
    given = pandas_table()
    read(given).with_columns({"score": np.zeros(3)})
    pd.testing.assert_frame_equal(given, pandas_table())


def test_pandas_index_and_other_dtypes_stay():
    new = read(pandas_table()).with_columns({"score": np.array([1.5, 2.0, 3.5])})
    expected = pandas_table()
    expected["score"] = [1.5, 2.0, 3.5]
    pd.testing.assert_frame_equal(new, expected)


@pytest.mark.parametrize("kind", TYPES)
def test_a_floating_dtype_stays(kind):
    new = read(as_kind(kind)).with_columns({"small": np.array([0.1, 0.2, 0.3])})
    dtype = {
        "pandas": lambda: new["small"].dtype == np.float32,
        "polars": lambda: new["small"].dtype == pl.Float32,
        "pyarrow": lambda: new["small"].type == pa.float32(),
    }
    assert dtype[kind]()


def test_replacing_nothing_gives_the_table():
    for kind in TYPES:
        assert read(as_kind(kind)).with_columns({}).shape == (3, 6)


def test_a_column_may_be_called_self():
    table = read(pd.DataFrame({"self": [1.0, NAN], "data": [1, 2]}))
    assert table.with_columns({"self": np.array([1.0, 2.0])})["self"].tolist() == [1.0, 2.0]


def test_polars_nan_and_null_are_both_missing():
    frame = read(pl.DataFrame({"a": [1.0, None, float("nan")]})).frame
    assert frame["a"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1]}, "A dict is not a table.*pandas or polars DataFrame"),
        (np.zeros((2, 2)), "A ndarray is not a table"),
        (None, "A NoneType is not a table"),
        (pd.Series([1.0]), "A Series is not a table"),
        (pl.DataFrame({"a": [1.0]}).lazy(), "A LazyFrame is lazy. Collect it"),
        (pa.table({"a": [1.0]}).to_batches()[0], "A RecordBatch cannot be read"),
        (pd.DataFrame({"a": []}), "empty: 0 rows, 1 columns"),
        (pd.DataFrame(index=[1, 2]), "empty: 2 rows, 0 columns"),
        (pl.DataFrame(), "empty: 0 rows, 0 columns"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "more than one column named 'a'.*Rename"),
        (pa.table([[1.0], [2.0]], names=["a", "a"]), "more than one column named 'a'"),
        (pd.DataFrame([[1, 2]], columns=["a", 7]), "must be texts; these are not: 7. Rename"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), r"\('a', 'b'\)"),
    ],
)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(TableError, match=message):
        read(data)

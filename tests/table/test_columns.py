"""Numbers are read as numbers; everything else is refused with the column, the rows and a remedy."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.table.columns import numeric, require_complete

NAN = np.nan


@pytest.mark.parametrize(
    "values",
    [
        [1.0, NAN, 3.0],
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1, None, 3], dtype="Float32"),
        pd.array([1, None, 3], dtype="UInt8"),
        pd.array([1, None, 3], dtype="int64[pyarrow]"),
        np.array([1, NAN, 3], dtype="float32"),
    ],
)
def test_numeric_columns_become_float64_with_nan(values):
    found = numeric(pd.DataFrame({"a": values}), "a")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [1, NAN, 3])


def test_whole_numbers_without_missing_values():
    np.testing.assert_array_equal(numeric(pd.DataFrame({"a": [1, 2]}), "a"), [1.0, 2.0])


@pytest.mark.parametrize(
    ("values", "described"),
    [
        (["1", "2"], "values of type str, such as '1', '2'"),
        ([Decimal(1), Decimal(2)], "values of type object"),
        ([True, False], "truth values"),
        (pd.array([True, None], dtype="boolean"), "truth values"),
        (pd.Categorical(["lo", "hi"]), "categories \\('hi', 'lo'\\)"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "values of type datetime64"),
        (pd.Series([None, None], dtype=object), "no value at all"),
    ],
)
def test_what_is_no_number_is_refused(values, described):
    with pytest.raises(TableError, match=f"Column 'grade' .*{described}.*pandas.to_numeric"):
        numeric(pd.DataFrame({"grade": values}), "grade")


def test_infinite_values_are_refused_with_their_rows():
    with pytest.raises(TableError, match=r"'a' has infinite values in 2 row\(s\), counted from 0: 1, 3\. Replace"):
        numeric(pd.DataFrame({"a": [1, np.inf, 2, -np.inf]}, index=[9, 8, 7, 6]), "a")


def test_incomplete_columns_are_refused_with_the_first_rows():
    frame = pd.DataFrame({"a": [NAN, 1, NAN, NAN, NAN, NAN, NAN]})
    with pytest.raises(
        TableError, match=r"'a' is a key but has missing values in 6 row.* 0, 2, 3, 4, 5 and 1 more\. Fill it\."
    ):
        require_complete(frame, "a", "a key", "Fill it.")
    require_complete(frame.iloc[[1]], "a", "a key", "Fill it.")

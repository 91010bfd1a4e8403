"""Answers of `inspect` on tables small enough to work out by hand."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from jmimpute.errors import TableError
from jmimpute.inspection import inspect

NAN = np.nan


def small():
    """Six rows in clusters a, a, a, b, b, c."""
    return pd.DataFrame(
        {
            "school": ["a", "a", "a", "b", "b", "c"],
            "x": [1.0, 2.0, NAN, 3.0, 5.0, 4.0],
            "passed": [True, None, False, True, True, None],
            "size": [10.0, 10.0, NAN, NAN, NAN, 30.0],
            "year": [2020] * 6,
        },
        index=[5, 5, 7, 8, 9, 1],
    )


def as_given(kind):
    """Return the small table as pandas, polars or pyarrow; the latter two with nulls, not NaN."""
    if kind == "pandas":
        return small()
    table = pl.from_pandas(small().reset_index(drop=True), nan_to_null=True)
    return table if kind == "polars" else table.to_arrow()


@pytest.fixture(params=["pandas", "polars", "pyarrow"])
def found(request):
    return inspect(as_given(request.param), cluster="school")


def test_variables(found):
    table = found.variables
    assert list(table.index) == ["school", "x", "passed", "size", "year"]
    assert list(table["kind"]) == ["text", "numeric", "boolean", "numeric", "numeric"]
    assert list(table["n_missing"]) == [0, 1, 2, 3, 0]
    np.testing.assert_allclose(table["percent_missing"], [0, 100 / 6, 100 / 3, 50, 0])
    assert list(table["level"]) == [2, 1, 1, 2, 2]
    assert list(table["sporadic"]) == [0, 1, 1, 1, 0]
    assert list(table["systematic"]) == [0, 0, 1, 1, 0]


def test_icc_is_that_of_the_analysis_of_variance(found):
    # x: MSB = 7.5 / 2, MSW = 2.5 / 2, n0 = (5 - 9 / 5) / 2 = 1.6, so (3.75 - 1.25) / (3.75 + 0.6 * 1.25).
    icc = found.variables["icc"]
    assert icc["x"] == pytest.approx(2.5 / 4.5)
    assert icc["size"] == pytest.approx(1)
    # passed, as 0 and 1: 1, 0 in a and 1, 1 in b, so MSB = MSW = 1 / 4.
    assert icc["passed"] == pytest.approx(0)
    assert icc[["school", "year"]].isna().all(), "the clusters, and without variance"


def test_icc_of_ordered_categories_is_that_of_their_positions():
    grade = pd.Categorical(["low", "high", "high", None, "low", "low"], ["low", "unused", "high"], ordered=True)
    table = pd.DataFrame({"g": list("aabbcc"), "grade": grade, "sex": list("mfmfmf")})
    table["number"] = [0.0, 2, 2, NAN, 0, 0]
    icc = inspect(table, cluster="g").variables["icc"]
    assert icc["grade"] == icc["number"] and not np.isnan(icc["number"])
    assert np.isnan(icc["sex"])


def test_patterns_are_sorted_and_counted(found):
    assert list(found.patterns.columns) == ["x", "passed", "size"]
    assert list(found.patterns.index) == [2, 2, 1, 1]
    assert found.patterns.to_numpy().tolist() == [
        [True, True, False],
        [True, False, True],
        [True, True, True],
        [False, True, False],
    ]


def test_kinds_and_sizes_by_cluster(found):
    assert found.kinds.index.name == "school" and list(found.kinds.index) == ["a", "b", "c"]
    assert found.kinds.to_dict("list") == {
        "x": ["sporadic", "complete", "complete"],
        "passed": ["sporadic", "complete", "systematic"],
        "size": ["sporadic", "systematic", "complete"],
        "year": ["complete"] * 3,
    }
    assert found.cluster_sizes.to_dict() == {"a": 3, "b": 2, "c": 1}
    assert found.n_rows == 6
    assert found.notes == (
        "year: constant, every observed value is 2020.",
        "size: belongs to clusters and is given in some rows only of 1 of them: a. A model that has it at level 2 carries "
        "it to their other rows.",
    )


def test_clusters_without_a_value_are_listed(found):
    text = str(found)
    assert "Systematically missing: clusters without any value\n  passed: 1 of 3: c\n  size: 1 of 3: b\n" in text
    assert "passed: 1 of 3: c" in found._repr_html_()
    assert "Systematically" not in str(inspect(small()))


def test_mistakes_in_a_column_of_clusters_are_noted():
    size = np.repeat(np.arange(10.0, 30.0), 3)
    size[[4, 30]] = [55, NAN]
    frame = pd.DataFrame({"g": [f"s{k:02}" for k in np.repeat(np.arange(20), 3)], "size": size, "x": np.arange(60.0)})
    (note,) = inspect(frame, cluster="g").notes
    assert note == (
        "size: does not vary within 19 of 20 clusters, but 's01' has 11.0 in row(s) 3, 5, 55.0 in row(s) 4. Correct these "
        "rows, counted from 0, if it belongs to clusters."
    )
    assert inspect(frame, cluster="g").conflicts.to_dict("list") == {
        "variable": ["size"] * 3,
        "cluster": ["s01"] * 3,
        "row": [3, 4, 5],
        "value": [11.0, 55.0, 11.0],
    }
    frame.loc[[7, 10], "size"] = 55
    found = inspect(frame, cluster="g")
    assert found.notes == () and found.conflicts.empty, "too many to be mistakes"
    assert list(inspect(frame).conflicts.columns) == ["variable", "cluster", "row", "value"], "no clusters, no conflicts"


def test_later_changes_of_the_table_do_not_matter():
    table = small()
    found = inspect(table, cluster="school")
    table["x"] = NAN
    assert found.flux.loc["x", "pobs"] == pytest.approx(5 / 6)


def test_one_observed_value_makes_a_cluster_sporadic():
    table = pd.DataFrame({"g": ["a"] * 10 + ["b"] * 2, "x": [1.0] + [NAN] * 9 + [2.0, 3.0]})
    assert list(inspect(table, cluster="g").kinds["x"]) == ["sporadic", "complete"]


def test_without_clusters_there_are_no_levels():
    found = inspect(small())
    assert list(found.variables.columns) == ["kind", "n_missing", "percent_missing"]
    assert found.kinds is None and found.cluster_sizes is None and found.cluster is None


def test_complete_table_has_one_pattern():
    found = inspect(pd.DataFrame({"x": [1, 2]}))
    assert found.patterns.shape == (1, 0) and list(found.patterns.index) == [2]
    assert "       2  100.0  nothing" in str(found)
    assert "table" in found._repr_html_()


def test_kinds_of_columns():
    table = pd.DataFrame(
        {
            "decimal": [Decimal("1.5"), None],
            "integer": pd.array([1, None], dtype="Int64"),
            "truth": pd.array([True, None], dtype="boolean"),
            "nominal": pd.Categorical(["u", None]),
            "ordinal": pd.Categorical(["u", None], ordered=True),
            "day": [date(2020, 1, 1), None],
            "instant": pd.to_datetime(["2020-01-01", None]),
            "list": [[1], [2]],
            "mixed": [1, "a"],
            "nothing": [None, None],
        }
    )
    kinds = inspect(table).variables["kind"]
    expected = "numeric numeric boolean categorical ordered date date other other other"
    assert list(kinds) == expected.split()


def test_notes_name_infinite_empty_and_undecided_columns():
    table = pd.DataFrame(
        {
            "g": [1, 1, 2],
            "x": [np.inf, 1.0, -np.inf],
            "none": [NAN] * 3,
            "single": [1.0, NAN, 2.0],
            "list": [[1], [2], [3]],
        }
    )
    found = inspect(table, cluster="g")
    assert found.notes == (
        "x: infinite values in 2 row(s), counted from 0: 0, 2.",
        "none: no value is observed.",
        "single: level not known, no cluster has two values to compare.",
        "list: level not known, no cluster has two values to compare.",
    )
    assert found.variables["level"].isna().to_dict() == {
        "g": False,
        "x": False,
        "none": True,
        "single": True,
        "list": True,
    }
    assert found.variables["icc"].isna().all()
    assert "constant" not in str(found)


def test_negative_icc_is_reported_as_it_is():
    table = pd.DataFrame({"g": ["a", "a", "b", "b"], "x": [0.0, 2.0, 0.0, 2.0]})
    assert inspect(table, cluster="g").variables.loc["x", "icc"] == pytest.approx(-1)  # (0 - 2) / (0 + 1 * 2)


def test_text_is_at_most_100_columns_wide_and_says_what_it_leaves_out():
    rng = np.random.default_rng(1)
    values = np.where(rng.random((400, 12)) < 0.3, NAN, rng.normal(size=(400, 12)))
    table = pd.DataFrame(values, columns=[f"a very long name of a column, number {i}" for i in range(12)])
    table["n_rows"] = np.where(rng.random(400) < 0.5, NAN, 1.0)
    found = inspect(table.assign(g=np.arange(400) % 7), cluster="g")
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "400 rows, 14 columns; 7 clusters (g) of 57 to 58 rows, median 57"
    assert f"Missing-data patterns: {len(found.patterns)}, the commonest 10 shown" in lines
    assert found._repr_html_().count("<tr>") >= 10


def test_html_escapes_names():
    html = inspect(pd.DataFrame({"<b>": [1.0, 1.0]}))._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;: constant" in html


@pytest.mark.parametrize(
    ("table", "cluster", "message"),
    [
        (pd.DataFrame({"x": []}), None, "empty"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), None, "more than one column named 'x'"),
        (pd.DataFrame({"x": [1], "g": [1]}), "h", "no column 'h'.*Choose 'x' or 'g'"),
        (pd.DataFrame({"x": range(4), "g": ["a", None, "b", None]}), "g", "2 row.*1, 3"),
        ([1, 2], None, "not a table"),
    ],
)
def test_unusable_tables_are_refused(table, cluster, message):
    with pytest.raises(TableError, match=message):
        inspect(table, cluster=cluster)


def test_codes_of_missing_values_are_noted():
    rng = np.random.default_rng(1)
    score = rng.normal(50, 10, 100).round()
    score[[1, 2, 3]], score[4] = -9, -8
    grade = rng.integers(1, 6, 100).astype(float)
    grade[[5, 6]] = 9
    size = np.full(100, "12", dtype=object)
    size[7:9] = "n/a"
    ids = np.arange(95, 195)
    frame = pd.DataFrame({"score": score, "grade": grade, "size": size, "id": ids, "age": np.repeat([7.0, 8, 9, 10], 25)})
    assert inspect(frame).notes == (
        "score: -9 in 3 row(s), far from all other values: empty these cells if this means missing.",
        "score: -8 in 1 row(s), far from all other values: empty these cells if this means missing.",
        "grade: 9 in 2 row(s), far from all other values: empty these cells if this means missing.",
        "size: numbers, but for 'n/a': empty these cells if this means missing.",
    ), "neither identifiers nor what lies among the others"
    assert "infinite" in inspect(pd.DataFrame({"y": [np.inf] * 3 + [1.0]})).notes[0]
    site = pd.DataFrame({"site": np.where(np.arange(100) < 10, 999, np.arange(100) % 5), "y": score[::-1] ** 0})
    assert inspect(site, cluster="site").notes == ("y: constant, every observed value is 1.0.",)


def test_labels_that_are_nearly_alike_are_noted():
    labels = ["a", "A", "b", "b ", "c", "d"]
    found = inspect(pd.DataFrame({"g": labels * 2, "y": np.arange(12.0)}), cluster="g")
    assert found.notes == ("g: 'a', 'A' differ in blanks or capitals only.", "g: 'b', 'b ' differ in blanks or capitals only.")


def test_long_notes_are_wrapped():
    frame = pd.DataFrame({"x" * 90: [1.0, 1.0], "y": [1.0, 2.0]})
    *_, first, second = str(inspect(frame)).splitlines()
    assert first == f"  {'x' * 90}:" and second == "    constant, every observed value is 1.0."

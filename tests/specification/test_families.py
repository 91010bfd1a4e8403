"""Which family and which categories a column gets, by dtype or as said, and how cells become codes and codes categories."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError
from jmimpute.specification.families import BINARY, GAUSSIAN, NOMINAL, ORDINAL, Family, Variable, from_record, to_record
from jmimpute.specification.variables import coordinates, encode, resolve, shown
from jmimpute.table.reading import read

LABELS = ["b", None, "c", "a", "b", "a"]
TRUTH = [True, None, False, True, False, None]


def variable(values, said=None):
    """The variable of a column called v."""
    frame = pd.DataFrame({"v": values})
    return resolve(frame, ["v"], {} if said is None else {"v": said})[0]


# What columns are without being told


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, np.nan, 2.0], Variable("v", GAUSSIAN, 0)),
        (pd.array([1, None, 0], dtype="Int64"), Variable("v", GAUSSIAN, 0)),
        ([True, False], Variable("v", BINARY, 0, (False, True), 0)),
        (pd.array(TRUTH, dtype="boolean"), Variable("v", BINARY, 0, (False, True), 0)),
        (pd.array(TRUTH, dtype="bool[pyarrow]"), Variable("v", BINARY, 0, (False, True), 0)),
        (np.array(TRUTH, dtype=object), Variable("v", BINARY, 0, (False, True), 0)),
        (pd.Categorical(LABELS), Variable("v", NOMINAL, 0, ("a", "b", "c"), 2)),
        (pd.Categorical(LABELS, ["c", "a", "b"]), Variable("v", NOMINAL, 0, ("c", "a", "b"), 2)),
        (pd.Categorical(LABELS, ["c", "z", "a", "b"]), Variable("v", NOMINAL, 0, ("c", "a", "b"), 2, ("z",))),
        (pd.Categorical(LABELS, ["b", "c", "z", "a"], ordered=True), Variable("v", ORDINAL, 0, ("b", "c", "a"), -1, ("z",))),
        (pd.Categorical([3, 1, 2, None]), Variable("v", NOMINAL, 0, (1, 2, 3), 2)),
        (pd.Categorical(["y", "x", None]), Variable("v", BINARY, 0, ("x", "y"), 0)),
        (pd.Categorical([2, 0, None], [2, 1, 0], ordered=True), Variable("v", BINARY, 0, (2, 0), 0, (1,))),
        (pd.Categorical(TRUTH), Variable("v", BINARY, 0, (False, True), 0)),
    ],
)
def test_inferred(values, expected):
    found = variable(values)
    assert found == expected
    assert [type(level) for level in found.levels] == [type(level) for level in expected.levels]


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_inferred_from_other_tables(kind):
    schema = {"cat": pl.Categorical, "enum": pl.Enum(["c", "b", "z", "a"]), "truth": pl.Boolean}
    table = pl.DataFrame({"cat": LABELS, "enum": LABELS, "truth": TRUTH}, schema=schema)
    if kind == "pyarrow":
        ordered = pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 3, 1, 3]), pa.array(["c", "b", "z", "a"]), ordered=True)
        table = pa.table({"cat": pa.array(LABELS).dictionary_encode(), "enum": ordered, "truth": pa.array(TRUTH)})
    frame = read(table).frame
    assert resolve(frame, ["cat", "enum", "truth"], {}) == (
        Variable("cat", NOMINAL, 0, ("b", "c", "a"), 2),  # as they come in the column
        Variable("enum", ORDINAL, 2, ("c", "b", "a"), -1, ("z",)),
        Variable("truth", BINARY, 3, (False, True), 0),
    )


# What is said


@pytest.mark.parametrize(
    ("values", "said", "expected"),
    [
        (LABELS, "nominal", Variable("v", NOMINAL, 0, ("a", "b", "c"), 2)),
        (np.array(LABELS, dtype=object), "nominal", Variable("v", NOMINAL, 0, ("a", "b", "c"), 2)),
        (LABELS, jm.families.nominal(["c", "a", "b"]), Variable("v", NOMINAL, 0, ("c", "a", "b"), 2)),
        (LABELS, jm.families.nominal(reference="a"), Variable("v", NOMINAL, 0, ("a", "b", "c"), 0)),
        (LABELS, jm.families.nominal(["z", "c", "a", "b"], "c"), Variable("v", NOMINAL, 0, ("c", "a", "b"), 0, ("z",))),
        (LABELS, jm.families.ordinal(["c", "z", "a", "b"]), Variable("v", ORDINAL, 0, ("c", "a", "b"), -1, ("z",))),
        ([2.0, 0.0, np.nan, 1.0], "nominal", Variable("v", NOMINAL, 0, (0.0, 1.0, 2.0), 2)),
        ([2.0, 0.0, np.nan, 1.0], "ordinal", Variable("v", ORDINAL, 0, (0.0, 1.0, 2.0))),
        ([2.0, 0.0, np.nan, 1.0], jm.families.ordinal(np.array([2, 1, 0])), Variable("v", ORDINAL, 0, (2, 1, 0))),
        (pd.array([7, None, 5], dtype="Int64"), "binary", Variable("v", BINARY, 0, (5, 7), 0)),
        ([1.0, 0.0, np.nan], jm.families.binary(reference=np.int64(1)), Variable("v", BINARY, 0, (0.0, 1.0), 1)),
        (TRUTH, jm.families.binary(reference=True), Variable("v", BINARY, 0, (False, True), 1)),
        (pd.Categorical(LABELS), jm.families.ordinal(pd.Index(["b", "a", "c"])), Variable("v", ORDINAL, 0, ("b", "a", "c"))),
        (pd.Categorical(LABELS, ordered=True), "nominal", Variable("v", NOMINAL, 0, ("a", "b", "c"), 2)),
        (pd.Categorical(LABELS, ["a", "b", "c", "z"]), jm.families.nominal(["c", "b", "a"]),
         Variable("v", NOMINAL, 0, ("c", "b", "a"), 2, ("z",))),
        (pd.Categorical([3, 1, 2]), "ordinal", Variable("v", ORDINAL, 0, (1, 2, 3))),
        ([0, 1, 1], "gaussian", Variable("v", GAUSSIAN, 0)),
    ],
)  # fmt: skip
def test_said(values, said, expected):
    assert variable(values, said) == expected


@pytest.mark.parametrize("said", ["nominal", "ordinal", "binary", jm.families.ordinal(["x", "y", "z"])])
def test_two_categories_are_binary_whatever_is_said(said):
    found = variable(["y", "x", None, "x"], said)
    assert (found.family, found.levels, found.reference, found.width) == (BINARY, ("x", "y"), 0, 1)


def test_constructors():
    assert jm.families.gaussian() == Family("gaussian")
    assert jm.families.binary(["no", "yes"], "yes") == Family("binary", ("no", "yes"), "yes")
    assert jm.families.nominal() == Family("nominal")
    assert jm.families.ordinal(range(3)) == Family("ordinal", (0, 1, 2))


def test_coordinates_follow_each_other():
    frame = pd.DataFrame({"y": [1.0, 2, 3], "k": list("abc"), "o": [1, 2, 3], "z": [1.0, 4, 2]})
    found = resolve(frame, ["y", "k", "o", "z"], {"k": "nominal", "o": "ordinal"})
    assert [v.first for v in found] == [0, 1, 3, 4]
    assert [v.coordinates for v in found] == [("y",), ("k.1", "k.2"), ("o",), ("z",)]
    assert [v.n_cutpoints for v in found] == [0, 0, 1, 0]


# Cells


def test_codes_and_coordinates():
    kind = variable(LABELS, jm.families.nominal(["c", "a", "b"]))
    series = pd.Series(LABELS, name="v")
    assert encode(series, kind).tolist() == [2, -1, 0, 1, 2, 1]
    np.testing.assert_array_equal(coordinates(series, kind), [[0, 0], [np.nan, np.nan], *[[0, 0]] * 4])


@pytest.mark.parametrize("values", [np.array([1.0, np.nan, 0.0]), pd.array([1, None, 0], dtype="Int64"), [1, None, 0.0]])
def test_whole_numbers_are_the_same_as_decimals(values):
    assert encode(pd.Series(values, name="v"), Variable("v", BINARY, 0, (0, 1), 0)).tolist() == [1, -1, 0]


def test_codes_of_a_gaussian_response():
    series = pd.Series([1.5, np.nan], name="v")
    assert encode(series, Variable("v", GAUSSIAN, 0)).tolist() == [-1, -1]
    np.testing.assert_array_equal(coordinates(series, Variable("v", GAUSSIAN, 0)), [[1.5], [np.nan]])


# Latents


@pytest.mark.parametrize(
    ("found", "cutpoints"),
    [
        (Variable("v", BINARY, 0, ("x", "y"), 0), []),
        (Variable("v", BINARY, 0, ("x", "y"), 1), []),
        (Variable("v", NOMINAL, 0, ("a", "b", "c", "d"), 3), []),
        (Variable("v", NOMINAL, 0, ("a", "b", "c", "d"), 1), []),
        (Variable("v", ORDINAL, 0, (1, 2, 3, 4), -1), [0.7, 1.1]),
    ],
)
def test_latents_give_the_category_that_slots_say(found, cutpoints):
    latents = np.random.default_rng(1).normal(size=(500, found.width))
    codes = found.categories(latents, np.array(cutpoints))
    assert set(codes) == set(range(len(found.levels)))
    for latent, slot in zip(latents, found.slots[codes], strict=True):
        if found.family == ORDINAL:
            cuts = [-np.inf, 0.0, *cutpoints, np.inf]
            assert cuts[slot] < latent[0] < cuts[slot + 1]
        else:
            assert slot == np.argmax([*latent, 0.0])


def test_a_binary_latent_is_positive_for_the_category_that_is_not_the_reference():
    for reference in (0, 1):
        found = Variable("v", BINARY, 0, ("x", "y"), reference)
        assert found.categories(np.array([[0.1], [-0.1]]), np.empty(0)).tolist() == [1 - reference, reference]


# Records


def test_a_record_makes_the_same_variables_again():
    frame = pd.DataFrame(
        {
            "y": [1.0, np.nan, 3.0, 4.0],
            "k": pd.Categorical(["a", None, "c", "b"], ["c", "z", "a", "b"]),
            "o": [1.0, 3.0, np.nan, 2.0],
            "p": np.array([True, None, False, True], dtype=object),
        }
    )
    said = {"k": jm.families.nominal(reference="a"), "o": jm.families.ordinal([3, 2, 1, 0])}
    found = resolve(frame, ["y", "k", "o", "p"], said)
    record = json.loads(json.dumps(to_record(found)))
    assert record["y"] == {"kind": "gaussian", "levels": None, "reference": None}
    assert record["k"] == {"kind": "nominal", "levels": ["c", "a", "b", "z"], "reference": "a"}
    assert resolve(frame, ["y", "k", "o", "p"], from_record(record)) == found


@pytest.mark.parametrize("record", [["k"], {"k": 3}, {"k": {"levels": [1, 2]}}, {"k": {"kind": "binary", "order": 1}}, None])
def test_a_record_that_is_none(record):
    with pytest.raises(ExchangeError, match="Families cannot be read"):
        from_record(record)


def test_categories_in_texts():
    assert [shown(level) for level in ("a", 1, 1.0, 2.5, True)] == ["'a'", "1", "1", "2.5", "True"]

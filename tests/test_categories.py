"""Completed columns of categories: the labels of the codes in the missing cells, and nothing else about the column changes."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError, ImputationError
from jmimpute.imputations import Imputations
from jmimpute.specification.variables import encode, resolve
from jmimpute.table.reading import read

M = 3
LABELS = ["b", None, "a", None, "c", "a"]
TRUTH = [True, None, False, None, True, False]
NUMBERS = [2, None, 0, None, 1, 0]
MISSING = [1, 3]

#: Columns of pandas, and what is said about those whose dtype does not tell.
PANDAS = {
    "nominal": pd.Categorical(LABELS, ["c", "unused", "a", "b"]),
    "ordinal": pd.Categorical(LABELS, ["b", "unused", "a", "c"], ordered=True),
    "of integers": pd.Categorical(NUMBERS, [2, 7, 0, 1]),
    "of decimals": pd.Categorical([0.1, None, 2.0, None, 1.5, 2.0]),
    "of truth": pd.Categorical(TRUTH),
    "nullable truth": pd.array(TRUTH, dtype="boolean"),
    "arrow truth": pd.array(TRUTH, dtype="bool[pyarrow]"),
    "objects": np.array(TRUTH, dtype=object),
    "texts": pd.array(LABELS, dtype="str"),
    "nullable texts": pd.array(LABELS, dtype="string[pyarrow]"),
    "object texts": np.array(LABELS, dtype=object),
    "decimals": np.array(NUMBERS, dtype=float),
    "small decimals": np.array(NUMBERS, dtype="float32"),
    "nullable integers": pd.array(NUMBERS, dtype="Int64"),
    "arrow integers": pd.array(NUMBERS, dtype="int64[pyarrow]"),
}
POLARS = {
    "categorical": (LABELS, pl.Categorical),
    "enum": (LABELS, pl.Enum(["c", "unused", "a", "b"])),
    "truth": (TRUTH, pl.Boolean),
    "texts": (LABELS, pl.String),
    "integers": (NUMBERS, pl.Int32),
    "decimals": (NUMBERS, pl.Float64),
}
ARROW = {
    "dictionary": pa.array(LABELS).dictionary_encode(),
    "ordered": pa.DictionaryArray.from_arrays(
        pa.array([2, None, 1, None, 0, 1], pa.int8()), pa.array(["c", "a", "b", "unused"]), ordered=True
    ),
    "dictionary of integers": pa.DictionaryArray.from_arrays(pa.array([2, None, 0, None, 1, 0]), pa.array([0, 1, 2, 9])),
    "truth": pa.array(TRUTH),
    "texts": pa.array(LABELS, pa.large_string()),
    "integers": pa.array(NUMBERS, pa.int16()),
}
TOLD = {
    "texts": "nominal",
    "nullable texts": jm.families.ordinal(["c", "b", "a"]),
    "object texts": jm.families.nominal(["c", "b", "unused", "a"]),
    "decimals": jm.families.nominal([2, 1, 0, 5]),
    "small decimals": "nominal",
    "nullable integers": "ordinal",
    "arrow integers": "nominal",
    "integers": "nominal",
}


def table(kind):
    """A table with a school, a score with missing cells, and every column of categories that this kind has."""
    score = [1.0, None, 3.0, 4.0, 5.0, 6.5]
    school = list("aabbcc")
    if kind == "pandas":
        return pd.DataFrame({"school": school, "score": np.array(score, dtype=float), **PANDAS}, index=[9, 9, 4, 3, 2, 1])
    if kind == "polars":
        columns = {name: pl.Series(name, values, dtype=dtype) for name, (values, dtype) in POLARS.items()}
        return pl.DataFrame({"school": school, "score": score, **columns})
    return pa.table({"school": school, "score": score, **ARROW})


def imputed(data):
    """Imputations with made-up codes, as `Fit.impute` makes them; the codes too."""
    given = read(data)
    names = [name for name in given.frame.columns if name not in ("school", "score")]
    variables = resolve(given.frame, names, {name: TOLD[name] for name in names if name in TOLD})
    rows = {"score": np.array([1]), **{name: np.array(MISSING) for name in names}}
    rng = np.random.default_rng(1)
    codes = {v.name: rng.integers(0, len(v.levels), (M, 2)) for v in variables}
    values = {"score": rng.normal(size=(M, 1)), **codes}
    levels = {v.name: v.levels for v in variables}
    return Imputations(given, rows, values, M, "school", {"seed": 1}, levels)


@pytest.fixture(scope="module", params=["pandas", "polars", "pyarrow"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def imputations(kind):
    return imputed(table(kind))


def types(data):
    """Types of the columns, as the kind of table has them."""
    if isinstance(data, pd.DataFrame):
        return data.dtypes.to_dict()
    return dict(data.schema) if isinstance(data, pl.DataFrame) else {field.name: field.type for field in data.schema}


def cells(data, name):
    """Cells of a column as Python values."""
    if isinstance(data, pa.Table):
        return data.column(name).to_pylist()
    return data[name].to_list()


def same(first, second):
    assert type(first) is type(second) and types(first) == types(second)
    if isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    else:
        assert all(cells(first, name) == cells(second, name) for name in types(first))


def test_values_are_labels(imputations):
    for name in imputations.columns[1:]:
        levels = imputations.levels(name)
        values, codes = imputations.values(name), imputations._values[name]
        assert values.shape == (M, 2)
        assert values.tolist() == [[levels[code] for code in row] for row in codes.tolist()]
        assert type(values.tolist()[0][0]) is type(levels[0])
    assert imputations.levels("score") == ()
    assert imputations.values("score").dtype == float


@pytest.mark.parametrize("method", ["levels", "values"])
def test_columns_that_were_not_imputed(imputations, method):
    with pytest.raises(ImputationError, match="'school' was not imputed"):
        getattr(imputations, method)("school")


def test_completed_columns_have_their_labels_and_their_type(imputations, kind):
    before = table(kind)
    for k in range(1, M + 1):
        completed = imputations.complete(k)
        assert type(completed) is type(before)
        assert types(completed) == types(before), "unused categories and their order are part of a type"
        for name in imputations.columns[1:]:
            expected = cells(before, name)
            for row, label in zip(MISSING, imputations.values(name)[k - 1].tolist(), strict=True):
                expected[row] = label
            found = cells(completed, name)
            assert found == expected
            whole = [type(value) for position, value in enumerate(found) if position not in MISSING]
            assert {type(value) for value in found} == set(whole), "an imputed cell is what observed ones are"
    same(imputations.complete(0), before)


def test_dictionaries_of_pyarrow_stay_as_they_are():
    found = imputed(table("pyarrow")).complete(1)
    for name in ("dictionary", "ordered", "dictionary of integers"):
        dictionary = found.column(name).combine_chunks().dictionary
        assert dictionary.equals(ARROW[name].dictionary)


def test_pyarrow_columns_in_several_chunks():
    data = table("pyarrow")
    found = imputed(pa.concat_tables([data.slice(0, 3), data.slice(3)]))
    same(found.complete(2), imputed(data).complete(2))


def test_the_given_table_is_never_changed(imputations, kind):
    imputations.complete(1)
    same(imputations.complete(0), table(kind))
    same(imputations._table.native, table(kind))


@pytest.mark.parametrize("original", [False, True])
def test_long(imputations, kind, original):
    stacked = imputations.long(original=original)
    before = types(table(kind))
    numbers = range(0 if original else 1, M + 1)
    assert {name: dtype for name, dtype in types(stacked).items() if name in before} == before
    for name in imputations.columns[1:]:
        # Missing cells are NaN, NA or None.
        expected = [None if pd.isna(value) else value for k in numbers for value in cells(imputations.complete(k), name)]
        assert [None if pd.isna(value) else value for value in cells(stacked, name)] == expected


def test_files_give_back_what_was_saved(imputations, tmp_path):
    imputations.save(tmp_path)
    loaded = jm.load(tmp_path)
    assert loaded._levels == imputations._levels
    for name in imputations.columns:
        assert list(map(type, loaded.levels(name))) == list(map(type, imputations.levels(name)))
        np.testing.assert_array_equal(loaded._values[name], imputations._values[name])
        assert loaded._values[name].dtype == imputations._values[name].dtype
        np.testing.assert_array_equal(loaded.values(name), imputations.values(name))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_loaded_tables_have_their_types(kind, tmp_path):
    data = table(kind)
    if kind == "pandas":
        data = data.drop(columns="object texts")  # which pandas reads as texts
    found = imputed(data)
    found.save(tmp_path)
    loaded = jm.load(tmp_path)
    for k in range(M + 1):
        same(loaded.complete(k), found.complete(k))


def edit(folder, **changed):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changed}))


@pytest.mark.parametrize("levels", [None, ["a", "b"], {"texts": "abc"}, {"texts": []}, {"texts": None}])
def test_damaged_levels(levels, tmp_path):
    imputed(table("pandas")).save(tmp_path)
    edit(tmp_path, levels=levels)
    with pytest.raises(ExchangeError, match="levels in the manifest should be lists by column"):
        jm.load(tmp_path)


@pytest.mark.parametrize("code", [-1.0, 3.0, 0.5])
def test_damaged_codes(code, tmp_path):
    imputed(table("pandas")).save(tmp_path)
    frame = pd.read_parquet(tmp_path / "cells.parquet")
    frame.loc[frame["column"] == "texts", "2"] = code
    frame.to_parquet(tmp_path / "cells.parquet")
    with pytest.raises(ExchangeError, match="imputed cells of 'texts' are not codes of its 3 levels"):
        jm.load(tmp_path)


# Analyses


@pytest.fixture(scope="module")
def of_pupils():
    """Imputations of a table with enough rows for an analysis."""
    rng = np.random.default_rng(2)
    n = 120
    school = np.repeat(np.arange(12), 10)
    data = pd.DataFrame({"y": rng.normal(size=n) + rng.normal(size=12)[school], "school": school})
    hole = rng.random(n) < 0.2
    kind = rng.integers(0, 3, n)
    truth = rng.random(n) < 0.5
    data["kind"] = pd.Categorical.from_codes(np.where(hole, -1, kind), ["a", "b", "c", "unused"])
    data["number"] = pd.Categorical(np.where(hole, np.nan, kind), [0.0, 1.0, 2.0])
    data["grade"] = pd.Categorical.from_codes(np.where(hole, -1, kind), ["low", "mid", "top"], ordered=True)
    data["objects"] = np.where(hole, None, truth)
    data["nullable"] = pd.array(np.where(hole, None, truth), dtype="boolean")
    data["arrow"] = pd.array(np.where(hole, None, truth), dtype="bool[pyarrow]")
    names = ["kind", "number", "grade", "objects", "nullable", "arrow"]
    variables = resolve(data, names, {})
    complete = {name: kind if name in names[:3] else truth for name in names}
    values = {name: np.tile(complete[name][hole].astype(int), (M, 1)) for name in names}
    rows = dict.fromkeys(names, np.flatnonzero(hole))
    truly = data.assign(kind=np.array(["a", "b", "c"])[kind], objects=truth)
    assert all(encode(data[v.name], v).max() == len(v.levels) - 1 for v in variables)
    return Imputations(read(data), rows, values, M, "school", {}, {v.name: v.levels for v in variables}), truly


@pytest.mark.parametrize(
    ("column", "terms"),
    [
        ("kind", ["kind[b]", "kind[c]"]),
        ("number", ["number[1.0]", "number[2.0]"]),
        ("grade", ["grade[mid]", "grade[top]"]),
        ("objects", ["objects"]),
        ("nullable", ["nullable"]),
        ("arrow", ["arrow"]),
    ],
)
@pytest.mark.parametrize("formula", ["y ~ {}", "y ~ {} + (1 | school)"])
def test_categories_in_an_analysis(of_pupils, column, terms, formula):
    found, truly = of_pupils
    name = "kind" if len(terms) == 2 else "objects"
    pooled = found.analyze(formula.format(column)).pool().table
    assert pooled["term"].tolist() == ["Intercept", *terms]
    (expected,) = jm.analyze([truly], formula.format(name)).fits
    np.testing.assert_allclose(pooled["estimate"], expected.values, rtol=1e-8)


@pytest.mark.parametrize("column", ["objects", "nullable", "arrow"])
def test_categories_as_the_response_of_an_analysis(of_pupils, column):
    found, truly = of_pupils
    (expected,) = jm.analyze([truly], "objects ~ y", family="binomial").fits
    pooled = found.analyze(f"{column} ~ y", family="binomial").pool().table
    np.testing.assert_allclose(pooled["estimate"], expected.values, rtol=1e-8)

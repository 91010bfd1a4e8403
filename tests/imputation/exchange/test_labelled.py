"""Stata and SPSS: numbers with labels go out and categories come back; names are never changed unasked."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError
from jmimpute.imputation.exchange.coded import decode
from tests.imputation.exchange.tables import IMPUTED, N_ROWS, M, completed, imputations, original, same

STATA = SimpleNamespace(name="Stata", file="a.dta", script="a.do", write="to_stata", read=jm.read_stata)
SPSS = SimpleNamespace(name="SPSS", file="a.sav", script="a.sps", write="to_spss", read=jm.read_spss)
programs = pytest.mark.parametrize("program", [STATA, SPSS], ids=["Stata", "SPSS"])


@pytest.fixture(autouse=True)
def needs_pyreadstat():
    pytest.importorskip("pyreadstat", reason="needs pyreadstat")


def write(found, program, folder, **options):
    getattr(found, program.write)(folder / program.file, **options)
    return folder / program.file


def with_column(**columns):
    """Imputations of the table with further columns, none of them imputed."""
    return jm.from_tables(original().assign(**columns), [completed(k).assign(**columns) for k in range(M)])


@programs
@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_what_was_written_comes_back(program, kind, tmp_path):
    path = write(imputations(kind), program, tmp_path / "new")
    found = program.read(path, cluster="school")
    same(found, imputations(kind))
    table, expected = found.complete(2), completed(1)
    assert table["band"].cat.ordered == (program is SPSS), "Stata does not know order"
    for name in table.columns.drop("grade" if kind == "polars" else []):  # categories of polars are texts
        assert table[name].isna().tolist() == expected[name].isna().tolist()
        assert table[name].dropna().tolist() == expected[name].dropna().tolist()


@programs
def test_types_are_those_of_the_original(program, tmp_path):
    found = program.read(write(imputations(), program, tmp_path), original=original())
    same(found, imputations())
    pd.testing.assert_frame_equal(found.complete(0), original())
    pd.testing.assert_frame_equal(found.complete(3), imputations().complete(3))


def test_the_script_for_stata(tmp_path):
    write(imputations(), STATA, tmp_path, rename={"x": "score"})
    assert (tmp_path / "a.do").read_text() == (
        'use "a.dta", clear\nmi import flong, m(imputation_) id(row_) imputed(score whole sex band grade ok level2) clear\n'
    )
    assert pd.read_stata(tmp_path / "a.dta").columns[:4].tolist() == ["imputation_", "row_", "school", "score"]


def test_the_script_for_spss(tmp_path):
    import pyreadstat

    write(imputations(), SPSS, tmp_path)
    assert (tmp_path / "a.sps").read_text() == "GET FILE='a.sav'.\nSPLIT FILE LAYERED BY Imputation_.\n"
    _, about = pyreadstat.read_sav(tmp_path / "a.sav")
    assert about.column_names[0] == "Imputation_"
    assert about.variable_value_labels["Imputation_"] == {0: "Original data", 1: "1", 2: "2", 3: "3"}
    measures = {name: about.variable_measure[name] for name in ("x", "sex", "band", "ok", "text")}
    assert measures == {"x": "scale", "sex": "nominal", "band": "ordinal", "ok": "nominal", "text": "nominal"}


@pytest.mark.parametrize("shuffled", [False, True])
def test_mi_data_of_stata(shuffled, tmp_path):
    """As Stata saves the style flong: rows counted from 1, and whether a row of the original is incomplete."""
    write(imputations(), STATA, tmp_path)
    frame = pd.read_stata(tmp_path / "a.dta").rename(columns={"imputation_": "_mi_m", "row_": "_mi_id"})
    frame["_mi_id"] += 1
    frame["_mi_miss"] = np.where(frame["_mi_m"] == 0, frame["x"].isna().astype(float), np.nan)
    given = original().assign(grade=original()["grade"].cat.rename_categories(str))
    frame = frame.sample(frac=1, random_state=1) if shuffled else frame
    frame.to_stata(tmp_path / "b.dta", write_index=False, version=118)
    same(jm.read_stata(tmp_path / "b.dta", original=given), imputations())
    alone = jm.read_stata(tmp_path / "b.dta")
    assert list(alone.original.columns) == list(given.columns)
    assert alone.complete(2)["x"].sum() == pytest.approx(imputations().complete(2)["x"].sum(), rel=1e-12)


def test_mi_data_of_stata_without_the_complete_rows(tmp_path):
    write(imputations(), STATA, tmp_path)
    frame = pd.read_stata(tmp_path / "a.dta").rename(columns={"imputation_": "_mi_m", "row_": "_mi_id"})
    frame[(frame["_mi_m"] == 0) | frame["_mi_id"].lt(12)].to_stata(tmp_path / "b.dta", write_index=False, version=118)
    with pytest.raises(ExchangeError, match="Imputation 1 has other rows than the original: it lacks 12, 13"):
        jm.read_stata(tmp_path / "b.dta")


# Names


@pytest.mark.parametrize(
    ("program", "names"),
    [
        (STATA, ["a b", "1a", "a.b", "é", "a" * 33, "if", "_n", "str7", "_mi_m", "imputation_", "row_"]),
        (SPSS, ["a b", "1a", "_a", "é", "a" * 65, "a.", "And", "imputation_"]),
    ],
    ids=["Stata", "SPSS"],
)
def test_names_that_are_not_taken(program, names, tmp_path):
    for name in names:
        with pytest.raises(ExchangeError, match=f"{program.name} cannot have columns named .*rename=") as caught:
            write(with_column(**{name: 1.0}), program, tmp_path)
        assert repr(name) in str(caught.value)
    assert not list(tmp_path.iterdir())


@programs
def test_columns_are_renamed_when_asked(program, tmp_path):
    found = program.read(write(with_column(**{"a b": 1.5}), program, tmp_path, rename={"a b": "a_b", "x": "y"}))
    assert found.original["a_b"].eq(1.5).all()
    assert found.columns == ("y", *IMPUTED[1:])


@programs
@pytest.mark.parametrize(
    ("rename", "message"),
    [({"z": "y"}, "rename names 'z', which is not a column"), ({"x": "whole"}, "rename gives two columns the name 'whole'")],
)
def test_renaming_that_is_refused(program, rename, message, tmp_path):
    with pytest.raises(ExchangeError, match=message):
        write(imputations(), program, tmp_path, rename=rename)


def test_spss_does_not_know_capitals(tmp_path):
    with pytest.raises(ExchangeError, match="takes these names for the same: 'x', 'X'"):
        write(with_column(X=1.0), SPSS, tmp_path)
    assert jm.read_stata(write(with_column(X=1.0), STATA, tmp_path)).original["X"].eq(1).all()


# Columns


@programs
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1, "a"] * (N_ROWS // 2), "'odd' holds other values, which SPSS and Stata do not know"),
        (["", "a"] * (N_ROWS // 2), "'odd' has empty texts"),
        ([np.inf] * N_ROWS, "'odd' has infinite values"),
        ([2**60] * N_ROWS, "'odd' has whole numbers beyond 2"),
    ],
)
def test_columns_that_are_refused(program, column, message, tmp_path):
    with pytest.raises(ExchangeError, match=message):
        write(with_column(odd=column), program, tmp_path)
    assert not list(tmp_path.iterdir())


@programs
@pytest.mark.parametrize(
    "column",
    [
        pd.array([2**40, 3] * (N_ROWS // 2), dtype="int64"),
        pd.array([7, None] * (N_ROWS // 2), dtype="Int64"),
        pd.Series([0.1, np.nan] * (N_ROWS // 2), dtype="float32"),
        pd.Categorical([0.5, 1.5] * (N_ROWS // 2)),
        pd.Series([None, "long" * 1000] * (N_ROWS // 2), dtype="str"),
        pd.to_datetime(["2024-02-29", None] * (N_ROWS // 2)),
        pd.Series([None] * N_ROWS, dtype=object),
    ],
    ids=["large", "missing integers", "single precision", "decimal categories", "long texts", "missing dates", "nothing"],
)
def test_columns_that_come_back(program, column, tmp_path):
    given = with_column(odd=column)
    found = program.read(write(given, program, tmp_path))
    first, second = found.original["odd"], given.original["odd"]
    assert first.isna().tolist() == second.isna().tolist()
    expected = [str(value) if isinstance(column, pd.Categorical) else value for value in second.dropna().tolist()]
    assert first.dropna().tolist() == expected


@pytest.mark.parametrize(
    ("numbers", "labels", "expected"),
    [
        ([1.0, 2, np.nan], {2: "b", 1: "a", 3: "c"}, pd.Categorical(["a", "b", None], ["a", "b", "c"])),
        ([1.0, 2, 9], {9: "no answer"}, [1.0, 2, 9]),
        ([1.0, 3, 2], {1: "1", 2: "2", 3: "3"}, pd.Categorical([1, 3, 2], [1, 2, 3])),
        ([0.0, 1], {0: "False", 1: "True"}, [False, True]),
        ([0.0, 1], {0: "no", 1: "yes"}, pd.Categorical(["no", "yes"])),
        ([5.0, 6], {}, [5.0, 6]),
    ],
)
def test_numbers_with_labels(numbers, labels, expected):
    pd.testing.assert_series_equal(decode(pd.Series(numbers), labels), pd.Series(expected))


def test_labels_must_differ():
    with pytest.raises(ExchangeError, match="Two values of 'a' have the same label: 'x', 'x'"):
        decode(pd.Series([1.0, 2], name="a"), {1: "x", 2: "x"})


# Files


@programs
def test_other_files_are_refused(program, tmp_path):
    path = tmp_path / program.file
    with pytest.raises(ExchangeError, match="cannot be read"):
        program.read(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ExchangeError, match="cannot be read"):
        program.read(path)
    with pytest.raises(ExchangeError, match=r"should end with \.(dta|sav)"):
        getattr(imputations(), program.write)(tmp_path / "a.csv")


def test_files_without_imputations_are_refused(tmp_path):
    import pyreadstat

    frame = pd.DataFrame({"x": [1.0, 2]})
    frame.to_stata(tmp_path / "a.dta", write_index=False)
    with pytest.raises(ExchangeError, match="has neither the columns.*mi convert flong"):
        jm.read_stata(tmp_path / "a.dta")
    pyreadstat.write_sav(frame, tmp_path / "a.sav")
    with pytest.raises(ExchangeError, match="has no column 'Imputation_'"):
        jm.read_spss(tmp_path / "a.sav")


def test_pyreadstat_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    for call in (lambda: imputations().to_spss(tmp_path / "a.sav"), lambda: jm.read_spss(tmp_path / "a.sav")):
        with pytest.raises(ExchangeError, match=r'pip install "jmimpute\[spss\]"'):
            call()

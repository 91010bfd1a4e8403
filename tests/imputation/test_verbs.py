"""Imputations mapped, with derived columns, of some rows, and put together."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError, ImputationError
from jmimpute.imputations import Imputations
from jmimpute.table.reading import read

KINDS = pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
N_ROWS, M = 30, 4
WEIGHT, SEX = slice(0, 6), slice(4, 10)


def original(seed=1):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "school": np.repeat(["a", "b", "c"], N_ROWS // 3),
            "weight": rng.normal(70, 9, N_ROWS),
            "height": rng.normal(1.7, 0.1, N_ROWS),
            "sex": pd.Categorical(rng.choice(["girl", "boy"], N_ROWS), ["girl", "boy"]),
            "note": np.where(np.arange(N_ROWS) % 2, 1.0, np.nan),
        }
    )
    table.loc[WEIGHT.start : WEIGHT.stop - 1, "weight"] = np.nan
    table.loc[SEX.start : SEX.stop - 1, "sex"] = None
    return table


def completed(k, seed=1):
    table, rng = original(seed), np.random.default_rng(100 * seed + k)
    weight, sex = table["weight"].isna(), table["sex"].isna()
    table.loc[weight, "weight"] = rng.normal(70, 9, weight.sum())
    table.loc[sex, "sex"] = rng.choice(["girl", "boy"], sex.sum())
    return table


def as_kind(table, kind):
    if kind == "pyarrow":
        return pa.Table.from_pandas(table)
    if kind == "pandas":
        return table.set_axis([f"p{k}" for k in range(len(table))])
    return pl.from_pandas(table).with_columns(pl.col("sex").cast(pl.Enum(["girl", "boy"])))


def imputations(kind="pandas", m=M, seed=1, first=0):
    tables = [as_kind(completed(first + k, seed), kind) for k in range(m)]
    return jm.from_tables(as_kind(original(seed), kind), tables, cluster="school")


def frame(table):
    return read(table).frame


# Map


@KINDS
def test_map(kind):
    found = imputations(kind)
    types = found.map(type)
    assert types == [type(found.complete(1))] * M
    assert found.map(lambda table: frame(table)["weight"].mean()) == [frame(table)["weight"].mean() for table in found]


# Derived columns


@KINDS
def test_arithmetic(kind, tmp_path):
    found = imputations(kind).assign(bmi="weight / height**2", boy="sex == 'boy'", heavy="bmi * boy > 20")
    assert found.columns == ("weight", "sex", "bmi", "boy", "heavy")
    assert found.rows("bmi").tolist() == list(range(6))
    assert found.rows("boy").tolist() == list(range(4, 10))
    assert found.rows("heavy").tolist() == list(range(10))
    assert found.levels("boy") == found.levels("heavy") == (False, True)
    for table in (found.complete(k) for k in range(M + 1)):
        plain = frame(table)
        absent = plain["weight"].isna()
        np.testing.assert_allclose(plain["bmi"], plain["weight"] / plain["height"] ** 2, rtol=1e-15)
        known = plain["sex"].notna()
        assert plain["boy"][known].tolist() == plain["sex"][known].eq("boy").tolist()
        both = known & ~absent
        expected = (plain["bmi"] * plain["sex"].eq("boy"))[both] > 20
        assert plain["heavy"][both].tolist() == expected.tolist()
        assert plain["heavy"].isna().tolist() == (~both).tolist()
    assert type(found.complete(1)) is type(imputations(kind).complete(1))
    found.save(tmp_path)
    again = jm.load(tmp_path)
    assert again.provenance["changes"] == [
        {"assign": {"bmi": "weight / height**2", "boy": "sex == 'boy'", "heavy": "bmi * boy > 20"}}
    ]
    for k in range(M + 1):
        pd.testing.assert_frame_equal(frame(again.complete(k)), frame(found.complete(k)))
    assert np.isfinite(found.analyze("bmi ~ boy").pool().table["estimate"]).all()


@KINDS
def test_functions(kind):
    def mean_weight(table):
        plain = frame(table)
        return plain.groupby("school")["weight"].transform("mean")

    def group(table):
        return pd.cut(frame(table)["weight"], [0, 60, 80, np.inf], labels=["light", "middle", "heavy"])

    found = imputations(kind).assign(
        mean=mean_weight, group=group, tall=lambda table: table["height"], school2=lambda t: t["school"]
    )
    assert found.columns == ("weight", "sex", "mean", "group")
    assert found.rows("mean").tolist() == list(range(10)), "weights are missing in the first school only"
    assert found.rows("group").tolist() == list(range(6))
    assert found.levels("group") == ("light", "middle", "heavy")
    for k in range(1, M + 1):
        table = frame(found.complete(k))
        np.testing.assert_allclose(table["mean"], mean_weight(table), rtol=1e-14)
        assert table["group"].astype(str).tolist() == group(table).astype(str).tolist()
        assert table["school2"].tolist() == table["school"].tolist()
    assert found.provenance["changes"][0]["assign"]["group"] == "group"


def test_a_function_of_complete_columns_is_not_imputed():
    day = [pd.Timestamp("2024-05-01")] * N_ROWS
    found = imputations().assign(tall=lambda table: table["height"] > 1.7, day=lambda table: day)
    assert found.columns == ("weight", "sex")
    assert found.complete(0)["tall"].dtype == bool
    assert found.complete(2)["day"].nunique() == 1


def test_imputations_are_left_alone():
    first = imputations()
    first.assign(bmi="weight / height**2")
    assert first.columns == ("weight", "sex") and "bmi" not in first.original


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("weight / length", FormulaError, "names 'length', which is not a column"),
        ("weight.mean()", FormulaError, "contains 'weight.mean()'"),
        ("log(weight - 1000)", ImputationError, "Imputation 1: new='log(weight - 1000)' is missing or infinite in 30 row(s)"),
        ("note + weight", ImputationError, "computed from 'note', which was not imputed and is missing in 15 row(s)"),
        ("note > 0", ImputationError, "computed from 'note', which was not imputed"),
        (lambda t: t["note"], ImputationError, "Imputation 1: new= is missing or infinite in 15 row(s), counted from 0: 0, 2"),
        (lambda t: t["weight"].mean(), ImputationError, "must give one value a row, 30, for imputation 1; not"),
        (lambda t: [1, 2], ImputationError, "must give one value a row"),
        (lambda t: t, ImputationError, "must give one value a row"),
        (lambda t: t["length"], ImputationError, "The function for 'new' raised KeyError for imputation 1: 'length'"),
        (
            lambda t: t["sex"].map({"girl": 1, "boy": 2}).astype(int),
            ImputationError,
            "for the original table, which has missing",
        ),
        (
            lambda t: pd.cut(t["weight"], 3).cat.rename_categories(str),
            ImputationError,
            "are not those of imputation 1",
        ),
        (
            lambda t: pd.Timestamp("2024-01-01") + t["weight"] * pd.Timedelta("1D"),
            ImputationError,
            "gives dates that depend on",
        ),
        (3, FormulaError, "must be a text"),
    ],
)
def test_derived_columns_that_are_refused(how, error, message):
    with pytest.raises(error) as caught:
        imputations().assign(new=how)
    assert message in str(caught.value)


def test_a_derived_column_does_not_replace_another():
    with pytest.raises(ImputationError, match="There is a column 'weight' already"):
        imputations().assign(weight="weight * 2")


# Rows


@KINDS
@pytest.mark.parametrize("how", ["function", "mask", "positions", "native mask"])
def test_rows(kind, how):
    first = imputations(kind)
    keep = (first.original["height"] > 1.65) & (first.original["school"] != "b")
    native = {"pandas": keep.set_axis(range(7, 7 + N_ROWS)), "polars": pl.Series(keep), "pyarrow": pa.array(keep)}[kind]
    positions = np.flatnonzero(keep)
    given = {"function": lambda table: keep, "mask": keep.tolist(), "positions": positions[::-1], "native mask": native}[how]
    found = first.filter(given)
    assert (found.m, found.columns, found.cluster) == (M, ("weight", "sex"), "school")
    for k in range(M + 1):
        expected, table = frame(first.complete(k)).iloc[positions], found.complete(k)
        pd.testing.assert_frame_equal(frame(table), expected.reset_index(drop=True))
        if kind == "pandas":
            assert table.index.tolist() == [f"p{k}" for k in positions]
    assert found.provenance["changes"] == [{"filter": f"{len(positions)} of 30 rows"}]


def test_columns_without_missing_cells_are_no_longer_imputed():
    found = imputations().filter(lambda table: table["school"] != "a")
    assert (found.columns, len(found.original)) == ((), 20)
    found = imputations().filter(range(6, 30))
    assert found.columns == ("sex",) and found.rows("sex").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda table: table["weight"] > 70, "raised KeyError: 'weight'.*Imputed columns: weight, sex"),
        (lambda table: table.query("sex == 'boy'"), "would differ between imputations: choose them in the analysis"),
        ([True] * 29, "by 30 truth values, or by positions from 0 to 29"),
        ([0, 30], "by 30 truth values"),
        ([-1], "by 30 truth values"),
        ([3, 3], "none twice"),
        ([0.5], "by 30 truth values"),
        (["a"], "by 30 truth values"),
        ([[True] * 30], "by 30 truth values"),
        ([True, None] * 15, "Whether rows 1, 3, 5, 7, 9 and 10 more are chosen is missing"),
        ([False] * 30, "No row is chosen"),
        ([], "by 30 truth values"),
    ],
)
def test_rows_that_cannot_be_chosen(rows, message):
    with pytest.raises(ImputationError, match=message):
        imputations().filter(rows)


def test_changed_imputations_are_not_extended():
    with pytest.raises(ImputationError, match="were changed: extend those that they were made of"):
        imputations().filter(range(10)).extend(9)


# Together


@KINDS
def test_more_imputations(kind):
    found = jm.concat([imputations(kind, 3), imputations(kind, 2, first=3)])
    expected = imputations(kind, 5)
    assert (found.m, found.cluster, found.columns) == (5, "school", expected.columns)
    for k in range(6):
        pd.testing.assert_frame_equal(frame(found.complete(k)), frame(expected.complete(k)))


def test_categories_of_the_parts_are_taken_together():
    """A fit knows observed categories only, so that codes of parts may mean different ones."""
    first, second = imputations(m=1), imputations(m=1, first=1)
    codes = {"girl": 1, "boy": 0}
    values = {**second._values, "sex": np.array([[codes[value] for value in second.values("sex")[0]]])}
    turned = Imputations(second._table, second._rows, values, 1, "school", {}, {"sex": ("boy", "girl")})
    found = jm.concat([first, turned])
    assert found.levels("sex") == ("girl", "boy")
    assert found.values("sex")[1].tolist() == second.values("sex")[0].tolist()


@KINDS
def test_other_rows(kind):
    whole = imputations(kind)
    parts = [whole.filter(lambda table, label=label: [x == label for x in frame(table)["school"]]) for label in "bac"]
    found = jm.concat(parts, along="rows")
    order = [*range(10, 20), *range(10), *range(20, 30)]
    assert found.columns == ("weight", "sex")
    for k in range(M + 1):
        expected = frame(whole.complete(k)).iloc[order].reset_index(drop=True)
        pd.testing.assert_frame_equal(frame(found.complete(k)), expected)
    if kind == "pandas":
        assert found.complete(1).index.tolist() == [f"p{k}" for k in order]
    assert [part["changes"][-1]["filter"] for part in found.provenance["changes"][0]["parts"]] == ["10 of 30 rows"] * 3


def other_categories():
    tables = [
        table.assign(sex=table["sex"].cat.add_categories("other"))
        for table in (original(2), *(completed(k, 2) for k in range(M)))
    ]
    return jm.from_tables(tables[0], tables[1:], cluster="school")


def without_weight():
    tables = [completed(k, 2).assign(weight=original(2)["weight"]) for k in range(M)]
    return jm.from_tables(original(2), tables, cluster="school")


@pytest.mark.parametrize(
    ("parts", "along", "message"),
    [
        (lambda: [], "imputations", "Give Imputations in a list"),
        (lambda: [imputations(), original()], "imputations", "Give Imputations in a list"),
        (lambda: imputations(), "imputations", "Give Imputations in a list"),
        (lambda: [imputations()], "columns", "along='columns' is not known"),
        (lambda: [imputations(), imputations()], "imputations", "Parts 1 and 2 begin with the same imputations"),
        (lambda: [imputations(), imputations(m=2)], "imputations", "Parts 1 and 2 begin with the same imputations"),
        (lambda: [imputations(), imputations(seed=2)], "imputations", "Column 'weight' of part 2 differs from part 1 in rows"),
        (lambda: [imputations(), imputations().filter(range(9))], "imputations", 'Part 2 has 9 rows, part 1 30.*along="rows"'),
        (
            lambda: [imputations(), imputations(seed=2).assign(a="height + 1")],
            "rows",
            "Part 2 has other columns than part 1: \\['a'\\]",
        ),
        (lambda: [imputations(), imputations(m=3, seed=2)], "rows", "have 4 or 3 imputations"),
        (lambda: [imputations(), imputations("polars", seed=2)], "rows", "Part 2 is of .*polars"),
        (lambda: [imputations(), other_categories()], "rows", "Column 'sex' is of type category in part 2"),
        (
            lambda: [imputations(), without_weight()],
            "rows",
            "'weight' is imputed in another part, but stays incomplete in part 2",
        ),
        (
            lambda: [imputations(), jm.from_tables(original(2), [completed(k, 2) for k in range(M)])],
            "rows",
            "different cluster columns",
        ),
    ],
)
def test_parts_that_do_not_fit(parts, along, message):
    with pytest.raises(ImputationError, match=message):
        jm.concat(parts(), along)


def test_the_same_columns_must_be_imputed_for_more():
    tables = [completed(k).assign(weight=original()["weight"]) for k in range(M)]
    with pytest.raises(ImputationError, match=r"Part 2 has imputations of \['sex'\], part 1 of \['weight', 'sex'\]"):
        jm.concat([imputations(), jm.from_tables(original(), tables, cluster="school")])

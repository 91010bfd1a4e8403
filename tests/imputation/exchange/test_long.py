"""Long stacks and lists of completed tables: what was imputed is found again, and what does not fit is refused."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError, ImputationError
from tests.imputation.exchange.tables import IMPUTED, N_ROWS, M, as_kind, completed, frame, imputations, original, same

KINDS = ("pandas", "polars", "pyarrow")
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def expected():
    return imputations()


def stack(**changes):
    """A long stack of pandas, with changes of cells given as column=(imputation, row, value)."""
    table = imputations().long(original=True).reset_index(drop=True)
    for name, (imputation, row, value) in changes.items():
        table[name] = table[name].astype(object)
        table.loc[(table[".imp"] == imputation) & (table[".id"] == row), name] = value
    return table


# Completed tables


@kinds
def test_completed_tables_come_back(kind):
    found = imputations(kind)
    assert (found.m, found.columns, found.cluster) == (M, IMPUTED, "school")
    for k in range(M):
        given, table = as_kind(completed(k), kind), found.complete(k + 1)
        assert type(table) is type(given)
        for name in IMPUTED:
            assert frame(table)[name].tolist() == frame(given)[name].tolist()
    assert found.levels("band") == ("low", "middle", "high")
    assert found.levels("ok") == (False, True)
    assert len(found.levels("sex")) == 3 and found.levels("x") == ()
    assert repr(found).endswith("level2 (11 cells); not imputed: note, remark>")


def test_a_column_may_be_left_out_of_completed_tables():
    found = jm.from_tables(original(), [completed(k).drop(columns=["x", "count"]) for k in range(M)])
    assert found.columns == IMPUTED[1:]
    assert found.complete(1)["x"].isna().sum() == 6


def test_integers_and_truth_values_imputed_as_numbers(expected):
    """mice imputes truth values by 0 and 1."""
    tables = [completed(k).astype({"ok": float, "whole": "Int64", "grade": float}) for k in range(M)]
    found = jm.from_tables(original(), tables)
    same(found, expected)
    assert found.complete(2)["ok"].tolist() == completed(1)["ok"].tolist()


def test_imputations_made_elsewhere_are_saved_and_not_extended(expected, tmp_path):
    expected.save(tmp_path)
    same(jm.load(tmp_path), expected)
    for found in (expected, jm.load(tmp_path)):
        with pytest.raises(ImputationError, match="were made of completed tables: make more where these were made"):
            found.extend(9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"count": 99},
            r"Imputation 1: column 'count' differs from the original in 1 observed cell\(s\).*: 12\. Row 12 has 99",
        ),
        ({"x": np.nan}, "'x' differs from the original in 1 observed cell.*Row 12 has nan"),
        ({"text": "b"}, "'text' differs"),
        ({"sure": "yes"}, "'sure' differs.*Row 12 has 'yes'"),
        ({"day": pd.Timestamp("2000-01-01")}, "'day' differs"),
        ({"moment": None}, "'moment' differs"),
        ({"level2": 3.0}, "'level2' differs"),
    ],
)
def test_an_observed_cell_that_differs_is_told(change, message):
    table = completed(0)
    for name, value in change.items():
        table[name] = table[name].astype(object)
        table.loc[12, name] = value
    with pytest.raises(ExchangeError, match=message):
        jm.from_tables(original(), [table, completed(1)])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", "high", "Imputation 2: column 'x' was imputed by"),
        ("x", np.inf, "Imputation 2: column 'x' was imputed by inf; it must have finite numbers"),
        ("sex", "dog", "Imputation 2: column 'sex' was imputed by 'dog'; its categories are 'girl', 'boy'"),
        ("ok", 2, r"'ok' was imputed by 2.*; its categories are False, True"),
        ("grade", 9.5, "'grade' was imputed by 9.5"),
        ("x", np.nan, r"Imputation 2: column 'x' is imputed, but 1 cell\(s\) are still missing, rows counted from 0: 3\."),
        ("note", 1.0, r"Imputation 1: column 'note' is imputed, but 14 cell\(s\) are still missing"),
    ],
)
def test_an_impossible_imputed_cell_is_told(name, value, message):
    table = completed(1)
    table[name] = table[name].astype(object)
    table.loc[5 if name in ("ok", "grade") else 3, name] = value
    with pytest.raises(ExchangeError, match=message):
        jm.from_tables(original(), [completed(0), table])


def test_columns_that_cannot_be_imputed_are_told():
    first, second = original(), completed(0)
    first.loc[3, "day"] = None
    with pytest.raises(ExchangeError, match="'day' was imputed but holds dates. Only numbers and categories"):
        jm.from_tables(first, [second])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (lambda: [], "as a list"),
        (lambda: completed(0), "as a list"),
        (lambda: [completed(0).iloc[1:]], "Imputation 1 has 39 rows, the original 40"),
        (lambda: [completed(0), completed(1).assign(more=1)], "Imputation 2 has columns that the original has not: 'more'"),
        (lambda: [completed(0), completed(1).drop(columns="x")], "Imputation 2 has other columns than imputation 1"),
        (lambda: [completed(0).iloc[::-1]], "must have the rows of the original in its order"),
    ],
)
def test_tables_that_are_no_completed_ones(tables, message):
    with pytest.raises(ExchangeError, match=message):
        jm.from_tables(original(), tables())


@pytest.mark.parametrize(("cluster", "message"), [("class", "no column 'class'"), ("x", "'x' has missing values")])
def test_the_cluster_must_be_a_complete_column(cluster, message):
    with pytest.raises(ExchangeError, match=message):
        jm.from_tables(original(), [completed(0)], cluster=cluster)


# Stacks


@kinds
def test_a_stack_comes_back(kind, expected):
    found = jm.read_long(imputations(kind).long(original=True), cluster="school")
    same(found, expected)
    assert found.cluster == "school"
    assert type(found.complete(1)) is type(imputations(kind).complete(1))
    assert frame(found.complete(0))["text"].tolist() == original()["text"].tolist()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@kinds
def test_files_come_back(kind, suffix, expected, tmp_path):
    path = tmp_path / "new" / f"long.{suffix}"
    imputations(kind).to_long(path)
    given = as_kind(original(), kind)
    found = jm.read_long(path, original=given)
    same(found, expected)
    for name in IMPUTED:
        assert frame(found.complete(3))[name].tolist() == frame(imputations(kind).complete(3))[name].tolist()


def test_a_csv_file_alone_has_texts_and_numbers(expected, tmp_path):
    expected.to_long(tmp_path / "long.csv")
    found = jm.read_long(tmp_path / "long.csv")
    assert found.columns == IMPUTED
    assert found.levels("band") == ("high", "low")
    assert found.levels("grade") == (), "numbers are not known to be categories"
    np.testing.assert_array_equal(found.values("x"), expected.values("x"))


def test_the_order_of_rows_does_not_matter(expected):
    shuffled = stack().sample(frac=1, random_state=1)
    given = original()
    found = jm.read_long(shuffled, original=given)
    same(found, expected)
    alone = jm.read_long(shuffled)
    order = shuffled.loc[shuffled[".imp"] == 0, ".id"].to_numpy()
    assert alone.complete(2)["x"].tolist() == expected.complete(2)["x"].iloc[order].tolist()


@pytest.mark.parametrize(
    "labels", [lambda k: k + 1, lambda k: 100 - 2 * k, lambda k: f"p{k}"], ids=["from 1", "numbers", "texts"]
)
def test_labels_of_rows(labels, expected):
    table = stack()
    table[".id"] = [labels(k) for k in table[".id"]]
    found = jm.read_long(table)
    same(found, expected)
    own = [labels(k) for k in range(N_ROWS)]
    assert found.complete(1).index.tolist() == (list(range(N_ROWS)) if own[0] == 1 else own)
    indexed = original().set_axis(own)
    same(jm.read_long(table.sample(frac=1, random_state=2), original=indexed), expected)


def test_a_stack_without_labels_of_rows(expected):
    same(jm.read_long(stack().drop(columns=".id"), row=None), expected)


def test_a_stack_without_the_original(expected):
    table = imputations().long()
    with pytest.raises(ExchangeError, match="There is no imputation 0.*original="):
        jm.read_long(table)
    same(jm.read_long(table, original=original()), expected)


def test_names_of_columns_as_in_jomo(expected):
    table = stack().rename(columns={".imp": "Imputation", ".id": "id"})
    table["Imputation"] = pd.Categorical(table["Imputation"].astype(str))
    same(jm.read_long(table, imputation="Imputation", row="id"), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=".id"), "no column '.id'"),
        (lambda t: t.drop(columns=".imp"), "no column '.imp'"),
        (lambda t: t[t[".imp"] != 2], "should number the imputations 1 to m.*holds 0, 1, 3"),
        (lambda t: t[t[".imp"] == 0], "should number the imputations"),
        (lambda t: t.assign(**{".imp": "a"}), "should number the imputations 0, 1, 2"),
        (lambda t: t.assign(**{".imp": t[".imp"] / 2}), "should number the imputations 1 to m"),
        (lambda t: t.assign(**{".imp": t[".imp"] - 1}), "should number the imputations 1 to m"),
        (lambda t: t.assign(**{".imp": t[".imp"].where(t.index != 4)}), "'.imp' has missing values in rows.*: 4"),
        (lambda t: t.assign(**{".id": 1}), "Imputation 0 has rows twice, by column '.id': 1"),
        (lambda t: t.drop(index=t.index[-1]), "Imputation 3 has other rows than the original: it lacks 39"),
        (lambda t: t[(t[".imp"] > 0) | (t[".id"] > 5)], "Imputation 1 has other rows than the original: it has besides 0, 1"),
        (lambda t: t.assign(**{"Unnamed: 0": 1}), "row.names = FALSE"),
    ],
)
def test_stacks_that_are_refused(change, message):
    with pytest.raises(ExchangeError, match=message):
        jm.read_long(change(stack()))


def test_an_altered_cell_of_a_stack_is_told():
    with pytest.raises(ExchangeError, match=r"Imputation 2: column 'count' differs.*Row 30 has -1"):
        jm.read_long(stack(count=(2, 30, -1)))


def test_an_original_that_is_not_that_of_the_stack():
    other = original()
    other.loc[30, "count"] = -1
    with pytest.raises(
        ExchangeError, match="Imputation 0 of the stack is not the original table: column 'count' differs in 1 .*: 30"
    ):
        jm.read_long(stack(), original=other)
    other = original()
    other.loc[30, "x"] = np.nan
    with pytest.raises(
        ExchangeError, match="Imputation 0 of the stack is not the original table: column 'x' differs in 1 .*: 30"
    ):
        jm.read_long(stack(), original=other)
    with pytest.raises(ExchangeError, match="cannot be found in the original table: imputation 1 has 40 rows.*39 rows"):
        jm.read_long(stack(), original=original().iloc[1:])


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.parquet"])
def test_files_that_cannot_be_read(name, tmp_path):
    with pytest.raises(ExchangeError, match="neither a .csv nor|cannot be read"):
        jm.read_long(tmp_path / name)


def test_files_that_cannot_be_written(expected, tmp_path):
    with pytest.raises(ExchangeError, match="neither a .csv nor a .parquet"):
        expected.to_long(tmp_path / "a.sav")
    odd = jm.from_tables(original().assign(odd=[1, "a"] * 20), [completed(0).assign(odd=[1, "a"] * 20)])
    with pytest.raises(ExchangeError, match="mix types"):
        odd.to_long(tmp_path / "a.parquet")

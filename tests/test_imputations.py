"""Completed tables: only missing cells are filled, whatever the kind of the table, and files give back what was saved."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning, ExchangeError, ImputationError
from jmimpute.imputation.schedule import schedule
from jmimpute.specification.settling import concrete
from jmimpute.table.reading import read

pytestmark = pytest.mark.sampling

FORMULA = "reading + maths + marks ~ sex + (1 | school)"
RESPONSES = ["reading", "maths", "marks"]
KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}
M = 4


def pupils():
    """Pupils of 8 schools with a float, a float32 and a whole-number response, and an index of their own."""
    table = jm.datasets.load("pupils")
    table = table[table["school"] < "school-09"]
    table = table.assign(
        maths=table["maths"].astype("float32"),
        marks=table["motivation"].mul(10).round().astype("Int64"),
        tested=pd.Timestamp("2024-05-01") + pd.to_timedelta(table["pupil"] % 9, unit="D"),
        band=pd.Categorical(np.where(table["age"] > 11, "old", None), categories=["young", "old"], ordered=True),
    )
    return table.drop(columns="motivation").set_index(pd.Index([f"p{k}" for k in table["pupil"]], name="code"))


def as_kind(kind):
    if kind == "pandas":
        return pupils()
    table = pl.from_pandas(pupils().reset_index(drop=True), nan_to_null=True)
    return table if kind == "polars" else table.to_arrow()


def fitted(data, formula=FORMULA):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return jm.JointModel(formula, data).fit(100, 200, 2, random_seed=1, progressbar=False)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def imputations(kind):
    return fitted(as_kind(kind)).impute(M, progressbar=False)


@pytest.fixture(scope="module")
def of_pandas():
    return fitted(pupils()).impute(M, progressbar=False)


def frame(table):
    """Any table as pandas with rows numbered from 0."""
    return read(table).frame


def same(first, second):
    """Assert that two tables of one kind are equal to the last bit."""
    assert type(first) is type(second)
    if isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    elif isinstance(first, pl.DataFrame):
        assert first.schema == second.schema and first.equals(second)
    else:
        assert first.column_names == second.column_names
        assert first.to_pydict() == second.to_pydict()


# Which draw each imputation uses


@pytest.mark.parametrize(("n_chains", "n_draws"), [(1, 1), (1, 7), (2, 100), (3, 64), (4, 1000)])
def test_every_imputation_has_a_draw_of_its_own(n_chains, n_draws):
    pairs = schedule(n_chains * n_draws, n_chains, n_draws)
    assert sorted(pairs) == [(chain, draw) for chain in range(n_chains) for draw in range(n_draws)]
    for m in range(1, min(len(pairs), 30)):
        assert schedule(m, n_chains, n_draws) == pairs[:m], "the first do not depend on how many there are"
    assert [chain for chain, _ in pairs[:n_chains]] == list(range(n_chains)), "chains take turns"


def test_draws_are_far_apart():
    for m in (4, 8, 16, 64):
        draws = sorted(draw for chain, draw in schedule(2 * m, 2, 1000) if chain == 0)
        assert np.diff(draws).min() > 1000 / m / 2.5


# One completed table


def test_what_was_imputed(imputations):
    original = imputations.original
    assert imputations.columns == tuple(RESPONSES)
    assert (imputations.m, len(imputations), imputations.cluster) == (M, M, "school")
    for name in RESPONSES:
        rows = np.flatnonzero(original[name].isna())
        assert rows.size > 10
        np.testing.assert_array_equal(imputations.rows(name), rows)
        assert imputations.values(name).shape == (M, len(rows))
        assert np.isfinite(imputations.values(name)).all()
        assert (imputations.values(name).std(axis=0) > 0).all(), "imputations of a cell differ"
    cells = ", ".join(f"{name} ({len(imputations.rows(name))} cells)" for name in RESPONSES)
    assert repr(imputations) == f"<4 imputations of {len(original)} rows: {cells}; not imputed: band>"


def test_completed_tables_have_observed_and_imputed_cells(imputations, kind):
    original = imputations.original
    for k in range(1, M + 1):
        completed = imputations.complete(k)
        assert type(completed) is KINDS[kind]
        found = frame(completed)
        assert list(found.columns) == list(original.columns)
        for name in RESPONSES:
            values = found[name].to_numpy(dtype=float)
            observed = original[name].notna().to_numpy()
            assert np.isfinite(values).all()
            np.testing.assert_array_equal(values[observed], original[name][observed].to_numpy(dtype=float))
            stored = imputations.values(name)[k - 1]
            np.testing.assert_array_equal(values[imputations.rows(name)], stored.astype(found[name].dtype))
        others = [name for name in original.columns if name not in RESPONSES]
        pd.testing.assert_frame_equal(found[others], original[others])


def test_dtypes(imputations, kind):
    completed = imputations.complete(1)
    if kind == "pandas":
        assert [str(completed[name].dtype) for name in RESPONSES] == ["float64", "float32", "float64"]
    elif kind == "polars":
        assert [completed.schema[name] for name in RESPONSES] == [pl.Float64, pl.Float32, pl.Float64]
    else:
        assert [completed.schema.field(name).type for name in RESPONSES] == [pa.float64(), pa.float32(), pa.float64()]


def test_pandas_index_is_kept(of_pandas):
    pd.testing.assert_index_equal(of_pandas.complete(3).index, pupils().index)
    assert list(of_pandas.original.index) == list(range(len(pupils())))


def test_complete_0_is_the_original(imputations, kind):
    same(imputations.complete(0), as_kind(kind))


def test_completed_tables_are_independent_copies(of_pandas):
    completed = of_pandas.complete(1)
    completed.loc[:, "reading"] = 0.0
    assert (of_pandas.complete(1)["reading"] != 0).all()
    same(of_pandas.complete(0), pupils())


@pytest.mark.parametrize("imputation", [M + 1, -1, True, False, 1.0, "1", None])
def test_there_is_no_other_imputation(of_pandas, imputation):
    with pytest.raises(ImputationError, match=r"numbered from 1 to 4 \(0: original\)") as caught:
        of_pandas.complete(imputation)
    assert repr(imputation) in str(caught.value)


def test_numpy_integers_are_fine(of_pandas):
    same(of_pandas.complete(np.int64(2)), of_pandas.complete(2))


@pytest.mark.parametrize("method", ["rows", "values"])
def test_columns_that_were_not_imputed(of_pandas, method):
    with pytest.raises(ImputationError, match="'age' was not imputed. Imputed columns: reading, maths, marks"):
        getattr(of_pandas, method)("age")


def test_kinds_of_tables_give_the_same_imputations():
    """The same cells in another kind of table, all numbers float64: nothing but the kind differs."""
    table = jm.datasets.load("pupils").iloc[:150]
    formula = "reading + maths ~ age + (1 | school)"
    first, second = (fitted(data, formula).impute(2, progressbar=False) for data in (table, pl.from_pandas(table)))
    for name in first.columns:
        np.testing.assert_array_equal(first.values(name), second.values(name))


def test_shuffled_rows_are_imputed_alike(of_pandas):
    shuffled = pupils().sample(frac=1, random_state=5)
    found = fitted(shuffled).impute(2, progressbar=False).complete(2)
    pd.testing.assert_index_equal(found.index, shuffled.index)
    same(found.loc[pupils().index], of_pandas.complete(2))


def test_nothing_to_impute():
    table = pupils().dropna(subset=RESPONSES)
    found = fitted(table).impute(2, progressbar=False)
    assert found.columns == ()
    assert repr(found) == f"<2 imputations of {len(table)} rows: nothing missing; not imputed: band>"
    same(found.complete(2), table)
    assert len(found.long(original=True)) == 3 * len(table)


# All of them


def test_iteration(imputations):
    tables = list(imputations)
    assert len(tables) == M
    for k, table in enumerate(tables):
        same(table, imputations.complete(k + 1))


@pytest.mark.parametrize("original", [False, True])
def test_long(imputations, kind, original):
    stacked = imputations.long(original=original)
    assert type(stacked) is KINDS[kind]
    found = frame(stacked)
    n = len(imputations.original)
    numbers = range(0 if original else 1, M + 1)
    assert list(found.columns) == [".imp", ".id", *imputations.original.columns]
    assert found[".imp"].tolist() == [k for k in numbers for _ in range(n)]
    assert found[".id"].tolist() == list(range(n)) * len(numbers)
    for k in numbers:
        part = found[found[".imp"] == k].reset_index(drop=True)
        expected = frame(imputations.complete(k))
        for name in imputations.original.columns:
            if name in RESPONSES:
                np.testing.assert_array_equal(
                    part[name].to_numpy(dtype=float, na_value=np.nan), expected[name].to_numpy(dtype=float, na_value=np.nan)
                )
            else:
                assert part[name].isna().tolist() == expected[name].isna().tolist()
                assert part[name].dropna().tolist() == expected[name].dropna().tolist()


def test_long_has_the_types_of_a_completed_table(of_pandas):
    dtypes = of_pandas.complete(1).dtypes
    for original in (False, True):
        assert of_pandas.long(original).dtypes[dtypes.index].to_dict() == dtypes.to_dict()


@pytest.mark.parametrize("name", [".imp", ".id"])
def test_long_needs_its_names(name):
    table = jm.datasets.load("pupils").iloc[:100].assign(**{name: 1})
    found = fitted(table, "reading ~ age").impute(1, progressbar=False)
    with pytest.raises(ImputationError, match=f"'{name}', which the long form needs. Rename it before imputing"):
        found.long()


def test_a_longer_run_continues_a_shorter_one(of_pandas):
    extended = of_pandas.extend(7)
    again = of_pandas._fit.impute(7, progressbar=False)
    assert extended.m == 7
    for name in RESPONSES:
        np.testing.assert_array_equal(extended.values(name)[:M], of_pandas.values(name))
        np.testing.assert_array_equal(extended.values(name), again.values(name))
        assert len(np.unique(extended.values(name)[:, 0])) == 7, "no imputation is used twice"
    assert of_pandas.m == M, "the shorter one is left alone"


def test_the_same_seed_gives_the_same_imputations(of_pandas):
    again = fitted(pupils()).impute(M, progressbar=False)
    for name in RESPONSES:
        np.testing.assert_array_equal(again.values(name), of_pandas.values(name))


@pytest.mark.parametrize("m", [M, 1, 0, True])
def test_extending_needs_more(of_pandas, m):
    with pytest.raises(ImputationError, match="There are 4 imputations already; m must be larger"):
        of_pandas.extend(m)


@pytest.mark.parametrize("m", ["9", 8.5, None])
def test_extending_needs_a_whole_number(of_pandas, m):
    with pytest.raises(ImputationError, match="must be a whole number"):
        of_pandas.extend(m)


def test_more_than_there_are_draws(of_pandas):
    with pytest.raises(ImputationError, match="201 imputations need 201 posterior draws"):
        of_pandas.extend(201)


# Files


def test_files_give_back_what_was_saved(imputations, kind, tmp_path):
    imputations.save(tmp_path / "new" / "folder")
    loaded = jm.load(tmp_path / "new" / "folder")
    assert (loaded.m, loaded.cluster, loaded.columns) == (M, "school", tuple(RESPONSES))
    assert loaded.provenance == imputations.provenance
    for k in range(M + 1):
        same(loaded.complete(k), imputations.complete(k))
    for name in RESPONSES:
        np.testing.assert_array_equal(loaded.rows(name), imputations.rows(name))
        np.testing.assert_array_equal(loaded.values(name), imputations.values(name))
    pd.testing.assert_frame_equal(loaded.original, imputations.original)


def test_loaded_imputations_cannot_be_extended(of_pandas, tmp_path):
    of_pandas.save(tmp_path)
    with pytest.raises(ImputationError, match=r"load_fit\(path\).impute\(m\)"):
        jm.load(str(tmp_path)).extend(9)


def test_a_loaded_fit_gives_the_same_imputations(of_pandas, tmp_path):
    of_pandas._fit.save(tmp_path)
    again = jm.load_fit(tmp_path).impute(M + 1, progressbar=False)
    same(again.complete(M), of_pandas.complete(M))


def test_imputations_of_nothing_are_saved(tmp_path):
    found = fitted(pupils().dropna(subset=RESPONSES)).impute(2, progressbar=False)
    found.save(tmp_path)
    loaded = jm.load(tmp_path)
    assert (loaded.m, loaded.columns) == (2, ())


def test_provenance_is_enough_to_fit_again(of_pandas):
    record = of_pandas.provenance
    assert record["formulas"] == [FORMULA]
    assert (record["seed"], record["settings"]["draws"], record["settings"]["chains"]) == (1, 100, 2)
    assert jm.priors.from_record(record["priors"]) == concrete(jm.priors.default())
    assert {"jmimpute", "numpy", "numba"} <= set(record["versions"])


def test_saved_files_are_parquet_and_json_only(of_pandas, tmp_path):
    of_pandas.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.parquet", "manifest.json", "table.parquet"]
    for path in tmp_path.glob("*.parquet"):
        content = path.read_bytes()
        assert content[:4] == content[-4:] == b"PAR1"
        assert b"pickle" not in content and b"\x80\x04\x95" not in content and b"\x80\x05\x95" not in content


def test_a_fit_is_saved_as_netcdf_parquet_and_json(of_pandas, tmp_path):
    of_pandas._fit.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "posterior.nc", "table.parquet"]
    assert (tmp_path / "posterior.nc").read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"


def test_a_column_of_mixed_types_cannot_be_saved(tmp_path):
    table = jm.datasets.load("pupils").iloc[:100].assign(note=[1, "a"] * 50)
    found = fitted(table, "reading ~ age").impute(1, progressbar=False)
    assert found.complete(1)["note"].tolist() == [1, "a"] * 50
    with pytest.raises(ExchangeError, match="convert them to text or drop them"):
        found.save(tmp_path)


def test_saving_over_other_imputations_replaces_them(of_pandas, tmp_path):
    of_pandas.save(tmp_path)
    of_pandas._fit.impute(2, progressbar=False).save(tmp_path)
    assert jm.load(tmp_path).m == 2

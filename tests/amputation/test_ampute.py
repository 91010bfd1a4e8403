"""Tables go in and come out as they were but for the holes; what cannot be done is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import jmimpute as jm
from jmimpute.errors import AmputationError, TableError

holes = jm.holes
NAN = np.nan


def small():
    n = 60
    return pd.DataFrame(
        {
            "g": [f"s{k}" for k in np.arange(n) % 6],
            "whole": np.arange(n),
            "byte": np.arange(n, dtype="uint8"),
            "decimal": np.arange(n) / 7,
            "single": np.arange(n, dtype="float32"),
            "truth": np.arange(n) % 4 == 0,
            "text": [f"row {k}" for k in range(n)],
            "grade": pd.Categorical(["low"] * 20 + ["high"] * 40, ["low", "middle", "high"], ordered=True),
            "day": pd.date_range("2020-01-01", periods=n),
            "x": np.arange(n) % 7,
            "size": np.arange(n) % 6,
            "partly": np.where(np.arange(n) < 3, NAN, np.arange(n)),
        },
        index=np.arange(n)[::-1] // 2,
    )


PUNCHED = ["whole", "byte", "decimal", "single", "truth", "text", "grade", "day"]


def test_pandas_tables_keep_cells_order_index_and_types():
    table = small()
    before = table.copy()
    made = jm.ampute(table, holes.mcar(PUNCHED, 0.3), random_seed=1)
    pd.testing.assert_frame_equal(table, before)
    types = {"whole": "Int64", "byte": "UInt8", "truth": "boolean"}
    for column in table:
        assert made.data[column].dtype == types.get(column, table[column].dtype)
    hole = made.missing["whole"].to_numpy()
    assert 5 < hole.sum() < 35
    assert made.data.index.equals(table.index)
    assert made.data.loc[hole, PUNCHED].isna().all(axis=None)
    assert made.data[~hole].astype(table.dtypes).equals(table[~hole])


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_tables_keep_cells_order_and_types(kind):
    native = pl.from_pandas(small().reset_index(drop=True))
    native = native if kind == "polars" else native.to_arrow()
    descriptions = holes.mcar(PUNCHED, 0.3), holes.mar("size", 0.5, {"x": 1}, kind="level-2")
    made = jm.ampute(native, *descriptions, cluster="g", random_seed=1)
    assert type(made.data) is type(native) and made.data.schema == native.schema
    before, after = (pl.DataFrame(one) if kind == "polars" else pl.from_arrow(one) for one in (native, made.data))
    for column in PUNCHED:
        hole = made.missing[column].to_numpy()
        assert after[column].is_null().to_numpy().tolist() == hole.tolist() and 5 < hole.sum() < 35
        assert after[column].filter(~pl.Series(hole)).to_list() == before[column].filter(~pl.Series(hole)).to_list()
    same = jm.ampute(small().reset_index(drop=True), *descriptions, cluster="g", random_seed=1)
    pd.testing.assert_frame_equal(same.hits, made.hits)


def test_holes_stay_with_their_units_when_rows_are_shuffled():
    _, table = jm.datasets.simulate_pupils(random_seed=1, return_complete=True)
    descriptions = (
        holes.mar("reading", 0.3, {"age": 1, "sex": {"girl": 1}}),
        holes.heckman("maths", 0.3, {"age": 1}, 0.6, cluster_sd=0.5),
        holes.mcar("motivation", 0.3, kind="systematic"),
    )
    made = jm.ampute(table, *descriptions, cluster="school", random_seed=1)
    shuffled = table.sample(frac=1, random_state=1)
    again = jm.ampute(shuffled, *descriptions, cluster="school", random_seed=1)
    pd.testing.assert_frame_equal(again.data.loc[table.index], made.data)
    probabilities = again.probabilities.set_axis(shuffled.index).loc[table.index]
    pd.testing.assert_frame_equal(probabilities, made.probabilities, check_exact=True)
    other = jm.ampute(table, *descriptions, cluster="school", random_seed=2)
    assert not other.missing.equals(made.missing)


def test_cells_that_are_missing_stay_so_and_are_no_new_holes():
    table = small()
    made = jm.ampute(table, holes.mcar("partly", 0.9), random_seed=1)
    assert made.data["partly"].isna().sum() == 3 + made.missing["partly"].sum()
    assert not made.missing["partly"].to_numpy()[:3].any() and made.hits.to_numpy()[:3].any()


def test_summary():
    made = jm.ampute(
        small(), holes.mcar(["x", "whole"], 0.3), holes.mcar("size", 0.5, kind="level-2"), cluster="g", random_seed=1
    )
    found = made.summary.to_dict("records")
    assert found[0]["columns"] == "x, whole" and found[1]["units"] == "clusters"
    assert found[1]["hit"] == made.missing["size"].sum() / 60, "clusters are of one size"
    text = str(made)
    assert f"Cells made missing: whole {made.missing['x'].sum()}, x {made.missing['x'].sum()}, size " in text
    assert "level-2  clusters" in text


# What cannot be done


@pytest.mark.parametrize(
    ("descriptions", "message"),
    [
        ([], "no holes to make"),
        (["x"], "'x' does not describe holes"),
        ([holes.mcar("no", 0.2)], "no column 'no'. Choose 'g', 'whole'"),
        ([holes.mar("x", 0.2, {"no": 1})], "no column 'no'"),
        ([holes.mar("x", 0.2, {"cluster_mean(no)": 1})], "no column 'no'"),
        ([holes.heckman("x", 0.2, {"whole": 1}, 0.5, given="no")], "no column 'no'"),
        ([holes.mcar("g", 0.2)], "cluster column 'g' cannot have holes"),
        ([holes.mar("x", 0.2, {"partly": 1})], "'partly' has a weight but has missing values in 3.*: 0, 1, 2"),
        ([holes.mar("x", 0.2, {"grade": 1})], "'grade' is not numeric. Give weights of categories, such as {'grade': {'low'"),
        ([holes.mar("x", 0.2, {"truth": 1})], "'truth' is not numeric"),
        ([holes.mar("x", 0.2, {"grade": {"middle": 1}})], "'grade' has no value 'middle'.* It has 'low', 'high'"),
        ([holes.mar("x", 0.2, {"infinite": 1})], "'infinite' has infinite values in 1.*: 4"),
        ([holes.mar("x", 0.2, {"constant": 1})], "'constant' has a weight for the holes in x, but does not vary"),
        ([holes.mar("x", 0.2, {"balanced": 1}, kind="systematic")], "'balanced' has a weight.*its cluster means do not vary"),
        ([holes.mar("x", 0.2, {"cluster_mean(balanced)": 1})], "its cluster means do not vary"),
        ([holes.mcar("x", 0.2, kind="level-2")], "'x' is to lose.* but it varies within 6.*kind='systematic'"),
        ([holes.mcar("size", 0.2)], "'size' never varies within clusters.*kind='level-2'"),
        ([holes.mcar("size", 0.2, kind="systematic")], "'size' never varies within clusters.*kind='level-2'"),
        ([holes.mar("x", 0.2, {"whole": 1}), holes.mcar("whole", 0.2)], "holes in x depend on 'whole', in which others are"),
        ([holes.heckman("x", 0.2, {"whole": 1}, 0.5), holes.mcar("whole", 0.2)], "holes in x depend on 'whole'"),
        ([holes.heckman("partly", 0.2, {"whole": 1}, 0.5)], "'partly' is used by a selection model but has missing values"),
        ([holes.heckman("grade", 0.2, {"whole": 1}, 0.5)], "'grade' is not numeric.*jm.holes.mnar"),
        ([holes.heckman("x", 0.2, {"whole": 1}, 0.5, given="infinite")], "'infinite' has infinite values"),
        ([holes.heckman("x", 0.2, {"whole": 1}, 0.5, given=["whole", "twice_x"])], "'x' is determined by whole, twice_x"),
        ([holes.mcar("lists", 0.2)], "'lists' holds values that are neither numbers nor texts, such as \\[1\\]"),
        ([holes.mcar("x", 0.99999)], "leave no value in x"),
    ],
)
def test_impossible_holes_are_refused(descriptions, message):
    table = small().assign(constant=0.1, infinite=np.where(np.arange(60) == 4, np.inf, 1), twice_x=lambda t: 2 * t["x"])
    table["lists"] = [[1]] * 60
    table["balanced"] = np.arange(60) // 6
    with pytest.raises(AmputationError, match=message):
        jm.ampute(table, *descriptions, cluster="g", random_seed=1)


@pytest.mark.parametrize(
    "description",
    [
        holes.mcar("x", 0.2, kind="systematic"),
        holes.mar("x", 0.2, {"cluster_mean(whole)": 1}),
        holes.heckman("x", 0.2, {"whole": 1}, 0.5, cluster_sd=1),
    ],
)
def test_clusters_are_needed(description):
    with pytest.raises(AmputationError, match="holes in x need clusters"):
        jm.ampute(small(), description)


def test_exclusive_holes_refuse_what_they_cannot_do():
    with pytest.raises(AmputationError, match="add up to 1.1"):
        jm.ampute(small(), holes.mcar("x", 0.5), holes.mcar("whole", 0.6), exclusive=True)
    by_cluster = holes.mcar("whole", 0.2, kind="systematic")
    with pytest.raises(AmputationError, match="holes in x depend on 'whole'"):
        jm.ampute(small(), holes.mar("x", 0.2, {"whole": 1}), by_cluster, cluster="g", exclusive=True)


def test_unusable_tables_are_refused():
    with pytest.raises(TableError, match="not a table"):
        jm.ampute([1, 2], holes.mcar("x", 0.2))
    with pytest.raises(TableError, match="1 row.*: 0"):
        jm.ampute(pd.DataFrame({"x": [1, 2, 3], "g": [None, 1, 1]}), holes.mcar("x", 0.2), cluster="g")

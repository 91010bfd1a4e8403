"""A table with columns of every kind, filled by chance: imputations whose cells are known, without a model."""

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import jmimpute as jm
from jmimpute.table.reading import read

N_ROWS, M = 40, 3
IMPUTED = ("x", "whole", "sex", "band", "grade", "ok", "level2")


def complete(rng):
    """A table without missing cells; `school` is the cluster, `level2` belongs to it."""
    school = np.repeat(np.arange(8), N_ROWS // 8)
    return pd.DataFrame(
        {
            "school": [f"school {k}" for k in school],
            "x": rng.normal(size=N_ROWS) * 10.0 ** rng.integers(-6, 6, N_ROWS),
            "whole": rng.integers(0, 9, N_ROWS).astype(float),
            "sex": pd.Categorical(rng.choice(["boy", "girl"], N_ROWS), ["girl", "boy", "not \"said\", 'é' \\ 漢"]),
            "band": pd.Categorical(rng.choice(["low", "high"], N_ROWS), ["low", "middle", "high"], ordered=True),
            "grade": pd.Categorical(rng.choice([10, 9], N_ROWS), [9, 10, 11]),
            "ok": rng.choice([True, False], N_ROWS),
            "level2": rng.normal(size=8)[school],
            "count": rng.integers(0, 50, N_ROWS),
            "sure": rng.choice([True, False], N_ROWS),
            "day": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(N_ROWS), unit="D"),
            "moment": pd.Timestamp("2024-05-01 13:14:15") + pd.to_timedelta(np.arange(N_ROWS), unit="h"),
            "text": [f"NA {k}, 'a' \"b\" ü" for k in range(N_ROWS)],
        }
    )


def original():
    """The table with missing cells; those of `note` and `remark` are not imputed."""
    table = complete(np.random.default_rng(1))
    table["note"] = np.where(np.arange(N_ROWS) % 3, 1.5, np.nan)
    table["remark"] = pd.Series(["good", "bad", None, "well"] * (N_ROWS // 4), dtype="str")
    table["ok"] = table["ok"].astype("boolean")
    for place, name in enumerate(IMPUTED):
        table.loc[place : place + 5, name] = None
    table.loc[table["school"] == "school 3", "level2"] = np.nan
    return table


def completed(k):
    """The table filled by chance."""
    table, other = original(), complete(np.random.default_rng(100 + k))
    for name in IMPUTED:
        absent = table[name].isna()
        table.loc[absent, name] = other.loc[absent, name]
    return table.astype({"ok": bool})


def as_kind(table, kind):
    if kind == "pandas":
        return table
    if kind == "pyarrow":
        return pa.Table.from_pandas(table)
    # Categories of polars are texts; those of Enum alone keep their order and the unused ones.
    dtypes = {name: pl.Enum([str(label) for label in table[name].cat.categories]) for name in ("sex", "band", "grade")}
    texts = table.assign(grade=table["grade"].cat.rename_categories(str).astype("str"))
    return pl.from_pandas(texts).with_columns(pl.col(name).cast(dtype) for name, dtype in dtypes.items())


@cache
def imputations(kind="pandas"):
    tables = [as_kind(completed(k), kind) for k in range(M)]
    return jm.from_tables(as_kind(original(), kind), tables, cluster="school")


def same(found, expected, *, rtol=0.0):
    """Assert that two Imputations hold the same, whatever the kind of their tables."""
    assert (found.m, found.columns) == (expected.m, expected.columns)
    for name in expected.columns:
        np.testing.assert_array_equal(found.rows(name), expected.rows(name))
        assert [str(level) for level in found.levels(name)] == [str(level) for level in expected.levels(name)]
        if expected.levels(name):
            assert found.values(name).astype("str").tolist() == expected.values(name).astype("str").tolist()
        else:
            np.testing.assert_allclose(found.values(name), expected.values(name), rtol=rtol, atol=0)
    assert list(found.original.columns) == list(expected.original.columns)


def frame(table):
    return read(table).frame

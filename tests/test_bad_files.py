"""Folders and files that are corrupt, foreign or do not fit together."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import (
    ConvergenceWarning,
    ExchangeError,
)
from tests.test_bad_input import FORMULA, pupils


@pytest.fixture(scope="module")
def fit():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return jm.JointModel(FORMULA, pupils()).fit(30, 100, 2, random_seed=1, progressbar=False)


@pytest.fixture(scope="module")
def saved(fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    fit.impute(3, progressbar=False).save(folder / "imputations")
    fit.save(folder / "fit")
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """A folder with `imputations` and `fit` that a test may damage."""
    return shutil.copytree(saved, tmp_path / "copy")


def edit(folder, **changed):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.update(changed)
    (folder / "manifest.json").write_text(json.dumps({key: value for key, value in manifest.items() if value != "drop"}))


def load_refused(load, folder, *parts):
    with pytest.raises(ExchangeError) as caught:
        load(folder)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


BOTH = pytest.mark.parametrize(("load", "name"), [(jm.load, "imputations"), (jm.load_fit, "fit")])


@pytest.mark.sampling
@BOTH
def test_undamaged_files_load(copy, load, name):
    load(copy / name)


@pytest.mark.parametrize("load", [jm.load, jm.load_fit])
def test_folders_that_are_not_ours(load, tmp_path):
    load_refused(load, tmp_path / "nowhere", "nowhere", "manifest.json", "not a folder that jmimpute saved")
    load_refused(load, tmp_path, "manifest.json", "not a folder that jmimpute saved")
    (tmp_path / "file").write_text("text")
    load_refused(load, tmp_path / "file", "file")


@pytest.mark.sampling
@BOTH
@pytest.mark.parametrize("content", [b"garbage {", b"", b"\xff\xfe\x00", b'{"jmimpute": "fit"'])
def test_a_garbage_manifest(copy, load, name, content):
    (copy / name / "manifest.json").write_bytes(content)
    load_refused(load, copy / name, "manifest.json", "corrupt or not ours")


@BOTH
@pytest.mark.parametrize("content", ["[]", "3", "null", "{}", '{"jmimpute": "report", "format": 1}'])
def test_a_foreign_manifest(tmp_path, load, name, content):
    (tmp_path / "manifest.json").write_text(content)
    load_refused(load, tmp_path, "report" if "report" in content else "something else", f"not '{name}'")


@pytest.mark.sampling
def test_the_wrong_kind(copy):
    load_refused(jm.load, copy / "fit", "holds 'fit', not 'imputations'")
    load_refused(jm.load_fit, copy / "imputations", "holds 'imputations', not 'fit'")


@pytest.mark.sampling
@BOTH
def test_a_newer_format(copy, load, name):
    edit(copy / name, format=2)
    load_refused(load, copy / name, "format 2; this version reads 1", "Update jmimpute")


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("load", "name", "key"),
    [
        *((jm.load, "imputations", key) for key in ("m", "columns", "cluster", "table", "provenance")),
        *((jm.load_fit, "fit", key) for key in ("table", "formulas", "priors", "seed", "settings")),
    ],
)
def test_a_manifest_that_lacks_a_key(copy, load, name, key):
    edit(copy / name, **{key: "drop"})
    load_refused(load, copy / name, f"lacks '{key}'", "corrupt")


@pytest.mark.sampling
@BOTH
def test_an_unknown_kind_of_table(copy, load, name):
    edit(copy / name, table="pickle")
    load_refused(load, copy / name, "table.parquet", "kind 'pickle'")


@pytest.mark.sampling
@pytest.mark.parametrize("damage", ["truncated", "missing", "foreign"])
@pytest.mark.parametrize(
    ("load", "name", "file"),
    [
        (jm.load, "imputations", "table.parquet"),
        (jm.load, "imputations", "cells.parquet"),
        (jm.load_fit, "fit", "table.parquet"),
        (jm.load_fit, "fit", "posterior.nc"),
    ],
)
def test_a_damaged_file(copy, load, name, file, damage):
    path = copy / name / file
    content = path.read_bytes()
    path.write_bytes(b"a,b\n1,2\n" if damage == "foreign" else content[: len(content) // 2])
    if damage == "missing":
        path.unlink()
    load_refused(load, copy / name, file, "cannot be read")


@pytest.mark.sampling
@pytest.mark.parametrize("m", [4, 2, 0, -1, True, "3", None, 2.5])
def test_a_wrong_number_of_imputations(copy, m):
    edit(copy / "imputations", m=m)
    load_refused(jm.load, copy / "imputations", "cells.parquet cannot be read")


def change_cells(folder, change):
    path = folder / "cells.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda cells: cells.assign(row=cells["row"] + 1), "'maths' do not fit the missing cells of the table"),
        (lambda cells: cells.iloc[1:], "'maths' do not fit the missing cells of the table"),
        (lambda cells: cells[cells["column"] == "maths"], "english"),
        (lambda cells: cells.assign(column=cells["column"].replace("english", "science")), "science"),
        (lambda cells: cells.rename(columns={"2": "two"}), "cells.parquet cannot be read"),
        (lambda cells: cells.assign(**{"2": np.nan}), "missing or infinite"),
        (lambda cells: cells.assign(**{"2": "text"}), "cells.parquet cannot be read"),
    ],
)
def test_cells_that_do_not_fit_the_table(copy, change, part):
    change_cells(copy / "imputations", change)
    load_refused(jm.load, copy / "imputations", part)


@pytest.mark.sampling
def test_a_table_that_does_not_fit_the_cells(copy):
    path = copy / "imputations" / "table.parquet"
    pd.read_parquet(path).fillna({"maths": 1.0}).to_parquet(path)
    load_refused(jm.load, copy / "imputations", "'maths' do not fit the missing cells of the table")


def test_a_column_that_parquet_cannot_hold(tmp_path):
    from jmimpute.table.reading import read
    from jmimpute.table.storage import write_table

    with pytest.raises(ExchangeError, match="cannot be written.*mix types.*convert them to text or drop them"):
        write_table(read(pupils(sex=[1, "a"] * 20)), tmp_path / "table.parquet")

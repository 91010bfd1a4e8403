"""Influx and outflux are those of mice."""

import json
import subprocess
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jmimpute.inspection import inspect

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "flux.json").read_text(encoding="utf-8"))
COLUMNS = ["pobs", "influx", "outflux", "ainb", "aout", "fico"]


def test_flux_is_that_of_mice():
    table = pd.DataFrame(REFERENCE["data"], dtype=float)
    found = inspect(table).flux
    assert list(found.columns) == COLUMNS and list(found.index) == list(table.columns)
    expected = pd.DataFrame(REFERENCE["flux"], index=found.index, dtype=float)
    # mice leaves 0 / 0 to R, and so do we: nothing is observed of `never`.
    assert np.isnan(found.loc["never", "fico"])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_nothing_missing():
    found = inspect(pd.DataFrame({"x": [1, 2], "y": [1, 2]})).flux
    expected = pd.DataFrame(REFERENCE["flux_without_holes"], dtype=float)
    assert found["outflux"].isna().all()
    np.testing.assert_allclose(found.drop(columns="outflux"), expected.drop(columns="outflux"))


def test_a_single_column():
    found = inspect(pd.DataFrame({"x": [1.0, np.nan, 3, 4]})).flux.loc["x"]
    assert found["pobs"] == 0.75 and found["influx"] == 0 and found["outflux"] == 0
    assert np.isnan(found["ainb"]) and np.isnan(found["aout"])


def mice(code, table, path):
    """Run R code on a table and read what it prints as CSV."""
    table.to_csv(path, index=False)
    command = ["Rscript", "-e", f"suppressMessages(library(mice)); data <- read.csv('{path}'); {code}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("needs R with mice")
    return pd.read_csv(StringIO(done.stdout), index_col=0)


def test_flux_side_by_side_with_mice(tmp_path):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(np.where(rng.random((60, 5)) < [0, 0.1, 0.3, 0.6, 0.9], np.nan, 1.0), columns=list("abcde"))
    expected = mice("write.csv(flux(data), quote = FALSE)", table, tmp_path / "table.csv")
    found = inspect(table).flux
    assert list(expected.columns) == COLUMNS
    np.testing.assert_allclose(found, expected, rtol=1e-12)

"""The shipped model of the IMPACT studies: what it reads, and that it converges."""

import json
import time
from pathlib import Path

import pandas as pd
import pytest

import jmimpute as jm
from jmimpute import workflow
from jmimpute.case import read_case
from jmimpute.table.files import read_data

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "impact_incomplete.csv"


@pytest.fixture(scope="module")
def impact():
    """The case and its table."""
    if not DATA.exists():
        pytest.skip(f"{DATA.name} is not at {DATA.parent}")
    return read_case(ROOT / "models" / "impact.toml"), read_data(DATA)


def test_categories_are_read_as_they_are_meant(impact):
    case, data = impact
    table = workflow.categorised(data, case.families())
    assert table["pupil"].cat.categories.tolist() == ["Both", "One", "None"]
    assert table["pupil"].value_counts().min() > 1000 and table["pupil"].isna().sum() == 1184
    model = jm.JointModel(case.model.formulas, table, families=case.families(), priors=case.priors())
    assert model.specification.layout.responses == ("pupil", "ct.1", "ct.2", "hypox", "hypots", "tsah", "edh")
    assert model.specification.n_clusters == 15


@pytest.mark.slow
@pytest.mark.sampling
def test_the_whole_job_converges(impact, tmp_path):
    started = time.perf_counter()
    workflow.run(*impact, tmp_path, seed=1, progressbar=False)
    took = time.perf_counter() - started
    summary = pd.read_csv(tmp_path / "posterior_summary.csv", index_col=0)
    print(f"{took:.0f} s, R-hat to {summary['r_hat'].max():.4f}, bulk ESS from {summary['ess_bulk'].min():.0f}")
    assert json.loads((tmp_path / "manifest.json").read_text())["converged"]
    assert summary["r_hat"].max() < 1.01
    assert summary["ess_bulk"].min() > 400
    pooled = pd.read_csv(tmp_path / "pooled.csv", index_col="term")
    assert pooled.index[-4:].tolist() == ["pupil[One]", "pupil[None]", "ct[III]", "ct[IV/V]"]
    assert (pooled["estimate"][-4:] > 4 * pooled["std_error"][-4:]).all()
    assert (tmp_path / "imputed_by_cluster.png").stat().st_size > 10_000

"""The model files of `models/`: documented, right for their data, and able to do the whole job; in full they converge."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute import cli, workflow
from jmimpute.case import read_case
from jmimpute.table.files import read_data
from tests.report.browser import BROWSER, loaded

ROOT = Path(__file__).parents[1]
FILES = {path.stem: path for path in sorted(ROOT.glob("models/*.toml"))}
SHORT = ["--draws", "50", "--tune", "100", "--chains", "2", "-m", "2"]
#: Models of which a short run is short, and which are of different kinds; the others run with the slow tests only.
QUICK = {"exam_level2", "obesity_like", "survey_single_level"}
#: Models whose short runs are reported. In full all are.
REPORTED = {"survey_single_level"}
PARTS = ("Data", "Question", "Model", "Look at")

BODY_MASS = ["Intercept", "age", "sex[male]", "famhist[yes]"]
JSP = ["Intercept", "ravens", "sex"]
FLUENT = [*JSP, "fluent[1]", "fluent[2]"]
EXAM = ["Intercept", "standlrt"]
#: Coefficients of the analyses, in order; a new model has to be put here.
TERMS = {
    "exam_continuous": [*EXAM, "sex[girl]"],
    "exam_level2": [*EXAM, "avslrt", "sex[girl]", "schgend[girlsch]", "schgend[mixedsch]"],
    "hiv_selection": ["Intercept", "age", "I(age ** 2)", "marital[formerly married]", "marital[never married]"]
    + ["condom[No Condom Last Intercourse]"],
    "impact": ["Intercept", "type[RCT]", "age", *(f"motor_score[{k}]" for k in ("3", "4", "5/6"))]
    + ["pupil[One]", "pupil[None]", "ct[III]", "ct[IV/V]"],
    "jsp": FLUENT,
    "jsp_cluster_specific": JSP,
    "jsp_continuous": JSP,
    "jsp_ordinal": FLUENT,
    "jsp_random_covariance": FLUENT,
    "obesity_like": BODY_MASS,
    "popmis": ["Intercept", "sex", "texp", "sex:texp"],
    "popularity": ["Intercept", "gender_ij[girl]", "extraversion_ij", "experience_j", "extraversion_ij:experience_j"],
    "pupils_formulas": ["Intercept", "reading", "maths", "sex[girl]"],
    "survey_single_level": BODY_MASS,
}


def test_all_models_are_tested():
    assert set(FILES) == set(TERMS)


def needs_data(case):
    """Skip where a public data set is not at hand; nothing is downloaded for a test."""
    public = jm.datasets.available()
    folder = os.environ.get("JMIMPUTE_DATA", "")
    if case.data in public.index and not (folder and (Path(folder) / public.loc[case.data, "file"]).is_file()):
        pytest.skip(f"needs {public.loc[case.data, 'file']} in the folder that JMIMPUTE_DATA names, or in ../shared/data")


def run(*arguments):
    """Run the command line in this process; return its exit status."""
    with pytest.raises(SystemExit) as stop:
        cli.main([*map(str, arguments)])
    return stop.value.code or 0


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_models_are_documented(path):
    """Data with source and licence, question, reasons, what to look at; other files of which they speak are there."""
    case = read_case(path)
    assert re.findall(r"^([A-Z][a-z ]+): ", case.description, flags=re.MULTILINE) == list(PARTS)
    assert "licence" in case.description.split("\n\n")[0]
    assert case.data in (*jm.datasets.available().index, "pupils", "survey")
    for name in re.findall(r"[\w/]+\.(?:toml|py)\b", case.description):
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "models")), name
    assert case.priors() and case.missing() is not None and case.analysis is not None


@pytest.mark.sampling
@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FILES])
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning", "ignore::jmimpute.errors.IdentificationWarning")
def test_models_run(name, tmp_path):
    """From the command line, with few draws: all files, all cells, all terms, and the same from disk."""
    needs_data(read_case(FILES[name]))
    assert run("run", FILES[name], "--seed", 1, "--out", tmp_path, "--no-progress", *SHORT) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [file for file in manifest["files"] if not (tmp_path / file).exists()] == []
    assert (manifest["m"], manifest["seed"], manifest["settings"]["draws"], manifest["settings"]["chains"]) == (2, 1, 50, 2)
    pooled = pd.read_csv(tmp_path / "pooled.csv")
    assert pooled["term"].tolist() == TERMS[name]
    assert np.isfinite(pooled[["estimate", "std_error"]]).all(axis=None) and (pooled["std_error"] > 0).all()
    imputations = jm.load(tmp_path / "imputations")
    assert not imputations.complete(2)[list(imputations.columns)].isna().any(axis=None)
    again = jm.load_fit(tmp_path / "fit").impute(2, progressbar=False)
    for column in imputations.columns:
        np.testing.assert_array_equal(again.values(column), imputations.values(column))
    if name in REPORTED:
        reports(name, tmp_path)


def reports(name, folder):
    """`jmimpute report` tells of every term of the analysis, and a browser finds nothing wrong and nothing to fetch."""
    assert run("report", folder) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert [term for term in TERMS[name] if term not in page] == []
    if BROWSER:
        dom, *complaints = loaded(folder / "report.html")
        assert dom.count("<section") == 10 and complaints == [[], set()]


@pytest.mark.slow
@pytest.mark.sampling
@pytest.mark.parametrize("name", FILES)
def test_models_converge(name, tmp_path):
    """As they are: a sufficient effective sample size, and what is known of the answers."""
    case = read_case(FILES[name])
    needs_data(case)
    workflow.run(case, workflow.data_of(case), tmp_path, seed=1, progressbar=False)
    summary = pd.read_csv(tmp_path / "posterior_summary.csv", index_col=0)
    print(f"R-hat to {summary['r_hat'].max():.4f}, bulk ESS from {summary['ess_bulk'].min():.0f}")
    assert json.loads((tmp_path / "manifest.json").read_text())["converged"]
    assert summary["ess_bulk"].min() > 400
    pooled = pd.read_csv(tmp_path / "pooled.csv", index_col="term")
    assert pooled.index.tolist() == TERMS[name]
    KNOWN.get(name, lambda pooled, summary: None)(pooled, summary)
    reports(name, tmp_path)


def of_impact(pooled, summary):
    """Pupils and CT classes tell of mortality beyond doubt."""
    assert (pooled["estimate"][-4:] > 4 * pooled["std_error"][-4:]).all()


def of_survey(pooled, summary):
    """One data set: rho within 4 posterior sds of the truth, which is far from 0."""
    rho = summary.loc["rho_weight"]
    assert abs(rho["mean"] + 0.6) < 4 * rho["sd"] and rho["mean"] < -6 * rho["sd"]


def of_popularity(pooled, summary):
    """The interaction is seen, and weaker than the -0.0247 of the complete data."""
    interaction = pooled.loc["extraversion_ij:experience_j"]
    assert -0.0247 < interaction["estimate"] < -4 * interaction["std_error"]


KNOWN = {"impact": of_impact, "obesity_like": of_survey, "popularity": of_popularity}


# Categories are read as they are meant


def model_of(name, data):
    case = read_case(FILES[name])
    table = workflow.categorised(data, case.families())
    return table, jm.JointModel(case.model.formulas, table, families=case.families(), priors=case.priors())


def test_states_of_pupils_are_not_missing():
    case = read_case(FILES["impact"])
    needs_data(case)
    table, model = model_of("impact", workflow.data_of(case))
    assert table["pupil"].cat.categories.tolist() == ["Both", "One", "None"]
    assert table["pupil"].value_counts().min() > 1000 and table["pupil"].isna().sum() == 1184
    assert model.specification.layout.responses == ("pupil", "ct.1", "ct.2", "hypox", "hypots", "tsah", "edh")
    assert model.specification.n_clusters == 15


def test_fluency_is_the_same_in_a_file_of_numbers():
    case = read_case(FILES["jsp"])
    needs_data(case)
    fetched, model = model_of("jsp", workflow.data_of(case))
    read, _ = model_of("jsp", read_data(Path(os.environ["JMIMPUTE_DATA"]) / "JSPmiss.csv"))
    assert (fetched["fluent"].cat.categories.tolist(), read["fluent"].cat.categories.tolist()) == (["0", "1", "2"], [0, 1, 2])
    assert model.specification.layout.responses == ("english", "ravens", "fluent.1", "fluent.2")
    assert (read["fluent"].cat.codes == fetched["fluent"].cat.codes).all()

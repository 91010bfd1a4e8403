"""Reports of fits: of continuous, categorical and level-2 responses, of selection models, and of the folder of a run."""

import json
from dataclasses import replace

import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.analysis.storage import read_analyses, write_analyses
from jmimpute.cli import main
from jmimpute.errors import ExchangeError, ImputationError
from tests.imputation.simulated import fitted
from tests.mnar import selected
from tests.report.pages import Page, content, not_done, rows
from tests.test_structured_runs import fitted as structured

ANALYSIS = "a ~ b + x + (1 | g)"
pytestmark = [
    pytest.mark.sampling,
    pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::jmimpute.errors.IdentificationWarning"),
    pytest.mark.filterwarnings("ignore::jmimpute.errors.AnalysisWarning"),
]


@pytest.fixture(scope="module")
def fit():
    return fitted()


@pytest.fixture(scope="module")
def made(fit):
    imputations = fit.impute(5, progressbar=False)
    return imputations, jm.report(imputations, imputations.analyze(ANALYSIS))


def items(report, section):
    return [item for block in content(report, section) if "items" in block for item in block["items"]]


def test_the_model_is_told_as_it_prints_itself(fit, made):
    _, report = made
    told = items(report, "imputation_model")
    lines = [line.strip() for line in str(fit.model).splitlines()]
    assert "a = b[Intercept] + b x + u[Intercept] + e" in told
    assert {item for item in told if item.startswith(("beta:", "Omega"))} <= set(lines)
    assert any("In the imputation model and in no analysis" in str(block) or "None: all" in str(block)
               for block in content(report, "imputation_model"))  # fmt: skip
    settings = rows(report, "software", "software").set_index("setting")["value"]
    assert (settings["draws"], settings["chains"], settings["seed"]) == ("300", "4", "1")
    assert settings["jmimpute (imputation)"] == jm.__version__


def test_verdicts_are_those_of_the_fit(fit, made):
    _, report = made
    verdicts = [block for block in content(report, "convergence") if "ok" in block]
    expected = [fit.diagnostics(), fit.imputed_diagnostics(progressbar=False)]
    assert [(v["ok"], v["messages"]) for v in verdicts] == [(d.ok, list(d.messages)) for d in expected]
    worst = rows(report, "convergence", "parameters")
    assert worst["quantity"].tolist() == list(expected[0].table.index[:8])
    assert worst["r_hat"].to_numpy() == pytest.approx(expected[0].table["r_hat"].to_numpy()[:8].astype(float))


def test_a_bad_verdict_makes_conclusions_provisional(fit, made):
    imputations, _ = made
    tree = fit.tree.copy(deep=True)
    tree["posterior"]["beta"].loc[{"chain": [0, 1]}] += 5
    bad = replace(fit, tree=tree)
    report = jm.report(imputations, imputations.analyze(ANALYSIS), fit=bad, imputed_diagnostics=fit.imputed_diagnostics(100))
    (warned,) = [block for block in content(report, "conclusions") if "ok" in block]
    assert not warned["ok"] and "provisional" in warned["messages"][0] and "Chains disagree" in warned["messages"][1]


def test_loaded_imputations_take_a_fit_and_no_other(fit, made, tmp_path):
    imputations, report = made
    imputations.save(tmp_path / "imputations")
    loaded = jm.load(tmp_path / "imputations")
    without = jm.report(loaded)
    assert any("not judged here" in text for text in not_done(without, "convergence"))
    assert "a + b ~ x + (1 | g)" in items(without, "imputation_model")
    again = jm.report(loaded, loaded.analyze(ANALYSIS), fit=fit)
    same = [section["name"] for section in report.to_dict()["sections"] if section["name"] not in ("software",)]
    assert all(content(again, name) == content(report, name) for name in same)
    with pytest.raises(ImputationError, match="not the one that these imputations were made by"):
        jm.report(loaded, fit=replace(fit, seed=2))


def test_level_2_and_categorical_responses():
    fit = structured("level 2")
    imputations = fit.impute(4, progressbar=False)
    report = jm.report(imputations, imputations.analyze("score ~ passed + funds + urban + x + (1 | school)"))
    means = rows(report, "imputed_values", "means").set_index("variable")
    assert set(means.index) == {"score", "passed", "funds", "urban"}
    assert any(item.startswith("funds = b[Intercept] + v") for item in items(report, "imputation_model"))
    assert rows(report, "data", "missing").set_index("variable").loc["funds", "level"] == 2
    assert any("latent normals of 10 draws" in text for text in not_done(report, "convergence"))
    names = {block["picture"] for block in content(report, "imputed_values") if "picture" in block}
    assert {"bars", "density_0", "clusters_urban"} <= names
    assert Page(report.to_html()).named("img")


def test_selection_models():
    model = selected.model()
    fit = model.fit(100, 100, 2, random_seed=1, progressbar=False)
    imputations = fit.impute(4, progressbar=False)
    options = {"m": 3, "draws": 40, "tune": 40, "chains": 2, "random_seed": 1, "progressbar": False}
    grid = jm.sensitivity(model, "y", rho=[-0.5, 0, 0.5], analysis=jm.mean("y"), **options)
    several = jm.assumptions(model, "y", jm.mean("y"), rho=[0.4], **options)
    report = jm.report(imputations, imputations.analyze("y ~ x"), sensitivity=grid, assumptions=several)
    told = " ".join(block["text"] for block in content(report, "assumptions") if "text" in block)
    assert "k is taken to be missing at random" in told and "y is taken" not in told
    assert "Excluded from the equation of y: z and w. Rationale: made so." in told
    rho = rows(report, "convergence", "rho").set_index("variable")
    assert rho.loc["y", "contraction"] == pytest.approx(fit.identification().table.loc["y", "contraction"])
    assert rows(report, "imputation_model", "exclusions")["term"].tolist() == ["z", "w"]
    assert rows(report, "sensitivity", "grid")["rho"].tolist() == [-0.5, 0, 0.5]
    found = rows(report, "sensitivity", "assumptions_results")
    assert found["estimate"].to_numpy() == pytest.approx(several.table["estimate"].to_numpy())
    assert Page(report.to_html()).named("img")


def run(*arguments):
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        return stopped.code
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `jmimpute run` leaves of half of the pupils."""
    folder = tmp_path_factory.mktemp("run")
    jm.datasets.load("pupils").head(400).to_csv(folder / "pupils.csv", index=False)
    (folder / "model.toml").write_text(
        'title = "Reading & maths"\ndescription = "What goes\\nwith reading?\\n\\nLook at maths."\n[model]\n'
        'formulas = ["reading + maths + motivation ~ sex + age + (1 | school)"]\n'
        "[sampling]\ndraws = 1000\ntune = 300\n"
        '[analysis]\nformula = "reading ~ maths + sex + (1 | school)"\nreml = false\n'
    )
    arguments = [folder / "model.toml", "--data", folder / "pupils.csv", "-m", 5, "--seed", 5, "--no-progress"]
    assert run("run", *arguments, "--out", folder / "out") == 0
    return folder / "out"


def test_a_run_is_reported_from_its_folder(folder, capsys):
    """From what was saved; the analysis of complete cases is that of the case, here by maximum likelihood."""
    assert run("report", folder) == 0
    assert "report.html" in capsys.readouterr().out
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["title"] == "Reading & maths"
    blocks = [block for section in content["sections"] for block in section["content"]]
    pooled = next(block for block in blocks if block.get("table") == "pooled")
    left = pd.read_csv(folder / "pooled.csv")
    assert [row["estimate"] for row in pooled["rows"]] == pytest.approx(left["estimate"].to_numpy(), rel=1e-12)
    imputations = jm.load(folder / "imputations")
    expected = jm.compare({"imputed": imputations}, "reading ~ maths + sex + (1 | school)", reml=False).table
    beside = next(block for block in blocks if block.get("table") == "methods_numbers")
    assert [row["estimate"] for row in beside["rows"]] == pytest.approx(expected["estimate"].to_numpy(), rel=1e-8)
    assert {"text": "What goes with reading?"} in blocks and {"text": "Look at maths."} in blocks
    assert Page((folder / "report.html").read_text(encoding="utf-8")).named("h1")


def test_other_folders_and_endings_are_refused(folder, tmp_path, capsys):
    assert run("report", tmp_path) == 1
    assert "Give the folder of a finished `jmimpute run`" in capsys.readouterr().err
    assert run("report", folder / "fit") == 1
    assert run("report", folder, "--out", tmp_path / "report.pdf") == 1
    assert "not as 'report.pdf'" in capsys.readouterr().err


def test_fits_come_back_as_they_were(made, tmp_path):
    imputations, _ = made
    analyses = imputations.analyze(ANALYSIS)
    write_analyses(analyses, tmp_path / "analyses.json")
    again = read_analyses(tmp_path / "analyses.json", imputations, {})
    before, after = analyses.pool(), again.pool()
    pd.testing.assert_frame_equal(before.table, after.table)
    pd.testing.assert_frame_equal(before.random_effects, after.random_effects)
    pd.testing.assert_frame_equal(before.r2, after.r2)
    assert (before.icc, before.icc_interval, before.notes) == (after.icc, after.icc_interval, after.notes)
    assert again.test(["b"], method="D3").p_value == pytest.approx(analyses.test(["b"], method="D3").p_value)
    for damaged in ("", "[]", '{"jmimpute": "fit", "format": 1}', '{"jmimpute": "analyses", "format": 2}'):
        (tmp_path / "analyses.json").write_text(damaged)
        with pytest.raises(ExchangeError, match="cannot be read"):
            read_analyses(tmp_path / "analyses.json", imputations, {})

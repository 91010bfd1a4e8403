"""What keeps data from telling rho is found, one thing at a time, and nothing else is said."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError, IdentificationWarning
from jmimpute.specification.advice.relevance import relevance

SHARED = Path(__file__).parents[3] / "shared"


def table(effect=0.6, by="z", sites=40, size=50, seed=1):
    """What is excluded moves being observed by an SD of `effect`; y is absent in site 0, and w incomplete at random."""
    rng = np.random.default_rng(seed)
    site = np.repeat(np.arange(sites), size)
    n = len(site)
    x, z, e, error = rng.normal(size=(4, n))
    frame = pd.DataFrame({"site": site, "x": x, "z": z, "site_z": rng.normal(size=sites)[site]})
    frame["person"], frame["few"] = rng.integers(30, size=n), rng.integers(6, size=n)
    frame["nested"] = 3 * site + rng.integers(3, size=n)
    moved = frame[by] if by in ("z", "site_z") else rng.normal(size=frame[by].max() + 1)[frame[by]]
    eta = 0.3 + 0.4 * x + 0.3 * rng.normal(size=sites)[site] + effect * (moved - moved.mean()) / moved.std()
    frame["y"] = np.where((eta + 0.6 * e + 0.8 * error > 0) & (site > 0), 1 + x + e, np.nan)
    frame["w"] = np.where(rng.random(n) < 0.2, np.nan, x + e + error)
    frame["u"] = 2 * x - 0.1 * frame["z"]
    return frame


def made(frame, exclude, formulas="y ~ x + (1 | site)", rho=None, also="x + ", clusters=" + (1 | site)"):
    exclude = [exclude] if isinstance(exclude, str) else exclude
    said = jm.selection(f"~ {also}{' + '.join(exclude) or '1'}{clusters}", exclude, "made so", rho)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentificationWarning)  # of models without exclusion restriction
        return jm.JointModel(formulas, frame, missing={"y": said})


def rules(check):
    return {(finding.severity, finding.rule) for finding in check.identifiability.findings}


#: Of every model with an exclusion restriction of these tables: it cannot be tested, and site 0 lacks y.
ALWAYS = {("note", "assumption"), ("note", "clusters")}
TWO = "y ~ x + (1 | site)", "w ~ x + (1 | site)"
# Arguments of the table, what is excluded, other arguments of the model; and what is found but for these notes.
CASES = {
    "strong": ({}, "z", {}, set()),
    "weak": ({"effect": 0.1}, "z", {}, {("warning", "relevance")}),
    "strong, but of few rows": ({"effect": 0.3, "sites": 4, "size": 12, "seed": 5}, "z", {}, {("warning", "relevance")}),
    "a crossed factor": ({"by": "person"}, "(1 | person)", {}, set()),
    "a weak crossed factor": (
        {"by": "person", "effect": 0.05},
        "(1 | person)",
        {},
        {("warning", "relevance"), ("warning", "collinear")},
    ),
    "few labels": ({"by": "few"}, "(1 | few)", {}, {("warning", "groups")}),
    "nested in sites": ({"by": "nested"}, "(1 | nested)", {}, {("note", "nested")}),
    "nested, and sites left out": ({"by": "nested"}, "(1 | nested)", {"clusters": ""}, {("warning", "nested")}),
    "the same in a site": ({"by": "site_z"}, "site_z", {}, {("note", "groups")}),
    "the same in few sites": ({"by": "site_z", "sites": 10, "size": 200}, "site_z", {}, {("warning", "groups")}),
    "another response": ({}, "z", {"formulas": TWO}, set()),
    "a leak": ({}, "z", {"formulas": [TWO[0], "w ~ x + z + (1 | site)"]}, {("warning", "leak")}),
    "a leak of a factor": (
        *({"by": "person"}, "(1 | person)", {"formulas": [TWO[0], "w ~ x + person + (1 | site)"]}),
        {("warning", "leak")},
    ),
    "a factor that is a response": (
        *({"by": "person"}, "(1 | person)", {"formulas": [TWO[0], "person ~ x + (1 | site)"]}),
        {("error", "leak")},
    ),
    "collinear": (
        *({}, "u", {"formulas": "y ~ x + (1 | site)", "also": ""}),
        {("warning", "relevance"), ("warning", "collinear")},
    ),
}


@pytest.mark.parametrize(("data", "exclude", "arguments", "expected"), CASES.values(), ids=CASES)
def test_findings(data, exclude, arguments, expected):
    check = made(table(**data), exclude, **arguments).check()
    assert rules(check) - ALWAYS == expected
    assert rules(check) >= ALWAYS
    identifiability = check.identifiability
    weak = any(severity != "note" for severity, _ in expected)
    assert identifiability.variables.loc["y", "verdict"] == ("weak" if weak else "well identified")
    assert identifiability.ok == (not weak)
    assert check.ok == (("error", "leak") not in expected)


def test_without_exclusion():
    check = made(table(), []).check()
    assert rules(check) == {("warning", "exclusion"), ("note", "clusters")}
    row = check.identifiability.variables.loc["y"]
    assert (row["exclusion_sd"], row["verdict"]) == (0, "weak")
    assert row["mills_r2"] > 0.95 and len(check.identifiability.terms) == 0


@pytest.mark.parametrize("effect", [0.3, 0.8])
def test_the_standard_deviation_is_that_of_the_simulation(effect):
    """Standard errors are below 0.04 for z; a factor is simulated with exactly this SD. All tolerances are 3 of them."""
    of_z = made(table(effect), ["z", "(1 | person)"]).check().identifiability
    terms = of_z.terms.set_index("term")
    assert terms.loc["z", "sd"] == pytest.approx(effect, abs=0.12)
    assert terms.loc["z", "df"] == 1 and terms.loc["z", "p_value"] < 1e-6
    assert terms.loc["(1 | person)", "sd"] < 0.15
    assert of_z.variables.loc["y", "exclusion_sd"] == pytest.approx(np.hypot(*terms["sd"]))
    of_person = made(table(effect, "person"), "(1 | person)").check().identifiability
    assert of_person.variables.loc["y", "exclusion_sd"] == pytest.approx(effect, abs=0.12)
    assert of_person.terms["chi2"].item() > 20


def test_what_is_related_to_covariates_counts_by_what_is_left_of_it():
    """u is 2 x - 0.1 z, so that given x it moves as much as z, though its coefficient is ten times that of z."""
    frame = table()
    found = [made(frame, name).check().identifiability.terms[["chi2", "sd"]].to_numpy() for name in ("z", "u")]
    np.testing.assert_allclose(*found, rtol=1e-3)


def test_many_dummies_without_effect_have_no_standard_deviation():
    """The variance of estimates alone would give about 0.2."""
    frame = table(0.0).assign(person=lambda frame: frame["person"].astype(str))
    model = made(frame, "person")
    (term,) = relevance(model.specification, model.specification.selections[0]).terms.itertuples()
    assert term.df == 29 and term.sd < 0.1
    assert term.p_value > 0.001


def test_clusters_are_counted():
    frame = table(sites=10)
    counts = made(frame, "z").check().identifiability.clusters.set_index("cluster")
    present = frame.groupby("site")["y"].count()
    assert (counts["observed"] == present).all() and (counts["missing"] == 50 - present).all()
    assert counts.index[counts["systematic"]].tolist() == [0]
    assert "1 cluster(s) lack it altogether: 0." in str(made(frame, "z").check())
    row = made(frame, "z").check().identifiability.variables.loc["y"]
    assert row["observed"] + row["missing"] == 450


def test_a_single_level():
    model = made(table(), "z", formulas="y ~ x", clusters="")
    check = model.check()
    assert rules(check) == {("note", "assumption")}
    assert check.identifiability.clusters.empty
    assert check.identifiability.variables.loc["y", ["observed", "missing"]].sum() == 2000


def test_a_weak_model_says_which_call_takes_its_place():
    check = made(table(0.1), "z").check("y ~ x + (1 | site)")
    call = 'jm.sensitivity(model, "y", rho=[-0.6, -0.3, 0, 0.3, 0.6], analysis="y ~ x + (1 | site)")'
    assert check.identifiability.calls == {"y": call}
    assert "has what the analysis needs" in str(check) and call in str(check) and "weak: report a grid" in str(check)
    assert call not in str(made(table(), "z").check("y ~ x + (1 | site)"))
    alone = str(made(table(0.1), "z", rho=jm.priors.uniform(-1, 0)).check())
    assert "rho=[-0.8, -0.65, -0.5, -0.35, -0.2, 0], analysis=...)" in alone
    assert "has what the analysis needs" not in alone


def test_rho_that_is_held_is_not_judged():
    check = made(table(0.1), "z", rho=-0.4).check()
    assert check.identifiability.variables.loc["y", "verdict"] == "held"
    assert check.identifiability.ok and "rho is held at -0.4" in str(check)


def test_models_without_selection_need_an_analysis():
    model = jm.JointModel("y ~ x + (1 | site)", table())
    with pytest.raises(FormulaError, match="Without an analysis there is nothing to check"):
        model.check()
    assert model.check("y ~ x + (1 | site)").identifiability is None


def test_html_keeps_the_text():
    identifiability = made(table(), "z").check().identifiability
    assert identifiability._repr_html_().startswith("<pre>Selection model of y: well identified")


@pytest.mark.parametrize(
    ("exclude", "verdict", "sd"),
    [(["smoke"], "weak", 0.057), (["(1 | interviewerID)"], "well identified", 0.229), ([], "weak", 0)],
)
def test_refusals_of_hiv_tests(exclude, verdict, sd):
    """Smoking is significant and says little all the same; which interviewer came says more."""
    if not SHARED.exists():
        pytest.skip("needs ../shared/data/hiv.csv")
    data = pd.read_csv(SHARED / "data" / "hiv.csv")[["hiv", "age", "marital", "condom", "smoke", "region", "interviewerID"]]
    covariates = "age + I(age**2) + marital + condom"
    said = jm.selection(f"~ {' + '.join([covariates, *exclude])} + (1 | region)", exclude, "as in the literature")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentificationWarning)
        model = jm.JointModel(f"hiv ~ {covariates} + (1 | region)", data, families={"hiv": "binary"}, missing={"hiv": said})
    found = model.check().identifiability
    assert found.variables.loc["hiv", "verdict"] == verdict
    assert found.variables.loc["hiv", "exclusion_sd"] == pytest.approx(sd, abs=0.003)
    assert (found.terms["p_value"] < 0.01).all()

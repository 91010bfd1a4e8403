"""Assumptions that a selection model rests on are given up one after the other, and what depends on them is told."""

import warnings

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.errors import IdentificationWarning, ImputationError, InterruptedWarning
from jmimpute.mnar.assumptions import AT_RANDOM, ESTIMATED, NOTHING_EXCLUDED, _with_covariates
from tests.mnar.selected import model, quickly, table

CROSSED = jm.selection("~ x + z + (1 | cluster) + (1 | asker)", ["z", "(1 | asker)"], "made so", jm.priors.uniform(-0.9, 0.9))


def asked_by():
    return table().assign(asker=np.arange(200) % 10)


def compared(source, rho=(-0.5, 0.5), analysis="y ~ x", **options):
    options = {"m": 6, "random_seed": 3, "progressbar": False, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentificationWarning)
        return jm.assumptions(source, "y", analysis, rho, **options)


def models_of(monkeypatch, source, rho=(-0.5,)):
    """The models that are fitted, by what is assumed."""
    made = []
    quickly(monkeypatch)
    fit = jm.JointModel.fit
    monkeypatch.setattr(jm.JointModel, "fit", lambda self, **arguments: made.append(self) or fit(self, **arguments))
    found = compared(source, rho)
    return dict(zip(found.fits["assumption"], made, strict=True))


def test_restrictions_are_given_up_one_by_one(monkeypatch):
    found = models_of(monkeypatch, model(formulas=["y + k ~ x + (1 | cluster)"]))
    free = [f"{ESTIMATED}, z not excluded", f"{ESTIMATED}, w not excluded"]
    assert list(found) == [AT_RANDOM, ESTIMATED, *free, NOTHING_EXCLUDED, "rho -0.5"]
    said = {name: made.specification.clauses["y"] for name, made in found.items()}
    assert said[AT_RANDOM].rho == 0 and said["rho -0.5"].rho == -0.5 and said[ESTIMATED].rho == jm.priors.uniform()
    assert said[free[0]].exclude == ("w",) and said[NOTHING_EXCLUDED].exclude == ()
    texts = {name: [one.text for one in made.specification.formulas_of_outcomes] for name, made in found.items()}
    assert texts[ESTIMATED] == ["y + k ~ x + (1 | cluster)"]
    assert texts[free[0]] == ["k ~ x + (1 | cluster)", "y ~ x + (1 | cluster) + z"]
    assert texts[NOTHING_EXCLUDED] == ["k ~ x + (1 | cluster)", "y ~ x + (1 | cluster) + z + w"]
    assert {clause.formula for clause in said.values()} == {"~ x + z + w + (1 | cluster)"}


def test_a_crossed_term_leaves_the_selection_formula(monkeypatch):
    source = jm.JointModel("y ~ x + (1 | cluster)", asked_by(), missing={"y": CROSSED})
    found = models_of(monkeypatch, source)
    own = found[f"{ESTIMATED}, (1 | asker) not excluded"].specification
    assert own.clauses["y"].formula == "~ x + z + (1 | cluster)" and own.clauses["y"].exclude == ("z",)
    assert not own.selections[0].crossed and own.clauses["y"].rho == CROSSED.rho
    assert own.formulas_of_outcomes == source.specification.formulas_of_outcomes
    other = found[f"{ESTIMATED}, z not excluded"].specification
    assert other.selections[0].crossed and other.formulas_of_outcomes[0].text == "y ~ x + (1 | cluster) + z"


def test_one_restriction_given_up_leaves_nothing(monkeypatch):
    said = jm.selection("~ x + z", "z", "made so")
    source = jm.JointModel("y ~ x + (1 | cluster)", table(), missing={"y": said})
    assert list(models_of(monkeypatch, source, [0.0, 0.3])) == [AT_RANDOM, ESTIMATED, NOTHING_EXCLUDED, "rho 0.3"]


def test_names_that_need_quotes():
    data = table().rename(columns={"z": "the z", "y": "my y"})
    said = jm.selection("~ x + `the z`", "the z", "made so")
    source = jm.JointModel("`my y` ~ x + (1 | cluster)", data, missing={"my y": said})
    assert _with_covariates(source, "my y", ["the z"]) == ["`my y` ~ x + (1 | cluster) + `the z`"]


def test_results_are_those_of_the_imputations(monkeypatch):
    quickly(monkeypatch)
    found = compared(model())
    assert list(found.imputations) == found.fits["assumption"].tolist() == list(found.diagnostics)
    for name, one in found.imputations.items():
        expected = one.analyze("y ~ x").pool().table
        own = found.table[found.table["assumption"] == name]
        np.testing.assert_array_equal(own["estimate"], expected["estimate"])
        np.testing.assert_array_equal(own["conf_high"], expected["conf_high"])
    rows = found.fits.set_index("assumption")
    assert rows.loc["rho 0.5", "rho"] == 0.5 and np.isnan(rows.loc["rho 0.5", "rho_low"])
    free = rows.loc[ESTIMATED]
    assert free["rho_low"] < free["rho"] < free["rho_high"] and free["rho"] == pytest.approx(0.15, abs=0.01)
    assert rows.loc["rho 0.5", "r_hat"] == 1.5
    assert "7 assumptions about the missing values of y" in repr(found) and NOTHING_EXCLUDED in repr(found)


def test_a_sign_that_depends_on_what_is_excluded_is_told(monkeypatch):
    """The quick fit has a rho of 0.15, 0.05 and -0.05 with two, one and no exclusion restrictions."""
    quickly(monkeypatch)
    with pytest.warns(IdentificationWarning, match=r"sign of rho of 'y' depends .* negative with rho estimated, nothing exc"):
        found = jm.assumptions(model(), "y", "y ~ x", [0.5], random_seed=3, progressbar=False)
    assert "positive with rho estimated (0.1" in found.notes[0]


def test_an_answer_that_depends_on_what_is_excluded_is_told(monkeypatch):
    quickly(monkeypatch)

    def mean(frame):
        """Far above zero where imputed values are high."""
        return {"mean": frame["y"].mean() - 0.1}, [1e-6]

    with pytest.warns(IdentificationWarning) as told:
        found = jm.assumptions(model(), "y", mean, [0.5], m=20, random_seed=3, progressbar=False)
    texts = [str(one.message) for one in told]
    assert any("What the interval says of mean depends on what is excluded: " in text for text in texts)
    assert not any("rho 0.5" in note or AT_RANDOM in note for note in found.notes)


def test_nothing_is_told_where_all_agree(monkeypatch):
    quickly(monkeypatch)
    said = jm.selection("~ x + z", (), "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IdentificationWarning)
        source = jm.JointModel("y ~ x + (1 | cluster)", table(), missing={"y": said})
    found = jm.assumptions(source, "y", "y ~ x", [0.5], random_seed=3, progressbar=False)
    assert found.notes == () and found.fits["assumption"].tolist() == [AT_RANDOM, ESTIMATED, "rho 0.5"]


def test_a_model_with_rho_held_is_estimated_with_a_uniform_prior(monkeypatch):
    found = models_of(monkeypatch, model(rho=0.3))
    assert found[ESTIMATED].specification.clauses["y"].rho == jm.priors.uniform()


def test_values_are_suggested_across_the_prior(monkeypatch):
    quickly(monkeypatch)
    found = compared(model(), None)
    held = found.fits["assumption"][
        found.fits["assumption"].str.startswith("rho -") | found.fits["assumption"].str.contains("^rho 0")
    ]
    assert len(held) >= 4 and AT_RANDOM in set(found.fits["assumption"])


def test_what_was_done_is_kept(monkeypatch):
    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    quickly(monkeypatch, stop)
    with pytest.warns(InterruptedWarning, match="Stopped at rho estimated, w not excluded. 3 of 7 fits"):
        found = compared(model())
    assert len(found.fits) == 3 and "stopped after 3 of 7 fits" in found.notes


@pytest.mark.parametrize(
    ("variable", "rho", "message"),
    [("k", None, "no selection submodel of 'k'"), ("y", [2.0], "between -1 and 1"), ("y", "all", "between -1 and 1")],
)
def test_what_is_no_assumption_is_refused(monkeypatch, variable, rho, message):
    monkeypatch.setattr(jm.JointModel, "fit", None)
    with pytest.raises(ImputationError, match=message):
        jm.assumptions(model(), variable, "y ~ x", rho, progressbar=False)


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.JMImputeWarning")
def test_all_of_them_can_be_fitted():
    settings = {"m": 4, "draws": 60, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}
    found = jm.assumptions(model(), "y", "y ~ x", [0.5], **settings)
    assert len(found.fits) == 6 and found.table["estimate"].notna().all()
    estimated = found.fits["assumption"].str.startswith("rho est")
    assert found.fits.loc[estimated, "rho_low"].notna().all() and found.fits.loc[~estimated, "rho_low"].isna().all()

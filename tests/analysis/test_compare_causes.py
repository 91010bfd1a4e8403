"""Each cause is told where the provenance says so, and only there."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.analysis import compare_causes as causes
from jmimpute.chained.methods import ENTRIES
from jmimpute.fit import Fit
from jmimpute.specification.formula import parse
from tests.analysis.compared import FORMULA, imputations, incomplete

SLOPES = "y ~ x + (1 + x | school)"


def source(provenance, analysis: str | None = FORMULA, name="a", family="gaussian"):
    """A source with this provenance, and an analysis, or a function that does not list its columns."""
    table = incomplete()
    formula = None if analysis is None else parse(analysis, list(table.columns))
    used = None if analysis is None else causes_used(formula)
    return causes.Source(name, provenance, ("x", "y"), table, formula, family, used)


def causes_used(formula):
    return (*formula.responses, *formula.columns, *([formula.cluster] if formula.cluster else []))


def chained(methods, predictors=None, passive=None):
    """Provenance of chained equations."""
    said = predictors or {name: f"{name} ~ sex + (1 | school)" for name in methods}
    return {"chained": {"methods": methods, "predictors": said, "passive": passive or {}}, "seed": 1}


def joint(formulas="y + x ~ sex + (1 | school)", **options):
    """Provenance of a joint model, as a fit writes it."""
    return Fit(jm.JointModel(formulas, incomplete(), **options), None, 1, {})._provenance()


def said(cause, *arguments):
    return list(cause(*arguments))


def test_methods_are_those_that_chained_equations_have():
    named = {entry.name for entry in ENTRIES.values()}
    groups = (causes.CLUSTERS_IGNORED, causes.DUMMIES, causes.EQUAL_VARIANCES, causes.UNEQUAL_VARIANCES, causes.SELECTION)
    known = {method for group in (*groups, causes.SHRUNKEN) for method in group}
    assert known <= named
    assert {entry.name for entry in ENTRIES.values() if entry.moderators} == set(causes.MODERATED)
    assert not set(causes.EQUAL_VARIANCES) & set(causes.UNEQUAL_VARIANCES)


def test_rows_that_complete_cases_leave_out():
    assert said(causes.rows_left_out, np.array([True, True])) == []
    assert said(causes.rows_left_out, np.array([False, False])) == []
    assert "leave out 1 of 3 rows" in said(causes.rows_left_out, np.array([True, False, True]))[0]


@pytest.mark.parametrize(
    ("cause", "method", "told"),
    [
        (causes.clusters_ignored, "Norm()", "x: imputed as if there were no school"),
        (causes.clusters_ignored, "Pmm(donors=5)", "x: imputed as if there were no school"),
        (causes.dummies, "Dummies(method='norm', donors=5)", "x: imputed with an indicator for each school"),
        (causes.shrunken, "Mixed()", "x: the variances of its random effects are drawn about those of predicted effects"),
    ],
)
def test_what_chained_equations_make_of_clusters(cause, method, told):
    methods = {"x": method, "y": "OneStage()", "note": method}
    (sentence,) = said(cause, source(chained(methods)))
    assert sentence.startswith(told)
    assert said(cause, source(chained(methods), "y ~ x")) == [], "no clusters in the analysis"
    assert said(cause, source(chained({"x": "OneStage()", "note": method}))) == [], "the analysis does not use the column"
    assert said(cause, source(joint())) == [] == said(cause, source({"source": "read from a long stack"}))


def test_random_slopes_by_chained_equations():
    methods = {"x": "OneStage()", "y": "TwoStage()"}
    assert said(causes.conditionals, source(chained(methods), SLOPES))[0].startswith("x, y: imputed given the other")
    assert said(causes.conditionals, source(chained({**methods, "y": "Norm()"}), SLOPES))[0].startswith("x: imputed given")
    assert said(causes.conditionals, source(chained({"x": "OneStage()"}), SLOPES)) == [], "one variable: exact"
    assert said(causes.conditionals, source(chained(methods), FORMULA)) == [], "no slopes"
    assert said(causes.conditionals, source(chained({"x": "Norm()", "y": "Norm()"}), SLOPES)) == [], "told otherwise"
    assert said(causes.conditionals, source(joint(), SLOPES)) == []


def test_terms_that_a_conditional_model_lacks():
    methods = {"y": "Mixed()"}
    product, slope = "y ~ x * sex + (1 | school)", "y ~ x + (1 + sex | school)"
    plain = chained(methods, {"y": "y ~ x + sex + (1 | school)"})
    assert said(causes.lacking, source(plain, product))[0].startswith(
        "x:sex: the analysis has this term, the imputation model of y"
    )
    assert said(causes.lacking, source(plain, slope))[0].startswith("sex: the analysis has a random slope of it")
    assert said(causes.lacking, source(plain)) == []
    assert said(causes.lacking, source(chained(methods, {"y": "y ~ x + sex + (1 + sex | school)"}), slope)) == []
    assert said(causes.lacking, source(chained(methods, {"y": "y ~ x * sex + (1 | school)"}), product)) == []
    assert said(causes.lacking, source(chained(methods, {"y": "y ~ x + xs"}, {"xs": "x * (sex == 'girl')"}), product)) == []
    assert said(causes.lacking, source(chained({"x": "Mixed()"}), product)) == [], "the outcome is complete"
    two_stage = {"y": "y ~ x + sex + (1 + x | school)"}
    assert said(causes.lacking, source(chained({"y": "TwoStage()"}, two_stage), product)) == [], "sex explains all coefficients"
    assert len(said(causes.lacking, source(chained({"y": "OneStage()"}, two_stage), product))) == 1
    assert len(said(causes.lacking, source(chained({"y": "TwoStage()"}, two_stage), "y ~ I(x**2) * sex + (1 | school)"))) == 1


def test_selection_models():
    assert said(causes.selected, source(joint())) == []
    clause = {"y": jm.selection("~ sex + note + (1 | school)", exclude=["note"], rationale="a test")}
    assert said(causes.selected, source(joint(missing=clause)))[0].startswith("y: taken to be missing not at random")
    heckman = source(chained({"x": "TwoStageHeckman(exact=True)", "y": "Mixed()"}))
    assert said(causes.selected, heckman)[0].startswith("x: taken to be missing not at random")


def test_adjustments_that_were_made_on_purpose():
    made = imputations(3).delta("y", jm.shift(-1.5), scope="marginal")
    assert said(causes.adjusted, source(made.provenance)) == [
        "imputed values of y were adjusted (shift: delta -1.5), on purpose."
    ]
    assert "reference-based" in said(causes.adjusted, source({"changes": [{"reference_based": {}}]}))[0]
    assert said(causes.adjusted, source({"changes": [{"assign": {"z": "x * 2"}}]})) == []


def test_columns_computed_afterwards_and_in_each_sweep():
    provenance = {"changes": [{"assign": {"x": "y * 2", "note": "1"}}]}
    assert said(causes.derived, source(provenance))[0].startswith("x: computed from imputed columns afterwards")
    assert said(causes.derived, source({"changes": [{"assign": {"sex": "1"}}]})) == [], "no cell of it comes from imputed ones"
    assert said(causes.derived, source(provenance, "y ~ sex")) == []
    within = chained({"y": "Norm()"}, passive={"x": "y * 2", "z": "y"})
    assert said(causes.passive, source(within))[0].startswith("x: computed from imputed columns in each sweep")
    assert said(causes.passive, source(within, "y ~ sex")) == []


def test_what_a_joint_model_lacks():
    (sentence,) = said(causes.uncongenial, source(joint(), "y ~ sex + (1 + sex | school)"))
    assert sentence.startswith("sex: the analysis has a random slope of it, the imputation model of y has none")
    assert any(each.startswith("x:sex: it is the product") for each in said(causes.uncongenial, source(joint(), "y ~ x * sex")))
    (sentence,) = said(causes.uncongenial, source(joint("y + x ~ sex")))
    assert sentence.startswith("school: the analysis groups by it, the imputation model has no clusters")
    assert said(causes.uncongenial, source(joint(), "y ~ sex + (1 | school)")) == []


@pytest.mark.parametrize(
    "unknown",
    [
        lambda lacking: source(lacking, None),
        lambda lacking: source(lacking, family="nominal"),
        lambda lacking: source({**lacking, "changes": [{"filter": "100 of 240 rows"}]}),
        lambda lacking: source({"source": "read from a long stack"}),
        lambda lacking: source(chained({"x": "Norm()"})),
    ],
)
def test_nothing_is_said_of_what_is_not_known(unknown):
    lacking = joint("y + x ~ sex")
    assert said(causes.uncongenial, source(lacking)), "there would be something to say"
    assert said(causes.uncongenial, unknown(lacking)) == []


def test_unequal_variances_set_methods_apart():
    common, free = source(joint(), name="common"), source(joint(covariance="random"), name="free")
    (sentence,) = said(causes.unequal_variances, [common, free])
    assert "differ between clusters in free, not in common" in sentence
    two_stage, mixed = source(chained({"x": "TwoStage()"}), name="two"), source(chained({"x": "Mixed()"}), name="mixed")
    assert "in two, not in mixed" in said(causes.unequal_variances, [mixed, two_stage])[0]
    assert said(causes.unequal_variances, [common, mixed]) == [] == said(causes.unequal_variances, [free, two_stage])
    assert said(causes.unequal_variances, [free, source({"source": "mice"})]) == []


def test_what_several_methods_have_in_common_is_told_once():
    table = incomplete()
    sources = {name: jm.from_tables(table, list(imputations(2)), "school") for name in ("one", "two", "three")}
    for name in ("one", "two"):
        sources[name].provenance.update(chained({"x": "Norm()"}))
    comparison = jm.compare(sources, FORMULA)
    assert len(comparison.causes) == 2 and comparison.causes[1].startswith("one, two: x: imputed as if there were no school")
    assert comparison.causes[1] in repr(comparison)

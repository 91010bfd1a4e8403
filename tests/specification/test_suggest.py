"""Suggested imputation models for analyses of all kinds, on made-up tables and on those of the tutorials."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError, TableError
from jmimpute.specification.advice.check import check
from jmimpute.specification.advice.terms import column_term, terms
from jmimpute.specification.specify import specify

SHARED = Path(__file__).parents[3] / "shared" / "data"
J, SIZE = 40, 20


def holes(frame, rng, share, *names):
    """Make a share of the cells of some columns missing."""
    for name in names:
        frame[name] = frame[name].mask(rng.random(len(frame)) < share)


def table(*incomplete, clusters=J, size=SIZE):
    """Rows in clusters g; y, x, z and v are numbers of level 1, w and n of level 2, sex and arm have two values, kind three."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(clusters), size)
    frame = pd.DataFrame({"g": [f"s{j:02}" for j in g]})
    frame["x"] = rng.normal(50, 10, len(g)) + rng.normal(0, 5, clusters)[g]
    frame["z"] = rng.gamma(4, 2, len(g))
    frame["v"] = frame["x"] + rng.normal(0, 8, len(g))
    frame["w"] = rng.normal(10, 3, clusters)[g]
    frame["n"] = rng.integers(10, 40, clusters)[g]
    frame["sex"] = rng.integers(0, 2, len(g))
    frame["arm"] = np.array(["control", "treated"])[rng.permutation(clusters) % 2][g]
    frame["kind"] = np.array(["a", "b", "c"])[rng.integers(0, 3, len(g))]
    frame["score"] = rng.integers(1, 5, len(g))
    frame["y"] = 0.1 * frame["x"] + frame["w"] + rng.normal(0, 2, clusters)[g] + rng.normal(0, 3, len(g))
    frame["died"] = (frame["y"] + rng.normal(0, 2, len(g)) > 15).astype(int)
    holes(frame, rng, 0.2, *(name for name in incomplete if name not in ("w", "n")))
    for name in {"w", "n"} & set(incomplete):
        frame.loc[g < 6, name] = np.nan
    return frame


def rules(suggestion, severity="warning"):
    """Pairs (rule, term) of the findings of a severity."""
    return {(finding.rule, finding.term) for finding in suggestion.findings if finding.severity == severity}


# Analysis, incomplete columns, other arguments; formulas, further arguments of the model, and warnings.
CASES = {
    "a single level needs no random effects, and a complete outcome is a covariate": (
        *("y ~ x + z", ["x"], {}),
        *(["x ~ y + z"], {}, set()),
    ),
    "a random intercept for each response; z is complete and a covariate": (
        *("y ~ x + z + (1 | g)", ["y", "x"], {}),
        *(["y + x ~ z + (1 | g)"], {}, set()),
    ),
    "a complete continuous outcome is a response, so that relations between clusters are free": (
        *("y ~ x + z + (1 | g)", ["x"], {}),
        *(["y + x ~ z + (1 | g)"], {}, set()),
    ),
    "a random slope of a complete covariate: the outcome alone needs it": (
        *("y ~ x + z + (1 + x | g)", ["y", "z"], {}),
        *(["y ~ x + (1 + x | g)", "z ~ x + (1 | g)"], {}, set()),
    ),
    "a random slope of an incomplete covariate: covariances differ between clusters, roughly congenial": (
        *("y ~ x + z + (1 + x | g)", ["y", "x"], {}),
        *(["y + x ~ z + (1 | g)"], {"covariance": "random"}, {("slope", "x")}),
    ),
    "random slopes of both kinds": (
        *("y ~ x + z + (1 + x + z | g)", ["x"], {}),
        *(["y ~ z + (1 + z | g)", "x ~ z + (1 | g)"], {"covariance": "random"}, {("slope", "x")}),
    ),
    "an interaction of complete variables is a covariate": (
        *("y ~ sex * w + (1 + sex | g)", ["y"], {}),
        *(["y ~ sex + w + sex:w + (1 + sex | g)"], {}, set()),
    ),
    "a cross-level interaction of an incomplete covariate: its slope differs between clusters": (
        *("y ~ x * w + (1 | g)", ["x"], {}),
        *(["y + x ~ w + (1 | g)"], {"covariance": "random"}, {("interaction", "x:w")}),
    ),
    "a cross-level interaction with an incomplete variable of clusters: a random slope depends on it": (
        *("y ~ x * w + (1 | g)", ["w"], {}),
        *(["y ~ x + (1 + x | g)"], {"level2": "w ~ 1"}, set()),
    ),
    "an interaction of level 1 with a response: no joint model has it": (
        *("y ~ x * sex + (1 | g)", ["x"], {}),
        *(["y + x ~ sex + (1 | g)"], {}, {("interaction", "x:sex")}),
    ),
    "with the outcome as a covariate its product stands for that interaction": (
        *("y ~ x * sex", ["x"], {}),
        *(["x ~ y + sex + y:sex"], {}, {("interaction", "x:sex")}),
    ),
    "an incomplete variable of clusters is a level-2 response; complete numbers inform it as responses": (
        *("y ~ x + sex + w + n + (1 | g)", ["w"], {}),
        *(["y + x ~ sex + n + (1 | g)"], {"level2": "w ~ n"}, set()),
    ),
    "a value given in other rows of a cluster only: carried by a level-2 response": (
        *("y ~ x + w + (1 | g)", ["y"], {"carry": "w"}),
        *(["y + x ~ 1 + (1 | g)"], {"level2": "w ~ 1"}, set()),
    ),
    "an outcome of clusters is a level-2 response, and had better be analysed with one row a cluster": (
        *("w ~ x + n + (1 | g)", ["w"], {}),
        *(["x ~ n + (1 | g)"], {"level2": "w ~ n"}, {("outcome", "w")}),
    ),
    "with such an outcome a cross-level interaction is that of a variable with another one of clusters": (
        *("w ~ x * n + (1 | g)", ["w", "x"], {}),
        *(["x ~ n + (1 | g)"], {"level2": "w ~ n"}, {("outcome", "w"), ("interaction", "x:n")}),
    ),
    "a complete binary outcome is a covariate": (
        *("died ~ x + kind + (1 | g)", ["x", "kind"], {"family": "binomial"}),
        *(["x + kind ~ died + (1 | g)"], {"families": {"kind": "nominal"}}, set()),
    ),
    "a complete binary outcome informs incomplete variables of clusters as a response": (
        *("died ~ sex + w + (1 | g)", ["w"], {"family": "binomial"}),
        *(["died ~ sex + (1 | g)"], {"families": {"died": "binary"}, "level2": "w ~ 1"}, set()),
    ),
    "a complete binary outcome of a random slope is a response": (
        *("died ~ x + (1 + x | g)", ["x"], {"family": "binomial"}),
        *(["died + x ~ 1 + (1 | g)"], {"families": {"died": "binary"}, "covariance": "random"}, {("slope", "x")}),
    ),
    "an incomplete binary outcome is a binary response": (
        *("died ~ x + sex + (1 | g)", ["died"], {"family": "binomial"}),
        *(["died ~ x + sex + (1 | g)"], {"families": {"died": "binary"}}, set()),
    ),
    "texts are nominal, codes ordinal, two values binary": (
        *("y ~ kind + score + sex + C(arm) + (1 | g)", ["kind", "score", "sex"], {}),
        *(["y + kind + score + sex ~ C(arm) + (1 | g)"],),
        *({"families": {"kind": "nominal", "score": "ordinal", "sex": "binary"}}, set()),
    ),
    "codes that the analysis takes as categories are nominal": (
        *("y ~ C(score)", ["score"], {}),
        *(["score ~ y"], {"families": {"score": "nominal"}}, set()),
    ),
    "a power of a complete covariate is a covariate": (
        *("y ~ x + I(x**2) + z + (1 | g)", ["y", "z"], {}),
        *(["y + z ~ x + I(x ** 2) + (1 | g)"], {}, set()),
    ),
    "a power of an incomplete covariate: no joint model has it": (
        *("y ~ x + I(x**2) + z + (1 | g)", ["x"], {}),
        *(["y + x ~ z + (1 | g)"], {}, {("curve", "I(x ** 2)")}),
    ),
    "a logarithm is to be imputed as such; shifting and scaling do not matter": (
        *("y ~ log(x) + center(z) + (1 | g)", ["x", "z"], {}),
        *(["y + x + z ~ 1 + (1 | g)"], {}, {("curve", "log(x)")}),
    ),
    "a transformed outcome": (
        *("log(z) ~ x + (1 | g)", ["z"], {}),
        *(["z ~ x + (1 | g)"], {}, {("curve", "log(z)")}),
    ),
    "clusters without any value: random intercepts impute them": (
        *("y ~ x + z + (1 | g)", ["y"], {"systematic": "x"}),
        *(["y + x ~ z + (1 | g)"], {}, set()),
    ),
    "few clusters: slopes uncorrelated with intercepts": (
        *("y ~ z + (1 + z | g)", ["y"], {"clusters": 3}),
        *(["y ~ z + (1 + z || g)"], {}, {("size", "g")}),
    ),
    "few clusters and covariances that differ between them": (
        *("y ~ x + (1 + x | g)", ["x"], {"clusters": 8}),
        *(["y + x ~ 1 + (1 | g)"], {"covariance": "random"}),
        {("slope", "x"), ("size", "g"), ("covariance", "g")},
    ),
    "the mean of an incomplete covariate is computed after imputation": (
        *("y ~ x + mean + (1 | g)", ["x"], {"mean": "x"}),
        *(["y + x ~ 1 + (1 | g)"], {}, {("cluster mean", "mean")}),
    ),
    "the mean of a complete covariate is one": (
        *("y ~ x + mean + (1 | g)", ["y"], {"mean": "x"}),
        *(["y ~ x + mean + (1 | g)"], {}, set()),
    ),
    "auxiliary variables, incomplete and complete": (
        *("y ~ x + (1 | g)", ["y", "z"], {"auxiliary": ["z", "sex"]}),
        *(["y + z ~ x + sex + (1 | g)"], {}, set()),
    ),
    "residual variances that differ between clusters": (
        *("y ~ x + (1 | g)", ["y"], {"unequal": "y"}),
        *(["y ~ x + (1 | g)"], {"covariance": "random"}, set()),
    ),
}


def made(incomplete, how):
    """The table of a case, and the arguments of `suggest`."""
    how = dict(how)
    frame = table(*incomplete, clusters=how.pop("clusters", J))
    g = frame["g"].str[1:].astype(int)
    if "carry" in how:
        frame.loc[[5, 47], how.pop("carry")] = np.nan
    if "systematic" in how:
        frame.loc[g < 4, how.pop("systematic")] = np.nan
    if "unequal" in how:
        frame[how.pop("unequal")] *= np.exp(np.linspace(-1, 1, J))[g]
    if "mean" in how:
        frame["mean"] = frame.groupby("g")[how.pop("mean")].transform("mean")
    return frame, how


@pytest.mark.parametrize("case", CASES)
def test_suggestions(case):
    analysis, incomplete, how, formulas, others, warnings = CASES[case]
    frame, how = made(incomplete, how)
    suggestion = jm.suggest(analysis, frame, **how)
    assert list(suggestion.formulas) == formulas
    arguments = dict(suggestion.arguments)
    assert arguments.pop("formulas") in (formulas, formulas[0])
    assert arguments == others
    assert rules(suggestion) == warnings
    # The model is accepted, and passes the check with the warnings that the suggestion came with.
    checked = jm.JointModel(data=frame, **suggestion.arguments).check(analysis, family=how.get("family", "gaussian"))
    assert checked.ok
    assert checked.findings == suggestion.findings


def test_reasons_say_how_much_is_missing_and_where():
    frame, how = made(["y"], {"systematic": "x"})
    why = {reason.decision: reason.why for reason in jm.suggest("y ~ x + z + (1 | g)", frame, **how).reasons}
    assert why["y is a response"] == f"{frame['y'].isna().sum()} of 800 rows lack it."
    assert why["x is a response"].startswith("80 of 800 rows lack it, and 4 cluster(s) have no value of it: s00, s01, s02, s03")
    assert "z" in next(decision for decision in why if decision.startswith("covariates"))


# Single-level and two-level textbooks: Raudenbush and Bryk (2002), chapter 2.
@pytest.mark.parametrize(
    ("analysis", "how", "expected"),
    [
        ("y ~ x + z", {}, ["y_i = b0 + b1 x_i + b2 z_i + e_i,  e_i ~ N(0, sigma^2)"]),
        (
            "y ~ x * w + z + (1 + x | g)",
            {},
            [
                "Level 1  y_ij = b0_j + b1_j x_ij + b2 z_ij + e_ij,  e_ij ~ N(0, sigma^2)",
                "Level 2  b0_j = g00 + g01 w_j + u0_j",
                "         b1_j = g10 + g11 w_j + u1_j",
                "         (u0_j, u1_j) ~ N(0, T)",
            ],
        ),
        (
            "died ~ 0 + x + n:w + (1 | g)",
            {"family": "binomial"},
            [
                "Level 1  logit P(died_ij) = b0_j + b1 x_ij",
                "Level 2  b0_j = g01 n_j w_j + u0_j",
                "         u0_j ~ N(0, tau^2)",
            ],
        ),
        (
            "y ~ I(x - w) + (1 | g)",
            {},
            [
                "Level 1  y_ij = b0_j + b1 I(x - w)_ij + e_ij,  e_ij ~ N(0, sigma^2)",
                "Level 2  b0_j = g00 + u0_j",
                "         u0_j ~ N(0, tau^2)",
            ],
        ),
        (
            "y ~ x + (0 + x | g)",
            {},
            [
                "Level 1  y_ij = b0 + b1_j x_ij + e_ij,  e_ij ~ N(0, sigma^2)",
                "Level 2  b1_j = g10 + u1_j",
                "         u1_j ~ N(0, tau^2)",
            ],
        ),
    ],
)
def test_equations_of_the_analysis(analysis, how, expected):
    text = jm.suggest(analysis, table("y", "died"), **how).equations
    block = text.split("\n\n")[0]
    assert block == "\n".join(["Analysis", *(f"  {line}" for line in expected)])


def test_equations_of_the_imputation_model():
    text = jm.suggest("y ~ x + kind + w + (1 + x | g)", table("y", "kind", "w")).equations
    assert text.split("\n\n")[1].splitlines()[1:] == [
        "  y_ij = b0 + b1 x_ij + u0_j + u1_j x_ij + e_ij",
        "  latent(kind_ij) = b0 + b1 x_ij + u0_j + e_ij",
        "  w_j = b0 + v_j",
        "  (all e_ij) ~ N(0, Omega_e), the same in all clusters",
        "  (all u_j and v_j) ~ N(0, Omega_u)",
    ]


def test_a_name_with_its_subscript_gets_no_second_one():
    frame = table("y").rename(columns={"y": "y_ij", "w": "w_j"})
    assert "y_ij = b0 + b1 w_j + u0_j + e_ij" in jm.suggest("y_ij ~ w_j + (1 | g)", frame).equations


def test_the_printed_call_makes_the_model():
    frame = table("y", "x", "kind", "w")
    suggestion = jm.suggest("y ~ x + kind + w + z + (1 + z | g)", frame)
    assert suggestion.call in str(suggestion) and "&quot;" in suggestion._repr_html_()
    namespace = {"jm": jm, "data": frame}
    exec(suggestion.call, namespace)
    assert repr(namespace["model"]) == repr(jm.JointModel(data=frame, **suggestion.arguments))


def test_odd_names_are_quoted():
    frame = table("y").rename(columns={"y": "the outcome", "x": "in %", "g": "my school"})
    suggestion = jm.suggest("`the outcome` ~ `in %` + I(`in %`**2) + (1 | `my school`)", frame)
    assert suggestion.formulas == ("`the outcome` ~ `in %` + I(`in %` ** 2) + (1 | `my school`)",)


def test_dtypes_that_say_their_family_get_none():
    frame = table("sex", "kind", "y")
    frame["sex"] = frame["sex"].map({0: False, 1: True})
    frame["kind"] = frame["kind"].astype("category")
    assert jm.suggest("y ~ sex + kind + (1 | g)", frame).families == {}


def test_polars_gives_the_same():
    frame = table("y", "x", "kind")
    native = pl.from_pandas(frame, nan_to_null=True)
    assert str(jm.suggest("y ~ x * kind + (1 | g)", native)) == str(jm.suggest("y ~ x * kind + (1 | g)", frame))


def test_rows_in_another_order_give_the_same():
    frame = table("y", "x", "w")
    shuffled = frame.sample(frac=1, random_state=3)
    assert str(jm.suggest("y ~ x * w + (1 | g)", shuffled)) == str(jm.suggest("y ~ x * w + (1 | g)", frame))


# Notes


def test_auxiliary_candidates_are_named_and_not_added():
    frame = table("y", "x").assign(row=np.arange(J * SIZE), late=lambda f: f["x"].isna() & (f.index % 3 > 0))
    suggestion = jm.suggest("y ~ x + (1 | g)", frame)
    (note,) = [note for note in suggestion.notes if "outside the analysis" in note]
    r = frame["v"].corr(frame["x"])
    assert f"v (r = {r:.2f} with x)" in note and "z (" not in note and "row (" not in note
    indicator = np.corrcoef(frame["late"], frame["x"].isna())[0, 1]
    assert "late" not in note and indicator > 0.5, "it never occurs where x is observed, so that it cannot predict x"
    assert suggestion.formulas == ("y + x ~ 1 + (1 | g)",)


def test_a_column_that_marks_missing_values_is_named():
    frame = table("y").assign(consent=lambda f: np.where(f["y"].isna(), "no", "yes"))
    notes = jm.suggest("y ~ x + (1 | g)", frame).notes
    assert any(note.startswith("consent tells exactly where y is missing") for note in notes)
    frame.loc[frame["y"].notna().idxmax(), "consent"] = "no"
    assert not any("tells exactly" in note for note in jm.suggest("y ~ x + (1 | g)", frame).notes)


def test_an_incomplete_outcome_alone_gets_a_note():
    assert any(note.startswith("Only the outcome") for note in jm.suggest("y ~ x + (1 | g)", table("y")).notes)
    assert not any(note.startswith("Only the outcome") for note in jm.suggest("y ~ x + (1 | g)", table("y", "x")).notes)


def test_covariates_that_differ_between_clusters_get_a_note():
    """In x a fifth of the variance is between clusters, in z nothing."""
    assert ("context", "x") in rules(jm.suggest("y ~ x + z + v + (1 | g)", table("v")), "note")
    frame = table("v").assign(mean=lambda f: f.groupby("g")["x"].transform("mean"))
    assert rules(jm.suggest("y ~ x + z + v + mean + (1 | g)", frame), "note") == set()


# Terms


def test_terms_are_expanded():
    found = terms("1 + a * b + log(c) - a")
    assert [term.text for term in found] == ["b", "a:b", "log(c)"]
    assert found[1].columns == ("a", "b") and found[1].is_product and not found[2].is_column
    assert column_term("in %").text == "`in %`"


# Bad input


@pytest.mark.parametrize(
    ("analysis", "how", "error", "match"),
    [
        ("y + x ~ z + (1 | g)", {}, FormulaError, "has 2 responses"),
        ("y ~ nothing", {}, FormulaError, "'nothing', which is not a column"),
        ("y ~ x + (1 | g", {}, FormulaError, "does not parse"),
        ("y x", {}, FormulaError, "cannot be read beyond"),
        (7, {}, FormulaError, "non-empty text"),
        ("1 ~ x", {}, FormulaError, "names no column left"),
        ("y ~ y + x", {}, FormulaError, "both sides"),
        ("y ~ x + g + (1 | g)", {}, FormulaError, "is the cluster and also"),
        ("y ~ x + (0 | g)", {}, FormulaError, "no random effect"),
        ("z ~ sex + (1 | g)", {}, FormulaError, "there is nothing to impute"),
        ("z ~ sex + (1 | g)", {"auxiliary": ["x"]}, FormulaError, "there is nothing to impute"),
        ("y ~ x", {"family": "normal"}, FormulaError, "family 'normal'"),
        ("y ~ x", {"family": "binomial"}, FormulaError, "'y' has .* distinct values"),
        ("y ~ x", {"auxiliary": "z"}, FormulaError, r"a list of columns such as \['z'\]"),
        ("y ~ x", {"auxiliary": ["zz"]}, FormulaError, "'zz' is not a column"),
        ("y ~ x + (1 | g)", {"auxiliary": ["g"]}, FormulaError, "also an auxiliary"),
        ("y ~ x + empty", {}, TableError, "'empty' has no observed value"),
        ("y ~ x + one", {}, TableError, "'one' does not vary"),
        ("y ~ x + dates", {}, TableError, "neither numbers, texts nor truth values"),
        ("y ~ x + (1 | holed)", {}, TableError, "cluster column"),
        ("w ~ n + (1 | g)", {}, FormulaError, "belong to g"),
    ],
)
def test_bad_input(analysis, how, error, match):
    frame = table("y", "x", "w").assign(empty=np.nan, one=1, holed=lambda f: f["g"].mask(f.index == 3))
    frame["dates"] = pd.date_range("2020-01-01", periods=len(frame))
    with pytest.raises(error, match=match):
        jm.suggest(analysis, frame, **how)


# The tables of the tutorials


def shared(name, **how):
    path = SHARED / name
    if not path.exists():
        pytest.skip("needs ../shared/data")
    return pd.read_csv(path, **how)


TUTORIALS = {
    "popmis": ("popmis.csv", "popular ~ sex * texp + (1 + sex | school)", {}),
    "popularity": (
        "popularity_MAR.csv",
        "popularity_ij ~ gender_ij + extraversion_ij * experience_j + (1 + extraversion_ij | cluster_id)",
        {"auxiliary": ["assessment_ij"]},
    ),
    "hiv": ("hiv.csv", "hiv ~ age + education + marital + condom + smoke + (1 | region)", {"family": "binomial"}),
    "impact": (
        "impact_incomplete.csv",
        "mort ~ type + age + motor_score + pupil + ct + (1 | name)",
        {"family": "binomial", "auxiliary": ["hypox", "hypots", "tsah", "edh"]},
    ),
    "exam": ("ExamScores.csv", "normexam ~ standlrt + avslrt + sex + schgend + (1 | school)", {}),
    "jsp": ("JSPmiss.csv", "english ~ ravens + sex + fluent + (1 | school)", {}),
}

#: What the case studies of the tutorials come to; IMPACT as in models/impact.toml, where the order of the pupils is given too.
EXPECTED = {
    "popmis": {"formulas": "popular ~ sex + texp + sex:texp + (1 + sex | school)"},
    "popularity": {
        "formulas": "popularity_ij + gender_ij + extraversion_ij + assessment_ij ~ 1 + (1 | cluster_id)",
        "level2": "experience_j ~ 1",
        "families": {"gender_ij": "binary"},
        "covariance": "random",
    },
    "hiv": {
        "formulas": "hiv ~ age + education + marital + condom + smoke + (1 | region)",
        "families": {"hiv": "binary"},
    },
    "impact": {
        "formulas": "pupil + ct + hypox + hypots + tsah + edh ~ mort + type + age + motor_score + (1 | name)",
        "families": {"pupil": "nominal", "ct": "nominal", **dict.fromkeys(["hypox", "hypots", "tsah", "edh"], "binary")},
    },
    "exam": {
        "formulas": "normexam + standlrt ~ sex + schgend + (1 | school)",
        "level2": "avslrt ~ schgend",
    },
    "jsp": {"formulas": "english + ravens + fluent ~ sex + (1 | school)", "families": {"fluent": "ordinal"}},
}


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials(name):
    file, analysis, how = TUTORIALS[name]
    frame = shared(file, keep_default_na=False, na_values=[""])
    suggestion = jm.suggest(analysis, frame, **how)
    assert suggestion.arguments == EXPECTED[name]
    spec = specify(
        list(suggestion.formulas),
        frame,
        suggestion.families,
        level2=list(suggestion.level2) or None,
        covariance=suggestion.covariance,
    )
    checked = check(spec, frame, analysis, how.get("family", "gaussian"))
    assert checked.ok and checked.findings == suggestion.findings


def test_what_the_tutorials_warn_of():
    frame = shared("popularity_MAR.csv")
    suggestion = jm.suggest(TUTORIALS["popularity"][1], frame)
    assert rules(suggestion) == {("slope", "extraversion_ij"), ("interaction", "extraversion_ij:experience_j")}
    assert any("assessment_ij (r = " in note for note in suggestion.notes)
    hiv = jm.suggest(TUTORIALS["hiv"][1], shared("hiv.csv"), family="binomial")
    assert any(note.startswith("hivconsent tells exactly where hiv is missing") for note in hiv.notes)

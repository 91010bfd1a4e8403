"""What print(model) shows: the exact text of a small model, and counts worked out by hand."""

import numpy as np
import pandas as pd

import jmimpute as jm

NAN = np.nan


def table():
    """School b lacks a and school c lacks b altogether; row 4 has no response."""
    return pd.DataFrame(
        {
            "a": [1.0, 2.0, 4.0, NAN, NAN, 3.0, 2.5, 6.0],
            "b": [5.0, NAN, 1.0, 2.0, NAN, NAN, NAN, NAN],
            "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0],
            "school": list("aaabbccc"),
        }
    )


TEXT = """\
Joint model of 2 response(s), 8 rows in 3 clusters (school)

Level 1:
  a = b[Intercept] + b x + u[Intercept] + u x + e
  b = b[Intercept] + u[Intercept] + e
  e ~ Normal(0, Omega_e), 2 x 2, common to all clusters

Level 2:
  u[school] ~ Normal(0, Omega_u), 3 x 3: a|Intercept, a|x, b|Intercept

Priors:
  beta: normal(0, 5) on the standardised scale
  Omega_e: LKJ(1) correlations, half-normal(1) sds on the standardised scale
  Omega_u: LKJ(2) correlations, half-normal(1) sds on the standardised scale

Missing cells:
  a: 2 of 8 (25%), 0 sporadic and 2 systematic in 1 cluster(s): b
  b: 5 of 8 (62%), 2 sporadic and 3 systematic in 1 cluster(s): c

Note:
  1 row(s) have no observed response; they are imputed and do not inform the parameters.
  3 clusters say little about 3 random effects and their correlations: results depend on the prior of Omega_u. \
Fewer random slopes, or a comparison of priors, would help."""


def test_exact_text():
    model = jm.JointModel(["a ~ x + (1 + x | school)", "b ~ 1 + (1 | school)"], table())
    assert str(model) == TEXT
    assert repr(model) == "<JointModel a ~ x + (1 + x | school); b ~ 1 + (1 | school)>"


def test_exact_text_of_a_single_level():
    chosen = {"beta": jm.priors.flat(), "Omega_e": jm.priors.inverse_wishart(3, 2)}
    assert (
        str(jm.JointModel("a ~ x", table(), priors=chosen))
        == """\
Joint model of 1 response(s), 8 rows

Level 1:
  a = b[Intercept] + b x + e
  e ~ Normal(0, Omega_e), 1 x 1

Priors:
  beta: flat
  Omega_e: inverse-Wishart(df 3, scale 2 x identity) on the original scale

Missing cells:
  a: 2 of 8 (25%)

Note:
  2 row(s) have no observed response; they are imputed and do not inform the parameters."""
    )


def test_no_missing_cell_is_worth_a_note():
    text = str(jm.JointModel("x ~ 1", table()))
    assert "x: 0 of 8 (0%)" in text
    assert "No response has a missing cell: there is nothing to impute." in text


def test_enough_clusters_need_no_note():
    frame = pd.DataFrame({"a": np.arange(30.0) ** 2, "school": np.repeat(np.arange(10), 3)})
    frame.loc[0, "a"] = NAN
    frame["b"] = np.arange(30.0)
    text = str(jm.JointModel("a + b ~ 1 + (1 | school)", frame))
    assert "Note" not in text
    assert "say little" in str(jm.JointModel("a + b ~ 1 + (1 | school)", frame[frame["school"] < 9]))


def test_many_clusters_are_not_all_listed():
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0), "school": np.repeat(np.arange(20), 2)})
    frame.loc[frame["school"] > 11, "b"] = NAN
    assert "16 systematic in 8 cluster(s): 12, 13, 14, 15, 16 and 3 more" in str(jm.JointModel("a + b ~ 1 + (1|school)", frame))


def categories():
    """Four categories of kind, one seen twice; grade and passed; 24 pupils in three schools."""
    kind = pd.Categorical([*"uuvv" * 5, "w", "w", None, None], ["u", "v", "w", "z"])
    return pd.DataFrame(
        {
            "y": np.arange(24.0) ** 2,
            "kind": kind,
            "grade": pd.Categorical(["low", "mid", "top", None] * 6, ["low", "mid", "high", "top"], ordered=True),
            "passed": pd.array([True, False, None] * 8, dtype="boolean"),
            "school": np.repeat(["a", "b", "c"], 8),
        }
    ).assign(passed=lambda frame: frame["passed"].mask(frame["school"] == "b"))


TEXT_OF_CATEGORIES = """\
Joint model of 4 response(s), 24 rows in 3 clusters (school)

Level 1:
  y = b[Intercept] + u[Intercept] + e
  kind.1, kind.2 = b[Intercept] + u[Intercept] + e
  grade = b[Intercept] + u[Intercept] + e
  passed = b[Intercept] + u[Intercept] + e
  e ~ Normal(0, Omega_e), 5 x 5, common to all clusters; known: variance 1 of kind.1, kind.2, grade, passed; covariance 0.5 \
between kind.1, kind.2

Categories:
  kind (nominal): that of the largest latent, 'u' by kind.1, 'w' by kind.2, or 'v' (reference) where none is positive
  grade (ordinal): 'low' where the latent is below c1 = 0, 'mid' from c1 to c2, 'top' above c2
  passed (binary): True where the latent is positive, else False (reference)

Level 2:
  u[school] ~ Normal(0, Omega_u), 5 x 5: y|Intercept, kind.1|Intercept, kind.2|Intercept, grade|Intercept, passed|Intercept

Priors:
  beta: normal(0, 5) on the standardised scale
  Omega_e: LKJ(1) correlations, half-normal(1) sds on the standardised scale, given what is known
  Omega_u: LKJ(2) correlations, half-normal(1) sds on the standardised scale
  cut points: half-normal(5) distances

Missing cells:
  y: 0 of 24 (0%)
  kind: 2 of 24 (8%)
  grade: 6 of 24 (25%)
  passed: 13 of 24 (54%), 5 sporadic and 8 systematic in 1 cluster(s): b

Note:
  kind: 'z' never observed, hence not modelled and never imputed.
  kind: 'w' is observed in 2 row(s) only, so that results depend on the priors. Merging it with another category would help.
  grade: 'high' never observed, hence not modelled and never imputed.
  3 clusters say little about 5 random effects and their correlations: results depend on the prior of Omega_u. \
Fewer random slopes, or a comparison of priors, would help."""


def test_exact_text_of_categories():
    families = {"kind": jm.families.nominal(reference="v")}
    assert (
        str(jm.JointModel("y + kind + grade + passed ~ 1 + (1 | school)", categories(), families=families))
        == TEXT_OF_CATEGORIES
    )


def test_bounds_of_latents_are_told():
    formula = "y + passed ~ 1 + (1 | school)"
    bounded = str(jm.JointModel(formula, categories(), latent_bounds=(-3, 4.5))).splitlines()
    free = str(jm.JointModel(formula, categories())).splitlines()
    line = "  latents of observed categories are kept between -3 and 4.5, which biases results (latent_bounds)"
    assert bounded[bounded.index(line) - 1].startswith("  passed (binary)")
    bounded.remove(line)
    assert bounded == free


def test_cut_points_are_told_only_when_there_are_any():
    assert "cut points" not in str(jm.JointModel("kind + passed ~ 1", categories()))
    assert "cut points: flat" in str(jm.JointModel("grade ~ 1", categories(), priors={"cutpoints": jm.priors.flat()}))
    assert "given what is known" not in str(jm.JointModel("y ~ 1", categories()))


def test_levels_that_are_said_and_never_observed():
    frame = pd.DataFrame({"k": [0.0, 1.0, 2.0, NAN] * 5})
    text = str(jm.JointModel("k ~ 1", frame, families={"k": jm.families.ordinal([0, 1, 2, 3, 4])}))
    assert "k (ordinal): 0 where the latent is below c1 = 0, 1 from c1 to c2, 2 above c2" in text
    assert "k: 3, 4 never observed" in text


def test_many_categories_are_worth_a_note_and_not_all_written_out():
    frame = pd.DataFrame({"k": np.arange(160) % 8, "l": np.arange(160) // 2 % 7})
    text = str(jm.JointModel("k + l ~ 1", frame, families={"k": "nominal", "l": "nominal"}))
    assert "k.1 to k.7 = b[Intercept] + e" in text
    assert "known: variance 1 of k.1 to k.7, l.1 to l.6; covariance 0.5 between k.1 to k.7; covariance 0.5 between l.1" in text
    assert "k: 8 categories need 7 latent normals" in text
    assert "l: 7 categories" not in text


def test_two_numbers_may_be_categories():
    frame = pd.DataFrame({"a": [0, 1, 1, 0, 1], "b": [0, 1, 2, 0, 1]})
    text = str(jm.JointModel("a + b ~ 1", frame))
    assert "a has two distinct values and is modelled as continuous" in text and "families={'a': 'binary'}" in text
    assert "b has" not in text
    assert "continuous" not in str(jm.JointModel("a ~ 1", frame, families={"a": "binary"}))

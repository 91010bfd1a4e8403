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

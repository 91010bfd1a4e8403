"""What goes wrong in practice: every mistake is answered by an error that says what, where, and what to do."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import jmimpute as jm
from jmimpute.errors import (
    FormulaError,
    ImputationError,
    PriorError,
    TableError,
)

FORMULA = "maths + english ~ age + sex + (1 | school)"


def pupils(**replaced):
    """40 pupils of 8 schools, with columns replaced."""
    rng = np.random.default_rng(1)
    n = 40
    frame = pd.DataFrame(
        {
            "maths": rng.normal(30, 5, n),
            "english": rng.normal(50, 9, n),
            "age": rng.uniform(10, 12, n),
            "sex": np.tile(["boy", "girl"], n // 2),
            "school": np.repeat([f"s{k}" for k in range(8)], 5),
        },
        index=range(100, 100 + n),
    )
    frame.loc[[103, 117], "maths"] = np.nan
    frame.loc[[103, 121], "english"] = np.nan
    return frame.assign(**replaced)


def with_cells(column, rows, value):
    frame = pupils()
    values = frame[column].to_numpy().copy()
    values[rows] = value
    return frame.assign(**{column: values})


def refused(error, frame, *parts, formula=FORMULA, **options):
    """Assert that a model is refused with an error that has all these parts in its message."""
    with pytest.raises(error) as caught:
        jm.JointModel(formula, frame, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_the_table_of_these_tests_is_fine():
    assert jm.JointModel(FORMULA, pupils()).specification.layout.n_effects == 2


# Cells


def test_missing_values_in_a_covariate():
    frame = with_cells("age", [2, 30], np.nan)
    refused(TableError, frame, "'age' is a covariate", "2 row(s), counted from 0: 2, 30.", "Make it a response")


def test_missing_values_in_a_text_covariate_of_polars():
    frame = pl.from_pandas(with_cells("sex", [7], None))
    refused(TableError, frame, "'sex' is a covariate", "1 row(s), counted from 0: 7.", "leave these rows out")


def test_missing_values_in_a_covariate_of_the_random_part():
    formula = "maths ~ sex + (age | school)"
    refused(TableError, with_cells("age", [5], np.nan), "'age' is a covariate", ": 5.", formula=formula)


def test_missing_values_in_the_cluster_column():
    frame = with_cells("school", [0, 39], None)
    refused(TableError, frame, "'school' is the cluster column", ": 0, 39.", "Give every row its cluster")


def test_a_response_without_observed_value():
    frame = pupils(english=np.nan)
    refused(TableError, frame, "'english' has no observed value in any of the 40 rows", "Drop it from the formula")


def test_a_constant_response():
    frame = pupils(maths=pupils()["maths"].where(pupils()["maths"].isna(), 7.5))
    refused(TableError, frame, "'maths' is constant: all 38 observed values are 7.5", "drop it from the formula")


def test_a_response_with_one_observed_value():
    frame = pupils(maths=[3.0, *[np.nan] * 39])
    refused(TableError, frame, "'maths' is constant: all 1 observed values are 3")


@pytest.mark.parametrize("value", ["boy", 3.25])
def test_a_covariate_that_does_not_vary(value):
    refused(TableError, pupils(sex=value), "'sex' does not vary", repr(value), "Drop it from the formula")


def test_collinear_covariates():
    frame = pupils(months=pupils()["age"] * 12)
    formula = "maths ~ age + months + (1 | school)"
    refused(TableError, frame, "'months' is collinear", "Intercept, age", "Drop one of them", formula=formula)


def test_collinear_covariates_in_the_random_part():
    frame = pupils(months=pupils()["age"] * 12)
    formula = "maths ~ age + (age + months | school)"
    refused(TableError, frame, "'months' is collinear", "random part", formula=formula)


def test_more_columns_than_rows():
    frame = pupils(code=[f"c{k % 20}" for k in range(40)], other=[f"o{k % 10}" for k in range(40)])
    refused(TableError, frame, "is collinear with the columns before it", formula="maths ~ age + code + other")


def test_names_that_are_nearly_right():
    frame = pupils()
    refused(FormulaError, frame, "Did you mean 'age'?", formula="maths ~ Age")
    refused(FormulaError, frame, "Did you mean 'school'?", formula="maths ~ age + (1 | scool)")
    refused(FormulaError, frame, "Did you mean 'maths'?", formula="math ~ age")
    with pytest.raises(FormulaError, match=r"not a column of the table\. Columns: "):
        jm.JointModel("maths ~ weight", frame)
    with pytest.raises(TableError, match="Did you mean 'school'"):
        jm.inspect(frame, cluster="School")


def test_identifiers_and_dates_as_covariates():
    frame = pupils(code=[f"c{k}" for k in range(40)], day=pd.date_range("2026-01-01", periods=40))
    refused(TableError, frame, "'code' has 40 categories in 40 rows", "Drop an identifier", formula="maths ~ age + code")
    refused(TableError, frame, "'day' holds dates", "(data['day'] - data['day'].min()).dt.days", formula="maths ~ age + day")


def test_a_constant_that_is_computed():
    refused(TableError, pupils(), "'I(age / age)' is the same in every row", formula="maths ~ 0 + I(age / age)")


def test_a_transformation_out_of_its_domain():
    frame = with_cells("age", [4], -1.0)
    refused(TableError, frame, "'log(age)'", "not finite", "Check the transformation", formula="maths ~ log(age)")


def test_infinite_values_in_a_response():
    frame = with_cells("maths", [1, 5], [np.inf, -np.inf])
    refused(TableError, frame, "'maths' has infinite values in 2 row(s)", ": 1, 5.", "Replace them")


def test_infinite_values_in_a_covariate():
    frame = with_cells("age", [9], np.inf)
    refused(TableError, frame, "Covariate 'age' has infinite values in 1 row(s)", ": 9.", "leave these rows out")


def test_a_text_column_as_a_response():
    frame = pupils(maths=pupils()["maths"].map("{:.1f}".format))
    refused(TableError, frame, "'maths' holds texts (type str)", "families={'maths': 'nominal'}", "pandas.to_numeric")


def test_a_text_column_in_a_numeric_transformation():
    refused(FormulaError, pupils(), "1 + log(sex)", "cannot be evaluated", formula="maths ~ log(sex)")


def test_lists_as_a_covariate():
    frame = pupils(sex=[[1, 2]] * 40)
    refused(TableError, frame, "'sex' holds values that are neither numbers nor texts", "[1, 2]", "Convert or drop it")


# Tables and clusters


@pytest.mark.parametrize("frame", [pupils().iloc[:0], pl.from_pandas(pupils()).head(0)])
def test_an_empty_table(frame):
    refused(TableError, frame, "The table is empty: 0 rows, 5 columns")


def test_no_table_at_all():
    refused(TableError, "pupils.csv", "A str is not a table", "Give a pandas or polars DataFrame")


def test_duplicate_column_names():
    frame = pd.concat([pupils(), pupils()["age"]], axis=1)
    refused(TableError, frame, "more than one column named 'age'", "Rename or drop")


def test_one_cluster_only():
    frame = pupils(school="s1")
    refused(TableError, frame, "'school' has one cluster only ('s1')", "leave the grouping term out")


def test_every_cluster_a_singleton():
    frame = pupils(school=range(40))
    refused(TableError, frame, "Every cluster of 'school' has a single row", "leave the grouping term out")


def test_some_singletons_are_legal():
    frame = pupils(school=[*range(20), *[20] * 20])
    assert jm.JointModel(FORMULA, frame).specification.n_clusters == 21


def test_two_cluster_columns():
    formulas = ["maths ~ age + (1 | school)", "english ~ age + (1 | sex)"]
    refused(FormulaError, pupils(), "group by 'school', 'sex'", "the same cluster column", formula=formulas)


def test_two_grouping_terms():
    refused(FormulaError, pupils(), "2 grouping terms", "two levels", formula="maths ~ (1 | school) + (1 | sex)")


def test_a_grouping_term_without_effect():
    refused(FormulaError, pupils(), "no random effect", "(1 | school)", formula="maths ~ age + (0 | school)")


# Roles


@pytest.mark.parametrize("formula", ["maths ~ height + (1 | school)", "maths ~ age + (1 | class)", "maths ~ (height | school)"])
def test_an_unknown_column(formula):
    unknown = "class" if "class" in formula else "height"
    refused(FormulaError, pupils(), repr(unknown), "not a column of the table", "Columns: maths, english, age", formula=formula)


def test_an_unknown_response():
    refused(FormulaError, pupils(), "'science'", "not a column of the table", "english", formula="maths + science ~ age")


def test_a_transformed_response():
    refused(FormulaError, pupils(), "'log(maths)'", "column of its own", formula="log(maths) ~ age")


def test_a_response_that_is_also_a_covariate():
    formulas = ["maths ~ age + (1 | school)", "english ~ maths + (1 | school)"]
    refused(FormulaError, pupils(), "'maths' is a response and also a covariate of english", "drop it", formula=formulas)


def test_a_cluster_that_is_also_a_covariate():
    refused(FormulaError, pupils(), "'school' is the cluster and also", "Drop one", formula="maths ~ school + (1 | school)")


def test_a_response_named_twice():
    refused(FormulaError, pupils(), "'maths' stands left of '~' more than once", formula="maths + maths ~ age")
    refused(FormulaError, pupils(), "'maths'", "one formula", formula=["maths ~ age", "maths ~ sex"])


def test_a_response_without_fixed_effect():
    refused(FormulaError, pupils(), "no fixed effect", "Remove the '0'", formula="maths ~ 0 + (1 | school)")


def test_a_covariate_called_like_the_constant():
    frame = pupils(Intercept=pupils()["age"])
    refused(FormulaError, frame, "called 'Intercept'", "Rename", formula="maths ~ Intercept + sex")


def test_a_column_called_like_a_dummy_variable():
    frame = pupils(**{"sex[girl]": pupils()["age"]})
    refused(FormulaError, frame, "'sex[girl]'", "Rename", formula="maths ~ sex + `sex[girl]`")
    refused(FormulaError, frame, "'sex[girl]'", "Rename", formula=["maths ~ sex", "english ~ `sex[girl]`"])


# Formulas, families, priors


@pytest.mark.parametrize("formula", ["maths ~ age +", "maths = age", "maths ~ (age", "maths", ""])
def test_a_formula_that_does_not_parse(formula):
    refused(FormulaError, pupils(), repr(formula), formula=formula)


def test_no_formula():
    refused(FormulaError, pupils(), "No formula was given", "'y1 + y2 ~ x + (1 | cluster)'", formula=[])


def test_a_wrong_family():
    parts = "'maths' is 'poisson'", "available: 'gaussian', 'binary', 'nominal' or 'ordinal'"
    refused(FormulaError, pupils(), *parts, families={"maths": "poisson"})
    refused(FormulaError, pupils(), *parts, families={"maths": jm.families.Family("poisson")})


@pytest.mark.parametrize("family", [3, None.__class__, jm.families.nominal, ["a", "b"]])
def test_a_family_that_is_none(family):
    refused(FormulaError, pupils(), "The family of 'maths' must be", "jm.families.nominal()", families={"maths": family})


def test_families_that_are_no_dict():
    refused(FormulaError, pupils(), "Families must be given as a dict", "not 'binary'", families="binary")


def test_a_family_of_something_else():
    refused(FormulaError, pupils(), "'age'", "not a response. Responses: maths, english", families={"age": "gaussian"})


# Priors


def test_an_unknown_prior_name():
    refused(PriorError, pupils(), "no parameter 'sigma'", "'Omega_e'", priors={"sigma": jm.priors.lkj()})


def test_a_prior_of_the_wrong_kind():
    refused(PriorError, pupils(), "'beta'", "jm.priors.normal()", priors={"beta": 3})


def test_impute_in_one_call_refuses_alike():
    with pytest.raises(TableError, match="'age' is a covariate"):
        jm.impute(with_cells("age", [2], np.nan), FORMULA, m=2, progressbar=False)


def test_an_impossible_m_is_refused_before_anything_is_sampled(monkeypatch):
    monkeypatch.setattr(jm.JointModel, "fit", lambda *_, **__: pytest.fail("sampled"))
    for m in (0, 4001):
        with pytest.raises(ImputationError):
            jm.impute(pupils(), FORMULA, m=m)


def test_prior_scale_of_another_dimension_is_refused_when_the_model_is_made():
    with pytest.raises(PriorError, match=r"shape \(3, 3\).*\(2, 2\)"):
        jm.JointModel(FORMULA, pupils(), priors={"Omega_e": jm.priors.inverse_wishart(scale=np.eye(3))})

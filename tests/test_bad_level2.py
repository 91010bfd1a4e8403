"""Mistakes with level-2 responses and with covariances that differ between clusters: what, where, and what to do."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError, PriorError, TableError

NAN = np.nan
FORMULA = "maths + english ~ age + (1 | school)"
N, J = 40, 8


def pupils(**replaced):
    """40 pupils of 8 schools, with columns replaced; columns of schools are size, type and funds."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "maths": rng.normal(30, 5, N),
            "english": rng.normal(50, 9, N),
            "passed": np.tile([True, False], N // 2),
            "age": rng.uniform(10, 12, N),
            "school": np.repeat([f"s{k}" for k in range(J)], 5),
            "size": np.repeat(rng.uniform(100, 900, J), 5),
            "type": pd.Categorical(np.repeat([*"abababab"], 5)),
            "funds": np.repeat(rng.uniform(1, 9, J), 5),
        }
    )
    frame.loc[[3, 17], "maths"] = NAN
    return frame.assign(**replaced)


def with_cells(column, rows, value):
    values = pupils()[column].astype(object)
    values[rows] = value
    return pupils(**{column: values.infer_objects()})


def refused(error, frame, *parts, formula=FORMULA, **options):
    """Assert that a model is refused with an error that has all these parts in its message."""
    with pytest.raises(error) as caught:
        jm.JointModel(formula, frame, **options)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_the_table_of_these_tests_is_fine():
    spec = jm.JointModel(FORMULA, pupils(), level2=["size ~ funds", "type ~ 1"]).specification
    assert spec.layout.level2.responses == ("size", "type")


# Formulas


def test_a_grouping_term_at_level_2():
    parts = "'size ~ 1 + (1 | school)' has a grouping term", "one value for each cluster", "leave (... | school) out"
    refused(FormulaError, pupils(), *parts, level2="size ~ 1 + (1 | school)")
    refused(FormulaError, pupils(), "has a grouping term", level2="size ~ 1 + (1 || school)")


def test_no_grouping_term_at_level_1():
    parts = "'size ~ 1' needs clusters", "Add one, such as 'maths ~ age + (1 | cluster)'"
    refused(FormulaError, pupils(), *parts, formula="maths ~ age", level2="size ~ 1")


@pytest.mark.parametrize(("level2", "part"), [("size", "has no '~'"), ("", "non-empty text"), (3, "must be a formula such as")])
def test_what_is_no_formula(level2, part):
    refused(FormulaError, pupils(), part, level2=level2)


@pytest.mark.parametrize("level2", ["height ~ 1", "size ~ height"])
def test_an_unknown_column(level2):
    refused(FormulaError, pupils(), "'height'", "not a column of the table", level2=level2)


def test_a_transformed_response():
    refused(FormulaError, pupils(), "'log(size)'", "column of its own", level2="log(size) ~ 1")


def test_a_response_without_fixed_effect():
    refused(FormulaError, pupils(), "no fixed effect", level2="size ~ 0")


def test_a_response_named_twice():
    refused(FormulaError, pupils(), "'size' stands left of '~' more than once", level2=["size ~ 1", "size ~ funds"])


def test_a_response_that_is_also_a_covariate_of_level_2():
    refused(FormulaError, pupils(), "'size' is a response and also a covariate", level2=["size ~ 1", "funds ~ size"])


def test_a_response_of_both_levels():
    refused(FormulaError, pupils(), "'maths' is a response at level 1 and at level 2", "Keep it where", level2="maths ~ 1")


def test_a_response_that_is_a_covariate_of_level_1():
    parts = "'size' is a response at level 2 and a covariate at level 1", "drop it"
    refused(FormulaError, pupils(), *parts, formula="maths ~ size + (1 | school)", level2="size ~ 1")


def test_a_covariate_that_is_a_response_of_level_1():
    refused(FormulaError, pupils(), "'maths' is a response at level 1 and a covariate at level 2", level2="size ~ maths")


@pytest.mark.parametrize("level2", ["school ~ 1", "size ~ school"])
def test_the_cluster_as_a_variable(level2):
    refused(FormulaError, pupils(), "'school' is the cluster and also a variable of level 2", level2=level2)


def test_a_family_of_no_response():
    options = {"level2": "size ~ 1", "families": {"funds": "nominal"}}
    refused(FormulaError, pupils(), "'funds', which is not a response", "maths, english, size", **options)


def test_a_family_that_does_not_fit():
    refused(TableError, pupils(), "'size' is to be binary but has 8", level2="size ~ 1", families={"size": "binary"})


# Cells


@pytest.mark.parametrize("level2", ["size ~ 1", "funds ~ size"])
def test_rows_that_disagree(level2):
    frame = with_cells("size", [7, 31], [1.5, 2.5])
    parts = (
        "Column 'size' is used at level 2",
        "within 2 cluster(s) of 'school'",
        "'s1' has",
        "1.5 in row(s) 7",
        "row(s) 5, 6, 8, 9",
    )
    refused(TableError, frame, *parts, "'s6' has", "2.5 in row(s) 31", "counted from 0", level2=level2)


def test_categories_that_disagree():
    frame = with_cells("type", [7], "a").astype({"type": "category"})
    refused(TableError, frame, "'s1' has 'b' in row(s) 5, 6, 8, 9, 'a' in row(s) 7", level2="type ~ 1")


def test_a_covariate_that_a_cluster_lacks():
    frame = with_cells("size", range(5, 15), NAN)
    parts = "'size' is a covariate at level 2 but 2 cluster(s) have no value of it in any row: s1, s2", "level-2 response"
    refused(TableError, frame, *parts, level2="funds ~ size")


def test_a_response_without_any_value():
    refused(TableError, pupils(size=NAN), "'size' has no observed value in any of the 8 clusters", level2="size ~ 1")
    none = pd.Categorical([None] * N, ["a", "b"])
    refused(TableError, pupils(type=none), "'type' has no observed value", level2="type ~ 1")


def test_a_constant():
    refused(TableError, pupils(size=3.0), "'size' is constant: all 8 observed values are 3", level2="size ~ 1")
    refused(TableError, pupils(size=3.0), "'size' does not vary: every cluster has 3.0", level2="funds ~ size")


def test_infinite_values():
    frame = with_cells("size", range(5, 10), np.inf)
    parts = "'size' has infinite values in 5 row(s), counted from 0: 5, 6, 7, 8, 9"
    refused(TableError, frame, parts, level2="size ~ 1")
    refused(TableError, frame, parts, level2="funds ~ size")


def test_texts():
    frame = pupils(size=pupils()["school"].str.upper())
    refused(TableError, frame, "'size' holds texts", "families={'size': 'nominal'}", level2="size ~ 1")


def test_values_that_are_neither_numbers_nor_texts():
    refused(TableError, pupils(size=[[1]] * N), "'size' holds values that are neither numbers nor texts", level2="size ~ 1")


def test_collinear_covariates():
    frame = pupils(pounds=pupils()["funds"] * 1.2)
    refused(TableError, frame, "'pounds' is collinear", "'size ~ funds + pounds'", level2="size ~ funds + pounds")


def test_more_columns_than_clusters():
    frame = pupils(code=[f"c{k // 5}" for k in range(N)])
    refused(TableError, frame, "collinear with the columns before it", level2="size ~ funds + code")


# Covariances


def test_a_covariance_that_does_not_exist():
    refused(FormulaError, pupils(), "no covariance 'free'", "'common', 'cluster-specific' or 'random'", covariance="free")


@pytest.mark.parametrize("covariance", ["cluster-specific", "random"])
def test_covariances_of_clusters_without_clusters(covariance):
    parts = f"covariance={covariance!r}", "no formula has a grouping term", "(1 | cluster)"
    refused(FormulaError, pupils(), *parts, formula="maths ~ age", covariance=covariance)


@pytest.mark.parametrize(
    "options", [{"level2": "size ~ 1"}, {"covariance": "random"}, {"formula": "passed ~ age + (age || school)"}]
)
def test_a_box_for_latents_in_models_that_jomo_does_not_have(options):
    options = {"formula": "passed + maths ~ age + (1 | school)", **options}
    refused(FormulaError, pupils(), "latent_bounds", "cannot be combined", "Leave them out", latent_bounds=(-3, 4), **options)


# Priors


@pytest.mark.parametrize("prior", [jm.priors.lkj(), jm.priors.inverse_wishart(), jm.priors.flat()])
def test_priors_of_other_covariances_with_random_ones(prior):
    parts = "does not fit covariance='random'", "jm.priors.hierarchical() or jm.priors.heterogeneous('log-sd')"
    refused(PriorError, pupils(), *parts, covariance="random", priors={"Omega_e": prior})


@pytest.mark.parametrize("covariance", ["common", "cluster-specific"])
@pytest.mark.parametrize("prior", [jm.priors.hierarchical(), jm.priors.heterogeneous("log-sd")])
def test_priors_of_random_covariances_with_others(prior, covariance):
    parts = f"does not fit covariance={covariance!r}", "jm.priors.lkj() or", "That prior is for covariance='random'"
    refused(PriorError, pupils(), *parts, covariance=covariance, priors={"Omega_e": prior})


def test_log_sds_without_a_continuous_response():
    prior = {"Omega_e": jm.priors.heterogeneous("log-sd")}
    parts = "no response at level 1 is continuous", "jm.priors.hierarchical()"
    refused(PriorError, pupils(), *parts, formula="passed ~ age + (1 | school)", covariance="random", priors=prior)


def test_a_hierarchical_prior_of_another_dimension():
    options = {"covariance": "random", "formula": FORMULA}
    scale = {"Omega_e": jm.priors.hierarchical(scale=np.eye(3))}
    refused(PriorError, pupils(), "scale has shape (3, 3); this model needs (2, 2)", priors=scale, **options)
    df = {"Omega_e": jm.priors.hierarchical(df=0.5)}
    refused(PriorError, pupils(), "Wishart prior of A has df 0.5", "more than 1", priors=df, **options)


def test_a_level_2_scale_of_another_dimension():
    prior = {"Omega_u": jm.priors.inverse_wishart(scale=np.eye(2))}
    refused(PriorError, pupils(), "shape (2, 2); this model needs (3, 3)", priors=prior, level2="size ~ 1")


@pytest.mark.parametrize("level2", [None, "size ~ 1"])
def test_a_flat_prior_at_level_2_without_categories(level2):
    parts = "'Omega_u' must be made by jm.priors.lkj() or jm.priors.inverse_wishart()", "categorical level-2 response"
    refused(PriorError, pupils(), *parts, priors={"Omega_u": jm.priors.flat()}, level2=level2)


def test_a_flat_prior_at_level_2_with_few_clusters():
    options = {"formula": "maths ~ age + (1 | school)", "priors": {"Omega_u": jm.priors.flat()}}
    assert jm.JointModel(data=pupils(), level2="type ~ 1", formulas=options["formula"], priors=options["priors"])
    formula = "maths + english + passed ~ age + (1 | school)"
    parts = "flat prior of Omega_u needs more than 9 clusters", "there are 8", "jm.priors.lkj()"
    refused(PriorError, pupils(), *parts, level2=["type ~ 1", "size ~ 1"], priors=options["priors"], formula=formula)


def test_flat_matrices_of_clusters_with_few_rows():
    flat, options = {"Omega_e": jm.priors.flat()}, {"covariance": "cluster-specific"}
    assert jm.JointModel(FORMULA, pupils(), priors=flat, **options), "five rows are enough for two responses"
    frame = pupils(english=pupils()["english"].where(np.arange(N) != 3))
    parts = "needs more than 4 rows with an observed response in every cluster", "Too few: s0 (4 rows).", "jm.priors.lkj()"
    refused(PriorError, frame, *parts, "covariance='random'", priors=flat, **options)
    formula = "maths + passed + english ~ 1 + (1 | school)"
    refused(PriorError, pupils(), "more than 5 rows", "s0 (5 rows)", "and 3 more", formula=formula, priors=flat, **options)


def test_improper_inverse_wishart_matrices_of_clusters_with_few_rows():
    options = {"covariance": "cluster-specific", "formula": "maths + english + size2 ~ 1 + (1 | school)"}
    frame = pupils(size2=np.arange(N) ** 0.5).iloc[[*range(35), 37, 38]]
    refused(
        PriorError, frame, "needs more than 2 rows", "0 degrees of freedom", "s7 (2 rows)", priors=jm.priors.jomo(), **options
    )
    with_more = {"Omega_e": jm.priors.inverse_wishart(df=1.0)}
    assert jm.JointModel(options["formula"], frame, covariance="cluster-specific", priors=with_more)


def test_flat_coefficients_at_level_2():
    flat = {"beta": jm.priors.flat()}
    frame = with_cells("size", range(25, 40), NAN).assign(early=np.repeat([1.0, 1, 1, 1, 1, 2, 3, 4], 5))
    parts = "early is constant or collinear in the 5 clusters where 'size' is observed", "improper"
    refused(PriorError, frame, *parts, priors=flat, level2="size ~ early")
    assert "5 clusters where 'size'" in str(jm.JointModel(FORMULA, frame, level2="size ~ early"))


def test_separated_categories_at_level_2():
    frame = pupils(rank=np.repeat([1.0, 2, 3, 4, 5, 6, 7, 8], 5), type=pd.Categorical(np.repeat([*"aaaabbbb"], 5)))
    part = "rank separates the categories of 'type' perfectly"
    for cutpoints in (jm.priors.flat(), jm.priors.normal(5.0)):
        priors = {"beta": jm.priors.flat(), "cutpoints": cutpoints}
        refused(PriorError, frame, part, "improper", priors=priors, level2="type ~ rank")
    assert f"{part}. The result rests on the prior of beta" in str(jm.JointModel(FORMULA, frame, level2="type ~ rank"))

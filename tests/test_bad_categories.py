"""Categorical responses that cannot be modelled as asked: errors that say what, where, and what to do."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError, TableError
from tests.test_bad_input import pupils, refused


def refused_as(family, values, error, *parts):
    """Assert that a response with these values is refused as one of this family."""
    families = {} if family is None else {"kind": family}
    refused(error, pupils(kind=values), "'kind'", *parts, formula="kind + maths ~ age + (1 | school)", families=families)


ABCD = ["a", "b", "c", "d", None] * 8


def test_texts_that_may_be_categories():
    refused_as(None, ABCD, TableError, "'a', 'b', 'c'", "'nominal'", "'binary' or 'ordinal'", "astype('category')")


@pytest.mark.parametrize(
    ("values", "described"),
    [
        (pd.Categorical(ABCD), "categories ('a', 'b', 'c', 'd')"),
        ([True, False] * 20, "truth values"),
        (ABCD, "values of type str"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"] * 20), "values of type datetime64"),
    ],
)
def test_a_continuous_response_that_is_none(values, described):
    refused_as("gaussian", values, TableError, "to be modelled as a continuous response but holds", described, "Only numeric")


def test_a_constant_category():
    frame = pupils(sex=pd.Categorical(["boy"] * 39 + [None], ["boy", "girl"]))
    refused(TableError, frame, "'sex' is constant: all 39 observed values are 'boy'", "fill", formula="sex ~ age")
    refused_as("nominal", [2.0] * 40, TableError, "all 40 observed values are 2.")


@pytest.mark.parametrize("family", [None, "nominal"])
def test_categories_of_which_none_is_observed(family):
    refused_as(family, pd.Categorical([None] * 40, ["a", "b"]), TableError, "no observed value in any of the 40 rows")


def test_a_binary_response_with_more_than_two_categories():
    refused_as("binary", ABCD, TableError, "binary but has 4 categories: 'a', 'b', 'c', 'd'", "'nominal' or 'ordinal'")
    refused_as("binary", [0.0, 1.0, 9.0, np.nan] * 10, TableError, "3 categories: 0, 1, 9")


def test_values_that_are_not_among_the_levels():
    parts = (
        "holds 'd' in 8 row(s), counted from 0: 3, 8, 13, 18, 23 and 3 more",
        "levels are 'c', 'a', 'b'",
        "Correct these cells",
    )
    refused_as(jm.families.nominal(["c", "a", "b"]), ABCD, TableError, *parts)
    refused_as(jm.families.ordinal([1, 2]), ["1", "2"] * 20, TableError, "holds '1', '2' in 40 row(s)", "levels are 1, 2")
    refused_as(jm.families.binary([0, 1]), [True, False] * 20, TableError, "holds True, False in 40 row(s)")
    refused_as(jm.families.nominal([1, 2]), [[1], [2]] * 20, TableError, "holds [1], [2] in 40 row(s)")


@pytest.mark.parametrize(
    ("levels", "part"),
    [
        (["a", "b", "a"], "name 'a' more than once: 'a', 'b', 'a'"),
        ([1, 1.0, 2], "name 1 more than once"),
        (["a", None], "none missing, not None"),
        ([0.0, np.nan], "none missing, not nan"),
        ([("a",), "b"], "must be texts, truth values or numbers, none missing, not ('a',)"),
        ([], "not ()"),
        ("abcd", "must be a sequence such as ['no', 'yes'], not 'abcd'"),
        ({"a"}, "must be a sequence such as ['no', 'yes'], not {'a'}"),
        (4, "must be a sequence such as ['no', 'yes'], not 4"),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "nominal", "ordinal"])
def test_levels_that_make_no_sense(kind, levels, part):
    refused_as(jm.families.Family(kind, levels), ABCD, FormulaError, "levels of", part)


def test_a_reference_that_is_none():
    parts = "The reference 'z'", "not among its observed categories: choose 'a', 'b', 'c' or 'd'"
    refused_as(jm.families.nominal(reference="z"), ABCD, FormulaError, *parts)
    refused_as(jm.families.nominal([*"abcdz"], reference="z"), ABCD, FormulaError, *parts)
    refused_as(jm.families.binary(reference=1), [True, False] * 20, FormulaError, "The reference 1", "choose False or True")


def test_what_a_family_does_not_have():
    refused_as(jm.families.Family("ordinal", reference="a"), ABCD, FormulaError, "'ordinal', which has no reference")
    refused_as(jm.families.Family("gaussian", [1, 2]), range(40), FormulaError, "'gaussian', which has no levels")


def test_an_order_that_is_not_known():
    for values in (ABCD, pd.Categorical(ABCD)):
        refused_as("ordinal", values, TableError, "order of its categories 'a', 'b', 'c', 'd' is not known", "levels=[...]")


@pytest.mark.parametrize(
    ("values", "described"),
    [
        ([1, "a"] * 20, "int, str, such as 1, 'a'"),
        ([True, 2] * 20, "bool, int"),
        (pd.cut(np.arange(40.0), 3), "Interval, such as"),
        ([pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")] * 20, "Timestamp"),
        ([[1], [2]] * 20, "list, such as [1], [2]"),
        ([np.inf, 1.0] * 20, "float, such as inf, 1.0"),
    ],
)
def test_values_that_are_no_categories(values, described):
    refused_as("nominal", values, TableError, f"values of type(s) {described}", "convert them to texts")


def test_columns_of_several_types_that_nothing_is_said_about():
    refused_as(None, [1, "a"] * 20, TableError, "values of type object, such as 1, 'a'")


def test_very_many_categories():
    parts = "has 40 categories", "here 39", "all 40 responses and latents has 820 elements", "At most 20", "merge rare ones"
    refused_as("nominal", range(40), TableError, *parts)
    jm.JointModel("kind ~ 1", pupils(kind=[*range(20)] * 2), families={"kind": "nominal"})


def test_a_response_called_like_a_latent():
    frame = pupils(**{"kind": ABCD, "kind.2": pupils()["maths"]})
    formula = "kind + `kind.2` ~ age"
    refused(FormulaError, frame, "latent 'kind.2' of 'kind'", "Rename", formula=formula, families={"kind": "nominal"})


@pytest.mark.parametrize("bounds", [3, (-3,), (-3, "a"), (-3, 0, 4)])
def test_bounds_of_latents_that_are_none(bounds):
    parts = "latent_bounds must be two numbers such as (-3, 4)", repr(bounds)
    refused(FormulaError, pupils(), *parts, formula="sex ~ age", families={"sex": "binary"}, latent_bounds=bounds)


@pytest.mark.parametrize("bounds", [(1, 4), (4, -3), (-3, 0), (-3, np.nan), (-np.inf, np.inf)])
def test_bounds_of_latents_that_make_no_sense(bounds):
    parts = "latent_bounds must be finite and on both sides of 0", repr(bounds)
    refused(FormulaError, pupils(), *parts, formula="sex ~ age", families={"sex": "binary"}, latent_bounds=bounds)


def test_bounds_without_latents():
    refused(FormulaError, pupils(), "latent_bounds", "no response is categorical", latent_bounds=(-3, 4))

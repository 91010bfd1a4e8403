"""What chained equations cannot do is refused before anything is drawn, with the reason and a remedy."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.chained.methods import ENTRIES, make
from jmimpute.errors import FormulaError, ImputationError, TableError
from tests.chained.tables import table

NORMS = {"x1": "norm", "x2": "norm"}


def run(data, methods=None, predictors=None, **settings):
    settings = {"m": 2, "iterations": 2, "random_seed": 1, "progressbar": False} | settings
    return jm.chained(data, methods, predictors, **settings)


def wanting(**changes):
    data = table()
    for name, values in changes.items():
        data[name] = values
    return data


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"m": 0}, ImputationError, "m must be a whole number of at least 1, not 0"),
        ({"iterations": 2.0}, ImputationError, "iterations must be a whole number"),
        ({"methods": {"x1": "nrm"}}, ImputationError, "no method 'nrm', given for 'x1'. Choose 'dummies', "),
        ({"methods": {"x9": "norm"}}, TableError, "'x9', which is not a column"),
        ({"methods": "norm"}, ImputationError, "methods must be a dict"),
        ({"methods": {"x1": 3}}, ImputationError, "must be a name, an object of jm.methods or a function, not 3"),
        ({"methods": {"x1": jm.methods.Norm}}, ImputationError, r"is the class Norm: write Norm\(\)"),
        ({"methods": {"g": "norm"}}, ImputationError, "cluster column 'g', which must be complete"),
        ({"methods": {"x1": "logistic"}}, TableError, "'x1' is to be binary but has"),
        ({"methods": {"x1": "two-stage-poisson"}}, ImputationError, "'x1' is number, which 'two-stage-poisson' cannot impute"),
        ({"methods": {"x1": "level2-norm"}}, TableError, "'x1' is used at level 2, .* differ within"),
        ({"methods": {"x1": None, "x2": None}}, ImputationError, "There is nothing to impute"),
        ({"cluster": "h"}, TableError, "no column 'h' to take clusters from"),
        ({"cluster": None, "methods": {"x1": "two-stage"}}, ImputationError, "'two-stage' of 'x1' needs clusters"),
        ({"cluster": None, "methods": {"x1": "dummies"}}, ImputationError, "'dummies' of 'x1' needs clusters"),
        ({"cluster": None, "cluster_means": True}, ImputationError, "there are no clusters"),
        ({"cluster_means": "y"}, ImputationError, r"such as \['y'\], not 'y'"),
        ({"cluster_means": ["z"]}, TableError, "cluster_means names 'z', which is not a column"),
        ({"visit": ["x1"]}, ImputationError, "visit must have each imputed column once: x1, x2; not 'x1'"),
        ({"visit": ["x1", "x2", "x2"]}, ImputationError, "visit must have each imputed column once"),
        ({"predictors": {"y": "~ x1"}}, ImputationError, "Predictors: 'y' is complete, so that nothing predicts it"),
        ({"predictors": {"q": "~ x1"}}, TableError, "Predictors: 'q' is not a column"),
        ({"predictors": ["x1"]}, ImputationError, "predictors must be a dict"),
        ({"predictors": {"x1": ["y"]}}, FormulaError, "must be a formula such as"),
        ({"predictors": {"x1": "~ q"}}, FormulaError, "names 'q', which is not a column"),
        ({"predictors": {"x1": "x2 ~ y"}}, FormulaError, "is given for 'x1', which must stand alone left"),
        ({"predictors": {"x1": "~ x1 + y"}}, FormulaError, "has itself as a predictor"),
        ({"predictors": {"x1": "~ y + g"}}, FormulaError, "has the cluster column as a predictor"),
        ({"predictors": {"x1": "~ y * x2"}}, FormulaError, r"has the term 'y \* x2'. Predictors are columns .* passive"),
        ({"predictors": {"x1": "~ 0 + y"}}, FormulaError, "leaves the constant out"),
        ({"predictors": {"x1": "~ y - x2"}}, FormulaError, "has the term 'y - x2'"),
        ({"predictors": {"x1": "~ y + (1 | g)"}}, FormulaError, "the method has no random effects"),
        ({"predictors": {"x1": "~ y + (1 | sex)"}}, FormulaError, "groups by 'sex', but cluster='g'"),
        ({"selection": {"x1": "~ y"}}, FormulaError, "a selection equation|A selection equation"),
        ({"selection": {"y": "~ x1"}}, ImputationError, "A selection equation: 'y' is complete"),
    ],
)
def test_requests_that_cannot_be_met(settings, error, message):
    settings = {"cluster": "g", "methods": NORMS} | settings
    with pytest.raises(error, match=message):
        run(table(), **settings)


@pytest.mark.parametrize(
    ("method", "formula", "message"),
    [
        ("one-stage", "~ y + (1 + x2 | g)", "'x2' in its grouping term only"),
        ("one-stage", "~ y + w + (1 + w | g)", "random coefficient of 'w', which does not vary within clusters"),
        ("one-stage", "~ y + (1 + y || g)", r"uses '\|\|'"),
        ("two-stage", "~ y + x2 + (1 + y | g)", "a fixed coefficient of x2 only, but in its method all coefficients vary"),
        ("two-stage", "~ y + (0 + y | g)", "no random intercept"),
        ("heteroscedastic", "~ y + w", "'w', which does not vary within clusters; its method cannot have such"),
    ],
)
def test_random_coefficients_that_methods_cannot_have(method, formula, message):
    with pytest.raises(FormulaError, match=message):
        run(table(), {"x1": method, "x2": "norm"}, {"x1": formula}, cluster="g")


def test_cluster_means_that_a_method_cannot_have():
    with pytest.raises(ImputationError, match="cluster_means are asked for, which the method of 'x1' cannot have"):
        run(table(), {"x1": "heteroscedastic", "x2": "norm"}, cluster="g", cluster_means=True)


def test_selection_methods_need_a_selection_equation():
    with pytest.raises(FormulaError, match="has a selection equation, for which no formula is given"):
        run(table(), {"x1": "two-stage-heckman", "x2": "norm"}, cluster="g")
    with pytest.raises(FormulaError, match="The selection formula .* has a grouping term"):
        selection = {"x1": "~ y + (1 | g)"}
        run(table(), {"x1": "two-stage-heckman", "x2": "norm"}, cluster="g", selection=selection)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"g": None}, TableError, "The|Column 'g' is the cluster column but has missing values"),
        ({"g": "one"}, TableError, "one cluster only"),
        ({"x1": np.nan}, TableError, "'x1' has no observed value"),
        ({"x1": np.where(np.arange(96) % 3, 7.0, np.nan)}, TableError, "'x1' is constant: all its observed values are 7.0"),
        ({"x1": np.where(np.arange(96) % 3, np.inf, np.nan)}, TableError, "is constant|has infinite values"),
        ({"y": np.where(np.arange(96) % 3, np.inf, 1.0)}, TableError, "'y' has infinite values"),
        ({"z": pd.Series([pd.Timestamp("2024-01-01"), None] * 48)}, TableError, "'z' holds values that are neither"),
        ({"sex": pd.Categorical([None, "a", "b"] * 32)}, ImputationError, "'sex' is binary, which 'norm' cannot impute"),
    ],
)
def test_tables_that_cannot_be_imputed(changes, error, message):
    methods = NORMS | ({"sex": "norm"} if "sex" in changes else {})
    with pytest.raises(error, match=message):
        run(wanting(**changes), methods, cluster="g")


def test_predictors_must_be_complete_or_imputed():
    data = table()
    with pytest.raises(ImputationError, match="'x2' is a predictor, or enters a passive variable, but has missing values in"):
        run(data, {"x1": "norm", "x2": None}, {"x1": "~ x2"})
    left = run(data, {"x1": "norm", "x2": None}, cluster="g")
    assert left.columns == ("x1",) and left.provenance["chained"]["left_out"] == {"x2": "stays incomplete"}


def test_constant_and_collinear_predictors_are_named():
    data = table().assign(same=1.0)
    with pytest.raises(TableError, match="'same' is constant"):
        run(data, NORMS, {"x1": "~ same"}, cluster="g")
    data = table().assign(double=lambda frame: 2 * frame["y"])
    with pytest.raises(ImputationError, match="'double' of 'x1' is constant or a combination of those before it in the"):
        run(data, NORMS, cluster="g")


def test_methods_that_return_nonsense_are_refused():
    for nonsense, message in (
        (lambda target, rng: np.zeros(3), r"returned an array of shape \(3,\), not"),
        (lambda target, rng: np.full(int(target.missing.sum()), np.nan), "returned .*nan.*; its values must be finite"),
    ):
        with pytest.raises(ImputationError, match=f"method of 'x1' {message}"):
            run(table(), {"x1": nonsense, "x2": "norm"}, cluster="g")
    data = wanting(sex=pd.Categorical([None, "a", "b"] * 32))
    with pytest.raises(ImputationError, match="its values must be categories 0 to 1"):
        run(data, {**NORMS, "sex": lambda target, rng: np.full(int(target.missing.sum()), 2)}, cluster="g")


def test_failing_fits_name_variable_and_sweep():
    def failing(target, rng):
        raise np.linalg.LinAlgError("Singular matrix")

    with pytest.raises(ImputationError, match=r"Singular matrix \(Variable 'x2', sweep 1\.\)"):
        run(table(), {"x1": "norm", "x2": failing}, cluster="g")


@pytest.mark.parametrize("name", ENTRIES)
def test_every_method_exists(name):
    assert type(make(name)) is getattr(jm.methods, ENTRIES[name].name)


def test_unknown_methods_of_the_module_are_an_attribute_error():
    with pytest.raises(AttributeError, match="'jmimpute.methods' has no attribute 'Nothing'"):
        jm.methods.Nothing  # noqa: B018

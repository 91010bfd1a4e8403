"""Descriptions of holes that make no sense are refused when they are made."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.amputation.holes import Term
from jmimpute.errors import AmputationError

holes = jm.holes


def test_descriptions():
    made = holes.mar(["y", "z"], 0.3, {"x": np.int64(1), "cluster_mean(x)": 0.5, "sex": {"girl": -1}}, shape="tail")
    assert made.columns == ("y", "z") and made.mechanism == "MAR" and made.kind == "sporadic" and made.shape == "tail"
    assert made.terms == (Term("x", False, 1.0), Term("x", True, 0.5), Term("sex", False, {"girl": -1}))
    made = holes.heckman("y", 0.3, {"x": 1}, rho=-0.5, given="x", cluster_sd=0.2)
    assert made.columns == ("y",) and made.given == ("x",) and (made.rho, made.cluster_sd) == (-0.5, 0.2)


@pytest.mark.parametrize("proportion", [0, 1, -0.1, 30, np.nan, "a", True])
def test_proportions_are_between_0_and_1(proportion):
    with pytest.raises(AmputationError, match="between 0 and 1"):
        holes.mcar("y", proportion)


@pytest.mark.parametrize("columns", [[], ["y", "y"], [1], ["y", 2]])
def test_columns_are_different_names(columns):
    with pytest.raises(AmputationError, match="several different ones by name"):
        holes.mcar(columns, 0.2)


@pytest.mark.parametrize("weights", [{"x": "a"}, {"x": np.inf}, {"x": {}}, {"x": {"a": None}}, {"x": True}])
def test_weights_are_finite_numbers(weights):
    with pytest.raises(AmputationError, match="The weight of 'x' is"):
        holes.mar("y", 0.2, weights)


@pytest.mark.parametrize("weights", [{}, 1, ["x"]])
def test_weights_are_a_dict(weights):
    with pytest.raises(AmputationError, match="Weights are a dict"):
        holes.mnar("y", 0.2, weights)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: holes.mcar("y", 0.2, kind="random"),
            "no kind of holes 'random'. Choose 'sporadic', 'systematic'",
        ),
        (lambda: holes.mar("y", 0.2, {"x": 1}, shape="RIGHT"), "no shape 'RIGHT'. Choose 'right', 'left', 'mid' or 'tail'"),
        (lambda: holes.mar(["y", "z"], 0.2, {"x": 1, "z": 1}), "'z' is made missing by holes that depend on it.*jm.holes.mnar"),
        (lambda: holes.mar("y", 0.2, {"cluster_mean(y)": 1}), "'y' is made missing by holes that depend on it"),
        (lambda: holes.mnar(["y", "z"], 0.2, {"x": 1}), "a column that is made missing, 'y' or 'z'.*jm.holes.mar"),
        (lambda: holes.heckman(["y"], 0.2, {"x": 1}, 0.5), "for one column"),
        (lambda: holes.heckman("y", 0.2, {"x": 1, "y": 1}, 0.5), "'y' enters its selection model through rho only"),
        (lambda: holes.heckman("y", 0.2, {"x": 1}, 0.5, given=["y"]), "'y' enters its selection model through rho only"),
        (lambda: holes.heckman("y", 0.2, {"x": 1}, 1), "rho is a correlation between -1 and 1"),
        (lambda: holes.heckman("y", 0.2, {"x": 1}, np.nan), "rho is a correlation between -1 and 1"),
        (lambda: holes.heckman("y", 0.2, {"x": 1}, 0.5, cluster_sd=-1), "standard deviation, 0 or above, not -1"),
    ],
)
def test_senseless_descriptions_are_refused(make, message):
    with pytest.raises(AmputationError, match=message):
        make()

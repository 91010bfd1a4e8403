"""Uncorrelated random effects: what ``||`` means, where it may stand, and that scaling keeps blocks apart."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError
from jmimpute.specification.formula import parse
from jmimpute.specification.specify import specify

COLUMNS = ["y1", "y2", "x", "sex", "school", "a||b"]


def table():
    rng = np.random.default_rng(1)
    n = 60
    return pd.DataFrame(
        {
            "y1": rng.normal(50, 9, n),
            "y2": rng.normal(3, 1, n),
            "x": rng.normal(10, 2, n),
            "t": rng.normal(-5, 3, n),
            "kind": pd.Categorical(np.array(["u", "v", "w"])[rng.integers(0, 3, n)]),
            "w": np.tile(rng.normal(size=10), 6),
            "g": np.arange(n) % 10,
        }
    )


@pytest.mark.parametrize(
    ("text", "random", "cluster"),
    [
        ("y1 ~ x + (1 + x || school)", "1 + x", "school"),
        ("y1 ~ (x||school)", "1 + x", "school"),
        ("y1 ~ (0 + x || school) + sex", "0 + x", "school"),
        ("y1 ~ `a||b` + (1 + `a||b` || school)", "1 + `a||b`", "school"),
        ("y1 ~ (1 + x || `a||b`)", "1 + x", "a||b"),
    ],
)
def test_accepted(text, random, cluster):
    formula = parse(text, COLUMNS, allow_uncorrelated=True)
    assert (formula.text, formula.random, formula.cluster, formula.uncorrelated) == (text, random, cluster, True)


def test_bars_within_names_are_part_of_them():
    formula = parse("y1 ~ `a||b` + (1 | school)", COLUMNS)
    assert not formula.uncorrelated and formula.columns == ("a||b",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y1 ~ x || school", r"A grouping term needs parentheses"),
        ("y1 ~ x * (1 || school)", r"'\|' inside another term"),
        ("y1 ~ (1 || school || sex)", r"'\|' inside another term"),
        ("y1 ~ (1 | school) + I(x || sex)", r"'\|' inside another term|does not parse"),
        ("y1 ~ (1 | school) + (0 + x || school)", "2 grouping terms"),
        ("y1 || y2 ~ x", "needs parentheses|has no '~'|does not parse|inside another term"),
        ("y1 ~ (1 ||| school)", "does not parse|inside another term"),
    ],
)
def test_refused(text, message):
    with pytest.raises(FormulaError, match=message) as caught:
        parse(text, COLUMNS, allow_uncorrelated=True)
    assert repr(text) in str(caught.value), "the message has the formula as it was written"


def test_analyses_have_correlated_effects_only():
    with pytest.raises(FormulaError, match=r"uses '\|\|'. Uncorrelated random effects are not available here: write a single"):
        parse("y1 ~ x + (1 + x || school)", COLUMNS)


BLOCKS = {
    "y1 + y2 ~ x + (1 + x || g)": [0, 1, 0, 1],
    "y1 + y2 ~ x + (1 + x + t || g)": [0, 1, 2, 0, 1, 2],
    "y1 ~ x + (1 || g)": [0],
    "y1 ~ x + (0 + x || g)": [0],
    "y1 ~ x + (0 + x + t || g)": [0, 1],
    "y1 + kind ~ x + (1 + x || g)": [0, 1, 0, 1, 0, 1],
    ("y1 ~ x + (1 + x || g)", "y2 ~ 1 + (1 + x | g)"): [0, 1, 0, 0],
    ("y1 ~ 1 + (1 + x | g)", "y2 ~ x + t + (0 + x + t || g)"): [0, 0, 1, 2],
    ("y1 ~ 1 + (1 + t || g)", "y2 ~ x"): [0, 1],
}


@pytest.mark.parametrize("formulas", BLOCKS)
def test_blocks(formulas):
    spec = specify(formulas, table())
    assert spec.layout.blocks.tolist() == BLOCKS[formulas]
    assert spec.is_structured == (max(BLOCKS[formulas]) > 0)


def test_level_2_responses_are_with_the_intercepts():
    assert specify("y1 ~ x + (0 + x || g)", table(), level2="w ~ 1").layout.blocks.tolist() == [1, 0]


@pytest.mark.parametrize("formulas", BLOCKS)
def test_scaling_keeps_blocks_apart(formulas):
    spec = specify(formulas, table(), level2="w ~ 1")
    blocks, k = spec.layout.blocks, spec.scaling.u_transform
    apart = np.not_equal.outer(blocks, blocks)
    assert not k[apart].any()
    half = np.random.default_rng(2).normal(size=k.shape)
    omega = np.where(apart, 0.0, half @ half.T)
    assert not spec.scaling.omega_u(omega)[apart].any()


def test_slopes_apart_are_scaled_and_not_centred():
    frame = table()
    spec = specify(["y1 ~ x + t + (1 + x || g)", "y2 ~ t + (1 + x + t | g)"], frame)
    rows, names = spec.order, spec.layout.random
    np.testing.assert_allclose(spec.z[:, names.index("x")], frame["x"].to_numpy()[rows] / frame["x"].std(ddof=0))
    centred = (frame["t"] - frame["t"].mean()) / frame["t"].std(ddof=0)
    np.testing.assert_allclose(spec.z[:, names.index("t")], centred.to_numpy()[rows], atol=1e-12)
    x = (frame["x"] - frame["x"].mean()) / frame["x"].std(ddof=0)
    np.testing.assert_allclose(spec.x[:, spec.layout.covariates.index("x")], x.to_numpy()[rows], atol=1e-12)


def test_blocks_are_told():
    text = str(jm.JointModel("y1 + y2 ~ x + (1 + x || g)", table()))
    assert "  correlations within blocks only: y1|Intercept, y2|Intercept; y1|x, y2|x\n" in text
    assert "within blocks" not in str(jm.JointModel("y1 + y2 ~ x + (1 + x | g)", table()))

"""Imputation models that lack something an analysis needs, one thing at a time."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import FormulaError
from jmimpute.specification.advice.spread import spread
from jmimpute.specification.formula import parse
from jmimpute.table.clusters import code
from tests.specification.test_suggest import made, table

# Analysis, incomplete columns, arguments of the model, family; and the findings expected: severity, rule, term.
CASES = {
    "complete: nothing is found": (
        *("y ~ x + z + (1 | g)", ["y", "x"], {"formulas": "y + x ~ z + (1 | g)"}),
        set(),
    ),
    "extra variables do no harm": (
        *("y ~ x + (1 | g)", ["y", "x"], {"formulas": "y + x + v ~ z + sex + (1 | g)"}),
        set(),
    ),
    "an incomplete variable is left out: its rows stay incomplete": (
        *("y ~ x + z + (1 | g)", ["y", "x"], {"formulas": "y ~ z + (1 | g)"}),
        {("error", "variable", "x")},
    ),
    "a complete covariate is left out": (
        *("y ~ x + z + (1 | g)", ["y", "x"], {"formulas": "y + x ~ 1 + (1 | g)"}),
        {("error", "variable", "z")},
    ),
    "the complete outcome is left out": (
        *("y ~ x + z", ["x"], {"formulas": "x ~ z"}),
        {("error", "variable", "y")},
    ),
    "a covariate of some responses only": (
        *("y ~ x + z + v + (1 | g)", ["y", "x", "v"], {"formulas": ["y + x ~ z + (1 | g)", "v ~ 1 + (1 | g)"]}),
        {("warning", "covariate", "v")},
    ),
    "the outcome as a covariate of some responses only": (
        *("y ~ x + v", ["x", "v"], {"formulas": ["x ~ y", "v ~ 1"]}),
        {("error", "covariate", "v")},
    ),
    "a complete continuous outcome as a covariate: relations the same between clusters": (
        *("y ~ x + (1 | g)", ["x"], {"formulas": "x ~ y + (1 | g)"}),
        {("warning", "outcome", "y")},
    ),
    "clusters are ignored": (
        *("y ~ x + (1 | g)", ["y", "x"], {"formulas": "y + x ~ 1"}),
        {("error", "clusters", "g")},
    ),
    "other clusters": (
        *("y ~ x + (1 | g)", ["y", "x"], {"formulas": "y + x ~ 1 + (1 | kind)"}),
        {("error", "clusters", "g"), ("warning", "size", "kind")},
    ),
    "one response has no random intercept": (
        *("y ~ x + (1 | g)", ["y", "x"], {"formulas": ["y ~ 1 + (1 | g)", "x ~ 1"]}),
        {("error", "clusters", "x")},
    ),
    "a variable of clusters as a response of rows": (
        *("y ~ w + (1 | g)", ["y", "w"], {"formulas": "y + w ~ 1 + (1 | g)"}),
        {("error", "level", "w")},
    ),
    "a complete outcome as a covariate says nothing about a variable of clusters": (
        *("y ~ sex + w + (1 | g)", ["w"], {"formulas": "sex ~ y + (1 | g)", "level2": "w ~ 1", "families": {"sex": "binary"}}),
        {("error", "covariate", "w"), ("warning", "outcome", "y")},
    ),
    "a covariate of clusters is missing at level 2": (
        *("y ~ w + n + (1 | g)", ["y", "w"], {"formulas": "y ~ n + (1 | g)", "level2": "w ~ 1"}),
        {("warning", "covariate", "w")},
    ),
    "a random slope of a complete covariate is missing": (
        *("y ~ z + (1 + z | g)", ["y"], {"formulas": "y ~ z + (1 | g)"}),
        {("error", "slope", "z")},
    ),
    "a random slope that is uncorrelated with the intercept": (
        *("y ~ z + (1 + z | g)", ["y"], {"formulas": "y ~ z + (1 + z || g)"}),
        {("note", "slope", "z")},
    ),
    "a random slope of a response needs covariances that differ": (
        *("y ~ x + (1 + x | g)", ["x"], {"formulas": "y + x ~ 1 + (1 | g)"}),
        {("error", "slope", "x")},
    ),
    "and has them": (
        *("y ~ x + (1 + x | g)", ["x"], {"formulas": "y + x ~ 1 + (1 | g)", "covariance": "cluster-specific"}),
        {("warning", "slope", "x")},
    ),
    "a variable of clusters has no slope": (
        *("y ~ w + (1 + w | g)", ["y"], {"formulas": "y ~ w + (1 | g)"}),
        {("warning", "slope", "w")},
    ),
    "an interaction of complete variables is missing": (
        *("y ~ sex * w + (1 | g)", ["y"], {"formulas": "y ~ sex + w + (1 | g)"}),
        {("error", "interaction", "sex:w")},
    ),
    "written in another way it is there": (
        *("y ~ sex * w + (1 | g)", ["y"], {"formulas": "y ~ C(sex) * center(w) + (1 | g)"}),
        set(),
    ),
    "a curve of a complete variable is missing": (
        *("y ~ z + I(z**2)", ["y"], {"formulas": "y ~ z"}),
        {("error", "curve", "I(z ** 2)")},
    ),
    "a curve of a complete variable, the outcome being a covariate": (
        *("died ~ z + I(z**2) + x + (1 | g)", ["x"], {"formulas": "x ~ died + z + (1 | g)"}, "binomial"),
        {("warning", "curve", "I(z ** 2)")},
    ),
    "a cross-level interaction of a response needs covariances that differ": (
        *("y ~ x * w + (1 | g)", ["x"], {"formulas": "y + x ~ w + (1 | g)"}),
        {("error", "interaction", "x:w")},
    ),
    "a cross-level interaction with a level-2 response needs a random slope": (
        *("y ~ z * w + (1 | g)", ["w"], {"formulas": "y ~ z + (1 | g)", "level2": "w ~ 1"}),
        {("error", "interaction", "z:w")},
    ),
    "and has it": (
        *("y ~ z * w + (1 | g)", ["w"], {"formulas": "y ~ z + (1 + z | g)", "level2": "w ~ 1"}),
        {("note", "interaction", "z:w")},
    ),
    "an interaction with the outcome as a covariate needs its product": (
        *("y ~ x * sex", ["x"], {"formulas": "x ~ y + sex"}),
        {("error", "interaction", "x:sex")},
    ),
    "an interaction of two responses": (
        *("y ~ x * v", ["x", "v"], {"formulas": "y + x + v ~ 1"}),
        {("warning", "interaction", "x:v")},
    ),
    "a binary outcome is imputed as continuous": (
        *("died ~ x", ["died"], {"formulas": "died ~ x"}, "binomial"),
        {("error", "family", "died")},
    ),
    "two values are imputed as continuous": (
        *("y ~ sex", ["sex"], {"formulas": "y + sex ~ 1"}),
        {("warning", "family", "sex")},
    ),
    "categories are imputed as continuous": (
        *("y ~ C(score)", ["score"], {"formulas": "y + score ~ 1"}),
        {("error", "family", "score")},
    ),
    "the mean of an incomplete covariate is in the model": (
        *("y ~ x + mean + (1 | g)", ["x"], {"formulas": "y + x ~ mean + (1 | g)"}, "gaussian", {"mean": "x"}),
        {("warning", "cluster mean", "mean")},
    ),
    "matrices of clusters that have no value": (
        *("y ~ x + (1 | g)", ["y"], {"formulas": "y + x ~ 1 + (1 | g)", "covariance": "cluster-specific"}),
        *("gaussian", {"systematic": "x"}),
        {("warning", "covariance", "x")},
    ),
    "residual variances that differ between clusters": (
        *("y ~ x + (1 | g)", ["y"], {"formulas": "y ~ x + (1 | g)"}, "gaussian", {"unequal": "y"}),
        {("warning", "covariance", "y")},
    ),
    "a value of level 2 is given in other rows only, and would stay missing": (
        *("y ~ n + w + (1 | g)", ["y", "n"], {"formulas": "y ~ 1 + (1 | g)", "level2": "n ~ w"}, "gaussian", {"carry": "w"}),
        {("error", "variable", "w")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_findings(case):
    analysis, incomplete, arguments, *rest, expected = CASES[case]
    family, how = (*rest, *("gaussian", {})[len(rest) :])
    frame, _ = made(incomplete, how)
    checked = jm.JointModel(data=frame, **arguments).check(analysis, family=family)
    assert {(finding.severity, finding.rule, finding.term) for finding in checked.findings} == expected
    assert checked.ok == all(severity != "error" for severity, *_ in expected)


def test_text():
    frame = table("y", "x")
    checked = jm.JointModel("y ~ 1", frame).check("y ~ x + z + (1 | g)")
    text = str(checked)
    assert text.startswith("The imputation model lacks something that the analysis needs: y ~ x + z + (1 | g)\n\nErrors: ")
    assert f"x: it is not in the imputation model, so that {frame['x'].isna().sum()} row(s) stay incomplete." in text
    assert max(map(len, text.splitlines())) <= 100
    assert "&lt;" not in checked._repr_html_() and checked._repr_html_().startswith("<pre>")
    fine = jm.JointModel("y + x ~ 1 + (1 | g)", frame).check("y ~ x + (1 | g)")
    assert str(fine) == "The imputation model has what the analysis needs: y ~ x + (1 | g)"


def test_errors_come_first():
    checked = jm.JointModel("y + sex ~ 1", table("y", "sex")).check("y ~ sex + z")
    assert [finding.severity for finding in checked.findings] == ["error", "warning"]


def test_analyses_are_checked_too():
    model = jm.JointModel("y ~ x", table("y"))
    with pytest.raises(FormulaError, match="'nothing', which is not a column"):
        model.check("y ~ nothing")
    with pytest.raises(FormulaError, match="family 'normal'"):
        model.check("y ~ x", family="normal")


# Residual variances


def spreads(draw, seed=5, clusters=40, size=20, replications=200):
    """Results for tables whose residuals are drawn by ``draw(rng, j)``."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(clusters), size)
    formula = parse("y ~ x + (1 + x | g)", ["y", "x", "g"])
    found = []
    for _ in range(replications):
        x = rng.normal(size=len(g))
        slope = rng.normal(size=clusters)[g]
        frame = pd.DataFrame({"g": g, "x": x, "y": slope * x + draw(rng, g)})
        found.append(spread("y", formula, frame, code(frame, "g")))
    return found


@pytest.mark.parametrize("draw", [lambda rng, g: rng.normal(size=len(g)), lambda rng, g: rng.laplace(size=len(g))])
def test_spread_is_not_found_where_there_is_none(draw):
    """Normal and heavy-tailed residuals, slopes of clusters: 15 of 100 tests at 5 % reject by chance in 1 of 10^4 runs."""
    found = spreads(draw, replications=100)
    assert sum(one.p_value < 0.05 for one in found) <= 14
    assert not any(one.is_large for one in found)


def test_spread_is_estimated():
    """SD of the log SDs 0.3; with 20 rows a cluster estimates are a little low. The mean of 50 has standard error 0.007."""

    def draw(rng, g):
        return np.exp(rng.normal(0, 0.3, g.max() + 1))[g] * rng.normal(size=len(g))

    found = spreads(draw, replications=50)
    assert np.mean([one.sd for one in found]) == pytest.approx(0.28, abs=0.03)
    assert np.mean([one.is_large for one in found]) > 0.8


def test_few_clusters_say_nothing():
    frame = table("y", clusters=9)
    assert spread("y", parse("y ~ x + (1 | g)", list(frame.columns)), frame, code(frame, "g")) is None

"""Differences between methods, and which of them other imputations could have made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

import jmimpute as jm
from jmimpute.analysis.compare_methods import IMPUTED, NUMBERS, Method, imputed
from jmimpute.analysis.compare_result import Comparison
from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisError
from tests.analysis.compared import FORMULA, complete, imputations

FIRST, SECOND = np.array([1.0, 1.2, 1.1, 1.3]), np.array([0.9, 1.6, 1.2])


def method(name, values, variance=0.04):
    """One term, estimated from each imputation."""
    fits = [Estimates(("b",), np.array([value]), np.array([[variance]]), n_rows=10) for value in values]
    return imputed(name, fits, 0.95, {})


def only(*methods, level=0.95):
    """The only row of the differences between two methods."""
    (row,) = Comparison(tuple(methods), "f", level).differences().to_dict("records")
    return row


def test_monte_carlo_errors_of_two_methods_add_up():
    row = only(method("a", FIRST), method("b", SECOND, variance=0.09))
    assert (row["method"], row["reference"], row["term"], row["part"]) == ("b", "a", "b", "fixed")
    assert row["difference"] == pytest.approx(SECOND.mean() - FIRST.mean())
    assert row["mc_error"] == pytest.approx(np.sqrt(FIRST.var(ddof=1) / 4 + SECOND.var(ddof=1) / 3))
    own = np.sqrt(0.09 + (1 + 1 / 3) * SECOND.var(ddof=1))
    assert row["in_std_errors"] == pytest.approx(row["difference"] / own)
    assert row["std_error_ratio"] == pytest.approx(own / np.sqrt(0.04 + 1.25 * FIRST.var(ddof=1)))


@pytest.mark.parametrize(("beyond", "share"), [(True, 1.001), (False, 0.999)])
def test_the_limit_is_that_of_welch(beyond, share):
    parts = np.array([FIRST.var(ddof=1) / 4, SECOND.var(ddof=1) / 3])
    limit = t.ppf(0.95, parts.sum() ** 2 / (parts**2 / [3, 2]).sum()) * np.sqrt(parts.sum())
    moved = SECOND - SECOND.mean() + FIRST.mean() - share * limit
    assert only(method("a", FIRST), method("b", moved), level=0.9)["beyond_noise"] == beyond


def test_chance_is_flagged_as_often_as_the_level_says():
    """Of 20,000 differences between 5 and 8 draws of one normal, 10 % at level 0.9, but for 0.011: five standard deviations."""
    rng = np.random.default_rng(1)

    def drawn(name, m):
        values = rng.normal(size=(m, 20_000))
        table = pd.DataFrame({"part": "fixed", "term": map(str, range(20_000)), "estimate": values.mean(axis=0)})
        table["mc_error"] = values.std(axis=0, ddof=1) / np.sqrt(m)
        return Method(name, IMPUTED, table.reindex(columns=["part", "term", *NUMBERS]), m)

    flagged = Comparison((drawn("a", 5), drawn("b", 8)), "f", 0.9).differences()["beyond_noise"]
    assert flagged.mean() == pytest.approx(0.1, abs=0.011)


def test_the_same_draws_are_compared_pair_by_pair():
    """Imputations moved by a number differ from what they were by a number that has no Monte Carlo error."""
    source = imputations(6)
    seeded = replace(source, provenance={"seed": 1, "seconds": {"wall": 1.0, "cpu": 1.0}})
    again = replace(source, provenance={"seed": 1, "seconds": {"wall": 2.0, "cpu": 2.0}})
    lower = again.delta("y", jm.shift(-1.0), scope="marginal")
    share = source.original["y"].isna().mean()
    (row,) = jm.compare({"a": seeded, "b": lower}, jm.mean("y")).differences().query("method == 'b'").to_dict("records")
    assert row["difference"] == pytest.approx(-share)
    assert row["mc_error"] == pytest.approx(0, abs=1e-12) and row["beyond_noise"]
    unknown = jm.compare({"a": source, "b": source.delta("y", jm.shift(-1.0), scope="marginal")}, jm.mean("y"))
    (row,) = unknown.differences().query("method == 'b'").to_dict("records")
    assert row["mc_error"] > 0.01, "without a seed nobody knows that the draws are the same"


def test_what_has_no_monte_carlo_error_and_what_nobody_knows_it_of():
    source = imputations(5)
    paper = pd.DataFrame({"term": ["x"], "estimate": [0.4], "std_error": [0.1]})
    comparison = jm.compare({"a": source}, "y ~ x", truth={"x": 0.5}, published={"paper": paper})
    table = comparison.differences().set_index(["method", "term"])
    own = comparison.table.set_index(["method", "term"])
    error = own.loc[("a", "x"), "mc_error"]
    assert table.loc[("truth", "x"), "mc_error"] == error == table.loc[("complete cases", "x"), "mc_error"]
    assert np.isnan(table.loc[("truth", "x"), "in_std_errors"])
    assert np.isnan(table.loc[("paper", "x"), "mc_error"]) and table.loc[("paper", "x"), "beyond_noise"] is pd.NA
    assert table.loc[("paper", "x"), "in_std_errors"] == pytest.approx((0.4 - own.loc[("a", "x"), "estimate"]) / 0.1)
    assert set(table.index.get_level_values("term")) == {"Intercept", "x", "sd(residual)"}
    assert ("truth", "Intercept") not in table.index
    back = comparison.differences("truth").set_index(["method", "term"])
    assert back.loc[("a", "x"), "difference"] == own.loc[("a", "x"), "estimate"] - 0.5
    with pytest.raises(AnalysisError, match="no method 'joint'. Choose 'complete cases', 'a', 'paper' or 'truth'"):
        comparison.differences("joint")


def test_variance_components_are_set_against_each_other_too():
    comparison = jm.compare({"a": imputations(5), "b": imputations(5, 2)}, FORMULA, truth=complete())
    table = comparison.differences("complete data").set_index(["method", "term"])
    wide = comparison.wide("estimate")
    for term in ("sd(Intercept|school)", "sd(residual)", "icc"):
        assert table.loc[("b", term), "difference"] == wide.loc[term, "b"] - wide.loc[term, "complete data"]
        assert table.loc[("b", term), "mc_error"] == comparison.wide("mc_error").loc[term, "b"] > 0

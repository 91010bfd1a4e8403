"""Performance measures against closed forms, by hand and over many studies."""

import numpy as np
import pandas as pd
import pytest

from jmimpute import study
from jmimpute.errors import StudyError, StudyWarning


def rows(estimates, errors=None, low=None, high=None, method="a", term="x"):
    return pd.DataFrame(
        {
            "replicate": np.arange(1, len(estimates) + 1),
            "method": method,
            "term": term,
            "estimate": estimates,
            "std_error": errors if errors is not None else np.nan,
            "conf_low": low if low is not None else np.nan,
            "conf_high": high if high is not None else np.nan,
        }
    )


def measures(table, method="a", term="x"):
    chosen = table[(table["method"] == method) & (table["term"] == term)]
    return chosen.set_index("measure")[["value", "mc_error"]]


def test_measures_by_hand():
    """Four replications, truth 1; the formulas of Morris, White and Crowther, table 6, worked out by hand."""
    data = rows([1.0, 2.0, 3.0, 2.0], [1.0, 1.0, 2.0, 2.0], [0.5, 1.5, 0.0, 2.5], [1.5, 2.5, 6.0, 3.5])
    table = study.performance(data, {"x": 1.0})
    assert list(table.columns) == ["method", "term", "measure", "value", "mc_error", "n"]
    assert list(table["measure"]) == [
        *("mean", "bias", "empirical_se", "mse", "model_se", "relative_error"),
        *("coverage", "bias_eliminated_coverage", "width"),
    ]
    assert (table["n"] == 4).all()
    found = measures(table)
    empirical, model = np.sqrt(2 / 3), np.sqrt(2.5)
    # variance of the squared standard errors 1, 1, 4, 4 is 3
    relative = np.sqrt(3 / (4 * 4 * 2.5**2))
    expected = {
        "mean": (2.0, empirical / 2),
        "bias": (1.0, empirical / 2),
        "empirical_se": (empirical, empirical / np.sqrt(6)),
        # squared errors 0, 1, 4, 1 have mean 1.5 and variance 3
        "mse": (1.5, np.sqrt(3) / 2),
        "model_se": (model, model * relative),
        "relative_error": (100 * (model / empirical - 1), 100 * model / empirical * np.sqrt(relative**2 + 1 / 6)),
        # the truth is in intervals 1 and 3, the mean of 2 in 2 and 3
        "coverage": (0.5, 0.25),
        "bias_eliminated_coverage": (0.5, 0.25),
        # widths 1, 1, 6, 1
        "width": (2.25, 2.5 / 2),
    }
    for name, pair in expected.items():
        np.testing.assert_allclose(found.loc[name].astype(float), pair, err_msg=name)


def test_monte_carlo_errors_are_the_spread_over_studies():
    """500 studies of 40 replications: the sd of each measure equals its mean error within 15 % (the error of an sd: 3.2 %)."""
    rng = np.random.default_rng(1)
    data = []
    for number in range(500):
        estimates = rng.normal(0.2, 1, 40)
        errors = np.sqrt(0.8 * rng.chisquare(8, 40) / 8)
        data.append(rows(estimates, errors, estimates - 2 * errors, estimates + 2 * errors).assign(study=number))
    table = study.performance(pd.concat(data), {"x": 0.0}, by="study")
    found = table.groupby("measure").agg(spread=("value", "std"), error=("mc_error", "mean"), mean=("value", "mean"))
    for name in ("bias", "empirical_se", "mse", "model_se", "relative_error", "coverage", "width"):
        assert abs(found.loc[name, "error"] / found.loc[name, "spread"] - 1) < 0.15, name
    assert abs(found.loc["bias", "mean"] - 0.2) < 4 / np.sqrt(20000)


def test_without_standard_errors_or_truth_there_are_fewer_measures():
    table = study.performance(pd.concat([rows([1.0, 2.0]), rows([3.0, 5.0], term="seconds")]), pd.Series({"x": 1.0}))
    assert list(measures(table).index) == ["mean", "bias", "empirical_se", "mse"]
    seconds = measures(table, term="seconds")
    assert list(seconds.index) == ["mean", "empirical_se"]
    assert seconds.loc["mean", "value"] == 4


def test_groups_keep_their_order_and_may_be_several_columns():
    data = pd.concat(
        [rows([1.0, 2.0], method=method).assign(rho=rho) for rho in (0.9, 0.3) for method in ("late", "early")],
        ignore_index=True,
    )
    table = study.performance(data, {"x": 0}, by=["rho", "method"])
    assert list(table[["rho", "method"]].drop_duplicates().itertuples(index=False, name=None)) == [
        (0.9, "late"),
        (0.9, "early"),
        (0.3, "late"),
        (0.3, "early"),
    ]


def test_estimates_that_are_missing_are_counted_and_told():
    data = pd.concat([rows([1.0, 2.0, np.nan]), rows([1.0, 2.0, 3.0], method="b")])
    with pytest.warns(StudyWarning, match="different numbers of replications: x 2 to 3"):
        table = study.performance(data, {"x": 0})
    assert measures(table).loc["mean", "value"] == 1.5
    assert dict(zip(table["method"], table["n"], strict=True)) == {"a": 2, "b": 3}


def test_one_estimate_has_no_spread():
    data = pd.concat([rows([1.0, np.nan]), rows([1.0, 2.0], term="y")])
    found = measures(study.performance(data, {"x": 0, "y": 0}))
    assert list(found.index) == ["mean"]
    assert np.isnan(found.loc["mean", "mc_error"])


def test_estimates_that_never_vary_have_no_relative_error():
    found = measures(study.performance(rows([1.0, 1.0], [0.5, 0.5], [0, 0], [2, 2]), {"x": 1}))
    assert found.loc["empirical_se", "value"] == 0
    assert np.isnan(found.loc["relative_error", "value"])
    assert found.loc["coverage", "value"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.drop(columns="term"), "no column 'term'"),
        (lambda data: data.drop(columns="method"), "no column 'method'"),
        (lambda data: pd.concat([data, data]), "3 rows of results repeat another one"),
        (lambda data: data.head(1), "results of 1 replications"),
    ],
)
def test_results_that_cannot_be_judged_are_refused(change, message):
    with pytest.raises(StudyError, match=message):
        study.performance(change(rows([1.0, 2.0, 3.0])), {"x": 0})

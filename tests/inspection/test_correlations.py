"""Correlations within and between clusters, against sums written out pair by pair."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.inspection import inspect

NAN = np.nan


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = 300
    cluster = rng.integers(0, 12, n)
    u = rng.normal(size=(12, 2))[cluster]
    x = 1e6 + u[:, 0] + rng.normal(size=n)
    y = u[:, 1] - 0.8 * u[:, 0] + 0.5 * (x - 1e6 - u[:, 0]) + rng.normal(size=n)
    frame = pd.DataFrame({"g": cluster, "x": x, "y": y, "size": u[:, 0].round(3)})
    frame["passed"] = pd.array(y > 0, dtype="boolean")
    frame["grade"] = pd.Categorical(
        np.select([y < -1, y < 1], ["low", "middle"], "high"), ["low", "middle", "high"], ordered=True
    )
    frame["sex"] = rng.choice(["boy", "girl"], n)
    for name, share in {"x": 0.2, "y": 0.3, "passed": 0.1, "grade": 0.1}.items():
        frame.loc[rng.random(n) < share, name] = None
    return frame


def by_hand(table, first, second):
    """Means of clusters weighted by rows, and deviations from them, in the rows where both are observed."""
    pair = table[["g", first, second]].dropna()
    numbers = pd.DataFrame(
        {
            "g": pair["g"],
            "a": pair[first].cat.codes if first == "grade" else pair[first].astype(float),
            "b": pair[second].cat.codes if second == "grade" else pair[second].astype(float),
        }
    ).astype(float)
    means = numbers.groupby("g").transform("mean")
    within = numbers[["a", "b"]] - means
    return numbers["a"].corr(numbers["b"]), within["a"].corr(within["b"]), means["a"].corr(means["b"]), len(pair)


@pytest.mark.parametrize("pair", [("x", "y"), ("y", "size"), ("x", "passed"), ("passed", "grade")])
def test_correlations_by_hand(table, pair):
    found = inspect(table, cluster="g").correlations.set_index(["variable_1", "variable_2"]).loc[pair]
    total, within, between, n = by_hand(table, *pair)
    assert found["n_pairs"] == n < 300
    np.testing.assert_allclose([found["total"], found["between"]], [total, between], rtol=1e-9)
    if "size" in pair:
        assert np.isnan(found["within"]), "it does not vary within clusters"
    else:
        assert found["within"] == pytest.approx(within, rel=1e-9)


def test_pairs_are_those_of_numbers(table):
    found = inspect(table, cluster="g").correlations
    assert list(found.columns) == ["variable_1", "variable_2", "total", "within", "between", "n_pairs"]
    assert list(zip(found["variable_1"], found["variable_2"], strict=True))[:5] == [
        ("x", "y"),
        ("x", "size"),
        ("x", "passed"),
        ("x", "grade"),
        ("y", "size"),
    ]
    assert not {"g", "sex"} & {*found["variable_1"], *found["variable_2"]}


def test_opposite_within_and_between():
    table = pd.DataFrame({"g": list("aabb"), "x": [0.0, 1, 2, 3], "y": [1.0, 0, 3, 2]})
    (found,) = inspect(table, cluster="g").correlations.to_dict("records")
    assert (
        found["within"] == pytest.approx(-1) and found["between"] == pytest.approx(1) and found["total"] == pytest.approx(0.6)
    )


def test_without_clusters_and_with_nothing_to_correlate():
    (found,) = inspect(pd.DataFrame({"x": [0.0, 1, 2, NAN], "y": [0.0, 1, 1, 5]})).correlations.to_dict("records")
    assert found["total"] == pytest.approx(np.sqrt(3) / 2) and found["n_pairs"] == 3
    assert np.isnan(found["within"]) and np.isnan(found["between"])
    apart = pd.DataFrame({"x": [1.0, 2, NAN, NAN], "y": [NAN, NAN, 1.0, 2], "z": [0.1] * 4, "inf": [np.inf, 1, 2, 3]})
    found = inspect(apart).correlations
    assert found["total"].isna().all() and list(found["n_pairs"]) == [0, 2, 2]
    assert inspect(pd.DataFrame({"x": [1.0, 2.0]})).correlations.empty

"""What missingness depends on: by hand, against a robust logistic regression, under the null, and in awkward tables."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binom, norm, ttest_1samp

from jmimpute.errors import TableError
from jmimpute.inspection import inspect
from jmimpute.inspection.contrasts import holm, p_value, split, standardised

NAN = np.nan


def happens(rng, log_odds):
    return rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))


def pupils(rng, within=0.0, between=0.0, clusters=60, size=30):
    """Pupils in schools, with y missing depending on deviations of x from the means of schools, and on these means."""
    codes = np.repeat(np.arange(clusters), size)
    mean, deviation = rng.normal(size=clusters)[codes], rng.normal(size=len(codes))
    log_odds = -1 + within * deviation + between * mean + 0.5 * rng.normal(size=clusters)[codes]
    y = np.where(happens(rng, log_odds), NAN, rng.normal(size=len(codes)))
    return pd.DataFrame({"school": codes, "x": mean + deviation, "y": y})


# By hand


def test_means_and_difference_by_hand():
    table = pd.DataFrame({"y": [NAN, NAN, 1, 2, 3, 4], "x": [4.0, 6, 1, 3, NAN, 2], "sex": ["f", "f", "m", "f", "m", "m"]})
    found = inspect(table).dependence("y")
    x, sex = found.table.to_dict("records")
    assert (x["variable"], x["predictor"], x["category"], x["n"], x["n_missing"]) == ("y", "x", None, 5, 2)
    assert (x["mean_missing"], x["mean_observed"]) == (5, 2)
    assert x["difference"] == pytest.approx(3 / np.sqrt((1 + 2 / 3) / 2))
    contributions = (np.array([4, 6, 1, 3, 2]) - 3.2) * (np.array([1, 1, 0, 0, 0]) - 0.4)
    assert x["p_value"] == pytest.approx(ttest_1samp(contributions, 0).pvalue)
    assert (sex["predictor"], sex["category"], sex["n"]) == ("sex", "m", 6)
    assert (sex["mean_missing"], sex["mean_observed"]) == (0, 0.75)
    assert sex["difference"] == pytest.approx(-0.75 / np.sqrt((0 + 0.75 * 0.25) / 2))
    assert "kind" not in found.table and "within" not in found.table, "there are no clusters"


def test_contributions_of_a_cluster_are_added_up():
    x, missing = np.array([1.0, 2, 4, 3, 5, 9]), np.array([True, False, True, False, True, True])
    contributions = (x - 4) * (missing - 4 / 6)
    by_cluster = [contributions[:2].sum(), contributions[2:3].sum(), contributions[3:].sum()]
    assert p_value(x, missing, np.array([0, 0, 3, 7, 7, 7])) == pytest.approx(ttest_1samp(by_cluster, 0).pvalue)


def test_holm():
    np.testing.assert_allclose(holm(np.array([0.02, NAN, 0.01, 0.5, 0.02])), [0.06, NAN, 0.04, 0.5, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1] and holm(np.array([])).size == 0


def test_parts_add_up_to_the_difference():
    rng = np.random.default_rng(1)
    x, missing, codes = rng.normal(size=200), rng.random(200) < 0.3, rng.integers(0, 9, 200)
    parts = split(x, missing, codes)
    assert parts["within"] + parts["between"] == pytest.approx(standardised(x, x, missing))


# Against a logistic regression with cluster-robust errors


def test_p_values_are_near_those_of_a_robust_logistic_regression():
    """The score and the Wald test differ by terms of order 1 / sqrt(clusters), relative to z: 10 % for 300."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    table = pupils(np.random.default_rng(4), within=0.08, between=0.15, clusters=300)
    (found,) = inspect(table, cluster="school").dependence().table.to_dict("records")
    missing, codes = table["y"].isna().to_numpy(dtype=float), table["school"].to_numpy()
    means = table.groupby("school")["x"].transform("mean").to_numpy()
    x = table["x"].to_numpy()
    for part, name in ((x, "p_value"), (x - means, "p_within"), (means, "p_between")):
        model = GLM(missing, np.column_stack([np.ones(len(part)), part]), family=Binomial())
        z = model.fit(cov_type="cluster", cov_kwds={"groups": codes}).tvalues[1]
        ours = norm.isf(found[name] / 2)
        assert abs(z) > 1.5
        assert ours == pytest.approx(abs(z), rel=0.1)


# Under the null, where rows of a cluster are alike


@pytest.mark.parametrize("level", [1, 2])
def test_tests_keep_to_their_level(level):
    """400 tests at 5 %: 36 rejections or more have probability 1e-3 under the null. Independent rows would give over 100."""
    rng, rejections = np.random.default_rng(level), 0
    codes = np.repeat(np.arange(20), 15)
    for _ in range(400):
        x = rng.normal(size=20)[codes] + (0.5 * rng.normal(size=300) if level == 1 else 0)
        missing = happens(rng, -1 + 1.5 * rng.normal(size=20)[codes])
        rejections += p_value(x, missing, codes) < 0.05
    assert rejections <= binom.isf(1e-3, 400, 0.05)


# What is found


def test_within_and_between_are_told_apart():
    within = inspect(pupils(np.random.default_rng(1), within=0.7), cluster="school").dependence()
    (row,) = within.table.to_dict("records")
    assert row["kind"] == "sporadic" and row["notable"]
    assert row["within"] > 0.3 and row["p_within"] < 1e-3
    assert abs(row["between"]) < 0.15 and row["p_between"] > 0.01
    between = inspect(pupils(np.random.default_rng(2), between=-0.9), cluster="school").dependence()
    (row,) = between.table.to_dict("records")
    assert row["between"] < -0.3 and row["p_between"] < 1e-3
    assert abs(row["within"]) < 0.15 and row["p_within"] > 0.01


def test_columns_of_clusters_differ_between_clusters_only():
    table = pupils(np.random.default_rng(1), clusters=30)
    table["size"] = np.random.default_rng(2).normal(100, 9, 30)[table["school"]]
    row = inspect(table, cluster="school").dependence().table.set_index("predictor").loc["size"]
    assert row["within"] == 0 and np.isnan(row["p_within"])
    assert row["between"] == pytest.approx(row["difference"]) and row["p_between"] == pytest.approx(row["p_value"])


def test_systematically_missing_variables_are_a_matter_of_clusters():
    rng = np.random.default_rng(1)
    table = pupils(rng, clusters=50, size=20)
    means = table.groupby("school")["x"].mean()
    lacking = means > means.quantile(0.7)
    table["z"] = np.where(lacking[table["school"]], NAN, 1.0)
    table.loc[table.index[~lacking[table["school"]].to_numpy()][::7], "z"] = NAN
    found = inspect(table, cluster="school").dependence("z").table.set_index(["kind", "predictor"])
    systematic, sporadic = found.loc[("systematic", "x")], found.loc[("sporadic", "x")]
    assert (systematic["n"], systematic["n_missing"]) == (50, 15)
    assert systematic["mean_missing"] == pytest.approx(means[lacking].mean())
    assert systematic["mean_observed"] == pytest.approx(means[~lacking].mean())
    assert systematic["between"] == systematic["difference"] > 2 and np.isnan(systematic["within"])
    assert systematic["notable"]
    assert sporadic["n"] == 35 * 20 and not sporadic["notable"]


def test_reading_in_words():
    rng = np.random.default_rng(3)
    table = pupils(rng, within=1.2)
    table["sex"] = np.where(rng.random(len(table)) < 0.5, "girl", "boy")
    table.loc[(table["sex"] == "girl") & (rng.random(len(table)) < 0.4), "y"] = NAN
    means = table.groupby("school")["x"].transform("mean")
    table["z"] = np.where(means < means.quantile(0.25), NAN, rng.normal(size=len(table)))
    text = str(inspect(table, cluster="school").dependence())
    flat = " ".join(text.split())
    assert flat.startswith("Notable in 3 of 6 comparisons: standardised difference above 0.1, p < 0.05 after Holm's")
    assert "- y is missing more often where x is higher: mean " in flat
    assert "- y is missing more often where sex is girl: share " in flat
    assert "- z is missing from whole clusters less often where the mean of x is higher: mean -" in flat
    assert "y: sex, x" in flat or "y: x, sex" in flat
    assert max(map(len, text.splitlines())) <= 100
    assert "Note: Incomplete themselves, and compared in the units that have them:" in flat


def test_many_differences_are_cut():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 15))
    table = pd.DataFrame(x + 5 * rng.normal(size=(2000, 1)), columns=[f"x{k}" for k in range(15)])
    table["y"] = np.where(table["x0"] > 0, NAN, 1)
    text = str(inspect(table).dependence())
    assert text.count("\n- ") == 13 and "- and 3 smaller ones, see `table`" in text


# Awkward tables


def test_awkward_predictors_are_named_and_do_not_harm():
    n = 40
    missing = np.arange(n) < 10
    table = pd.DataFrame(
        {
            "g": np.arange(n) % 4,
            "y": np.where(missing, NAN, np.arange(n)),
            "separating": missing.astype(float),
            "perfect": pd.Categorical(np.where(missing, "u", "v")),
            "never_with_y": np.where(missing, NAN, np.arange(n)),
            "constant": 0.1,
            "constant_where_observed": np.where(missing, NAN, 0.1),
            "day": date(2020, 1, 1),
            "label": [f"row {k}" for k in range(n)],
            "infinite": [np.inf] + [1.0] * (n - 1),
            "empty": NAN,
            "truth": pd.array([True, False, None, None] * (n // 4), dtype="boolean"),
            "level": pd.Categorical(["a", "b"] * (n // 2), ordered=True),
            "three": pd.Categorical((["u", "v", "w", None] * n)[:n], ["w", "u", "unused", "v"]),
        }
    )
    found = inspect(table, cluster="g").dependence("y")
    by_name = found.table.set_index("predictor")
    assert by_name.loc["separating", "difference"] == by_name.loc["perfect", "difference"] * -1 == np.inf
    assert list(by_name.loc["three", "category"]) == ["w", "u", "v"]
    assert by_name.loc["truth", "category"] is True and by_name.loc["level", "category"] is None
    assert by_name.loc["truth", "n"] == 20
    assert by_name.loc["never_with_y", "n_missing"] == 0 and np.isnan(by_name.loc["never_with_y", "p_value"])
    assert found.notes == (
        "Not compared: constant (constant), constant_where_observed (constant), day (neither numbers nor categories), label "
        "(40 categories, more than 10), infinite (infinite values), empty (never observed).",
        "Incomplete themselves, and compared in the units that have them: never_with_y, truth, three.",
        "Observed only where the other is observed, or only where it is missing: never_with_y with y.",
        "With 4 clusters the tests say little.",
    )
    assert "separating is higher: mean 1 where missing, 0 where observed; standardised difference inf, p < 0.001" in " ".join(
        str(inspect(table).dependence("y")).split()
    )


def test_few_clusters_on_a_side_are_noted():
    table = pd.DataFrame({"g": np.repeat(np.arange(12), 3), "x": np.arange(36.0) % 7})
    table["y"] = np.where(table["g"] < 2, NAN, table["x"])
    found = inspect(table, cluster="g").dependence()
    assert found.notes == ("y is systematically missing in 2 of 12 clusters: tests say little.",)
    assert found.table["kind"].tolist() == ["systematic"]


def test_nothing_to_compare():
    assert str(inspect(pd.DataFrame({"x": [1.0, 2]})).dependence()) == "No missing value that could be compared with anything."
    found = inspect(pd.DataFrame({"x": [NAN, NAN], "g": [1, 2]}), cluster="g").dependence()
    assert found.table.empty and "notable" in found.table and "within" in found.table
    assert np.isnan(p_value(np.array([1.0, 2]), np.array([True, False]), np.array([0, 1]))), "two clusters have no spread"


@pytest.mark.parametrize("as_given", [pd.DataFrame, pl.from_pandas, lambda table: pl.from_pandas(table).to_arrow()])
def test_the_kind_of_table_does_not_matter(as_given):
    table = pupils(np.random.default_rng(1), within=0.5, clusters=12)
    found = inspect(as_given(table), cluster="school").dependence().table
    pd.testing.assert_frame_equal(found, inspect(table, cluster="school").dependence().table)


@pytest.mark.parametrize(
    ("variable", "message"), [("z", "no column 'z'. Choose 'y'"), ("x", "'x' has no missing value. Choose 'y'")]
)
def test_unanswerable_questions_are_refused(variable, message):
    with pytest.raises(TableError, match=message):
        inspect(pd.DataFrame({"x": [1.0, 2], "y": [NAN, 1]})).dependence(variable)
    with pytest.raises(TableError, match="Nothing is missing"):
        inspect(pd.DataFrame({"x": [1.0, 2]})).dependence("x")

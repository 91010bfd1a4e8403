"""Propensities are those of a logistic regression, and values stand at that of their row."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots import propensity, propensity_table

LONG = "a variable with a rather long name"


@pytest.fixture(scope="module")
def mar():
    """y depends on x and is missing by a logistic regression on x, slope 1.5; 4 imputations from the true conditional."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    y = x + rng.normal(size=4000)
    chance = 1 / (1 + np.exp(-(1.5 * x - 0.5)))
    holes = rng.random(4000) < chance
    frame = pd.DataFrame({"x": x, "y": np.where(holes, np.nan, y)})
    return frame, x[holes] + rng.normal(size=(4, holes.sum())), chance


def test_propensities_are_the_chances(mar, make_imputations):
    frame, imputed, chance = mar
    table = propensity_table(make_imputations(frame, {"y": imputed}), "y")
    by_row = table.drop_duplicates("row").set_index("row")["propensity"]
    # Standard errors of the fitted logits are at most 0.15 here, so that a chance is off by 0.04 at most.
    np.testing.assert_allclose(by_row.sort_index(), chance, atol=0.04)
    assert by_row.mean() == pytest.approx(frame["y"].isna().mean(), abs=1e-6), "a logistic regression keeps the mean"
    sizes = table.drop_duplicates("row")["fifth"].value_counts()
    assert sizes.sort_index().tolist() == [800] * 5
    edges = table.groupby("fifth")["propensity"].agg(["min", "max"])
    assert (edges["min"].iloc[1:].to_numpy() >= edges["max"].iloc[:-1].to_numpy()).all()


def test_values_agree_given_the_propensity_though_not_overall(mar, make_imputations):
    frame, imputed, _ = mar
    table = propensity_table(make_imputations(frame, {"y": imputed}), "y")
    means = table.groupby(["fifth", "source"])["value"].mean().unstack()
    overall = table.groupby("source")["value"].mean()
    assert overall["imputed"] - overall["observed"] > 0.8
    # Within fifths x still varies, most in the outer ones.
    assert (means["imputed"] - means["observed"]).abs().loc[2:4].max() < 0.3


def test_imputed_predictors_are_averaged_over_imputations(make_imputations):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=300), rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "y": y})
    frame.loc[:99, "y"], frame.loc[90:110, "x"] = np.nan, np.nan
    imputed = {"y": np.zeros((2, 100)), "x": np.vstack([np.full(21, 3.0), np.full(21, -3.0)])}
    whole = propensity_table(make_imputations(frame, imputed), "y")
    single = [
        propensity_table(make_imputations(frame, {name: values[[k]] for name, values in imputed.items()}), "y") for k in (0, 1)
    ]
    scores = [table.drop_duplicates("row").set_index("row")["propensity"] for table in (whole, *single)]
    assert (scores[1] - scores[2]).abs().max() > 0.05
    np.testing.assert_allclose(scores[0], (scores[1] + scores[2]) / 2)


def test_perfect_prediction_stays_finite(make_imputations):
    x = np.arange(100.0)
    frame = pd.DataFrame({"x": x, "y": np.where(x > 60, np.nan, x), "twice": 2 * x, "constant": 1})
    table = propensity_table(make_imputations(frame, {"y": np.zeros((2, 39))}), "y")
    found = table.drop_duplicates("row").set_index("row")["propensity"]
    assert found.between(0, 1, inclusive="neither").all()
    assert found.loc[:50].max() < 0.15 and found.loc[75:].min() > 0.85


def test_predictors_are_numbers_truth_values_and_categories(make_imputations):
    n = 60
    frame = pd.DataFrame(
        {
            "g": np.repeat([f"cluster {k}" for k in range(12)], 5),
            "y": [np.nan, *range(1, n)],
            "name": [f"pupil {k}" for k in range(n)],
            "sex": ["boy", "girl"] * (n // 2),
            "when": pd.Timestamp("2020-01-01"),
            "hole": [1.0, np.nan] * (n // 2),
            "truth": [True, False, True] * (n // 3),
        }
    )
    imputations = make_imputations(frame, {"y": np.ones((2, 1))}, cluster="g")
    assert "from sex, truth" in propensity(imputations, "y").get_supxlabel()
    for name, message in {
        "name": "60 different texts",
        "when": "neither numbers nor categories",
        "hole": "missing values that were not imputed",
        "g": "Choose among 'name'",
        "nothing": "Choose among 'name'",
    }.items():
        with pytest.raises(TableError, match=f"{name!r} cannot be a predictor.*{message}"):
            propensity(imputations, "y", [name])
    with pytest.raises(TableError, match="no other column"):
        propensity(make_imputations(frame[["g", "y", "name"]], {"y": np.ones((2, 1))}, cluster="g"), "y")
    with pytest.raises(TableError, match="'sex' was not imputed"):
        propensity_table(imputations, "sex")


@pytest.mark.parametrize("n_clusters", [3, 300])
def test_numbers_have_trends_and_boxes(schools, drawn, n_clusters):
    figure = drawn(propensity(schools[n_clusters], LONG, ["x", "z"]))
    left, right = figure.axes
    assert len(left.lines) == 4, "two trends, each with its border"
    table = propensity_table(schools[n_clusters], LONG, ["x", "z"])
    edges = [patch.get_path().vertices[:, 0] for patch in right.patches]
    boxes = [round((edge.min() + edge.max()) / 2, 2) for edge in edges]
    observed = sorted(table.loc[table["source"] == "observed", "fifth"].unique())
    assert boxes[: len(observed)] == [round(fifth - 0.18, 2) for fifth in observed]
    assert figure._supylabel.get_text() == LONG


def test_categories_have_shares_in_the_fifths(schools, drawn):
    figure = drawn(propensity(schools[300], "opinion", ["x", "z"]))
    assert [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes] == list(schools[300].levels("opinion"))
    table = propensity_table(schools[300], "opinion", ["x", "z"])
    own = table[(table["source"] == "observed") & (table["fifth"] == 2)]
    assert figure.axes[2].lines[0].get_ydata()[1] == pytest.approx(100 * (own["value"] == 2).mean())

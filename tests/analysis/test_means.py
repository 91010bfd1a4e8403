"""Weighted means against closed forms and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.weightstats import DescrStatsW

import jmimpute as jm
from jmimpute.errors import AnalysisError


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    n = 200
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, n),
            "hiv": rng.random(n) < 0.3,
            "opinion": pd.Categorical(rng.choice(["agree", "disagree", "neither"], n), ["neither", "agree", "disagree"]),
            "answer": rng.choice(["no", "yes"], n),
            "region": rng.choice(["south", "north"], n),
            "weight": rng.exponential(size=n),
            "psu": rng.integers(0, 15, n),
        }
    )


def test_without_weights_it_is_the_mean_and_its_standard_error(table):
    fit = jm.mean("y")(table)
    assert fit.names == ("y",) and fit.values == pytest.approx(table["y"].mean())
    assert fit.std_errors == pytest.approx(table["y"].sem())
    assert fit.df_complete == 199 and fit.n_rows == 200
    described = DescrStatsW(table["y"])
    assert fit.std_errors[0] == pytest.approx(described.std_mean)
    assert fit.values[0] == pytest.approx(described.mean)


def test_a_prevalence_is_binomial(table):
    fit, p = jm.mean("hiv")(table), table["hiv"].mean()
    assert fit.values[0] == pytest.approx(p) and fit.std_errors[0] == pytest.approx(np.sqrt(p * (1 - p) / 199))
    numbers = jm.mean("hiv")(table.assign(hiv=table["hiv"].astype(int)))
    np.testing.assert_array_equal(numbers.covariance, fit.covariance)


def test_weights_give_the_robust_variance_of_weighted_least_squares(table):
    theirs = WLS(table["y"], np.ones(200), weights=table["weight"]).fit(cov_type="HC1")
    fit = jm.mean("y", weights="weight")(table)
    assert fit.values[0] == pytest.approx(theirs.params.iloc[0]) == DescrStatsW(table["y"], table["weight"]).mean
    assert fit.std_errors[0] == pytest.approx(theirs.bse.iloc[0])
    scaled = jm.mean("y", weights="weight")(table.assign(weight=100 * table["weight"]))
    np.testing.assert_allclose(scaled.covariance, fit.covariance)


def test_clusters_give_the_cluster_robust_variance(table):
    model = WLS(table["y"], np.ones(200), weights=table["weight"])
    theirs = model.fit(cov_type="cluster", cov_kwds={"groups": table["psu"], "use_correction": True})
    fit = jm.mean("y", weights="weight", cluster="psu")(table)
    assert fit.std_errors[0] == pytest.approx(theirs.bse.iloc[0]) and fit.df_complete == 14
    names = table.assign(psu=table["psu"].map(lambda label: f"psu {label}"))
    np.testing.assert_allclose(jm.mean("y", weights="weight", cluster="psu")(names).covariance, fit.covariance)


def test_groups_are_domains(table):
    """As regression on indicators, but that the correction counts the whole table: 200/199 in place of 200/198."""
    indicators = pd.get_dummies(table["region"]).astype(float)
    theirs = WLS(table["y"], indicators, weights=table["weight"]).fit(cov_type="HC1")
    fit = jm.mean("y", by="region", weights="weight")(table)
    assert fit.names == ("y, region=north", "y, region=south")
    np.testing.assert_allclose(fit.values, theirs.params)
    np.testing.assert_allclose(fit.covariance, theirs.cov_params() * 198 / 199, atol=1e-15)
    clustered = WLS(table["y"], indicators).fit(cov_type="cluster", cov_kwds={"groups": table["psu"], "use_correction": False})
    fit = jm.mean("y", by="region", cluster="psu")(table)
    np.testing.assert_allclose(fit.covariance, clustered.cov_params() * 15 / 14)
    assert abs(fit.covariance[0, 1]) > 0


def test_categories_have_shares(table):
    fit = jm.mean("opinion")(table)
    assert fit.names == ("opinion[neither]", "opinion[agree]", "opinion[disagree]")
    shares = table["opinion"].value_counts(normalize=True)[["neither", "agree", "disagree"]]
    np.testing.assert_allclose(fit.values, shares)
    np.testing.assert_allclose(fit.covariance, (np.diag(shares) - np.outer(shares, shares)) / 199)
    two = jm.mean("answer", by="region")(table)
    assert two.names == ("answer[yes], region=north", "answer[yes], region=south")
    assert two.values[1] == pytest.approx((table.loc[table["region"] == "south", "answer"] == "yes").mean())


def test_it_is_an_analysis_of_imputations(table):
    from jmimpute.analysis.analyze import analyze

    moved = [table.assign(y=table["y"] + shift) for shift in (0.0, 0.1, 0.3)]
    analyses = analyze(moved, jm.mean("y", by="region"))
    assert analyses.model == "mean of y, by region"
    np.testing.assert_allclose(analyses.pool().table["estimate"], jm.mean("y", by="region")(table).values + 0.4 / 3)
    assert analyses.pool().df_complete == 199
    assert jm.mean("y", weights="weight").columns == ("y", "weight")


def test_other_kinds_of_tables(table):
    import polars as pl
    import pyarrow as pa

    expected = jm.mean("opinion", by="region")(table)
    for other in (pl.from_pandas(table), pa.Table.from_pandas(table)):
        fit = jm.mean("opinion", by="region")(other)
        values = dict(zip(fit.names, fit.values, strict=True))
        assert values == pytest.approx(dict(zip(expected.names, expected.values, strict=True)))


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        ({"variable": "z"}, {}, "There is no column 'z'"),
        ({"variable": "y"}, {"y": [np.nan, *[1.0] * 199]}, "Column 'y' has missing values in 1 rows, counted from 0: 0"),
        ({"variable": "y"}, {"y": np.inf}, "not finite"),
        ({"variable": "y"}, {"y": pd.Timestamp("2020-01-01")}, "holds dates of 0 categories"),
        ({"variable": "answer"}, {"answer": "no"}, "holds texts of 1 categories"),
        ({"variable": "y", "weights": "answer"}, {}, "Weights are numbers; column 'answer' holds texts"),
        ({"variable": "y", "weights": "weight"}, {"weight": [-1.0, *[1.0] * 199]}, "negative or infinite in rows 0"),
        ({"variable": "y", "weights": "weight"}, {"weight": 0.0}, "weights of all rows add up to zero"),
        ({"variable": "y", "cluster": "psu"}, {"psu": 3}, "There is 1 cluster"),
    ],
)
def test_what_has_no_mean_is_refused(table, arguments, change, message):
    with pytest.raises(AnalysisError, match=message):
        jm.mean(**arguments)(table.assign(**change))


def test_a_group_without_weight_is_named(table):
    weights = np.where(table["region"] == "north", 0.0, 1.0)
    with pytest.raises(AnalysisError, match="weights of region=north add up to zero"):
        jm.mean("y", by="region", weights="weight")(table.assign(weight=weights))
    with pytest.raises(AnalysisError, match="There is 1 row"):
        jm.mean("y")(table.head(1))


def test_roles_are_checked_when_it_is_made():
    with pytest.raises(AnalysisError, match="One column has two roles in the mean of 'y'"):
        jm.mean("y", by="region", cluster="region")
    with pytest.raises(AnalysisError, match="by their names, not as list"):
        jm.mean(["y", "x"])

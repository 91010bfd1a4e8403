"""Generalised estimating equations against least squares, a sandwich written out, and statsmodels on the raw columns."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.engines import gee
from jmimpute.errors import AnalysisError

RESPONSES = {"gaussian": "y", "binomial": "passed", "poisson": "count"}


def draw(n_clusters=12, size=8, seed=1):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n_clusters), size)
    x = rng.normal(50, 10, len(school))
    eta = 0.05 * (x - 50) + rng.normal(size=n_clusters)[school]
    return pd.DataFrame(
        {
            "y": 1e4 * (eta + rng.normal(size=len(x))),
            "passed": (eta + rng.logistic(size=len(x)) > 0).astype(int),
            "count": rng.poisson(np.exp(eta / 2)),
            "x": x,
            "kind": rng.choice(["a", "b"], len(x)),
            "school": [f"s{i}" for i in school],
        }
    )


def matrix(table):
    return np.column_stack([np.ones(len(table)), table["x"], table["kind"] == "b"]).astype(float)


@pytest.mark.parametrize("family", RESPONSES)
@pytest.mark.parametrize("n_clusters", [12, 50])
def test_equals_statsmodels_on_the_scale_of_the_data(family, n_clusters):
    import statsmodels.genmod.families as families
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.generalized_estimating_equations import GEE

    table = draw(n_clusters)
    table["y"] /= 1e4  # their tolerance is that of a response of the order of one
    fit = gee(f"{RESPONSES[family]} ~ x + kind + (1 | school)", family)(table)
    theirs = GEE(
        table[RESPONSES[family]],
        matrix(table),
        groups=table["school"],
        family=getattr(families, family.title())(),
        cov_struct=Exchangeable(),
    ).fit(cov_type="bias_reduced", maxiter=200)
    np.testing.assert_allclose(fit.values, theirs.params, rtol=1e-5)
    # With many clusters the plain sandwich.
    expected = theirs.cov_robust_bc if n_clusters == 12 else theirs.cov_robust
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-4)
    assert fit.names == ("Intercept", "x", "kind[b]")
    assert fit.df_complete == n_clusters - 3
    assert fit.problems == ()


@pytest.mark.parametrize("n_clusters", [12, 50])
def test_independence_is_least_squares_with_a_sandwich(n_clusters):
    table = draw(n_clusters)
    fit = gee("y ~ x + kind + (1 | school)", correlation="independence")(table)
    X, y = matrix(table), table["y"].to_numpy()
    bread = np.linalg.inv(X.T @ X)
    values = bread @ X.T @ y
    meat = np.zeros((3, 3))
    for rows in table.groupby("school").indices.values():
        residuals = y[rows] - X[rows] @ values
        if n_clusters == 12:  # Mancl and DeRouen (2001), equation 5
            residuals = np.linalg.solve(np.eye(len(rows)) - X[rows] @ bread @ X[rows].T, residuals)
        score = X[rows].T @ residuals
        meat += np.outer(score, score)
    np.testing.assert_allclose(fit.values, values, rtol=1e-8)
    np.testing.assert_allclose(fit.covariance, bread @ meat @ bread, rtol=1e-8)


def test_order_of_rows_and_units_do_not_matter():
    table = draw()
    fit = gee("y ~ x + kind + (1 | school)")(table)
    shuffled = gee("y ~ x + kind + (1 | school)")(table.sample(frac=1, random_state=3))
    np.testing.assert_allclose(fit.values, shuffled.values, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, shuffled.covariance, rtol=1e-5)
    small = gee("y ~ x + kind + (1 | school)")(table.assign(y=table["y"] * 1e-9))
    np.testing.assert_allclose(small.values, fit.values * 1e-9, rtol=1e-9)


def test_is_an_engine_with_settings():
    tables = [draw(seed=seed) for seed in (1, 2)]
    analyses = analyze(tables, "passed ~ x + (1 | school)", engine="gee", family="binomial", correlation="independence")
    assert analyses.pool().df_complete == 10
    assert "binomial, engine gee" in repr(analyses)
    exchangeable = analyze(tables, "passed ~ x + (1 | school)", engine="gee", family="binomial")
    assert not np.allclose(analyses.fits[0].values, exchangeable.fits[0].values, rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "arguments", "message"),
    [
        ("y ~ x", {}, "ends in a grouping term without slopes"),
        ("y ~ x + (1 + x | school)", {}, "ends in a grouping term without slopes"),
        ("y ~ x + (1 | school)", {"family": "ordinal"}, "'gee' has no family 'ordinal'. Choose 'gaussian', 'binomial' or"),
        ("y ~ x + (1 | school)", {"correlation": "ar1"}, "'ar1' is not known. Choose 'exchangeable' or 'independence'"),
        ("y ~ x + (1 | school)", {"reml": False}, "'gee' has no setting 'reml'. It has 'correlation'"),
        ("y ~ x + (1 | kind)", {}, "2 clusters of 'kind' for 2 terms"),
    ],
)
def test_what_cannot_be_fitted(formula, arguments, message):
    with pytest.raises(AnalysisError, match=message):
        analyze([draw()], formula, engine="gee", **arguments)

"""The mixture of posteriors, from draws whose distribution is known."""

import numpy as np
import pytest

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.posterior import posterior, summarise
from jmimpute.errors import AnalysisError


def fits(shifts=(0.0, 1.0, 2.0), chains=4, draws=1000, seed=1):
    rng = np.random.default_rng(seed)
    found = []
    for shift in shifts:
        values = shift + rng.normal(size=(chains, draws))
        found.append(
            Estimates(("x",), values.mean(keepdims=True)[0], np.eye(1), draws={"x": values, "sd(residual)": np.exp(values)})
        )
    return found


def test_has_one_variable_a_parameter():
    given = fits()
    drawn = posterior(given)
    assert dict(drawn.sizes) == {"imputation": 3, "chain": 4, "draw": 1000}
    assert drawn["imputation"].to_numpy().tolist() == [1, 2, 3]
    np.testing.assert_array_equal(drawn["sd(residual)"].sel(imputation=3), given[2].draws["sd(residual)"])


def test_summary_is_of_all_draws_together():
    given = fits()
    row = summarise(given, level=0.9).loc["x"]
    everything = np.concatenate([fit.draws["x"].ravel() for fit in given])
    np.testing.assert_allclose(row["mean"], everything.mean())
    np.testing.assert_allclose(row["sd"], everything.std(ddof=1))
    np.testing.assert_allclose(row[["low", "high"]].astype(float), np.quantile(everything, [0.05, 0.95]))
    # Variances 1 within and 2/3 between; with 4000 draws a table the share is known to 0.02 (five errors).
    assert abs(row["between"] - 0.4) < 0.02


def test_chains_are_compared_within_tables():
    """Tables far apart are no failure to converge; one chain that is off in one table is."""
    given = fits(shifts=(0.0, 100.0))
    assert summarise(given)["r_hat"].max() < 1.01
    given[1].draws["x"][0] += 5
    table = summarise(given)
    assert table.loc["x", "r_hat"] > 1.5
    assert table.loc["x", "ess_bulk"] < 100


def test_bad_input():
    with pytest.raises(AnalysisError, match="have no draws. Use engine='bambi'"):
        posterior([Estimates(("x",), np.ones(1), np.eye(1))])
    with pytest.raises(AnalysisError, match="level"):
        summarise(fits(), level=95)

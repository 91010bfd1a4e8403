"""Observed cells imputed as if missing: coverage is nominal for right models, and the posterior does not know the cell."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jmimpute.errors import ImputationError
from jmimpute.imputation.overimpute import _quantile, _weights
from jmimpute.imputation.overimpute_tables import calibration, coverage, judge
from tests import test_latent_runs, test_structured_runs
from tests.imputation.simulated import fitted, table

pytestmark = pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")


@pytest.fixture(scope="module")
def right():
    return fitted(table(missing=0.25))


@pytest.fixture(scope="module")
def overimputed(right):
    return right.overimpute("b", progressbar=False)


@pytest.mark.sampling
def test_coverage_is_nominal_if_the_model_is_right(overimputed):
    """Within three standard errors at three levels: a false alarm in some 200 seeds."""
    assert overimputed.ok
    overall = overimputed.table[overimputed.table["by"] == "all"]
    assert overall["level"].tolist() == [0.5, 0.9, 0.95]
    assert ((overall["coverage"] - overall["level"]).abs() < 3 * overall["std_error"]).all()
    assert "Monte Carlo error" in overimputed.messages[0]


@pytest.mark.sampling
def test_cells_stand_at_their_rows(right, overimputed):
    cells, frame = overimputed.cells, table(missing=0.25)
    rows = np.flatnonzero(frame["b"].notna())
    assert cells["row"].tolist() == rows.tolist() and overimputed.n_observed == len(rows)
    np.testing.assert_allclose(cells["observed"], frame["b"].iloc[rows])
    assert cells["cluster"].tolist() == frame["g"].iloc[rows].tolist()
    lacks = frame["a"].iloc[rows].isna().to_numpy()
    assert cells["missing_share"].tolist() == np.where(lacks, 0.5, 0).tolist()
    assert cells["pattern"].tolist() == np.where(lacks, "without a", "complete").tolist()
    assert cells.loc[lacks, "sd"].mean() > 1.1 * cells.loc[~lacks, "sd"].mean()
    inside = (cells["low_90"] < cells["observed"]) & (cells["observed"] < cells["high_90"])
    overall = overimputed.table[(overimputed.table["by"] == "all") & (overimputed.table["level"] == 0.9)]
    assert inside.mean() == overall["coverage"].item()
    some = right.overimpute("b", 50, cells=100, progressbar=False)
    assert len(some.cells) == 100 and some.cells["row"].isin(rows).all()
    assert some.cells["cluster"].nunique() == 30, "cells are evenly spaced over clusters"
    assert f"100 (evenly spaced) of {len(rows)} observed cells" in some.messages[0]


@pytest.mark.sampling
def test_the_posterior_has_not_seen_the_cell():
    """Against a fit without the cell, of few rows, so that one weighs much: what is imputed moves as it should."""
    frame = table(n_clusters=6, size=5, seed=3, missing=0.0)
    frame.loc[7, ["a", "b"]] = [11.0, 13.0]
    fit = fitted(frame, draws=1000)
    own = fit.overimpute("b", 2000, progressbar=False).cells.set_index("row").loc[7]
    without = fitted(frame.assign(b=frame["b"].mask(frame.index == 7)), draws=1000)
    imputed = (
        without.impute(4000, progressbar=False).values("b")[:, without.impute(1, progressbar=False).rows("b") == 7].ravel()
    )
    # Some 2000 independent draws; weights on half as many. Five standard errors.
    assert abs(own["mean"] - imputed.mean()) < 5 * imputed.std() / np.sqrt(500)
    assert abs(own["sd"] / imputed.std() - 1) < 0.2
    assert own["pareto_k"] < 0.7
    assert own["observed"] - own["mean"] > 1.0, "the cell is not drawn to itself"


def test_weights_undo_what_draws_have_seen():
    """A normal mean with known variance: the posterior without one observation in closed form."""
    rng = np.random.default_rng(1)
    y = np.array([0.3, -0.8, 1.9, 0.1, 0.4, -0.2, 0.9, -1.1])
    draws = rng.normal(y.mean(), 1 / np.sqrt(len(y)), size=20_000)
    weights, pareto_k = _weights(-0.5 * (y[2] - draws[None, :]) ** 2)
    expected = np.delete(y, 2).mean()
    assert abs(np.sum(weights * draws) - expected) < 0.02 and abs(y.mean() - expected) > 0.2
    assert pareto_k[0] < 0.7
    flat, _ = _weights(np.zeros((1, 100)))
    np.testing.assert_allclose(flat, 0.01)


def test_quantiles_of_mixtures():
    rng = np.random.default_rng(2)
    weights, mean, sd = rng.dirichlet(np.ones(5), 3), rng.normal(size=(3, 5)), 0.5 + rng.random((3, 5))

    for probability in (0.05, 0.5, 0.975):
        at = _quantile(probability, weights, mean, sd)
        np.testing.assert_allclose(np.sum(weights * norm.cdf(at[:, None], mean, sd), axis=1), probability, atol=1e-9)


@pytest.mark.sampling
def test_skewed_values_are_not_covered_as_they_should():
    frame = table(n_clusters=40, skewed=True)
    result = fitted(frame).overimpute("a", 100, progressbar=False)
    assert not result.ok and any("intervals are too" in message for message in result.messages)


def test_verdicts_of_tables():

    rng = np.random.default_rng(3)
    p = rng.random(2000)
    cells = pd.DataFrame(
        {
            "p[no]": 1 - p,
            "p[yes]": p,
            "observed": np.where(rng.random(2000) < p, "yes", "no"),
            "cluster": np.repeat(["u", "v"], 1000),
            "pattern": "complete",
            "pareto_k": 0.1,
        }
    )
    result = calibration(cells, ("no", "yes"))
    assert result["by"].tolist() == ["probability"] * 10 + ["cluster"] * 2 + ["pattern"]
    assert set(result["category"]) == {"yes"} and result["n"].iloc[:10].sum() == 2000
    ok, messages = judge(result, cells, "passed", 2000)
    assert ok and "as often as predicted" in messages[0]
    wrong = cells.assign(observed=np.where(rng.random(2000) < p**2, "yes", "no"), pareto_k=0.9)
    ok, messages = judge(calibration(wrong, ("no", "yes")), wrong, "passed", 2000)
    assert not ok and "passed = 'yes' was predicted" in messages[1] and "2000 cells weigh" in messages[-1]
    numbers = pd.DataFrame({"pit": [0.01, 0.3, 0.6, 0.97], "cluster": list("uuvv"), "pattern": "complete", "pareto_k": 0.1})
    found = coverage(numbers, [0.5, 0.9]).set_index(["by", "group", "level"])["coverage"]
    assert found["all", None, 0.5] == 0.5 and found["all", None, 0.9] == 0.5
    assert found["cluster", "u", 0.9] == 0.5 and found["cluster", "v", 0.5] == 0.5


@pytest.mark.sampling
def test_categories_are_overimputed():
    fit = test_latent_runs.fitted(keep_latents=60)
    frame = test_latent_runs.pupils().reset_index(drop=True)
    for name, levels in (("passed", (False, True)), ("colour", ("red", "blue", "green")), ("grade", (1, 2, 3))):
        result = fit.overimpute(name, progressbar=False)
        own = result.cells.set_index("row")
        assert own["observed"].tolist() == frame[name].dropna().tolist() and result.levels == levels
        probabilities = own[[f"p[{level}]" for level in levels]]
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)
        # What is predicted on average is what is observed, but for one cell each.
        shares = [(own["observed"] == level).mean() for level in levels]
        np.testing.assert_allclose(probabilities.mean(), shares, atol=0.05)
    assert len(fit.overimpute("score", progressbar=False).cells) == frame["score"].notna().sum()


@pytest.mark.sampling
def test_wrong_arguments_are_refused(right):
    with pytest.raises(ImputationError, match="'x' is no response of rows, which can be overimputed. Choose 'a' or 'b'"):
        right.overimpute("x", progressbar=False)
    with pytest.raises(ImputationError, match="at least 25 posterior draws. There are 10"):
        right.overimpute("a", 10, progressbar=False)
    with pytest.raises(ImputationError, match="cells must be a whole number"):
        right.overimpute("a", cells=0, progressbar=False)
    fit = test_structured_runs.fitted("level 2")
    with pytest.raises(ImputationError, match="'funds' is no response of rows"):
        fit.overimpute("funds", progressbar=False)
    with pytest.raises(ImputationError, match="There are 20 draws whose latent normals were kept"):
        fit.overimpute("score", progressbar=False)

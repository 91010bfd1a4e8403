"""Predictive checks find fault with wrong models and seldom with right ones."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from jmimpute.checks import Checks
from jmimpute.errors import ImputationError
from jmimpute.imputation.completed import responses_of
from jmimpute.imputation.parameters import ParameterDraw
from jmimpute.imputation.replicate import replicate, replicate_clusters
from tests import test_latent_runs, test_structured_runs
from tests.imputation.simulated import fitted, table
from tests.problems import model, parameters

pytestmark = pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")


@pytest.fixture(scope="module")
def right():
    return fitted()


def test_replicates_have_the_moments_of_the_model():
    specification = model("slopes", 3, n_rows=30, n_clusters=4).specification
    values = parameters(specification, np.random.default_rng(4))
    omega_e, omega_u = values.chol_e @ values.chol_e.T, values.chol_u @ values.chol_u.T
    draw = ParameterDraw(values.beta, omega_e[None], omega_u, np.zeros((0, 0)), specification.y, specification.w)
    rng = np.random.default_rng(5)
    effects = rng.normal(size=(4, 4))
    n = 4000
    same = np.array([replicate(draw, effects, specification, rng)[0] for _ in range(n)])
    new = np.array([replicate_clusters(draw, specification, rng)[0] for _ in range(n)])
    loading = np.zeros((30, 2, 4))
    for e, (a, c) in enumerate(zip(specification.layout.effect_response, specification.layout.effect_column, strict=True)):
        loading[:, a, e] = specification.z[:, c]
    fixed = specification.x @ values.beta
    own = fixed + np.einsum("iae,ie->ia", loading, effects[specification.clusters.codes])
    variance = np.diag(omega_e) + np.einsum("iae,ef,iaf->ia", loading, omega_u, loading)
    # Of 60 means and 60 variances, none is 5 standard errors off: a false alarm in 10 000.
    for drawn, mean, spread in ((same, own, np.broadcast_to(np.diag(omega_e), own.shape)), (new, fixed, variance)):
        assert np.abs((drawn.mean(0) - mean) / np.sqrt(spread / n)).max() < 5
        assert np.abs((drawn.var(0) / spread - 1) / np.sqrt(2 / n)).max() < 5
    codes = specification.clusters.codes
    i, k = np.flatnonzero(codes == codes[10])[:2]
    expected = loading[i, 0] @ omega_u @ loading[k, 1]
    covariance = np.mean((new[:, i, 0] - fixed[i, 0]) * (new[:, k, 1] - fixed[k, 1]))
    assert abs(covariance - expected) < 5 * np.sqrt((variance[i, 0] * variance[k, 1] + expected**2) / n)


@pytest.mark.sampling
def test_a_right_model_passes(right):
    """False alarms have a probability of at most 3 in 100; see `jmimpute.imputation.check_verdict`."""
    for options in ({}, {"clusters": "new"}):
        check = right.check(400, progressbar=False, **options)
        assert check.ok, check.messages
    assert set(check.table["by"]) == {"variable", "cluster", "pattern"}
    assert check.table["p_value"].between(0, 1).all()


@pytest.mark.sampling
def test_missing_at_random_is_no_fault_but_a_note(right):
    """b is missing where a is large: by pattern that shows, and observed cells of b are not like replicates."""
    check = right.check(400, progressbar=False)
    assert check.ok and "'a' in rows without b" in check.messages[-1]
    table = right.check(400, cells="observed", progressbar=False).table
    mean = table[(table["by"] == "variable") & (table["variable"] == "b") & (table["statistic"] == "mean")]
    completed = check.table[(check.table["by"] == "variable") & (check.table["statistic"] == "mean")]
    assert completed["z"].abs().max() < 0.2 and mean["z"].item() < -0.5


@pytest.mark.sampling
def test_statistics_are_those_of_the_table(right):
    found = right.check(50, cells="observed", progressbar=False).table
    frame = table()
    at = found.set_index(["by", "variable", "group", "statistic"])["data"]
    own = frame.groupby("g")["b"]
    np.testing.assert_allclose(at["variable", "a", None, "sd"], frame["a"].std())
    np.testing.assert_allclose(at["variable", "b", None, "sd between clusters"], own.mean().std())
    within = np.sqrt((own.var() * (own.count() - 1)).sum() / (own.count() - 1).sum())
    np.testing.assert_allclose(at["variable", "b", None, "sd within clusters"], within)
    np.testing.assert_allclose(at["variable", "a", None, "skewness"], frame["a"].skew(), rtol=0.02)
    np.testing.assert_allclose(at["variable", "a, b", None, "correlation"], frame["a"].corr(frame["b"]))
    np.testing.assert_allclose(at["cluster", "b", "g11", "mean"], own.mean()["g11"])
    np.testing.assert_allclose(at["cluster", "b", "g11", "sd"], own.std()["g11"])
    without = frame.loc[frame["b"].isna(), "a"]
    np.testing.assert_allclose(at["pattern", "a", "without b", "mean"], without.mean())
    counts = found.set_index(["by", "variable", "group", "statistic"])[["n_observed", "n"]]
    assert counts.loc["pattern", "a", "without b", "mean"].tolist() == [without.count()] * 2
    completed = right.check(50, progressbar=False).table.set_index(["by", "variable", "group", "statistic"])
    assert completed.loc[("cluster", "b", "g11", "mean"), ["n_observed", "n"]].tolist() == [own.count()["g11"], 12]


@pytest.mark.sampling
def test_skewness_is_seen():
    check = fitted(table(skewed=True)).check(400, progressbar=False)
    assert not check.ok
    assert any(message.startswith("The skewness of 'a'") and "Transform" in message for message in check.messages)


@pytest.mark.sampling
def test_clusters_that_spread_differently_are_seen_unless_the_model_has_them():
    frame = table(spread=0.5)
    check = fitted(frame).check(400, progressbar=False)
    of_sd = [message for message in check.messages if message.startswith("The sd of")]
    assert not check.ok and len(of_sd) == 2 and 'try covariance="random"' in of_sd[0]
    other = fitted(frame, covariance="random").check(400, progressbar=False)
    assert not any(message.startswith("The sd of") for message in other.messages)


@pytest.mark.sampling
def test_a_single_unusual_cluster_is_seen():
    frame = table()
    frame.loc[frame["g"] == "g05", "a"] = 10 + 6 * (frame.loc[frame["g"] == "g05", "a"] - 10)
    check = fitted(frame).check(400, progressbar=False)
    assert not check.ok and any("g05" in message for message in check.messages if message.startswith("The sd of 'a'"))


@pytest.mark.sampling
@pytest.mark.slow  # one more variant of the sampler is compiled
def test_categories_and_level_2_responses_are_compared():
    check = test_latent_runs.fitted().check(progressbar=False)
    rows = check.table[(check.table["by"] == "variable") & (check.table["statistic"] == "share")]
    assert rows["category"].tolist() == [True, "red", "blue", "green", 1.0, 2.0, 3.0]
    assert check.draws == 20 and rows["data"].between(0.05, 0.9).all()
    assert (rows["replicated"] - rows["data"]).abs().max() < 0.15
    fit = test_structured_runs.fitted("level 2")
    check = fit.check(progressbar=False)
    rows = check.table[check.table["variable"].isin(["funds", "urban"])]
    assert set(rows["by"]) == {"variable"} and rows["n"].tolist() == [12] * 4 and (rows["n_observed"] == 11).all()
    assert {r.variable.name for r in responses_of(fit.model.specification) if r.level == 2} == {"funds", "urban"}


@pytest.mark.sampling
def test_the_same_seed_gives_the_same_check_whatever_the_order_of_rows(right):
    first = right.check(30, progressbar=False).table
    shuffled = fitted(table().sample(frac=1, random_state=1)).check(30, progressbar=False).table
    np.testing.assert_allclose(shuffled["data"], first["data"], rtol=1e-6)
    np.testing.assert_allclose(shuffled["p_value"], first["p_value"], atol=0.05)


@pytest.mark.sampling
def test_wrong_arguments_are_refused(right):
    with pytest.raises(ImputationError, match="cells must be 'completed' or 'observed', not 'all'"):
        right.check(cells="all")
    with pytest.raises(ImputationError, match="clusters must be 'same' or 'new'"):
        right.check(clusters="other")


def test_selection_submodels_are_refused():
    class Selected(Checks):
        model = SimpleNamespace(specification=SimpleNamespace(selections=("a",)))

    with pytest.raises(ImputationError, match="Predictive checks cannot yet be had with selection submodels"):
        Selected().check()
    with pytest.raises(ImputationError, match="Overimputation cannot yet be had with selection submodels"):
        Selected().overimpute("a")


@pytest.mark.slow
@pytest.mark.sampling
def test_p_values_of_right_models_are_not_too_often_small():
    """Twenty data sets of the model: p-values of clusters are below 0.05 in at most 5 %, and few data sets are found faulty.

    Those of standard deviations of observed cells are nearly uniform, but for parameters that were fitted; completed cells and
    means of the same clusters draw the others to a half. False alarm rate 1 in 1000.
    """
    found, faulty = [], 0
    for seed in range(20):
        fit = fitted(table(seed=100 + seed), draws=100)
        for cells, clusters in (("completed", "same"), ("completed", "new"), ("observed", "same")):
            check = fit.check(300, cells=cells, clusters=clusters, progressbar=False)
            faulty += not check.ok and cells == "completed"
            of_clusters = check.table[(check.table["by"] == "cluster") & (check.table["variable"] == "a")]
            found.append(of_clusters.assign(cells=cells, clusters=clusters, small=of_clusters["p_value"] < 0.05))
    grouped = pd.concat(found).groupby(["cells", "clusters", "statistic"])["small"]
    shares, numbers = grouped.mean(), grouped.size()
    print(shares, faulty)
    assert (grouped.sum() <= binom.isf(1e-4, numbers, 0.05)).all()
    assert shares["observed", "same", "sd"] > 0.025
    assert shares["completed", "same", "mean"] < 0.01 < shares["completed", "new", "mean"]
    assert faulty <= binom.isf(1e-4, 40, 0.03)

"""Each mechanism makes the holes it describes: their number, and what they depend on."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import norm

import jmimpute as jm

holes = jm.holes

CLUSTERS, SIZE = 400, 25


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(CLUSTERS), SIZE)
    n = len(codes)
    age = rng.normal(10, 2, n) + rng.normal(size=CLUSTERS)[codes]
    size = rng.gamma(3, 10, CLUSTERS).round()
    score = 20 + 2 * age + 3 * rng.normal(size=CLUSTERS)[codes] + rng.normal(0, 4, n)
    return pd.DataFrame(
        {
            "school": codes,
            "age": age,
            "sex": rng.choice(["boy", "girl", "unknown"], n, p=[0.45, 0.45, 0.1]),
            "distance": rng.normal(size=n),
            "size": size[codes],
            "funded": np.repeat(rng.choice(["public", "private"], CLUSTERS), SIZE),
            "score": score,
            "maths": score + rng.normal(0, 3, n),
        }
    )


def standard(values):
    return (values - np.mean(values)) / np.std(np.asarray(values))


def by_school(table):
    """One row a school, with means of numbers."""
    return table.groupby("school").mean(numeric_only=True)


def assert_logit(hit, predictors, expected):
    """A logistic regression gives the expected slopes: all |z| < 4, false alarms 6e-5 a slope."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    design = np.column_stack([np.ones(len(hit)), *predictors])
    found = GLM(np.asarray(hit, dtype=float), design, family=Binomial()).fit()
    z = (found.params[1:] - expected) / found.bse[1:]
    assert (abs(z) < 4).all(), z
    return found.bse[1:]


ALL = {
    "mcar": holes.mcar("score", 0.2),
    "mcar together": holes.mcar(["score", "maths"], 0.05),
    "mcar systematic": holes.mcar("score", 0.3, kind="systematic"),
    "mcar level-2": holes.mcar("size", 0.1, kind="level-2"),
    "mar": holes.mar("score", 0.4, {"age": 0.8, "sex": {"girl": -1}}),
    "mar left": holes.mar("score", 0.1, {"age": 2}, shape="left"),
    "mar mid": holes.mar("score", 0.7, {"age": 1}, shape="mid"),
    "mar tail": holes.mar("score", 0.5, {"cluster_mean(age)": 1}, shape="tail"),
    "mar systematic": holes.mar("score", 0.25, {"age": 1, "funded": {"private": 1}}, kind="systematic"),
    "mar level-2": holes.mar("size", 0.25, {"cluster_mean(score)": -1}, kind="level-2"),
    "mnar": holes.mnar("score", 0.3, {"score": 1.5, "age": -1}),
    "mnar systematic": holes.mnar("score", 0.3, {"score": 1.5}, kind="systematic"),
    "mnar level-2": holes.mnar("size", 0.6, {"size": 1}, kind="level-2", shape="tail"),
    "heckman": holes.heckman("score", 0.35, {"age": 0.5, "distance": 1}, 0.7, given="age", cluster_sd=0.5),
}


@pytest.mark.parametrize("name", ALL)
def test_proportions_are_met(table, name):
    """The mean of the probabilities is exact, the number of hits binomial: |z| < 4, false alarms 6e-5 each."""
    description = ALL[name]
    made = jm.ampute(table, description, cluster="school", random_seed=7)
    chances, hits = made.probabilities.iloc[:, 0], made.hits.iloc[:, 0]
    if description.kind != "sporadic":
        assert (chances.groupby(table["school"]).nunique() == 1).all() and (hits.groupby(table["school"]).nunique() == 1).all()
        chances, hits = chances[::SIZE], hits[::SIZE]
    assert chances.mean() == pytest.approx(description.proportion, rel=1e-9)
    assert chances.between(0, 1).all()
    z = (hits.sum() - chances.sum()) / np.sqrt((chances * (1 - chances)).sum())
    assert abs(z) < 4
    for column in description.columns:
        assert (made.missing[column] == made.hits.iloc[:, 0]).all()
    assert (made.data.isna() == made.missing.reindex(columns=table.columns, fill_value=False)).all(axis=None)
    # What the holes look like afterwards is what was asked for.
    kinds = jm.inspect(made.data, cluster="school").kinds[list(description.columns)]
    asked = {"sporadic"} if description.kind == "sporadic" else {"systematic"}
    assert set(np.unique(kinds)) - {"complete"} <= asked | ({"systematic"} if description.proportion > 0.5 else set())
    assert made.summary.loc[1, "hit"] == hits.mean()


# What holes depend on


def hits(table, description, seed=3):
    return jm.ampute(table, description, cluster="school", random_seed=seed).hits.iloc[:, 0].to_numpy()


def test_units_depend_on_values_cluster_means_and_categories(table):
    weights = {"age": 0.8, "cluster_mean(score)": -0.6, "size": 0.4, "sex": {"girl": -1, "unknown": 0.5}}
    hit = hits(table, holes.mar("maths", 0.3, weights))
    mean = by_school(table)["score"][table["school"]].to_numpy()
    sexes = [(table["sex"] == sex).to_numpy(dtype=float) for sex in ("girl", "unknown")]
    predictors = [standard(table["age"]), standard(mean), standard(table["size"]), *sexes]
    errors = assert_logit(hit, predictors, [0.8, -0.6, 0.4, -1, 0.5])
    assert (errors < 0.1).all(), "the regression can tell the weights from others"


def test_units_depend_on_the_values_that_go_missing(table):
    hit = hits(table, holes.mnar("score", 0.4, {"score": 0.7, "age": -0.5}, shape="left"))
    assert_logit(hit, [standard(table["score"]), standard(table["age"])], [-0.7, 0.5])


@pytest.mark.parametrize(("shape", "slope"), [("mid", -1), ("tail", 1)])
def test_middles_and_tails(table, shape, slope):
    hit = hits(table, holes.mar("score", 0.4, {"age": 1.5}, shape=shape))
    s = 1.5 * standard(table["age"])
    assert_logit(hit, [abs(s), s], [slope, 0])


def test_clusters_depend_on_means_of_clusters(table):
    many = table[table["school"].isin(range(CLUSTERS))]
    schools = by_school(many)
    private = many.groupby("school")["funded"].first() == "private"
    hit = hits(many, holes.mar("score", 0.4, {"age": 1, "funded": {"private": 1.5}}, kind="systematic"))[::SIZE]
    assert_logit(hit, [standard(schools["age"]), private.to_numpy(dtype=float)], [1, 1.5])
    hit = hits(many, holes.mnar("size", 0.4, {"size": 1.2}, kind="level-2"))[::SIZE]
    assert_logit(hit, [standard(schools["size"])], [1.2])


def test_dependence_is_seen_and_its_absence(table):
    """Holm's correction keeps the probability of any false alarm below 5 %."""
    made = jm.ampute(
        table, holes.mcar("score", 0.2), holes.mcar("maths", 0.3, kind="systematic"), cluster="school", random_seed=1
    )
    assert not jm.inspect(made.data, cluster="school").dependence().table["notable"].any()
    made = jm.ampute(table, holes.mar("score", 0.2, {"distance": 0.4}), cluster="school", random_seed=1)
    found = jm.inspect(made.data, cluster="school").dependence().table
    assert list(found.loc[found["notable"], "predictor"]) == ["distance"]


# Selection models


def residual(table, given):
    """Residual of the score given others and school intercepts, by least squares with an indicator for each school."""
    schools = pd.get_dummies(table["school"], dtype=float).to_numpy()
    design = np.column_stack([schools, *(table[name] for name in given)])
    y = table["score"].to_numpy()
    return standard(y - design @ np.linalg.lstsq(design, y)[0])


@pytest.fixture(scope="module")
def few(table):
    """As many rows in few clusters, so that indicators of clusters are quick."""
    return table.assign(school=table["school"] // 10)


@pytest.mark.parametrize("rho", [0.7, -0.4])
def test_selection_is_a_probit_with_the_residual(few, rho):
    """P(seen | x, e) = Phi((g0 + g'x + rho e) / sqrt(1 - rho^2)): a probit recovers g and rho, |z| < 4."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.families.links import Probit
    from statsmodels.genmod.generalized_linear_model import GLM

    hit = hits(few, holes.heckman("score", 0.35, {"age": 0.4, "distance": 0.8}, rho, given=["age"]))
    design = np.column_stack([np.ones(len(few)), standard(few["age"]), standard(few["distance"]), residual(few, ["age"])])
    found = GLM(1.0 - hit, design, family=Binomial(link=Probit())).fit()
    expected = np.array([0.4, 0.8, rho]) / np.sqrt(1 - rho**2)
    z = (found.params[1:] - expected) / found.bse[1:]
    assert (abs(z) < 4).all(), z
    assert (found.bse[1:] < 0.05).all()


def test_observed_residuals_have_the_mean_of_heckman(few):
    """E(e | seen) = rho phi(q) / Phi(q) with Phi(q) the share seen, if nothing else matters: the inverse Mills ratio."""
    hit = hits(few, holes.heckman("score", 0.4, {"distance": 0}, 0.8, given="age"))
    seen = residual(few, ["age"])[~hit]
    q = ndtri(0.6)
    expected = 0.8 * norm.pdf(q) / norm.cdf(q)
    assert abs(seen.mean() - expected) < 4 * seen.std() / np.sqrt(len(seen))


def test_selection_effects_of_clusters(table):
    """Probits of the probabilities are linear in what selection depends on; 400 effects tell their sd to 4 x 3.5 %."""
    made = jm.ampute(table, holes.heckman("score", 0.3, {"age": 0.5}, 0.6, cluster_sd=0.4), cluster="school", random_seed=5)
    latent = -ndtri(made.probabilities.iloc[:, 0].to_numpy()) * np.sqrt(1 - 0.6**2)
    y = table["score"] - table.groupby("school")["score"].transform("mean")
    effects = latent - 0.5 * standard(table["age"]) - 0.6 * y / y.std(ddof=0)
    by_cluster = effects.groupby(table["school"]).agg(["mean", "std"])
    assert (by_cluster["std"] < 1e-6).all(), "the same for all rows of a cluster"
    assert by_cluster["mean"].std() == pytest.approx(0.4, rel=4 / np.sqrt(2 * CLUSTERS))


def test_a_selection_model_without_clusters(table):
    given = ["age", "sex"]
    made = jm.ampute(table, holes.heckman("score", 0.3, {"distance": 1}, 0.6, given=given), random_seed=5)
    latent = -ndtri(made.probabilities.iloc[:, 0].to_numpy()) * np.sqrt(1 - 0.6**2) - standard(table["distance"])
    sexes = pd.get_dummies(table["sex"], dtype=float).to_numpy()
    design = np.column_stack([sexes, table["age"]])
    e = standard(table["score"] - design @ np.linalg.lstsq(design, table["score"])[0])
    np.testing.assert_allclose(latent - latent.mean(), 0.6 * e, atol=1e-6)


# Several descriptions


def test_exclusive_holes_are_patterns_with_frequencies(table):
    """Shares of rows within 4 standard errors; each pattern depends on what it leaves."""
    made = jm.ampute(
        table,
        holes.mar("score", 0.3, {"maths": 1}),
        holes.mar("maths", 0.2, {"score": 1}),
        holes.mcar(["score", "maths"], 0.1),
        holes.mcar("size", 0.2, kind="level-2"),
        cluster="school",
        exclusive=True,
        random_seed=2,
    )
    sporadic = made.hits.iloc[:, :3].to_numpy()
    assert (sporadic.sum(axis=1) <= 1).all()
    assert ((made.probabilities.iloc[:, :3] > 0).sum(axis=1) == 1).all(), "a row is a candidate for one pattern"
    shares, expected = sporadic.mean(axis=0), np.array([0.3, 0.2, 0.1])
    assert (abs(shares - expected) < 4 * np.sqrt(expected * (1 - expected) / len(table))).all()
    candidates = made.probabilities.iloc[:, 0].to_numpy() > 0
    assert_logit(sporadic[candidates, 0], [standard(table["maths"]).to_numpy()[candidates]], [1])


def test_descriptions_are_independent_otherwise(table):
    """Both hit 0.3 x 0.4 of the rows, within 4 standard errors, and an added one changes nothing of those before it."""
    first = holes.mcar("score", 0.3)
    both = jm.ampute(table, first, holes.mcar("maths", 0.4), random_seed=1)
    share = both.missing.all(axis=1).mean()
    assert abs(share - 0.12) < 4 * np.sqrt(0.12 * 0.88 / len(table))
    alone = jm.ampute(table, first, random_seed=1)
    assert alone.missing["score"].equals(both.missing["score"])
    twice = jm.ampute(table, first, first, random_seed=1)
    assert (twice.missing["score"] == twice.hits.any(axis=1)).all() and list(twice.hits) == ["1: score", "2: score"]

"""Other variables follow an adjusted one as their conditional distribution says, in models of every structure."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning, ImputationError
from jmimpute.mnar.replay import replay
from jmimpute.mnar.tilting import tilted
from tests.mnar.problems import moved

pytestmark = pytest.mark.sampling

M = 5


def pupils():
    """Pupils of ten schools, with a binary, an ordinal and a nominal response; reading is missing in one school."""
    table = jm.datasets.load("pupils")
    table = table[table["school"] < "school-11"].reset_index(drop=True)
    rng = np.random.default_rng(1)
    absent = rng.random((3, len(table))) < 0.3
    likes = np.where(table["age"] + rng.normal(size=len(table)) > 10.5, "yes", "no")
    grade = np.digitize(table["maths"].fillna(50) + 5 * rng.normal(size=len(table)), [45, 55])
    club = rng.choice(["art", "chess", "sport"], len(table))
    return table.assign(
        reading=table["reading"].mask(table["school"] == "school-03"),
        likes=pd.Series(likes).mask(absent[0]).astype("category"),
        grade=pd.Series(np.array(["low", "mid", "high"])[grade])
        .mask(absent[1])
        .astype(pd.CategoricalDtype(["low", "mid", "high"], ordered=True)),
        club=pd.Series(club).mask(absent[2]).astype("category"),
    )


def fitted(formula, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        keep = {"keep_latents": M} if "grade" in str(formula) else {}
        return jm.JointModel(formula, pupils(), **options).fit(100, 200, 2, random_seed=1, progressbar=False, **keep)


KINDS = {
    "common": ("reading + maths + motivation ~ sex + age + (1 | school)", {}),
    "single level": ("reading + maths + motivation ~ sex + age", {}),
    "by cluster": ("reading + maths + motivation ~ sex + (1 | school)", {"covariance": "cluster-specific"}),
    "categories": ("reading + maths + likes + grade + club ~ age + (1 | school)", {}),
}


@pytest.fixture(scope="module")
def fits():
    return {kind: fitted(formula, **options) for kind, (formula, options) in KINDS.items()}


@pytest.fixture(scope="module")
def imputed(fits):
    return {kind: fit.impute(M, progressbar=False) for kind, fit in fits.items()}


def same(first, second):
    return all(np.array_equal(first.values(name), second.values(name)) for name in first.columns)


@pytest.mark.parametrize("scope", ["marginal", "conditional"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_delta_gives_the_same_imputations(imputed, kind, scope):
    """All that is drawn is drawn again to the last bit: latents and random effects too."""
    adjustments = {"reading": [jm.shift(0, "sd"), jm.scale(1, "mean")]}
    if kind == "categories":
        adjustments |= {"likes": [jm.odds(1), jm.latent(0)], "grade": [jm.odds(1), jm.latent(0)]}
    for name, own in adjustments.items():
        for adjustment in own:
            assert same(imputed[kind].delta(name, adjustment, scope=scope), imputed[kind])


@pytest.mark.parametrize("kind", ["common", "single level", "by cluster"])
def test_others_move_by_the_regression_on_the_adjusted_variable(fits, imputed, kind):
    """Closed form of the conditional normal on the scale of the data, row by row, from the draw of each imputation."""
    fit, before, delta = fits[kind], imputed[kind], -3.0
    after = before.delta("reading", jm.shift(delta))
    names, frame = ["reading", "maths", "motivation"], before.original
    np.testing.assert_allclose(moved(before, after, "reading"), delta)
    absent, pairs = frame[names].isna().to_numpy(), fit._plan(M)[0]
    labels = list(fit.posterior["cluster"].values) if kind == "by cluster" else [None]
    seen = set()
    for k, (chain, draw) in enumerate(pairs):
        omega = fit.posterior["Omega_e"].isel(chain=chain, draw=draw).to_numpy().reshape(-1, 3, 3)
        for a, name in enumerate(names[1:], start=1):
            found = moved(before, after, name)[k]
            for place, row in enumerate(before.rows(name)):
                expected = 0.0
                if absent[row, 0]:
                    own = omega[labels.index(frame["school"][row]) if kind == "by cluster" else 0]
                    o = ~absent[row]
                    covariance = own - own[:, o] @ np.linalg.solve(own[np.ix_(o, o)], own[o]) if o.any() else own
                    expected = delta * covariance[a, 0] / covariance[0, 0]
                    seen.add((a, bool(o.any())))
                np.testing.assert_allclose(found[place], expected, atol=1e-9)
    assert seen == {(1, True), (1, False), (2, True), (2, False)}


def test_latents_follow_and_are_cut_again(fits, imputed):
    """From latents that are drawn here once more; a category far below the others is what a very low latent gives."""
    before = imputed["categories"]
    drawn = replay(fits["categories"], "reading", M)
    after = before.delta("reading", jm.shift(-15.0))
    followers = {follower.variable.name: follower for follower in drawn.followers}
    scale = fits["categories"].model.specification.scaling.scale[0]
    changed = 0
    for name in ("likes", "grade", "club"):
        follower, levels = followers[name], list(before.levels(name))
        coordinates = follower.value - 15.0 / scale * follower.slope
        rows = before.rows(name)[follower.place]
        assert pupils()["reading"][rows].isna().all()
        for k in range(M):
            found, z = after.values(name)[k, follower.place], coordinates[k]
            if name == "likes":
                expected = np.where(z[:, 0] > 0, "yes", "no")
            elif name == "grade":
                expected = np.array(levels)[(z > 0).sum(1) + (z > follower.cutpoints[k]).sum(1)]
            else:
                expected = np.array(["art", "chess", "sport"])[np.where(z.max(1) > 0, z.argmax(1), 2)]
            assert (found == expected).all()
        untouched = np.setdiff1d(np.arange(len(before.rows(name))), follower.place)
        assert (after.values(name)[:, untouched] == before.values(name)[:, untouched]).all()
        changed += (after.values(name) != before.values(name)).sum()
    assert changed > 0


def test_the_marginal_scope_leaves_others(imputed):
    after = imputed["common"].delta("reading", jm.shift(-3), scope="marginal")
    np.testing.assert_allclose(moved(imputed["common"], after, "reading"), -3)
    assert np.array_equal(after.values("maths"), imputed["common"].values("maths"))


def test_units_and_means_of_the_model(fits, imputed):
    fit, before = fits["common"], imputed["common"]
    sds = np.sqrt([fit.posterior["Omega_e"].isel(chain=c, draw=d).to_numpy()[0, 0] for c, d in fit._plan(M)[0]])
    after = before.delta("reading", jm.shift(0.5, "sd"))
    np.testing.assert_allclose(moved(before, after, "reading"), np.repeat(0.5 * sds[:, None], len(before.rows("reading")), 1))
    doubled, tripled = (before.delta("reading", jm.scale(k, "mean")).values("reading") for k in (2, 3))
    values = before.values("reading")
    means = 2 * values - doubled
    np.testing.assert_allclose(tripled - means, 3 * (values - means))
    # Distances from their means, in units of their SDs, are standard normal numbers; 4.5 SDs: a false alarm in 100 000 runs.
    drawn = replay(fit, "reading", M)
    z = (drawn.value - drawn.mean) / drawn.sd
    scaling = fit.model.specification.scaling
    np.testing.assert_allclose(means, drawn.mean * scaling.scale[0] + scaling.center[0])
    assert abs(z.mean()) < 4.5 / np.sqrt(z.size) and abs(z.var() - 1) < 4.5 * np.sqrt(2 / z.size)


# Odds


def probabilities(fit, name, m=M):
    """P(category or higher) of each missing cell under MAR, (m, n, K - 1), from the distribution of the latent."""
    drawn = replay(fit, name, m)
    cuts = [np.concatenate([[0.0], own]) for own in drawn.cutpoints]
    above = [norm.sf((c - mean[:, None]) / sd[:, None]) for c, mean, sd in zip(cuts, drawn.mean, drawn.sd, strict=True)]
    return drawn, np.array(above)


@pytest.mark.parametrize("name", ["likes", "grade"])
@pytest.mark.parametrize("ratio", [0.3, 1.4, 6.0])
def test_odds_are_multiplied_cell_by_cell(fits, imputed, name, ratio):
    """The random number of a cell decides it by the tilted probability, and moves upwards only."""
    before, (drawn, p) = imputed["categories"], probabilities(fits["categories"], name)
    after = before.delta(name, jm.odds(ratio), scope="marginal")
    tilted = ratio * p / (1 - p + ratio * p)
    upper_tail = norm.sf((drawn.value - drawn.mean) / drawn.sd)
    expected = (upper_tail[:, :, None] < tilted).sum(axis=2)
    rank = {level: k for k, level in enumerate(before.levels(name))}
    found = np.vectorize(rank.get)(after.values(name))
    assert (found == expected).all() and (found != np.vectorize(rank.get)(before.values(name))).any()
    direction = np.sign(found - np.vectorize(rank.get)(before.values(name)))
    assert set(np.unique(direction)) <= ({0, 1} if ratio > 1 else {0, -1})


def test_tilted_latents_keep_their_distribution_within_a_category(fits):
    """Others follow the latent: given the category it is the truncated normal of MAR, so its place in it is uniform."""
    fit = fits["categories"]
    drawn, p = probabilities(fit, "likes")
    z = tilted(drawn, np.full(drawn.value.shape, np.log(3.0)))
    v, low = norm.cdf((z - drawn.mean) / drawn.sd), 1 - p[:, :, 0]
    place = np.where(z > 0, (v - low) / (1 - low), v / low)
    for own in (place[z > 0], place[z <= 0]):
        # Kolmogorov-Smirnov at 1e-5: a false alarm in 50 000 runs.
        assert len(own) > 50 and kstest(own, "uniform").pvalue > 1e-5


def test_extreme_odds_decide_everything(imputed):
    before = imputed["categories"]
    for ratio, level in ((1e12, "yes"), (1e-12, "no")):
        assert (before.delta("likes", jm.odds(ratio), scope="marginal").values("likes") == level).all()


def test_odds_and_latents_are_of_the_later_category_whatever_the_reference(fits, imputed):
    turned = fitted("reading + likes + grade ~ age + (1 | school)", families={"likes": jm.families.binary(reference="yes")})
    before = turned.impute(M, progressbar=False)
    for more in (jm.odds(5), jm.latent(1)):
        assert (before.delta("likes", more).values("likes") == "yes").mean() > (before.values("likes") == "yes").mean() + 0.1


def test_others_follow_the_latent_of_a_category(imputed):
    before = imputed["categories"]
    after = before.delta("grade", jm.odds(10))
    assert not np.array_equal(after.values("maths"), before.values("maths"))
    assert np.array_equal(before.delta("grade", jm.odds(10), scope="marginal").values("maths"), before.values("maths"))


# What cannot be done


def test_what_the_model_cannot_tell_is_refused(fits, imputed, tmp_path):
    before = imputed["categories"]
    with pytest.raises(ImputationError, match="'likes' has categories"):
        before.delta("likes", jm.shift(1))
    with pytest.raises(ImputationError, match="'club' is nominal"):
        before.delta("club", jm.odds(2))
    before.save(tmp_path / "saved")
    with pytest.raises(ImputationError, match="odds\\(...\\) needs the fit"):
        jm.load(tmp_path / "saved").delta("likes", jm.odds(2))
    with pytest.raises(ImputationError, match="needs the fit"):
        before.delta("reading", jm.shift(1)).delta("maths", jm.shift(1))


def test_level_2_responses_are_shifted_where_they_are_missing():
    table = pupils()
    funds = table["school"].map({name: k for k, name in enumerate(sorted(table["school"].unique()))}).astype(float)
    funds = funds.mask(table["school"].isin(["school-02", "school-05"])).mask(
        table["school"].eq("school-07") & (table.index % 2 == 0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = jm.JointModel("reading ~ age + (1 | school)", table.assign(funds=funds), level2="funds ~ 1")
        before = model.fit(100, 200, 2, random_seed=1, progressbar=False).impute(M, progressbar=False)
    after = before.delta("funds", jm.shift(2), scope="marginal")
    carried = (table["school"] == "school-07").to_numpy()[before.rows("funds")]
    assert carried.any()
    np.testing.assert_allclose(moved(before, after, "funds")[:, ~carried], 2)
    assert not moved(before, after, "funds")[:, carried].any()
    with pytest.raises(ImputationError, match="'funds' belongs to clusters"):
        before.delta("funds", jm.shift(2), scope="conditional")
    alone = before.delta("reading", jm.shift(0), scope="conditional")
    assert same(alone, before)

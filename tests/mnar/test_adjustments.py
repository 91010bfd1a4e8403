"""Adjustments say which cells move, by how much, and refuse what makes no sense."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.errors import ImputationError
from tests.mnar.problems import CLUSTERS, M, imputations, moved, table


@pytest.fixture(scope="module")
def before():
    return imputations()


def test_a_shift_moves_the_missing_cells_and_nothing_else(before):
    after = before.delta("y", jm.shift(-1.5), scope="marginal")
    np.testing.assert_allclose(moved(before, after), -1.5)
    assert np.array_equal(before.values("x"), after.values("x"))
    assert after.original.equals(before.original) and after.m == M
    completed = after.complete(2)
    observed = before.original["y"].notna()
    assert (completed["y"][observed] == before.original["y"][observed]).all()


def test_the_imputations_that_were_adjusted_stay_as_they_were(before):
    kept = before.values("y").copy()
    before.delta("y", jm.shift(3.0), scope="marginal")
    assert np.array_equal(before.values("y"), kept) and "changes" not in before.provenance


def test_the_provenance_says_what_was_done(before, tmp_path):
    adjustment = jm.shift({"active": -1, "control": 0.5}, by="arm", where="sporadic")
    after = before.delta("y", adjustment, scope="marginal", random_seed=3)
    after.save(tmp_path / "saved")
    (change,) = jm.load(tmp_path / "saved").provenance["changes"]
    said = change["delta"]
    assert said["amounts"] == {"delta[active]": -1.0, "delta[control]": 0.5}
    assert (said["variable"], said["scope"], said["where"], said["seed"]) == ("y", "marginal", "sporadic", 3)
    assert np.array_equal(jm.load(tmp_path / "saved").values("y"), after.values("y"))


@pytest.mark.parametrize("adjustment", [jm.shift(0), jm.shift(0.0, "sd_total"), jm.scale(1)])
def test_an_adjustment_that_changes_nothing_is_the_identity(before, adjustment):
    after = before.delta("y", adjustment, scope="marginal")
    assert np.array_equal(after.values("y"), before.values("y"))


def test_units_of_a_shift_and_factors(before):
    sd = before.original["y"].std()
    np.testing.assert_allclose(moved(before, before.delta("y", jm.shift(0.5, "sd_total"), scope="marginal")), 0.5 * sd)
    after = before.delta("y", jm.scale(1.2), scope="marginal")
    np.testing.assert_allclose(after.values("y"), 1.2 * before.values("y"))


def test_amounts_by_group(before):
    after = before.delta("y", jm.shift({"active": -2, "control": 1}, by="arm"), scope="marginal")
    expected = np.where(before.original["arm"].to_numpy()[before.rows("y")] == "active", -2.0, 1.0)
    np.testing.assert_allclose(moved(before, after), np.tile(expected, (M, 1)))


@pytest.mark.parametrize(("where", "chosen"), [("sporadic", ("a", "b", "c")), ("systematic", ("d",)), ("all", CLUSTERS)])
def test_sporadic_and_systematic_cells(before, where, chosen):
    after = before.delta("y", jm.shift(1, where=where), scope="marginal")
    own = before.original["cluster"].isin(chosen).to_numpy()[before.rows("y")]
    np.testing.assert_allclose(moved(before, after), np.tile(np.where(own, 1.0, 0.0), (M, 1)))


def test_a_mask_of_rows(before):
    mask = before.original["z"].to_numpy() > 0
    after = before.delta("y", jm.shift(1, where=mask), scope="marginal")
    np.testing.assert_allclose(moved(before, after)[0], mask[before.rows("y")])


def test_drawn_amounts_have_their_distribution_and_are_one_a_group():
    """Means and SDs of 300 draws: 4.5 standard errors are a false alarm in 100 000 runs."""
    m = 300
    before = imputations(m)
    after = before.delta("y", jm.shift({"active": -2, "control": 1}, by="arm", prior_sd=0.5), scope="marginal", random_seed=1)
    amounts = moved(before, after)
    active = before.original["arm"].to_numpy()[before.rows("y")] == "active"
    for own, mean in ((amounts[:, active], -2), (amounts[:, ~active], 1)):
        assert np.ptp(own, axis=1).max() < 1e-9
        assert abs(own[:, 0].mean() - mean) < 4.5 * 0.5 / np.sqrt(m)
        assert abs(own[:, 0].std() / 0.5 - 1) < 4.5 / np.sqrt(2 * m)
    assert abs(np.corrcoef(amounts[:, active][:, 0], amounts[:, ~active][:, 0])[0, 1]) < 4.5 / np.sqrt(m)


def test_amounts_of_clusters_do_not_depend_on_the_order_of_rows(before):
    adjustment = jm.scale(1.0, cluster_sd=0.3)
    after = before.delta("y", adjustment, scope="marginal", random_seed=5)
    factor = after.values("y") / before.values("y")
    clusters = before.original["cluster"].to_numpy()[before.rows("y")]
    by_cluster = {name: factor[:, clusters == name] for name in CLUSTERS}
    assert all(np.ptp(own, axis=1).max() < 1e-9 for own in by_cluster.values())
    assert len({own[0, 0] for own in by_cluster.values()}) == len(CLUSTERS)
    backwards = np.arange(len(table()))[::-1]
    turned = jm.from_tables(table().iloc[backwards], [t.iloc[backwards] for t in before], cluster="cluster")
    again = turned.delta("y", adjustment, scope="marginal", random_seed=5)
    np.testing.assert_allclose(again.values("y")[:, ::-1], after.values("y"))


def test_the_same_seed_draws_the_same_and_another_does_not(before):
    first, second, other = (
        before.delta("y", jm.shift(0, prior_sd=1), scope="marginal", random_seed=seed).values("y") for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jm.odds(0), "odds_ratio must be a positive number"),
        (lambda: jm.odds([1, -2]), "odds_ratio must be a positive number"),
        (lambda: jm.scale(-1), "factor must be a positive number"),
        (lambda: jm.shift("much"), "delta must be a finite number, not 'much'"),
        (lambda: jm.shift(np.inf), "must be a finite number"),
        (lambda: jm.shift([1, 1]), "must be different numbers"),
        (lambda: jm.shift([]), "at least one"),
        (lambda: jm.shift(1, "SD"), "unit must be 'raw', 'sd' or 'sd_total'"),
        (lambda: jm.scale(1, about="median"), "about must be 'zero' or 'mean'"),
        (lambda: jm.shift(1, where="somewhere"), "where must be 'all'"),
        (lambda: jm.shift(1, where=[0, 1]), "one truth value a row"),
        (lambda: jm.shift(1, prior_sd=-1), "prior_sd must be a number of at least 0"),
        (lambda: jm.shift({"a": 1}), "no `by`"),
        (lambda: jm.shift(1, by="arm"), "by group, such as"),
    ],
)
def test_what_is_no_adjustment_is_refused(make, message):
    with pytest.raises(ImputationError, match=message):
        make()


@pytest.mark.parametrize(
    ("variable", "adjustment", "message"),
    [
        ("z", jm.shift(1), "'z' has no imputed values"),
        ("nothing", jm.shift(1), "'nothing' was not imputed"),
        ("y", jm.odds(2), "'y' is continuous"),
        ("y", jm.latent(1), "'y' is continuous"),
        ("y", -1.0, "must be one of shift"),
        ("y", jm.shift(1, where=[True, False]), "2 truth values, but the table has 60 rows"),
        ("y", jm.shift(1, where=[False] * 60), "leaves no missing value"),
        ("x", jm.shift(1, where="systematic"), "leaves no missing value of 'x'"),
        ("y", jm.shift({"active": 1}, by="arm"), "group\\(s\\) 'control'.*no amount"),
        ("y", jm.shift({"active": 1, "other": 2}, by="arm"), "has no group 'other'"),
        ("y", jm.shift({"active": 1}, by="treatment"), "by='treatment' is not a column"),
        ("y", jm.shift({1.0: 1}, by="x"), "'x' has no group 1.0"),
        ("y", jm.shift(), "delta is left open"),
        ("y", jm.shift([1, 2]), "delta has several values"),
        ("y", jm.shift(1, "sd"), "needs the fit that imputed 'y'"),
        ("y", jm.scale(1, "mean"), "needs the fit"),
    ],
)
def test_adjustments_that_do_not_suit_the_data_are_refused(before, variable, adjustment, message):
    with pytest.raises(ImputationError, match=message):
        before.delta(variable, adjustment, scope="marginal")


def test_groups_must_be_known_where_values_are_missing():
    original = table()
    original.loc[1, "arm"] = None
    made = jm.from_tables(original, [t.assign(arm=original["arm"]) for t in imputations(2)], cluster="cluster")
    with pytest.raises(ImputationError, match=r"missing in 1 row\(s\).*: 1"):
        made.delta("y", jm.shift({"active": 1, "control": 0}, by="arm"), scope="marginal")


def test_clusters_must_be_known(before):
    made = jm.from_tables(table(), list(before))
    for adjustment in (jm.shift(1, where="sporadic"), jm.shift(1, cluster_sd=1)):
        with pytest.raises(ImputationError, match="these imputations have none"):
            made.delta("y", adjustment, scope="marginal")


def test_others_are_not_drawn_again_without_a_fit(before):
    with pytest.raises(ImputationError, match="needs the fit.*scope='marginal'"):
        before.delta("y", jm.shift(1))
    with pytest.raises(ImputationError, match="scope must be 'marginal' or 'conditional'"):
        before.delta("y", jm.shift(1), scope="both")
    alone = jm.from_tables(table().drop(columns="x"), [t.drop(columns="x") for t in before], cluster="cluster")
    np.testing.assert_allclose(moved(alone, alone.delta("y", jm.shift(1))), 1)


def test_a_column_that_was_computed_before_is_not_left_behind(before):
    derived = before.assign(double="2 * y", other="x + 1", both=lambda t: t["y"] + t["x"])
    with pytest.raises(ImputationError, match="'double', 'both' may have been computed from 'y'"):
        derived.delta("y", jm.shift(1), scope="marginal")
    fine = before.assign(other="x + 1").delta("y", jm.shift(1), scope="marginal")
    np.testing.assert_allclose(moved(before, fine), 1)
    doubled = before.delta("y", jm.shift(1), scope="marginal").assign(double="2 * y")
    np.testing.assert_allclose(doubled.values("double"), 2 * before.values("y") + 2)


# Implied means


def test_implied_means_by_group(before):
    shifted = before.delta("y", jm.shift({"active": -2, "control": 0}, by="arm"), scope="marginal")
    found = jm.implied_means(shifted, "y", by="arm").set_index("arm")
    missing = before.original.iloc[before.rows("y")]
    for arm, change in (("active", -2.0), ("control", 0.0)):
        values = before.values("y")[:, (missing["arm"] == arm).to_numpy()]
        observed = before.original.query("arm == @arm")["y"].dropna()
        row = found.loc[arm]
        np.testing.assert_allclose(row["mean_missing"], values.mean() + change)
        np.testing.assert_allclose(row["mean_observed"], observed.mean())
        np.testing.assert_allclose(row["difference"], values.mean() + change - observed.mean())
        assert (row["n_missing"], row["n_observed"]) == (values.shape[1], len(observed))


def test_implied_means_of_a_cluster_without_observed_values(before):
    found = jm.implied_means(before, "y", by="cluster").set_index("cluster")
    assert found.loc["d", "n_observed"] == 0 and np.isnan(found.loc["d", "mean_observed"])
    assert len(jm.implied_means(before, "y")) == 1


def test_implied_means_of_categories():
    original = table().assign(g=["no", "yes", None] * 20, h=[1, 2, 3, None] * 15)
    original = original.astype({"h": "category"})
    completed = [
        t.assign(g=original["g"].fillna("yes"), h=original["h"].fillna(k)) for t, k in zip(imputations(2), (1, 3), strict=True)
    ]
    made = jm.from_tables(original, completed)
    assert jm.implied_means(made, "g")[["mean_missing", "mean_observed"]].to_numpy().tolist() == [[1.0, 0.5]]
    assert jm.implied_means(made, "h")[["mean_missing", "mean_observed"]].to_numpy().tolist() == [[2.0, 2.0]]


def test_implied_means_need_known_groups(before):
    with pytest.raises(ImputationError, match="not a column"):
        jm.implied_means(before, "y", by="nothing")
    with pytest.raises(ImputationError, match="missing in 10 row"):
        jm.implied_means(before, "y", by="x")

"""The driver of chained equations: what methods are shown, and what becomes of what they draw."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import jmimpute as jm
from jmimpute.chained.choosing import default_method
from jmimpute.chained.columns import as_column
from jmimpute.errors import ChainedWarning, ImputationError, InterruptedWarning
from jmimpute.table.clusters import code
from tests.chained.tables import Keeping, table

NORMS = {"x1": "norm", "x2": "norm"}


def plain():
    """The table without clusters."""
    return table().drop(columns=["g", "w"])


def run(data, methods=None, predictors=None, **settings):
    settings = {"m": 2, "iterations": 2, "random_seed": 1, "progressbar": False} | settings
    return jm.chained(data, methods, predictors, **settings)


def test_the_function_is_not_hidden_by_its_folder():
    import jmimpute.chained.target

    assert callable(jm.chained) and not hasattr(jm.chained, "__path__")
    assert jmimpute.chained is jm.chained


def test_cells_come_back_to_their_rows():
    """A method that computes from a complete predictor shows where each cell goes."""
    data = plain()
    imputed = run(data, {"x1": Keeping()}, {"x1": "~ y"}, m=3)
    rows = np.flatnonzero(data["x1"].isna())
    assert np.array_equal(imputed.rows("x1"), rows)
    assert imputed.values("x1") == pytest.approx(np.tile(2 * data["y"].to_numpy()[rows] + 1, (3, 1)))
    assert imputed.columns == ("x1", "x2")


def test_observed_cells_stay_and_none_is_missing():
    data = plain()
    completed = run(data, NORMS).complete(2)
    assert not completed.isna().any(axis=None)
    seen = data.notna()
    assert completed.where(seen).equals(data)


def test_imputations_behave_as_all_others_do(tmp_path):
    imputed = run(table(), {"x1": "norm", "x2": "pmm"}, cluster="g", m=3)
    pooled = imputed.analyze("y ~ x1 + x2 + (1 | g)").pool()
    assert list(pooled.table["term"]) == ["Intercept", "x1", "x2"]
    imputed.save(tmp_path / "saved")
    again = jm.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(again.complete(2), imputed.complete(2))
    assert again.provenance == json.loads(json.dumps(imputed.provenance))
    assert again.traces.draws.identical(imputed.traces.draws)
    assert jm.plots.density(imputed) is not None
    with pytest.raises(ImputationError, match="made by jm.chained: call it again with the same random_seed and a larger m"):
        imputed.extend(5)


def test_more_imputations_begin_with_the_same():
    data = plain()
    few, more = run(data, NORMS, m=2), run(data, NORMS, m=4)
    for name in ("x1", "x2"):
        assert np.array_equal(few.values(name), more.values(name)[:2])
        assert len(np.unique(more.values(name)[:, 0])) == 4


def test_the_order_of_rows_does_not_matter():
    data = table()
    order = np.random.default_rng(5).permutation(len(data))
    first = run(data, {"x1": "norm", "x2": "pmm"}, cluster="g")
    second = run(data.iloc[order], {"x1": "norm", "x2": "pmm"}, cluster="g")
    for k in (1, 2):
        pd.testing.assert_frame_equal(
            first.complete(k).iloc[order].reset_index(drop=True), second.complete(k).reset_index(drop=True), check_exact=True
        )


def test_polars_in_and_out():
    data = plain()
    imputed = run(pl.from_pandas(data), NORMS)
    assert isinstance(imputed.complete(1), pl.DataFrame)
    # The first category of a polars column is the one that comes first.
    assert imputed.values("x1") == pytest.approx(run(data, NORMS).values("x1"), rel=1e-9)


@pytest.mark.sampling
def test_the_number_of_cores_does_not_matter():
    data = table()
    one, two = (run(data, NORMS, cluster="g", m=3, cores=cores) for cores in (1, 2))
    for name in NORMS:
        assert np.array_equal(one.values(name), two.values(name))


def test_one_variable_takes_one_sweep():
    """As the univariate method itself: same target, same random numbers after the first fill."""
    data = plain().drop(columns="x2")
    keeping = Keeping()
    imputed = run(data, {"x1": keeping}, {"x1": "~ y + sex"}, iterations=10)
    assert len(keeping.seen) == 2 and imputed.provenance["chained"]["iterations"] == 1
    assert imputed.traces.ok and "nothing to converge" in imputed.traces.messages[0]
    drawn = run(data, {"x1": "norm"}, {"x1": "~ y + sex"}, iterations=10)
    for k in range(2):
        rng = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(k,)))
        rng.choice(keeping.seen[0].y[keeping.seen[0].observed], int(keeping.seen[0].missing.sum()))
        alone = jm.methods.Norm()(keeping.seen[0], rng)
        assert np.sort(alone) == pytest.approx(np.sort(drawn.values("x1")[k]), rel=1e-12)


def test_methods_see_current_values_of_the_others():
    """Visiting x2 first, x1 sees the x2 that was just imputed; cells of the target itself are those of the last sweep."""
    data = plain()
    first, second = Keeping(), Keeping(column=2)
    run(data, {"x1": second, "x2": first}, {"x1": "~ y + x2", "x2": "~ y"}, visit=["x2", "x1"], m=1, iterations=3)
    lacking = first.seen[0].missing
    expected = np.where(lacking, 2 * first.seen[0].x[:, 1] + 1, first.seen[0].y)
    assert np.array_equal(second.seen[0].x[:, 2], expected)
    assert np.array_equal(second.seen[1].y[second.seen[1].missing], 2 * second.seen[0].x[second.seen[0].missing, 2] + 1)
    # Before the first sweep cells are filled by observed values.
    filled = second.seen[0].y[second.seen[0].missing]
    assert np.isin(filled, data["x1"].dropna()).all() and len(np.unique(filled)) > 10


def test_targets_say_all_that_methods_need():
    data = table()
    keeping = Keeping()
    run(data, {"x1": keeping, "x2": "norm"}, {"x1": "~ y + sex + x2 + (1 + sex | g)"}, cluster="g", m=1, iterations=1)
    (seen,) = keeping.seen
    assert seen.columns == ("Intercept", "y", "sex[girl]", "x2") and list(seen.random) == [0, 2]
    assert seen.labels == [f"g{k}" for k in range(8)] and seen.named([2, 3]) == "g2, g3"
    assert list(np.flatnonzero(seen.systematic)) == [2]
    assert np.all(seen.x[:, 0] == 1) and set(seen.x[:, 2]) == {0.0, 1.0}
    assert [list(rows) for rows in seen.rows] == [list(np.flatnonzero(seen.codes == j)) for j in range(8)]
    assert np.array_equal(seen.observed_rows(3), np.flatnonzero((seen.codes == 3) & seen.observed))
    assert seen.n_categories == 0 and seen.means.shape == (8, 0) and seen.selection is None


def test_categories_are_codes_and_come_back_as_labels():
    data = plain()
    data.loc[::4, "sex"] = None
    data["passed"] = np.where(data["y"] > 0, 1, 0)
    data["passed"] = data["passed"].astype("Int64").mask(np.arange(len(data)) % 5 == 0)
    imputed = run(data, {"sex": "logistic", "passed": "logistic", **NORMS}, {"passed": "~ x2 + sex", "sex": "~ x1 + x2"})
    assert imputed.levels("sex") == ("boy", "girl") and imputed.levels("passed") == (0, 1)
    completed = imputed.complete(1)
    assert completed["sex"].dtype == data["sex"].dtype and completed["passed"].isin([0, 1]).all()


def test_cluster_means_are_those_of_current_values():
    data = table()
    fixed, varying = Keeping(), Keeping()
    run(data, {"x1": fixed, "x2": "norm"}, {"x1": "~ y + x2"}, cluster="g", cluster_means=["x1", "x2"], m=1, iterations=2)
    first = fixed.seen[1]
    expected = np.array([first.x[first.codes == j, 2].mean() for j in range(8)])
    assert first.columns == ("Intercept", "y", "x2", "mean(x2)")
    assert first.x[:, 3] == pytest.approx(expected[first.codes]) and first.means.shape == (8, 0)
    assert not np.array_equal(first.x[:, 3], fixed.seen[0].x[:, 3])
    assert varying.seen == []


def test_two_stage_methods_have_means_and_cluster_variables_at_the_second_stage(monkeypatch):
    from jmimpute.chained import two_stage

    seen = []
    monkeypatch.setattr(
        two_stage.TwoStage, "__call__", lambda self, target, rng: seen.append(target) or target.y[target.missing]
    )
    imputed = run(table(), {"x1": "two-stage", "x2": "norm"}, cluster="g", cluster_means=["y"], m=1, iterations=1)
    (one,) = seen
    assert one.columns == ("Intercept", "x2", "y", "sex[girl]") and list(one.random) == [0, 1, 2, 3]
    w = np.array([one.means[j, 0] for j in range(8)])
    assert one.means.shape == (8, 2) and len(np.unique(w)) == 8
    assert one.means[:, 1] == pytest.approx([one.x[one.codes == j, 2].mean() for j in range(8)])
    formulas = imputed.provenance["chained"]["predictors"]
    assert formulas["x1"] == "x1 ~ x2 + y + sex + w + (1 + x2 + y + sex | g)"
    assert formulas["x2"] == "x2 ~ x1 + y + w + sex"


def test_selection_equations_have_their_own_design():
    keeping = Keeping()
    run(plain(), {"x1": keeping, "x2": "norm"}, {"x1": "~ y"}, selection={"x1": "~ y + x2 + sex"}, m=1, iterations=1)
    (seen,) = keeping.seen
    assert seen.selection.shape == (96, 4) and np.array_equal(seen.selection[:, 1], seen.x[:, 1])


def test_level_2_variables_are_alike_in_a_cluster_from_the_first_fill_on():
    data = table()
    data.loc[data["g"].isin(["g1", "g5"]), "w"] = np.nan
    data.loc[np.flatnonzero(data["g"] == "g6")[0], "w"] = np.nan
    keeping = Keeping()
    imputed = run(data, {"x1": keeping, "x2": "norm"}, {"x1": "~ y + w"}, cluster="g", m=1, iterations=1)
    assert imputed.provenance["chained"]["methods"]["w"] == "Level2Norm()"
    filled = keeping.seen[0].x[:, 2]
    assert all(len(set(filled[keeping.seen[0].codes == j])) == 1 for j in range(8))
    assert imputed.complete(1).groupby("g")["w"].nunique().eq(1).all()
    known = data.loc[data["g"] == "g6", "w"].max()
    assert imputed.complete(1).loc[data["g"] == "g6", "w"].eq(known).all()


def test_unusual_columns_are_left_out_and_recorded():
    data = plain().assign(
        number=np.arange(96), same=1, day=pd.Timestamp("2024-01-01"), name=[f"n{k}" for k in range(96)], score=np.arange(96) % 7
    )
    data["note"] = np.where(np.arange(96) % 2, "a", None)
    record = run(data, {**NORMS, "note": None}).provenance["chained"]
    assert set(record["left_out"]) == {"number", "same", "day", "name", "note"}
    assert record["predictors"]["x1"] == "x1 ~ x2 + y + sex + score"


def test_what_methods_warn_of_is_told_once():
    import warnings

    def warning(target, rng):
        warnings.warn(f"cluster {rng.integers(2)} is odd", ChainedWarning, stacklevel=1)
        return np.zeros(int(target.missing.sum()))

    with pytest.warns(ChainedWarning) as caught:
        imputed = run(plain(), {"x1": warning, "x2": "norm"}, {"x2": "~ y"}, m=4, iterations=6)
    texts = sorted(str(one.message) for one in caught)
    assert texts == ["cluster 0 is odd (In 4 of 4 streams.)", "cluster 1 is odd (In 4 of 4 streams.)"]
    assert imputed.provenance["chained"]["problems"] == {"cluster 0 is odd": 4, "cluster 1 is odd": 4}


def test_an_interrupt_keeps_finished_streams():
    calls = []

    def interrupted(target, rng):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return rng.normal(size=int(target.missing.sum()))

    with pytest.warns(InterruptedWarning, match="2 of 5 streams were done and kept"):
        imputed = run(plain(), {"x1": interrupted, "x2": "norm"}, {"x2": "~ y"}, m=5)
    assert imputed.m == len(imputed.values("x2")) == 2


@pytest.mark.parametrize(
    ("sizes", "values", "expected"),
    [
        ([30] * 10, "number", "mixed"),
        ([150] * 10, "number", "two-stage"),
        ([150] * 6 + [30] * 4, "number", "two-stage"),
        ([150] * 5 + [30] * 5, "number", "mixed"),
        ([150] * 6 + [30] * 4, "binary", "two-stage-binary"),
        ([30] * 5, "binary", "mixed-binary"),
        ([150] * 4, "count", "two-stage"),
    ],
)
def test_default_methods_by_what_clusters_have(sizes, values, expected):
    """Clusters without any observed value do not count."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(len(sizes) + 10), [*sizes, *[10] * 10])
    drawn = {"number": rng.normal(size=len(g)), "binary": rng.random(len(g)) < 0.5, "count": rng.poisson(9, len(g))}[values]
    frame = pd.DataFrame({"g": g, "y": pd.Series(drawn, dtype=object).mask(g >= len(sizes)).infer_objects()})
    frame["y"] = frame["y"].astype(float) if values != "binary" else frame["y"]
    clusters = code(frame, "g")
    assert default_method(as_column(frame["y"], clusters), clusters) == expected


def test_default_methods_of_other_columns():
    data = table()
    alone, clusters = code(data, None), code(data, "g")
    assert default_method(as_column(data["x1"], alone), alone) == "pmm"
    assert default_method(as_column(data["sex"], alone), alone) == "logistic"
    three = pd.Categorical(np.arange(96) % 3)
    assert default_method(as_column(pd.Series(three, name="t"), alone), alone) == "polytomous"
    assert default_method(as_column(pd.Series(three.as_ordered(), name="t"), alone), alone) == "proportional-odds"
    whole = as_column(data["w"].mask(data.index == 0), clusters)
    assert default_method(whole, clusters) == "level2-constant"
    partly = as_column(data["w"].mask(data["g"] == "g1"), clusters)
    assert default_method(partly, clusters) == "level2-norm"
    data["three"] = three
    with pytest.raises(ImputationError, match="'three' is nominal with 3 categories"):
        default_method(as_column(data["three"], clusters), clusters)

"""Level-2 responses: arrays and scales of clusters against numpy, shuffled rows, carried values, and what is printed."""

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.specification.families import GAUSSIAN, NOMINAL, ORDINAL, Variable
from jmimpute.specification.layout import lay_out, lay_out_level2
from jmimpute.specification.specify import specify

NAN = np.nan
LEVEL1 = ["y1 ~ x + size + (1 + x | g)", "y2 ~ 1 + (1 | g)"]
LEVEL2 = ["w + kind ~ size", "v ~ 0 + size", "grade ~ 1"]
J, N = 12, 96


def clusters():
    """Values of the clusters; w lacks cluster 3, kind 5 and 7."""
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "w": [*rng.normal(200, 30, 3), NAN, *rng.normal(200, 30, J - 4)],
            "v": rng.normal(5, 2, J),
            "kind": pd.Categorical(["a", "b", "c", "a", "b", None, "c", None, "a", "b", "c", "c"], ["c", "b", "a", "unseen"]),
            "grade": pd.Categorical(["low", "mid", "top"] * 4, ["low", "mid", "top"], ordered=True),
            "size": rng.uniform(10, 30, J),
        }
    )


def table():
    """Shuffled rows in which w and kind are given in some rows of a cluster only, and size is complete."""
    rng = np.random.default_rng(3)
    g = rng.permutation(np.arange(N) % J)
    frame = clusters().iloc[g].reset_index(drop=True)
    frame = frame.assign(g=[f"s{j:02}" for j in g], x=rng.normal(4, 2, N), y1=rng.normal(50, 9, N), y2=rng.normal(3, 1, N))
    frame.loc[[0, 7, 8], ["w", "kind"]] = NAN
    frame.loc[5, "y1"] = NAN
    return frame


@pytest.fixture(scope="module")
def spec():
    return specify(LEVEL1, table(), level2=LEVEL2)


def test_layout(spec):
    level2 = spec.layout.level2
    assert level2.responses == ("w", "kind.1", "kind.2", "v", "grade")
    assert level2.covariates == ("Intercept", "size")
    assert level2.beta_mask.tolist() == [[True, True, True, False, True], [True, True, True, True, False]]
    assert level2.latent.tolist() == [False, True, True, False, True]
    assert [variable.first for variable in level2.variables] == [0, 1, 3, 4]
    assert [variable.family for variable in level2.variables] == ["gaussian", "nominal", "gaussian", "ordinal"]
    assert level2.variables[1].unused == ("unseen",)
    layout = spec.layout
    assert (
        layout.labels_u == (*layout.effects, *level2.responses) == ("y1|Intercept", "y1|x", "y2|Intercept", *level2.responses)
    )
    assert (layout.dim_u, layout.n_effects) == (8, 3)
    assert layout.latent_u.tolist() == [False] * 4 + [True, True, False, True]
    assert not layout.blocks.any() and layout.blocks.shape == (8,)
    assert spec.is_structured


def test_values_of_clusters(spec):
    values, scaling = clusters(), spec.scaling
    seen = values["w"].dropna()
    np.testing.assert_allclose(spec.w[:, 0], (values["w"] - seen.mean()) / seen.std(ddof=0), rtol=1e-12)
    np.testing.assert_allclose(spec.w[:, 3], values["v"] / values["v"].std(ddof=0), rtol=1e-12, err_msg="v has no intercept")
    np.testing.assert_allclose(scaling.center2, [seen.mean(), 0, 0, 0, 0])
    np.testing.assert_allclose(scaling.scale2, [seen.std(ddof=0), 1, 1, values["v"].std(ddof=0), 1])
    np.testing.assert_array_equal(np.isnan(spec.w[:, 1]), values["kind"].isna())
    assert not np.nan_to_num(spec.w[:, [1, 2, 4]]).any(), "latents are 0 where the category is seen"
    assert spec.categories2[:, [0, 2]].tolist() == [[-1, -1]] * J
    np.testing.assert_array_equal(spec.categories2[:, 1], values["kind"].cat.codes)
    np.testing.assert_array_equal(spec.categories2[:, 3], values["grade"].cat.codes)


def test_covariates_of_clusters(spec):
    size = clusters()["size"].to_numpy()
    # v has size and no intercept, so that size is scaled and not centred.
    np.testing.assert_allclose(spec.x2, np.column_stack([np.ones(J), size / size.std()]), rtol=1e-12)
    np.testing.assert_array_equal(spec.scaling.intercept2, [1, 0])
    alone = specify(LEVEL1, table(), level2="w ~ size")
    np.testing.assert_allclose(alone.x2[:, 1], (size - size.mean()) / size.std(), rtol=1e-10)


def test_means_are_the_same_on_both_scales(spec):
    rng = np.random.default_rng(4)
    mask, scaling = spec.layout.level2.beta_mask, spec.scaling
    beta = np.where(mask, rng.normal(size=mask.shape), 0.0)
    original = scaling.beta_level2(beta)
    assert not original[~mask].any()
    x2 = spec.x2 @ np.linalg.inv(scaling.x2_transform)
    np.testing.assert_allclose(x2 @ original, spec.x2 @ beta * scaling.scale2 + scaling.center2, rtol=1e-10)
    np.testing.assert_allclose(scaling.standard_beta_level2(original), beta, atol=1e-10)
    stacked = np.stack([beta, 2 * beta])
    np.testing.assert_allclose(scaling.beta_level2(stacked)[1], scaling.beta_level2(2 * beta))


def test_omega_u_goes_with_effects_and_responses(spec):
    scaling = spec.scaling
    k = np.zeros((8, 8))
    k[:3, :3] = scaling.effects_transform
    k[3:, 3:] = np.diag(scaling.scale2)
    np.testing.assert_array_equal(scaling.u_transform, k)
    np.testing.assert_array_equal(scaling.effects_transform, specify(LEVEL1, table()).scaling.u_transform)
    half = np.random.default_rng(5).normal(size=(8, 8))
    omega = half @ half.T
    np.testing.assert_allclose(scaling.omega_u(omega), k @ omega @ k.T, rtol=1e-10)
    np.testing.assert_allclose(scaling.standard_omega_u(scaling.omega_u(omega)), omega, rtol=1e-8)


def test_without_level_2_there_is_none():
    plain = specify(LEVEL1, table())
    assert plain.w.shape == plain.x2.shape == plain.categories2.shape == (J, 0)
    assert (plain.carried, plain.carried_covariates, plain.level2_formulas, plain.is_structured) == ({}, {}, (), False)
    np.testing.assert_array_equal(plain.scaling.effects_transform, plain.scaling.u_transform)
    assert specify("y1 ~ x", table()).scaling.effects_transform.shape == (0, 0)
    for nothing in (None, [], ()):
        assert not specify(LEVEL1, table(), level2=nothing).is_structured


def test_shuffled_rows_give_the_same_arrays(spec):
    shuffled = specify(LEVEL1, table().sample(frac=1, random_state=3).reset_index(drop=True), level2=LEVEL2)
    for name in ("y", "x", "z", "w", "categories2", "x2"):
        np.testing.assert_array_equal(getattr(spec, name), getattr(shuffled, name))


def test_level_2_columns_take_part_in_the_order_of_rows():
    """Rows alike but for where a value of the cluster is given have one order, whatever the columns that are not modelled."""
    frame = pd.DataFrame({"g": np.repeat([0, 1], 20), "y": np.tile([1.0, 2.0], 20), "w": np.repeat([3.0, 4.0], 20)})
    frame.loc[::3, "w"] = NAN
    orders = []
    for seed in range(5):
        other = frame.assign(other=np.random.default_rng(seed).normal(size=40))
        orders.append(frame["w"].isna().to_numpy()[specify("y ~ 1 + (1 | g)", other, level2="w ~ 1").order].tolist())
    assert all(order == orders[0] for order in orders)


def test_values_are_carried_to_rows_of_their_cluster(spec):
    frame = table()
    codes = frame["g"].str[1:].astype(int).to_numpy()
    for name in ("w", "kind"):
        has = clusters()[name].notna().to_numpy()[codes]
        np.testing.assert_array_equal(spec.carried[name], np.flatnonzero(frame[name].isna() & has))
    assert set(spec.carried) == {"w", "kind"} and spec.carried_covariates == {}


def test_covariates_are_carried_too():
    frame = table()
    frame.loc[[2, 3], "v"] = NAN
    spec = specify(LEVEL1, frame, level2="w ~ v")
    assert spec.carried_covariates["v"].tolist() == [2, 3] and set(spec.carried) == {"w"}
    v = clusters()["v"].to_numpy()
    np.testing.assert_allclose(spec.x2[:, 1], (v - v.mean()) / v.std(), rtol=1e-10)


def test_families_are_said_for_both_levels():
    frame = table().assign(code=np.arange(N) % 2, type=lambda frame: frame["g"].str[1:].astype(int) % 3)
    families = {"code": "binary", "type": jm.families.nominal(reference=0)}
    spec = specify("y1 + code ~ 1 + (1 | g)", frame, families, level2="type ~ 1")
    (variable,) = spec.layout.level2.variables
    assert (variable.family, variable.levels, variable.reference) == ("nominal", (0, 1, 2), 0)
    assert spec.layout.variables[1].family == "binary"


def test_quoted_names():
    frame = table().rename(columns={"w": "average score", "size": "school size"})
    spec = specify("y1 ~ 1 + (1 | g)", frame, level2="`average score` ~ `school size`")
    assert spec.layout.labels_u == ("y1|Intercept", "average score")


def test_layouts_by_hand():
    variables = Variable("a", GAUSSIAN, 0), Variable("b", ORDINAL, 1, (1, 2, 3)), Variable("c", NOMINAL, 2, ("u", "v", "w"), 2)
    level2 = lay_out_level2(variables, {"a": ("t",), "b": ("Intercept", "s"), "c": ("Intercept",)})
    assert level2.covariates == ("Intercept", "t", "s")
    assert level2.beta_mask.tolist() == [[False, True, True, True], [True, False, False, False], [False, True, False, False]]
    y = Variable("y", GAUSSIAN, 0)
    layout = lay_out((y,), {"y": ("Intercept",)}, {"y": ("Intercept", "s", "t")}, ["y"], level2)
    assert layout.blocks.tolist() == [0, 1, 2, 0, 0, 0, 0]


# What is printed


def test_description():
    model = jm.JointModel(LEVEL1, table(), level2=LEVEL2)
    assert repr(model).endswith("y2 ~ 1 + (1 | g); level 2: w + kind ~ size; level 2: v ~ 0 + size; level 2: grade ~ 1>")
    lines = str(model).splitlines()
    assert lines[0] == "Joint model of 2 response(s) at level 1 and 4 at level 2, 96 rows in 12 clusters (g)"
    expected = """\
Level 2:
  w = b[Intercept] + b size + v
  kind.1, kind.2 = b[Intercept] + b size + v
  v = b size + v
  grade = b[Intercept] + v
  (u[g], v[g]) ~ Normal(0, Omega_u), 8 x 8: y1|Intercept, y1|x, y2|Intercept, w, kind.1, kind.2, v, grade; known: variance 1 \
of kind.1, kind.2, grade; covariance 0.5 between kind.1, kind.2
"""
    assert expected in str(model)
    assert "  w: 1 of 12 clusters (8%): s03" in lines
    assert "  kind: 2 of 12 clusters (17%): s05, s07" in lines
    assert "  v: 0 of 12 clusters (0%)" in lines
    carried = model.specification.carried
    codes = sorted(set(table()["g"].iloc[carried["w"]]))
    count = len(carried["w"])
    assert f"  w: {count} row(s) take the value of another row of their cluster, in {len(codes)} cluster(s): " + ", ".join(
        codes
    ) in (lines)
    assert "Omega_u: LKJ(2) correlations, half-normal(1) sds on the standardised scale, given what is known" in str(model)
    assert "  cut points: half-normal(5) distances" in lines
    assert "'a' is observed in 3 cluster(s) only" in str(model)
    assert "12 clusters say little about 3 random effects, 5 level-2 response(s) and their correlations" in str(model)


def test_missing_clusters_are_something_to_impute():
    frame = table().assign(y1=lambda frame: frame["y1"].fillna(50.0))
    assert "nothing to impute" not in str(jm.JointModel(LEVEL1, frame, level2="w ~ 1"))
    assert "nothing to impute" in str(jm.JointModel(LEVEL1, frame, level2="grade ~ 1"))


@pytest.mark.parametrize(
    ("covariance", "prior", "parts"),
    [
        ("common", None, ["e ~ Normal(0, Omega_e), 2 x 2, common to all clusters", "Omega_e: LKJ(1)"]),
        (
            "cluster-specific",
            None,
            ["e ~ Normal(0, Omega_e[g]), 2 x 2, one matrix a cluster, independent of each other", "Omega_e[g]: LKJ(1)"],
        ),
        (
            "random",
            None,
            [
                "one matrix a cluster: Omega_e[g] ~ inverse-Wishart(a, A)",
                "a: chi-square(12), at least 2",
                "A: Wishart(df 3, scale a / 3 x 1 x identity) on the standardised scale",
            ],
        ),
        (
            "random",
            jm.priors.jomo().Omega_e,
            ["a: chi-square(2), at least 2", "A: Wishart(df 3, scale 1 x identity) on the original scale"],
        ),
        (
            "random",
            jm.priors.heterogeneous("log-sd", spread=0.3),
            ["correlations in common: log sd[g] ~ Normal(log_sd_mean, log_sd_spread^2)", "half-normal(0.3); LKJ(1)"],
        ),
    ],
)
def test_covariances_in_words(covariance, prior, parts):
    priors = None if prior is None else {"Omega_e": prior}
    text = str(jm.JointModel(LEVEL1, table(), covariance=covariance, priors=priors))
    for part in parts:
        assert part in text


def test_small_clusters_are_worth_a_note():
    frame = table()
    text = str(jm.JointModel("y1 + y2 ~ 1 + (1 | g)", frame, covariance="cluster-specific"))
    assert "12 cluster(s) have fewer than 10 rows" in text and "s00 (8)" in text and "covariance='random'" in text
    assert "fewer than" not in str(jm.JointModel("y1 ~ 1 + (1 | g)", frame, covariance="cluster-specific"))
    few = frame[frame["g"] < "s05"]
    assert "5 clusters say little about how much their covariance" in str(
        jm.JointModel("y1 ~ 1 + (1 | g)", few, covariance="random")
    )
    assert "how much" not in str(jm.JointModel("y1 ~ 1 + (1 | g)", frame, covariance="random"))

"""Which response has which coefficients and effects; and one model on two scales."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.specification.families import BINARY, GAUSSIAN, NOMINAL, ORDINAL, Variable
from jmimpute.specification.layout import lay_out
from jmimpute.specification.specify import specify

MODELS = {
    "common": "y1 + y2 ~ x + sex + (1 | school)",
    "slope": "y1 + y2 ~ x + sex + (1 + x | school)",
    "slope without random intercept": "y1 + y2 ~ x + (0 + x | school)",
    "slope beyond the fixed part": "y1 + y2 ~ sex + (1 + x | school)",
    "no fixed intercept": "y1 + y2 ~ 0 + x + sex + (1 | school)",
    "no intercept at all": "y1 + y2 ~ 0 + x + w + (0 + x | school)",
    "response-specific": ["y1 ~ x + (1 + x | school)", "y2 ~ sex + w + (1 | school)"],
    "an intercept for one only": ["y1 ~ x + (1 | school)", "y2 ~ 0 + x + w + (0 + x | school)"],
    "effects for one only": ["y1 ~ x + (1 + w | school)", "y2 ~ 0 + w"],
    "slopes with and without intercept": ["y1 ~ x + (1 + x | school)", "y2 ~ x + (0 + x + w | school)"],
    "three": ["y1 + y3 ~ x + (1 | school)", "y2 ~ x * sex + (w | school)"],
    "single level": "y1 + y2 ~ x * sex",
    "single level without intercept": ["y1 ~ x", "y2 ~ 0 + w"],
    "categories": ["y1 + kind ~ x + (1 + x | school)", "grade + passed ~ 0 + w + (0 + w | school)"],
    "categories only": "kind + grade ~ x + sex",
}


@pytest.fixture(scope="module")
def frame():
    """Columns with means far from 0 and unequal scales, so that a wrong shift or scale shows."""
    rng = np.random.default_rng(1)
    n = 120
    table = pd.DataFrame(
        {
            "y1": rng.normal(50, 9, n),
            "y2": rng.normal(-3, 0.2, n),
            "y3": rng.normal(1000, 1, n),
            "x": rng.normal(11, 2, n),
            "w": rng.normal(-200, 30, n),
            "sex": pd.Categorical(rng.choice(["boy", "girl"], n)),
            "school": rng.integers(0, 8, n),
            "kind": pd.Categorical(rng.choice(["a", "b", "c"], n)),
            "grade": pd.Categorical(rng.choice(["low", "mid", "high"], n), ["low", "mid", "high"], ordered=True),
            "passed": pd.array(rng.choice([True, False], n), dtype="boolean"),
        }
    )
    for name in ("y1", "y2", "y3", "kind", "grade", "passed"):
        table[name] = table[name].mask(rng.random(n) < 0.2)
    return table


@pytest.fixture(params=MODELS)
def spec(request, frame):
    return specify(MODELS[request.param], frame)


def random_parameters(spec, seed=1):
    """Coefficients, covariances and effects of all clusters on the standardised scale."""
    rng = np.random.default_rng(seed)
    layout = spec.layout
    beta = rng.normal(size=layout.beta_mask.shape) * layout.beta_mask
    p, d = len(layout.responses), layout.n_effects
    omegas = [half @ half.T + np.eye(len(half)) for half in (rng.normal(size=(p, p)), rng.normal(size=(d, d)))]
    return beta, *omegas, rng.normal(size=(spec.n_clusters, d))


def mean(spec, x, z, beta, effects):
    """X B + Z u, shape (n_rows, p)."""
    layout = spec.layout
    value = x @ beta
    for k, (a, c) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
        value[:, a] += z[:, c] * effects[spec.clusters.codes, k]
    return value


def test_means_are_the_same_on_both_scales(spec):
    scaling = spec.scaling
    beta, _, _, effects = random_parameters(spec)
    x = spec.x @ np.linalg.inv(scaling.x_transform)
    z = spec.z @ np.linalg.inv(scaling.z_transform)
    standardised = mean(spec, spec.x, spec.z, beta, effects) * scaling.scale + scaling.center
    original = mean(spec, x, z, scaling.beta(beta), effects @ scaling.u_transform.T)
    np.testing.assert_allclose(original, standardised, rtol=1e-9)


def test_coefficients_that_do_not_exist_stay_zero(spec):
    beta = spec.scaling.beta(random_parameters(spec)[0])
    assert not beta[~spec.layout.beta_mask].any()
    assert not spec.scaling.standard_beta(beta)[~spec.layout.beta_mask].any()


def test_round_trips(spec):
    scaling = spec.scaling
    beta, omega_e, omega_u, _ = random_parameters(spec)
    np.testing.assert_allclose(scaling.standard_beta(scaling.beta(beta)), beta, atol=1e-9)
    np.testing.assert_allclose(scaling.standard_omega_e(scaling.omega_e(omega_e)), omega_e, rtol=1e-12)
    np.testing.assert_allclose(scaling.standard_omega_u(scaling.omega_u(omega_u)), omega_u, rtol=1e-8, atol=1e-10)


def test_stacks_of_draws_are_mapped_one_by_one(spec):
    scaling = spec.scaling
    first, second = random_parameters(spec, 1), random_parameters(spec, 2)
    for k, function in enumerate((scaling.beta, scaling.omega_e, scaling.omega_u)):
        both = function(np.stack([first[k], second[k]]))
        np.testing.assert_allclose(both, np.stack([function(first[k]), function(second[k])]), rtol=1e-12)


def test_covariances_go_with_what_they_are_of(spec):
    """The covariance of mapped effects (or residuals) is the mapped covariance."""
    scaling = spec.scaling
    _, omega_e, omega_u, _ = random_parameters(spec)
    d = np.diag(scaling.scale)
    np.testing.assert_allclose(scaling.omega_e(omega_e), d @ omega_e @ d, rtol=1e-12)
    k = scaling.u_transform
    np.testing.assert_allclose(scaling.omega_u(omega_u), k @ omega_u @ k.T, rtol=1e-12)


def test_responses_are_standardised_and_missing_cells_stay(spec, frame):
    continuous = np.flatnonzero(~spec.layout.latent)
    values = frame[[spec.layout.responses[a] for a in continuous]].to_numpy()[spec.order]
    y, scaling = spec.y[:, continuous], spec.scaling
    np.testing.assert_array_equal(np.isnan(y), np.isnan(values))
    np.testing.assert_allclose(y * scaling.scale[continuous] + scaling.center[continuous], values, rtol=1e-12)
    np.testing.assert_allclose(np.nanstd(y, axis=0), 1)
    has_intercept = spec.layout.beta_mask[[name == "Intercept" for name in spec.layout.covariates]].any(axis=0)
    np.testing.assert_allclose(np.nanmean(y, axis=0)[has_intercept[continuous]], 0, atol=1e-12)
    assert not scaling.center[~has_intercept].any(), "a response without intercept is not shifted"


def test_latents_are_0_where_the_category_is_seen_and_have_a_scale_of_their_own(spec, frame):
    for variable, codes in zip(spec.layout.variables, spec.categories.T, strict=True):
        own = slice(variable.first, variable.first + variable.width)
        column = frame[variable.name].iloc[spec.order]
        if not variable.is_latent:
            assert (codes == -1).all()
            continue
        assert spec.layout.latent[own].all()
        assert (spec.scaling.scale[own] == 1).all() and (spec.scaling.center[own] == 0).all()
        np.testing.assert_array_equal(np.isnan(spec.y[:, own]), np.tile(column.isna().to_numpy()[:, None], variable.width))
        assert not np.nan_to_num(spec.y[:, own]).any()
        assert [variable.levels[code] for code in codes if code >= 0] == column.dropna().tolist()
        assert ((codes == -1) == column.isna().to_numpy()).all()


def test_covariates_have_unit_scale(spec):
    for name, column in zip(spec.layout.covariates, spec.x.T, strict=True):
        assert column.std() == pytest.approx(0 if name == "Intercept" else 1)
    for name, column in zip(spec.layout.random, spec.z.T, strict=True):
        assert column.std() == pytest.approx(0 if name == "Intercept" else 1)


def test_covariates_are_centred_where_all_who_have_them_have_the_intercept(frame):
    spec = specify(MODELS["an intercept for one only"], frame)
    means = dict(zip(spec.layout.covariates, spec.x.mean(axis=0), strict=True))
    assert abs(means["x"]) > 1, "y2 has x and no intercept"
    spec = specify(MODELS["common"], frame)
    np.testing.assert_allclose(spec.x.mean(axis=0), [1, 0, 0], atol=1e-12)


def test_rows_are_in_canonical_order(frame):
    spec = specify(MODELS["common"], frame)
    assert (np.diff(spec.clusters.codes) >= 0).all()
    assert [spec.clusters.labels[j] for j in spec.clusters.codes] == frame["school"].iloc[spec.order].tolist()


def test_shuffled_rows_give_the_same_arrays(frame):
    spec, shuffled = (specify(MODELS["categories"], table) for table in (frame, frame.sample(frac=1, random_state=3)))
    for name in ("y", "x", "z", "categories"):
        np.testing.assert_array_equal(getattr(spec, name), getattr(shuffled, name))
    np.testing.assert_array_equal(spec.clusters.codes, shuffled.clusters.codes)


def test_layout_of_response_specific_formulas(frame):
    layout = specify(MODELS["response-specific"], frame).layout
    assert layout.responses == ("y1", "y2")
    assert layout.covariates == ("Intercept", "x", "sex[girl]", "w")
    assert layout.beta_mask.tolist() == [[True, True], [True, False], [False, True], [False, True]]
    assert layout.random == ("Intercept", "x")
    assert layout.effects == ("y1|Intercept", "y1|x", "y2|Intercept")
    assert layout.effect_response.tolist() == [0, 0, 1]
    assert layout.effect_column.tolist() == [0, 1, 0]
    assert layout.random_mask.tolist() == [[True, True], [True, False]]
    assert layout.n_effects == 3


def test_layout_puts_the_intercept_first():
    variables = Variable("a", GAUSSIAN, 0), Variable("b", GAUSSIAN, 1)
    layout = lay_out(variables, {"a": ("x",), "b": ("Intercept", "z", "x")}, {"a": (), "b": ("w", "Intercept")})
    assert layout.covariates == ("Intercept", "x", "z")
    assert layout.beta_mask.tolist() == [[False, True], [True, True], [False, True]]
    assert layout.random == ("Intercept", "w")
    assert layout.effects == ("b|w", "b|Intercept")
    assert layout.effect_column.tolist() == [1, 0]


def test_layout_of_a_single_level(frame):
    layout = specify(MODELS["single level"], frame).layout
    assert (layout.n_effects, layout.effects, layout.random, layout.random_mask.shape) == (0, (), (), (0, 2))


def test_layout_has_a_coordinate_for_each_latent():
    variables = (
        Variable("a", GAUSSIAN, 0),
        Variable("kind", NOMINAL, 1, ("u", "v", "w"), 2),
        Variable("grade", ORDINAL, 3, (1, 2, 3, 4)),
        Variable("passed", BINARY, 4, (False, True), 0),
    )
    fixed = {"a": ("Intercept",), "kind": ("Intercept", "x"), "grade": ("x",), "passed": ("Intercept",)}
    random = {"a": (), "kind": ("Intercept", "x"), "grade": ("Intercept",), "passed": ()}
    layout = lay_out(variables, fixed, random)
    assert layout.responses == ("a", "kind.1", "kind.2", "grade", "passed")
    assert layout.latent.tolist() == [False, True, True, True, True] and layout.has_latents
    assert layout.beta_mask.tolist() == [[True, True, True, False, True], [False, True, True, True, False]]
    assert layout.effects == ("kind.1|Intercept", "kind.1|x", "kind.2|Intercept", "kind.2|x", "grade|Intercept")
    assert layout.effect_response.tolist() == [1, 1, 2, 2, 3]
    assert not lay_out(variables[:1], fixed, random).has_latents

"""The generative graph with categorical responses against the model written out with NumPy and SciPy."""

import shutil

import graphviz
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy.stats import norm

import jmimpute as jm
from jmimpute.specification.families import ORDINAL
from tests.graph.definition import INTERPRETED, agrees, log_density, point, random_values, unobserved

FORMULAS = {
    "slopes": "y1 + colour + grade + passed + y2 ~ x + (1 + x | g)",
    "own": ["colour ~ x + (1 + x | g)", "y1 ~ 1", "grade + passed ~ 0 + x + (0 + x | g)"],
    "single level": "y1 + passed + colour ~ x",
    "nominal": "y1 + colour ~ x + (1 | g)",
    "latents only": "grade + passed ~ x + (1 | g)",
    "continuous": "y1 + y2 ~ x + (1 | g)",
}
FAMILIES = {"colour": "nominal", "passed": "binary", "grade": "ordinal"}


def table(rng, n_rows=24, n_clusters=4, missing=0.25):
    g = np.sort(np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_rows - n_clusters)]))
    frame = pd.DataFrame({"g": g, "x": rng.normal(1.0, 2.0, n_rows)})
    frame["y1"], frame["y2"] = rng.normal(10.0, 5.0, n_rows), rng.normal(size=n_rows)
    frame["colour"] = rng.permutation(np.resize(["blue", "green", "red"], n_rows)).astype(object)
    frame["passed"] = rng.permutation(np.resize([False, True], n_rows)).astype(object)
    frame["grade"] = rng.permutation(np.resize([1.0, 2.0, 3.0, 4.0], n_rows))
    for name in ("y1", "y2", *FAMILIES):
        frame.loc[rng.random(n_rows) < missing, name] = None
    return frame


def model(kind, priors=None, seed=0, **options):
    formulas = FORMULAS[kind]
    text = " ".join([formulas] if isinstance(formulas, str) else formulas)
    families = {name: family for name, family in FAMILIES.items() if name in text}
    return jm.JointModel(formulas, table(np.random.default_rng(seed), **options), families=families, priors=priors)


def priors_of(name, kind):
    """Priors of a kind for all parameters; those of a covariance with a scale that is not a multiple of I."""
    if name == "LKJ":
        return {"Omega_e": jm.priors.lkj(1.7, 0.8), "Omega_u": jm.priors.lkj(2.5, 0.7), "cutpoints": jm.priors.normal(2.0)}
    layout = model(kind).specification.layout
    p, d = len(layout.responses), layout.n_effects
    half = np.random.default_rng(9).normal(size=(p, p))
    level_1 = jm.priors.inverse_wishart(p + 1.5, half @ half.T + np.eye(p)) if name == "inverse-Wishart" else jm.priors.flat()
    return {
        "beta": jm.priors.flat(),
        "Omega_e": level_1,
        "Omega_u": jm.priors.inverse_wishart(d + 1.0),
        "cutpoints": jm.priors.flat(),
    }


DENSITIES = [(kind, name) for kind in ("slopes", "own", "latents only") for name in ("LKJ", "inverse-Wishart", "flat")]
DENSITIES += [("single level", "LKJ"), ("nominal", "inverse-Wishart"), ("continuous", "flat")]


@pytest.mark.parametrize(("kind", "name"), DENSITIES)
def test_log_density_is_that_of_the_definition(kind, name):
    joint = model(kind, priors_of(name, kind))
    specification, graph = joint.specification, joint.pymc
    logp = graph.compile_logp(jacobian=False, mode=INTERPRETED)
    rng = np.random.default_rng(1)
    several = [random_values(specification, rng) for _ in range(3)]
    found = np.array([float(logp(point(graph, specification, values))) for values in several])
    expected = np.array([log_density(specification, values) for values in several])
    assert np.all(np.isfinite(found))
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=1e-8)


@pytest.mark.parametrize("kind", ["slopes", "latents only"])
def test_density_is_zero_where_latents_disagree_with_observed_categories(kind):
    joint = model(kind)
    specification, graph = joint.specification, joint.pymc
    logp = graph.compile_logp(mode=INTERPRETED)
    rng = np.random.default_rng(2)
    values = random_values(specification, rng)
    start = point(graph, specification, values)
    categorical = [v for v in specification.layout.variables if v.is_latent]
    outside = 0
    for _ in range(60):
        variable = categorical[rng.integers(len(categorical))]
        row, own = rng.integers(len(values.y)), slice(variable.first, variable.first + variable.width)
        before = values.y[row, own].copy()
        values.y[row, own] = 1.5 * rng.normal(size=variable.width)
        codes = specification.categories[row, specification.layout.variables.index(variable)]
        is_inside = agrees(variable, codes, values.y[row : row + 1, own], values.increments)[0]
        cells = unobserved(specification.y, specification.layout.latent, values.y).reshape(start["y_unobserved"].shape)
        assert np.isfinite(logp({**start, "y_unobserved": cells})) == is_inside
        outside += not is_inside
        values.y[row, own] = before
    assert 10 < outside < 50


@pytest.mark.parametrize("kind", FORMULAS)
def test_samplers_start_where_the_density_is_positive(kind):
    graph = model(kind).pymc
    assert np.isfinite(graph.compile_logp(mode=INTERPRETED)(graph.initial_point()))


def test_original_scale_and_names():
    joint = model("slopes")
    specification, graph = joint.specification, joint.pymc
    values = random_values(specification, np.random.default_rng(3))
    names = ["beta", "Omega_e", "Omega_u", "u", "cutpoints_grade", "y"]
    outputs = graph.replace_rvs_by_values([graph[name] for name in names])
    evaluate = graph.compile_fn(outputs, inputs=graph.value_vars, mode=INTERPRETED)
    beta, omega_e, omega_u, u, cutpoints, y = evaluate(point(graph, specification, values))
    scaling = specification.scaling
    assert beta == pytest.approx(scaling.beta(values.beta).T)
    assert omega_e == pytest.approx(scaling.omega_e(values.omega_e))
    assert omega_u == pytest.approx(scaling.omega_u(values.omega_u))
    assert u == pytest.approx(values.u @ scaling.u_transform.T)
    assert cutpoints == pytest.approx(np.cumsum(values.increments["grade"]))
    assert y == pytest.approx(values.y)
    assert list(graph.coords["cutpoint_grade"]) == ["2.0|3.0", "3.0|4.0"]


def probabilities(variable, means, cutpoints):
    """Probability of each level given means of the latents, shape (..., n_levels): choice with independent utilities."""
    if variable.family == ORDINAL:
        bounds = np.concatenate([[-np.inf, 0.0], cutpoints, [np.inf]])
        return np.diff(norm.cdf(bounds - means), axis=-1)
    # Latents with covariances 0.5 are differences of independent utilities, over the square root of 2.
    utilities = np.concatenate([np.sqrt(2.0) * means, np.zeros((len(means), 1))], axis=-1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    differences = utilities[:, :, None] - utilities[:, None, :]
    others = np.array([np.delete(differences[:, s], s, axis=-1) for s in range(utilities.shape[-1])])
    slots = np.tensordot(norm.cdf(others[..., None] + nodes).prod(axis=-2), weights / weights.sum(), axes=1).T
    return slots[:, variable.slots]


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("kind", "level_1"),
    [("slopes", jm.priors.lkj(1.7, 0.8)), ("latents only", jm.priors.lkj()), ("nominal", jm.priors.inverse_wishart(3.5, 2.0))],
)
def test_prior_predictive_categories_have_the_probabilities_of_the_model(kind, level_1):
    priors = {"beta": jm.priors.normal(0.5), "Omega_e": level_1, "cutpoints": jm.priors.normal(1.5)}
    joint = model(kind, priors, 6)
    prior = joint.prior_predictive(draws=300, random_seed=3)["prior"].to_dataset().isel(chain=0)
    frame = joint.table.frame
    columns = np.column_stack([np.ones(len(frame)), frame["x"]])
    mean = np.einsum("nk,drk->dnr", columns, prior["beta"].sel(covariate=["Intercept", "x"]).to_numpy())
    if "u" in prior:
        for effect in prior["effect"].to_numpy():
            response, column = effect.split("|")
            u = prior["u"].sel(effect=effect).to_numpy()[:, frame["g"]]
            mean[:, :, list(prior["response"]).index(response)] += u * columns[:, int(column == "x")]
    variance = np.diagonal(prior["Omega_e"].to_numpy(), axis1=1, axis2=2)
    z = (prior["y"].to_numpy() - mean) / np.sqrt(variance)[:, None]
    # Draws are independent and rows given the parameters too: 4.5 standard errors throughout.
    assert np.all(np.abs(z.mean(axis=(0, 1))) < 4.5 / np.sqrt(z[..., 0].size))
    assert np.all(np.abs(z.std(axis=(0, 1)) - 1) < 4.5 / np.sqrt(2 * z[..., 0].size))
    for variable in filter(lambda v: v.is_latent, joint.specification.layout.variables):
        drawn = prior[f"category_{variable.name}"].to_numpy()
        for k, level in enumerate(variable.levels):
            own = mean[:, :, variable.first : variable.first + variable.width]
            cuts = prior[f"cutpoints_{variable.name}"].to_numpy() if variable.n_cutpoints else np.empty((len(own), 0))
            expected = np.array([probabilities(variable, m, c)[:, k] for m, c in zip(own, cuts, strict=True)])
            difference = ((drawn == level) - expected).mean(axis=1)
            assert abs(difference.mean()) < 4.5 * difference.std() / np.sqrt(len(difference)), (variable.name, level)


@pytest.mark.sampling
def test_prior_predictive_keeps_names_apart():
    frame = table(np.random.default_rng(1)).rename(columns={"passed": "y", "grade": "beta", "colour": "row"})
    families = {"y": "binary", "beta": "ordinal", "row": "nominal"}
    joint = jm.JointModel("y + beta + row ~ x", frame, families=families)
    prior = joint.prior_predictive(draws=3, random_seed=1)["prior"]
    assert prior["y"].dims == ("chain", "draw", "row", "response")
    assert prior["category_y"].dtype == bool
    assert set(np.unique(prior["category_beta"])) <= {1.0, 2.0, 3.0, 4.0}
    assert set(np.unique(prior["category_row"])) <= {"blue", "green", "red"}
    assert prior["cutpoints_beta"].dims == ("chain", "draw", "cutpoint_beta")


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"Omega_e": jm.priors.flat()}, "nothing can be drawn"),
        ({"cutpoints": jm.priors.flat()}, "'cutpoints' is improper"),
        ({"Omega_e": jm.priors.inverse_wishart()}, "more than one categorical response"),
    ],
)
def test_priors_without_direct_draws_are_refused(prior, message):
    with pytest.raises(jm.errors.PriorError, match=message):
        model("slopes", prior).prior_predictive(draws=2)


def test_categorical_responses_have_no_collapsed_graph():
    with pytest.raises(jm.errors.SamplingError, match="no collapsed likelihood with categorical responses, here 'passed'"):
        _ = model("single level").collapsed


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize("priors", ["inverse-Wishart", "flat"])
def test_graph_can_be_drawn_whatever_the_priors(kind, priors):
    """Flat priors cannot be drawn from, which is how PyMC finds shapes."""
    joint = model(kind, priors_of(priors, kind))
    source = str(joint.plot_graph())
    layout = joint.specification.layout
    assert f"covariate ({len(layout.covariates)})" in source
    assert ("region" in source) == layout.has_latents
    assert f'"{len(joint.specification.y)} x {len(layout.responses)}"' in source, "the plate of y"
    for variable in joint.pymc.unobserved_RVs:
        assert f"{variable.name} [" in source
    assert "Flat" in source


def test_graph_is_that_of_pymc():
    joint = model("slopes", priors_of("LKJ", "slopes"))
    assert sorted(str(joint.plot_graph()).splitlines()) == sorted(str(pm.model_to_graphviz(joint.pymc)).splitlines())


def test_graph_needs_the_program_only_when_rendered(monkeypatch, tmp_path):
    graph = model("nominal", {"beta": jm.priors.flat()}).plot_graph()
    if shutil.which("dot"):
        assert b"<svg" in graph.pipe(format="svg")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "y_unobserved" in str(model("nominal").plot_graph())
    with pytest.raises(graphviz.ExecutableNotFound):
        graph.pipe(format="svg")

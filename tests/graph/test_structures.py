"""Graphs with covariances of clusters, level-2 responses and uncorrelated random effects against the definition."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.stats import chi2, invwishart
from scipy.stats import wishart as wishart_distribution

import jmimpute as jm
from jmimpute.graph.generative import generative, prior_predictive
from jmimpute.graph.picture import picture
from jmimpute.specification import priors
from tests.graph.definition import INTERPRETED, agrees, log_density, point, random_values, rescaled, unobserved
from tests.graph.structured import LKJ, hierarchical, specification, wishart

CASES = {
    "cluster-specific, LKJ": ("continuous", lambda kind: LKJ),
    "cluster-specific, inverse-Wishart": ("continuous", wishart),
    "cluster-specific, flat": ("continuous", lambda kind: {"Omega_e": jm.priors.flat()}),
    "cluster-specific binary, LKJ": ("binary", lambda kind: LKJ),
    "cluster-specific binary, inverse-Wishart": ("binary", wishart),
    "random": ("random", lambda kind: hierarchical(kind, True)),
    "random, original scale": ("random", lambda kind: hierarchical(kind, False)),
    "random nominal": ("random, nominal", lambda kind: hierarchical(kind, True)),
    "random nominal, original scale": ("random, nominal", lambda kind: hierarchical(kind, False)),
    "random, two categorical, level 2": ("random, mixed", lambda kind: None),
    "log-sd": ("random", lambda kind: {"Omega_e": priors.heterogeneous("log-sd", 0.4, 1.8)}),
    "log-sd, two categorical": ("random, mixed", lambda kind: {"Omega_e": priors.heterogeneous("log-sd", 0.4, 1.8)}),
    "level 2, LKJ": ("level 2", lambda kind: LKJ),
    "level 2, inverse-Wishart": ("level 2", wishart),
    "level 2, flat": ("level 2", lambda kind: {"Omega_u": jm.priors.flat()}),
    "level 2 own, LKJ": ("level 2, own", lambda kind: LKJ),
    "level 2 of clusters": ("level 2 of clusters", lambda kind: LKJ),
    "uncorrelated, LKJ": ("uncorrelated", lambda kind: LKJ),
    "uncorrelated, inverse-Wishart": ("uncorrelated", wishart),
    "uncorrelated level 2, LKJ": ("uncorrelated, level 2", lambda kind: LKJ),
    "uncorrelated level 2, inverse-Wishart": ("uncorrelated, level 2", wishart),
}


def case(name):
    kind, chosen = CASES[name]
    spec = specification(kind, chosen(kind))
    return spec, generative(spec)


@pytest.mark.parametrize("name", CASES)
def test_log_density_is_that_of_the_definition(name):
    spec, graph = case(name)
    logp = graph.compile_logp(jacobian=False, mode=INTERPRETED)
    rng = np.random.default_rng(1)
    several = [random_values(spec, rng) for _ in range(4)]
    found = np.array([float(logp(point(graph, spec, values))) for values in several])
    expected = np.array([log_density(spec, values) for values in several])
    assert np.all(np.isfinite(found))
    assert np.diff(found) == pytest.approx(np.diff(expected), abs=1e-7)


JACOBIANS = [
    "cluster-specific, LKJ",
    "cluster-specific binary, inverse-Wishart",
    "random nominal",
    "log-sd, two categorical",
    "level 2 own, LKJ",
    "uncorrelated level 2, inverse-Wishart",
]


def log_volume(graph, variable, value):
    """Log volume of the free elements of a variable for one of its value variable, by central differences."""
    transform, x, step = graph.rvs_to_transforms[variable], pt.dvector(), 1e-5
    natural = transform.backward(x.reshape(value.shape), *variable.owner.inputs)
    function = pytensor.function([x], natural, mode=INTERPRETED)
    at = value.ravel()
    rows = np.array([(function(at + h) - function(at - h)) / (2 * step) for h in step * np.eye(len(at))])
    if natural.ndim >= 2:  # the lower triangle; known elements do not change
        rows = rows[:, np.tril(np.ones(rows.shape[1:], dtype=bool))]
        rows = rows[:, np.any(np.abs(rows) > 1e-8, axis=0)]
    return np.linalg.slogdet(rows.reshape(len(at), -1))[1]


@pytest.mark.parametrize("name", JACOBIANS)
def test_value_variables_have_the_volume_of_the_free_elements(name):
    spec, graph = case(name)
    values = point(graph, spec, random_values(spec, np.random.default_rng(2)))
    with_volume, without = (float(graph.compile_logp(jacobian=j, mode=INTERPRETED)(values)) for j in (True, False))
    transformed = [variable for variable in graph.free_RVs if graph.rvs_to_transforms[variable] is not None]
    expected = sum(log_volume(graph, variable, values[graph.rvs_to_values[variable].name]) for variable in transformed)
    assert with_volume - without == pytest.approx(expected, abs=1e-5)


def test_density_is_zero_where_latents_disagree_with_categories_of_clusters():
    spec, graph = case("level 2 own, LKJ")
    logp, level2 = graph.compile_logp(mode=INTERPRETED), spec.layout.level2
    rng = np.random.default_rng(2)
    values = random_values(spec, rng)
    start, outside = point(graph, spec, values), 0
    categorical = [v for v in range(len(level2.variables)) if level2.variables[v].is_latent]
    for _ in range(40):
        v, cluster = rng.choice(categorical), rng.integers(len(values.w))
        variable = level2.variables[v]
        own, before = slice(variable.first, variable.first + variable.width), values.w[cluster].copy()
        values.w[cluster, own] = 1.5 * rng.normal(size=variable.width)
        is_inside = agrees(variable, spec.categories2[cluster, v], values.w[[cluster], own], values.increments)[0]
        cells = unobserved(spec.w, level2.latent, values.w).reshape(start["w_unobserved"].shape)
        assert np.isfinite(logp({**start, "w_unobserved": cells})) == is_inside
        outside += not is_inside
        values.w[cluster] = before
    assert 8 < outside < 35


@pytest.mark.parametrize("name", CASES)
def test_samplers_start_where_the_density_is_positive_and_graphs_can_be_drawn(name):
    spec, graph = case(name)
    assert np.isfinite(graph.compile_logp(mode=INTERPRETED)(graph.initial_point()))
    source = str(picture(graph))
    assert all(f"{variable.name} [" in source for variable in graph.unobserved_RVs)
    assert ("region_level2" in source) == bool(spec.layout.level2.latent.any())


def evaluated(spec, graph, values, names):
    outputs = graph.replace_rvs_by_values([graph[name] for name in names])
    function = graph.compile_fn(outputs, inputs=graph.value_vars, mode=INTERPRETED, on_unused_input="ignore")
    return dict(zip(names, function(point(graph, spec, values)), strict=True))


def test_original_scale_and_names_with_level_2_responses():
    spec, graph = case("level 2 own, LKJ")
    values, scaling = random_values(spec, np.random.default_rng(3)), spec.scaling
    found = evaluated(spec, graph, values, ["beta", "beta_level2", "Omega_e", "Omega_u", "u", "cutpoints_size", "w"])
    assert found["beta"] == pytest.approx(scaling.beta(values.beta).T)
    assert found["beta_level2"] == pytest.approx(scaling.beta_level2(values.beta_level2).T)
    assert found["Omega_e"] == pytest.approx(scaling.omega_e(values.omega_e))
    assert found["Omega_u"] == pytest.approx(scaling.omega_u(values.omega_u))
    assert found["u"] == pytest.approx(values.u @ scaling.effects_transform.T)
    assert found["cutpoints_size"] == pytest.approx(np.cumsum(values.increments["size"]))
    assert found["w"] == pytest.approx(values.w)
    assert list(graph.coords["effect"]) == ["y1|Intercept", "y1|x", "region.1", "region.2", "w", "size"]
    assert list(graph.coords["random_effect"]) == ["y1|Intercept", "y1|x"]
    assert graph.named_vars_to_dims["Omega_u"] == ("effect", "effect_")
    assert graph.named_vars_to_dims["beta_level2"] == ("response_level2", "covariate_level2")


@pytest.mark.parametrize("name", ["random nominal", "log-sd, two categorical", "cluster-specific binary, LKJ"])
def test_original_scale_of_covariances_of_clusters(name):
    spec, graph = case(name)
    values, scale = random_values(spec, np.random.default_rng(4)), spec.scaling.scale
    hierarchy = [name for name in ("a", "A", "log_sd_mean", "log_sd_spread") if name in graph.named_vars]
    found = evaluated(spec, graph, values, ["Omega_e", *hierarchy])
    assert found["Omega_e"] == pytest.approx(spec.scaling.omega_e(values.omega_e))
    assert graph.named_vars_to_dims["Omega_e"] == ("cluster", "response", "response_")
    if "a" in hierarchy:
        assert found["a"] == pytest.approx(values.a)
        assert found["A"] == pytest.approx(values.scale * np.outer(scale, scale))
    if "log_sd_mean" in hierarchy:
        continuous = ~spec.layout.latent
        assert found["log_sd_mean"] == pytest.approx(values.log_sd_mean + np.log(scale[continuous]))
        assert found["log_sd_spread"] == pytest.approx(values.log_sd_spread)
        assert list(graph.coords["continuous_response"]) == list(np.array(spec.layout.responses)[continuous])


@pytest.mark.parametrize(
    "name", ["cluster-specific binary, LKJ", "random nominal", "log-sd, two categorical", "level 2 own, LKJ"]
)
def test_known_elements_are_known_whatever_the_value_variables(name):
    spec, graph = case(name)
    layout, rng = spec.layout, np.random.default_rng(6)
    outputs = graph.replace_rvs_by_values([graph["Omega_e"], graph["Omega_u"]])
    function = graph.compile_fn(outputs, inputs=graph.value_vars, mode=INTERPRETED, on_unused_input="ignore")
    start = graph.initial_point()
    for _ in range(3):
        omega_e, omega_u = function({name: rng.normal(size=np.shape(value)) for name, value in start.items()})
        for matrix, variables, first in ((omega_e, layout.variables, 0), (omega_u, layout.level2.variables, layout.n_effects)):
            for v in filter(lambda v: v.is_latent, variables):
                own = slice(first + v.first, first + v.first + v.width)
                known = np.broadcast_to(0.5 * (np.eye(v.width) + 1), matrix[..., own, own].shape)
                assert matrix[..., own, own] == pytest.approx(known, abs=1e-12)
        assert np.linalg.eigvalsh(omega_e).min() > 0 and np.linalg.eigvalsh(omega_u).min() > 0


def test_uncorrelated_effects_are_so_on_both_scales():
    spec, graph = case("uncorrelated level 2, LKJ")
    omega = evaluated(spec, graph, random_values(spec, np.random.default_rng(5)), ["Omega_u"])["Omega_u"]
    blocks = spec.layout.blocks
    assert blocks.tolist() == [0, 1, 0, 0, 0]
    assert np.all((omega != 0) == np.equal.outer(blocks, blocks))


def agree(values, expected, expected_se=0.0):
    """Mean of draws against an expectation: 4.5 standard errors."""
    se = np.hypot(values.std(axis=0) / np.sqrt(len(values)), expected_se)
    return np.all(np.abs(values.mean(axis=0) - expected) < 4.5 * se)


def quantities(a, scale, omega):
    """Functions of the hierarchy with light tails, and their squares."""
    sd = np.sqrt(np.diagonal(omega, axis1=-2, axis2=-1))
    row, column = np.tril_indices(omega.shape[-1], -1)
    correlation = (omega / (sd[..., None] * sd[..., None, :]))[..., row, column].reshape(len(a), -1)
    log_sds = np.log(sd).reshape(len(a), -1), 0.5 * np.log(np.diagonal(scale, axis1=-2, axis2=-1))
    found = np.hstack([np.log(a)[:, None], *log_sds, np.linalg.slogdet(scale)[1][:, None], correlation])
    found = found[:, found.std(axis=0) > 1e-8]
    return np.hstack([found, found**2])


@pytest.mark.sampling
@pytest.mark.parametrize("relative", [True, False])
def test_draws_of_random_covariances_are_those_of_the_definition(relative):
    kind = "random, nominal"
    spec = specification(kind, hierarchical(kind, relative), n_clusters=3)
    prior, p = spec.priors.Omega_e, len(spec.layout.responses)
    graph = generative(spec, observe=False)
    drawn = pm.draw([graph["a"], graph["A"], graph["Omega_e"]], 1500, random_seed=1, mode=INTERPRETED)
    mine = quantities(drawn[0], *(matrix / np.outer(spec.scaling.scale, spec.scaling.scale) for matrix in drawn[1:]))
    rng, simulated = np.random.default_rng(2), []
    for _ in range(4000):
        a = 0.0
        while a < p:
            a = chi2.rvs(prior.eta, random_state=rng)
        scale = a / prior.df * prior.scale_matrix(p)
        if not relative:
            scale = prior.scale_matrix(p) / np.outer(spec.scaling.scale, spec.scaling.scale)
        matrix = wishart_distribution.rvs(prior.df, scale, random_state=rng)
        omega = [rescaled(invwishart.rvs(a, matrix, random_state=rng), spec.layout.variables) for _ in range(3)]
        simulated.append((a, matrix, omega))
    theirs = quantities(*(np.array(column) for column in zip(*simulated, strict=True)))
    # a, sds of three matrices and of A, its determinant, two free correlations of each; 34 differences of 4.5 standard errors
    # are a false alarm in 4 000 runs.
    assert mine.shape[1] == theirs.shape[1] == 2 * (1 + 3 + 3 + 1 + 3 * 2)
    assert agree(mine, theirs.mean(axis=0), theirs.std(axis=0) / np.sqrt(len(theirs)))


@pytest.mark.sampling
def test_cluster_specific_matrices_are_independent_draws_of_one_prior():
    spec, _ = case("cluster-specific, LKJ")
    omega = pm.draw(generative(spec, observe=False)["Omega_e"], 1000, random_seed=3, mode=INTERPRETED)
    log_sd = np.log(np.sqrt(omega[:, :2, 0, 0]) / spec.scaling.scale[0])
    first, second = log_sd.T
    assert agree(first - second, 0.0) and agree(first**2 - second**2, 0.0)
    assert agree((first - first.mean()) * (second - second.mean()), 0.0)
    assert agree(np.exp(2 * log_sd), LKJ["Omega_e"].sd ** 2)


def whitened(residual, covariance):
    """Residuals, shape (draws, n, p), times the inverse factor of their covariance, shape (draws, n, p, p)."""
    return np.linalg.solve(np.linalg.cholesky(covariance), residual[..., None])[..., 0]


def standard(z):
    """Whether numbers of shape (draws, n, p) are independent with mean 0 and variance 1: 4.5 standard errors."""
    z = z.reshape(-1, z.shape[-1])
    return agree(z, 0.0) and agree(z[:, :, None] * z[:, None, :], np.eye(z.shape[1]))


@pytest.mark.sampling
@pytest.mark.parametrize("name", ["random, two categorical, level 2", "log-sd, two categorical"])
def test_prior_predictive_tables_have_the_moments_of_the_definition(name):
    spec, _ = case(name)
    prior = prior_predictive(spec, 400, 1)["prior"].to_dataset().isel(chain=0)
    codes = np.empty(len(spec.y), dtype=int)
    codes[spec.order] = spec.clusters.codes
    u = prior["u"].to_numpy()
    residual = prior["y"].to_numpy() - (prior["beta"].to_numpy()[:, None, :, 0] + u[:, codes])
    assert standard(whitened(residual, prior["Omega_e"].to_numpy()[:, codes]))
    w = prior["w"].to_numpy() - prior["beta_level2"].to_numpy()[:, None, :, 0]
    psi = np.concatenate([u, w], axis=2)
    assert standard(whitened(psi, np.broadcast_to(prior["Omega_u"].to_numpy()[:, None], (*psi.shape, psi.shape[2]))))
    assert prior["w"].dims == ("draw", "cluster", "response_level2")
    assert prior["category_colour"].dims == ("draw", "row")


@pytest.mark.sampling
def test_prior_predictive_has_categories_of_clusters():
    spec, _ = case("level 2 own, LKJ")
    prior = prior_predictive(spec, 20, 1)["prior"].to_dataset().isel(chain=0)
    for variable in filter(lambda v: v.is_latent, spec.layout.level2.variables):
        latents = prior["w"].sel(response_level2=list(variable.coordinates)).to_numpy()
        for draw in range(20):
            cuts = prior[f"cutpoints_{variable.name}"].to_numpy()[draw] if variable.n_cutpoints else np.empty(0)
            expected = np.array(variable.levels)[variable.categories(latents[draw], cuts)]
            assert prior[f"category_{variable.name}"].to_numpy()[draw].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("kind", "prior", "message"),
    [
        ("level 2, own", {"Omega_u": jm.priors.inverse_wishart()}, "no direct draws of 'Omega_u'.*more than one categorical"),
        ("level 2", {"Omega_u": jm.priors.flat()}, "'Omega_u' is improper"),
        ("continuous", {"Omega_e": jm.priors.inverse_wishart(0.5)}, "'Omega_e' is improper"),
    ],
)
def test_priors_without_direct_draws_are_refused(kind, prior, message):
    with pytest.raises(jm.errors.PriorError, match=message):
        prior_predictive(specification(kind, prior, n_rows=60, n_clusters=9), 2, 1)

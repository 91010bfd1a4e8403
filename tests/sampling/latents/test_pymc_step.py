"""The step method for PyMC: its way to and from points, densities of the moves against the generative graph, and fits."""

from functools import cache

import numpy as np
import pymc as pm
import pytensor
import pytest
from scipy.stats import multivariate_normal, norm

import jmimpute as jm
from jmimpute.graph.generative import generative
from jmimpute.sampling.latents.conditional import log_density_latent, n_parameters, pack_latent
from jmimpute.sampling.latents.given import look_around
from jmimpute.sampling.latents.pymc_step import LatentNormalStep, PointMap
from jmimpute.sampling.latents.rows import CHUNK, refresh_statistics
from jmimpute.sampling.latents.state import settle
from jmimpute.sampling.target import log_density, pack
from tests.problems import statistics
from tests.sampling.latents.problems import FAMILIES, FORMULAS, random_state, specification, table
from tests.sampling.latents.test_conditional import interval_of, moved

pytestmark = [pytest.mark.sampling, pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")]
INTERPRETED = "FAST_COMPILE"
PROBLEMS = [(kind, "default") for kind in FORMULAS] + [("own designs", "jomo")]
PROBLEMS += [(kind, "inverse-Wishart") for kind in ("two variables, slopes", "latents only", "single level")]


@cache
def graph_of(kind, priors):
    """A specification, its generative graph, and the log density of that with and without Jacobians."""
    spec = specification(kind, priors)
    graph = generative(spec)
    return spec, graph, *(graph.compile_logp(jacobian=jacobian, mode=INTERPRETED) for jacobian in (True, False))


def admissible_state(spec, seed):
    """A random state inside the region of the observed categories."""
    problem, state = random_state(spec, seed)
    rng = np.random.default_rng(seed)
    start = 0
    for variable in spec.layout.variables:
        state.cutpoints[start : start + variable.n_cutpoints] = np.cumsum(rng.uniform(0.3, 1.2, variable.n_cutpoints))
        start += variable.n_cutpoints
    for k in problem.latents.coordinate:
        put_inside(spec, problem, state, k, rng)
    return problem, state


def put_inside(spec, problem, state, k, rng):
    """Put a latent anywhere in the intervals of its rows."""
    for position, row in enumerate(problem.rows.position):
        if not np.isnan(spec.y[row, k]):
            low, high = interval_of(spec, state, row, position, k)
            low, high = (max(low, high - 2.0), high) if np.isfinite(high) else (low, low + 2.0)
            state.y[k, position] = low + (high - low) * rng.uniform(0.05, 0.95)
    refresh_statistics(problem.latents, problem.rows, state.y, problem.target.stats)
    settle(problem, state)


def residuals(spec, state, point):
    """What B'x + U'z leave of all cells, the missing ones included."""
    y = spec.y.copy()
    y[np.isnan(y) | spec.layout.latent] = point["y_unobserved"].ravel()
    y -= spec.x @ state.beta
    for e, (a, c) in enumerate(zip(spec.layout.effect_response, spec.layout.effect_column, strict=True)):
        y[:, a] -= spec.z[:, c] * state.u[e, spec.clusters.codes]
    return y


def log_normal(values, covariance):
    return multivariate_normal(cov=covariance).logpdf(values) if len(values) else 0.0


def log_missing(spec, state, rest):
    """log N(missing values | everything else), from residuals."""
    total = 0.0
    for row, seen in zip(rest, ~np.isnan(spec.y), strict=True):
        total += log_normal(row, state.omega_e) - log_normal(row[seen], state.omega_e[np.ix_(seen, seen)])
    return total


def log_effects(spec, state, rest):
    """log N(u | parameters, observed cells and latents), missing values integrated out."""
    layout, total = spec.layout, 0.0
    for j in range(spec.n_clusters if layout.n_effects else 0):
        precision, push = np.linalg.inv(state.omega_u), np.zeros(layout.n_effects)
        for i in np.flatnonzero(spec.clusters.codes == j):
            seen = np.flatnonzero(~np.isnan(spec.y[i]))
            loading = np.equal.outer(seen, layout.effect_response) * spec.z[i, layout.effect_column]
            weighted = loading.T @ np.linalg.inv(state.omega_e[np.ix_(seen, seen)])
            precision += weighted @ loading
            push += weighted @ (rest[i, seen] + loading @ state.u[:, j])
        covariance = np.linalg.inv(precision)
        total += log_normal(state.u[:, j] - covariance @ push, covariance)
    return total


def log_latent(spec, problem, state, rest, k):
    """log p(latent k | everything else but missing values): truncated normal."""
    total = 0.0
    for position, row in enumerate(problem.rows.position):
        seen = ~np.isnan(spec.y[row])
        if seen[k]:
            others = np.flatnonzero(seen & (np.arange(len(seen)) != k))
            slope = np.linalg.solve(state.omega_e[np.ix_(others, others)], state.omega_e[others, k])
            deviation = rest[row, k] - slope @ rest[row, others]
            s = np.sqrt(state.omega_e[k, k] - slope @ state.omega_e[others, k])
            low, high = np.array(interval_of(spec, state, row, position, k)) - state.y[k, position] + deviation
            low, high = (-high, -low) if low > 0 else (low, high)  # the lower tail is the accurate one
            total += norm.logpdf(deviation, scale=s) - np.log(norm.cdf(high / s) - norm.cdf(low / s))
    return total


def steps_of_cuts(spec, state):
    start, found = 0, [np.empty(0)]
    for variable in spec.layout.variables:
        found.append(np.diff(state.cutpoints[start : start + variable.n_cutpoints], prepend=0.0))
        start += variable.n_cutpoints
    return np.concatenate(found)


@pytest.mark.parametrize(("kind", "priors"), PROBLEMS)
def test_points_are_the_states_of_the_sampler(kind, priors):
    spec, graph, *_ = graph_of(kind, priors)
    problem, state = admissible_state(spec, 3)
    points = PointMap(graph, spec, problem)
    point = points.write(problem, state, np.random.default_rng(1))
    assert set(point) == {value.name for value in graph.value_vars}
    other, found = admissible_state(spec, 4)
    points.read(point, other, found)
    for name in state._fields:
        np.testing.assert_allclose(getattr(found, name), getattr(state, name), atol=1e-9, err_msg=name)
    for name in ("xy", "yy", "zy"):
        np.testing.assert_allclose(getattr(other.target.stats, name), getattr(problem.target.stats, name), atol=1e-9)
    again = points.write(other, found, np.random.default_rng(1))
    for name, value in point.items():
        np.testing.assert_allclose(again[name], value, atol=1e-9, err_msg=name)
    # PyMC finds the same parameters in the point.
    scaling, effects = spec.scaling, spec.layout.n_effects > 0
    expected = {"beta": scaling.beta(state.beta).T, "Omega_e": scaling.omega_e(state.omega_e)}
    if effects:
        expected |= {"Omega_u": scaling.omega_u(state.omega_u), "u": state.u.T @ scaling.u_transform.T}
    cuts = [graph[f"cutpoints_{v.name}"] for v in spec.layout.variables if v.n_cutpoints]
    outputs = graph.replace_rvs_by_values([graph[name] for name in expected] + cuts + [graph["y"]])
    values = graph.compile_fn(outputs, inputs=graph.value_vars, mode=INTERPRETED)(point)
    for value, name in zip(values, expected, strict=False):
        np.testing.assert_allclose(value, expected[name], atol=1e-9, err_msg=name)
    np.testing.assert_allclose(np.concatenate([np.empty(0), *values[len(expected) : -1]]), state.cutpoints, atol=1e-9)
    position = problem.rows.position
    np.testing.assert_allclose(np.where(np.isnan(spec.y[position]), 0.0, values[-1][position]), state.y.T, atol=1e-9)


@pytest.mark.parametrize("kind", ["own designs", "single level", "latents only"])
def test_missing_values_are_drawn_given_all_the_rest(kind):
    """False alarm with a probability of about 3e-4: some 500 moments, 5 standard errors."""
    spec, graph, *_ = graph_of(kind, "default")
    problem, state = admissible_state(spec, 3)
    points = PointMap(graph, spec, problem)
    rng = np.random.default_rng(7)
    several = np.array([residuals(spec, state, points.write(problem, state, rng)) for _ in range(3000)])
    for i, seen in enumerate(~np.isnan(spec.y)):
        unseen = np.flatnonzero(~seen)
        seen = np.flatnonzero(seen)
        slope = np.linalg.solve(state.omega_e[np.ix_(seen, seen)], state.omega_e[np.ix_(seen, unseen)])
        covariance = state.omega_e[np.ix_(unseen, unseen)] - slope.T @ state.omega_e[np.ix_(seen, unseen)]
        z = (several[:, i, unseen] - several[:, i, seen] @ slope) @ np.linalg.inv(np.linalg.cholesky(covariance)).T
        assert np.all(np.abs(z.mean(axis=0)) < 5 / np.sqrt(len(z)))
        allowed = 5 * np.sqrt((1 + np.eye(len(unseen))) / len(z))
        assert np.all(np.abs(z.T @ z / len(z) - np.eye(len(unseen))) < allowed)


@pytest.mark.parametrize(("kind", "priors"), PROBLEMS)
def test_density_of_theta_and_what_is_drawn_after_it_are_the_graph(kind, priors):
    spec, graph, logp, _ = graph_of(kind, priors)
    ours, theirs = [], []
    for seed in range(3):
        problem, state = admissible_state(spec, seed)
        point = PointMap(graph, spec, problem).write(problem, state, np.random.default_rng(seed))
        rest = residuals(spec, state, point)
        d = len(state.omega_u)
        theta = np.empty(len(point["beta_standardised"]) + spec_size(spec) + d * (d + 1) // 2)
        pack(state.beta, state.omega_e, state.omega_u, problem.target, theta)
        value = log_density(theta, problem.target, np.empty_like(theta))
        value += log_effects(spec, state, rest) + log_missing(spec, state, rest)
        cuts = steps_of_cuts(spec, state)
        value += np.sum(np.log(cuts) - 0.5 * problem.cut_precision * cuts**2)
        if problem.target.prior_u.lkj:  # theta has directions and lengths of rows where the graph has the rows
            value -= np.arange(d) @ np.log(np.diag(np.linalg.cholesky(state.omega_u)))
        ours.append(value)
        theirs.append(float(logp(point)))
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-8, atol=1e-6)


def spec_size(spec):
    """Free elements of Omega_e."""
    p = len(spec.layout.responses)
    return p * (p + 1) // 2 - sum(v.width * (v.width + 1) // 2 for v in spec.layout.variables if v.is_latent)


@pytest.mark.parametrize(("kind", "priors"), PROBLEMS)
def test_density_of_each_latent_and_what_is_drawn_after_it_are_the_graph(kind, priors):
    spec, graph, _, logp = graph_of(kind, priors)
    problem, state = admissible_state(spec, 5)
    points = PointMap(graph, spec, problem)
    rng = np.random.default_rng(6)
    for latent, k in enumerate(problem.latents.coordinate):
        given = look_around(latent, problem, state)
        start = np.empty(n_parameters(latent, given, problem.latents))
        pack_latent(latent, given, problem, state, start)
        u = np.empty(given.v.shape)
        ours, theirs = [], []
        for _ in range(3):
            phi = start + 0.05 * rng.normal(size=len(start))
            value = log_density_latent(latent, phi, given, problem, state, np.empty((6, CHUNK)), u, np.empty_like(phi))
            new = moved(latent, phi, given, problem, state)
            put_inside(spec, problem, new, k, rng)
            point = points.write(problem, new, rng)
            rest = residuals(spec, new, point)
            value += log_latent(spec, problem, new, rest, k) + log_missing(spec, new, rest)
            ours.append(value - log_volume(spec, new, given))
            theirs.append(float(logp(point)) - log_volume_of_rows(new, problem))
        np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-8, atol=1e-6)


def log_volume(spec, state, given):
    """log d(u, Omega_u, distances between cut points) / d(v, phi), with u_k = Lambda'u_rest + T v."""
    cuts = np.sum(np.log(steps_of_cuts(spec, state)))
    if not len(given.own):
        return cuts
    conditional = np.linalg.inv(np.linalg.inv(state.omega_u)[np.ix_(given.own, given.own)])
    log_diagonal = np.log(np.diag(np.linalg.cholesky(conditional)))
    return cuts + (len(given.own) + 1 - np.arange(len(given.own)) + spec.n_clusters) @ log_diagonal


def log_volume_of_rows(state, problem):
    """log d(Omega_u) / d(its Cholesky factor), which is the variable of the graph under an LKJ prior."""
    d = len(state.omega_u)
    return (d - np.arange(d)) @ np.log(np.diag(np.linalg.cholesky(state.omega_u))) if problem.target.prior_u.lkj else 0.0


def joint_model(formulas="y1 + b + o ~ x + (1 | g)", n_rows=120, n_clusters=10):
    families = {name: FAMILIES[name] for name in "bo"}
    return jm.JointModel(formulas, table(np.random.default_rng(2), n_rows, n_clusters), families=families)


def test_a_step_stays_where_the_density_is_positive_and_reads_new_points():
    spec, graph, logp, _ = graph_of("own designs", "default")
    step = LatentNormalStep(specification=spec, stats=statistics(spec), model=graph, rng=1)
    assert step.competence(graph.value_vars[0], True) == 0
    first = graph.initial_point()
    draws = []
    for _ in range(2):
        step.setup_chain(np.random.default_rng(2), 12, 5)
        point = first
        for number in range(17):
            if number == 12:
                step.stop_tuning()
            point, (stats,) = step.step(point)
            assert list(point) == list(first)
            assert np.isfinite(logp(point))
            assert np.isfinite(stats["acceptance_rate"]) == (number >= 12)
        draws.append(point)
        tuning = [array.copy() for array in step.tuning]
        point, _ = step.step(point)
        for after, before in zip(step.tuning, tuning, strict=True):
            np.testing.assert_array_equal(after, before)
    for name in first:
        np.testing.assert_array_equal(draws[0][name], draws[1][name])


def test_variables_cannot_be_separated():
    spec, graph, *_ = graph_of("binary", "default")
    with pytest.raises(jm.errors.SamplingError, match="leave out vars"):
        LatentNormalStep(graph.value_vars[:2], specification=spec, stats=statistics(spec), model=graph)


def test_the_step_can_be_given_to_pymc():
    joint = joint_model(n_rows=60)
    with joint.pymc, pytensor.config.change_flags(mode=INTERPRETED):
        step = LatentNormalStep(specification=joint.specification, stats=joint.statistics, rng=1)
        options = {"step": step, "random_seed": 3, "progressbar": False, "compute_convergence_checks": False}
        tree = pm.sample(draws=4, tune=8, chains=2, cores=1, **options)
        assert dict(tree["posterior"]["y"].sizes) == {"chain": 2, "draw": 4, "y_dim_0": 60, "y_dim_1": 3}
        again = pm.sample(draws=4, tune=8, chains=2, cores=1, **options)
    np.testing.assert_array_equal(tree["posterior"]["y"], again["posterior"]["y"])


def test_draws_do_not_depend_on_the_number_of_cores():
    fits = [
        joint_model().fit(20, 12, 3, sampler="pymc", cores=cores, random_seed=4, keep_latents=7, progressbar=False)
        for cores in (1, 2)
    ]
    for group in ("posterior", "sample_stats", "latents"):
        one, two = (fit.tree[group].to_dataset() for fit in fits)
        assert one.equals(two)
    assert len(np.unique(fits[0].posterior["beta"].to_numpy()[:, 0, 0, 0])) == 3


@pytest.mark.slow
def test_fits_agree_with_those_of_the_compiled_sampler():
    """False alarm with a probability of about 4e-4: at most 52 differences, 4.5 standard errors."""
    joint = joint_model()
    ours, theirs = (joint.fit(1500, 400, 2, sampler=name, random_seed=5, progressbar=False) for name in ("pymc", "compiled"))
    assert list(ours.posterior) == list(theirs.posterior)
    assert set(theirs.sample_stats) - set(ours.sample_stats) == {"n_steps"}
    a, b = (fit.summary(("beta", "Omega_e", "Omega_u", "cutpoints_o")) for fit in (ours, theirs))
    assert list(a.index) == list(b.index)
    assert len(a) <= 26
    for column in ("mean", "sd"):
        z = (a[column] - b[column]) / np.sqrt(a[f"mcse_{column}"] ** 2 + b[f"mcse_{column}"] ** 2)
        assert z.abs().max() < 4.5
    assert ours.impute(3, progressbar=False).m == 3
    with pytest.raises(jm.errors.SamplingError, match="no state to go on from"):
        ours.extend(10)


def test_samplers_that_cannot_sample_latents_are_refused():
    with pytest.raises(jm.errors.SamplingError, match="continuous responses only.*'pymc', which has a step method"):
        joint_model().fit(sampler="nutpie")

"""Omega_e with known elements: coordinates, their Jacobian, densities of priors, and direct draws from them."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.stats import norm

import jmimpute as jm
from jmimpute.graph.constrained import ConstrainedTransform, can_draw, constrained_covariance, is_proper, rows_of
from jmimpute.specification.families import Variable
from jmimpute.specification.layout import lay_out

INTERPRETED = "FAST_COMPILE"
CASES = {
    "binary": [("binary", 2), ("gaussian", 0), ("gaussian", 0)],
    "nominal": [("gaussian", 0), ("nominal", 4), ("gaussian", 0)],
    "mixed order": [("gaussian", 0), ("ordinal", 4), ("nominal", 3), ("binary", 2), ("gaussian", 0)],
    "two nominal": [("nominal", 3), ("gaussian", 0), ("nominal", 4)],
    "latents only": [("binary", 2), ("nominal", 4), ("binary", 2)],
    "continuous": [("gaussian", 0), ("gaussian", 0)],
    "two binary, one continuous": [("binary", 2), ("binary", 2), ("gaussian", 0)],
    "one nominal, one continuous": [("nominal", 3), ("gaussian", 0)],
    "one continuous, one binary": [("gaussian", 0), ("binary", 2)],
    "one nominal": [("nominal", 3)],
}
WITH_FREE_ELEMENTS = [case for case in CASES if case != "one nominal"]
LKJ = jm.priors.lkj(1.7, 0.8)


def layout_of(case):
    variables, first = [], 0
    for k, (family, n_levels) in enumerate(CASES[case]):
        reference = {"binary": 0, "nominal": n_levels - 1}.get(family, -1)
        variables.append(Variable(f"v{k}", family, first, tuple(range(n_levels)), reference))
        first += variables[-1].width
    fixed = {variable.name: ("Intercept",) for variable in variables}
    return lay_out(tuple(variables), fixed, dict.fromkeys(fixed, ()))


def scale_matrix(layout):
    half = np.random.default_rng(3).normal(size=(len(layout.responses),) * 2)
    return half @ half.T + np.eye(len(half))


def prior_and_scale(name, layout):
    """A prior of each kind; an inverse-Wishart one with its scale matrix."""
    p = len(layout.responses)
    if name == "inverse-Wishart":
        return jm.priors.inverse_wishart(p + 1.5, scale_matrix(layout)), scale_matrix(layout)
    return {"LKJ": LKJ, "flat": jm.priors.flat()}[name], None


def free_elements(layout):
    """Index of the free elements of the lower triangle of Omega_e."""
    free = np.ones((len(layout.responses),) * 2, dtype=bool)
    for v in layout.variables:
        if v.is_latent:
            free[v.first : v.first + v.width, v.first : v.first + v.width] = False
    return np.nonzero(np.tril(free))


def functions(layout, directions):
    """From coordinates to Omega_e, to the log Jacobian, and there and back."""
    transform = ConstrainedTransform(rows_of(layout), directions)
    x = pt.dvector("x")
    omega = transform.backward(x)
    outputs = [omega, transform.log_jac_det(x), transform.forward(omega)]
    return pytensor.function([x], outputs, mode=INTERPRETED), rows_of(layout).n_free


def log_abs_det(function, x, step=1e-5):
    jacobian = [(function(x + h) - function(x - h)) / (2 * step) for h in step * np.eye(len(x))]
    return np.linalg.slogdet(np.array(jacobian))[1]


@pytest.mark.parametrize("directions", [True, False])
@pytest.mark.parametrize("case", WITH_FREE_ELEMENTS)
def test_coordinates_are_those_of_the_free_elements(case, directions):
    layout = layout_of(case)
    evaluate, n_free = functions(layout, directions)
    index = free_elements(layout)
    assert n_free == len(index[0])
    for seed in range(2):
        x = 0.7 * np.random.default_rng(seed).normal(size=n_free)
        omega, log_jacobian, back = evaluate(x)
        assert back == pytest.approx(x, abs=1e-10)
        assert np.linalg.eigvalsh(omega).min() > 0
        for v in layout.variables:
            if v.is_latent:
                own = slice(v.first, v.first + v.width)
                assert omega[own, own] == pytest.approx(0.5 * (np.eye(v.width) + 1), abs=1e-12)
        # Central differences of functions of order 1: truncation and rounding about 1e-10 in each element.
        assert log_jacobian == pytest.approx(log_abs_det(lambda x: evaluate(x)[0][index], x), abs=1e-7)


@pytest.mark.parametrize("directions", [True, False])
def test_coordinates_are_packed_row_by_row_with_latents_first(directions):
    layout = layout_of("mixed order")
    evaluate, n_free = functions(layout, directions)
    x = np.random.default_rng(1).normal(size=n_free)
    order = [1, 2, 3, 4, 0, 5]  # ordinal, two of the nominal response, binary, continuous
    chol = np.linalg.cholesky(evaluate(x)[0][np.ix_(order, order)])
    start = 0
    for first, width in ((0, 1), (1, 2), (3, 1)):
        y = x[start : start + first * width].reshape(width, first)
        start += first * width
        root = np.linalg.cholesky(0.5 * (np.eye(width) + 1))
        c = np.linalg.inv(np.linalg.cholesky(np.eye(width) + y @ y.T))
        assert chol[first : first + width, : first + width] == pytest.approx(np.hstack([root @ c @ y, root @ c]), abs=1e-12)
    for i in (4, 5):
        row = chol[i, : i + 1]
        length, scale = (np.linalg.norm(row), row[i]) if directions else (row[i], 1.0)
        assert x[start : start + i + 1] == pytest.approx(np.append(row[:i] / scale, np.log(length)), abs=1e-12)
        start += i + 1
    assert start == n_free


def log_prior(prior, scale, omega, layout):
    """Log density of the free elements of Omega_e, written out; that of an LKJ prior by a numerical change of variables."""
    if isinstance(prior, jm.priors.Flat):
        return 0.0
    p = len(omega)
    if scale is not None:
        return -0.5 * (prior.df + p + 1) * np.linalg.slogdet(omega)[1] - 0.5 * np.trace(scale @ np.linalg.inv(omega))
    index = free_elements(layout)
    sd = np.sqrt(np.diag(omega))
    correlation = omega / np.outer(sd, sd)
    is_sd = index[0] == index[1]

    def to_covariances(free):
        sds, matrix = np.ones(p), correlation.copy()
        sds[index[0][is_sd]] = free[is_sd]
        matrix[index[0][~is_sd], index[1][~is_sd]] = free[~is_sd]
        return (matrix * np.outer(sds, sds))[index]

    free = np.where(is_sd, sd[index[0]], correlation[index])
    density = (prior.eta - 1) * np.linalg.slogdet(correlation)[1] + norm(scale=prior.sd).logpdf(free[is_sd]).sum()
    return density - log_abs_det(to_covariances, free)


@pytest.mark.parametrize("name", ["LKJ", "inverse-Wishart", "flat"])
@pytest.mark.parametrize("case", ["nominal", "mixed order", "latents only"])
def test_log_density_is_the_prior_as_a_function_of_the_free_elements(name, case):
    layout = layout_of(case)
    prior, scale = prior_and_scale(name, layout)
    evaluate, n_free = functions(layout, name == "LKJ")
    with pm.Model() as model:
        constrained_covariance("omega", prior, rows_of(layout), scale)
    logp = model.compile_logp(jacobian=False, mode=INTERPRETED)
    rng = np.random.default_rng(2)
    points = 0.6 * rng.normal(size=(3, n_free))
    values = np.array([float(logp({"omega_constrained-cov__": x})) for x in points])
    expected = np.array([log_prior(prior, scale, evaluate(x)[0], layout) for x in points])
    assert np.diff(values) == pytest.approx(np.diff(expected), abs=1e-7)


def drawn(prior, layout, scale, n, seed):
    with pm.Model() as model:
        omega = constrained_covariance("omega", prior, rows_of(layout), scale)
    return model, pm.draw(omega, n, random_seed=seed, mode=INTERPRETED)


def agree(values, expected, expected_se=0.0):
    """Mean of draws against an expectation: 4.5 standard errors."""
    se = np.hypot(values.std(axis=0) / np.sqrt(len(values)), expected_se)
    return np.all(np.abs(values.mean(axis=0) - expected) < 4.5 * se)


@pytest.mark.sampling
@pytest.mark.parametrize(
    ("case", "name"), [("mixed order", "LKJ"), ("two nominal", "LKJ"), ("nominal", "inverse-Wishart"), ("latents only", "flat")]
)
def test_draws_have_the_density_of_the_graph(case, name):
    # For a density f of coordinates x with light enough tails E[d log f / dx_i] = 0 and E[x_j d log f / dx_i] = -(i == j).
    layout = layout_of(case)
    prior, scale = prior_and_scale(name, layout)
    model, omegas = drawn(prior, layout, scale, 1000, 4)
    evaluate = model.compile_fn(model.dlogp(), inputs=model.value_vars, mode=INTERPRETED)
    matrix = pt.dmatrix()
    coordinates = ConstrainedTransform(rows_of(layout), name == "LKJ").forward(matrix)
    forward = pytensor.function([matrix], coordinates, mode=INTERPRETED)
    x = np.array([forward(omega) for omega in omegas])
    slopes = np.array([evaluate({"omega_constrained-cov__": row}) for row in x])
    assert agree(slopes, 0.0)
    assert agree(x[:, :, None] * slopes[:, None, :], -np.eye(x.shape[1]))


@pytest.mark.sampling
@pytest.mark.parametrize("case", ["two binary, one continuous", "one nominal, one continuous"])
def test_lkj_draws_equal_rejection_from_a_cube(case):
    prior = jm.priors.lkj(2.0, 1.0)
    _, omega = drawn(prior, layout_of(case), None, 4000, 5)
    sd = np.sqrt(omega[:, 2, 2])
    mine = np.column_stack([omega[:, 0, 1], omega[:, 0, 2] / sd, omega[:, 1, 2] / sd])
    rng = np.random.default_rng(6)
    theirs = rng.uniform(-1, 1, size=(100_000, 3))
    if "nominal" in case:
        theirs[:, 0] = mine[:, 0] = 0.5  # the known element
    # Inside the cube a correlation matrix is what has a positive determinant, and with eta = 2 that is its density.
    determinant = 1 - (theirs**2).sum(axis=1) + 2 * theirs.prod(axis=1)
    theirs = theirs[rng.random(len(theirs)) < determinant]

    def moments(r):
        free = r[:, 1:] if "nominal" in case else r
        return np.column_stack([free, free**2, free**4, r.prod(axis=1), r[:, 1] * r[:, 2]])

    expected = moments(theirs)
    assert agree(moments(mine), expected.mean(axis=0), expected.std(axis=0) / np.sqrt(len(theirs)))
    assert agree(np.column_stack([sd, sd**2]), [np.sqrt(2 / np.pi), 1.0])


@pytest.mark.sampling
def test_inverse_wishart_draws_equal_quadrature():
    layout = layout_of("one continuous, one binary")
    scale = np.array([[2.0, 0.6], [0.6, 1.5]])
    prior = jm.priors.inverse_wishart(4.0, scale)
    _, omega = drawn(prior, layout, scale, 4000, 7)
    correlation, log_sd = np.meshgrid(np.linspace(-1, 1, 801)[1:-1], np.linspace(-4, 7, 801))
    sd = np.exp(log_sd)
    matrices = np.array([[sd**2, correlation * sd], [correlation * sd, np.ones_like(sd)]]).transpose(2, 3, 0, 1)
    log_density = -0.5 * 7.0 * np.linalg.slogdet(matrices)[1] - 0.5 * np.trace(
        np.linalg.solve(matrices, scale), axis1=2, axis2=3
    )
    weights = np.exp(log_density) * sd**3  # d(covariance, variance) = sd d(correlation) 2 sd^2 d(log sd)
    weights /= weights.sum()

    def functions(correlation, log_sd):
        return np.stack([correlation, correlation**2, log_sd, log_sd**2, correlation * log_sd], axis=-1)

    expected = np.tensordot(weights, functions(correlation, log_sd), axes=2)
    sds = np.sqrt(omega[:, 0, 0])
    assert agree(functions(omega[:, 0, 1] / sds, np.log(sds)), expected)


def test_what_is_proper_and_what_can_be_drawn():
    flat, wishart = jm.priors.flat(), jm.priors.inverse_wishart
    assert is_proper(LKJ, rows_of(layout_of("nominal")))
    assert not is_proper(flat, rows_of(layout_of("nominal")))
    assert is_proper(flat, rows_of(layout_of("latents only")))
    # Two continuous responses: what counts is their covariance given the latents.
    assert is_proper(wishart(1.5), rows_of(layout_of("mixed order")))
    assert not is_proper(wishart(1.0), rows_of(layout_of("mixed order")))
    assert not is_proper(wishart(1.0), rows_of(layout_of("continuous")))
    assert can_draw(wishart(), rows_of(layout_of("nominal")))
    assert not can_draw(wishart(), rows_of(layout_of("mixed order")))


def test_without_free_elements_there_is_no_variable():
    with pm.Model() as model:
        omega = constrained_covariance("omega", LKJ, rows_of(layout_of("one nominal")))
    assert not model.free_RVs
    assert omega.eval(mode=INTERPRETED) == pytest.approx(np.array([[1.0, 0.5], [0.5, 1.0]]))

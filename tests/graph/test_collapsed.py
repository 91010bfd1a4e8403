"""The collapsed PyMC graph against the generative one with random effects and missing cells integrated out."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import jmimpute as jm
from jmimpute.graph.op import collapsed_loglikelihood
from tests.problems import FORMULAS, model, parameters

KINDS = list(FORMULAS)
INTERPRETED = "FAST_COMPILE"  # compiling a graph that is evaluated a few times costs more than it saves
PRIORS = {"lkj": jm.priors.default(), "inverse-Wishart": {"Omega_e": jm.priors.inverse_wishart(6.0, 2.0),
                                                          "Omega_u": jm.priors.inverse_wishart(8.0, 0.5)}}  # fmt: skip


def shared_point(graph, rng):
    return {name: value + 0.3 * rng.normal(size=value.shape) for name, value in graph.initial_point().items()}


def marginal_log_density(graph, point, latent):
    """Integrate a log density that is quadratic in the latent variables, exactly, from its value and derivatives."""
    values = [value for value in graph.value_vars if value.name in latent]
    start = {value.name: np.zeros(value.type.shape if None not in value.type.shape else latent[value.name]) for value in values}
    logp = graph.logp()
    gradient = pt.concatenate([pt.flatten(g) for g in pt.grad(logp, values)])
    evaluate = graph.compile_fn([logp, gradient], inputs=graph.value_vars, on_unused_input="ignore", mode=INTERPRETED)
    shapes = {name: array.shape for name, array in start.items()}
    size = sum(array.size for array in start.values())

    def at(vector):
        offset, arrays = 0, {}
        for name, shape in shapes.items():
            length = int(np.prod(shape))
            arrays[name] = vector[offset : offset + length].reshape(shape)
            offset += length
        return evaluate({**point, **arrays})

    value, slope = at(np.zeros(size))
    # The gradient of a quadratic is linear, so its differences give the Hessian without error.
    hessian = np.array([at(unit)[1] - slope for unit in np.eye(size)])
    sign, log_det = np.linalg.slogdet(-hessian)
    assert sign > 0
    return float(value) + 0.5 * slope @ np.linalg.solve(-hessian, slope) + 0.5 * size * np.log(2 * np.pi) - 0.5 * log_det


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("priors", list(PRIORS))
def test_collapsed_equals_marginalised_generative_graph(kind, priors):
    joint = model(kind, 4, PRIORS[priors], n_rows=14, n_clusters=3)
    point = shared_point(joint.collapsed, np.random.default_rng(5))
    generative = joint.pymc
    latent = {name: array.shape for name, array in generative.initial_point().items() if name not in point}
    expected = marginal_log_density(generative, point, latent)
    assert float(joint.collapsed.compile_logp(mode=INTERPRETED)(point)) == pytest.approx(expected, abs=1e-8)


def test_graph_gradient_equals_finite_differences():
    joint = model("own", 3)
    graph = joint.collapsed
    function = graph.logp_dlogp_function(ravel_inputs=True)
    rng = np.random.default_rng(1)
    function.set_extra_values({})
    size = sum(value.size for value in graph.initial_point().values())
    at = 0.2 * rng.normal(size=size)
    _, gradient = function(at)
    differences = [(function(at + h)[0] - function(at - h)[0]) / 2e-5 for h in 1e-5 * np.eye(size)]
    assert gradient == pytest.approx(np.array(differences), rel=1e-6, abs=1e-6)


@pytest.mark.sampling
def test_op_is_the_same_interpreted_and_compiled():
    joint = model("slopes", 2)
    values = parameters(joint.specification, np.random.default_rng(2))
    symbols = [pt.dmatrix(name) for name in ("beta", "chol_e", "chol_u")]
    out = collapsed_loglikelihood(*symbols, joint.specification.layout, joint.statistics)
    inputs = dict(zip(symbols, (values.beta, values.chol_e, values.chol_u), strict=True))
    assert out.eval(inputs, mode=INTERPRETED) == pytest.approx(out.eval(inputs, mode="NUMBA"), abs=1e-10)


def test_op_serves_a_pymc_model_of_the_users_own():
    joint = model("single level", 1)
    spec = joint.specification
    with pm.Model() as mine:
        beta = pm.Normal("beta", 0, 1, shape=spec.layout.beta_mask.shape)
        sd = pm.Exponential("sd", 1.0, shape=2)
        pm.Potential("y", collapsed_loglikelihood(beta, pt.diag(sd), pt.zeros((0, 0)), spec.layout, joint.statistics))
    seen = ~np.isnan(spec.y)
    logp = mine.compile_logp(mode=INTERPRETED)({"beta": np.zeros((2, 2)), "sd_log__": np.zeros(2)})
    expected = -0.5 * np.sum(spec.y[seen] ** 2) - 0.5 * seen.sum() * np.log(2 * np.pi)
    prior = -0.5 * 4 * np.log(2 * np.pi) - 2.0
    assert float(logp) == pytest.approx(expected + prior, abs=1e-8)


def test_generative_graph_reports_the_original_scale():
    joint = model("slopes", 6)
    scaling = joint.specification.scaling
    drawn = pm.draw([joint.pymc[name] for name in ("beta_standardised", "beta", "u_standardised", "u")], random_seed=1)
    standard = np.zeros(joint.specification.layout.beta_mask.shape)
    standard[np.nonzero(joint.specification.layout.beta_mask)] = drawn[0]
    assert drawn[1] == pytest.approx(scaling.beta(standard).T)
    assert drawn[3] == pytest.approx(drawn[2] @ scaling.u_transform.T)


def test_prior_predictive_is_on_the_original_scale_and_in_the_order_of_rows():
    joint = model("intercepts", 6)
    prior = joint.prior_predictive(draws=400, random_seed=3)["prior"]
    x = joint.table.frame["x"].to_numpy()
    y = prior["y"].isel(chain=0).sel(response="y1").to_numpy()
    beta = prior["beta"].isel(chain=0).sel(response="y1").to_numpy()
    u = prior["u"].isel(chain=0).sel(effect="y1|Intercept").to_numpy()[:, joint.table.frame["g"]]
    residual = y - beta @ np.stack([np.ones_like(x), x]) - u
    sd = np.sqrt(prior["Omega_e"].isel(chain=0).sel(response="y1", response_="y1").to_numpy())
    z = residual / sd[:, None]
    # Standard normal numbers: 400 x 40 of them, so mean and sd have standard errors 0.008 and 0.0056; 4.5 of them.
    assert abs(z.mean()) < 0.036
    assert abs(z.std() - 1) < 0.026


@pytest.mark.parametrize("priors", [jm.priors.jomo(), {"Omega_e": jm.priors.inverse_wishart(df=0.5)}])
def test_improper_priors_have_no_prior_predictive(priors):
    with pytest.raises(jm.errors.PriorError, match="nothing can be drawn"):
        model("intercepts", priors=priors).prior_predictive(draws=2)

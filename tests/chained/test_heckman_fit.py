import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import ndtr

from jmimpute.chained.heckman_fit import fit_heckman, fit_outcome
from jmimpute.chained.heckman_likelihood import heckman_rows, value_and_gradient
from jmimpute.chained.heckman_starts import least_squares, probit, two_step
from tests.chained.heckman_targets import HIV, constant_and, shared_csv, shared_reference, simulated


def outcome_first(values, n_selection):
    """From (gamma, beta, rest), as the reference has it, to (beta, gamma, rest)."""
    n_outcome = n_selection - 1
    order = [*range(n_selection, n_selection + n_outcome), *range(n_selection), *range(n_selection + n_outcome, len(values))]
    values = np.asarray(values)
    return values[order] if values.ndim == 1 else values[np.ix_(order, order)]


def fit(target, **changes):
    one = {"y": target.y, "observed": target.observed, "x": target.x, "w": target.selection, "binary": target.n_categories == 2}
    return fit_heckman(**(one | changes))


@pytest.mark.parametrize(("kind", "column"), [("continuous", "y"), ("binary", "ybin")])
def test_maximum_likelihood_equals_that_of_r(kind, column):
    data, reference = shared_csv("sim_heckman.csv"), shared_reference("heckman_f1_simulated.json")[kind]["ml_direct"]
    x = constant_and(data["x1"], data["x2"])
    found = fit_heckman(data[column].to_numpy(), data["observed"] == 1, x, np.column_stack([x, data["z"]]), kind == "binary")
    expected = outcome_first([one["estimate"] for one in reference["estimates"]], 4)
    covariance = outcome_first(reference["vcov"], 4)
    assert found.kind == "likelihood"
    # The reference stopped at a gradient of 1e-4, and differentiated numerically.
    np.testing.assert_allclose((found.theta - expected) / np.sqrt(np.diag(covariance)), 0.0, atol=1e-4)
    np.testing.assert_allclose(found.covariance, covariance, rtol=2e-3)


def test_two_steps_equal_those_of_r():
    data = shared_csv("sim_heckman.csv")
    steps = shared_reference("heckman_f1_simulated.json")["continuous"]["two_step"]
    expected = np.array([one["estimate"] for one in steps])
    seen = data["observed"] == 1
    x = constant_and(data["x1"], data["x2"])
    selection = probit(np.column_stack([x, data["z"]]), seen)
    outcome, atanh_rho = two_step(
        x[seen], data["y"][seen].to_numpy(), np.column_stack([x, data["z"]])[seen] @ expected[:4], False
    )
    np.testing.assert_allclose(selection.coefficients, expected[:4], rtol=1e-6)
    np.testing.assert_allclose(outcome.coefficients, expected[4:7], rtol=1e-6)
    # R divides the residual sum of squares by n, not by n less the number of coefficients.
    np.testing.assert_allclose([np.exp(outcome.log_sigma), np.tanh(atanh_rho)], expected[8:], rtol=3e-3)


def test_likelihood_of_the_hiv_data_equals_that_of_r():
    data, reference = shared_csv("hiv_heckman.csv"), shared_reference("heckman_f2_hiv.json")
    x = constant_and(data["age10"], data["age10"] ** 2, *(data[name] for name in HIV[1:]))
    w = np.column_stack([x, data["interviewer_rate"]])
    y, observed = data["hiv"].to_numpy(), data["hivconsent"].to_numpy() == 1
    found = fit_heckman(y, observed, x, w, binary=True)
    expected = outcome_first([one["estimate"] for one in reference["ml_direct"]["estimates"]], 10)
    rows = heckman_rows(y, observed, x, w, binary=True)
    np.testing.assert_allclose((found.theta - expected) / np.sqrt(np.diag(found.covariance)), 0.0, atol=3e-3)
    assert value_and_gradient(found.theta, rows)[0] >= reference["ml_direct"]["logLik"]

    def loss(theta, atanh_rho):
        value, gradient = value_and_gradient(np.append(theta, atanh_rho), rows)
        return -value, -gradient[:-1]

    scales = np.sqrt(np.diag(found.covariance))[:-1]
    for point in reference["profile_logLik_rho"]:
        z = np.arctanh(point["rho"])
        best = minimize(
            lambda u, z=z: (loss(u * scales, z)[0], loss(u * scales, z)[1] * scales), found.theta[:-1] / scales, jac=True
        )
        np.testing.assert_allclose(-best.fun, point["logLik"], atol=1e-3)


def test_units_and_origins_do_not_matter():
    target = simulated(3, size=400)
    shift = np.array([[1.0, 50.0], [0.0, 1e3]])  # x in thousandths, from -50
    found, other = fit(target), fit(target, y=target.y * 1e4 + 7e4, x=target.x @ shift)
    beta = shift @ other.theta[:2] / 1e4 - [7.0, 0.0]
    np.testing.assert_allclose(beta, found.theta[:2], rtol=1e-5)
    np.testing.assert_allclose(other.theta[2:] - [0, 0, 0, np.log(1e4), 0], found.theta[2:], rtol=1e-5)
    np.testing.assert_allclose(other.covariance[2:, 2:], found.covariance[2:, 2:], rtol=1e-4, atol=1e-8)


def test_without_an_interior_maximum_rho_is_bounded():
    target = simulated(26, size=40, rho=0.95)
    found = fit(target)
    rows = heckman_rows(target.y, target.observed, target.x, target.selection, False)
    _, gradient = value_and_gradient(found.theta, rows)
    gradient[-1] -= 2 * np.tanh(found.theta[-1])
    beyond = np.append(found.theta[:-1], np.arctanh(0.99999))
    assert found.kind == "bounded"
    np.testing.assert_allclose(gradient, 0.0, atol=1e-4)
    assert abs(np.tanh(found.theta[-1])) < 0.995
    best = minimize(lambda at: -value_and_gradient(np.append(at, beyond[-1]), rows)[0], beyond[:-1], method="BFGS")
    assert -best.fun > value_and_gradient(found.theta, rows)[0]  # it does rise to the boundary


def test_independent_equations_are_probit_and_least_squares():
    target = simulated(4, size=500)
    # Two values, as if they were normal: the likelihood runs off to rho = 1 even with its factor.
    y = (target.y > 2.0).astype(float)
    found = fit(target, y=y)
    seen = target.observed
    assert found.kind == "independent"
    np.testing.assert_allclose(found.theta[:2], np.linalg.lstsq(target.x[seen], y[seen], rcond=None)[0], rtol=1e-8)
    np.testing.assert_allclose(found.theta[2:5], probit(target.selection, seen).coefficients, rtol=1e-6)
    assert found.theta[-1] == 0.0
    assert found.covariance[-1, -1] == 1 / 500
    assert not found.covariance[:2, 2:].any()


def test_probit_solves_its_score_equations():
    target = simulated(5, size=200)
    found = probit(target.selection, target.observed)
    eta = target.selection @ found.coefficients
    density = np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi)
    weight = density / (ndtr(eta) * ndtr(-eta))
    np.testing.assert_allclose(target.selection.T @ (weight * (target.observed - ndtr(eta))), 0.0, atol=1e-8)


@pytest.mark.parametrize("binary", [False, True])
def test_what_cannot_be_fitted_is_not(binary):
    target = simulated(6, size=80, binary=binary)
    everywhere = np.ones(80, bool)
    separated = target.selection[:, 2] > 0
    collinear = np.column_stack([target.x, 2 * target.x[:, 1]])
    assert fit(target, observed=everywhere) is None
    assert fit(target, observed=separated) is None
    assert fit(target, x=collinear) is None
    assert fit(target, w=np.column_stack([target.selection, target.x[:, 1]])) is None
    assert fit(target, y=np.ones(80)) is None
    assert fit_outcome(target.y, collinear, binary) is None
    few = np.flatnonzero(target.observed)[: 2 + 4 * (not binary)]
    assert fit(target, observed=np.isin(np.arange(80), few)) is None


def test_the_outcome_alone_is_a_regression():
    target = simulated(7, size=100)
    found = fit_outcome(target.y, 100 * target.x, binary=False)
    coefficients, (rss,), *_ = np.linalg.lstsq(100 * target.x, target.y, rcond=None)
    np.testing.assert_allclose(found.coefficients, coefficients, rtol=1e-8)
    np.testing.assert_allclose(found.covariance, rss / 98 * np.linalg.inv(1e4 * target.x.T @ target.x), rtol=1e-8)
    np.testing.assert_allclose([found.log_sigma, found.log_sigma_variance], [np.log(rss / 98) / 2, 1 / (2 * 94)])
    assert least_squares(target.x[:6], target.y[:6]) is None

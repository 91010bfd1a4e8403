import numpy as np
import pytest
from scipy import stats

from jmimpute.chained.heckman_likelihood import heckman_rows, hessian, value_and_gradient
from tests.chained.heckman_targets import simulated

THETA = {False: np.array([0.4, 0.9, 0.1, 0.6, 0.7, 0.3, -0.8]), True: np.array([0.4, 0.9, 0.1, 0.6, 0.7, -0.8])}


@pytest.fixture(params=[False, True], ids=["number", "binary"])
def binary(request):
    return request.param


def problem(binary, size=60):
    target = simulated(1, size=size, binary=binary)
    return target, heckman_rows(target.y, target.observed, target.x, target.selection, binary)


def test_value_is_that_of_the_textbook(binary):
    target, rows = problem(binary)
    beta, gamma, rho = THETA[binary][:2], THETA[binary][2:5], np.tanh(-0.8)
    mean, eta = target.x @ beta, target.selection @ gamma
    seen, expected = target.observed, stats.norm.logcdf(-eta[~target.observed]).sum()
    if binary:
        signs = 2 * target.y[seen] - 1
        for at, sign, h in zip(eta[seen], signs, signs * mean[seen], strict=True):
            joint = stats.multivariate_normal([0, 0], [[1, sign * rho], [sign * rho, 1]])
            expected += np.log(joint.cdf([h, at]))
    else:
        r = (target.y - mean)[seen] / np.exp(0.3)
        expected += np.sum(stats.norm.logpdf(r) - 0.3 + stats.norm.logcdf((eta[seen] + rho * r) / np.sqrt(1 - rho**2)))
    np.testing.assert_allclose(value_and_gradient(THETA[binary], rows)[0], expected, rtol=1e-7)


def test_derivatives_are_differences(binary):
    theta, (_, rows) = THETA[binary], problem(binary)
    step = 1e-5

    def difference(of):
        return np.array([(of(theta + way) - of(theta - way)) / (2 * step) for way in step * np.eye(len(theta))])

    np.testing.assert_allclose(
        value_and_gradient(theta, rows)[1], difference(lambda at: value_and_gradient(at, rows)[0]), rtol=1e-6
    )
    np.testing.assert_allclose(
        hessian(theta, rows), difference(lambda at: value_and_gradient(at, rows)[1]), rtol=1e-5, atol=1e-6
    )


def test_second_derivatives_do_not_depend_on_the_unit_of_the_outcome():
    target, rows = problem(binary=False)
    unit, theta = 1e4, THETA[False].copy()
    theta[5] += np.log(unit)
    in_units = heckman_rows(target.y * unit, target.observed, target.x * unit, target.selection, False)
    np.testing.assert_allclose(hessian(theta, in_units), hessian(THETA[False], rows), rtol=1e-6, atol=1e-6)


def test_missing_outcomes_are_not_looked_at(binary):
    target, rows = problem(binary)
    hidden = np.where(target.observed, target.y, np.nan)
    again = heckman_rows(hidden, target.observed, target.x, target.selection, binary)
    assert value_and_gradient(THETA[binary], again)[0] == value_and_gradient(THETA[binary], rows)[0]

"""Quick probit regressions with random intercepts against exact ones."""

import numpy as np
import pytest
from scipy.special import log_ndtr

from jmimpute.specification.advice.probit import Factor, fit_probit

ROWS = 2000


def rows(seed=1, sds=(0.5, 0.3), sizes=(40, 25)):
    """A probit regression with intercepts of two crossed factors."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(ROWS), rng.normal(size=(ROWS, 2))])
    factors = [Factor(rng.integers(size, size=ROWS), size) for size in sizes]
    eta = x @ [0.4, 0.6, -0.2]
    for sd, factor in zip(sds, factors, strict=True):
        eta += sd * rng.normal(size=factor.size)[factor.codes]
    return eta + rng.normal(size=ROWS) > 0, x, factors


def test_without_factors_it_is_maximum_likelihood():
    from statsmodels.discrete.discrete_model import Probit

    y, x, _ = rows(sds=(0, 0))
    found, theirs = fit_probit(y, x), Probit(y.astype(int), x).fit(disp=0)
    np.testing.assert_allclose(found.beta, theirs.params, atol=5e-4)  # but for the weak prior
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), theirs.bse, rtol=1e-3)
    assert found.deviance == pytest.approx(-2 * theirs.llf, abs=0.02)
    assert found.effects == () and found.sds.shape == (0,)


def exact_deviance(y, x, factor, beta, sd):
    """Minus twice the log likelihood, random intercepts integrated out by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    terms = log_ndtr(np.where(y, 1, -1)[:, None] * ((x @ beta)[:, None] + sd * nodes))
    sums = np.stack([np.bincount(factor.codes, column, factor.size) for column in terms.T], axis=1)
    return -2 * np.log(np.exp(sums) @ weights / np.sqrt(2 * np.pi)).sum()


def test_one_factor_is_at_the_maximum_of_the_exact_likelihood():
    y, x, (factor, _) = rows(sds=(0.5, 0.0))
    found = fit_probit(y, x, [factor])
    grid = np.linspace(0.3, 0.8, 101)
    exact = [exact_deviance(y, x, factor, found.beta, sd) for sd in grid]
    assert found.sds[0] == pytest.approx(grid[np.argmin(exact)], abs=0.01)
    assert found.deviance == pytest.approx(min(exact), abs=0.3)


def test_intercepts_are_shrunken_deviations():
    y, x, (factor, _) = rows(sds=(0.5, 0.0))
    (effects,) = fit_probit(y, x, [factor]).effects
    dummies = np.eye(factor.size)[factor.codes]
    free = fit_probit(y, np.column_stack([x[:, 1:], dummies])).beta[2:]
    assert np.corrcoef(effects, free)[0, 1] > 0.98
    assert effects.std() < (free - free.mean()).std()


def test_the_order_of_factors_does_not_matter():
    y, x, factors = rows()
    one, other = fit_probit(y, x, factors), fit_probit(y, x, factors[::-1])
    np.testing.assert_allclose(one.sds, other.sds[::-1], atol=2e-3)
    np.testing.assert_allclose(one.effects[0], other.effects[1], atol=5e-3)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-2)
    # sampling sds of the estimates are about 0.07
    np.testing.assert_allclose(one.sds, [0.5, 0.3], atol=0.25)


def test_what_is_not_there_has_no_variance():
    y, x, factors = rows(seed=3, sds=(0.0, 0.0))
    assert (fit_probit(y, x, factors).sds < 0.12).all()


def test_separation_stays_finite():
    x = np.column_stack([np.ones(100), np.linspace(-1.7, 1.7, 100)])
    found = fit_probit(x[:, 1] > 0, x)
    assert np.isfinite(found.covariance).all() and 20 < found.beta[1] < 400

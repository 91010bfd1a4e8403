"""Methods that ignore clusters: their draws have the moments of the posterior predictive distribution."""

import numpy as np
import pytest
import statsmodels.api as sm

import jmimpute as jm
from jmimpute.chained.donors import nearest
from jmimpute.chained.regression import draw_linear, draw_logistic
from jmimpute.errors import ImputationError
from tests.chained.targets import regression, target, z_scores

#: For 10 z-scores: false alarm in one run of 10 000.
LIMIT = 4.4


def test_norm_draws_from_the_posterior_predictive_distribution():
    """A multivariate t: mean x b, covariance s^2 (I + x (X'X)^-1 x') df / (df - 2)."""
    rng = np.random.default_rng(1)
    one = regression(rng)
    seen, lacking, y = one.x[one.observed], one.x[one.missing], one.y[one.observed]
    inverse = np.linalg.inv(seen.T @ seen)
    b = inverse @ seen.T @ y
    df = len(y) - 2
    s2 = np.sum((y - seen @ b) ** 2) / df
    draws = np.array([jm.methods.Norm()(one, rng) for _ in range(6000)])
    covariance = s2 * (np.eye(3) + lacking @ inverse @ lacking.T) * df / (df - 2)
    assert np.abs(z_scores(draws, lacking @ b, covariance)).max() < LIMIT


def test_pmm_takes_one_of_the_nearest():
    rng = np.random.default_rng(2)
    of_observed, of_missing = rng.normal(size=40), rng.normal(size=7) * 2
    distance = np.abs(of_observed - of_missing[:, None])
    expected = np.argsort(distance, axis=1)[:, :5]
    draws = np.array([nearest(of_observed, of_missing, 5, rng) for _ in range(400)])
    for cell in range(7):
        found, counts = np.unique(draws[:, cell], return_counts=True)
        assert set(found) == set(expected[cell])
        # Binomial (400, 1/5), standard deviation 8: 35 counts beyond 5 sd once in 50 000 runs.
        assert np.abs(counts - 80).max() < 40


def test_equal_predictions_are_donors_by_chance():
    """All rows are alike, so that each is a donor as often."""
    rng = np.random.default_rng(3)
    counts = np.bincount(np.concatenate([nearest(np.ones(20), np.ones(1), 5, rng) for _ in range(2000)]), minlength=20)
    assert counts.min() > 50 and counts.max() < 160  # mean 100, standard deviation 10


def test_fewer_rows_than_donors_are_all_donors():
    rng = np.random.default_rng(4)
    assert set(np.concatenate([nearest(np.array([0.0, 1.0, 9.0]), np.zeros(50), 5, rng)])) == {0, 1, 2}


@pytest.mark.parametrize("matching", [0, 1, 2])
def test_pmm_gives_observed_values_that_fit(matching):
    one = regression(np.random.default_rng(5), n=200, n_missing=50, slope=5.0)
    drawn = jm.methods.Pmm(matching=matching)(one, np.random.default_rng(6))
    assert np.isin(drawn, one.y[one.observed]).all()
    assert np.corrcoef(drawn, one.x[one.missing, 1])[0, 1] > 0.95


def test_a_single_donor_by_estimates_is_the_nearest():
    one = regression(np.random.default_rng(7), n=60, n_missing=20)
    b = np.linalg.lstsq(one.x[one.observed], one.y[one.observed])[0]
    distance = np.abs(one.x[one.missing] @ b - (one.x[one.observed] @ b)[:, None])
    expected = one.y[one.observed][np.argmin(distance, axis=0)]
    assert np.array_equal(jm.methods.Pmm(donors=1, matching=0)(one, np.random.default_rng(8)), expected)


def test_logistic_coefficients_are_those_of_statsmodels():
    rng = np.random.default_rng(9)
    x = sm.add_constant(np.column_stack([rng.normal(2000, 5, 150), rng.random(150) < 0.1]))
    # Few ones and strong predictors: the information is far from diagonal in any coordinates that the draw may use.
    y = (rng.logistic(size=150) < 0.5 * (x[:, 1] - 2006) + 2 * x[:, 2]).astype(float)
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-14)
    draws = [draw_logistic(x, y, "y", ("Intercept", "year", "b"), rng) for _ in range(3000)]
    assert draws[0].estimate == pytest.approx(fit.params, rel=1e-6)
    coefficients = np.array([drawn.coefficients for drawn in draws])
    assert np.abs(z_scores(coefficients, fit.params, fit.cov_params())).max() < LIMIT


def test_logistic_draws_categories_with_their_probability():
    """Without predictors the share is E expit(b), b from N(logit p, 1 / (n p q))."""
    rng = np.random.default_rng(10)
    y = np.repeat([1.0, 0.0, np.nan], [6, 24, 400])
    one = target(np.nan_to_num(y), ~np.isnan(y), np.empty((430, 0)), n_categories=2)
    shares = np.array([jm.methods.Logistic()(one, rng).mean() for _ in range(1500)])
    b = np.log(0.2 / 0.8) + np.random.default_rng(0).normal(size=400_000) / np.sqrt(30 * 0.16)
    chance = 1 / (1 + np.exp(-b))
    assert abs(shares.mean() - chance.mean()) < LIMIT * shares.std() / np.sqrt(1500)
    # Between draws of the coefficient, and within: nearly all is between.
    expected = chance.var() + np.mean(chance * (1 - chance)) / 400
    assert shares.var() == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("kind", ["complete", "quasi", "dummy"])
def test_separated_categories_are_an_error(kind):
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=100), None
    if kind == "dummy":
        x = np.arange(100) < 5
        y = np.where(x, 1.0, rng.integers(0, 2, 100))
    else:
        y = (x > 0).astype(float)
        x = np.maximum(x, 0) if kind == "quasi" else x
    one = target(y, np.arange(100) < 95 if kind != "dummy" else np.arange(100) > -1, x.astype(float), n_categories=2)
    with pytest.raises(ImputationError, match="x1 of 'y' tell its categories apart"):
        jm.methods.Logistic()(one, rng)


def test_dummies_centre_on_the_mean_of_the_cluster():
    """Without other predictors imputations of a cluster have its observed mean, and the variance of a t distribution."""
    rng = np.random.default_rng(12)
    codes = np.repeat([0, 1, 2], [6, 8, 7])
    y = np.array([10.0, 0, -10])[codes] + rng.normal(size=21)
    observed = ~np.isin(np.arange(21), [0, 7, 20])
    one = target(y, observed, np.empty((21, 0)), codes)
    means = np.array([y[observed & (codes == j)].mean() for j in range(3)])
    s2 = np.sum((y - means[codes])[observed] ** 2) / 15
    draws = np.array([jm.methods.Dummies()(one, rng) for _ in range(6000)])
    variance = s2 * (1 + 1 / np.array([5, 7, 6])) * 15 / 13
    assert np.abs(z_scores(draws, means, np.diag(variance))).max() < LIMIT


def test_dummies_of_other_methods():
    rng = np.random.default_rng(13)
    codes = np.repeat(np.arange(4), 25)
    x = rng.normal(size=100)
    y = 5.0 * codes + x
    one = target(y, rng.random(100) < 0.7, x, codes)
    matched = jm.methods.Dummies("pmm", donors=1)(one, rng)
    assert np.isin(matched, y[one.observed]).all()
    assert np.abs(matched - y[one.missing]).max() < 2
    two = target((rng.random(100) < 0.5).astype(float), one.observed, x, codes, n_categories=2)
    assert set(jm.methods.Dummies("logistic")(two, rng)) <= {0.0, 1.0}


@pytest.mark.parametrize(("method", "n_categories"), [("norm", 2), ("logistic", 0)])
def test_dummies_suit_the_kind_of_a_variable(method, n_categories):
    one = target(np.arange(8) % 2, np.arange(8) < 6, np.empty((8, 0)), n_categories=n_categories)
    with pytest.raises(ImputationError, match="which Dummies\\(.*\\) cannot impute"):
        jm.methods.Dummies(method)(one, np.random.default_rng(0))


def test_dummies_cannot_impute_systematic_clusters():
    codes = np.repeat([0, 1, 2], 5)
    one = target(np.arange(15.0), codes != 1, np.empty((15, 0)), codes)
    with pytest.raises(ImputationError, match=r"'y' is not observed in 1 cluster\(s\): c1"):
        jm.methods.Dummies()(one, np.random.default_rng(0))


def test_too_few_values_and_collinear_predictors_are_errors():
    rng = np.random.default_rng(14)
    x = rng.normal(size=(10, 2))
    with pytest.raises(ImputationError, match="2 observed values for 3 coefficients"):
        draw_linear(np.column_stack([np.ones(2), x[:2]]), np.ones(2), "y", ("Intercept", "a", "b"), rng)
    double = np.column_stack([np.ones(10), x[:, 0], 2 * x[:, 0]])
    for draw in (draw_linear, draw_logistic):
        with pytest.raises(ImputationError, match="Predictor 'b' of 'y' is constant or a combination"):
            draw(double, np.arange(10) % 2, "y", ("Intercept", "a", "b"), rng)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jm.methods.Pmm(donors=0), "donors must be a whole number"),
        (lambda: jm.methods.Pmm(matching=3), "matching must be 0, 1 or 2"),
        (lambda: jm.methods.Dummies("mixed"), "Dummies are for 'norm', 'pmm' or 'logistic'"),
        (lambda: jm.methods.Level2Pmm(donors=1.5), "donors must be a whole number"),
    ],
)
def test_options_are_checked(make, message):
    with pytest.raises(ImputationError, match=message):
        make()

"""Methods for more than two categories: coefficients as fitted elsewhere, and draws that follow them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import MNLogit

import jmimpute as jm
from jmimpute.chained.categorical import fit_multinomial
from jmimpute.errors import ImputationError
from tests.chained.targets import target


def orthogonal(rng, n=300):
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return np.linalg.qr(x)[0] * np.sqrt(n)


def test_multinomial_logits_are_those_of_statsmodels():
    rng = np.random.default_rng(1)
    x = orthogonal(rng)
    codes = np.argmax(x @ rng.normal(size=(3, 4)) + rng.gumbel(size=(300, 4)), axis=1)
    estimate, information = fit_multinomial(x, codes, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MNLogit(codes, x).fit(method="newton", maxiter=50, disp=False)
    assert estimate == pytest.approx(np.asarray(fit.params).T.ravel(), abs=1e-6)
    assert information == pytest.approx(-fit.model.hessian(np.asarray(fit.params)), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("method", [jm.methods.Polytomous(), jm.methods.ProportionalOdds()])
def test_shares_without_predictors_are_those_observed(method):
    """Many observed values, so that shares of imputed ones differ from theirs by chance only."""
    codes = np.repeat([0, 1, 2, 0], [5000, 3000, 2000, 4000])
    one = target(codes, np.arange(14000) < 10000, np.empty((14000, 0)), n_categories=3)
    draws = np.concatenate([method(one, np.random.default_rng(seed)) for seed in range(10)])
    shares = np.bincount(draws.astype(int), minlength=3) / draws.size
    # Standard deviation at most 0.005 / sqrt(10) of the parameters and 0.0025 of the draws: 5 sd.
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


@pytest.mark.parametrize("method", [jm.methods.Polytomous(), jm.methods.ProportionalOdds()])
def test_parameters_are_drawn(method):
    """With 30 observed values shares of 2000 imputed ones vary between draws as the estimates do."""
    codes = np.concatenate([np.repeat([0, 1, 2], [15, 9, 6]), np.zeros(2000, dtype=int)])
    one = target(codes, np.arange(2030) < 30, np.empty((2030, 0)), n_categories=3)
    shares = np.array([np.mean(method(one, np.random.default_rng(seed)) == 0) for seed in range(300)])
    # Binomial variance of 30 values, 0.25 / 30, and that of 2000 draws; the sd of 300 is known to 4 %.
    assert shares.std() == pytest.approx(np.sqrt(0.25 / 30 + 0.25 / 2000), rel=0.2)


@pytest.mark.parametrize("method", [jm.methods.Polytomous(), jm.methods.ProportionalOdds()])
def test_categories_follow_predictors(method):
    rng = np.random.default_rng(2)
    x = rng.normal(100, 3, 400)
    codes = np.digitize(x + 0.5 * rng.logistic(size=400), [98, 101])
    one = target(codes, np.arange(400) < 300, x, n_categories=3)
    drawn = method(one, rng)
    assert set(drawn) == {0.0, 1.0, 2.0}
    assert np.corrcoef(drawn, x[300:])[0, 1] > 0.8


@pytest.mark.parametrize("method", [jm.methods.Polytomous(), jm.methods.ProportionalOdds()])
def test_separated_categories_are_an_error(method):
    x = np.arange(60.0)
    one = target(np.digitize(x, [20, 40]), np.arange(60) < 55, x, n_categories=3)
    with pytest.raises(ImputationError, match="x1 of 'y' tell its categories apart"):
        method(one, np.random.default_rng(3))


def test_tables_of_categories_are_imputed_by_default():
    rng = np.random.default_rng(4)
    x = rng.normal(size=200)
    codes = np.digitize(x + rng.logistic(size=200), [-1, 1])
    data = pd.DataFrame({"x": x, "colour": pd.Categorical.from_codes(codes, ["red", "green", "blue"])})
    data["size"] = pd.Categorical.from_codes(codes[::-1].copy(), ["s", "m", "l"], ordered=True)
    data.loc[::5, "colour"] = None
    data.loc[::7, "size"] = None
    imputed = jm.chained(data, m=2, iterations=3, random_seed=1, progressbar=False)
    methods = imputed.provenance["chained"]["methods"]
    assert methods == {"colour": "Polytomous()", "size": "ProportionalOdds()"}
    assert imputed.complete(2)["size"].dtype == data["size"].dtype and not imputed.complete(2).isna().any(axis=None)

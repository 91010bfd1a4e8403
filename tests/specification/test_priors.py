"""Priors are made by functions that check them, complete a partial answer, and survive being written to JSON."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import PriorError
from jmimpute.specification import priors
from jmimpute.specification.settling import concrete

CHOICES = {
    "default": priors.default(),
    "jomo": priors.jomo(),
    "mixed": priors.Priors(priors.flat(), priors.lkj(2, 3), priors.inverse_wishart(7, [[2, 0.5], [0.5, 1]]), priors.normal(2)),
    "flat": priors.Priors(priors.normal(1), priors.flat(), priors.flat(), priors.flat()),
    "hierarchical": priors.Priors(priors.flat(), priors.hierarchical(), priors.lkj(), priors.flat()),
    "as said": priors.Priors(
        priors.flat(), priors.hierarchical(12, 5, [[2, 0.5], [0.5, 1]], relative=False), priors.lkj(), priors.flat()
    ),
    "log-sd": priors.Priors(priors.flat(), priors.heterogeneous("log-sd", 0.3, 2), priors.lkj(), priors.flat()),
}


@pytest.mark.parametrize("name", CHOICES)
def test_round_trip_through_json(name):
    again = priors.from_record(json.loads(json.dumps(priors.to_record(CHOICES[name]))))
    assert again == CHOICES[name]
    assert (str(again.Omega_e), str(again.Omega_u)) == (str(CHOICES[name].Omega_e), str(CHOICES[name].Omega_u))


def test_resolve_completes_the_default():
    assert priors.resolve(None) == priors.default()
    assert priors.resolve(priors.jomo()) == priors.jomo()
    found = priors.resolve({"Omega_u": priors.lkj(eta=4)})
    assert found.Omega_u == priors.LKJ(4.0, 1.0)
    assert (found.beta, found.Omega_e) == (priors.default().beta, priors.default().Omega_e)


def test_what_the_presets_are():
    expected = priors.Priors(priors.Normal(5.0), priors.LKJ(1.0, 1.0), priors.LKJ(2.0, 1.0), priors.Normal(5.0))
    assert concrete(priors.default()) == expected == concrete(expected, has_latents=True)
    assert concrete(priors.default(), "cluster-specific") == expected
    assert concrete(priors.default(), "random") == replace(expected, Omega_e=priors.hierarchical())
    jomo = priors.jomo()
    assert jomo.beta == jomo.cutpoints == priors.Flat()
    assert str(jomo.Omega_e) == str(jomo.Omega_u) == "as in jomo"
    for covariance, df in (("common", -1), ("cluster-specific", 0)):
        assert concrete(jomo, covariance, has_latents=True).Omega_e == priors.Flat()
        assert concrete(jomo, covariance, has_latents=False).Omega_e == priors.InverseWishart(df, 1.0)
    for has_latents in (False, True):
        random = concrete(jomo, "random", has_latents).Omega_e
        assert (random.eta_for(3), random.df_for(3), random.scale, random.relative) == (3, 4, 1.0, False)
    level_2 = concrete(jomo).Omega_u
    assert level_2.degrees(3) == 3
    np.testing.assert_array_equal(level_2.scale_matrix(3), np.eye(3))
    assert concrete(jomo, has_latents_at_level_2=True).Omega_u == priors.Flat()


def test_inverse_wishart_scale():
    np.testing.assert_array_equal(priors.inverse_wishart(5, 2.5).scale_matrix(2), 2.5 * np.eye(2))
    given = np.array([[2, 0.5], [0.5, 1]])
    np.testing.assert_array_equal(priors.inverse_wishart(scale=given).scale_matrix(2), given)
    with pytest.raises(PriorError, match=r"shape \(2, 2\); this model needs \(3, 3\)"):
        priors.inverse_wishart(scale=given).scale_matrix(3)


def test_scale_on_the_standardised_scale():
    """Quadratic forms of the precision in the exponent of the density are the same on both scales."""
    rng = np.random.default_rng(1)
    half, k = rng.normal(size=(3, 3)), np.tril(rng.normal(size=(3, 3))) + 2 * np.eye(3)
    prior = priors.inverse_wishart(5, half @ half.T + np.eye(3))
    found = prior.standard_scale(k)
    np.testing.assert_array_equal(found, found.T)
    omega = np.cov(rng.normal(size=(3, 9)))
    original = np.trace(prior.scale_matrix(3) @ np.linalg.inv(k @ omega @ k.T))
    assert np.trace(found @ np.linalg.inv(omega)) == pytest.approx(original)


@pytest.mark.parametrize(
    ("prior", "eta", "df"),
    [
        (priors.hierarchical(), 13, 4),
        (priors.hierarchical(relative=False), 3, 4),
        (priors.hierarchical(eta=7, df=9), 7, 9),
    ],
)
def test_degrees_of_freedom_of_a_hierarchical_prior(prior, eta, df):
    assert (prior.eta_for(3), prior.df_for(3)) == (eta, df)
    np.testing.assert_array_equal(prior.scale_matrix(3), np.eye(3))


def test_hierarchical_priors_in_words():
    assert str(priors.hierarchical()) == (
        "inverse-Wishart(a, A); a ~ chi-square(dimension + 10), A ~ Wishart(df dimension + 1, scale a / df x 1 x identity) on "
        "the standardised scale"
    )
    assert str(priors.hierarchical(4, 5, np.eye(2), relative=False)) == (
        "inverse-Wishart(a, A); a ~ chi-square(4), A ~ Wishart(df 5, scale given matrix) on the original scale"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: priors.hierarchical(eta=0), "eta must be a positive number, not 0"),
        (lambda: priors.hierarchical(df="many"), "df must be a positive number, not 'many'"),
        (lambda: priors.hierarchical(scale=[[1, 2], [2, 1]]), "hierarchical prior's scale must be a positive number or"),
        (lambda: priors.hierarchical(scale="identity"), "hierarchical prior's scale must hold numbers"),
        (lambda: priors.hierarchical(relative="yes"), "relative must be True or False, not 'yes'"),
        (lambda: priors.hierarchical(df=1.5).df_for(3), "df 1.5; with 3 coordinates it needs more than 2. Leave df out"),
        (lambda: priors.hierarchical(scale=np.eye(2)).scale_matrix(3), r"shape \(2, 2\); this model needs \(3, 3\)"),
        (lambda: priors.heterogeneous("sd"), "no heterogeneous prior of kind 'sd'; available: 'log-sd'"),
        (lambda: priors.heterogeneous("log-sd", spread=0), "spread must be a positive number"),
        (lambda: priors.heterogeneous("log-sd", eta=-1), "eta must be a positive number"),
        (lambda: priors.normal(0), "sd must be a positive number, not 0"),
        (lambda: priors.normal(-1), "sd must be a positive number"),
        (lambda: priors.normal(np.nan), "sd must be a positive number"),
        (lambda: priors.normal("5"), "sd must be a positive number, not '5'"),
        (lambda: priors.lkj(eta=0), "eta must be a positive number"),
        (lambda: priors.lkj(sd=np.inf), "sd must be a positive number, not inf"),
        (lambda: priors.inverse_wishart(df="many"), "df must be a number, not 'many'"),
        (lambda: priors.inverse_wishart(df=np.nan), "df must be a number"),
        (lambda: priors.inverse_wishart(scale=0), "scale must be a positive number"),
        (lambda: priors.inverse_wishart(scale="identity"), "scale must hold numbers"),
        (lambda: priors.inverse_wishart(scale=[1, 2]), "symmetric positive definite"),
        (lambda: priors.inverse_wishart(scale=[[1, 2], [3, 9]]), "symmetric positive definite"),
        (lambda: priors.inverse_wishart(scale=[[1, 2], [2, 1]]), "symmetric positive definite"),
        (lambda: priors.inverse_wishart(scale=[[1, 0], [0, np.nan]]), "symmetric positive definite"),
        (
            lambda: priors.resolve({"omega_e": priors.lkj()}),
            "no parameter 'omega_e'. .*'Omega_e', 'Omega_u' or 'cutpoints'",
        ),
        (lambda: priors.resolve({"beta": priors.lkj()}), r"'beta' must be made by jm.priors.flat\(\) or jm.priors.normal\(\)"),
        (lambda: priors.resolve({"Omega_u": priors.hierarchical()}), r"'Omega_u' must be made by jm.priors.lkj\(\) or"),
        (lambda: priors.resolve({"Omega_u": 2.0}), r"'Omega_u' must be made by .*, not 2.0"),
        (
            lambda: priors.resolve({"cutpoints": priors.lkj()}),
            r"'cutpoints' must be made by jm.priors.flat\(\) or",
        ),
        (lambda: priors.resolve(priors.Priors(1, 2, 3, 4)), "'beta' must be made by"),
        (lambda: priors.resolve("jomo"), "must be made by jm.priors or given as a dict"),
        (lambda: priors.from_record({"beta": {"prior": "Cauchy", "sd": 1}}), "of kind 'Cauchy'; known: 'Flat'"),
        (lambda: priors.from_record({"beta": {"sd": 1}}), "of kind None"),
        (lambda: priors.from_record({"beta": 3}), "of kind None"),
        (lambda: priors.from_record({"beta": {"prior": "Normal", "scale": 1}}), "'beta' cannot be read"),
        (lambda: priors.from_record({"beta": {"prior": "Normal", "sd": -1}}), "sd must be a positive number"),
        (lambda: priors.from_record(["beta"]), "must be written by name"),
    ],
)
def test_refused(make, message):
    with pytest.raises(PriorError, match=message):
        make()


def simulated(n=60):
    rng = np.random.default_rng(1)
    y = rng.normal([100, 0.5], [20, 0.1], size=(n, 2))
    y[:5, 0] = np.nan
    return pd.DataFrame(y, columns=["a", "b"]).assign(g=np.arange(n) % 12)


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_an_inverse_wishart_prior_means_what_it_says_on_the_original_scale():
    """With degrees of freedom far beyond the rows, the posterior mean is that of the prior: scale / (df - p - 1)."""
    omega_e, omega_u = np.array([[900.0, 2.0], [2.0, 0.09]]), np.array([[50.0, -0.5], [-0.5, 0.02]])
    chosen = {
        "Omega_e": jm.priors.inverse_wishart(1e6 + 3, omega_e * 1e6),
        "Omega_u": jm.priors.inverse_wishart(1e6 + 3, omega_u * 1e6),
    }
    model = jm.JointModel("a + b ~ 1 + (1 | g)", simulated(), priors=chosen)
    posterior = model.fit(100, 200, 2, random_seed=1, progressbar=False).posterior
    for name, expected in (("Omega_e", omega_e), ("Omega_u", omega_u)):
        found = posterior[name].mean(("chain", "draw")).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=0.01, atol=1e-3 * np.sqrt(np.prod(np.diag(expected))))

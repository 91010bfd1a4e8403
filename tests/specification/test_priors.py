"""Priors are made by functions that check them, complete a partial answer, and survive being written to JSON."""

import json

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import PriorError
from jmimpute.specification import priors

CHOICES = {
    "default": priors.default(),
    "jomo": priors.jomo(),
    "mixed": priors.Priors(priors.flat(), priors.lkj(2, 3), priors.inverse_wishart(7, [[2, 0.5], [0.5, 1]]), priors.normal(2)),
    "flat": priors.Priors(priors.normal(1), priors.flat(), priors.lkj(), priors.flat()),
}


@pytest.mark.parametrize("name", CHOICES)
def test_round_trip_through_json(name):
    again = priors.from_record(json.loads(json.dumps(priors.to_record(CHOICES[name]))))
    assert again == CHOICES[name]
    assert str(again.Omega_u) == str(CHOICES[name].Omega_u)


def test_resolve_completes_the_default():
    assert priors.resolve(None) == priors.default()
    assert priors.resolve(priors.jomo()) == priors.jomo()
    found = priors.resolve({"Omega_u": priors.lkj(eta=4)})
    assert found.Omega_u == priors.LKJ(4.0, 1.0)
    assert (found.beta, found.Omega_e) == (priors.default().beta, priors.default().Omega_e)


def test_what_the_presets_are():
    expected = priors.Priors(priors.Normal(5.0), priors.LKJ(1.0, 1.0), priors.LKJ(2.0, 1.0), priors.Normal(5.0))
    assert priors.default() == expected == priors.concrete(expected, has_latents=True)
    jomo = priors.jomo()
    assert jomo.beta == jomo.cutpoints == priors.Flat()
    assert str(jomo.Omega_e) == "as in jomo"
    assert priors.concrete(jomo, has_latents=True).Omega_e == priors.Flat()
    assert priors.concrete(jomo, has_latents=False).Omega_e.degrees(3) == -1
    assert jomo.Omega_u.degrees(3) == 3
    np.testing.assert_array_equal(jomo.Omega_u.scale_matrix(3), np.eye(3))


def test_inverse_wishart_scale():
    np.testing.assert_array_equal(priors.inverse_wishart(5, 2.5).scale_matrix(2), 2.5 * np.eye(2))
    given = np.array([[2, 0.5], [0.5, 1]])
    np.testing.assert_array_equal(priors.inverse_wishart(scale=given).scale_matrix(2), given)
    with pytest.raises(PriorError, match=r"shape \(2, 2\); this model needs \(3, 3\)"):
        priors.inverse_wishart(scale=given).scale_matrix(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
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
        (lambda: priors.resolve({"Omega_u": priors.flat()}), r"'Omega_u' must be made by jm.priors.lkj\(\) or"),
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

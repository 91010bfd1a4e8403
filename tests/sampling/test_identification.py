"""What a posterior says of rho: numbers that are known, and each trigger of the alarm by itself."""

import re
import warnings

import numpy as np
import pytest
import xarray as xr

import jmimpute as jm
from jmimpute.errors import IdentificationWarning, SamplingError
from jmimpute.sampling.identification import identify
from tests.specification.test_identifiability import made, table

SHAPE = 4, 1000
FRAME = table(sites=10)


def posterior(model, rho, sigma=2.0, ridge=0.0):
    """Draws of rho, with coefficients that move along with it or not."""
    layout = model.specification.layout
    rng = np.random.default_rng(0)
    beta = rng.normal(size=(*SHAPE, len(layout.responses), len(layout.covariates)))
    beta[:, :, 0, layout.covariates.index("Intercept")] += ridge * rho
    sd = np.full((*SHAPE, len(layout.responses)), sigma)
    dims = ("chain", "draw")
    return xr.Dataset(
        {"beta": ((*dims, "response", "covariate"), beta), "sd_e": ((*dims, "response"), sd), "rho_y": (dims, rho)},
        {"response": list(layout.responses), "covariate": list(layout.covariates)},
    )


def identified(rho, prior=None, exclude="z", **arguments):
    model = made(FRAME, exclude, rho=prior)
    return identify(posterior(model, rho, **arguments), model.specification)


def normal(mean, sd, seed=1):
    return np.clip(np.random.default_rng(seed).normal(mean, sd, SHAPE), -0.999, 0.999)


def test_a_narrow_posterior_was_learnt():
    found = identified(normal(0.4, 0.1))
    row = found.table.loc["y"]
    assert found.ok and "The data tell rho of 'y'" in str(found)
    # of 4000 draws, with errors below 0.01; uniform(-1, 1) has the variance 1/3
    np.testing.assert_allclose(row[["mean", "sd", "low", "high"]].astype(float), [0.4, 0.1, 0.204, 0.596], atol=0.02)
    assert row["prior"] == "uniform(-1, 1)" and row["prior_sd"] == pytest.approx(3**-0.5)
    assert row["contraction"] == pytest.approx(1 - 3 * 0.1**2, abs=0.003)
    assert row["ess"] > 2000 and row["r_hat"] < 1.01
    assert row[["negative", "far", "at_ends"]].max() < 0.01


def test_phi_is_the_slope_on_the_value():
    rho = np.full(SHAPE, 0.6) + normal(0, 1e-6)
    row = identified(rho, sigma=2.0).table.loc["y"]
    np.testing.assert_allclose(row[["phi", "phi_low", "phi_high"]].astype(float), 0.6 / (2 * 0.8), rtol=1e-4)


TRIGGERS = {
    "contraction": ({"rho": normal(0, 0.35)}, "contraction of its variance is 0.6"),
    "far": ({"rho": normal(0.85, 0.05)}, "8. % of the draws are beyond -0.8 and 0.8"),
    "ess": ({"rho": np.repeat(normal(0.2, 0.1)[:, ::100], 100, axis=1)}, "effective sample size is .., below 100"),
    "nothing excluded": ({"rho": normal(0.2, 0.1), "exclude": []}, "nothing is excluded from the equation"),
    "one-sided prior": ({"rho": normal(-0.5, 0.2), "prior": jm.priors.uniform(-1, 0)}, "its variance is 0.5"),
}


@pytest.mark.parametrize(("arguments", "message"), TRIGGERS.values(), ids=TRIGGERS)
def test_each_trigger_alone_raises_the_alarm(arguments, message):
    found = identified(**arguments)
    assert not found.ok
    (text,) = found.messages
    assert re.search(message, text) and ";" not in text, "one trigger only"
    values = "-0.8, -0.65, -0.5, -0.35, -0.2, 0" if "prior" in arguments else "-0.6, -0.3, 0, 0.3, 0.6"
    assert f'jm.sensitivity(model, "y", rho=[{values}], analysis=...)' in text


def test_draws_at_the_ends_of_the_prior_are_counted():
    rho = np.tile([-0.99, -0.5, -0.01, -0.2], (4, 250))
    row = identified(rho, jm.priors.uniform(-1, 0)).table.loc["y"]
    assert row["at_ends"] == 0.5 and row["negative"] == 1 and row["far"] == 0.25


def test_the_ridge_with_the_mean_is_shown():
    flat, ridge = (identified(normal(0.2, 0.2), ridge=slope).table.loc["y"] for slope in (0, -50))
    assert abs(flat["corr_intercept"]) < 0.1 and abs(flat["corr_mean"]) < 0.1
    assert ridge["corr_intercept"] < -0.99 and ridge["corr_mean"] < -0.98


def test_the_mean_is_that_of_all_rows():
    """Where the coefficient of x moves along with rho, so does the mean over rows, if x has another mean than 0."""
    shifted = FRAME.assign(x=FRAME["x"] + 40)
    model = made(shifted, "z")
    rho = normal(0.2, 0.2)
    draws = posterior(model, rho)
    draws["beta"].loc[{"response": "y", "covariate": "x"}] = 5 * rho
    row = identify(draws, model.specification).table.loc["y"]
    assert row["corr_mean"] > 0.99 and abs(row["corr_intercept"]) < 0.1
    draws["beta"].loc[{"response": "y", "covariate": "Intercept"}] = -5 * 40 * rho
    assert abs(identify(draws, model.specification).table.loc["y", "corr_mean"]) < 0.999


def test_rho_that_is_held_is_said_to_be():
    found = identified(np.full(SHAPE, -0.3), -0.3)
    assert found.ok and found.messages == ("rho of 'y' is held at -0.3: it says what is assumed, not what was learnt.",)
    row = found.table.loc["y"]
    assert row["mean"] == pytest.approx(-0.3) and np.isnan(row[["contraction", "ess", "far", "corr_mean"]].astype(float)).all()
    assert "nan" in str(found)


@pytest.mark.sampling
def test_fits_warn_of_a_rho_that_the_data_do_not_tell():
    """z says next to nothing; the posterior of rho is about as wide as its prior."""
    model = made(table(0.0, sites=4, size=60), "z", formulas="y ~ x", clusters="")
    with warnings.catch_warnings(record=True) as caught:  # which may be of convergence too
        warnings.simplefilter("always")
        fit = model.fit(draws=400, tune=300, chains=2, random_seed=1, progressbar=False)
    (message,) = [str(warning.message) for warning in caught if issubclass(warning.category, IdentificationWarning)]
    assert "rho of 'y' is weakly identified" in message
    assert fit.identification().table.loc["y", "contraction"] < 0.7


def test_models_without_selection_have_no_rho():
    from jmimpute.fit import Fit

    model = jm.JointModel("y ~ x", FRAME)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset()})
    with pytest.raises(SamplingError, match="no selection submodel, and so no rho"):
        Fit(model, tree, 1, {}).identification()

"""Posteriors against long chains of the R package jomo, same data and priors, within Monte Carlo error.

Every mean and standard deviation of a free element of beta, Omega_e and Omega_u is compared with the reference by

    z = (ours - theirs) / sqrt(mcse_ours^2 + mcse_theirs^2),

which is about standard normal if both samplers are right.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.sampling.elements import elements

REFERENCE = Path(__file__).parents[1] / "reference"
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "JSPmiss.csv"
PARAMETERS = ("beta", "Omega_e", "Omega_u")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sampling,
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there: JSPmiss is part of jomo (GPL) and not shipped with us"),
]


def compare(fit, reference):
    """Differences to the reference in units of their Monte Carlo error, one row an element."""
    names = tuple(name for name in PARAMETERS if name in fit.posterior)
    ours = fit.summary(names)
    theirs = pd.DataFrame(reference).T
    assert set(ours.index) == set(theirs.index)
    # The reference states the error of a standard deviation for a normal variable.
    tails = np.sqrt((pd.Series({label: kurtosis(draws) for label, draws in elements(fit.posterior, names)}) - 1) / 2)
    table = pd.DataFrame({"mean": ours["mean"], "mean_jomo": theirs["mean"], "sd": ours["sd"], "sd_jomo": theirs["sd"]})
    table["z_mean"] = (ours["mean"] - theirs["mean"]) / np.hypot(ours["mcse_mean"], theirs["mcse"])
    table["z_sd"] = (ours["sd"] - theirs["sd"]) / np.hypot(ours["mcse_sd"], theirs["mcse_sd"] * tails)
    return table


def kurtosis(draws):
    """Fourth standardised moment; 3 for a normal variable."""
    return float((((draws - draws.mean()) / draws.std()) ** 4).mean())


def test_categories_equal_jomo():
    """A three-category response beside two continuous ones; the reference is jomo without its box for latents."""
    reference = json.loads((REFERENCE / "jsp_a4_two_level_mixed_corrected.json").read_text())
    families = {"fluent": "nominal"}
    model = jm.JointModel(reference["formula"], pd.read_csv(DATA), families=families, priors=jm.priors.jomo())
    fit = model.fit(20_000, 500, 4, random_seed=1, keep_latents=0, progressbar=False)
    check(compare(fit, reference["posterior"]))


@pytest.mark.parametrize(
    ("name", "draws", "target_accept"),
    [
        ("jsp_a1_single_level", 250_000, 0.8),
        ("jsp_a2_two_level_common", 100_000, 0.8),
        # The slopes' variances may nearly vanish: with 0.95 a draw or two in 100 000 diverge, which moves no mean.
        ("jsp_a3_two_level_slope", 30_000, 0.99),
    ],
)
def test_posterior_equals_jomo(name, draws, target_accept):
    reference = json.loads((REFERENCE / f"{name}.json").read_text())
    model = jm.JointModel(reference["formula"], pd.read_csv(DATA), priors=jm.priors.jomo())
    fit = model.fit(draws, 1000, 4, random_seed=1, target_accept=target_accept, progressbar=False)
    check(compare(fit, reference["posterior"]))


def check(table):
    """Differences are as large as Monte Carlo error makes them."""
    z = table[["z_mean", "z_sd"]].to_numpy()
    rms = np.sqrt((z**2).mean(axis=0))
    verdict = f"largest |z| {np.abs(z).max(axis=0).round(2)}, rms {rms.round(2)} (means, sds)\n{table.round(3).to_string()}"
    print(verdict)
    assert np.all(np.abs(z) < 4.0), verdict
    assert np.all(rms < 1.4), verdict

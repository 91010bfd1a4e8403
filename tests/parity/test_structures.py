"""Posteriors with a covariance matrix for each cluster, and with a level-2 response, against chains of R's jomo.

jomo departs from its own model where the degrees of freedom of schools' matrices are drawn and where a level-2 response has a
mean. There a plain Gibbs sampler stands between: with the same departures it agrees with jomo, without them with us. What moves
the averages of schools' matrices, by 0.6 %, are degrees of freedom cut to integers.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.sampling.diagnostics import of_draws
from jmimpute.sampling.elements import elements
from tests.parity import plain_gibbs
from tests.parity.comparing import assert_equal, kurtosis

REFERENCE = Path(__file__).parents[1] / "reference"
DATA = Path(__file__).parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sampling,
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there: data of jomo (GPL) are not shipped with us"),
]

REFERENCES = {"cluster-specific": "jsp_a5_hr_fixed", "random": "jsp_a5_hr_random", "level 2": "examscores_b_level2"}
RESPONSES = {"random": ["english", "ravens"], "level 2": ["normexam", "standlrt"]}
DEPARTED = ["random", "level 2"]


@cache
def reference(case):
    return json.loads((REFERENCE / f"{REFERENCES[case]}.json").read_text())


def data(case):
    if case == "level 2":
        return pd.read_csv(DATA / "ExamScores.csv").assign(girl=lambda d: (d["sex"] == "girl").astype(float))
    return pd.read_csv(DATA / "JSPmiss.csv")


@cache
def ours(case):
    """Draws of free elements, shape (chains, draws)."""
    options = {"level2": "avslrt ~ 1"} if case == "level 2" else {"covariance": case}
    model = jm.JointModel(reference(case)["formula"], data(case), priors=jm.priors.jomo(), **options)
    posterior = model.fit(25_000, 1000, 4, random_seed=1, progressbar=False).posterior
    if case == "level 2":
        return dict(elements(posterior, ("beta", "Omega_e", "Omega_u", "beta_level2")))
    return dict(elements(posterior, ("beta", "Omega_u"))) | averages(posterior["Omega_e"].to_numpy())


@cache
def plain(case, departures):
    """The same of the plain sampler."""
    runs = [plain_run(case, departures, seed) for seed in (1, 2)]
    return {label: np.concatenate([run[label] for run in runs]) for label in runs[0]}


def plain_run(case, departures, seed):
    frame, names = data(case), RESPONSES[case]
    predictor, level2 = ("girl", ["avslrt"]) if case == "level 2" else ("sex", [])
    y, x = frame[names].to_numpy(), np.column_stack([np.ones(len(frame)), frame[predictor]])
    w = frame.groupby("school")[level2].first().to_numpy() if level2 else None
    options = {"random": case == "random", "departures": departures, "draws": 8000, "seed": seed}
    draws = plain_gibbs.sample(y, x, frame["school"].to_numpy(), w, **options)
    result = lower_triangle("Omega_u", draws["Omega_u"], [f"{name}|Intercept" for name in names] + level2)
    for k, column in enumerate(["Intercept", predictor]):
        result |= {f"beta[{name}, {column}]": draws["beta"][..., k, r] for r, name in enumerate(names)}
    result |= {f"beta_level2[{name}, Intercept]": draws["beta_level2"][..., r] for r, name in enumerate(level2)}
    omega = draws["Omega_e"]
    return result | (lower_triangle("Omega_e", omega[:, :, 0], names) if level2 else averages(omega))


def lower_triangle(variable, values, names):
    return {f"{variable}[{a}, {b}]": values[..., i, k] for i, a in enumerate(names) for k, b in enumerate(names[: i + 1])}


def averages(omega):
    """Averages over schools of what their matrices are, as the references have them."""
    english, both, ravens = omega[..., 0, 0], omega[..., 1, 0], omega[..., 1, 1]
    return {
        "mean_j omega_e[english,english]": english.mean(-1),
        "mean_j omega_e[ravens,english]": both.mean(-1),
        "mean_j omega_e[ravens,ravens]": ravens.mean(-1),
        "mean_j log omega_e[english,english]": np.log(english).mean(-1),
        "mean_j log omega_e[ravens,ravens]": np.log(ravens).mean(-1),
        "mean_j cor_e[ravens,english]": (both / np.sqrt(english * ravens)).mean(-1),
    }


def summary(draws):
    return of_draws(draws)[["mean", "mcse_mean", "sd", "mcse_sd"]]


def of_jomo(case, draws):
    """Summaries of jomo's chains; the errors of its sds are stated for normal variables, which `draws` correct."""
    tails = pd.Series({label: np.sqrt((kurtosis(values) - 1) / 2) for label, values in draws.items()})
    table = pd.DataFrame(reference(case)["posterior"]).T.rename(columns={"mcse": "mcse_mean"})
    return table.assign(mcse_sd=table["mcse_sd"] * tails)[["mean", "mcse_mean", "sd", "mcse_sd"]]


def test_cluster_covariances_equal_jomo():
    draws = ours("cluster-specific")
    assert_equal(summary(draws), of_jomo("cluster-specific", draws))


@pytest.mark.parametrize(
    ("case", "untouched"),
    [("random", ("beta[", "Omega_u[")), ("level 2", ("beta[normexam, girl]", "beta[standlrt, girl]", "Omega_e["))],
)
def test_where_departures_do_not_reach_we_equal_jomo(case, untouched):
    draws = {label: values for label, values in ours(case).items() if label.startswith(untouched)}
    assert_equal(summary(draws), of_jomo(case, draws).loc[list(draws)])


@pytest.mark.parametrize("case", DEPARTED)
def test_the_plain_sampler_with_departures_equals_jomo(case):
    draws = plain(case, plain_gibbs.JOMO)
    assert_equal(summary(draws), of_jomo(case, draws))


@pytest.mark.parametrize("case", DEPARTED)
def test_we_equal_the_plain_sampler(case):
    assert_equal(summary(ours(case)), summary(plain(case, plain_gibbs.EXACT)))

"""Posteriors with categorical responses: our sampler, the plain Gibbs sampler, and long chains of the R package jomo.

jomo draws latents inside (-3, 4) only. References called "corrected" are of a build without this box.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.case import read_case
from jmimpute.workflow import categorised
from tests.parity.comparing import assert_equal, of_jomo, summary

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "reference"
DATA = ROOT.parent / "shared" / "data"
JSP, BOXED = DATA / "JSPmiss.csv", DATA / "sim_latent_truncation.csv"
FORMULA = "english + ravens + fluent ~ sex + (1 | school)"
BOX = (-3.0, 4.0)
TRUE_SLOPE = -8.66  # covariance of y and each latent in `BOXED`

pytestmark = [pytest.mark.slow, pytest.mark.sampling]
needs_data = pytest.mark.skipif(
    not (JSP.exists() and BOXED.exists()),
    reason=f"{JSP} or {BOXED} is not there: JSPmiss is part of jomo (GPL) and not shipped",
)


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text())


@cache
def fit_jsp(sampler, bounds=None):
    """JSPmiss with jomo's priors; the Gibbs sampler needs more iterations."""
    model = jm.JointModel(
        FORMULA, pd.read_csv(JSP), families={"fluent": "nominal"}, priors=jm.priors.jomo(), latent_bounds=bounds
    )
    draws, tune, chains, thin = (20_000, 500, 4, 1) if sampler == "compiled" else (50_000, 5_000, 2, 5)
    return model.fit(
        draws, tune, chains, thin=thin, random_seed=1, sampler=sampler, keep_latents=0, progressbar=False
    )  # fmt: skip


@needs_data
@pytest.mark.parametrize("sampler", ["compiled", "gibbs"])
def test_jsp_equals_jomo_without_its_box(sampler):
    fit = fit_jsp(sampler)
    assert_equal(summary(fit), of_jomo(reference("jsp_a4_two_level_mixed_corrected")["posterior"], fit))


@needs_data
def test_jsp_in_the_box_equals_jomo_as_shipped():
    fit = fit_jsp("gibbs", BOX)
    assert_equal(summary(fit), of_jomo(reference("jsp_a4_two_level_mixed_as_shipped")["posterior"], fit))


@needs_data
def test_both_samplers_agree_on_jsp():
    assert_equal(summary(fit_jsp("compiled")), summary(fit_jsp("gibbs")))


@needs_data
@pytest.mark.parametrize(
    ("sampler", "bounds", "build"),
    [("compiled", None, "corrected"), ("gibbs", None, "corrected"), ("gibbs", BOX, "as_shipped")],
)
def test_the_box_inflates_variances(sampler, bounds, build):
    data = pd.read_csv(BOXED)
    model = jm.JointModel(
        "y + f ~ 1", data[["y", "f"]], families={"f": "nominal"}, priors=jm.priors.jomo(), latent_bounds=bounds
    )
    draws = 10_000 if sampler == "compiled" else 40_000
    fit = model.fit(draws, 1000, 4, random_seed=1, sampler=sampler, keep_latents=0, progressbar=False)
    ours = summary(fit)
    assert_equal(ours, of_jomo(reference("latent_truncation")[build], fit))
    slopes = ours.loc[["Omega_e[f.1, y]", "Omega_e[f.2, y]"]]
    variance = ours.loc["Omega_e[y, y]"]
    excess = (variance["mean"] - data["y"].var()) / variance["sd"]  # no value of y is missing
    if bounds is None:
        assert np.all(np.abs(slopes["mean"] - TRUE_SLOPE) < 2 * slopes["sd"])
        assert abs(excess) < 0.5
    else:
        assert excess > 1.5


def rare_category(seed=4, n_rows=800, n_clusters=20):
    """A nominal response with a category of 3 %, an ordinal one with another, and a continuous one; a fifth is missing."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n_rows) % n_clusters
    x = rng.standard_normal(n_rows)
    root = np.linalg.cholesky([[1, 0.5, 0.3, 0.2], [0.5, 1, 0.1, 0.4], [0.3, 0.1, 1, 0.5], [0.2, 0.4, 0.5, 1]])
    latent = rng.standard_normal((n_rows, 4)) @ root.T + 0.4 * rng.standard_normal((n_clusters, 4))[cluster]
    latent += np.outer(x, [0.2, 0.3, 0.4, 0.5]) + [-1.45, -0.4, 0.0, 0.0]
    best = latent[:, :2].argmax(axis=1)
    nominal = np.where(latent[np.arange(n_rows), best] > 0, best, 2)
    ordinal = np.digitize(latent[:, 2], [-0.5, 1.0, 2.3])
    table = pd.DataFrame({"f": nominal, "o": ordinal, "y": latent[:, 3]}, dtype=float)
    table = table.mask(rng.random(table.shape) < 0.2)
    assert 0.02 < (table["f"] == 0).sum() / table["f"].notna().sum() < 0.04
    assert 0.02 < (table["o"] == 3).sum() / table["o"].notna().sum() < 0.04
    return table.assign(x=x, cluster=cluster)


def test_both_samplers_agree_on_rare_categories():
    model = jm.JointModel(
        "f + o + y ~ x + (1 | cluster)", rare_category(), families={"f": "nominal", "o": "ordinal"}, priors=jm.priors.jomo()
    )
    ours = model.fit(10_000, 500, 4, target_accept=0.95, random_seed=1, keep_latents=0, progressbar=False)
    plain = model.fit(30_000, 10_000, 2, thin=20, random_seed=1, sampler="gibbs", keep_latents=0, progressbar=False)
    assert_equal(summary(ours), summary(plain))


@needs_data
def test_pooled_results_equal_jomo_without_its_box():
    """m = 100 of models/jsp.toml: estimates, within and between variances, shares of categories in completed data."""
    known, m = reference("jsp_c2_pooled_m100_corrected"), 100
    case = read_case(ROOT / "models" / "jsp.toml")
    families = case.families()
    data = categorised(pd.read_csv(JSP), families)
    model = jm.JointModel(case.model.formulas, data, families=families, priors=jm.priors.jomo())
    imputations = model.fit(random_seed=3, progressbar=False).impute(m, progressbar=False)
    analyses = imputations.analyze(case.analysis.formula)
    coefficients = pd.DataFrame([dict(zip(fit.names, fit.values, strict=True)) for fit in analyses.fits])
    errors = pd.DataFrame([dict(zip(fit.names, np.diag(fit.covariance), strict=True)) for fit in analyses.fits])
    z = {}
    for term, theirs in known["pooled"].items():
        between = coefficients[term].var()
        z[term] = (coefficients[term].mean() - theirs["estimate"]) / np.sqrt((between + theirs["between"]) / m)
        z[f"{term} between"] = np.log(between / theirs["between"]) / np.sqrt(4 / (m - 1))
        error = np.sqrt(2.0 * errors[term].var() / m)  # theirs is about as large
        z[f"{term} within"] = (errors[term].mean() - theirs["within"]) / error
    completed = pd.DataFrame([summaries(imputations.complete(k)) for k in range(1, m + 1)])
    for name, (mean, sd) in known["summaries"].items():
        z[name] = (completed[name].mean() - mean) / np.sqrt((completed[name].var() + sd**2) / m)
    z = pd.Series(z)
    print(z.round(2).to_string())
    assert z.abs().max() < 4.0
    assert np.sqrt((z**2).mean()) < 1.4


def summaries(table):
    """What the reference tells of a completed table."""
    shares = {f"P(fluent={k})": (table["fluent"] == k).mean() for k in range(3)}
    scores = table[["english", "ravens"]]
    means = {f"mean {name}": scores[name].mean() for name in scores}
    spreads = {f"sd {name}": scores[name].std() for name in scores}
    return shares | means | spreads | {"cor(english, ravens)": scores.corr().iloc[0, 1]}

"""Explained variance: against mice and mitml, and against its definitions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.explained import LOGISTIC, mixed_shares
from jmimpute.analysis.pool import combine
from jmimpute.analysis.r_squared import pool_shares
from jmimpute.errors import AnalysisError

FOLDER = Path(__file__).parents[1] / "reference"
MICE = json.loads((FOLDER / "jsp_r_squared.json").read_text())
MITML = json.loads((FOLDER / "jsp_pooling.json").read_text())["multilevel_r2"]
TABLES = Path(__file__).parents[2].parent / "shared" / "reference" / "jsp_completed_m5.csv.gz"


def single_level():
    pairs = zip(MICE["R2"], MICE["R2_adjusted"], strict=True)
    return [
        Estimates(("x",), np.ones(1), np.eye(1), n_rows=MICE["n"], r_squared={"R2": r2, "R2_adjusted": adjusted})
        for r2, adjusted in pairs
    ]


@pytest.mark.parametrize("measure", ["R2", "R2_adjusted"])
def test_equals_mice(measure):
    row = pool_shares(single_level()).set_index("measure").loc[measure]
    theirs = MICE["mice"][measure]
    np.testing.assert_allclose(row[["estimate", "fmi"]].astype(float), [theirs["estimate"], theirs["fmi"]], rtol=1e-12)
    # Their limits are 1.96 standard errors away on the scale of z, ours have the df of Rubin's rules.
    root, (low, high) = np.arctanh(np.sqrt(theirs["estimate"])), np.arctanh(np.sqrt([theirs["low"], theirs["high"]]))
    std_error, z = (high - low) / 3.92, np.arctanh(np.sqrt(MICE[measure]))
    df = 4 * (std_error**2 / (1.2 * np.var(z, ddof=1))) ** 2
    limits = np.tanh(root + np.array([-1, 1]) * t.ppf(0.975, df) * std_error) ** 2
    np.testing.assert_allclose(row[["conf_low", "conf_high"]].astype(float), limits, rtol=1e-10)


@pytest.mark.parametrize("name", MITML)
@pytest.mark.filterwarnings("ignore:.*singular")
def test_equals_mitml(name):
    if not TABLES.exists():
        pytest.skip(f"needs {TABLES}")
    frame = pd.read_csv(TABLES, dtype={"school": str, "fluent": str})
    random = "1 + I((ravens - 25) / 5)" if name == "rs1" else "1"
    formula = f"english ~ ravens + sex + fluent + ({random} | school)"
    analyses = analyze([table for _, table in frame.groupby("imputation")], formula, reml=name == "me1")
    ours = analyses.r_squared().set_index("measure")["estimate"]
    assert list(ours.index) == ["RB1", "RB2", "SB", "MVP", "marginal", "conditional"]
    # Variances agree within what the optimisers leave.
    np.testing.assert_allclose(ours[list(MITML[name])], list(MITML[name].values()), rtol=1e-6)


def test_shares_are_those_of_simulated_predictions():
    """Variances over many draws of random effects, to a Monte Carlo error of about 1 %."""
    rng = np.random.default_rng(1)
    x = rng.normal(2, 1, 400)
    Z, random = np.column_stack([np.ones(400), x]), np.array([[2.0, -0.4], [-0.4, 0.5]])
    found = mixed_shares(3 * x, Z, random, 1.5)
    drawn = rng.multivariate_normal([0, 0], random, 20000) @ Z.T
    between, fixed = (drawn**2).mean(), np.var(3 * x, ddof=1)
    np.testing.assert_allclose(found["marginal"], fixed / (fixed + between + 1.5), rtol=0.02)
    np.testing.assert_allclose(found["conditional"], (fixed + between) / (fixed + between + 1.5), rtol=0.02)
    assert found["MVP"] == pytest.approx(found["marginal"], rel=1e-3) and found["MVP"] != found["marginal"]


def test_a_random_intercept_explains_its_icc():
    found = mixed_shares(np.zeros(10), np.ones((10, 1)), np.array([[2.0]]), 6.0)
    assert found == {"MVP": 0.0, "marginal": 0.0, "conditional": 0.25}


def make_tables(flat=False):
    rng = np.random.default_rng(2)
    school, x = np.repeat(np.arange(12), 10), rng.normal(size=120)
    tables = []
    for _ in range(3):
        y = x + rng.normal(size=12)[school] + rng.normal(size=120)
        if flat:
            y = y - pd.Series(y).groupby(school).transform("mean").to_numpy()
        tables.append(pd.DataFrame({"y": y, "x": x, "yes": (y > 0) * 1, "count": rng.poisson(1.0, 120), "school": school}))
    return tables


def test_pooled_has_what_needs_no_other_fit():
    single, multi = analyze(make_tables(), "y ~ x").pool().r2, analyze(make_tables(), "y ~ x + (1 | school)").pool().r2
    assert single["measure"].tolist() == ["R2", "R2_adjusted"]
    assert single.notna().all(axis=None)
    assert multi["measure"].tolist() == ["MVP", "marginal", "conditional"]
    assert combine([Estimates(("x",), np.ones(1), np.eye(1)) for _ in range(2)]).r2.empty


def test_logistic_models_have_shares_of_the_latent_variance():
    analyses = analyze(make_tables(), "yes ~ x + (1 | school)", family="binomial")
    found = analyses.r_squared().set_index("measure")["estimate"]
    fits, tables = analyses.fits, make_tables()
    shares = []
    for fit, table in zip(fits, tables, strict=True):
        fixed = np.var(fit.values[1] * table["x"], ddof=1)
        shares.append(fixed / (fixed + fit.random.covariance[0, 0] + LOGISTIC))
    np.testing.assert_allclose(found["marginal"], np.mean(shares))


@pytest.mark.filterwarnings("ignore:.*singular")
def test_nothing_between_clusters_to_explain():
    analyses = analyze(make_tables(flat=True), "y ~ x + (1 | school)")
    with pytest.warns(match="RB2 is not defined: in imputations 1, 2, 3 the null model has no variance between clusters"):
        found = analyses.r_squared().set_index("measure")["estimate"]
    assert np.isnan(found["RB2"])
    assert found.drop("RB2").notna().all()


def test_negative_adjusted_r2_stays_negative():
    fits = [Estimates(("x",), np.ones(1), np.eye(1), n_rows=30, r_squared={"R2_adjusted": r}) for r in (-0.04, -0.02)]
    row = pool_shares(fits).loc[0]
    assert -0.04 < row["estimate"] < -0.02
    assert row["conf_low"] == 0


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("count ~ x", {"family": "poisson"}, "No measure of explained variance is defined for count ~ x"),
        ("y ~ x + (0 + x | school)", {}, "A multilevel R2 needs a random intercept"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*singular")
def test_what_has_no_r_squared(formula, options, message):
    with pytest.raises(AnalysisError, match=message):
        analyze(make_tables(), formula, **options).r_squared()


def test_tables_that_are_gone():
    with pytest.raises(AnalysisError, match="A multilevel R2 goes through the completed tables again"):
        analyze(iter(make_tables()), "y ~ x + (1 | school)").r_squared()

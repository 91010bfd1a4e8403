"""Results of other programs beside ours: as published numbers, and as imputations that mice made a moment ago."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from tests.analysis.compared import incomplete

SHARED = Path(__file__).parents[3] / "shared"
POPMIS = "popular ~ sex * texp + (1 + sex | school)"


@pytest.fixture(scope="module")
def popmis():
    """The incomplete table, and what lme4 and mice made of it."""
    if not (SHARED / "data" / "popmis.csv").exists():
        pytest.skip(f"needs ../shared/data/popmis.csv at {SHARED}")
    table = pd.read_csv(SHARED / "data" / "popmis.csv")
    return table, json.loads((SHARED / "reference" / "popmis_d_mice.json").read_text())


def renamed(term):
    return "Intercept" if term == "(Intercept)" else term


def published(result):
    """Pooled results of mitml as a table, with standard deviations in place of variances."""
    pooled = result["pooled_testEstimates"]
    columns = {"Estimate": "estimate", "Std.Error": "std_error", "df": "df", "mc_error_of_estimate": "mc_error"}
    fixed = pd.DataFrame(pooled["estimates"]).rename(columns=columns).assign(term=lambda frame: frame["parameter"].map(renamed))
    variances = {each["parameter"]: each["estimate"] for each in pooled["extra_pars"]}
    deviations = {
        "sd(Intercept|school)": math.sqrt(variances["Intercept~~Intercept|school"]),
        "sd(sex|school)": math.sqrt(variances["sex~~sex|school"]),
        "sd(residual)": math.sqrt(variances["Residual~~Residual"]),
    }
    random = pd.DataFrame({"term": deviations.keys(), "estimate": deviations.values()})
    return pd.concat([fixed[["term", *columns.values()]], random], ignore_index=True)


def test_complete_cases_of_popmis_are_those_of_lme4(popmis):
    table, reference = popmis
    given = {name: published(result) for name, result in reference["results"].items()}
    comparison = jm.compare({}, POPMIS, published=given, data=table)
    own = comparison.table.query("method == 'complete cases'").set_index("term")
    theirs = reference["complete_cases"]
    for name, value in theirs["fixef"].items():
        assert own.loc[renamed(name), "estimate"] == pytest.approx(value, rel=1e-4)
        assert own.loc[renamed(name), "std_error"] == pytest.approx(theirs["se"][name], rel=1e-3)
    assert own["rows"].unique().tolist() == [theirs["n"]]
    wide = comparison.wide()
    assert wide.columns.tolist() == ["complete cases", *given]
    assert wide.loc["texp", "2l.pan_m100_maxit2"] == "0.1105 (0.0108)"


@pytest.mark.sampling
@pytest.mark.slow
def test_the_joint_model_agrees_with_pan_on_popmis(popmis):
    """Both are the same model, but for weak priors: with 50 and 100 imputations the difference has a Monte Carlo SD of 0.08 SE.

    0.4 SE are five of them.
    """
    table, reference = popmis
    imputations = jm.impute(table, POPMIS, m=50, random_seed=1, progressbar=False)
    given = {"pan": published(reference["results"]["2l.pan_m100_maxit2"])}
    table = jm.compare({"joint": imputations}, POPMIS, published=given).differences("joint").query("method == 'pan'")
    fixed = table[table["part"] == "fixed"]
    assert len(fixed) == 4 and (fixed["in_std_errors"].abs() < 0.4).all()
    assert (fixed["std_error_ratio"].between(0.9, 1.1)).all()
    assert (fixed["mc_error"] > 0).all() and fixed["beyond_noise"].notna().all()
    random = table[table["part"] == "random"].set_index("term")
    assert random["difference"].abs().max() < 0.05 and random["beyond_noise"].isna().all()


MICE = """
suppressMessages(library(mice))
data <- read.csv("data.csv", stringsAsFactors = TRUE)
imp <- mice(data, m = 3, maxit = 2, method = c("norm", "norm", "", ""), seed = 1, printFlag = FALSE)
write.csv(complete(imp, "long", include = TRUE), "imp.csv", row.names = FALSE)
fit <- with(imp, lm(y ~ x + sex))
pooled <- summary(pool(fit))
write.csv(pooled, "pooled.csv", row.names = FALSE)
"""


def test_imputations_that_mice_just_made(tmp_path):
    if (
        shutil.which("Rscript") is None
        or subprocess.run(
            ["Rscript", "--vanilla", "-e", 'q(status = !requireNamespace("mice", quietly = TRUE))'], capture_output=True
        ).returncode
    ):
        pytest.skip("needs R with mice")
    table = incomplete().drop(columns="note")
    table.to_csv(tmp_path / "data.csv", index=False)
    done = subprocess.run(["Rscript", "--vanilla", "-e", MICE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = jm.from_tables(table, [table.fillna({"x": shift, "y": shift}) for shift in (0.0, 0.5)], cluster="school")
    theirs = jm.read_mice(tmp_path / "imp.csv", original=table, cluster="school")
    comparison = jm.compare({"ours": ours, "mice": theirs}, "y ~ x + sex")
    own = comparison.table.query("method == 'mice' and part == 'fixed'")
    pooled = pd.read_csv(tmp_path / "pooled.csv")
    np.testing.assert_allclose(own["estimate"], pooled["estimate"], rtol=1e-7)
    np.testing.assert_allclose(own["std_error"], pooled["std.error"], rtol=1e-7)
    np.testing.assert_allclose(own["df"], pooled["df"], rtol=1e-6)
    assert not any(cause.startswith("mice") for cause in comparison.causes), "how mice imputed is not known"

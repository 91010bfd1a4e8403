"""Results of other programs beside ours: as published numbers, and as imputations that mice made a moment ago."""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ExchangeError
from tests.analysis.compared import incomplete

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "reference" / "popmis_mice.json"
POPMIS = "popular ~ sex * texp + (1 + sex | school)"


@pytest.fixture(scope="module")
def popmis():
    """The incomplete table of mice."""
    try:
        return jm.datasets.fetch("popmis")
    except ExchangeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def reference():
    """What lme4 and mice made of it."""
    return json.loads(REFERENCE.read_text())


def published(result):
    """Pooled results of mitml as a table."""
    random = pd.DataFrame({"term": result["sd"].keys(), "estimate": result["sd"].values()})
    known = {name: result[name] for name in ("m", "rows", "cpu_seconds")}
    return pd.concat([pd.DataFrame(result["fixed"]), random], ignore_index=True).assign(**known)


def test_complete_cases_of_popmis_are_those_of_lme4(popmis, reference):
    given = {name: published(result) for name, result in reference["methods"].items()}
    comparison = jm.compare({}, POPMIS, published=given, data=popmis)
    theirs = reference["complete_cases"]
    own = comparison.table.query("method == 'complete cases'").set_index("term").loc[theirs["term"]]
    np.testing.assert_allclose(own["estimate"], theirs["estimate"], rtol=1e-4)
    np.testing.assert_allclose(own["std_error"], theirs["std_error"], rtol=1e-3)
    assert own["rows"].unique().tolist() == [theirs["rows"]]
    wide = comparison.wide()
    assert wide.columns.tolist() == ["complete cases", *given]
    assert wide.loc["texp", "2l.pan"] == "0.1106 (0.0108)"
    assert wide.loc["imputations"].tolist() == ["", "100", "100", "100", "100"]
    assert wide.loc["CPU seconds", "2l.pan"] == f"{reference['methods']['2l.pan']['cpu_seconds']:.1f}"


def test_numbers_in_the_notebook_are_those_of_mice(reference):
    text = (ROOT / "notebooks" / "comparison_with_fcs.py").read_text(encoding="utf-8")
    shown = dict(re.findall(r'^(COLUMNS|MICE) = "+\n?(.*?)"+$', text, flags=re.DOTALL | re.MULTILINE))
    rows = pd.read_csv(io.StringIO(f"{shown['COLUMNS']}\n{shown['MICE']}"))
    assert rows["method"].unique().tolist() == list(reference["methods"])
    for name, result in reference["methods"].items():
        own, theirs = rows[rows["method"] == name].drop(columns="method"), published(result)
        assert own["term"].tolist() == theirs["term"].tolist()
        for column in own.columns.drop("term"):
            decimals = {"df": 0, "cpu_seconds": 1}.get(column, 5)
            np.testing.assert_allclose(own[column], theirs[column], rtol=0, atol=0.51 * 10.0**-decimals, err_msg=column)


def has_mice():
    """Whether R with mice and pan can be run."""
    if shutil.which("Rscript") is None:
        return False
    asked = 'q(status = !(requireNamespace("mice", quietly = TRUE) && requireNamespace("pan", quietly = TRUE)))'
    return not subprocess.run(["Rscript", "--vanilla", "-e", asked], capture_output=True).returncode


def run_r(script, folder):
    done = subprocess.run(["Rscript", "--vanilla", "-e", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PAN = """
suppressMessages(library(mice))
data <- transform(read.csv("data.csv"), product = sex * texp)
predictors <- matrix(0, 5, 5, dimnames = list(names(data), names(data)))
predictors["popular", ] <- c(-2, 2, 1, 0, 1)
imp <- mice(data, m = 50, maxit = 1, method = c("", "", "", "2l.pan", ""), pred = predictors, seed = 1, print = FALSE)
write.csv(complete(imp, "long", include = TRUE), "imp.csv", row.names = FALSE)
"""


@pytest.mark.sampling
@pytest.mark.slow
def test_results_of_mice_on_popmis_and_ours_appear_in_one_comparison(popmis, reference, tmp_path):
    """The joint model is that of pan, but for weak priors, and one-stage imputation a third way to it.

    The difference of two of them, with at least 50 imputations each, has a Monte Carlo SD of at most 0.1 SE: 0.4 SE are four,
    and there are at most 12 comparisons: a false alarm in 1300. Of standard deviations it is at most 0.008: 0.04 are five.
    """
    table = popmis[["school", "sex", "texp", "popular"]]
    sources = {
        "joint": jm.impute(table, POPMIS, m=50, random_seed=1, progressbar=False),
        "one-stage": jm.chained(
            table,
            {"popular": "one-stage"},
            {"popular": "~ sex + texp + product + (1 + sex | school)"},
            cluster="school",
            m=50,
            passive={"product": "sex * texp"},
            random_seed=1,
            progressbar=False,
        ),
    }
    if has_mice():
        table.to_csv(tmp_path / "data.csv", index=False)
        run_r(PAN, tmp_path)
        made = pd.read_csv(tmp_path / "imp.csv").drop(columns="product")
        sources["pan, now"] = jm.read_mice(made, original=table, cluster="school")
    given = {name: published(result) for name, result in reference["methods"].items()}
    comparison = jm.compare(sources, POPMIS, published=given)
    assert comparison.names == ("complete cases", *sources, *given)
    wide = comparison.wide()
    assert wide.loc["imputations"].tolist() == ["", *["50"] * len(sources), *["100"] * len(given)]
    assert all(wide.loc["CPU seconds", name] for name in ("joint", "one-stage", *given)), "told of all but imputations read"
    differences = comparison.differences("joint").set_index("method")
    same = differences.loc[[name for name in ("one-stage", "pan, now", "2l.pan") if name in comparison.names]]
    fixed, random = same[same["part"] == "fixed"], same[same["part"] == "random"]
    assert (fixed["in_std_errors"].abs() < 0.4).all() and fixed["std_error_ratio"].between(0.88, 1.12).all()
    assert (fixed["mc_error"] > 0).all() and fixed["beyond_noise"].notna().all()
    assert (random[random["term"].str.startswith("sd(")]["difference"].abs() < 0.04).all()
    without = differences.loc["norm"].set_index("term")["difference"]
    assert without["sd(Intercept|school)"] < -0.3 and without["sd(residual)"] > 0.2, "without schools they fade"


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
    if not has_mice():
        pytest.skip("needs R with mice and pan")
    table = incomplete().drop(columns="note")
    table.to_csv(tmp_path / "data.csv", index=False)
    run_r(MICE, tmp_path)
    ours = jm.from_tables(table, [table.fillna({"x": shift, "y": shift}) for shift in (0.0, 0.5)], cluster="school")
    theirs = jm.read_mice(tmp_path / "imp.csv", original=table, cluster="school")
    comparison = jm.compare({"ours": ours, "mice": theirs}, "y ~ x + sex")
    own = comparison.table.query("method == 'mice' and part == 'fixed'")
    pooled = pd.read_csv(tmp_path / "pooled.csv")
    np.testing.assert_allclose(own["estimate"], pooled["estimate"], rtol=1e-7)
    np.testing.assert_allclose(own["std_error"], pooled["std.error"], rtol=1e-7)
    np.testing.assert_allclose(own["df"], pooled["df"], rtol=1e-6)
    assert not any(cause.startswith("mice") for cause in comparison.causes), "how mice imputed is not known"

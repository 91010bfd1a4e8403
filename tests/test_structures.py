"""Level-2 responses and the structure of covariances in fits on disk, in model files, and in one call."""

import json

import numpy as np
import pytest
import xarray as xr

import jmimpute as jm
from jmimpute import workflow
from jmimpute.case import read_case
from jmimpute.fit import Fit
from tests.test_bad_level2 import FORMULA, pupils

MODELS = {
    "level 2": {"level2": ["size ~ funds", "type ~ 1"]},
    "random": {"covariance": "random"},
    "log-sd": {"covariance": "random", "priors": {"Omega_e": jm.priors.heterogeneous("log-sd")}},
    "jomo": {"covariance": "cluster-specific", "priors": jm.priors.jomo()},
    "jomo at level 2": {"level2": "type ~ 1", "priors": jm.priors.jomo()},
    "uncorrelated": {"formulas": "maths ~ age + (age || school)"},
}


def saved(model, folder):
    """Save a fit without draws."""
    Fit(model, xr.DataTree.from_dict({"posterior": xr.Dataset()}), 1, {}).save(folder)
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_on_disk_is_of_the_same_model(name, tmp_path):
    model = jm.JointModel(**{"formulas": FORMULA, "data": pupils(), **MODELS[name]})
    again = jm.load_fit(saved(model, tmp_path)).model
    assert (str(again), repr(again)) == (str(model), repr(model))
    before, after = model.specification, again.specification
    assert (after.priors, after.covariance, after.level2_formulas) == (before.priors, before.covariance, before.level2_formulas)
    for part in ("y", "w", "x2", "categories2"):
        np.testing.assert_array_equal(getattr(after, part), getattr(before, part))


def test_fits_of_before_there_were_structures_load(tmp_path):
    model = jm.JointModel(FORMULA, pupils())
    path = saved(model, tmp_path) / "manifest.json"
    manifest = json.loads(path.read_text())
    assert (manifest.pop("level2"), manifest.pop("covariance")) == ([], "common")
    path.write_text(json.dumps(manifest))
    assert str(jm.load_fit(tmp_path).model) == str(model)


CASE = """
title = "x"
[model]
formulas = ["{formula}"]
level2 = {level2}
covariance = "random"
families = {{ type = "nominal" }}
{priors}
"""
PRIORS = """
[model.priors]
Omega_e = { prior = "HierarchicalInverseWishart", eta = 15 }
"""


@pytest.mark.parametrize(("level2", "priors"), [('"size + type ~ 1"', ""), ('["size ~ 1", "type ~ 1"]', PRIORS)])
def test_model_files(level2, priors, tmp_path, monkeypatch):
    """The model that a run makes, seen where it is first told about."""
    path = tmp_path / "model.toml"
    path.write_text(CASE.format(formula=FORMULA, level2=level2, priors=priors))
    case = read_case(path)
    texts = []

    def say(text):
        texts.append(text)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        workflow.run(case, pupils(), tmp_path / "out", say=say)
    (text,) = texts
    assert "2 at level 2" in text and "inverse-Wishart(a, A)" in text
    assert f"a: chi-square({15 if priors else 12})" in text


def test_everything_in_one_call(monkeypatch):
    made = {}

    def stop(self, *given, **options):
        made["model"] = self
        raise InterruptedError

    monkeypatch.setattr(jm.JointModel, "fit", stop)
    with pytest.raises(InterruptedError):
        jm.impute(pupils(), FORMULA, level2="size ~ 1", covariance="random")
    spec = made["model"].specification
    assert (spec.covariance, spec.layout.level2.responses) == ("random", ("size",))

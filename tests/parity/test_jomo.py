"""Posteriors of continuous responses against long chains of the R package jomo: same data and priors."""

import json
from pathlib import Path

import pandas as pd
import pytest

import jmimpute as jm
from tests.parity.comparing import assert_equal, of_jomo, summary

REFERENCE = Path(__file__).parents[1] / "reference"
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "JSPmiss.csv"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sampling,
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there: JSPmiss is part of jomo (GPL) and not shipped with us"),
]


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
    assert_equal(summary(fit), of_jomo(reference["posterior"], fit))

"""The verdict on a run: each kind of trouble is found, named and answered."""

import numpy as np
import pytest
import xarray as xr

from jmimpute.sampling.diagnostics import diagnose, summarise
from jmimpute.sampling.elements import elements
from jmimpute.sampling.posterior import label
from tests.problems import model

LAYOUT = model("own").specification.layout


def posterior(rng, shape=(4, 600), change=None):
    p, d, q = 3, LAYOUT.n_effects, len(LAYOUT.covariates)
    beta = np.where(LAYOUT.beta_mask, rng.normal(size=(*shape, q, p)), 0.0)
    omega_e = np.eye(p) * (1 + 0.1 * rng.random((*shape, 1, 1))) + 0.1 * rng.random((*shape, 1, 1))
    omega_u = np.eye(d) * (1 + 0.1 * rng.random((*shape, 1, 1))) + 0.1 * rng.random((*shape, 1, 1))
    if change is not None:
        change(beta)
    return label(beta, omega_e, omega_u, LAYOUT)


def stats(shape=(4, 600), divergences=0):
    diverging = np.zeros(shape, dtype=bool)
    diverging.ravel()[:divergences] = True
    return xr.Dataset({"diverging": (("chain", "draw"), diverging)})


def test_free_elements_leave_out_fixed_and_repeated_ones():
    names = [name for name, _ in elements(posterior(np.random.default_rng(1)))]
    assert "beta[y2, x]" not in names
    assert "beta[y1, x]" in names
    assert "Omega_e[y2, y1]" in names
    assert "Omega_e[y1, y2]" not in names
    assert "corr_e[y1, y1]" not in names
    # y1 has an intercept and a slope, y2 no random effect, y3 a slope only: no ICC is defined.
    assert not [name for name in names if name.startswith("icc")]
    assert len(names) == len(set(names))


def test_good_chains_are_called_good():
    found = diagnose(posterior(np.random.default_rng(2)), stats())
    assert found.ok
    assert "have converged: 4 chains of 600 draws" in str(found)


def test_a_chain_elsewhere_is_found():
    def shift(beta):
        beta[0, :, 1, 0] += 2.0

    found = diagnose(posterior(np.random.default_rng(3), change=shift), stats())
    assert not found.ok
    assert "Chains disagree" in found.messages[0]
    assert "beta[y1, x]" in found.messages[0]
    assert found.table.index[0] == "beta[y1, x]"


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # ArviZ on constant draws
@pytest.mark.parametrize("values", [(0.0, 1.0, 2.0, 3.0), (1.0, 1.0, 1.0, 1.0)])
def test_chains_that_do_not_move_are_found(values):
    def freeze(beta):
        beta[..., 1, 0] = np.array(values)[:, None]

    found = diagnose(posterior(np.random.default_rng(8), change=freeze), stats())
    assert not found.ok
    assert any("Chains disagree" in message and "beta[y1, x]" in message for message in found.messages)


def test_slow_mixing_is_too_few_draws():
    def slow(beta):
        rng = np.random.default_rng(5)
        walk = np.zeros(beta.shape[:2])
        for k in range(1, beta.shape[1]):
            walk[:, k] = 0.9 * walk[:, k - 1] + rng.normal(size=len(walk))
        beta[..., 0, 0] = walk

    messages = " ".join(diagnose(posterior(np.random.default_rng(4), change=slow), stats()).messages)
    assert "Too few independent draws (effective sample size below 400)" in messages
    assert "beta[y1, Intercept]" in messages


def test_divergences_and_single_chains_are_told():
    found = diagnose(posterior(np.random.default_rng(6), (1, 600)), stats((1, 600), 3))
    assert any("One chain only" in message for message in found.messages)
    assert not any("disagree" in message for message in found.messages)
    assert any("3 of 600 draws diverged" in message and "target_accept" in message for message in found.messages)


def test_summary_interval_has_the_level_asked_for():
    data = posterior(np.random.default_rng(7), (4, 5000))
    row = summarise(data, ("beta",), level=0.9).loc["beta[y1, x]"]
    lower, upper = row.filter(like="eti")
    assert (lower, upper) == (pytest.approx(-1.645, abs=0.06), pytest.approx(1.645, abs=0.06))

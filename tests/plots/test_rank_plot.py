"""Ranks tell chains that agree from chains that do not."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from jmimpute.errors import TableError
from jmimpute.plots import rank, rank_table
from jmimpute.plots.rank import AT, _band


def fit_of(draws):
    """A fit with one scalar parameter."""
    coords = {"chain": np.arange(len(draws))}
    return SimpleNamespace(posterior=xr.Dataset({"nu": (("chain", "draw"), draws)}, coords=coords))


def test_lines_are_distribution_functions_of_ranks():
    draws = np.array([[0.1, 0.2, 0.3, 0.4], [5.0, 6.0, 7.0, 8.0]])
    table = rank_table(fit_of(draws), "nu").set_index(["chain", "rank"])["difference"]
    # The first chain holds the lower half of the ranks: at one half all its draws are below.
    assert table[0, 0.5] == pytest.approx(0.5) and table[1, 0.5] == pytest.approx(-0.5)
    assert table[0, 0.26] == pytest.approx(0.5 - 0.26)
    at = table[0].index.to_numpy()
    np.testing.assert_allclose(table[0] + table[1], 2 * np.floor(8 * at + 1e-9) / 8 - 2 * at, atol=1e-12)


@pytest.mark.parametrize(("n_chains", "phi"), [(2, 0.0), (4, 0.0), (4, 0.7)])
def test_chains_that_agree_leave_the_band_in_five_per_cent(n_chains, phi):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        noise = rng.normal(size=(n_chains, 400))
        for t in range(1, 400):
            noise[:, t] += phi * noise[:, t - 1]
        table = rank_table(fit_of(noise), "nu")
        hits += (table["difference"].abs() > table["limit"]).any()
    # Of 100 with probability 0.05 more than 14 leave it by chance in 1 of 10 000 runs.
    assert hits <= 14


def test_the_band_is_not_too_wide():
    # The largest of 2 opposite bridges over 49 points exceeds 2.4 standard deviations at least, 3.6 at most.
    ratio = _band(2) / np.sqrt(AT * (1 - AT) / 2)
    assert np.ptp(ratio) < 1e-9 and 2.4 < ratio[0] < 3.6


@pytest.mark.parametrize("change", [lambda chain: chain + 0.5, lambda chain: 1.5 * chain])
def test_a_chain_of_its_own_leaves_the_band(change):
    draws = np.random.default_rng(1).normal(size=(4, 1000))
    draws[2] = change(draws[2])
    table = rank_table(fit_of(draws), "nu")
    outside = (table["difference"].abs() > table["limit"]).groupby(table["chain"]).sum()
    assert outside.idxmax() == 2 and outside[2] > 15


def test_figure_has_a_panel_for_each_parameter_and_a_line_for_each_chain(drawn):
    rng = np.random.default_rng(1)
    names = [f"a variable with a rather long name, number {k}" for k in range(40)]
    posterior = xr.Dataset(
        {"beta": (("chain", "draw", "response", "covariate"), rng.normal(size=(3, 50, 40, 1)))},
        coords={"response": names, "covariate": ["Intercept"], "chain": [0, 1, 2]},
    )
    figure = drawn(rank(SimpleNamespace(posterior=posterior)))
    assert len(figure.axes) == 30 and {len(axes.lines) for axes in figure.axes} == {3}
    assert figure.axes[1].get_title(loc="left") == f"beta[{names[1]}, Intercept]"
    assert figure.get_suptitle().startswith("The first 30 of 40 parameters")
    table = rank_table(SimpleNamespace(posterior=posterior))
    own = table[(table["parameter"] == f"beta[{names[1]}, Intercept]") & (table["chain"] == 2)]
    np.testing.assert_array_equal(figure.axes[1].lines[2].get_ydata(), own["difference"])


def test_one_chain_is_refused():
    with pytest.raises(TableError, match="chains=2"):
        rank(fit_of(np.zeros((1, 10))))
    with pytest.raises(TableError, match="no variable or parameter 'mu'"):
        rank(fit_of(np.zeros((2, 10))), "mu")

"""Traces of chained equations, and the verdict on them."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.chained.traces import from_record, r_hat, to_record
from jmimpute.errors import ConvergenceWarning, ImputationError
from tests.chained.tables import table


def run(methods, m=5, iterations=8, **settings):
    return jm.chained(
        table().drop(columns=["g", "w"]), methods, m=m, iterations=iterations, random_seed=1, progressbar=False, **settings
    )


def verdict(rng, m=10, sweeps=12, shift=0.0, variables=("a", "b")):
    """Traces of independent draws, about levels that may differ between streams."""
    values = rng.normal(size=(2, m, sweeps, len(variables))) + shift * rng.normal(size=(2, m, 1, len(variables)))
    return from_record(to_record(variables, *values))


def test_traces_are_mean_and_sd_of_imputed_cells():
    imputed = run({"x1": "norm", "x2": "norm"})
    draws = imputed.traces.draws
    assert draws.dims == ("chain", "draw", "quantity") and draws.shape == (5, 8, 4)
    for name in ("x1", "x2"):
        last = draws.sel(draw=8)
        assert last.sel(quantity=f"mean[{name}]").to_numpy() == pytest.approx(imputed.values(name).mean(axis=1))
        assert last.sel(quantity=f"sd[{name}]").to_numpy() == pytest.approx(imputed.values(name).std(axis=1))
    assert np.ptp(draws.to_numpy(), axis=1).min() > 0


def test_streams_that_agree_pass():
    found = verdict(np.random.default_rng(1))
    assert found.ok and "Streams agree: 10 streams of 12 sweeps" in str(found)
    assert "Highest R-hat:" in str(found) and found.table.columns.tolist() == ["mean", "sd", "r_hat"]
    assert found.table.index.name == "quantity" and found.table["r_hat"].is_monotonic_decreasing


def test_streams_that_disagree_are_named():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2, 10, 12, 2))
    values[0, :, :, 1] += 3 * rng.normal(size=(10, 1))
    found = from_record(to_record(("a", "b"), *values))
    assert not found.ok and "R-hat up to" in found.messages[0] and ": mean[b]. Look at" in found.messages[0]


def test_r_hat_equals_that_of_arviz():
    """Also with an odd number of draws, with ties, and where spreads differ but not levels."""
    from arviz_stats.base import array_stats

    rng = np.random.default_rng(4)
    draws = rng.normal(size=(6, 11, 4))
    draws[:, :, 1] += rng.normal(size=(6, 1))
    draws[:, :, 2] *= 5 * rng.random((6, 1))
    draws[:, :, 3] = draws[:, :, 3].round()
    expected = [array_stats.rhat(draws[:, :, k], method="rank", chain_axis=0, draw_axis=1) for k in range(4)]
    np.testing.assert_allclose(r_hat(draws), expected, rtol=1e-12)


def test_a_run_ends_without_what_takes_long_to_import():
    """In a process of its own: R-hat of the streams needs no ArviZ, and the search for Psi no general optimiser."""
    code = (
        "import sys, numpy as np, pandas as pd, jmimpute as jm\n"
        "rng = np.random.default_rng(1)\n"
        "x, y = rng.normal(size=(2, 160))\n"
        "data = pd.DataFrame({'g': np.repeat(range(8), 20), 'x': x, 'y': x + y})\n"
        "data.loc[::3, 'x'] = data.loc[1::4, 'y'] = np.nan\n"
        "chosen = {'x': 'two-stage', 'y': 'two-stage'}\n"
        "jm.chained(data, chosen, cluster='g', m=4, iterations=8, random_seed=1, progressbar=False)\n"
        "print(*sorted({'arviz_stats', 'numba', 'xarray', 'scipy.optimize', 'scipy.stats'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(("m", "sweeps"), [(3, 20), (20, 7)])
def test_too_little_is_not_judged(m, sweeps):
    found = verdict(np.random.default_rng(3), m, sweeps)
    assert not found.ok and found.table.empty and "too few to judge convergence" in str(found)


def test_a_drift_is_warned_of():
    """Each sweep adds to the last value, so that streams go on wandering."""

    def wandering(target, rng):
        return target.y[target.missing] + rng.normal(0, 5)

    with pytest.warns(ConvergenceWarning, match="have not converged after 20 sweeps"):
        run({"x1": wandering, "x2": "norm"}, iterations=20, predictors={"x2": "~ y"})


def test_independent_methods_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        imputed = run({"x1": "norm", "x2": "norm"}, m=10, iterations=10)
    assert imputed.traces.ok


def test_what_is_not_drawn_needs_no_convergence():
    data = table()
    data.loc[[0, 3], "w"] = np.nan
    data["v"] = data["w"].round()
    data.loc[[1, 5], "v"] = np.nan
    found = jm.chained(data, {"x1": None, "x2": None}, {"w": "~ y", "v": "~ y"}, cluster="g", random_seed=1, progressbar=False)
    assert found.traces.ok and "nothing is drawn" in found.traces.messages[0]
    assert set(found.provenance["chained"]["methods"].values()) == {"Level2Constant()"}


def test_traces_can_be_drawn():
    table_of_plot = jm.plots.imputed_trace_table(run({"x1": "norm", "x2": "norm"}).traces)
    assert list(table_of_plot["quantity"].cat.categories) == ["mean[x1]", "mean[x2]", "sd[x1]", "sd[x2]"]
    assert len(table_of_plot) == 4 * 5 * 8
    assert jm.plots.imputed_trace(run({"x1": "norm", "x2": "norm"}).traces, "mean[x1]") is not None


def test_other_imputations_have_no_traces():
    data = table()[["x1", "y"]]
    with pytest.raises(ImputationError, match="were not made by jm.chained"):
        jm.from_tables(data, [data.fillna(0), data.fillna(1)]).traces  # noqa: B018

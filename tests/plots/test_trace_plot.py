"""Parameters carry readable labels and their own draws."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from jmimpute.errors import TableError
from jmimpute.plots import trace, trace_table

RESPONSES = ["english", "ravens"]
N_CLUSTERS = 40


@pytest.fixture
def fit():
    """Three chains of 20 draws; the dims of one variable are out of the usual order."""
    rng = np.random.default_rng(1)
    matrix = ("chain", "draw", "response", "response_")
    variables = {
        "u": (("chain", "draw", "cluster"), rng.normal(size=(3, 20, N_CLUSTERS))),
        "Omega_e": (matrix, rng.normal(size=(3, 20, 2, 2))),
        "corr_e": (matrix, rng.normal(size=(3, 20, 2, 2))),
        "beta": (("response", "draw", "chain", "covariate"), rng.normal(size=(2, 20, 3, 2))),
        "nu": (("chain", "draw"), np.full((3, 20), 4.0)),
    }
    coords = {"response": RESPONSES, "response_": RESPONSES, "covariate": ["Intercept", "sex"], "chain": [0, 1, 2]}
    return SimpleNamespace(posterior=xr.Dataset(variables, coords=coords))


def test_default_parameters_without_upper_triangle(fit):
    assert list(trace_table(fit)["parameter"].unique()) == [
        "beta[english, Intercept]",
        "beta[english, sex]",
        "beta[ravens, Intercept]",
        "beta[ravens, sex]",
        "Omega_e[english, english]",
        "Omega_e[ravens, english]",
        "Omega_e[ravens, ravens]",
    ]


def test_default_parameters_have_cut_points_and_nothing_that_is_known(fit):
    posterior = fit.posterior
    posterior["Omega_e"][:, :, 1, 1] = 1.0
    posterior["beta"].loc[{"response": "ravens", "covariate": "sex"}] = 0.0
    posterior["cutpoints_grade"] = (("chain", "draw", "cutpoint_grade"), np.random.default_rng(1).exponential(size=(3, 20, 1)))
    posterior.coords["cutpoint_grade"] = ["c2"]
    expected = ["beta[english, Intercept]", "beta[english, sex]", "beta[ravens, Intercept]"]
    expected += ["Omega_e[english, english]", "Omega_e[ravens, english]", "cutpoints_grade[c2]"]
    assert list(trace_table(fit)["parameter"].unique()) == expected
    assert list(trace_table(fit, "Omega_e[ravens, ravens]")["value"].unique()) == [1.0]


@pytest.mark.parametrize("tree", [False, True])
def test_values_belong_to_their_labels(fit, tree):
    posterior = fit.posterior
    if tree:
        fit = SimpleNamespace(posterior=xr.DataTree.from_dict({"posterior": posterior})["posterior"])
    table = trace_table(fit, ["beta[ravens, sex]", "Omega_e"]).set_index(["parameter", "chain", "draw"])["value"]
    assert len(table) == 4 * 60
    expected = posterior["beta"].sel(response="ravens", covariate="sex", chain=2).isel(draw=7)
    assert table["beta[ravens, sex]", 2, 7] == expected
    expected = posterior["Omega_e"].sel(response="ravens", response_="english", chain=1).isel(draw=3)
    assert table["Omega_e[ravens, english]", 1, 3] == expected


def test_correlations_leave_out_the_diagonal_and_scalars_have_plain_names(fit):
    assert list(trace_table(fit, ["corr_e", "nu"])["parameter"].unique()) == ["corr_e[ravens, english]", "nu"]


def test_a_posterior_with_other_variables_is_shown_whole(fit):
    fit = SimpleNamespace(posterior=fit.posterior[["nu", "corr_e"]])
    assert list(trace_table(fit)["parameter"].unique()) == ["nu", "corr_e[ravens, english]"]


def test_figure_has_a_row_for_each_parameter_and_a_line_for_each_chain(fit):
    figure = trace(fit, ["Omega_e", "nu"])
    left, right = figure.axes[::2], figure.axes[1::2]
    titles = [axes.get_title(loc="left") for axes in left]
    assert titles == ["Omega_e[english, english]", "Omega_e[ravens, english]", "Omega_e[ravens, ravens]", "nu"]
    assert [len(axes.lines) for axes in right] == [3] * 4
    assert [len(axes.lines) for axes in left] == [3, 3, 3, 0], "a constant has no density"
    drawn = right[1].lines[2].get_ydata()
    np.testing.assert_array_equal(drawn, fit.posterior["Omega_e"].values[2, :, 1, 0])
    assert figure.get_suptitle() == ""


def test_many_parameters_are_cut_and_the_figure_says_so(fit):
    figure = trace(fit, "u")
    assert len(figure.axes) == 60
    assert figure.get_suptitle() == f"The first 30 of {N_CLUSTERS} parameters; choose others with var_names"


def test_unknown_parameters_are_refused_with_the_options(fit):
    with pytest.raises(TableError, match=r"'Omega'.*'corr_e', 'beta' or 'nu'.*such as 'u\[0\]'"):
        trace(fit, "Omega")
    with pytest.raises(TableError, match="no parameter to draw"):
        trace(fit, [])

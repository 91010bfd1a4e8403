"""The graph that NUTS sees of a selection model, against Heckman's likelihood written out with NumPy."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import jmimpute as jm
from jmimpute.graph.generative import generative
from jmimpute.graph.marginal import marginal
from jmimpute.specification.specify import specify

pytestmark = pytest.mark.sampling


@pytest.fixture(scope="module")
def specification():
    rng = np.random.default_rng(1)
    n = 80
    frame = pd.DataFrame({"site": np.repeat(np.arange(5), 16), "x": rng.normal(2, 3, n), "z": rng.normal(size=n)})
    frame["staff"] = np.tile(list("abcd"), 20)
    frame["y"] = 10 + 2 * frame["x"] + 4 * rng.normal(size=n)
    frame.loc[(frame["z"] < -0.2) | (frame["site"] == 4), "y"] = np.nan
    said = jm.selection("~ x + z + (1 | site) + (1 | staff)", ["z", "(1 | staff)"], "made up")
    return specify("y ~ x + (1 + x | site)", frame, missing={"y": said})


@pytest.fixture(scope="module")
def evaluated(specification):
    """A random point of the marginal model, and what the graph makes of it."""
    model = marginal(specification)
    rng = np.random.default_rng(2)
    point = {name: np.asarray(value) + 0.3 * rng.normal(size=np.shape(value)) for name, value in model.initial_point().items()}
    wanted = [model[name] for name in ("beta", "Omega_e", "u", "rho_y", "u_y.selection_staff", "rows")]
    values = model.compile_fn(model.replace_rvs_by_values(wanted), on_unused_input="ignore", mode="NUMBA")(point)
    return dict(zip(["beta", "Omega_e", "u", "rho", "staff", "rows"], values, strict=True))


def test_the_density_of_rows_is_heckmans(specification, evaluated):
    beta, omega, u, rho = (evaluated[name] for name in ("beta", "Omega_e", "u", "rho"))
    x = np.linalg.solve(specification.scaling.x_transform.T, specification.x.T).T
    z = np.linalg.solve(specification.scaling.z_transform.T, specification.z.T).T
    y = specification.y[:, 0] * specification.scaling.scale[0] + specification.scaling.center[0]
    codes = specification.clusters.codes
    fixed = x @ beta.T
    mean = fixed[:, 0] + np.sum(u[codes, :2] * z, axis=1)
    ((crossed,),) = [selected.crossed for selected in specification.selections]
    eta = fixed[:, 1] + u[codes, 2] * z[:, 0] + evaluated["staff"][crossed.codes]
    sigma = np.sqrt(omega[0, 0])
    assert omega[1, 1] == pytest.approx(1.0) and omega[0, 1] == pytest.approx(rho * sigma)
    r = (y - mean) / sigma
    seen = norm.logpdf(r) - np.log(sigma) + norm.logcdf((eta + rho * r) / np.sqrt(1 - rho**2))
    in_study = ~np.isnan(specification.y[:, 1])
    rows = np.where(np.isnan(y), np.where(in_study, norm.logcdf(-eta), 0.0), seen)
    # the graph has the density of the standardised response
    expected = rows.sum() + np.sum(~np.isnan(y)) * np.log(specification.scaling.scale[0])
    assert in_study.sum() == 64
    assert evaluated["rows"] == pytest.approx(expected, rel=1e-10)


def test_the_generative_graph_has_the_same_parameters(specification):
    names = {variable.name for variable in generative(specification).free_RVs}
    shared = {variable.name for variable in marginal(specification).free_RVs} - {"u_white"}
    assert shared < names and {"rho_y", "sd_y.selection_staff"} < shared

"""Models with selection submodels through the public path: posterior, imputations, and back from disk."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import IdentificationWarning, SamplingError

pytestmark = pytest.mark.sampling

SHARED = Path(__file__).parents[2] / "shared"


def two_level(seed, clusters=20, size=100, rho=0.6):
    """Rows in clusters, four of which lack y; of the others half is selected by z and by what y has beyond x."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), size)
    x, z = rng.normal(size=(2, clusters * size))
    u = rng.multivariate_normal([0, 0], [[0.4, 0.1], [0.1, 0.2]], clusters)[cluster]
    e = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], clusters * size)
    y = 0.3 + x + u[:, 0] + e[:, 0]
    frame = pd.DataFrame({"cluster": cluster, "x": x, "z": z, "complete": y})
    frame["y"] = frame["complete"].where((0.2 + 0.5 * x + 0.84 * z + u[:, 1] + e[:, 1] > 0) & (cluster >= 4))
    return frame


def fitted(frame, rho=None, **arguments):
    said = jm.selection("~ x + z + (1 | cluster)", "z", "made up so", rho)
    model = jm.JointModel("y ~ x + (1 | cluster)", frame[["cluster", "x", "z", "y"]], missing={"y": said})
    return model.fit(random_seed=1, progressbar=False, **arguments)


@pytest.fixture(scope="module")
def frame():
    return two_level(1)


@pytest.fixture(scope="module")
def fit(frame):
    return fitted(frame, target_accept=0.9, draws=2000)


@pytest.mark.slow
def test_selection_is_seen_and_undone(frame, fit):
    """One data set: five parameters and the completed mean within 3.5 posterior sds, where missing at random is farther off."""
    assert fit.diagnostics().ok
    summary = fit.summary(("beta", "rho_y", "Omega_u"))
    truth = {
        "beta[y, Intercept]": 0.3,
        "beta[y, x]": 1.0,
        "rho_y": 0.6,
        "beta[y.selection, z]": 0.84,
        "beta[y.selection, x]": 0.5,
    }
    for name, value in truth.items():
        assert abs(float(summary.loc[name, "mean"]) - value) < 3.5 * float(summary.loc[name, "sd"]), name
    at_random = jm.impute(frame[["cluster", "x", "y"]], "y ~ x + (1 | cluster)", m=50, random_seed=1, progressbar=False)
    selected, random = (
        np.array([table["y"].mean() for table in made]) - frame["complete"].mean()
        for made in (fit.impute(50, progressbar=False), at_random)
    )
    assert abs(selected.mean()) < 3.5 * selected.std()
    assert abs(random.mean()) > 3.5 * random.std()


@pytest.mark.slow
def test_held_at_zero_it_is_missing_at_random(frame):
    """Means of the coefficients agree with those of the compiled sampler within 4.5 Monte Carlo errors (4 parameters)."""
    held = fitted(frame, rho=0.0, draws=2000, target_accept=0.9).summary("beta")
    at_random = jm.JointModel("y ~ x + (1 | cluster)", frame[["cluster", "x", "y"]]).fit(random_seed=1, progressbar=False)
    for name in ("beta[y, Intercept]", "beta[y, x]"):
        pair = [table.loc[name].astype(float) for table in (held, at_random.summary("beta"))]
        error = np.hypot(pair[0]["mcse_mean"], pair[1]["mcse_mean"])
        # the random effects of both equations are correlated, which tells a little more of u
        assert abs(pair[0]["mean"] - pair[1]["mean"]) < 4.5 * error + 0.1 * pair[1]["sd"], name


@pytest.mark.slow
def test_fits_come_back_from_disk(fit, tmp_path):
    fit.save(tmp_path)
    again = jm.load_fit(tmp_path)
    assert str(again.model) == str(fit.model)
    np.testing.assert_array_equal(again.impute(3, progressbar=False).values("y"), fit.impute(3, progressbar=False).values("y"))
    assert again.random_effects().dims == ("chain", "draw", "cluster", "effect")
    assert fit.impute(5, progressbar=False).columns == ("y",)


def test_other_samplers_say_that_they_cannot(frame):
    with pytest.raises(SamplingError, match="sampler='compiled' does not know selection models"):
        fitted(frame, sampler="compiled")


def test_nothing_excluded_is_loud(frame):
    said = jm.selection("~ x + (1 | cluster)")
    with pytest.warns(IdentificationWarning, match="rho is identified by the normal distribution alone"):
        jm.JointModel("y ~ x + (1 | cluster)", frame[["cluster", "x", "y"]], missing={"y": said})


@pytest.mark.slow
@pytest.mark.parametrize(("response", "key"), [("y", "continuous"), ("ybin", "binary")])
def test_agrees_with_maximum_likelihood(response, key):
    """Posterior means are within a third of a standard error of the maximum: 2000 rows, and weak priors."""
    if not SHARED.exists():
        pytest.skip("needs ../shared/data/sim_heckman.csv")
    data = pd.read_csv(SHARED / "data" / "sim_heckman.csv")[["x1", "x2", "z", response]]
    told = json.loads((SHARED / "reference" / "heckman_f1_simulated.json").read_text())[key]["ml_direct"]["estimates"]
    theirs = {row["parameter"]: (row["estimate"], row["se"]) for row in told}
    said = {response: jm.selection("~ x1 + x2 + z", "z", "simulated so")}
    families = {"ybin": "binary"} if key == "binary" else None
    fit = jm.JointModel(f"{response} ~ x1 + x2", data, families=families, missing=said).fit(random_seed=1, progressbar=False)
    posterior = fit.posterior
    ours = {"atanh_rho": float(np.arctanh(posterior[f"rho_{response}"]).mean())}
    for equation, name in (("out", response), ("sel", f"{response}.selection")):
        for column in ("Intercept", "x1", "x2", *(["z"] if equation == "sel" else [])):
            label = "(Intercept)" if column == "Intercept" else column
            ours[f"{equation}:{label}"] = float(posterior["beta"].sel(response=name, covariate=column).mean())
    for name, value in ours.items():
        estimate, error = theirs[name]
        assert abs(value - estimate) < error / 3, (name, value, estimate, error)

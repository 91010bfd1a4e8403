"""Models with selection submodels through the public path: posterior, imputations, and back from disk."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize

import jmimpute as jm
from jmimpute.chained.heckman_likelihood import heckman_rows, hessian, value_and_gradient
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


def fitted(frame, rho=None, families=None, **arguments):
    said = jm.selection("~ x + z + (1 | cluster)", "z", "made up so", rho)
    data = frame[["cluster", "x", "z", "y"]]
    model = jm.JointModel("y ~ x + (1 | cluster)", data, families=families, missing={"y": said})
    return model.fit(random_seed=1, progressbar=False, **arguments)


@pytest.fixture(scope="module")
def frame():
    return two_level(1)


@pytest.fixture(scope="module")
def fit(frame):
    return fitted(frame)


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


def z_scores(fits):
    """Differences of posterior means between two fits over their Monte Carlo errors."""
    tables = [fit.summary(("beta", "rho_y", "Omega_u", "Omega_e")).astype(float) for fit in fits]
    names = [name for name in tables[0].index if name in tables[1].index]
    difference = tables[0].loc[names, "mean"] - tables[1].loc[names, "mean"]
    return difference / np.hypot(*(table.loc[names, "mcse_mean"] for table in tables))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [None, -0.5])
def test_two_samplers_agree(frame, rho):
    """One draws latents and integrates random effects out, the other the other way round; 11 z-scores, limit 4.5."""
    fits = [
        fitted(frame, rho, draws=4000),
        fitted(frame, rho, draws=2000, sampler="nutpie", target_accept=0.9),
    ]
    z = z_scores(fits)
    print(z.to_string())
    assert len(z) >= 10
    assert z.abs().max() < 4.5
    means = [np.array([table["y"].mean() for table in fit.impute(100, progressbar=False)]) for fit in fits]
    assert abs(np.subtract(*(m.mean() for m in means))) < 4.5 * np.hypot(*(m.std() / 10 for m in means))
    np.testing.assert_allclose(*(m.std() for m in means), rtol=0.35)  # 4.5 Monte Carlo errors of sds of 100 draws


@pytest.mark.slow
def test_two_samplers_agree_on_a_category(frame):
    binary = frame.assign(y=(frame["y"] > 0.3).astype(float).mask(frame["y"].isna()))
    fits = [
        fitted(binary, draws=8000, families={"y": "binary"}, sampler="compiled", tune=2000),
        fitted(binary, draws=2000, families={"y": "binary"}, target_accept=0.95),
    ]
    z = z_scores(fits)
    print(z.to_string())
    assert z.abs().max() < 4.5


def test_held_at_zero_it_is_missing_at_random(frame):
    """Means of the coefficients agree with those of the model without selection within 4.5 Monte Carlo errors."""
    held = fitted(frame, rho=0.0)
    assert (held.posterior["rho_y"] == 0).all()
    held = held.summary("beta")
    at_random = jm.JointModel("y ~ x + (1 | cluster)", frame[["cluster", "x", "y"]]).fit(random_seed=1, progressbar=False)
    for name in ("beta[y, Intercept]", "beta[y, x]"):
        pair = [table.loc[name].astype(float) for table in (held, at_random.summary("beta"))]
        error = np.hypot(pair[0]["mcse_mean"], pair[1]["mcse_mean"])
        # the random effects of both equations are correlated, which tells a little more of u
        assert abs(pair[0]["mean"] - pair[1]["mean"]) < 4.5 * error + 0.1 * pair[1]["sd"], name


def test_fits_come_back_from_disk_and_go_on(fit, tmp_path):
    fit.save(tmp_path)
    again = jm.load_fit(tmp_path)
    assert str(again.model) == str(fit.model)
    np.testing.assert_array_equal(again.impute(3, progressbar=False).values("y"), fit.impute(3, progressbar=False).values("y"))
    assert again.random_effects().dims == ("kept", "cluster", "effect")
    assert fit.impute(5, progressbar=False).columns == ("y",)
    longer = again.extend(200, progressbar=False)
    assert longer.posterior["rho_y"].sizes["draw"] == fit.posterior.sizes["draw"] + 200


def test_other_samplers_say_that_they_cannot(frame):
    with pytest.raises(SamplingError, match="sampler='gibbs' does not know selection models"):
        fitted(frame, sampler="gibbs")
    crossed = jm.selection("~ x + (1 | cluster) + (1 | who)", "(1 | who)", "assigned")
    with_who = frame.assign(who=np.arange(len(frame)) % 9)
    model = jm.JointModel("y ~ x + (1 | cluster)", with_who[["cluster", "x", "who", "y"]], missing={"y": crossed})
    with pytest.raises(SamplingError, match="does not know crossed random intercepts, as those of who"):
        model.fit(sampler="compiled")


@pytest.mark.slow
def test_rho_that_differs_between_clusters():
    """Half of 16 clusters are selected by what y has beyond x, half by its opposite: each cluster gets its own imputations."""
    frames = [two_level(k, clusters=8, size=300, rho=rho) for k, rho in ((1, 0.8), (2, -0.8))]
    frame = pd.concat([frames[0], frames[1].assign(cluster=frames[1]["cluster"] + 8)], ignore_index=True)
    fit = fitted(frame, jm.priors.by_cluster(), draws=500, tune=500, target_accept=0.9)
    own = fit.posterior["rho_y_by_cluster"].mean(("chain", "draw")).to_numpy()
    whole = np.isin(np.arange(16), frame.loc[frame["y"].isna(), "cluster"]) & ~np.isin(
        np.arange(16), frame.loc[frame["y"].notna(), "cluster"]
    )
    up, down = (own[half][~whole[half]] for half in (slice(0, 8), slice(8, 16)))
    assert up.min() > 0.3
    assert down.max() < -0.3
    assert np.abs(own[whole]).max() < 0.3  # of nothing but the others
    assert float(fit.posterior["rho_y_spread"].mean()) > 0.4
    seen = ~np.isin(frame["cluster"], np.flatnonzero(whole))
    drawn = np.array([table["y"] for table in fit.impute(50, progressbar=False)])
    for half in (frame["cluster"] < 8, frame["cluster"] >= 8):
        means = drawn[:, half & seen].mean(axis=1)
        assert abs(means.mean() - frame.loc[half & seen, "complete"].mean()) < 4.5 * means.std()


def test_correlations_that_differ_need_another_sampler(frame):
    with pytest.raises(SamplingError, match="correlations that differ between clusters"):
        fitted(frame, jm.priors.by_cluster(), sampler="compiled")


@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
def test_nominal_responses_beside_selection(frame):
    """The sampler of latent normals has no limit of how many there are; the other says what it cannot."""
    rng = np.random.default_rng(4)
    kind = pd.Categorical(np.array(list("abc"))[np.digitize(frame["complete"] + rng.normal(size=len(frame)), [-0.5, 1.0])])
    data = frame[["cluster", "x", "z", "y"]].assign(kind=kind)
    data.loc[rng.random(len(data)) < 0.2, "kind"] = None
    said = jm.selection("~ x + z + (1 | cluster)", "z", "made up so")
    model = jm.JointModel("y + kind ~ x + (1 | cluster)", data, families={"kind": "nominal"}, missing={"y": said})
    with pytest.raises(SamplingError, match="does not know nominal responses, as 'kind' is"):
        model.fit(sampler="nutpie")
    fit = model.fit(random_seed=1, draws=400, tune=400, chains=2, progressbar=False)
    rho = fit.posterior["rho_y"].to_numpy()
    assert abs(rho.mean() - 0.6) < 4 * rho.std()
    assert fit.impute(3, progressbar=False).columns == ("y", "kind")


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


def laplace_posterior(told, x, w, y, observed):
    """Posterior means of rho and of (beta, gamma), and the sd of rho, under flat priors.

    Weights of rho are its profile likelihood (R's), times the volume of the other parameters at each rho by Laplace's
    approximation, which moves its mean by a third of a standard deviation.
    """
    rows = heckman_rows(y, observed, x, w, True)
    scale = np.array([row["se"] for row in told["ml_direct"]["estimates"]])[:-1]
    start = np.array([row["estimate"] for row in told["ml_direct"]["estimates"]])[:-1]
    order = np.r_[w.shape[1] : len(start), : w.shape[1]]  # the outcome's come first here
    start, scale = start[order], scale[order]
    found = []
    for point in told["profile_logLik_rho"]:
        z = np.arctanh(point["rho"])

        def loss(u, z=z):
            value, gradient = value_and_gradient(np.append(u * scale, z), rows)
            return -value, -gradient[:-1] * scale

        best = minimize(loss, start / scale, jac=True)
        assert abs(-best.fun - point["logLik"]) < 1e-3
        information = -hessian(np.append(best.x * scale, z), rows)[:-1, :-1]
        found.append([point["rho"], point["logLik"] - 0.5 * np.linalg.slogdet(information)[1], *best.x * scale])
    at, logs, *coefficients = np.array(found).T
    grid = np.linspace(-0.97, 0.6, 3001)
    density = np.exp(CubicSpline(at, logs)(grid) - logs.max())
    density /= density.sum()
    mean = np.sum(grid * density)
    means = [np.sum(CubicSpline(at, values)(grid) * density) for values in coefficients]
    return mean, np.sqrt(np.sum((grid - mean) ** 2 * density)), np.array(means), scale


@pytest.mark.slow
def test_agrees_with_the_profile_likelihood_of_rho():
    """6416 men, binary: means within 4.5 Monte Carlo errors and a tenth of a standard error, for Laplace's approximation."""
    if not SHARED.exists():
        pytest.skip("needs ../shared/data/hiv_heckman.csv")
    told = json.loads((SHARED / "reference" / "heckman_f2_hiv.json").read_text())
    men = pd.read_csv(SHARED / "data" / "hiv_heckman.csv").drop(columns=["row", "region"])
    terms = ["age10", "I(age10 ** 2)", "education", "condom", "smoke", "evertested", "currently_married", "formerly_married"]
    outcome = " + ".join(terms)
    said = jm.selection(f"~ {outcome} + interviewer_rate", "interviewer_rate", "assigned", indicator="hivconsent")
    model = jm.JointModel(
        f"hiv ~ {outcome}", men, families={"hiv": "binary"}, missing={"hiv": said}, priors={"beta": jm.priors.normal(10.0)}
    )
    fit = model.fit(random_seed=1, progressbar=False, draws=2000)
    x = np.column_stack([np.ones(len(men)), men["age10"], men["age10"] ** 2, men[terms[2:]]])
    w = np.column_stack([x, men["interviewer_rate"]])
    mean, sd, means, scale = laplace_posterior(told, x, w, men["hiv"].fillna(0).to_numpy(), men["hivconsent"].to_numpy(bool))
    ours = fit.summary("rho_hiv").astype(float).iloc[0]
    print(f"rho {ours['mean']:.4f} (sd {ours['sd']:.4f}), Laplace {mean:.4f} (sd {sd:.4f})")
    assert abs(ours["mean"] - mean) < 0.1 * sd + 4.5 * ours["mcse_mean"]
    assert abs(ours["sd"] - sd) < 0.1 * sd
    names = [f"beta[hiv, {term}]" for term in ("Intercept", *terms)]
    names += [f"beta[hiv.selection, {term}]" for term in ("Intercept", *terms, "interviewer_rate")]
    summary = fit.summary("beta").astype(float).loc[names]
    excess = np.abs(summary["mean"] - means) - 4.5 * summary["mcse_mean"]
    print(((summary["mean"] - means) / scale).round(3).to_string())
    assert (excess < 0.1 * scale).all()

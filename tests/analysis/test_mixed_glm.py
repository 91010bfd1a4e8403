"""Mixed models of binary responses and counts against lme4's glmer, against integrals, and against the model they contain."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

from jmimpute.analysis import mixed_glm
from jmimpute.analysis.engines import DIVERGED, SEPARATED, SINGULAR, fit_statsmodels
from jmimpute.analysis.mixed_glm import fit_mixed_glm
from jmimpute.errors import AnalysisError

ROOT = Path(__file__).parents[2]
REFERENCE = json.loads((ROOT / "tests" / "reference" / "glmer.json").read_text())
IMPACT = ROOT.parent / "shared" / "data" / "impact.csv"
RESPONSES = {"binomial": "binary", "poisson": "count"}


def table(name):
    return pd.DataFrame(REFERENCE[name]["data"])


def arrays(name, family):
    frame = table(name)
    X = np.column_stack([np.ones(len(frame)), frame["x"], frame["w"]])
    return frame[RESPONSES[family]].to_numpy(float), X, frame["g"].to_numpy() - 1


def integrated(y, X, clusters, family, values, sd):
    """Log-likelihood by the sum over a fine grid of intercepts, the same for all clusters."""
    z = np.linspace(-9, 9, 4001)
    eta = (X @ values)[:, None] + sd * z
    rows = y[:, None] * eta - (np.logaddexp(0, eta) if family == "binomial" else np.exp(eta))
    heights = np.add.reduceat(rows, np.flatnonzero(np.diff(clusters, prepend=-1))) + norm.logpdf(z)
    constant = gammaln(y + 1).sum() if family == "poisson" else 0.0
    return logsumexp(heights + np.log(z[1] - z[0]), axis=1).sum() - constant


@pytest.mark.parametrize("family", RESPONSES)
def test_likelihood_elsewhere_equals_an_integral(family):
    y, X, clusters = arrays("common", family)
    fit = fit_mixed_glm(y, X, clusters, family)
    values = fit.values * 1.1
    expected = integrated(y, X, clusters, family, values, 0.8)
    np.testing.assert_allclose(fit.log_likelihood_at(values, 0.64), expected, rtol=1e-9)
    np.testing.assert_allclose(fit.log_likelihood_at(fit.values, fit.variance), fit.log_likelihood, rtol=1e-12)


@pytest.mark.parametrize("family", RESPONSES)
def test_standard_error_of_the_variance_is_from_the_curvature(family):
    """Against second differences of the likelihood by the variance and the fixed effects."""
    fit = fit_mixed_glm(*arrays("common", family), family)
    best = np.append(fit.values, fit.variance)
    steps = 1e-3 * np.diag(np.append(np.sqrt(np.diag(fit.covariance)), fit.variance))

    def at(point):
        return fit.log_likelihood_at(point[:-1], point[-1])

    hessian = [
        [(at(best + a + b) - at(best + a - b) - at(best - a + b) + at(best - a - b)) / (4 * a.sum() * b.sum()) for a in steps]
        for b in steps
    ]
    np.testing.assert_allclose(fit.variance_of_variance, np.linalg.inv(-np.array(hessian))[-1, -1], rtol=1e-3)


@pytest.mark.parametrize("family", RESPONSES)
@pytest.mark.parametrize("name", ["common", "small_clusters"])
def test_equals_glmer(name, family):
    """To its accuracy: its covariance is by finite differences, and small clusters are hard for its quadrature."""
    theirs = REFERENCE[name][family]
    fit = fit_mixed_glm(*arrays(name, family), family)
    std_errors = np.sqrt(np.diag(theirs["vcov"]))
    assert fit.converged and not fit.singular and not fit.separated
    np.testing.assert_allclose((fit.values - list(theirs["coef"].values())) / std_errors, 0, atol=1e-5)
    np.testing.assert_allclose(fit.covariance / np.outer(std_errors, std_errors), corr(theirs["vcov"]), atol=1e-4)
    np.testing.assert_allclose(fit.variance, theirs["variance"], rtol=1e-5)
    if family == "binomial":
        np.testing.assert_allclose(fit.log_likelihood, theirs["logLik"], rtol=1e-8)


def corr(covariance):
    std_errors = np.sqrt(np.diag(covariance))
    return covariance / np.outer(std_errors, std_errors)


def test_engine_equals_glmer_on_real_data():
    if not IMPACT.exists():
        pytest.skip(f"{IMPACT.name} is not at {IMPACT.parent}")
    theirs = REFERENCE["impact"]
    data = pd.read_csv(IMPACT, keep_default_na=False)  # a category is called None
    data["type"] = pd.Categorical(data["type"], ["OBS", "RCT"])
    fit = fit_statsmodels(theirs["formula"], data, "binomial")
    std_errors = np.sqrt(np.diag(theirs["vcov"]))
    assert fit.names[:4] == ("Intercept", "type[RCT]", "age", "motor_score[3]")
    np.testing.assert_allclose((fit.values - list(theirs["coef"].values())) / std_errors, 0, atol=1e-3)
    np.testing.assert_allclose(fit.std_errors, std_errors, rtol=1e-3)
    np.testing.assert_allclose(fit.random.covariance, [[theirs["variance"]]], rtol=1e-4)
    np.testing.assert_allclose(fit.log_likelihood, theirs["logLik"], rtol=1e-9)
    assert fit.random.cluster == "name" and fit.residual_variance is None and not fit.problems


@pytest.mark.parametrize("family", RESPONSES)
def test_likelihood_is_the_integral_and_has_its_maximum_there(family):
    y, X, clusters = arrays("small_clusters", family)
    fit = fit_mixed_glm(y, X, clusters, family)
    sd = np.sqrt(fit.variance)
    best = integrated(y, X, clusters, family, fit.values, sd)
    np.testing.assert_allclose(fit.log_likelihood, best, rtol=1e-9)
    for step in np.diag(0.05 * np.append(np.sqrt(np.diag(fit.covariance)), sd)):
        for sign in (-1, 1):
            assert integrated(y, X, clusters, family, fit.values + sign * step[:3], sd + sign * step[3]) < best


@pytest.mark.parametrize("family", RESPONSES)
def test_slope_and_information_are_derivatives(family):
    y, X, clusters = arrays("common", family)
    starts = np.flatnonzero(np.diff(clusters, prepend=-1))
    rows = mixed_glm._Rows(y, mixed_glm.whiten(X)[0], clusters, starts, mixed_glm._links()[family])
    point = np.array([0.3, -0.2, 0.4, 0.7])
    here = mixed_glm._marginal(point, rows)
    for k, step in enumerate(1e-4 * np.eye(4)):
        after, before = mixed_glm._marginal(point + step, rows), mixed_glm._marginal(point - step, rows)
        np.testing.assert_allclose((after.value - before.value) / 2e-4, here.slope[k], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose((after.slope - before.slope) / -2e-4, here.information[k], rtol=1e-5, atol=1e-4)


def test_variance_of_zero_gives_the_glm():
    """Clusters that differ less than by chance: ones in turn."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": rng.normal(size=120), "y": np.tile([0, 1], 60)})
    mixed, plain = fit_statsmodels("y ~ x + (1 | g)", frame, "binomial"), fit_statsmodels("y ~ x", frame, "binomial")
    assert mixed.problems == (SINGULAR,)
    np.testing.assert_allclose(mixed.random.covariance, 0, atol=1e-8)
    np.testing.assert_allclose(mixed.values, plain.values, atol=1e-6)
    np.testing.assert_allclose(mixed.covariance, plain.covariance, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(mixed.log_likelihood, plain.log_likelihood, rtol=1e-9)


@pytest.mark.parametrize("family", RESPONSES)
def test_order_of_rows_and_units_of_covariates_are_irrelevant(family):
    y, X, clusters = arrays("common", family)
    shift = np.array([[1.0, 2000.0, 0.0], [0.0, 1e-3, 0.0], [0.0, 0.0, 50.0]])  # x becomes 2000 + x / 1000
    order = np.random.default_rng(0).permutation(len(y))
    near = fit_mixed_glm(y, X, clusters, family)
    far = fit_mixed_glm(y[order], (X @ shift)[order], clusters[order], family)
    np.testing.assert_allclose(shift @ far.values, near.values, rtol=1e-6)
    np.testing.assert_allclose(shift @ far.covariance @ shift.T, near.covariance, rtol=1e-5)
    np.testing.assert_allclose(far.variance, near.variance, rtol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_converges_on_small_and_awkward_tables(seed):
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(30), [2, 5, 20][seed % 3])
    x = rng.normal(50, 1, len(clusters))
    eta = [-2.0, 0.0, 1.0][seed % 3] + 0.8 * (x - 50) + ([0.0, 0.3, 3.0, 6.0][seed % 4] * rng.normal(size=30))[clusters]
    family = "poisson" if seed % 2 else "binomial"
    y = rng.poisson(np.exp(eta)) if family == "poisson" else rng.random(len(x)) < 1 / (1 + np.exp(-eta))
    fit = fit_mixed_glm(y.astype(float), np.column_stack([np.ones(len(x)), x]), clusters, family)
    assert fit.converged and not fit.separated
    assert np.linalg.eigvalsh(fit.covariance).min() > 0


def test_a_category_without_events_is_reported():
    frame = table("common").assign(rare=lambda t: (t.index % 9 == 0) & (t["binary"] == 0))
    assert SEPARATED in fit_statsmodels("binary ~ x + rare + (1 | g)", frame, "binomial").problems
    assert SEPARATED not in fit_statsmodels("binary ~ x + w + (1 | g)", frame, "binomial").problems


def test_an_interrupted_search_is_reported(monkeypatch):
    monkeypatch.setattr(mixed_glm, "STEPS", 1)
    assert DIVERGED in fit_statsmodels("binary ~ x + (1 | g)", table("common"), "binomial").problems


def test_random_slopes_are_refused():
    with pytest.raises(AnalysisError, match=r"binomial model has the terms Intercept, x.*\(1 \| g\).*give a function"):
        fit_statsmodels("binary ~ x + (1 + x | g)", table("common"), "binomial")

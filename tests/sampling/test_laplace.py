"""What the samplers do where the mode or the curvature of the target cannot be found."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.sampling import laplace, target
from tests.problems import model
from tests.test_latent_runs import FAMILIES, FORMULA, pupils


def no_curvature(theta, _):
    return np.full((len(theta), len(theta)), np.nan)


def saddle(theta, _):
    """As at a saddle point: the density rises in some directions and falls in others."""
    return np.diag(np.where(np.arange(len(theta)) % 2, 4.0, -4.0))


def ridge(theta, _):
    """As on a ridge: the first two coordinates are not told apart."""
    curvature = 25.0 * np.eye(len(theta))
    curvature[0, 1] = curvature[1, 0] = 25.0
    return -curvature


def lost(_, start):
    """A search that ends nowhere near a mode."""
    return start + 0.5


FAILURES = [(no_curvature, None), (saddle, None), (ridge, None), (saddle, lost)]
CONTINUOUS = "score ~ x + (1 | school)"


def name_of(failure):
    return "-".join(function.__name__ for function in failure if function) if isinstance(failure, tuple) else None


@pytest.fixture
def broken(monkeypatch):
    """Make the Hessian or the search for a mode fail."""

    def do(hessian, search):
        monkeypatch.setattr(laplace, "_hessian", hessian)
        if search:
            monkeypatch.setattr(laplace, "find_mode", lambda goal, start: search(goal, start))

    return do


def fitted(formula, tune):
    families = FAMILIES if "grade" in formula else None
    joint = jm.JointModel(formula, pupils(), families=families)
    return joint.fit(40, tune=tune, chains=2, cores=1, random_seed=1, progressbar=False)


@pytest.mark.sampling
@pytest.mark.parametrize("failure", FAILURES, ids=name_of)
def test_the_matrix_is_a_rough_diagonal(broken, failure):
    broken(*failure)
    joint = model("slopes")
    found = laplace.whiten(target.build(joint.specification, joint.statistics))
    assert not found.reliable
    assert np.isfinite(found.center).all()
    scale = np.diagonal(found.matrix)
    np.testing.assert_array_equal(found.matrix, np.diag(scale))
    expected = {no_curvature: [1.0, 1.0], saddle: [0.5, 1.0], ridge: [0.2, 0.2]}[failure[0]]
    np.testing.assert_allclose(scale[:2], expected)


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning", "ignore:.*encountered in:RuntimeWarning:arviz_stats")
@pytest.mark.parametrize("formula", [CONTINUOUS, FORMULA])
@pytest.mark.parametrize("failure", FAILURES, ids=name_of)
def test_draws_are_finite_all_the_same(broken, failure, formula):
    broken(*failure)
    fit = fitted(formula, tune=60)
    for name in fit.posterior.data_vars:
        assert np.isfinite(fit.posterior[name]).all(), name
    assert not fit.impute(2, progressbar=False).complete(2)["score"].isna().any()


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning", "ignore:.*encountered in:RuntimeWarning:arviz_stats")
@pytest.mark.parametrize("formula", [CONTINUOUS, FORMULA])
@pytest.mark.parametrize("failure", FAILURES, ids=name_of)
def test_warm_up_makes_good(broken, failure, formula):
    """The chains end where those of the same model do that know the curvature, and move there."""
    right = fitted(formula, tune=500)
    broken(*failure)
    fit = fitted(formula, tune=500)
    assert fit.sample_stats["diverging"].mean() < 0.1
    beta = fit.posterior["beta"].to_numpy().reshape(2, 40, -1)
    assert (np.diff(beta, axis=1) != 0).mean(axis=1).min() > 0.3
    known = right.sample_stats["lp"]
    assert (abs(fit.sample_stats["lp"].mean("draw") - known.mean()) < 6 * known.std()).all()

"""The density that the compiled sampler sees against the collapsed PyMC graph, and its gradient."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.sampling import target as t
from jmimpute.sampling.laplace import starting_point, whiten
from tests.problems import FORMULAS, model

PRIORS = {
    "default": None,
    "jomo": jm.priors.jomo(),
    "mixed": {
        "beta": jm.priors.normal(0.7),
        "Omega_e": jm.priors.lkj(3.0, 0.4),
        "Omega_u": jm.priors.inverse_wishart(9.0, 2.0),
    },
}
CASES = [(kind, priors) for kind in FORMULAS for priors in PRIORS]


def pymc_point(graph, theta, target):
    """The same parameters in PyMC's coordinates (L_ik, log L_ii), and log |d pymc / d theta|."""
    beta, chol_e, chol_u = t.unpack(theta, target)

    def packed(chol):
        rows, columns = np.tril_indices(len(chol))
        return np.where(rows == columns, np.log(np.abs(chol[rows, columns])), chol[rows, columns])

    arrays = {"beta": theta[: len(target.beta_row)], "e": packed(chol_e), "u": packed(chol_u)}
    point = {}
    for value in graph.value_vars:
        key = "beta" if value.name.startswith("beta") else "e" if "_e_" in value.name else "u"
        point[value.name] = arrays[key]
    # Row i as (direction, log length): dL = prod L_ii^{i+1} d(direction, log length), and PyMC has log L_ii.
    pairs = ((target.prior_e, chol_e), (target.prior_u, chol_u))
    jacobian = sum(np.sum(np.arange(len(chol)) * np.log(np.diag(chol))) for prior, chol in pairs if prior.lkj and len(chol))
    return point, jacobian


@pytest.mark.parametrize(("kind", "priors"), CASES)
def test_density_equals_the_pymc_graph_up_to_a_constant(kind, priors):
    joint = model(kind, 3, PRIORS[priors])
    target = t.build(joint.specification, joint.statistics)
    logp = joint.collapsed.compile_logp(mode="FAST_COMPILE")
    rng = np.random.default_rng(4)
    differences = []
    for _ in range(6):
        theta = starting_point(target) + 0.4 * rng.normal(size=t.dimension(target))
        point, jacobian = pymc_point(joint.collapsed, theta, target)
        differences.append(t.log_density(theta, target, np.empty_like(theta)) - jacobian - float(logp(point)))
    assert np.ptp(differences) < 1e-8


@pytest.mark.parametrize(("kind", "priors"), CASES)
def test_gradient_equals_finite_differences(kind, priors):
    joint = model(kind, 5, PRIORS[priors])
    target = t.build(joint.specification, joint.statistics)
    theta = starting_point(target) + 0.3 * np.random.default_rng(6).normal(size=t.dimension(target))
    gradient, scratch = np.empty_like(theta), np.empty_like(theta)
    t.log_density(theta, target, gradient)
    differences = [
        (t.log_density(theta + h, target, scratch) - t.log_density(theta - h, target, scratch)) / 2e-5
        for h in 1e-5 * np.eye(len(theta))
    ]
    assert gradient == pytest.approx(np.array(differences), rel=2e-6, abs=2e-6)


def test_inverse_wishart_scale_means_the_original_scale():
    """Stretching the data and the prior scale alike changes nothing but a constant."""
    joint = model("slopes", 1, {"Omega_u": jm.priors.inverse_wishart(6.0, np.diag([1.0, 2.0, 3.0, 4.0]))})
    frame = joint.table.frame.assign(y2=lambda f: 100 * f.y2 - 3)
    stretched = np.diag([1.0, 2.0, 3.0 * 1e4, 4.0 * 1e4])
    other = jm.JointModel(FORMULAS["slopes"], frame, priors={"Omega_u": jm.priors.inverse_wishart(6.0, stretched)})
    targets = [t.build(m.specification, m.statistics) for m in (joint, other)]
    rng = np.random.default_rng(2)
    gaps = []
    for _ in range(4):
        theta = starting_point(targets[0]) + 0.3 * rng.normal(size=t.dimension(targets[0]))
        gaps.append(np.subtract(*(t.log_density(theta, one, np.empty_like(theta)) for one in targets)))
    assert np.ptp(gaps) < 1e-8


@pytest.mark.parametrize(("kind", "priors"), CASES)
def test_whitening_finds_a_mode(kind, priors):
    joint = model(kind, 2, PRIORS[priors], n_rows=120, n_clusters=15)
    target = t.build(joint.specification, joint.statistics)
    whitening = whiten(target)
    assert whitening.reliable
    gradient = np.empty_like(whitening.center)
    t.log_density(whitening.center, target, gradient)
    assert np.abs(whitening.matrix.T @ gradient).max() < 1e-3

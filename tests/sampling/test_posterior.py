"""Labels of a posterior, and which of its numbers are free, with covariances of clusters and level-2 responses."""

import time
from dataclasses import replace

import numpy as np
import pytest

from jmimpute.sampling.diagnostics import summarise
from jmimpute.sampling.elements import elements
from jmimpute.sampling.posterior import label
from jmimpute.specification.priors import heterogeneous
from tests.graph.definition import random_values
from tests.graph.structured import hierarchical, specification
from tests.problems import model

SHAPE = (2, 5)


def posterior(spec, n_cuts=0, **given):
    """Labelled draws on the standardised scale, which is as good as another."""
    rng = np.random.default_rng(1)
    draws = [random_values(spec, rng) for _ in range(SHAPE[0] * SHAPE[1])]

    def stacked(name):
        values = np.array([getattr(values, name) for values in draws])
        return values.reshape(SHAPE + values.shape[1:])

    cutpoints = np.cumsum(0.1 + rng.random((*SHAPE, n_cuts)), axis=-1) if n_cuts else None
    given = {name: stacked(attribute) for name, attribute in given.items()}
    return label(
        *(stacked(name) for name in ("beta", "omega_e", "omega_u")),
        spec.layout,
        cutpoints,
        beta_level2=stacked("beta_level2") if spec.layout.level2.variables else None,
        hierarchy=given or None,
        clusters=spec.clusters.labels,
    ), stacked


def free(dataset, *variables):
    return [text for text, _ in elements(dataset, variables)]


def test_level_2_responses_are_labelled():
    spec = specification("level 2, own")
    found, stacked = posterior(spec, n_cuts=2)
    effects = ["y1|Intercept", "y1|x", "region.1", "region.2", "w", "size"]
    assert found["Omega_u"].dims == ("chain", "draw", "effect", "effect_")
    assert found["effect"].to_numpy().tolist() == effects == found["effect_"].to_numpy().tolist()
    assert found["beta_level2"].dims == ("chain", "draw", "response_level2", "covariate_level2")
    w_z = found["beta_level2"].sel(response_level2="w", covariate_level2="z").to_numpy()
    assert w_z == pytest.approx(stacked("beta_level2")[:, :, spec.layout.level2.covariates.index("z"), 2])
    assert found["cutpoints_size"].dims == ("chain", "draw", "cutpoint_size")
    assert found["cutpoint_size"].to_numpy().tolist() == ["m|l", "l|xl"]
    # y1 has two random effects and passed none.
    assert np.isnan(found["icc"].to_numpy()).all()


def test_cut_points_of_level_1_come_before_those_of_level_2():
    spec = specification("level 2, own")
    first, second = (np.full((*SHAPE, 2), number) for number in (1.0, 2.0))
    variable = spec.layout.level2.variables[-1]
    found, _ = posterior(spec)
    arrays = [np.swapaxes(found["beta"].to_numpy(), -1, -2), found["Omega_e"].to_numpy(), found["Omega_u"].to_numpy()]
    at_1 = replace(variable, name="grade", first=0)
    layout = replace(spec.layout, variables=(at_1, *spec.layout.variables[1:]))
    both = label(*arrays, layout, np.concatenate([first, second], axis=-1))
    assert np.all(both["cutpoints_grade"] == 1.0) and np.all(both["cutpoints_size"] == 2.0)


def test_known_elements_and_zeros_of_level_2_are_not_free():
    spec = specification("level 2, own")
    found, _ = posterior(spec)
    names = free(found, "Omega_u")
    # 21 elements, of which the variances and the covariance of region and the variance of size are known.
    assert len(names) == 21 - 4
    assert "Omega_u[region.1, y1|Intercept]" in names and "Omega_u[w, w]" in names
    assert "Omega_u[region.2, region.1]" not in names and "Omega_u[size, size]" not in names
    assert len(free(found, "corr_u")) == 15 - 1 and len(free(found, "sd_u")) == 3
    # size has an intercept only.
    assert "beta_level2[size, z]" not in free(found, "beta_level2") and len(free(found, "beta_level2")) == 7


def test_uncorrelated_effects_are_not_free():
    spec = specification("uncorrelated, level 2")
    found, _ = posterior(spec)
    assert spec.layout.blocks.tolist() == [0, 1, 0, 0, 0]
    names = free(found, "Omega_u")
    assert "Omega_u[y1|x, y1|x]" in names and "Omega_u[w, y2|Intercept]" in names
    assert not [name for name in names if "y1|x" in name and name != "Omega_u[y1|x, y1|x]"]
    assert len(names) == 15 - 4 - 1 and len(free(found, "corr_u")) == 10 - 4


@pytest.mark.parametrize("kind", ["continuous", "binary"])
def test_covariances_of_clusters_are_labelled(kind):
    spec = specification(kind)
    found, stacked = posterior(spec)
    assert found["Omega_e"].dims == ("chain", "draw", "cluster", "response", "response_")
    assert found["sd_e"].dims == ("chain", "draw", "cluster", "response")
    assert found["cluster"].to_numpy().tolist() == list(spec.clusters.labels)
    assert "icc" not in found
    omega = stacked("omega_e")[..., 3, 1, 0]
    assert found["Omega_e"].sel(response=spec.layout.responses[1], response_="y1", cluster=3).to_numpy() == pytest.approx(omega)
    p, n_latent = len(spec.layout.responses), int(spec.layout.latent.sum())
    names = free(found, "Omega_e")
    assert len(names) == 7 * (p * (p + 1) // 2 - n_latent)
    assert f"Omega_e[3, {spec.layout.responses[1]}, y1]" in names and "Omega_e[3, passed, passed]" not in names
    assert len(free(found, "corr_e")) == 7 * p * (p - 1) // 2


def test_hierarchies_of_covariances_are_labelled():
    kind = "random, nominal"
    spec = specification(kind, hierarchical(kind, True))
    found, stacked = posterior(spec, a="a", A="scale")
    assert found["a"].dims == ("chain", "draw") and found["A"].dims == ("chain", "draw", "response", "response_")
    assert free(found, "a") == ["a"]
    assert dict(elements(found, ("a",)))["a"] == pytest.approx(stacked("a"))
    # Nothing of A is known, even for latents.
    assert len(free(found, "A")) == 6 and "A[colour.1, colour.1]" in free(found, "A")
    assert len(free(found, "Omega_e")) == 7 * (6 - 3)


def test_log_standard_deviations_are_labelled():
    spec = specification("random, mixed", {"Omega_e": heterogeneous("log-sd")})
    found, _ = posterior(spec, log_sd_mean="log_sd_mean", log_sd_spread="log_sd_spread")
    assert found["log_sd_mean"].dims == ("chain", "draw", "continuous_response")
    assert free(found, "log_sd_mean", "log_sd_spread") == ["log_sd_mean[y1]", "log_sd_spread[y1]"]
    # Latents of three categories and of two have four known elements among ten.
    assert len(free(found, "corr_e")) == 7 * (6 - 1) and len(free(found, "Omega_e")) == 7 * (10 - 4)
    assert summarise(found).shape[0] == len(list(elements(found)))


def test_rounding_errors_are_not_taken_for_draws():
    found, _ = posterior(specification("binary"))
    n = len(free(found, "Omega_e"))
    noise = 1e-15 * np.random.default_rng(1).normal(size=found["Omega_e"].shape)
    assert len(free(found.assign(Omega_e=found["Omega_e"] * (1 + noise)), "Omega_e")) == n


def test_calls_without_structures_are_as_before():
    layout = model("intercepts").specification.layout
    rng = np.random.default_rng(2)
    found = label(rng.normal(size=(2, 3, 2, 2)), np.ones((2, 3, 2, 2)) + np.eye(2), np.ones((2, 3, 2, 2)) + np.eye(2), layout)
    names = ["beta", "Omega_e", "sd_e", "corr_e", "Omega_u", "sd_u", "corr_u", "icc"]
    assert list(found) == names
    assert found["icc"].to_numpy() == pytest.approx(np.full((2, 3, 2), 0.5))
    assert "cluster" not in found.coords


def test_hundreds_of_clusters_take_no_time():
    layout = model("own").specification.layout
    rng = np.random.default_rng(3)
    omega = np.eye(3) + 0.1 * rng.random((2, 100, 500, 1, 1))
    beta = rng.normal(size=(2, 100, len(layout.covariates), 3))
    found = label(beta, omega, np.eye(3) + 0.1 * rng.random((2, 100, 1, 1)), layout)
    start = time.process_time()
    assert len(free(found, "Omega_e", "sd_e", "corr_e")) == 500 * (6 + 3 + 3)
    assert time.process_time() - start < 2.0

"""Runs with covariances of clusters, level-2 responses and zeros in Omega_u: reproducible, kept, saved, gone on with."""

import warnings

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning, ImputationError, SamplingError

pytestmark = [pytest.mark.sampling, pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")]

N_SCHOOLS = 12


def pupils():
    """240 pupils of 12 schools; score is never observed in one school, and one school lacks each level-2 value."""
    rng = np.random.default_rng(5)
    n = 240
    code = rng.permutation(np.arange(n) % N_SCHOOLS)
    u = rng.normal(size=(N_SCHOOLS, 3))
    sd = np.exp(0.4 * rng.normal(size=N_SCHOOLS))
    x = rng.normal(size=n)
    e = rng.normal(size=(n, 2)) * sd[code, None]
    labels = np.array([f"s{k:02d}" for k in range(N_SCHOOLS)])
    frame = pd.DataFrame({"school": labels[code], "x": x})
    frame["score"] = 50 + 10 * (0.5 * x + u[code, 0] + e[:, 0])
    frame["rating"] = 3 + 0.5 * u[code, 0] + 0.6 * e[:, 0] + 0.5 * e[:, 1]
    frame["passed"] = pd.array(0.4 * u[code, 1] + rng.normal(size=n) > 0, dtype="boolean")
    frame["funds"] = np.round(u[:, 0] + rng.normal(size=N_SCHOOLS), 3)[code]
    frame["urban"] = pd.array((u[:, 2] > 0)[code], dtype="boolean")
    for name in ("score", "rating", "passed"):
        frame.loc[rng.random(n) < 0.2, name] = None
    frame.loc[code == 3, "score"] = None
    frame.loc[code == 4, "funds"] = None
    frame.loc[code == 5, "urban"] = None
    frame.loc[(code == 6) & (np.arange(n) % 2 == 0), "funds"] = None  # to be carried from other rows
    return frame


MODELS = {
    "cluster-specific": {"formulas": "score + rating ~ x + (1 | school)", "covariance": "cluster-specific"},
    "random, mixed": {"formulas": "score + passed + rating ~ x + (1 | school)", "covariance": "random"},
    "log-sd": {
        "formulas": "score + rating + passed ~ x + (1 | school)",
        "covariance": "random",
        "priors": {"Omega_e": jm.priors.heterogeneous("log-sd")},
    },
    "level 2": {"formulas": "score + passed ~ x + (1 + x | school)", "level2": "funds + urban ~ 1"},
    "uncorrelated": {"formulas": "score + rating ~ x + (1 + x || school)"},
}


def fitted(kind, frame=None, draws=40, **options):
    given = {"tune": 60, "chains": 2, "cores": 1, "random_seed": 3, "keep_latents": 20, "progressbar": False} | options
    model = jm.JointModel(data=pupils() if frame is None else frame, **MODELS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(draws, **given)


@pytest.fixture(scope="module", params=list(MODELS))
def fit(request):
    return request.param, fitted(request.param)


def same(first, second, m=None):
    assert first.columns == second.columns
    for name in first.columns:
        np.testing.assert_array_equal(first.values(name)[:m], second.values(name)[:m])


def test_draws_do_not_depend_on_cores(fit):
    kind, first = fit
    for name, values in fitted(kind, cores=2).posterior.items():
        np.testing.assert_array_equal(values, first.posterior[name], err_msg=str(name))


def test_imputations_do_not_depend_on_the_order_of_rows(fit):
    kind, first = fit
    order = np.random.default_rng(1).permutation(len(pupils()))
    shuffled = fitted(kind, pupils().iloc[order]).impute(5, progressbar=False)
    expected = first.impute(5, progressbar=False)
    for k in range(1, 6):
        pd.testing.assert_frame_equal(shuffled.complete(k).sort_index(), expected.complete(k))


def test_relabelled_clusters_give_the_same_but_for_rounding_and_their_order(fit):
    """Labels order clusters and thereby random numbers, so that draws change; the model of a cluster must not."""
    kind, first = fit
    frame = pupils()
    frame["school"] = frame["school"].map(lambda label: f"t{label[1:]}")  # other labels in the same order
    second = fitted(kind, frame)
    for name, values in second.posterior.items():
        np.testing.assert_array_equal(values, first.posterior[name], err_msg=str(name))


def test_a_loaded_fit_imputes_and_goes_on_alike(fit, tmp_path):
    _, first = fit
    first.save(tmp_path)
    loaded = jm.load_fit(tmp_path)
    same(loaded.impute(10, progressbar=False), first.impute(10, progressbar=False))
    once, again = (found.extend(20, keep_latents=2, cores=1, progressbar=False) for found in (first, loaded))
    for name in once.posterior:
        np.testing.assert_array_equal(once.posterior[name], again.posterior[name], err_msg=str(name))


def test_extending_gives_what_a_longer_run_gives(fit):
    kind, first = fit
    longer = fitted(kind, draws=60)
    extended = first.extend(20, cores=1, progressbar=False)
    for name, values in longer.posterior.items():
        np.testing.assert_allclose(extended.posterior[name], values, rtol=1e-6, atol=1e-9, err_msg=str(name))
    same(extended.impute(10, progressbar=False), first.impute(10, progressbar=False))


def test_more_imputations_begin_with_the_first_ones(fit):
    _, first = fit
    few = first.impute(3, progressbar=False)
    extended = few.extend(10, progressbar=False)
    same(extended, few, 3)
    same(extended, first.impute(10, progressbar=False))


def test_every_missing_cell_is_imputed(fit):
    _, first = fit
    imputations = first.impute(3, progressbar=False)
    data = pupils()
    responses = [name for name in data if name in imputations.columns]
    for table in imputations:
        assert not table[responses].isna().any().any()
        seen = data[responses].notna()
        for name in responses:
            assert (table[name][seen[name]] == data[name][seen[name]]).all()


def test_random_effects(fit):
    _, first = fit
    u = first.random_effects()
    layout = first.model.specification.layout
    assert u.sizes["cluster"] == N_SCHOOLS and list(u.effect.values) == list(layout.effects)
    assert np.isfinite(u).all() and (u.to_numpy().std(axis=0) > 0).all()


def test_level_2_values_are_those_of_their_cluster():
    imputations = fitted("level 2").impute(8, progressbar=False)
    data = pupils()
    known = data.groupby("school")[["funds", "urban"]].first()
    drawn = []
    for table in imputations:
        found = table.groupby("school")[["funds", "urban"]].agg(["nunique", "first"])
        for name in ("funds", "urban"):
            assert (found[name]["nunique"] == 1).all()
            observed = known[name].notna()
            assert (found[name]["first"][observed] == known[name][observed]).all()
        drawn.append(found["funds"]["first"]["s04"])
    assert len(set(drawn)) == 8


def test_uncorrelated_effects_have_no_covariance():
    posterior = fitted("uncorrelated").posterior
    omega = posterior["Omega_u"]
    intercepts = [label for label in omega.effect.values if label.endswith("Intercept")]
    slopes = [label for label in omega.effect.values if label.endswith("x")]
    assert len(intercepts) == len(slopes) == 2
    assert (omega.sel(effect=intercepts, effect_=slopes) == 0).all()
    assert (omega.sel(effect=intercepts[0], effect_=intercepts[1]) != 0).all()


def test_posterior_has_the_parameters_of_the_hierarchy():
    random, log_sd = (fitted(kind).posterior for kind in ("random, mixed", "log-sd"))
    assert random["Omega_e"].dims[2:] == ("cluster", "response", "response_")
    assert (random["a"] >= 3).all() and random["A"].dims[2:] == ("response", "response_")
    np.testing.assert_array_equal(random["Omega_e"].sel(response="passed", response_="passed"), 1.0)
    correlation = log_sd["corr_e"]
    np.testing.assert_allclose(
        correlation, correlation.isel(cluster=0).broadcast_like(correlation).transpose(*correlation.dims), atol=1e-10
    )
    assert "log_sd_spread" in log_sd


@pytest.mark.parametrize("sampler", ["gibbs", "pymc", "nutpie"])
def test_other_samplers_say_what_they_are_for(sampler):
    with pytest.raises(SamplingError, match="common to all clusters.*sampler='auto'"):
        fitted("random, mixed", sampler=sampler)


def test_collapsed_graph_says_that_there_is_none():
    model = jm.JointModel(data=pupils(), **MODELS["cluster-specific"])
    with pytest.raises(SamplingError, match=r"no collapsed graph.*JointModel\.pymc"):
        _ = model.collapsed


def test_imputations_beyond_the_kept_latents_are_refused():
    with pytest.raises(ImputationError, match="20"):
        fitted("random, mixed").impute(30)

"""Runs with categorical responses: the same seed gives the same draws, however they are made, kept, saved or interrupted."""

import warnings

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import ConvergenceWarning, ImputationError, InterruptedWarning
from jmimpute.sampling import threads

pytestmark = [pytest.mark.sampling, pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")]

FORMULA = "score + passed + colour + grade ~ x + (1 | school)"
FAMILIES = {"grade": jm.families.ordinal([1, 2, 3, 4])}
INCOMPLETE = ("score", "passed", "colour", "grade")


def pupils():
    """150 pupils of 10 schools; about a fifth of the cells is missing. Grade 4 and colour 'black' are never observed."""
    rng = np.random.default_rng(11)
    n, n_schools = 150, 10
    school = rng.permutation(np.arange(n) % n_schools)
    x = rng.normal(size=n)
    latent = 0.5 * x[:, None] + 0.5 * rng.normal(size=(n_schools, 5))[school] + rng.normal(size=(n, 5))
    colour = np.where(latent[:, 2:4].max(axis=1) > 0, np.argmax(latent[:, 2:4], axis=1), 2)
    frame = pd.DataFrame(
        {
            "score": 50 + 10 * latent[:, 0],
            "passed": pd.array(latent[:, 1] > 0, dtype="boolean"),
            "colour": pd.Categorical.from_codes(colour, ["red", "blue", "green", "black"]),
            "grade": np.searchsorted([-0.5, 0.7], latent[:, 4]) + 1.0,
            "x": x,
            "school": np.array([f"s{k}" for k in range(n_schools)])[school],
        },
        index=range(1000, 1000 + n),
    )
    for name in INCOMPLETE:
        frame.loc[rng.random(n) < 0.2, name] = None
    return frame


def fitted(frame=None, draws=40, families=FAMILIES, **options):
    given = {"tune": 60, "chains": 2, "cores": 1, "random_seed": 3, "keep_latents": 20, "progressbar": False} | options
    return jm.JointModel(FORMULA, pupils() if frame is None else frame, families=families).fit(draws, **given)


@pytest.fixture(scope="module")
def fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fitted()


@pytest.fixture(scope="module")
def imputations(fit):
    return fit.impute(20, progressbar=False)


def more(fit, draws, **options):
    return fit.extend(draws, cores=1, progressbar=False, **options)


def same_imputations(first, second, m=None):
    assert first.columns == second.columns == INCOMPLETE
    for name in INCOMPLETE:
        np.testing.assert_array_equal(first.values(name)[:m], second.values(name)[:m])


def same_draws(first, second, groups=("posterior", "sample_stats", "latents")):
    for name in groups:
        a, b = first.tree[name].to_dataset(), second.tree[name].to_dataset()
        assert set(a.data_vars) == set(b.data_vars)
        for variable in a.data_vars:
            np.testing.assert_array_equal(a[variable], b[variable], err_msg=f"{name}: {variable}")


def test_more_imputations_begin_with_the_first_ones(fit, imputations):
    few = fit.impute(7, progressbar=False)
    same_imputations(few, imputations, 7)
    same_imputations(few.extend(20, progressbar=False), imputations)


# Files


@pytest.fixture(scope="module")
def loaded(fit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    fit.save(folder)
    return jm.load_fit(folder)


def test_a_loaded_fit_imputes_alike(imputations, loaded):
    found = loaded.impute(20, progressbar=False)
    same_imputations(found, imputations)
    pd.testing.assert_frame_equal(found.complete(7), imputations.complete(7))


def test_a_loaded_fit_of_texts_imputes_alike(tmp_path):
    frame = pupils()
    frame["colour"] = frame["colour"].astype(object)
    families = {**FAMILIES, "colour": "nominal"}
    fit = fitted(frame, draws=10, tune=20, keep_latents=2, families=families)
    fit.save(tmp_path)
    same_imputations(jm.load_fit(tmp_path).impute(2, progressbar=False), fit.impute(2, progressbar=False))


def test_a_loaded_fit_goes_on_alike(fit, loaded):
    same_draws(
        more(fit, 30, keep_latents=4), more(loaded, 30, keep_latents=4), ("posterior", "sample_stats", "latents", "state")
    )


# Going on


@pytest.fixture(scope="module")
def in_parts(fit):
    """Draws 40 to 139 at once, and in two parts."""
    return more(fit, 100), more(more(fit, 50), 50)


def test_extending_twice_is_extending_once_up_to_rounding(in_parts):
    once, twice = (found.posterior for found in in_parts)
    assert once.sizes["draw"] == twice.sizes["draw"] == 140
    for name in once.data_vars:
        np.testing.assert_allclose(once[name], twice[name], rtol=1e-6, atol=1e-8, err_msg=name)


def test_extending_twice_is_extending_once(in_parts):
    same_draws(*in_parts)


def test_a_run_in_two_parts_is_a_longer_run(fit):
    same_draws(more(fit, 20), fitted(draws=60), ("posterior", "sample_stats"))


def test_an_extended_fit_begins_with_the_draws_and_imputations_of_the_former(fit, imputations):
    extended = more(fit, 30, keep_latents=5)
    for name in ("beta", "Omega_e", "cutpoints_grade"):
        np.testing.assert_array_equal(extended.posterior[name][:, :40], fit.posterior[name])
    assert not np.isin(extended.posterior["beta"][:, 40:], fit.posterior["beta"]).all(axis=(1, 2, 3)).any()
    np.testing.assert_array_equal(extended.posterior["draw"], np.arange(70))
    kept = extended.tree["latents"]
    assert (kept["draw"][20:] >= 40).all(), "further latents are those of further draws"
    found = extended.impute(25, progressbar=False)
    same_imputations(found, imputations, 20)
    assert len(np.unique(found.values("score")[20:], axis=0)) == 5


# Thinning, cores, order of rows


def test_thinned_draws_are_every_third():
    thinned, full = fitted(draws=30, thin=3, keep_latents=60), fitted(draws=90, keep_latents=180)
    for name in full.posterior.data_vars:
        np.testing.assert_array_equal(thinned.posterior[name], full.posterior[name][:, 2::3], err_msg=name)
    dense = full.tree["latents"].to_dataset()
    place = {pair: k for k, pair in enumerate(zip(dense["chain"].to_numpy(), dense["draw"].to_numpy(), strict=True))}
    kept = thinned.tree["latents"].to_dataset()
    pairs = zip(kept["chain"].to_numpy(), kept["draw"].to_numpy(), strict=True)
    np.testing.assert_array_equal(kept["latent"], dense["latent"][[place[c, 3 * d + 2] for c, d in pairs]])


def test_imputations_do_not_depend_on_the_number_of_cores(fit, imputations):
    found = fitted(cores=2)
    same_draws(found, fit)
    same_imputations(found.impute(20, progressbar=False), imputations)


def test_imputations_do_not_depend_on_the_order_of_rows(fit, imputations):
    """To the last bit: the sampler, too, walks over rows in their canonical order."""
    shuffled = pupils().sample(frac=1, random_state=5)
    assert list(shuffled.index[:5]) != list(pupils().index[:5])
    found = fitted(shuffled)
    same_draws(found, fit, ("posterior", "sample_stats"))
    imputed = found.impute(20, progressbar=False)
    for k in (1, 20):
        pd.testing.assert_frame_equal(imputed.complete(k).sort_index(), imputations.complete(k), check_exact=True)


def test_another_seed_gives_other_draws(fit):
    assert not np.isin(fitted(random_seed=4).posterior["beta"], fit.posterior["beta"]).any()


# What there is


def test_random_effects_are_those_of_the_kept_draws(fit):
    u = fit.random_effects()
    assert u.dims == ("kept", "cluster", "effect")
    assert u.shape == (20, 10, 5)
    assert u["cluster"].to_numpy().tolist() == sorted(pupils()["school"].unique())
    assert u["effect"].to_numpy().tolist() == [f"{n}|Intercept" for n in ("score", "passed", "colour.1", "colour.2", "grade")]
    kept = fit.tree["latents"]
    np.testing.assert_array_equal(u["chain"], kept["chain"])
    np.testing.assert_array_equal(u["draw"], kept["draw"])
    assert (u.std("kept") > 0).all() and np.isfinite(u).all()


def test_only_observed_categories_are_imputed(imputations):
    """One that is never observed is not modelled; all others do occur, the reference among them."""
    assert set(imputations.values("colour").ravel()) == {"red", "blue", "green"}
    assert set(imputations.values("grade").ravel()) == {1, 2, 3}
    assert set(imputations.values("passed").ravel()) == {True, False}
    completed = imputations.complete(1)
    pd.testing.assert_series_equal(completed.dtypes, pupils().dtypes)
    assert not completed.isna().any(axis=None)
    assert "black" in completed["colour"].cat.categories


def test_imputing_more_than_was_kept(fit):
    message = r"21 imputations need .* 21 posterior draws; this fit kept those of 20\. .*keep_latents=21.*keep_latents=1\)"
    with pytest.raises(ImputationError, match=message):
        fit.impute(21, progressbar=False)


def test_nothing_kept():
    nothing = fitted(keep_latents=0)
    with pytest.raises(
        ImputationError, match=r"kept those of 0\. Fit again with keep_latents=2 and no fewer draws.* go on with fit.extend"
    ):
        nothing.impute(2, progressbar=False)
    assert nothing.random_effects().shape == (0, 10, 5)
    assert len(more(nothing, 10, keep_latents=2).impute(2, progressbar=False)) == 2


# Interruptions


class Interrupting:
    """A progress bar at which Ctrl-C is pressed after some draws of all chains."""

    after = 400

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self.update

    def __exit__(self, *error):
        return None

    def update(self, done):
        if done > self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("cores", [1, 2])
def test_an_interrupted_run_can_go_on(cores, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(threads, "progress", Interrupting)
        with pytest.warns(InterruptedWarning, match="Sampling was interrupted") as caught:
            broken = fitted(draws=20_000, cores=cores)
    sizes = broken.posterior.sizes
    assert 10 <= sizes["draw"] < 20_000
    assert sizes["chain"] <= cores, "with one core the second chain has not begun"
    interrupted = next(str(warning.message) for warning in caught if warning.category is InterruptedWarning)
    assert f"{sizes['chain']} of 2 chain(s) with {sizes['draw']} of 20000 draws were kept" in interrupted
    assert np.isfinite(broken.posterior["beta"]).all()
    assert (broken.posterior["cutpoints_grade"] > 0).all(), "no draw that was never made is among those kept"
    kept = broken.tree["latents"]
    assert (kept["draw"] < sizes["draw"]).all() and np.isfinite(kept["latent"]).all()
    extended = more(broken, 30, keep_latents=4)
    assert extended.posterior.sizes["draw"] == sizes["draw"] + 30
    assert np.isfinite(extended.posterior["beta"]).all()
    m = kept.sizes["kept"] + 4
    assert not extended.impute(m, progressbar=False).complete(m).isna().any(axis=None)

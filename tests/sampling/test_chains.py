"""Chains against a posterior known in closed form, and against each other."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.sampling import chains, laplace, target
from jmimpute.sampling.diagnostics import summarise
from jmimpute.sampling.posterior import to_posterior
from tests.problems import model

# Short runs, which the package rightly warns of.
pytestmark = [pytest.mark.sampling, pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")]
QUIET = chains.Settings(draws=500, tune=300, chains=2, progressbar=False)


def seeds(n, entropy=1):
    return np.random.SeedSequence(entropy).spawn(n)


def test_complete_single_level_data_have_the_textbook_posterior():
    """Flat B and IW(df, S): Omega_e | y ~ IW(df + N - q, S + residual cross-products), B | y matrix t around least squares."""
    rng = np.random.default_rng(3)
    n = 60
    x = rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "y1": 20 + 5 * x + 4 * rng.normal(size=n), "y2": rng.normal(size=n)})
    priors = {"beta": jm.priors.flat(), "Omega_e": jm.priors.inverse_wishart(df=5.0, scale=np.diag([30.0, 0.5]))}
    joint = jm.JointModel("y1 + y2 ~ x", frame, priors=priors)
    fit = joint.fit(draws=5000, tune=500, chains=4, random_seed=4, progressbar=False)
    design, y = np.column_stack([np.ones(n), x]), frame[["y1", "y2"]].to_numpy()
    estimate = np.linalg.lstsq(design, y, rcond=None)[0]
    residual = y - design @ estimate
    df = 5.0 + n - 2
    scale = np.diag([30.0, 0.5]) + residual.T @ residual
    mean = scale / (df - 3)
    summary = fit.summary()
    expected = {
        "beta[y1, x]": (estimate[1, 0], np.sqrt(mean[0, 0] * np.linalg.inv(design.T @ design)[1, 1])),
        "beta[y2, Intercept]": (estimate[0, 1], np.sqrt(mean[1, 1] * np.linalg.inv(design.T @ design)[0, 0])),
        "Omega_e[y1, y1]": (mean[0, 0], np.sqrt(2 * mean[0, 0] ** 2 / (df - 5))),
        "Omega_e[y2, y2]": (mean[1, 1], np.sqrt(2 * mean[1, 1] ** 2 / (df - 5))),
        "Omega_e[y2, y1]": (mean[0, 1], None),
    }
    for name, (center, sd) in expected.items():
        row = summary.loc[name]
        assert abs(row["mean"] - center) < 4.5 * row["mcse_mean"], name
        if sd is not None:
            assert abs(row["sd"] - sd) < 4.5 * row["mcse_sd"], name


def test_draws_do_not_depend_on_the_number_of_cores():
    joint = model("slopes", 1, n_rows=120, n_clusters=12)
    goal = target.build(joint.specification, joint.statistics)
    whitening = laplace.whiten(goal)
    one, two = (chains.draw(goal, whitening, replace(QUIET, cores=cores), seeds(2)) for cores in (1, 2))
    for (a, step_a), (b, step_b) in zip(one, two, strict=True):
        assert np.array_equal(a.draws, b.draws)
        assert step_a == step_b


def test_seeds_give_different_chains_and_fits():
    joint = model("intercepts", 1)
    fits = [joint.fit(50, 100, 2, random_seed=seed, progressbar=False).posterior["beta"].to_numpy() for seed in (1, 2, 1)]
    assert not np.array_equal(fits[0], fits[1])
    assert np.array_equal(fits[0], fits[2])
    assert not np.array_equal(fits[0][0], fits[0][1])


def test_sampler_recovers_where_the_laplace_approximation_is_useless():
    """A whitening without scale or direction: the covariance must be learned during warm-up."""
    joint = model("intercepts", 2, n_rows=200, n_clusters=20)
    goal = target.build(joint.specification, joint.statistics)
    good = laplace.whiten(goal)
    crude = laplace.Whitening(good.center, 0.02 * np.eye(len(good.center)), reliable=False)
    settings = replace(QUIET, draws=4000, tune=1000)
    means, errors = [], []
    for whitening in (good, crude):
        draws = chains.draw(goal, whitening, settings, seeds(2, 9))
        posterior = to_posterior([chain.draws for chain, _ in draws], goal, joint.specification)
        table = summarise(posterior, ("beta", "Omega_e", "Omega_u"))
        means.append(table["mean"])
        errors.append(table["mcse_mean"])
        # Learned: trajectories are about as short as with a good whitening (7 steps), not the hundreds of a crude one.
        assert np.mean([chain.n_steps.mean() for chain, _ in draws]) < 20
    z = (means[0] - means[1]) / np.sqrt(errors[0] ** 2 + errors[1] ** 2)
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("options", [{"draws": 0}, {"tune": -1}, {"chains": 0}, {"target_accept": 1.0}, {"draws": 2.5}])
def test_settings_that_make_no_run_are_refused(options):
    with pytest.raises(jm.errors.SamplingError, match=next(iter(options))):
        chains.Settings(**options)


def test_shuffled_rows_give_the_same_imputations_to_the_last_bit():
    pupils = jm.datasets.load("pupils").head(300)
    formula = "reading + maths + motivation ~ sex + age + (1 | school)"
    shuffled = pupils.sample(frac=1, random_state=5)
    first, second = (
        jm.JointModel(formula, frame).fit(200, 300, 2, random_seed=6, progressbar=False).impute(3, progressbar=False)
        for frame in (pupils, shuffled)
    )
    a = first.complete(2).sort_values("pupil")
    b = second.complete(2).sort_values("pupil")
    for column in first.columns:
        assert np.array_equal(a[column], b[column])


def test_relabelled_clusters_change_the_posterior_by_rounding_only():
    pupils = jm.datasets.load("pupils")
    formula = "reading + maths + motivation ~ sex + age + (1 | school)"
    labels = pupils["school"].unique()
    other = dict(zip(labels, np.random.default_rng(1).permutation(len(labels)), strict=True))
    fits = [
        jm.JointModel(formula, frame).fit(200, 300, 2, random_seed=6, progressbar=False)
        for frame in (pupils, pupils.assign(school=pupils["school"].map(other)))
    ]
    a, b = (fit.summary()["mean"] for fit in fits)
    assert a.to_numpy() == pytest.approx(b.to_numpy(), rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["pymc", "nutpie"])
def test_other_samplers_see_the_same_posterior(sampler):
    joint = model("intercepts", 3, n_rows=200, n_clusters=20)
    ours, theirs = (joint.fit(1500, 1000, 2, sampler=s, random_seed=8, progressbar=False) for s in ("compiled", sampler))
    a, b = (fit.summary(("beta", "Omega_e", "Omega_u")) for fit in (ours, theirs))
    assert list(a.index) == list(b.index)
    z = (a["mean"] - b["mean"]) / np.sqrt(a["mcse_mean"] ** 2 + b["mcse_mean"] ** 2)
    assert np.abs(z).max() < 4.5


def test_unknown_sampler_lists_the_choices():
    with pytest.raises(jm.errors.SamplingError, match="'auto', 'compiled', 'nutpie', 'pymc' or 'gibbs'"):
        model("intercepts").fit(sampler="stan")

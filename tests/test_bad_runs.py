"""Runs that cannot be made, are interrupted, or are asked for too much."""

import numpy as np
import pytest

import jmimpute as jm
from jmimpute.errors import (
    ConvergenceWarning,
    ImputationError,
    InterruptedWarning,
    SamplingError,
)
from jmimpute.sampling import threads
from tests.test_bad_input import FORMULA, pupils

# Sampling


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws must be a whole number of at least 1, not 0"),
        ({"draws": 10.5}, "draws must be a whole number"),
        ({"tune": -1}, "tune must be a whole number of at least 0"),
        ({"chains": 0}, "chains must be a whole number of at least 1"),
        ({"target_accept": 1.0}, "target_accept must lie between 0 and 1"),
        ({"sampler": "stan"}, "no sampler .stan.: choose .auto."),
    ],
)
def test_settings_that_make_no_run(options, message):
    with pytest.raises(SamplingError, match=message):
        jm.JointModel(FORMULA, pupils()).fit(progressbar=False, **options)


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")
@pytest.mark.parametrize(("n_chains", "cores"), [(2, 2), (3, 1)])
def test_an_interrupted_run_keeps_its_draws(n_chains, cores, monkeypatch):
    """Ctrl-C arrives when running chains should be well beyond their warm-up, and long before the end; others wait."""
    draws, tune = 400_000, 200
    real = threads.progress

    class Interrupting:
        def __init__(self, *_):
            self.bar = real("Sampling", 1, False)

        def __enter__(self):
            self.bar.__enter__()
            return self.update

        def __exit__(self, *error):
            return self.bar.__exit__(*error)

        def update(self, done):
            if done > 2 * (tune + 500):
                raise KeyboardInterrupt

    monkeypatch.setattr(threads, "progress", Interrupting)
    with pytest.warns(InterruptedWarning, match="Sampling was interrupted.*Look at fit.diagnostics") as caught:
        fit = jm.JointModel(FORMULA, pupils()).fit(draws, tune, n_chains, cores=cores, random_seed=1)
    sizes = fit.posterior.sizes
    assert 10 <= sizes["draw"] < draws
    interrupted = next(str(warning.message) for warning in caught if warning.category is InterruptedWarning)
    assert f"{sizes['chain']} of {n_chains} chain(s) with {sizes['draw']} of {draws} draws were kept" in interrupted
    assert np.isfinite(fit.posterior["beta"]).all()
    assert (fit.posterior["sd_e"] > 0).all(), "no draw that was never made is among those kept"
    assert len(fit.impute(2, progressbar=False)) == 2


@pytest.mark.sampling
def test_a_run_interrupted_too_early_is_an_error(monkeypatch):
    def interrupted(futures, timeout=None):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(threads, "wait", interrupted)
    message = "interrupted after 0 of 50 draws a chain.*fewer than 10 are not kept. Run it again"
    with pytest.raises(SamplingError, match=message):
        jm.JointModel(FORMULA, pupils()).fit(50, 200_000, 2, progressbar=False)


# Imputations and files


@pytest.fixture(scope="module")
def fit():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return jm.JointModel(FORMULA, pupils()).fit(30, 100, 2, random_seed=1, progressbar=False)


@pytest.mark.sampling
@pytest.mark.parametrize("m", [0, -1, True, 2.5, "5", None])
def test_a_number_of_imputations_that_is_none(fit, m):
    with pytest.raises(ImputationError, match="whole number of at least 1") as caught:
        fit.impute(m, progressbar=False)
    assert repr(m) in str(caught.value)


@pytest.mark.sampling
def test_too_few_draws(fit):
    message = r"61 imputations need 61 posterior draws; the fit has 2 chain\(s\) of 30. Fit with more draws"
    with pytest.raises(ImputationError, match=message):
        fit.impute(61, progressbar=False)
    assert len(fit.impute(60, progressbar=False)) == 60


@pytest.mark.sampling
def test_all_missing_rows_are_legal(fit):
    """Row 3 lacks both responses: it is imputed, and adding such rows changes no statistic."""
    completed = fit.impute(2, progressbar=False).complete(2)
    assert not completed.isna().any(axis=None)
    assert len(completed) == 40
    without = jm.JointModel(FORMULA, pupils().drop(index=103))
    assert fit.model.statistics.n.sum() == 39 == without.statistics.n.sum()
    assert "1 row(s) have no observed response" in str(fit.model)

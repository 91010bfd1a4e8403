"""R-hat of imputed quantities: they are those of the imputations, and chains that disagree are seen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import ImputationError
from tests import test_latent_runs
from tests.imputation.simulated import fitted, table
from tests.mnar import selected

pytestmark = [pytest.mark.sampling, pytest.mark.filterwarnings("ignore::jmimpute.errors.ConvergenceWarning")]


@pytest.fixture(scope="module")
def fit():
    return fitted()


def tampered(fit, shift):
    """The fit with the means of `b` of the first two chains shifted."""
    tree = fit.tree.copy(deep=True)
    tree["posterior"]["beta"].loc[{"response": "b", "covariate": "Intercept", "chain": [0, 1]}] += shift
    return replace(fit, tree=tree)


def test_a_good_fit_is_found_good(fit):
    """With 13 overall quantities at some 1000 independent draws, R-hat above 1.01 has a probability of a few per cent."""
    diagnostics = fit.imputed_diagnostics(progressbar=False)
    assert diagnostics.ok
    assert diagnostics.draws.shape[:2] == (4, 250)
    assert "250 draws of each of 4 chains" in diagnostics.messages[0]
    assert {"mean[a]", "sd[a]", "mean[b]", "sd[b]", "corr[a, b]"} < set(diagnostics.table.index)


def test_chains_that_impute_differently_are_seen(fit):
    diagnostics = tampered(fit, 1.0).imputed_diagnostics(draws=100, progressbar=False)
    assert not diagnostics.ok
    assert "Chains impute differently" in diagnostics.messages[0] and "mean[b]" in diagnostics.messages[0]
    assert diagnostics.table.loc["mean[b]", "r_hat"] > 1.5


def test_summaries_are_those_of_the_imputations(fit):
    found = fit.imputed_diagnostics(draws=5, progressbar=False).draws
    imputations = fit.impute(20, progressbar=False)
    pairs, _ = fit._plan(20)
    for k, (chain, draw) in enumerate(pairs):
        completed = imputations.complete(k + 1)
        at = found.sel(chain=chain, draw=draw)
        expected = {
            "mean[a]": completed["a"].mean(),
            "sd[b]": completed["b"].std(),
            "corr[a, b]": completed["a"].corr(completed["b"]),
            "mean[b, g g07]": completed.loc[completed["g"] == "g07", "b"].mean(),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(at.sel(quantity=name), value, rtol=1e-9)
    holed = table()["a"].isna().groupby(table()["g"]).any()
    assert [name for name in found["quantity"].values if name.startswith("mean[a, ")] == [
        f"mean[a, g {label}]" for label in holed.index[holed]
    ]


def test_shares_of_categories_at_kept_draws_only():
    fit = test_latent_runs.fitted()
    diagnostics = fit.imputed_diagnostics(progressbar=False)
    assert not diagnostics.ok and len(diagnostics.messages) == 1
    assert "latent normals of 10 draws of each chain were kept; 100 are needed" in diagnostics.messages[0]
    assert "keep_latents" in diagnostics.messages[0]
    completed = pd.concat(fit.impute(20, progressbar=False), keys=range(20))
    draws = diagnostics.draws
    np.testing.assert_allclose(draws.sel(quantity="share[passed, True]").mean(), completed["passed"].astype(float).mean())
    np.testing.assert_allclose(draws.sel(quantity="share[colour, blue]").mean(), (completed["colour"] == "blue").mean())
    np.testing.assert_allclose(draws.sel(quantity="share[grade, 3]").mean(), (completed["grade"] == 3).mean())
    own = completed[completed["school"] == "s3"]
    np.testing.assert_allclose(draws.sel(quantity="share[grade, 3, school s3]").mean(), (own["grade"] == 3).mean())


def test_few_draws_and_nothing_to_judge_are_told(fit):
    found = fit.imputed_diagnostics(draws=20, progressbar=False)
    assert not found.ok and "imputations of 20 draws of each chain; 100 are needed" in found.messages[0]
    with pytest.raises(ImputationError, match="3 draws of each chain; R-hat needs at least 4"):
        fit.imputed_diagnostics(draws=3, progressbar=False)
    with pytest.raises(ImputationError, match="draws must be a whole number of at least 1, not 2.5"):
        fit.imputed_diagnostics(draws=2.5, progressbar=False)
    complete = fitted(table().assign(a=1.0 * np.arange(360) % 7, b=np.arange(360) % 11 * 1.0), draws=50)
    with pytest.raises(ImputationError, match="No cell is missing"):
        complete.imputed_diagnostics(progressbar=False)


@pytest.mark.filterwarnings("ignore::jmimpute.errors.IdentificationWarning")
def test_of_a_selection_model_the_columns_are_judged_and_not_its_indicator():
    fit = selected.model().fit(20, 20, 2, random_seed=1, progressbar=False)
    found = fit.imputed_diagnostics(progressbar=False)
    overall = found.draws["quantity"].values[~found.draws["of_cluster"].values]
    assert set(overall) == {"mean[y]", "sd[y]", "mean[k]", "sd[k]", "corr[y, k]"}

"""Intervals are those of the posterior draws, clusters in their order."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from jmimpute.plots import forest, forest_table
from jmimpute.plots.figure import IMPUTED, OBSERVED

LONG = "a variable with a rather long name"


def fit_of(imputations, kept=False):
    """A fit of x and the long variable with random intercepts, effects of cluster j about -4 j and 4 j."""
    frame = imputations.original
    labels = sorted(frame["school"].unique())
    rng = np.random.default_rng(1)
    centres = np.arange(len(labels))[:, None] * [-4.0, 4.0]
    draws = centres + rng.normal(size=(2, 100, len(labels), 2))
    coords = {"cluster": labels, "effect": ["x|Intercept", f"{LONG}|Intercept"]}
    dims = ("chain", "draw", "cluster", "effect")
    if kept:
        draws, dims = draws.reshape(200, len(labels), 2), ("kept", "cluster", "effect")
    effects = xr.DataArray(draws, coords, dims)
    layout = SimpleNamespace(
        variables=[SimpleNamespace(name="x", width=1), SimpleNamespace(name=LONG, width=1)], effect_response=np.array([0, 1])
    )
    specification = SimpleNamespace(layout=layout, clusters=SimpleNamespace(name="school"))
    model = SimpleNamespace(specification=specification, table=SimpleNamespace(frame=frame))
    return SimpleNamespace(random_effects=lambda: effects, model=model)


@pytest.mark.parametrize("kept", [False, True])
def test_effects_are_summarised_over_draws(schools, kept):
    fit = fit_of(schools[3], kept)
    table = forest_table(fit, "u").set_index(["panel", "label"])
    draws = fit.random_effects().sel(cluster="school 001", effect=f"{LONG}|Intercept").values.ravel()
    row = table.loc[(f"{LONG}|Intercept", "school 001")]
    assert row["mean"] == pytest.approx(draws.mean())
    expected = np.quantile(draws, [0.025, 0.25, 0.75, 0.975])
    np.testing.assert_allclose(row[["low", "first", "third", "high"]].astype(float), expected)


def test_clusters_have_the_order_of_the_first_effect_and_know_what_was_observed(schools):
    table = forest_table(fit_of(schools[3]), "u")
    assert table["label"].tolist() == 2 * ["school 002", "school 001", "school 000"]
    assert table["observed"].tolist() == [True, True, True, True, False, True]
    many = forest_table(fit_of(schools[300]), "u")
    lacking = many.loc[~many["observed"], ["panel", "label"]]
    assert set(lacking["panel"]) == {f"{LONG}|Intercept"}
    assert sorted(lacking["label"]) == [f"school {k:03d}" for k in range(1, 300, 6)]


@pytest.mark.parametrize("n_clusters", [3, 300])
def test_a_line_for_each_cluster(schools, drawn, apart, n_clusters):
    figure = drawn(forest(fit_of(schools[n_clusters]), "u"))
    first, second = figure.axes
    assert first.get_title(loc="left") == "x|Intercept"
    points = second.collections[2]
    assert len(points.get_offsets()) == n_clusters
    colours = [to_hex(colour).upper() for colour in points.get_facecolors()]
    systematic = [k % 6 == 1 for k in reversed(range(n_clusters))]
    assert colours == [IMPUTED if lacking else OBSERVED for lacking in systematic]
    labels = first.get_yticklabels()
    assert apart(labels)
    named = dict(zip((int(place) for place in first.get_yticks()), (label.get_text() for label in labels), strict=True))
    assert len(named) == (3 if n_clusters == 3 else 60)
    assert all(label == f"school {n_clusters - 1 - place:03d}" for place, label in named.items())


@pytest.fixture
def parameters():
    """Two responses and covariates; the fit has no clusters."""
    rng = np.random.default_rng(1)
    dims = ("chain", "draw", "response", "covariate")
    coords = {"response": ["english", LONG], "covariate": ["Intercept", "sex"], "chain": [0, 1]}
    centres = np.array([[20.0, 3.0], [1.0, -0.2]])
    posterior = xr.Dataset({"beta": (dims, centres + rng.normal(0, 0.1, size=(2, 200, 2, 2)))}, coords=coords)
    posterior["sigma"] = (("chain", "draw"), rng.exponential(size=(2, 200)))
    return SimpleNamespace(posterior=posterior)


def test_coefficients_have_a_panel_for_each_covariate(parameters, drawn):
    figure = drawn(forest(parameters))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["beta, Intercept", "beta, sex"]
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert labels == ["beta[english, sex]", f"beta[{LONG}, sex]"]
    assert figure.axes[1].yaxis_inverted()
    table = forest_table(parameters).set_index("label")
    row = table.loc[f"beta[{LONG}, sex]"]
    assert row["mean"] == parameters.posterior["beta"].sel(response=LONG, covariate="sex").mean()
    assert figure.axes[1].texts[1].get_text() == f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
    np.testing.assert_allclose(figure.axes[1].collections[2].get_offsets()[1], [row["mean"], 1])


def test_other_parameters_have_a_panel_for_each_variable(parameters):
    assert forest_table(parameters, ["sigma", "beta[english, sex]"])["panel"].tolist() == ["sigma", "beta, sex"]

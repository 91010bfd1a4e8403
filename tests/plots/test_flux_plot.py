"""Variables stand at their influx and outflux, each with its name."""

import numpy as np
import pandas as pd
import pytest

from jmimpute.errors import TableError
from jmimpute.plots import flux, flux_table
from jmimpute.plots.flux import _apart

NAN = np.nan


@pytest.fixture
def table():
    """Two incomplete variables that lack one row together, and two complete ones."""
    x, y = [NAN, NAN, 3.0, 4.0, NAN, 6.0], [1.0, 2.0, NAN, 4.0, NAN, 6.0]
    return pd.DataFrame({"x": x, "y": y, "z": range(6), "w": range(6)})


def test_influx_and_outflux_are_those_of_their_definition(table):
    # van Buuren (2018), equations 4.1 and 4.2.
    found = flux_table(table)
    observed = table.notna().to_numpy()
    for j, name in enumerate(table):
        missing_observed = sum(not observed[i, j] and observed[i, k] for i in range(6) for k in range(4))
        observed_missing = sum(observed[i, j] and not observed[i, k] for i in range(6) for k in range(4))
        assert found.loc[name, "influx"] == pytest.approx(missing_observed / observed.sum())
        assert found.loc[name, "outflux"] == pytest.approx(observed_missing / (~observed).sum())


def test_points_that_coincide_share_a_name(table, drawn):
    figure = drawn(flux(table))
    (axes,) = figure.axes
    names = {text.get_text(): tuple(np.round(text.xy, 6)) for text in axes.texts}
    found = flux_table(table).round(6)
    assert names.keys() == {"z, w", "x", "y"}
    assert names["z, w"] == (0, 1) and names["x"] == tuple(found.loc["x", ["influx", "outflux"]])
    assert sorted(map(tuple, np.round(axes.collections[0].get_offsets(), 6))) == sorted(names.values())


def test_forty_names_do_not_overlap(drawn, apart):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(100, 40)), columns=[f"question {k} of a long questionnaire" for k in range(40)])
    figure = drawn(flux(table.mask(rng.random(table.shape) < np.linspace(0.02, 0.6, 40))))
    (axes,) = figure.axes
    assert len(axes.texts) == 40 and apart(axes.texts)


def test_names_keep_their_distance_and_their_order():
    places = _apart(np.array([0.1, 0.11, 0.9, 0.99, 1.0]), 0.05)
    assert np.diff(places).min() > 0.05 - 1e-12 and places.max() <= 1
    assert abs(places[:2] - [0.1, 0.15]).max() < 1e-12


def test_a_complete_table_says_so(drawn):
    figure = drawn(flux(pd.DataFrame({"x": [1, 2, 3], "y": [1, 1, 2]})))
    assert [text.get_text() for text in figure.texts] == ["No value is missing."]


def test_what_is_no_table_is_refused():
    with pytest.raises(TableError):
        flux([1, 2])

"""Prior and posterior of rho, and shares of observed values: tables hold what is drawn, and figures what they must show."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import jmimpute as jm
from jmimpute.errors import TableError
from jmimpute.plots import rho, rho_table, select, select_table
from tests.sampling.test_identification import FRAME, SHAPE, identified, normal
from tests.specification.test_identifiability import made, table


def fit_of(draws, prior=None):
    """A stand-in for a fit with these draws of rho."""
    judged = identified(draws, prior)
    return SimpleNamespace(model=made(FRAME, "z", rho=prior), posterior=judged.posterior, identification=lambda: judged)


@pytest.mark.parametrize("prior", [None, jm.priors.uniform(-1, 0.5), jm.priors.fisher_z(), jm.priors.truncated_normal(0, 0.5)])
def test_densities_integrate_to_one(prior):
    drawn = rho_table(fit_of(np.minimum(normal(0.3, 0.15), 0.5), prior))
    for column in ("prior", "posterior"):
        assert np.trapezoid(drawn[column], drawn["rho"]) == pytest.approx(1, abs=0.01), column
    assert drawn.loc[drawn["posterior"].idxmax(), "rho"] == pytest.approx(0.3, abs=0.25)


def test_nothing_is_beyond_the_ends_of_the_prior():
    drawn = rho_table(fit_of(-np.abs(normal(0, 0.1)), jm.priors.uniform(-1, 0))).set_index("rho")
    assert (drawn.loc[0.01:] == drawn.loc[0.01:].assign(prior=0.0, posterior=0.0)).all(axis=None)
    # half a normal density is highest at its end, where kernels alone would halve it: 2 / (sqrt(2 pi) 0.1)
    assert drawn["posterior"].max() == pytest.approx(7.98, rel=0.08)


def test_the_figure_of_rho(drawn):
    figure = drawn(rho(fit_of(normal(0.85, 0.05))))
    (axes,) = figure.axes
    assert axes.get_title(loc="left").startswith("y: contraction 0.99, 8")
    assert axes.get_title(loc="left").endswith("% beyond ±0.8")
    assert axes.get_xlim() == (-1, 1)
    (line, mean) = axes.get_lines()
    assert mean.get_xdata()[0] == pytest.approx(0.85, abs=0.01)
    assert line.get_xdata()[np.argmax(line.get_ydata())] == pytest.approx(0.85, abs=0.03)


def test_rho_that_is_held_is_not_drawn():
    with pytest.raises(TableError, match="no rho to draw that was estimated: it is held at a number"):
        rho(fit_of(np.full(SHAPE, 0.5), 0.5))
    model = jm.JointModel("y ~ x", FRAME)
    with pytest.raises(TableError, match="the model has no selection submodel"):
        rho(SimpleNamespace(model=model, posterior=None))


def test_shares_by_tenths_of_a_number():
    frame = table(1.0)
    shares = select_table(made(frame, "z"), "y")
    present = frame[frame["site"] > 0]
    tenth = pd.qcut(present["z"], 10, labels=False)
    expected = present["y"].notna().groupby(tenth).mean()
    assert (shares["kind"] == "bin").all() and shares["rows"].sum() == len(present)
    np.testing.assert_allclose(shares["share"], expected, atol=0.02)
    np.testing.assert_allclose(shares["position"], present["z"].groupby(tenth).mean(), atol=0.02)
    assert (shares["share"].diff().dropna() > 0).all()


def test_shares_by_label_rise():
    frame = table(0.6, "person")
    shares = select_table(made(frame, ["(1 | person)", "z"]), "y")
    of_person = shares[shares["term"] == "(1 | person)"].set_index("level")
    expected = frame[frame["site"] > 0].groupby("person")["y"].agg(lambda y: y.notna().mean())
    np.testing.assert_allclose(of_person["share"], expected[of_person.index])
    assert of_person["share"].is_monotonic_increasing and (of_person["position"] == np.arange(30)).all()
    assert set(shares["term"]) == {"(1 | person)", "z"}


def test_shares_by_category():
    frame = table().assign(z=lambda frame: np.where(frame["z"] > 0, "late", "early"))
    shares = select_table(made(frame, "z"), "y").set_index("level")
    present = frame[frame["site"] > 0]
    np.testing.assert_allclose(shares["share"], present["y"].notna().groupby(present["z"]).mean()[shares.index])
    assert list(shares.index) == ["early", "late"] and (shares["kind"] == "category").all()


def test_intervals_are_those_of_wilson():
    from statsmodels.stats.proportion import proportion_confint

    shares = select_table(made(table(), "(1 | person)"), "y")
    counts = np.rint(shares["share"] * shares["rows"])
    low, high = proportion_confint(counts, shares["rows"], method="wilson")
    np.testing.assert_allclose(shares[["low", "high"]].T, [low, high], atol=1e-4)


def test_ties_make_fewer_bins():
    frame = table().assign(z=lambda frame: np.maximum(frame["z"], 0.3))
    shares = select_table(made(frame, "z"), "y")
    assert len(shares) < 10 and (shares["rows"] > 0).all() and shares["share"].notna().all()


def test_the_figure_of_shares(drawn):
    frame = table(1.0).assign(late=lambda frame: np.where(frame["person"] % 2, "a rather long name", "b"))
    model = made(frame, ["z", "(1 | person)", "late"])
    figure = drawn(select(model, "y"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    sds = model.check().identifiability.terms["sd"]
    assert titles == [f"{term}: SD {sd:.2f}" for term, sd in zip(["z", "(1 | person)", "late"], sds, strict=True)]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1, "on one scale, else the weakest looks strong"
    assert [axes.get_xlabel() for axes in figure.axes] == ["z", "30 labels of person", ""]
    assert figure.axes[0].get_ylabel() == "y observed, % of rows"
    assert [text.get_text() for text in figure.axes[2].get_xticklabels()] == ["a rather\nlong name", "b"]


def test_variables_without_selection():
    with pytest.raises(TableError, match="'w' has no selection submodel. Those that have one: 'y'"):
        select(made(FRAME, "z"), "w")
    with pytest.raises(TableError, match="Nothing is excluded from the equation of 'y'"):
        select(made(FRAME, []), "y")


def test_methods_draw_the_same(drawn):
    model = made(FRAME, "z")
    drawn(model.plot_selection("y"))

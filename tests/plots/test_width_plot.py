"""Widths are those of Rubin's rules, and bands hold what other imputations would give."""

import numpy as np
import pytest

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.pool import combine
from jmimpute.errors import TableError
from jmimpute.plots import width_by_m, width_by_m_table


def fits_of(rng, m, df_complete=np.inf):
    """Two terms: variance within 1 and 4, between 1 and 0.25."""
    values = rng.normal([10, -3], [1, 0.5], size=(m, 2))
    return [Estimates(("a", "b"), row, np.diag([1.0, 4.0]), df_complete) for row in values]


def test_lines_are_the_pooled_results_of_the_first_imputations():
    fits = fits_of(np.random.default_rng(1), 12)
    table = width_by_m_table(fits).set_index(["term", "m"])
    assert len(table) == 2 * 11
    pooled = combine(fits[:5]).table.set_index("term").loc["b"]
    assert table.loc[("b", 5), "estimate"] == pytest.approx(pooled["estimate"])
    assert table.loc[("b", 5), "width"] == pytest.approx(pooled["conf_high"] - pooled["conf_low"])


@pytest.mark.parametrize("df_complete", [np.inf, 30.0])
def test_bands_hold_ninety_per_cent_of_other_sets(df_complete):
    rng = np.random.default_rng(1)
    fits = fits_of(rng, 2000, df_complete)  # variances as good as known
    table = width_by_m_table([*fits[:8]], level=0.9)
    whole = combine(fits, level=0.9)
    from jmimpute.plots.width import _at

    band = _at(fits[:8], whole).set_index("term").loc["a"]
    sets = [combine(fits[k : k + 8], level=0.9).table.iloc[0] for k in range(0, 2000, 8)]
    widths = np.array([row["conf_high"] - row["conf_low"] for row in sets])
    estimates = np.array([row["estimate"] for row in sets])
    # 250 sets: the standard error of a share of 0.05 is 0.014; four of them.
    for values, name in ((widths, "width"), (estimates, "estimate")):
        assert np.mean(values < band[f"{name}_low"]) == pytest.approx(0.05, abs=0.055)
        assert np.mean(values > band[f"{name}_high"]) == pytest.approx(0.05, abs=0.055)
    assert table["m"].max() == 8


def test_bands_narrow_with_imputations():
    table = width_by_m_table(fits_of(np.random.default_rng(1), 40)).query("term == 'a'")
    spread = (table["width_high"] - table["width_low"]).to_numpy()
    assert (np.diff(spread) < 0).all() and spread[-1] < spread[3] / 3
    assert (np.diff(table["estimate_high"] - table["estimate_low"]) < 0).all()


def test_bands_of_all_imputations_have_the_variance_between_them():
    fits = fits_of(np.random.default_rng(1), 6)
    last = width_by_m_table(fits).query("term == 'a' and m == 6").iloc[0]
    values = np.array([fit.values[0] for fit in fits])
    half = 1.644854 * np.sqrt(values.var(ddof=1) / 6)
    assert [last["estimate_low"], last["estimate_high"]] == pytest.approx([values.mean() - half, values.mean() + half])


def test_without_variance_between_nothing_moves():
    fits = [Estimates(("a",), np.array([1.0]), np.eye(1)) for _ in range(4)]
    table = width_by_m_table(fits)
    np.testing.assert_allclose(table[["width", "width_low", "width_high"]], 2 * 1.959964, rtol=1e-6)


def test_figure_has_a_row_for_each_term(drawn):
    fits = fits_of(np.random.default_rng(1), 10)
    figure = drawn(width_by_m(fits, level=0.9))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "width of the 90 % interval", "b", ""]
    table = width_by_m_table(fits, "b", level=0.9)
    np.testing.assert_allclose(figure.axes[3].lines[0].get_ydata(), table["width"])
    np.testing.assert_allclose(figure.axes[2].lines[0].get_xdata(), range(2, 11))


def test_many_terms_are_cut_and_the_figure_says_so():
    rng = np.random.default_rng(1)
    names = tuple(f"a term with a rather long name {k}" for k in range(15))
    fits = [Estimates(names, rng.normal(size=15), np.eye(15)) for _ in range(4)]
    assert width_by_m(fits).get_suptitle() == "The first 12 of 15 terms; choose others with terms"
    assert len(width_by_m(fits, list(names)).axes) == 30


def test_what_cannot_be_drawn_is_refused():
    fits = fits_of(np.random.default_rng(1), 5)
    with pytest.raises(TableError, match="no term 'c'. Choose among 'a' or 'b'"):
        width_by_m(fits, ["a", "c"])
    with pytest.raises(TableError, match="no term to draw"):
        width_by_m(fits, [])
    with pytest.raises(TableError, match="3 imputations or more"):
        width_by_m(fits[:2])
    with pytest.raises(TableError, match="before pooling"):
        width_by_m([1.0, 2.0, 3.0])

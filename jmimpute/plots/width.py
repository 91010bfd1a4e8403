"""How estimates and their intervals settle as imputations are added."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.pool import Pooled, combine, pool
from jmimpute.errors import TableError, options
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 3
TERMS_SHOWN = 12
INTERVAL = (0.05, 0.95)


def width_by_m(analyses: Any, terms: str | Sequence[str] | None = None, level: float = 0.95) -> "Figure":
    """Draw pooled estimates and the width of their intervals after 2, 3, up to all m imputations.

    Parameters
    ----------
    analyses : Analyses or sequence of Estimates
        Of 3 imputations at least.
    terms : str or sequence of str, optional
        All, at most 12, when not given.
    level : float
        Level of the confidence intervals.

    Returns
    -------
    matplotlib.figure.Figure
        A row a term: estimates on the left, widths on the right. Lines are those of the first imputations in their order. Bands
        hold the results of 90 % of all sets of as many imputations: where they are narrow, other imputations would give the
        same results. See `width_by_m_table`.

    Raises
    ------
    TableError
        If there are fewer than 3 imputations, or a term is not known.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    table = width_by_m_table(analyses, terms, level)
    labels = list(table["term"].cat.categories)
    shown = labels[:TERMS_SHOWN] if terms is None else labels
    figure = new_figure(7, 1.5 * len(shown) + 0.8)
    panels = figure.subplots(len(shown), 2, sharex=True, squeeze=False)
    for (left, right), term in zip(panels, shown, strict=True):
        own = table[table["term"] == term]
        _draw(left, own, "estimate")
        _draw(right, own, "width")
        tidy(left, term)
        tidy(right, f"width of the {100 * level:g} % interval" if term == shown[0] else "")
    for axes in panels[-1]:
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("imputations", fontsize=LABEL_SIZE + 1)
    keys = [Line2D([], [], color=OBSERVED, linewidth=1.5), Patch(color=IMPUTED, alpha=0.25)]
    legend(figure, keys, ["the first imputations", "90 % of sets of as many"])
    if len(shown) < len(labels):
        figure.suptitle(f"The first {len(shown)} of {len(labels)} terms; choose others with terms", fontsize=LABEL_SIZE)
    return figure


def width_by_m_table(analyses: Any, terms: str | Sequence[str] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Compute the lines and bands that `width_by_m` draws.

    Parameters
    ----------
    analyses : Analyses or sequence of Estimates
        Of 3 imputations at least.
    terms : str or sequence of str, optional
        All when not given.
    level : float
        Level of the confidence intervals.

    Returns
    -------
    DataFrame
        A row a term and number of imputations: ``term`` (categorical, in order), ``m``, ``estimate`` and ``width`` of the
        confidence interval after the first m imputations, and ``estimate_low``, ``estimate_high``, ``width_low`` and
        ``width_high``, the ends of the bands.

    Raises
    ------
    TableError
        If there are fewer than 3 imputations, or a term is not known.

    Notes
    -----
    The variances U within and B between imputations, taken from all of them, stand for those of infinitely many. Then the
    estimate of m imputations is normal about the pooled one with variance B / m, and their variance between imputations is B
    times a chi-square of m - 1 degrees of freedom over m - 1 (Rubin 1987, section 3.3). The width grows with it, so that its
    percentiles are the widths at those of the chi-square.
    """
    fits = list(analyses)
    if len(fits) < LEAST or not all(isinstance(fit, Estimates) for fit in fits):
        raise TableError(f"Give the analyses of {LEAST} imputations or more, as `analyze` returns them, before pooling.")
    whole = combine(fits, level=level)
    known = list(whole.table["term"])
    wanted = known if terms is None else [terms] if isinstance(terms, str) else list(terms)
    foreign = [term for term in wanted if term not in known]
    if foreign or not wanted:
        what = f"There is no term {foreign[0]!r}." if foreign else "There is no term to draw."
        raise TableError(f"{what} Choose among {options(known)}.")
    parts = [_at(fits[:m], whole) for m in range(2, len(fits) + 1)]
    table = pd.concat(parts, ignore_index=True)
    table = table[table["term"].isin(wanted)].astype({"term": pd.CategoricalDtype(wanted)})
    return table.sort_values(["term", "m"], kind="stable", ignore_index=True)


def _at(fits: Sequence[Estimates], whole: Pooled) -> pd.DataFrame:
    """Results of the first m imputations, and the bands for m."""
    from scipy.stats import chi2, norm

    m = len(fits)
    first = combine(fits, df_complete=whole.df_complete, level=whole.level).table
    total, share = whole.table["std_error"].to_numpy() ** 2, whole.table["lambda"].to_numpy()
    within, between = total * (1 - share), total * share / (1 + 1 / whole.m)
    centre, half = whole.table["estimate"].to_numpy(), norm.ppf(INTERVAL[1]) * np.sqrt(between / m)
    low, high = (_widths(within, between * chi2.ppf(p, m - 1) / (m - 1), m, whole) for p in INTERVAL)
    return pd.DataFrame(
        {
            "term": first["term"],
            "m": m,
            "estimate": first["estimate"],
            "estimate_low": centre - half,
            "estimate_high": centre + half,
            "width": first["conf_high"] - first["conf_low"],
            "width_low": low,
            "width_high": high,
        }
    )


def _widths(within: np.ndarray, between: np.ndarray, m: int, whole: Pooled) -> np.ndarray:
    """Widths that Rubin's rules give with these variances: those of any m estimates that have them."""
    scores = np.arange(m) - (m - 1) / 2
    scores = scores / scores.std(ddof=1)
    made = pool(np.outer(scores, np.sqrt(between)), [within] * m, df_complete=whole.df_complete, level=whole.level).table
    return (made["conf_high"] - made["conf_low"]).to_numpy()


def _draw(axes: "Axes", table: pd.DataFrame, what: str) -> None:
    axes.fill_between(table["m"], table[f"{what}_low"], table[f"{what}_high"], color=IMPUTED, alpha=0.25, linewidth=0)
    axes.plot(table["m"], table[what], color=OBSERVED, linewidth=1.5)
    axes.margins(x=0)
    if what == "width":
        # Two to four imputations may give intervals so wide that nothing else could be seen.
        settled = table.loc[table["m"] > 4, "width_high"]
        axes.set_ylim(0, 1.1 * (settled if len(settled) else table["width_high"]).max())

"""The intervals of all replications of a simulation study, and which of them miss the truth."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute.errors import StudyError, options
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, SHADE, TEXT, legend, new_panels, tidy
from jmimpute.plots.study_lollipop import MONTE_CARLO, known
from jmimpute.study.replications import Replications

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def zip_plot(
    results: Replications | pd.DataFrame,
    truth: Mapping[str, float] | pd.Series,
    term: str,
    by: str = "method",
    level: float = 0.95,
) -> "Figure":
    """Draw the interval of every replication, those that miss the truth on top.

    Parameters
    ----------
    results : Replications or pandas.DataFrame
        As in `jmimpute.study.performance`, with the columns ``conf_low`` and ``conf_high``.
    truth : mapping or pandas.Series
    term : str
    by : str, optional
        Column with a panel each.
    level : float, optional
        Of the intervals.

    Returns
    -------
    matplotlib.figure.Figure
        In each panel the intervals, ordered by how far the truth is from the estimate, in half widths of the interval on its
        side; orange ones do not contain it. The height is the percentage of replications below: the orange part should begin
        at the dotted line, `level`. The band is the 95 % Monte Carlo interval of where it begins.

    Raises
    ------
    StudyError
        If there is no such column or term, or no true value or intervals of the term.

    Notes
    -----
    The zip plot of Morris, White and Crowther (2019, Stat Med 38:2074-2102), figure 6.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    table = zip_plot_table(results, truth, term, by)
    names = list(table["panel"].cat.categories)
    figure, panels = new_panels(len(names), 4, 2.4, 3.2)
    for axes, name in zip(panels, names, strict=True):
        _draw(axes, table[table["panel"] == name], float(dict(truth)[term]), level)
        tidy(axes, name)
        axes.set_ylabel("% of replications", fontsize=LABEL_SIZE)
    figure.supxlabel(term, fontsize=LABEL_SIZE + 1)
    lines = [Line2D([], [], color=colour, linewidth=1.5) for colour in (OBSERVED, IMPUTED)]
    legend(figure, [*lines, Patch(color=SHADE)], ["contains the truth", "misses it", "Monte Carlo error"], columns=2)
    return figure


def _draw(axes: "Axes", table: pd.DataFrame, truth: float, level: float) -> None:
    share, n = table["covers"].mean(), len(table)
    error = MONTE_CARLO * np.sqrt(share * (1 - share) / n)
    axes.axhspan(100 * (share - error), 100 * (share + error), color=SHADE, linewidth=0, zorder=0)
    for covers, colour in ((True, OBSERVED), (False, IMPUTED)):
        own = table[table["covers"] == covers]
        axes.hlines(own["height"], own["low"], own["high"], color=colour, linewidth=min(1.5, 250 / n), alpha=0.8)
    axes.axvline(truth, color=TEXT, linewidth=1, linestyle="--")
    axes.axhline(100 * level, color=TEXT, linewidth=1, linestyle=":")
    axes.set_ylim(0, 100)


def zip_plot_table(
    results: Replications | pd.DataFrame, truth: Mapping[str, float] | pd.Series, term: str, by: str = "method"
) -> pd.DataFrame:
    """Lay out what `zip_plot` draws.

    Parameters
    ----------
    results : Replications or pandas.DataFrame
    truth : mapping or pandas.Series
    term, by : str
        As in `zip_plot`.

    Returns
    -------
    DataFrame
        A row a replication and panel: ``panel`` (categorical, in order), ``replicate``, ``low`` and ``high``, ``covers``, and
        ``height``, the percentage of replications up to this one, those whose estimate is nearest to the truth first.

    Raises
    ------
    StudyError
        If there is no such column or term, or no true value or intervals of the term.
    """
    rows = results.results if isinstance(results, Replications) else results
    lacking = [name for name in (by, "replicate", "term", "estimate", "conf_low", "conf_high") if name not in rows]
    if lacking:
        raise StudyError(f"The results have no column {options(lacking)}. They have {options(list(rows.columns))}.")
    known(term, rows["term"], "term")
    if term not in dict(truth):
        raise StudyError(f"There is no true value of {term!r}.")
    rows = rows[(rows["term"] == term) & np.isfinite(rows[["conf_low", "conf_high"]]).all(axis=1)]
    if rows.empty:
        raise StudyError(f"There are no intervals of {term!r}.")
    low, high, off = rows["conf_low"], rows["conf_high"], float(dict(truth)[term]) - rows["estimate"]
    distance = np.where(off < 0, -off / (rows["estimate"] - low), off / (high - rows["estimate"]))
    groups = pd.Series(distance, rows.index).groupby(rows[by])
    table = pd.DataFrame(
        {
            "panel": pd.Categorical(rows[by].astype(str), categories=list(rows[by].astype(str).unique())),
            "replicate": rows["replicate"],
            "low": low,
            "high": high,
            "covers": (low <= off + rows["estimate"]) & (off + rows["estimate"] <= high),
            "height": 100 * groups.rank(method="first") / groups.transform("size"),
        }
    )
    return table.sort_values(["panel", "height"], kind="stable").reset_index(drop=True)

"""Observed and imputed values of rows that were equally likely to lack the variable."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import some
from jmimpute.plots.cells import category_label, cells, imputed_variables, thinned
from jmimpute.plots.cluster_shares import drawn_levels
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, dot_key, legend, new_figure, tidy, wrapped
from jmimpute.plots.propensity_model import propensities, usable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUPS = 5
POINTS = 1000
INTERVAL = (0.05, 0.95)


def propensity(imputations: Any, variable: str, predictors: Sequence[str] | None = None) -> "Figure":
    """Compare observed and imputed values of rows that were about equally likely to lack the variable.

    If values are missing at random given the predictors, observed and imputed values have about the same distribution where the
    propensity of being missing is the same, though not overall. A difference there tells of an imputation model that lacks
    something (Raghunathan and Bondarenko 2007; van Buuren 2018, section 6.6).

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed variable.
    predictors : sequence of str, optional
        Complete or imputed columns that the propensity is a logistic regression on. All others of numbers, truth values or
        categories when not given, but for the cluster column; the figure names them. Say which where there are identifiers.

    Returns
    -------
    matplotlib.figure.Figure
        Of a continuous variable, values against propensity with smooth trends on the left, boxes by fifth of the propensity on
        the right (median, quartiles, 5th and 95th percentile). Of more than 1000 values of a kind, 1000 evenly spaced in the
        order of their propensity are drawn on the left. Of a variable with categories, the share of each in the fifths, with
        the 5th to the 95th percentile over imputations.

    Raises
    ------
    TableError
        If the variable was not imputed, or a predictor cannot be used.
    """
    table = propensity_table(imputations, variable, predictors)
    levels = imputations.levels(variable)
    figure = _shares(table, levels) if levels else _values(table)
    names = usable(imputations, variable, predictors)
    figure.supxlabel(f"propensity of being missing, from {some(names, 6)}", fontsize=LABEL_SIZE + 1)
    figure.supylabel(variable + (", % of cells" if levels else ""), fontsize=LABEL_SIZE + 1)
    legend(figure, [dot_key(OBSERVED), dot_key(IMPUTED)], ["observed", f"imputed (m = {imputations.m})"])
    return figure


def propensity_table(imputations: Any, variable: str, predictors: Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the propensities, and lay the values that `propensity` draws out as a table.

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed variable.
    predictors : sequence of str, optional
        As in `propensity`.

    Returns
    -------
    DataFrame
        A row a value: ``source`` (``observed`` or ``imputed``), ``imputation`` (1 to m, 0 for observed), ``row`` (position from
        0), ``value`` on the scale of the data (of a variable with categories its position in the levels), ``propensity`` (0 to
        1, of the row, the mean over imputations) and ``fifth`` (1 to 5: which fifth of the propensities of all rows it is in;
        where propensities are tied there may be fewer).

    Raises
    ------
    TableError
        If the variable was not imputed, or a predictor cannot be used.
    """
    (variable,) = imputed_variables(imputations, [variable])
    scores = propensities(imputations, variable, usable(imputations, variable, predictors))
    table = cells(imputations, variable)
    edges = np.quantile(scores, np.arange(1, GROUPS) / GROUPS)
    return table.assign(propensity=scores[table["row"]], fifth=1 + np.searchsorted(edges, scores[table["row"]], side="left"))


def _values(table: pd.DataFrame) -> "Figure":
    figure = new_figure(8, 3.4)
    left, right = figure.subplots(1, 2, sharey=True)
    for offset, source, colour in ((-0.18, "observed", OBSERVED), (0.18, "imputed", IMPUTED)):
        own = table[table["source"] == source]
        points = thinned(own, "propensity", POINTS)
        left.scatter(points["propensity"], points["value"], s=7, color=colour, alpha=0.4, linewidth=0)
        _draw_trend(left, points, colour)
        _draw_boxes(right, own, offset, colour)
    tidy(left, "trends")
    tidy(right, "by fifth of the propensity")
    right.set_xticks(range(1, GROUPS + 1))
    return figure


def _draw_trend(axes: "Axes", points: pd.DataFrame, colour: str) -> None:
    """A smooth mean, dark below a lighter border so that it is seen on its points."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    if points["propensity"].nunique() < 5:
        return
    spread = 0.01 * np.ptp(points["propensity"])
    trend = lowess(points["value"], points["propensity"], frac=0.6, delta=spread)
    axes.plot(*trend.T, color="white", linewidth=4, zorder=3)
    axes.plot(*trend.T, color=colour, linewidth=2, zorder=4)


def _draw_boxes(axes: "Axes", table: pd.DataFrame, offset: float, colour: str) -> None:
    boxes, places = [], []
    for fifth, values in table.groupby("fifth")["value"]:
        low, first, median, third, high = np.percentile(values, [5, 25, 50, 75, 95])
        boxes.append({"whislo": low, "q1": first, "med": median, "q3": third, "whishi": high})
        places.append(fifth + offset)
    axes.bxp(
        boxes,
        positions=places,
        widths=0.3,
        showfliers=False,
        showcaps=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "edgecolor": "none", "alpha": 0.75},
        whiskerprops={"color": colour, "linewidth": 1},
        medianprops={"color": "black", "linewidth": 1.2},
        manage_ticks=False,
    )


def _shares(table: pd.DataFrame, levels: Sequence[Any]) -> "Figure":
    shown = drawn_levels(levels)
    figure = new_figure(max(2.1 * len(shown), 4.2), 2.8)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, level in zip(panels, shown, strict=True):
        hits = 100 * (table["value"] == levels.index(level))
        shares = hits.groupby([table["source"], table["imputation"], table["fifth"]]).mean()
        for offset, source, colour in ((-0.1, "observed", OBSERVED), (0.1, "imputed", IMPUTED)):
            by_fifth = shares[source].groupby("fifth")
            mean, ends = by_fifth.mean(), by_fifth.quantile(list(INTERVAL)).unstack()
            axes.vlines(mean.index + offset, *ends.to_numpy().T, color=colour, linewidth=2.5, alpha=0.6)
            axes.plot(mean.index + offset, mean, color=colour, marker="o", markersize=4, linewidth=1)
        tidy(axes, wrapped(category_label(level), 22))
        axes.set_xticks(range(1, GROUPS + 1))
        axes.set_xlim(0.5, GROUPS + 0.5)
    panels[0].set_ylim(bottom=0)
    return figure

"""Observed and imputed values imputation by imputation, as points and as boxes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.plots.cells import numbers_of, thinned
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, dot_key, legend, new_panels, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMPUTATIONS_SHOWN = 20
POINTS_IN_A_STRIP = 300
PANELS_IN_A_ROW = 2
# Neighbours in value get different places in their strip, always the same ones: multiples of the golden ratio modulo 1.
GOLDEN = 0.618034
PERCENTILES = {"low": 5, "first": 25, "median": 50, "third": 75, "high": 95}


def strip(imputations: Any, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw observed values and those of each imputation as strips of points.

    Imputed values lie within the range of what could have been observed, and every imputation looks like the others.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed continuous variables when not given; `bars` draws those with categories.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a variable: the observed values on the left, then the first 20 imputations. Of more than 300 values in a strip,
        300 evenly spaced in their order are drawn, and the figure says so.

    Raises
    ------
    TableError
        If a variable was not imputed or has categories.
    """
    table = strip_table(imputations, variables)
    figure, panels = _panels(imputations, table)
    crowded = False
    for axes, (_, own) in zip(panels, table.groupby("variable", observed=True), strict=True):
        for number, values in own[own["imputation"] <= IMPUTATIONS_SHOWN].groupby("imputation"):
            crowded |= len(values) > POINTS_IN_A_STRIP
            _draw_strip(axes, int(number), thinned(values, "value", POINTS_IN_A_STRIP)["value"].to_numpy())
    note = f"imputation (strips of more than {POINTS_IN_A_STRIP} values: {POINTS_IN_A_STRIP}, evenly spaced in their order)"
    figure.supxlabel(note if crowded else "imputation", fontsize=LABEL_SIZE + 1)
    legend(figure, [dot_key(OBSERVED), dot_key(IMPUTED)], ["observed", _imputed(imputations)])
    return figure


def strip_table(imputations: Any, variables: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Lay the values that `strip` draws out as a table.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed continuous variables when not given.

    Returns
    -------
    DataFrame
        A row a value, none left out: ``variable`` (categorical, in order), ``source`` (``observed`` or ``imputed``),
        ``imputation`` (1 to m, 0 for observed), ``row`` (position from 0) and ``value`` on the scale of the data.

    Raises
    ------
    TableError
        If a variable was not imputed or has categories.
    """
    return numbers_of(imputations, variables)


def box(imputations: Any, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw observed values and those of each imputation as boxes.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed continuous variables when not given; `bars` draws those with categories.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a variable: the observed values on the left, then the first 20 imputations. Boxes are median and quartiles,
        whiskers reach from the 5th to the 95th percentile; the dotted line is the observed median.

    Raises
    ------
    TableError
        If a variable was not imputed or has categories.
    """
    from matplotlib.patches import Patch

    table = box_table(imputations, variables)
    figure, panels = _panels(imputations, table)
    for axes, (_, own) in zip(panels, table.groupby("variable", observed=True), strict=True):
        for colour, part in ((OBSERVED, own[own["imputation"] == 0]), (IMPUTED, own[own["imputation"] > 0])):
            _draw_boxes(axes, part[part["imputation"] <= IMPUTATIONS_SHOWN], colour)
        for median in own.loc[own["imputation"] == 0, "median"]:
            axes.axhline(median, color=OBSERVED, linewidth=0.8, linestyle=":", zorder=0)
    figure.supxlabel("imputation", fontsize=LABEL_SIZE + 1)
    legend(figure, [Patch(color=OBSERVED), Patch(color=IMPUTED)], ["observed", _imputed(imputations)])
    return figure


def box_table(imputations: Any, variables: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the boxes that `box` draws.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed continuous variables when not given.

    Returns
    -------
    DataFrame
        A row a box: ``variable`` (categorical, in order), ``source`` (``observed`` or ``imputed``), ``imputation`` (1 to m, 0
        for observed), ``n`` values, ``mean``, and the 5th, 25th, 50th, 75th and 95th percentiles ``low``, ``first``,
        ``median``, ``third`` and ``high``, on the scale of the data.

    Raises
    ------
    TableError
        If a variable was not imputed or has categories.
    """
    groups = numbers_of(imputations, variables).groupby(["variable", "source", "imputation"], observed=True)["value"]
    table = pd.DataFrame({"n": groups.size(), "mean": groups.mean()})
    for name, percentile in PERCENTILES.items():
        table[name] = groups.quantile(percentile / 100)
    return table.reset_index().sort_values(["variable", "imputation"], ignore_index=True)


def _panels(imputations: Any, table: pd.DataFrame) -> "tuple[Figure, list[Axes]]":
    """A panel a variable, wide enough for its imputations."""
    names = list(table["variable"].cat.categories)
    shown = min(imputations.m, IMPUTATIONS_SHOWN)
    figure, panels = new_panels(len(names), PANELS_IN_A_ROW, max(3.4, 0.2 * shown + 1.2), 2.4)
    step = 1 if shown <= 10 else 5
    numbers = list(range(step, shown + 1, step))
    for axes, name in zip(panels, names, strict=True):
        tidy(axes, f"{name} ({len(imputations.rows(name))} missing)")
        axes.set_xticks([0, *numbers], ["obs.", *map(str, numbers)])
        axes.set_xlim(-0.7, shown + 0.7)
    return figure, panels


def _imputed(imputations: Any) -> str:
    m = imputations.m
    return f"imputed, the first {IMPUTATIONS_SHOWN} of {m} imputations" if m > IMPUTATIONS_SHOWN else f"imputed, m = {m}"


def _draw_strip(axes: "Axes", number: int, values: np.ndarray) -> None:
    rank = values.argsort(kind="stable").argsort()
    places = number - 0.32 + 0.64 * ((rank + 1) * GOLDEN % 1)
    axes.scatter(places, values, s=6, color=IMPUTED if number else OBSERVED, alpha=0.6, linewidth=0)


def _draw_boxes(axes: "Axes", table: pd.DataFrame, colour: str) -> None:
    boxes = [
        {"whislo": row.low, "q1": row.first, "med": row.median, "q3": row.third, "whishi": row.high}
        for row in table.itertuples(index=False)
    ]
    axes.bxp(
        boxes,
        positions=table["imputation"].to_list(),
        widths=0.6,
        showfliers=False,
        showcaps=False,
        patch_artist=True,
        boxprops={"facecolor": colour, "edgecolor": "none", "alpha": 0.75},
        whiskerprops={"color": colour, "linewidth": 1},
        medianprops={"color": "black", "linewidth": 1.2},
        manage_ticks=False,
    )

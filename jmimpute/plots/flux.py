"""Influx and outflux: how well the other variables can tell of a variable's missing values, and it of theirs."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import some
from jmimpute.inspection import inspect
from jmimpute.plots.figure import LABEL_SIZE, OBSERVED, RULE, TEXT, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_HEIGHT = 0.16
NAMES_AT_A_POINT = 3


def flux(data: Any) -> "Figure":
    """Draw influx and outflux of the variables of a table.

    A variable high up has values where others lack them, and is a good predictor; one on the right has missing values in rows
    where others have theirs, and can be predicted. One low down and on the left does neither, and may be left out of the model
    (van Buuren 2018, section 4.1.3).

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table

    Returns
    -------
    matplotlib.figure.Figure
        A point a variable, named on the right. Complete variables are at the top left corner.

    Raises
    ------
    TableError
        If the table cannot be used, see `inspect`.
    """
    table = flux_table(data)
    if table["outflux"].isna().all():
        figure = new_figure(4, 1)
        figure.text(0.5, 0.5, "No value is missing.", ha="center", va="center", color=TEXT)
        return figure
    points = table.reset_index().groupby(["outflux", "influx"])["variable"].agg(list).reset_index()
    height = max(3.6, LABEL_HEIGHT * len(points) + 1.0)
    names = [some(labels, NAMES_AT_A_POINT) for labels in points["variable"]]
    figure = new_figure(4.4 + 0.065 * max(map(len, names)), height)
    axes = figure.subplots()
    axes.plot([0, 1], [1, 0], color=RULE, linewidth=0.8, zorder=0)
    axes.scatter(points["influx"], points["outflux"], s=22, color=OBSERVED, clip_on=False, zorder=3)
    _name(axes, points, names, height - 0.8)
    tidy(axes, "")
    axes.set_xlim(-0.02, 1)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("influx", fontsize=LABEL_SIZE + 1)
    axes.set_ylabel("outflux", fontsize=LABEL_SIZE + 1)
    return figure


def flux_table(data: Any) -> pd.DataFrame:
    """Compute what `flux` draws.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table

    Returns
    -------
    DataFrame
        `Inspection.flux`: a row a variable, with ``pobs`` (share observed), ``influx``, ``outflux``, ``ainb``, ``aout`` and
        ``fico``.

    Raises
    ------
    TableError
        If the table cannot be used, see `inspect`.
    """
    return inspect(data).flux


def _name(axes: "Axes", points: pd.DataFrame, names: list[str], height: float) -> None:
    """Names in a column on the right, as near to the height of their points as leaves each its line."""
    order = np.lexsort((points["influx"], points["outflux"]))
    places = _apart(points["outflux"].to_numpy()[order], LABEL_HEIGHT / height)
    for k, place in zip(order, places, strict=True):
        point = points.iloc[k]
        axes.annotate(
            names[k],
            (point["influx"], point["outflux"]),
            xytext=(1.06, place),
            textcoords="data",
            va="center",
            fontsize=LABEL_SIZE,
            color=TEXT,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": RULE, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 2},
        )


def _apart(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Move ascending places upwards until they are apart, then down again from the top."""
    places = wanted.astype(float)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    top = 1.0
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], top)
        top = places[k] - gap
    return places

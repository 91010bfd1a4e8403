"""Shares of missing values cluster by cluster."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.inspection import SYSTEMATIC, Inspection
from jmimpute.plots.cells import evenly
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, SYSTEMATIC_COLOUR, TEXT, legend, new_figure, upright_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLUSTERS_SHOWN = 400
# Names of clusters need this height; lines of many clusters are thinner and every so many has its name.
NAME_HEIGHT, MOST_HEIGHT = 0.17, 8.0


def shares_missing(found: Inspection, frame: pd.DataFrame) -> pd.DataFrame:
    """Compute the share of missing values of each incomplete variable in each cluster.

    Parameters
    ----------
    found : Inspection
        Of the table, with clusters.
    frame : DataFrame
        The table.

    Returns
    -------
    DataFrame
        Clusters, fewest missing values first, by incomplete variables, fewest missing values first; from 0 to 1.
    """
    incomplete = list(found.patterns.columns)
    shares = frame[incomplete].isna().groupby(frame[found.cluster], observed=True).mean().astype(float)
    return shares.loc[shares.mean(axis=1).sort_values(kind="stable").index]


def draw_clusters(found: Inspection, shares: pd.DataFrame) -> "Figure":
    """Draw a line a cluster and a column an incomplete variable.

    Parameters
    ----------
    found : Inspection
        With clusters.
    shares : DataFrame
        Of `shares_missing`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.patches import Patch

    shown = shares.loc[evenly(shares.index, CLUSTERS_SHOWN)]
    width, height = max(0.5 * shares.shape[1], 2.2), min(max(NAME_HEIGHT * len(shown), 1.6), MOST_HEIGHT)
    longest = max(len(str(name)) for name in shares.columns)
    names = 0.06 * max(len(str(label)) for label in shown.index)
    figure = new_figure(width + names + 2.0, height + 1.3 + 0.065 * longest)
    axes = figure.subplots()
    # Lines in the colour of the paper keep clusters apart where there is room for them.
    lines = {"edgecolors": "white", "linewidth": 0.8} if height / len(shown) > 0.1 else {}
    picture = axes.pcolormesh(100 * shown.to_numpy(), cmap=_shades(), vmin=0, vmax=100, **lines)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    _mark_systematic(axes, found, shown, lines)
    _name_clusters(axes, found, shown, height, len(shares))
    upright_names(axes, [str(name) for name in shares.columns])
    missing = found.variables.loc[shares.columns, "n_missing"]
    axes.set_xticks(np.arange(shares.shape[1]) + 0.5, [str(count) for count in missing], fontsize=LABEL_SIZE, color=TEXT)
    axes.set_xlabel("missing values", fontsize=LABEL_SIZE, color=TEXT)
    axes.tick_params(length=0)
    bar = figure.colorbar(picture, ax=axes, shrink=min(1, 2.5 / height), aspect=15, pad=0.03)
    bar.set_label("% of its rows missing", fontsize=LABEL_SIZE, color=TEXT)
    bar.ax.tick_params(labelsize=LABEL_SIZE, colors=TEXT)
    bar.outline.set_visible(False)
    if (shares == 1).any(axis=None):
        legend(figure, [Patch(color=SYSTEMATIC_COLOUR)], [f"{SYSTEMATIC}: the cluster has no value"])
    return figure


def _shades() -> Any:
    """From the light blue of an observed cell to the orange of a missing one."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("missing", ["#F2F6F9", "#F6C9A0", IMPUTED])


def _mark_systematic(axes: "Axes", found: Inspection, shown: pd.DataFrame, lines: dict[str, Any]) -> None:
    """Cover the cells without any value; where there is room also by a cross, which does not need colours."""
    from matplotlib.colors import ListedColormap

    rows, columns = np.nonzero((found.kinds.loc[shown.index, shown.columns] == SYSTEMATIC).to_numpy())
    cells = np.full(shown.shape, np.nan)
    cells[rows, columns] = 1
    axes.pcolormesh(cells, cmap=ListedColormap([SYSTEMATIC_COLOUR]), **lines)
    if lines:
        axes.scatter(columns + 0.5, rows + 0.5, s=14, marker="x", color="white", linewidth=0.9)


def _name_clusters(axes: "Axes", found: Inspection, shown: pd.DataFrame, height: float, total: int) -> None:
    step = int(np.ceil(len(shown) * 0.13 / height))
    places = np.arange(0, len(shown), step)
    labels = [str(shown.index[place]) for place in places]
    axes.set_yticks(places + 0.5, labels, fontsize=LABEL_SIZE, color=TEXT)
    note = f", one in {step} named" if step > 1 else ""
    note = f" ({len(shown)} of {total}, evenly spaced in their order{note})" if len(shown) < total else f" ({total}{note})"
    axes.set_ylabel(f"{found.cluster}{note}", fontsize=LABEL_SIZE + 1, color=TEXT)

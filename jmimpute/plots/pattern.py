"""Patterns of missing values: which are missing together."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.inspection import SPORADIC, SYSTEMATIC, inspect
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, SHADE, SYSTEMATIC_COLOUR, TEXT, legend, new_figure, upright_names
from jmimpute.plots.pattern_clusters import draw_clusters, shares_missing
from jmimpute.table.reading import read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBSERVED_STATE, MISSING_STATE = "observed", "missing"
# A light cell is an observed one; the two kinds of missing cells differ in hue and in lightness.
COLOURS = {OBSERVED_STATE: "#BFDCEC", MISSING_STATE: IMPUTED, SPORADIC: IMPUTED, SYSTEMATIC: SYSTEMATIC_COLOUR}
PATTERNS_SHOWN = 30


def pattern(data: Any, cluster: str | None = None, by: str | None = None) -> "Figure":
    """Draw the missing-data patterns of a table: a row a pattern or a cluster, a column an incomplete variable.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    cluster : str, optional
        The cluster column. With it, values that a cluster lacks altogether (systematic) are told from others
        (sporadic).
    by : {"cluster"}, optional
        Draw a line a cluster instead of a line a pattern.

    Returns
    -------
    matplotlib.figure.Figure
        The 30 commonest patterns, with the rows of each on the right and the missing values of each variable below.
        By cluster, the darker a cell the more of the rows of the cluster lack the variable; cells without any value
        (systematic) are brown, with a cross where there is room. Clusters with the fewest missing values are on top; of more
        than 400, 400 evenly spaced in this order are drawn.

    Raises
    ------
    TableError
        If the table or the cluster column cannot be used, see `inspect`, or `by` is not known or lacks clusters.
    """
    table = pattern_table(data, cluster, by)
    if by is not None and len(table.columns):
        return draw_clusters(inspect(data, cluster), table)
    if not len(table.columns):
        figure = new_figure(4, 1)
        rows = len(read(data).frame)
        figure.text(0.5, 0.5, f"No value is missing in {rows} rows.", ha="center", va="center", color=TEXT)
        return figure
    shown = table.head(PATTERNS_SHOWN)
    width, height = 0.55 * len(table.columns), 0.26 * len(shown)
    longest = max(len(str(name)) for name in table.columns)
    figure = new_figure(max(width, 2) + 2.2, height + 1.3 + 0.065 * longest)
    cells, counts = figure.subplots(1, 2, sharey=True, width_ratios=[max(width, 2), 1.6])
    _draw_cells(cells, shown)
    _label_variables(cells, table)
    _draw_counts(counts, shown, rows=int(table.index.to_numpy().sum()))
    _add_legend(figure, table)
    return figure


def pattern_table(data: Any, cluster: str | None = None, by: str | None = None) -> pd.DataFrame:
    """Count the missing-data patterns of a table, or its missing values by cluster.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    cluster : str, optional
        The cluster column.
    by : {"cluster"}, optional

    Returns
    -------
    DataFrame of str, or of float by cluster
        One row a pattern, commonest first; one column an incomplete variable, fewest missing values first. Cells are
        ``observed`` or ``missing``; with clusters ``observed``, ``sporadic`` or ``systematic``. The index, ``n_rows``,
        counts the rows of each pattern.
        By cluster: the share (0 to 1) of the rows of a cluster that lack the variable; clusters as index, those with the
        smallest mean share first.

    Raises
    ------
    TableError
        If the table or the cluster column cannot be used, see `inspect`, or `by` is not known or lacks clusters.
    """
    if by is not None and (by != "cluster" or cluster is None):
        raise TableError(f'by={by!r}: the patterns can be drawn by="cluster", with the column of clusters as `cluster`.')
    found = inspect(data, cluster)
    if by is not None:
        return shares_missing(found, read(data).frame)
    incomplete = list(found.patterns.columns)
    if found.kinds is None or not incomplete:
        return found.patterns.replace({True: OBSERVED_STATE, False: MISSING_STATE})
    frame = read(data).frame
    kinds = found.kinds.loc[frame[cluster], incomplete].set_axis(frame.index)
    states = kinds.where(frame[incomplete].isna(), OBSERVED_STATE)
    counts = states.groupby(incomplete, sort=True).size().sort_values(ascending=False, kind="stable")
    patterns = counts.index.to_frame(index=False)
    return patterns.set_axis(pd.Index(counts.to_numpy(), name="n_rows"))


def _draw_cells(axes: "Axes", table: pd.DataFrame) -> None:
    from matplotlib.colors import ListedColormap

    states = list(COLOURS)
    codes = table.map(states.index).to_numpy()
    # Lines in the colour of the paper keep cells apart without a frame.
    axes.pcolormesh(
        codes,
        cmap=ListedColormap(list(COLOURS.values())),
        vmin=-0.5,
        vmax=len(states) - 0.5,
        edgecolors="white",
        linewidth=1.5,
    )
    axes.invert_yaxis()
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _label_variables(axes: "Axes", table: pd.DataFrame) -> None:
    """Names above the columns, missing values below them."""
    places = np.arange(len(table.columns)) + 0.5
    missing = (table != OBSERVED_STATE).mul(table.index.to_numpy(), axis=0).sum()
    axes.set_xticks(places, [f"{count}" for count in missing], fontsize=LABEL_SIZE, color=TEXT)
    left_out = f" (all {len(table)} patterns; the commonest {PATTERNS_SHOWN} are drawn)"
    note = left_out if len(table) > PATTERNS_SHOWN else ""
    axes.set_xlabel(f"missing values{note}", fontsize=LABEL_SIZE, color=TEXT)
    axes.tick_params(length=0)
    upright_names(axes, [str(name) for name in table.columns])


def _draw_counts(axes: "Axes", table: pd.DataFrame, rows: int) -> None:
    counts = table.index.to_numpy()
    places = np.arange(len(counts)) + 0.5
    axes.barh(places, counts, height=0.7, color=SHADE)
    for place, count in zip(places, counts, strict=True):
        axes.annotate(
            f"{count} ({100 * count / rows:.1f} %)",
            (0, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=LABEL_SIZE,
            color=TEXT,
        )
    axes.set_title(f"rows of {rows}", fontsize=LABEL_SIZE + 1, loc="left", color=TEXT)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _add_legend(figure: "Figure", table: pd.DataFrame) -> None:
    from matplotlib.patches import Patch

    found = [state for state in COLOURS if (table == state).any(axis=None)]
    legend(figure, [Patch(color=COLOURS[state]) for state in found], found)

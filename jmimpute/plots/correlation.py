"""Correlations of the variables of a table, and the pairs that they rest on."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.inspection import inspect
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, TEXT, new_figure, upright_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL, SMALL_CELL = 0.5, 0.2
VARIABLES_WITH_NUMBERS = 24


def correlation(data: Any, cluster: str | None = None) -> "Figure":
    """Draw the correlations of the numeric variables of a table, each of the rows in which both are observed.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    cluster : str, optional
        The cluster column. With it, correlations within clusters are told from those of cluster means.

    Returns
    -------
    matplotlib.figure.Figure
        A square a pair, orange for positive and blue for negative correlations, with the correlation and below it the number of
        rows; without numbers for more than 24 variables. With clusters, correlations within clusters are below the diagonal and
        correlations between clusters above it.

    Raises
    ------
    TableError
        If the table or the cluster column cannot be used, see `inspect`, or has fewer than two numeric variables.
    """
    table = correlation_table(data, cluster)
    if table.empty:
        raise TableError("Correlations need two numeric columns at least.")
    names = list(dict.fromkeys([*table["variable_1"], *table["variable_2"]]))
    cells, pairs = _squares(table, names, cluster is not None)
    numbers = len(names) <= VARIABLES_WITH_NUMBERS
    size = max((CELL if numbers else SMALL_CELL) * len(names), 1.8)
    longest = 0.075 * max(map(len, map(str, names)))
    figure = new_figure(size + longest + 1.1, size + longest + 0.5)
    axes = figure.subplots()
    picture = axes.pcolormesh(cells, cmap=_colours(), vmin=-1, vmax=1, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=LABEL_SIZE + 1, color=TEXT)
    axes.set_xticks([])
    axes.tick_params(length=0)
    upright_names(axes, [str(name) for name in names])
    if numbers:
        _write_numbers(axes, cells, pairs)
    bar = figure.colorbar(picture, ax=axes, shrink=min(1, 2 / size), aspect=12, pad=0.04)
    bar.ax.tick_params(labelsize=LABEL_SIZE, colors=TEXT)
    bar.outline.set_visible(False)
    what = f"below: within clusters ({cluster});\nabove: between clusters" if cluster is not None else "correlation"
    axes.set_xlabel(what + ("; small: rows" if numbers else ""), fontsize=LABEL_SIZE, color=TEXT, labelpad=8)
    return figure


def correlation_table(data: Any, cluster: str | None = None) -> pd.DataFrame:
    """Compute what `correlation` draws.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    cluster : str, optional
        The cluster column.

    Returns
    -------
    DataFrame
        `Inspection.correlations`: a row a pair of numeric variables, with ``variable_1``, ``variable_2``, ``total``,
        ``within``, ``between`` and ``n_pairs``, the rows in which both are observed.

    Raises
    ------
    TableError
        If the table or the cluster column cannot be used, see `inspect`.
    """
    return inspect(data, cluster).correlations


def _squares(table: pd.DataFrame, names: list[str], clustered: bool) -> tuple[np.ndarray, np.ndarray]:
    """Correlations and pair counts by row and column of the picture; NaN where nothing stands."""
    place = {name: k for k, name in enumerate(names)}
    cells = np.full((len(names), len(names)), np.nan)
    pairs = np.zeros(cells.shape, dtype=int)
    for row in table.itertuples(index=False):
        high, low = sorted((place[row.variable_1], place[row.variable_2]))
        cells[low, high] = row.within if clustered else row.total
        if clustered:
            cells[high, low] = row.between
        pairs[low, high] = row.n_pairs
    return cells, pairs


def _colours() -> Any:
    """Blue, white, orange: told apart with every common kind of colour blindness."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("correlation", [OBSERVED, "#F7F7F7", IMPUTED])


def _write_numbers(axes: "Axes", cells: np.ndarray, pairs: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(cells):
        if np.isnan(value):
            continue
        colour = "white" if abs(value) > 0.65 else TEXT
        below = pairs[row, column] > 0
        place = (column + 0.5, row + (0.4 if below else 0.5))
        axes.text(*place, f"{value:.2f}", ha="center", va="center", fontsize=LABEL_SIZE, color=colour)
        if below:
            place = (column + 0.5, row + 0.75)
            axes.text(*place, f"{pairs[row, column]}", ha="center", va="center", fontsize=LABEL_SIZE - 3, color=colour)

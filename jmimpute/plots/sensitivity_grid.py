"""An estimate over two assumptions at a time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.mnar.criteria import CI_EXCLUDES_ZERO, criterion_of
from jmimpute.plots.assumed import scale_axis, term_of
from jmimpute.plots.figure import LABEL_SIZE, TEXT, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sensitivity_grid(sensitivity: Any, term: str | None = None, criterion: Any = CI_EXCLUDES_ZERO) -> "Figure":
    """Draw an estimate over a grid of two assumptions, and where a conclusion changes.

    Parameters
    ----------
    sensitivity : Sensitivity
        Of two parameters that vary, with at least two values each.
    term : str, optional
        If there are several.
    criterion : {"ci_excludes_zero", "p<0.05"} or callable
        The conclusion; as in `jmimpute.tipping_point`.

    Returns
    -------
    matplotlib.figure.Figure
        Colours are estimates. The line is where the conclusion changes, interpolated between points; dots are points at which
        it does not hold. The star is missing at random.

    Raises
    ------
    TableError
        If it is no such result.
    """
    from matplotlib.lines import Line2D

    table = sensitivity_grid_table(sensitivity, term, criterion)
    first, second = sensitivity.parameters
    estimates, margins = (table.pivot(index=second, columns=first, values=column) for column in ("estimate", "margin"))
    x, y = estimates.columns.to_numpy(dtype=float), estimates.index.to_numpy(dtype=float)
    figure = new_figure(5.4, 4.2)
    axes = figure.subplots()
    neutral = sensitivity.neutral
    scale_axis(axes, x, neutral)
    scale_axis(axes, y, neutral, vertical=True)
    colours = axes.pcolormesh(x, y, estimates.to_numpy(), shading="nearest", cmap="viridis")
    bar = figure.colorbar(colours, ax=axes)
    bar.set_label(table["term"].iloc[0], fontsize=LABEL_SIZE + 1)
    bar.ax.tick_params(labelsize=LABEL_SIZE, colors=TEXT)
    bar.outline.set_visible(False)
    lost = table[~table["holds"]]
    axes.scatter(lost[first], lost[second], s=8, color="white", linewidth=0.5, edgecolor="black")
    keys = [Line2D([], [], marker="*", color="white", markeredgecolor="black", markersize=11, linestyle="none")]
    names = ["missing at random"]
    if table["holds"].nunique() == 2:
        axes.contour(x, y, margins.to_numpy(), levels=[0.0], colors="white", linewidths=3)
        axes.contour(x, y, margins.to_numpy(), levels=[0.0], colors="black", linewidths=1.2)
        keys, names = [*keys, Line2D([], [], color="black", linewidth=1.2)], [*names, "the conclusion changes"]
    if len(lost):
        dot = Line2D([], [], marker="o", color="white", markeredgecolor="black", markersize=3, linestyle="none")
        keys, names = [*keys, dot], [*names, "it does not hold"]
    axes.plot(neutral, neutral, marker="*", color="white", markeredgecolor="black", markersize=11, clip_on=False)
    tidy(axes, "")
    axes.set_xlabel(f"{first}, {sensitivity.variable}", fontsize=LABEL_SIZE + 1)
    axes.set_ylabel(f"{second}, {sensitivity.variable}", fontsize=LABEL_SIZE + 1)
    legend(figure, keys, names, columns=2)
    return figure


def sensitivity_grid_table(sensitivity: Any, term: str | None = None, criterion: Any = CI_EXCLUDES_ZERO) -> pd.DataFrame:
    """Return what `sensitivity_grid` draws.

    Parameters
    ----------
    sensitivity : Sensitivity
        Of two parameters that vary, with at least two values each.
    term : str, optional
        If there are several.
    criterion : {"ci_excludes_zero", "p<0.05"} or callable
        As in `jmimpute.tipping_point`.

    Returns
    -------
    DataFrame
        Rows of `Sensitivity.table` for the term, with ``margin``, which is positive where the conclusion holds, and ``holds``.

    Raises
    ------
    TableError
        If it is no such result.
    """
    table = term_of(sensitivity, term, parameters=2)
    if any(table[name].nunique() < 2 for name in sensitivity.parameters):
        raise TableError("Each of the two parameters needs two values or more.")
    if len(table) < np.prod([table[name].nunique() for name in sensitivity.parameters]):
        raise TableError(
            "The grid was interrupted before all of its points were done. Run it again, or draw what there is of one row."
        )
    margin, _ = criterion_of(criterion)
    margins = [margin(row) for _, row in table.iterrows()]
    return table.assign(margin=margins, holds=[value > 0 for value in margins])

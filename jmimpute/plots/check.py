"""The data against replicates of the fitted model: by variable, by cluster and by missing-data pattern."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.plots.cells import category_label
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, dot_key, legend, new_figure, new_panels, tidy
from jmimpute.plots.kernel import grid_over, kernel_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VARIABLE, CLUSTER, PATTERN = "variable", "cluster", "pattern"
PANELS_IN_A_ROW = 3
LINES_SHOWN = 60
LINE_HEIGHT = 0.2
BAR = 0.6
#: Of replicates; see `jmimpute.imputation.check`.
INSIDE, OUTSIDE = "#999999", IMPUTED


def check(checked: Any, by: str = VARIABLE, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw the data against replicates of the fitted model.

    Parameters
    ----------
    checked : PredictiveCheck
        Of `Fit.check`.
    by : {"variable", "cluster", "pattern"}
    variables : str or sequence of str, optional
        All when not given.

    Returns
    -------
    matplotlib.figure.Figure
        By variable a panel each: densities, or shares of categories, of the data (of completed data up to 20 lines) and of up
        to 20 replicates. By cluster and by pattern a panel for each statistic of a variable, a line for each group: a dot for
        the data on the interval that holds 95 % of replicates, in orange where the p-value is below 0.05. Clusters are in the
        order of the data in the first panel of a variable; of more than 60, 60 evenly spaced in this order.

    Raises
    ------
    TableError
        If there is no such variable or nothing to compare by cluster or pattern.
    """
    names = _chosen(checked, by, variables)
    if by == VARIABLE:
        return _densities(checked, names)
    return _groups(checked, by, names)


def check_table(checked: Any, by: str = VARIABLE, variables: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Return the statistics behind `check`.

    Parameters
    ----------
    checked : PredictiveCheck
    by : {"variable", "cluster", "pattern"}
    variables : str or sequence of str, optional
        All when not given.

    Returns
    -------
    DataFrame
        Rows of `PredictiveCheck.table`; by variable also correlations with other variables.

    Raises
    ------
    TableError
        If there is no such variable or nothing to compare by cluster or pattern.
    """
    names = _chosen(checked, by, variables)
    table = checked.table[checked.table["by"] == by]
    mentioned = table["variable"].isin(names)
    if by == VARIABLE:
        mentioned |= table["variable"].map(lambda text: bool(set(text.split(", ")) & set(names)))
    return table[mentioned].reset_index(drop=True)


def _chosen(checked: Any, by: str, variables: str | Sequence[str] | None) -> list[str]:
    if by not in (VARIABLE, CLUSTER, PATTERN):
        raise TableError(f"by must be {options((VARIABLE, CLUSTER, PATTERN))}, not {by!r}.")
    table = checked.table[checked.table["by"] == by]
    known = [name for name in checked.data if by == VARIABLE or name in set(table["variable"])]
    if not known:
        raise TableError(f"Nothing was compared by {by}: there is none, or only one.")
    chosen = known if variables is None else [variables] if isinstance(variables, str) else list(variables)
    for name in chosen:
        if name not in known:
            raise TableError(f"Variable {name!r} was not compared by {by}. Choose among {options(known)}.")
    return chosen


def _densities(checked: Any, names: list[str]) -> "Figure":
    from matplotlib.lines import Line2D

    figure, panels = new_panels(len(names), PANELS_IN_A_ROW, 3.4, 2.4)
    for axes, name in zip(panels, names, strict=True):
        draw = _draw_shares if checked.levels.get(name) else _draw_densities
        draw(axes, checked, name)
        tidy(axes, name)
        axes.set_ylim(bottom=0)
    keys = [Line2D([], [], color=OBSERVED, linewidth=2), Line2D([], [], color=INSIDE, linewidth=1)]
    number = max(len(checked.replicates[name]) for name in names)
    data = (
        f"completed data ({max(len(checked.data[name]) for name in names)})"
        if checked.cells == "completed"
        else "observed data"
    )
    legend(figure, keys, [data, f"replicates ({number})"])
    return figure


def _draw_densities(axes: "Axes", checked: Any, name: str) -> None:
    data, replicates = checked.data[name], checked.replicates[name]
    grid = grid_over(np.concatenate([data.ravel(), replicates.ravel()]))
    for values, colour, width, alpha in ((replicates, INSIDE, 0.6, 0.8), (data, OBSERVED, 2 / np.sqrt(len(data)) + 0.3, 0.8)):
        for own in values:
            heights = kernel_density(own, grid)
            if heights is not None:
                axes.plot(grid, heights, color=colour, linewidth=width, alpha=alpha)
    axes.margins(x=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _draw_shares(axes: "Axes", checked: Any, name: str) -> None:
    levels = checked.levels[name]
    data, replicates = (
        np.array([np.bincount(own.astype(int), minlength=len(levels)) / len(own) for own in values])
        for values in (checked.data[name], checked.replicates[name])
    )
    places = np.arange(len(levels))
    axes.bar(places, data.mean(axis=0), BAR, color=OBSERVED, alpha=0.6)
    for shares in replicates:
        axes.hlines(shares, places - BAR / 2, places + BAR / 2, color=INSIDE, linewidth=0.8)
    labels = [category_label(level) for level in levels]
    axes.set_xticks(places, labels, rotation=90 if sum(map(len, labels)) > 30 else 0)


def _groups(checked: Any, by: str, names: list[str]) -> "Figure":
    """A row of panels for each variable."""
    table = check_table(checked, by, names)
    kinds = {
        name: list(own.groupby(["category", "statistic"], sort=False, dropna=False))
        for name, own in table.groupby("variable", sort=False)
    }
    columns = max(len(panels) for panels in kinds.values())
    orders = {name: _order(panels, by) for name, panels in kinds.items()}
    heights = [LINE_HEIGHT * len(order[0]) + 0.6 for order in orders.values()]
    figure = new_figure(max(1.4 + 2.9 * columns, 5.8), sum(heights) + 0.6)
    grid = figure.subplots(len(kinds), columns, squeeze=False, height_ratios=heights)
    for row, (name, panels) in zip(grid, kinds.items(), strict=True):
        shown, total = orders[name]
        for axes in row[len(panels) :]:
            axes.remove()
        for axes, ((category, statistic), own) in zip(row, panels, strict=False):
            _draw_groups(axes, own.set_index("group").reindex(shown))
            what = name if category is None or category != category else f"{name} = {category_label(category)}"
            tidy(axes, f"{statistic} of {what}")
            axes.set_yticks(range(len(shown)), [])
        row[0].set_yticks(range(len(shown)), [str(label) for label in shown], fontsize=LABEL_SIZE - 1)
        if by == CLUSTER:
            part = f" ({len(shown)} of {total}, evenly spaced)" if len(shown) < total else ""
            row[0].set_ylabel(f"{checked.cluster}{part}", fontsize=LABEL_SIZE)
    _explain(figure, checked, by)
    return figure


def _order(panels: list, by: str) -> tuple[list, int]:
    """Groups from the bottom, those shown, and how many there are."""
    first = panels[0][1]
    first = first.sort_values("data", kind="stable") if by == CLUSTER else first.sort_values("n", kind="stable")
    groups = list(first["group"])
    if len(groups) <= LINES_SHOWN:
        return groups, len(groups)
    return [groups[k] for k in np.linspace(0, len(groups) - 1, LINES_SHOWN).round().astype(int)], len(groups)


def _draw_groups(axes: "Axes", table: pd.DataFrame) -> None:
    places = np.arange(len(table))
    outside = (table["p_value"] < 0.05).to_numpy()
    axes.hlines(places, table["low"], table["high"], color=RULE, linewidth=3.5)
    axes.scatter(table["data"], places, s=14, color=np.where(outside, OUTSIDE, OBSERVED), zorder=3, linewidth=0)
    axes.set_ylim(-0.7, len(table) - 0.3)
    axes.tick_params(axis="y", length=0)


def _explain(figure: "Figure", checked: Any, by: str) -> None:
    from matplotlib.lines import Line2D

    data = "completed data" if checked.cells == "completed" and by == CLUSTER else "observed data"
    keys = [dot_key(OBSERVED), dot_key(OUTSIDE), Line2D([], [], color=RULE, linewidth=3.5)]
    whose = "new clusters" if checked.clusters == "new" else "the same clusters"
    legend(figure, keys, [data, "p < 0.05", f"95 % of replicates of {whose}"])

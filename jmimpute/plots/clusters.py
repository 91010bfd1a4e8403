"""Observed and imputed values cluster by cluster, also where a cluster has no observed value."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.plots.cells import category_label, cells, evenly, imputed_variables
from jmimpute.plots.cluster_shares import count_shares, draw_shares, drawn_levels
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, SHADE, dot_key, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

CLUSTER_HEIGHT = 0.24
CLUSTERS_SHOWN = 60
VARIABLES_IN_A_ROW = 2


def clusters(imputations: Any, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw observed and imputed values cluster by cluster.

    Parameters
    ----------
    imputations : Imputations
        Of a table with clusters.
    variables : str or sequence of str, optional
        All imputed variables when not given.

    Returns
    -------
    matplotlib.figure.Figure
        For each variable a line a cluster, the lowest observed mean at the bottom and clusters without an observed value on
        top, shaded; of more than 60 clusters, 60 evenly spaced in this order. Dots are observed values. Boxes are the imputed
        values of all imputations: median, quartiles, and whiskers from the 5th to the 95th percentile.
        A variable with categories has a panel for each (of two, for the second), in per cent of the cells of a cluster. Blue
        dots are the shares of observed cells; orange dots and lines are the mean, and the 5th to the 95th percentile over
        imputations, of the shares of imputed cells: the fewer these are, the longer the line. Clusters are in the order of the
        first panel. On the right stand the missing cells of each cluster and all its cells.

    Raises
    ------
    TableError
        If a variable was not imputed, or there are no clusters.
    """
    names = imputed_variables(imputations, variables)
    tables = {name: clusters_table(imputations, name) for name in names}
    n_lines = min(max(len(table["cluster"].cat.categories) for table in tables.values()), CLUSTERS_SHOWN)
    columns = min(len(names), VARIABLES_IN_A_ROW)
    rows = ceil(len(names) / columns)
    figure = new_figure(6.5 * columns, (CLUSTER_HEIGHT * n_lines + 1.1) * rows)
    parts = [figure] if len(names) == 1 else figure.subfigures(rows, columns, squeeze=False).ravel()
    for part, (name, table) in zip(parts, tables.items(), strict=False):
        _draw_variable(part, imputations, name, table)
    return figure


def _draw_variable(figure: "FigureBase", imputations: Any, name: str, table: pd.DataFrame) -> None:
    levels = imputations.levels(name)
    total = len(table["cluster"].cat.categories)
    table = _spread(table)
    labels = table["cluster"].cat.categories
    panels = figure.subplots(1, max(1, len(drawn_levels(levels))), sharey=True, squeeze=False)[0]
    for axes in panels:
        _draw_bands(axes, table)
    if levels:
        draw_shares(panels, table, levels)
    else:
        _draw_observed(panels[0], table[table["source"] == "observed"])
        _draw_imputed(panels[0], table[table["source"] == "imputed"])
        tidy(panels[0], "")
    panels[0].set_yticks(range(len(labels)), [str(label) for label in labels])
    panels[0].set_ylim(-0.6, len(labels) - 0.4)
    panels[0].set_ylabel(imputations.cluster, fontsize=LABEL_SIZE + 1)
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    what = name if len(levels) != 2 else f"{name} = {category_label(levels[1])}"
    left_out = f" ({len(labels)} of {total} clusters, evenly spaced in their order)" if len(labels) < total else ""
    figure.supxlabel(f"{what}{', % of cells' if levels else ''}{left_out}", fontsize=LABEL_SIZE + 1)
    _add_legend(figure, table, bool(levels))


def clusters_table(imputations: Any, variable: str) -> pd.DataFrame:
    """Lay what `clusters` draws of a variable out as a table.

    Parameters
    ----------
    imputations : Imputations
        Of a table with clusters.
    variable : str
        An imputed variable.

    Returns
    -------
    DataFrame
        A row a value: ``cluster`` (ordered categorical: by observed mean, then clusters without an observed value by
        the mean of their imputed values); ``source``: ``observed`` or ``imputed``; ``imputation`` (1 to m, 0 for
        observed); ``row`` (position from 0); ``value`` on the scale of the data; ``systematic``: the cluster has no
        observed value.
        Of a variable with categories a row for each of them in the observed cells of a cluster, and in its imputed cells by
        imputation: ``category``, ``share`` and ``cells``, their number, instead of row and value. The order of clusters is
        that of the share of the first category, or, of two, of the second.

    Raises
    ------
    TableError
        If the variable was not imputed, or there are no clusters.
    """
    if imputations.cluster is None:
        raise TableError("These imputations have no clusters to draw; `density` compares observed and imputed values.")
    (variable,) = imputed_variables(imputations, [variable])
    levels = imputations.levels(variable)
    table = _cells(imputations, variable)
    score = table["value"] if not levels else (table["value"] == len(levels) - len(drawn_levels(levels))).astype(float)
    means = score.groupby([table["cluster"], table["source"]]).mean().unstack()
    seen = means.get("observed", pd.Series(np.nan, index=means.index))
    order = pd.DataFrame({"systematic": seen.isna(), "mean": seen.fillna(means["imputed"])})
    order = order.sort_values(["systematic", "mean"], kind="stable")
    table = table.assign(
        systematic=order["systematic"].loc[table["cluster"]].to_numpy(),
        cluster=pd.Categorical(table["cluster"], categories=order.index, ordered=True),
    )
    return count_shares(table, levels) if levels else table


def _cells(imputations: Any, variable: str) -> pd.DataFrame:
    table = cells(imputations, variable)
    table.insert(0, "cluster", imputations.original[imputations.cluster].to_numpy()[table["row"]])
    return table


def _spread(table: pd.DataFrame) -> pd.DataFrame:
    """Keep as many clusters as can be told apart, evenly spaced in their order, the first and the last included."""
    kept = evenly(table["cluster"].cat.categories, CLUSTERS_SHOWN)
    table = table[table["cluster"].isin(kept)]
    return table.assign(cluster=table["cluster"].cat.set_categories(kept))


def _draw_bands(axes: "Axes", table: pd.DataFrame) -> None:
    """Shade the clusters without an observed value, and rule lines between clusters."""
    for place in np.unique(table.loc[table["systematic"], "cluster"].cat.codes):
        axes.axhspan(place - 0.5, place + 0.5, color=SHADE, linewidth=0, zorder=0)
    for place in range(len(table["cluster"].cat.categories) - 1):
        axes.axhline(place + 0.5, color=RULE, linewidth=0.5, zorder=0)


def _draw_observed(axes: "Axes", table: pd.DataFrame) -> None:
    # Neighbours in value get different heights, always the same ones: multiples of the golden ratio modulo 1.
    rank = table.groupby("cluster", observed=True)["value"].rank(method="first").to_numpy()
    height = table["cluster"].cat.codes.to_numpy() + 0.08 + 0.32 * (rank * 0.618034 % 1)
    axes.scatter(table["value"], height, s=9, color=OBSERVED, alpha=0.7, linewidth=0)


def _draw_imputed(axes: "Axes", table: pd.DataFrame) -> None:
    boxes, places = [], []
    for label, values in table.groupby("cluster", observed=True)["value"]:
        low, first, median, third, high = np.percentile(values, [5, 25, 50, 75, 95])
        boxes.append({"whislo": low, "q1": first, "med": median, "q3": third, "whishi": high})
        places.append(table["cluster"].cat.categories.get_loc(label) - 0.2)
    axes.bxp(
        boxes,
        positions=places,
        widths=0.3,
        orientation="horizontal",
        showfliers=False,
        showcaps=False,
        patch_artist=True,
        boxprops={"facecolor": IMPUTED, "edgecolor": "none", "alpha": 0.75},
        whiskerprops={"color": IMPUTED, "linewidth": 1},
        medianprops={"color": "black", "linewidth": 1.2},
        manage_ticks=False,
    )


def _add_legend(figure: "FigureBase", table: pd.DataFrame, shares: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    line = Line2D([], [], color=IMPUTED, linewidth=2, marker="o", markersize=4)
    keys = [dot_key(OBSERVED), line if shares else Patch(color=IMPUTED, alpha=0.75)]
    names = (
        ["observed", "imputed, with 90 % of imputations"] if shares else ["observed values", "imputed values (all imputations)"]
    )
    if table["systematic"].any():
        keys.append(Patch(color=SHADE))
        names.append("no value observed")
    legend(figure, keys, names)

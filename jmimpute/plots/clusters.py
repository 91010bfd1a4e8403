"""Observed and imputed values cluster by cluster, also where a cluster has no observed value."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.plots.cells import imputed_variables, observed_cells
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, SHADE, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLUSTER_HEIGHT = 0.24
CLUSTERS_SHOWN = 60


def clusters(imputations: Any, variable: str) -> "Figure":
    """Draw the observed and the imputed values of a variable cluster by cluster.

    Parameters
    ----------
    imputations : Imputations
        Of a table with clusters.
    variable : str
        An imputed continuous variable.

    Returns
    -------
    matplotlib.figure.Figure
        A line a cluster, the lowest observed mean at the bottom and clusters without an observed value on top, shaded;
        of more than 60 clusters, 60 evenly spaced in this order. Dots are observed values. Boxes are the imputed
        values of all imputations: median, quartiles, and whiskers from the 5th to the 95th percentile.

    Raises
    ------
    TableError
        If the variable was not imputed or has categories, or there are no clusters.
    """
    table = clusters_table(imputations, variable)
    total = len(table["cluster"].cat.categories)
    table = _spread(table)
    labels = table["cluster"].cat.categories
    figure = new_figure(6.5, CLUSTER_HEIGHT * len(labels) + 1.1)
    axes = figure.subplots()
    _draw_bands(axes, table)
    _draw_observed(axes, table[table["source"] == "observed"])
    _draw_imputed(axes, table[table["source"] == "imputed"])
    axes.set_yticks(range(len(labels)), [str(label) for label in labels])
    axes.set_ylim(-0.6, len(labels) - 0.4)
    tidy(axes, "")
    axes.tick_params(axis="y", length=0)
    left_out = f" ({len(labels)} of {total} clusters, evenly spaced in their order)" if len(labels) < total else ""
    axes.set_xlabel(f"{variable}{left_out}", fontsize=LABEL_SIZE + 1)
    axes.set_ylabel(imputations.cluster, fontsize=LABEL_SIZE + 1)
    _add_legend(figure, table)
    return figure


def clusters_table(imputations: Any, variable: str) -> pd.DataFrame:
    """Lay the values that `clusters` draws out as a table.

    Parameters
    ----------
    imputations : Imputations
        Of a table with clusters.
    variable : str
        An imputed continuous variable.

    Returns
    -------
    DataFrame
        A row a value: ``cluster`` (ordered categorical: by observed mean, then clusters without an observed value by
        the mean of their imputed values); ``source``: ``observed`` or ``imputed``; ``imputation`` (1 to m, 0 for
        observed); ``row`` (position from 0); ``value`` on the scale of the data; ``systematic``: the cluster has no
        observed value.

    Raises
    ------
    TableError
        If the variable was not imputed or has categories, or there are no clusters.
    """
    if imputations.cluster is None:
        raise TableError("These imputations have no clusters to draw; `density` compares observed and imputed values.")
    (variable,) = imputed_variables(imputations, [variable])
    if imputations.levels(variable):
        raise TableError(f"Variable {variable!r} has categories, which cannot be drawn so; `density` draws their proportions.")
    rows, values = observed_cells(imputations, variable)
    missing, imputed = imputations.rows(variable), imputations.values(variable)
    m = len(imputed)
    table = pd.DataFrame(
        {
            "source": np.repeat(["observed", "imputed"], [len(rows), imputed.size]),
            "imputation": np.concatenate([np.zeros(len(rows), dtype=int), np.repeat(np.arange(1, m + 1), len(missing))]),
            "row": np.concatenate([rows, np.tile(missing, m)]),
            "value": np.concatenate([values, imputed.ravel()]),
        }
    )
    cluster = imputations.original[imputations.cluster].to_numpy()[table["row"]]
    means = table["value"].groupby([cluster, table["source"]]).mean().unstack()
    seen = means.get("observed", pd.Series(np.nan, index=means.index))
    order = pd.DataFrame({"systematic": seen.isna(), "mean": seen.fillna(means["imputed"])})
    order = order.sort_values(["systematic", "mean"], kind="stable")
    table.insert(0, "cluster", pd.Categorical(cluster, categories=order.index, ordered=True))
    return table.assign(systematic=order["systematic"].loc[cluster].to_numpy())


def _spread(table: pd.DataFrame) -> pd.DataFrame:
    """Keep as many clusters as can be told apart, evenly spaced in their order, the first and the last included."""
    labels = table["cluster"].cat.categories
    if len(labels) <= CLUSTERS_SHOWN:
        return table
    kept = labels[np.linspace(0, len(labels) - 1, CLUSTERS_SHOWN).round().astype(int)]
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


def _add_legend(figure: "Figure", table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys = [
        Line2D([], [], color=OBSERVED, marker="o", markersize=4, linestyle="none"),
        Patch(color=IMPUTED, alpha=0.75),
    ]
    names = ["observed values", "imputed values (all imputations)"]
    if table["systematic"].any():
        keys.append(Patch(color=SHADE))
        names.append("no value observed")
    figure.legend(keys, names, loc="outside upper left", ncols=3, frameon=False, fontsize=LABEL_SIZE + 1)

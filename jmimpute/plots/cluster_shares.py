"""Shares of categories cluster by cluster, among observed and among imputed cells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.plots.cells import category_label
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, TEXT, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Where in the line of a cluster its observed and its imputed shares stand.
ABOVE, BELOW = 0.17, -0.17
INTERVAL = [0.05, 0.95]
DOT: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "none"}


def drawn_levels(levels: Sequence[Any]) -> list[Any]:
    """Categories that have a panel: all, but of two only the second, since the first is what it leaves.

    Parameters
    ----------
    levels : sequence
    """
    return list(levels[1:] if len(levels) == 2 else levels)


def count_shares(cells: pd.DataFrame, levels: Sequence[Any]) -> pd.DataFrame:
    """Count the shares of categories.

    Parameters
    ----------
    cells : DataFrame
        A row a cell: ``cluster`` (categorical), ``source``, ``imputation``, ``value`` (position in the levels) and
        ``systematic``.
    levels : sequence

    Returns
    -------
    DataFrame
        A row for each category in a cluster and imputation that has cells; see `jmimpute.plots.clusters.clusters_table`.
    """
    keys = ["cluster", "systematic", "source", "imputation"]
    counts = cells.groupby([*keys, "value"], observed=True).size().unstack(fill_value=0)
    counts = counts.reindex(columns=range(len(levels)), fill_value=0)
    shares = counts.div(counts.sum(axis=1), axis=0).set_axis(list(levels), axis=1)
    table = shares.rename_axis(columns="category").stack().rename("share").reset_index()
    return table.assign(cells=counts.sum(axis=1).repeat(len(levels)).to_numpy())


def draw_shares(panels: Sequence["Axes"], table: pd.DataFrame, levels: Sequence[Any]) -> None:
    """Draw a panel a category, clusters from the bottom in their order.

    Parameters
    ----------
    panels : sequence of matplotlib.axes.Axes
        One for each of `drawn_levels`.
    table : DataFrame
        Of `count_shares`.
    levels : sequence
    """
    for axes, level in zip(panels, drawn_levels(levels), strict=True):
        own = table[table["category"] == level]
        observed, imputed = own[own["source"] == "observed"], own[own["source"] == "imputed"]
        by_cluster = imputed.groupby("cluster", observed=True)["share"]
        mean, ends = by_cluster.mean(), by_cluster.quantile(INTERVAL).unstack()
        places = own["cluster"].cat.categories.get_indexer(mean.index) + BELOW
        axes.hlines(places, *ends.to_numpy().T, color=IMPUTED, linewidth=2.5, alpha=0.6)
        axes.plot(mean, places, color=IMPUTED, **DOT)
        axes.plot(observed["share"], observed["cluster"].cat.codes + ABOVE, color=OBSERVED, **DOT)
        tidy(axes, category_label(level) if len(panels) > 1 else "")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g}")
    _write_counts(panels[-1], table)


def _write_counts(axes: "Axes", table: pd.DataFrame) -> None:
    """Missing cells of each cluster, and all, at the right end of its line."""
    first = table[table["category"] == table["category"].iloc[0]]
    cells = first[first["imputation"] <= 1].pivot_table("cells", "cluster", "source", aggfunc="first", observed=True)
    cells = cells.reindex(columns=["observed", "imputed"]).fillna(0).astype(int)
    places = table["cluster"].cat.categories.get_indexer(cells.index)
    _write(axes, len(table["cluster"].cat.categories) - 0.4, "missing")
    for place, observed, imputed in zip(places, cells["observed"], cells["imputed"], strict=True):
        _write(axes, place, f"{imputed} of {observed + imputed}")


def _write(axes: "Axes", place: float, text: str) -> None:
    axes.annotate(
        text,
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=LABEL_SIZE - 1,
        color=TEXT,
    )

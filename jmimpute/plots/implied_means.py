"""Means of imputed beside means of observed values, by cluster or another group."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.errors import TableError
from jmimpute.mnar import delta
from jmimpute.plots.cells import evenly
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, dot_key, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS_SHOWN = 60


def implied_means(imputations: Any, variable: str, by: str | None = None) -> "Figure":
    """Draw what imputations say of the missing values of each group: their mean beside that of the observed ones.

    Parameters
    ----------
    imputations : Imputations
        Perhaps adjusted by `Imputations.delta`.
    variable : str
        An imputed column.
    by : str, optional
        Column of groups; the cluster if not given.

    Returns
    -------
    matplotlib.figure.Figure
        A line a group, in the order of the means of observed values; groups without any are on top. Of more than 60 groups, 60
        evenly spaced in this order.

    Raises
    ------
    TableError
        If there are neither groups nor clusters.
    ImputationError
        If the column was not imputed, or the groups are not there or incomplete.
    """
    table = implied_means_table(imputations, variable, by)
    group = table.columns[0]
    shown = table.iloc[evenly(table.index.to_numpy(), GROUPS_SHOWN)].reset_index(drop=True)
    figure = new_figure(5, max(0.17 * len(shown), 0.8) + 1.1)
    axes = figure.subplots()
    axes.hlines(shown.index, shown["mean_observed"], shown["mean_missing"], color=RULE, linewidth=1.5, zorder=1)
    axes.scatter(shown["mean_observed"], shown.index, s=18, color=OBSERVED, zorder=2)
    axes.scatter(shown["mean_missing"], shown.index, s=18, color=IMPUTED, zorder=2)
    axes.set_yticks(shown.index, shown[group].astype(str))
    axes.set_ylim(-0.8, len(shown) - 0.2)
    tidy(axes, "")
    axes.tick_params(axis="y", length=0)
    share = imputations.levels(variable)
    what = "mean" if not share else f"share of {share[1]}" if len(share) == 2 else "mean category, from 1,"
    axes.set_xlabel(f"{what} of {variable}", fontsize=LABEL_SIZE + 1)
    note = f"{group} ({len(shown)} of {len(table)}, evenly spaced)" if len(shown) < len(table) else group
    axes.set_ylabel(note, fontsize=LABEL_SIZE + 1)
    legend(figure, [dot_key(OBSERVED), dot_key(IMPUTED)], ["observed", "imputed"])
    return figure


def implied_means_table(imputations: Any, variable: str, by: str | None = None) -> pd.DataFrame:
    """Return what `implied_means` draws.

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed column.
    by : str, optional
        Column of groups; the cluster if not given.

    Returns
    -------
    DataFrame
        As `jmimpute.implied_means` gives it, groups with missing values, in the order of the means of observed ones.

    Raises
    ------
    TableError
        If there are neither groups nor clusters.
    ImputationError
        If the column was not imputed, or the groups are not there or incomplete.
    """
    group = by or imputations.cluster
    if group is None:
        raise TableError("There are no clusters. Name a column of groups: by='arm'.")
    table = delta.implied_means(imputations, variable, group)
    return table[table["n_missing"] > 0].sort_values("mean_observed", kind="stable", ignore_index=True)

"""Observed cells against what would have been imputed for them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.plots.cells import category_label, thinned
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, TEXT, new_figure, new_panels, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS_SHOWN = 300
PANELS_IN_A_ROW = 3
LEVEL = 90
#: From complete rows to those that lack most.
COLOURS = (OBSERVED, IMPUTED)


def overimpute(overimputed: Any) -> "Figure":
    """Draw observed cells against what would have been imputed for them, were each missing.

    Parameters
    ----------
    overimputed : Overimputation
        Of `Fit.overimpute`.

    Returns
    -------
    matplotlib.figure.Figure
        Continuous: the mean of what is imputed over the observed value of each cell, with 90 % intervals coloured by the share
        of responses that its row lacks; intervals that cover the value cross the line y = x, and the title says how many do. Of
        more than 300 cells, 300 evenly spaced in the order of their values (Honaker, King and Blackwell 2011, Journal of
        Statistical Software 45(7)). Categories: a panel each, the observed share over the predicted probability, with the
        interval in which 95 % of observed shares would be.
    """
    return _calibration(overimputed) if overimputed.levels else _intervals(overimputed)


def overimpute_table(overimputed: Any) -> pd.DataFrame:
    """Return what `overimpute` draws.

    Parameters
    ----------
    overimputed : Overimputation

    Returns
    -------
    DataFrame
        Continuous: up to 300 rows of `Overimputation.cells`, in the order of their observed values. Categories: the rows of
        `Overimputation.table` by predicted probability.
    """
    if overimputed.levels:
        table = overimputed.table
        return table[table["by"] == "probability"].reset_index(drop=True)
    return thinned(overimputed.cells, "observed", CELLS_SHOWN).reset_index(drop=True)


def _intervals(overimputed: Any) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    table = overimpute_table(overimputed)
    figure = new_figure(5.6, 4.6)
    axes = figure.subplots()
    low, high = table[f"low_{LEVEL}"], table[f"high_{LEVEL}"]
    shares = ScalarMappable(
        Normalize(0, max(table["missing_share"].max(), 1e-9)), LinearSegmentedColormap.from_list("missing", COLOURS)
    )
    colours = shares.to_rgba(table["missing_share"].to_numpy())
    axes.vlines(table["observed"], low, high, color=colours, linewidth=0.8, alpha=0.7)
    axes.scatter(table["observed"], table["mean"], s=7, color=colours, linewidth=0)
    ends = [min(low.min(), table["observed"].min()), max(high.max(), table["observed"].max())]
    axes.plot(ends, ends, color=TEXT, linewidth=1)
    overall = overimputed.table[(overimputed.table["by"] == "all") & (overimputed.table["level"] == LEVEL / 100)].iloc[0]
    tidy(
        axes,
        f"{overimputed.variable}: {LEVEL} % intervals cover {100 * overall['coverage']:.1f} % of {overall['n']} cells "
        f"(± {100 * overall['std_error']:.1f})",
    )
    drawn = f" ({len(table)} of {len(overimputed.cells)} cells, evenly spaced)" if len(table) < len(overimputed.cells) else ""
    axes.set_xlabel(f"observed{drawn}", fontsize=LABEL_SIZE + 1)
    axes.set_ylabel("imputed as if missing: mean and 90 % interval", fontsize=LABEL_SIZE + 1)
    if table["missing_share"].max() > 0:
        bar = figure.colorbar(shares, ax=axes, shrink=0.6)
        bar.set_label("share of responses that the row lacks", fontsize=LABEL_SIZE)
        bar.ax.tick_params(labelsize=LABEL_SIZE)
    return figure


def _calibration(overimputed: Any) -> "Figure":
    table = overimpute_table(overimputed)
    categories = list(table.groupby("category", sort=False))
    figure, panels = new_panels(len(categories), PANELS_IN_A_ROW, 2.8, 2.8)
    for axes, (category, own) in zip(panels, categories, strict=True):
        half = 1.96 * own["std_error"]
        axes.plot([0, 1], [0, 1], color=TEXT, linewidth=1)
        axes.vlines(
            own["predicted"],
            np.maximum(own["predicted"] - half, 0),
            np.minimum(own["predicted"] + half, 1),
            color=RULE,
            linewidth=4,
        )
        axes.scatter(own["predicted"], own["observed"], s=18, color=OBSERVED, zorder=3, linewidth=0)
        for row in own.itertuples():
            axes.annotate(
                str(row.n), (row.predicted, row.observed), (4, -3), textcoords="offset points", fontsize=LABEL_SIZE - 2
            )
        tidy(axes, f"{overimputed.variable} = {category_label(category)}")
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
    figure.supxlabel("predicted probability (numbers: cells)", fontsize=LABEL_SIZE + 1)
    figure.supylabel("observed share", fontsize=LABEL_SIZE + 1)
    return figure

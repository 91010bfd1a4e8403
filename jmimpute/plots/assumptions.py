"""One estimate under several assumptions about missing values, as a forest."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.errors import TableError
from jmimpute.mnar.assumptions import AT_RANDOM, Assumptions
from jmimpute.plots.assumed import chosen_term
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, TEXT, dot_key, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ["assumption", "estimate", "conf_low", "conf_high", "rho", "rho_low", "rho_high", "implied_mean"]
LINE_HEIGHT = 0.26


def assumptions(result: Any, term: str | None = None) -> "Figure":
    """Draw an estimate and its interval under each assumption about missing values.

    Parameters
    ----------
    result : Assumptions
    term : str, optional
        May be left out if there is only one.

    Returns
    -------
    matplotlib.figure.Figure
        A line an assumption; orange where rho is estimated, blue where it is held. The dashed line is missing at random. On the
        right rho, with its interval where it is estimated, and the mean of the missing values.

    Raises
    ------
    TableError
        If it is no such result, or does not have the term.
    """
    from matplotlib.lines import Line2D

    table = assumptions_table(result, term)
    estimated = table["rho_low"].notna()
    colours = estimated.map({True: IMPUTED, False: OBSERVED})
    figure = new_figure(7.5, LINE_HEIGHT * len(table) + 1.3)
    axes = figure.subplots()
    if table["conf_low"].min() < 0 < table["conf_high"].max():
        axes.axvline(0, color=RULE, linewidth=0.8, zorder=0)
    at_random = table.loc[table["assumption"] == AT_RANDOM, "estimate"]
    for value in at_random:
        axes.axvline(value, color=TEXT, linewidth=1, linestyle="--", zorder=0)
    axes.hlines(table.index, table["conf_low"], table["conf_high"], color=colours, linewidth=1.6)
    axes.scatter(table["estimate"], table.index, s=20, color=colours, zorder=3)
    axes.set_yticks(table.index, table["assumption"])
    axes.set_ylim(len(table) - 0.4, -0.6)
    tidy(axes, "")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(term or str(result.table["term"].iloc[0]), fontsize=LABEL_SIZE + 1)
    for line, text in enumerate(["rho; mean of missing", *(_beside(row) for _, row in table.iterrows())], start=-1):
        place = 1.02, line if line >= 0 else -0.8
        axes.annotate(text, place, xycoords=("axes fraction", "data"), va="center", fontsize=LABEL_SIZE, color=TEXT)
    keys = [Line2D([], [], color=TEXT, linewidth=1, linestyle="--"), dot_key(IMPUTED), dot_key(OBSERVED)]
    legend(figure, keys, [AT_RANDOM, "rho estimated", "rho held"], columns=3)
    return figure


def assumptions_table(result: Any, term: str | None = None) -> pd.DataFrame:
    """Return what `assumptions` draws.

    Parameters
    ----------
    result : Assumptions
    term : str, optional
        May be left out if there is only one.

    Returns
    -------
    DataFrame
        A row an assumption: ``assumption``, ``estimate``, ``conf_low``, ``conf_high``, ``rho``, ``rho_low``, ``rho_high`` and
        ``implied_mean``.

    Raises
    ------
    TableError
        If it is no such result, or does not have the term.
    """
    if not isinstance(result, Assumptions):
        raise TableError(f"Give what `jm.assumptions` returns, not {type(result).__name__}.")
    rows = result.table[result.table["term"] == chosen_term(term, list(result.table["term"].unique()))]
    return result.fits.merge(rows, on="assumption", validate="one_to_one")[COLUMNS]


def _beside(row: pd.Series) -> str:
    interval = "" if pd.isna(row["rho_low"]) else f" [{row['rho_low']:.2f}, {row['rho_high']:.2f}]"
    return f"{row['rho']:.2f}{interval}; {row['implied_mean']:.3g}"

"""Shares of categories among observed and among imputed cells."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.plots.cells import category_codes, category_label, imputed_variables, stacked
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, TEXT, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INTERVAL = (5, 95)
BAR = 0.36


def bars(imputations: Any, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw the shares of categories among observed cells against those among imputed cells.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed variables with categories when not given; `strip`, `box` and `density` draw continuous ones.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a variable, two bars a category: the share of the observed cells, and the mean over imputations of the share of
        the imputed cells, with a line from the 5th to the 95th percentile over imputations. The fewer cells are missing, the
        longer the line.

    Raises
    ------
    TableError
        If a variable was not imputed or has no categories.
    """
    from matplotlib.patches import Patch

    table = bars_table(imputations, variables)
    names = list(table["variable"].cat.categories)
    lines = [len(imputations.levels(name)) for name in names]
    figure = new_figure(5.5, sum(0.3 * n + 0.55 for n in lines) + 0.7)
    panels = figure.subplots(len(names), 1, squeeze=False, height_ratios=[0.3 * n + 0.2 for n in lines])[:, 0]
    for axes, name in zip(panels, names, strict=True):
        _draw(axes, table[table["variable"] == name])
        missing = len(imputations.rows(name))
        tidy(axes, f"{name} ({missing} of {len(imputations.original)} missing)")
    panels[-1].set_xlabel("% of cells", fontsize=LABEL_SIZE + 1)
    keys = [Patch(color=OBSERVED), Patch(color=IMPUTED, alpha=0.75)]
    legend(figure, keys, ["observed", f"imputed, with 90 % of imputations (m = {imputations.m})"])
    return figure


def bars_table(imputations: Any, variables: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the shares that `bars` draws.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed variables with categories when not given.

    Returns
    -------
    DataFrame
        A row a category and source: ``variable`` (categorical, in order), ``category``, ``source`` (``observed`` or
        ``imputed``), ``cells`` (of one imputation), ``share`` (0 to 1; of imputed cells the mean over imputations), and
        ``low`` and ``high``, its 5th and 95th percentile over imputations (NaN for observed).

    Raises
    ------
    TableError
        If a variable was not imputed or has no categories.
    """
    names = imputed_variables(imputations, variables)
    plain = [name for name in names if not imputations.levels(name)]
    if variables is None:
        names = [name for name in names if name not in plain]
    elif plain:
        raise TableError(f"Variable {plain[0]!r} has no categories; `density`, `strip` and `box` draw it.")
    if not names:
        raise TableError("No imputed variable has categories; `density`, `strip` and `box` draw continuous ones.")
    return stacked({name: _shares(imputations, name) for name in names})


def _shares(imputations: Any, name: str) -> pd.DataFrame:
    levels = imputations.levels(name)
    observed, imputed = category_codes(imputations, name)
    shares = np.array([np.bincount(codes, minlength=len(levels)) / len(codes) for codes in imputed])
    low, high = np.percentile(shares, INTERVAL, axis=0)
    seen = np.bincount(observed, minlength=len(levels)) / len(observed)
    common = {"category": pd.Series(levels, dtype=object)}
    return pd.concat(
        [
            pd.DataFrame(common | {"source": "observed", "cells": len(observed), "share": seen, "low": np.nan, "high": np.nan}),
            pd.DataFrame(
                common
                | {"source": "imputed", "cells": imputed.shape[1], "share": shares.mean(axis=0), "low": low, "high": high}
            ),
        ],
        ignore_index=True,
    )


def _draw(axes: "Axes", table: pd.DataFrame) -> None:
    observed, imputed = table[table["source"] == "observed"], table[table["source"] == "imputed"]
    places = np.arange(len(observed))
    axes.barh(places - BAR / 2, 100 * observed["share"], BAR, color=OBSERVED)
    axes.barh(places + BAR / 2, 100 * imputed["share"], BAR, color=IMPUTED, alpha=0.75)
    axes.hlines(places + BAR / 2, 100 * imputed["low"], 100 * imputed["high"], color=TEXT, linewidth=1.2)
    axes.set_yticks(places, [category_label(level) for level in observed["category"]])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlim(left=0)

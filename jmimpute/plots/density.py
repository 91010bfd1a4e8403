"""Densities of observed and imputed values; proportions of categories."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.plots.cells import category_codes, category_label, imputed_variables, observed_cells
from jmimpute.plots.figure import IMPUTED, OBSERVED, legend, new_panels, tidy
from jmimpute.plots.kernel import grid_over, kernel_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = 20
PANELS_IN_A_ROW = 3
BAR = 0.38


def density(imputations: Any, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw the density of observed values, or the proportions of categories, against that of imputed values by variable.

    Densities may differ without anything being wrong: what is missing at random given other variables need not look
    like what is observed. A difference asks for a reason.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed variables when not given.

    Returns
    -------
    matplotlib.figure.Figure
        One thick line for the observed values and a thin one for each of the first 20 imputations; of categories, a bar for
        the observed values and one for the mean of these imputations, with a dash for each. See `density_table`.

    Raises
    ------
    TableError
        If a variable was not imputed.
    """
    from matplotlib.lines import Line2D

    table = density_table(imputations, variables)
    names = list(table["variable"].cat.categories)
    figure, panels = new_panels(len(names), PANELS_IN_A_ROW, 3.4, 2.5)
    for axes, name in zip(panels, names, strict=True):
        draw = _draw_bars if imputations.levels(name) else _draw_curves
        draw(axes, table[table["variable"] == name])
        tidy(axes, f"{name} ({len(imputations.rows(name))} missing)")
    shown = min(imputations.m, LINES)
    imputed = f"imputed, {shown} of {imputations.m} imputations" if shown < imputations.m else f"imputed, m = {shown}"
    keys = [Line2D([], [], color=OBSERVED, linewidth=2), Line2D([], [], color=IMPUTED, linewidth=1)]
    legend(figure, keys, ["observed", imputed])
    return figure


def density_table(imputations: Any, variables: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the curves and bars that `density` draws.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed variables when not given.

    Returns
    -------
    DataFrame
        A row a point of a curve: ``variable`` (categorical, in order); ``source``: ``observed``, ``imputed``, or
        ``pooled`` for a variable with fewer than 5 missing values, whose imputations are taken together; ``imputation``
        (1 to m, at most 20; NA where not of a single one); ``x`` on the scale of the data; ``density`` per unit of x;
        ``category`` (None). There is no curve of fewer than 5 values or of values that are all the same. Of a variable
        with categories a row a bar: ``category`` its label, ``x`` its position from 0, ``density`` its proportion.

    Raises
    ------
    TableError
        If a variable was not imputed.
    """
    names = imputed_variables(imputations, variables)
    columns = ["variable", "source", "imputation", "x", "density", "category"]
    parts = [part for name in names for part in (_bars if imputations.levels(name) else _curves)(imputations, name)]
    table = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return table.astype({"variable": pd.CategoricalDtype(names), "imputation": "Int64", "category": object})


def _curves(imputations: Any, name: str) -> list[pd.DataFrame]:
    _, observed = observed_cells(imputations, name)
    imputed = imputations.values(name)
    grid = grid_over(np.concatenate([observed, imputed.ravel()]))
    return [
        _part(name, source, number, grid, heights, [None] * len(grid))
        for source, number, values in _sources(observed, imputed)
        if (heights := kernel_density(values, grid)) is not None
    ]


def _bars(imputations: Any, name: str) -> list[pd.DataFrame]:
    levels = list(imputations.levels(name))
    return [
        _part(name, source, number, np.arange(len(levels)), np.bincount(codes, minlength=len(levels)) / len(codes), levels)
        for source, number, codes in _sources(*category_codes(imputations, name))
    ]


def _sources(observed: np.ndarray, imputed: np.ndarray) -> list[tuple[str, int | None, np.ndarray]]:
    """What is drawn of a variable: its observed values, and those of each imputation, or of all if there are few."""
    if imputed.shape[1] < 5:
        return [("observed", None, observed), ("pooled", None, imputed.ravel())]
    numbered = enumerate(imputed[:LINES], start=1)
    return [("observed", None, observed), *(("imputed", number, values) for number, values in numbered)]


def _part(name: str, source: str, number: int | None, x: np.ndarray, heights: np.ndarray, labels: list) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variable": name,
            "source": source,
            "imputation": pd.array([number] * len(x), dtype="Int64"),
            "x": x.astype(float),
            "density": heights,
            "category": pd.Series(labels, dtype=object),
        }
    )


def _draw_curves(axes: "Axes", table: pd.DataFrame) -> None:
    for (source, _), line in table.groupby(["source", "imputation"], dropna=False, sort=False):
        if source == "observed":
            axes.plot(line["x"], line["density"], color=OBSERVED, linewidth=2, zorder=3)
        else:
            axes.plot(line["x"], line["density"], color=IMPUTED, linewidth=0.8, alpha=0.6)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.set_yticks([])  # the height of a density has no meaning of its own
    axes.spines["left"].set_visible(False)


def _draw_bars(axes: "Axes", table: pd.DataFrame) -> None:
    observed, imputed = table[table["source"] == "observed"], table[table["source"] != "observed"]
    means = imputed.groupby("x")["density"].mean()
    axes.bar(observed["x"] - BAR / 2, observed["density"], BAR, color=OBSERVED)
    axes.bar(means.index + BAR / 2, means, BAR, color=IMPUTED, alpha=0.6)
    single = imputed[imputed["source"] == "imputed"]
    axes.hlines(single["density"], single["x"] + 0.1 * BAR, single["x"] + 0.9 * BAR, color=IMPUTED, linewidth=0.8)
    labels = [category_label(level) for level in observed["category"]]
    upright = sum(map(len, labels)) > 30
    axes.set_xticks(observed["x"], labels, rotation=90 if upright else 0)
    axes.set_ylim(bottom=0)

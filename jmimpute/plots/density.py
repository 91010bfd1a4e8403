"""Densities of observed and imputed values."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.plots.cells import numeric_variables, observed_cells
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, new_figure, tidy
from jmimpute.plots.kernel import grid_over, kernel_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = 20
PANELS_IN_A_ROW = 3


def density(imputations: Any, variables: str | Sequence[str] | None = None) -> "Figure":
    """Draw the density of observed values against that of imputed values, one panel a variable.

    Densities may differ without anything being wrong: what is missing at random given other variables need not look
    like what is observed. A difference asks for a reason.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed numeric variables when not given.

    Returns
    -------
    matplotlib.figure.Figure
        One thick line for the observed values and a thin one for each of the first 20 imputations; see `density_table`.

    Raises
    ------
    TableError
        If a variable was not imputed or is not numeric.
    """
    from matplotlib.lines import Line2D

    table = density_table(imputations, variables)
    names = list(table["variable"].cat.categories)
    columns = min(len(names), PANELS_IN_A_ROW)
    rows = ceil(len(names) / columns)
    figure = new_figure(max(3.4 * columns, 4.2), 2.5 * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        _draw(axes, table[table["variable"] == name])
        tidy(axes, f"{name} ({len(imputations.rows(name))} missing)")
    for axes in panels[len(names) :]:
        axes.remove()
    shown = min(imputations.m, LINES)
    imputed = f"imputed, {shown} of {imputations.m} imputations" if shown < imputations.m else f"imputed, m = {shown}"
    keys = [Line2D([], [], color=OBSERVED, linewidth=2), Line2D([], [], color=IMPUTED, linewidth=1)]
    figure.legend(keys, ["observed", imputed], loc="outside upper left", ncols=2, frameon=False, fontsize=LABEL_SIZE + 1)
    return figure


def density_table(imputations: Any, variables: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the curves that `density` draws.

    Parameters
    ----------
    imputations : Imputations
    variables : str or sequence of str, optional
        All imputed numeric variables when not given.

    Returns
    -------
    DataFrame
        A row a point of a curve: ``variable`` (categorical, in order); ``source``: ``observed``, ``imputed``, or
        ``pooled`` for a variable with fewer than 5 missing values, whose imputations are taken together; ``imputation``
        (1 to m, at most 20; NA where not of a single one); ``x`` on the scale of the data; ``density`` per unit of x.
        There is no curve of fewer than 5 values or of values that are all the same.

    Raises
    ------
    TableError
        If a variable was not imputed or is not numeric.
    """
    names = numeric_variables(imputations, variables)
    columns = ["variable", "source", "imputation", "x", "density"]
    parts = [part for name in names for part in _curves(imputations, name)]
    table = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return table.astype({"variable": pd.CategoricalDtype(names), "imputation": "Int64"})


def _curves(imputations: Any, name: str) -> list[pd.DataFrame]:
    _, observed = observed_cells(imputations, name)
    imputed = imputations.values(name)
    grid = grid_over(np.concatenate([observed, imputed.ravel()]))
    lines: list[tuple[str, int | None, np.ndarray]] = [("observed", None, observed)]
    if imputed.shape[1] < 5:
        lines.append(("pooled", None, imputed.ravel()))
    else:
        lines += [("imputed", number, values) for number, values in enumerate(imputed[:LINES], start=1)]
    curves = []
    for source, number, values in lines:
        heights = kernel_density(values, grid)
        if heights is not None:
            number = pd.array([number] * len(grid), dtype="Int64")
            curves.append(
                pd.DataFrame({"variable": name, "source": source, "imputation": number, "x": grid, "density": heights})
            )
    return curves


def _draw(axes: "Axes", table: pd.DataFrame) -> None:
    for (source, _), line in table.groupby(["source", "imputation"], dropna=False, sort=False):
        if source == "observed":
            axes.plot(line["x"], line["density"], color=OBSERVED, linewidth=2, zorder=3)
        else:
            axes.plot(line["x"], line["density"], color=IMPUTED, linewidth=0.8, alpha=0.6)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.set_yticks([])  # the height of a density has no meaning of its own
    axes.spines["left"].set_visible(False)

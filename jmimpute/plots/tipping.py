"""An estimate as missing values move away from missing at random."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.mnar.tipping import TippingPoint
from jmimpute.plots.assumed import scale_axis, term_of
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, SHADE, TEXT, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 12
COLUMNS = ["estimate", "conf_low", "conf_high", "implied_mean"]


def tipping(result: Any, term: str | None = None, plausible: tuple[float, float] | None = None) -> "Figure":
    """Draw an estimate and its interval over the amount by which missing values are adjusted.

    Parameters
    ----------
    result : TippingPoint or Sensitivity
        Of one parameter that varies, such as a delta or rho.
    term : str, optional
        Of a Sensitivity with several terms.
    plausible : pair of float, optional
        Range of amounts that experts find plausible, which is shaded.

    Returns
    -------
    matplotlib.figure.Figure
        The dashed line is missing at random; orange lines are where the conclusion changes. The upper axis has the means of the
        adjusted missing values, which are easier to judge than the amounts.

    Raises
    ------
    TableError
        If it is no such result.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    table = tipping_table(result, term)
    parameter, shown, neutral = _about(result, term)
    figure = new_figure(6, 3.8)
    axes = figure.subplots()
    values = table[parameter].to_numpy()
    if plausible is not None:
        axes.axvspan(*plausible, color=SHADE, linewidth=0, zorder=0)
    if table["conf_low"].min() < 0 < table["conf_high"].max():
        axes.axhline(0, color=RULE, linewidth=0.8, zorder=1)
    axes.fill_between(values, table["conf_low"], table["conf_high"], color=OBSERVED, alpha=0.2, linewidth=0)
    # Where a grid has few points, it is seen what was analysed and what lies between.
    axes.plot(values, table["estimate"], color=OBSERVED, linewidth=1.6, marker="o" if len(table) <= FEW else None, markersize=4)
    axes.axvline(neutral, color=TEXT, linewidth=1, linestyle="--")
    turns = [amount for amount in (getattr(result, "below", None), getattr(result, "above", None)) if amount is not None]
    for amount in turns:
        axes.axvline(amount, color=IMPUTED, linewidth=1.4)
        side = "right" if amount > values.mean() else "left"  # inwards
        axes.annotate(
            f" {amount:.3g} ",
            (amount, 0.02),
            xycoords=("data", "axes fraction"),
            color=IMPUTED,
            fontsize=LABEL_SIZE,
            va="bottom",
            ha=side,
        )
    axes.set_xlim(values.min(), values.max())
    scale_axis(axes, values, neutral)
    tidy(axes, "")
    axes.set_xlabel(f"{parameter} of the missing values of {result.variable}", fontsize=LABEL_SIZE + 1)
    axes.set_ylabel(f"estimate of {shown}", fontsize=LABEL_SIZE + 1)
    _means_above(axes, table, parameter)
    keys = [Line2D([], [], color=OBSERVED, linewidth=1.6), Line2D([], [], color=TEXT, linewidth=1, linestyle="--")]
    names = [f"estimate and {100 * result.level:g} % interval", "missing at random"]
    if turns:
        keys, names = [*keys, Line2D([], [], color=IMPUTED, linewidth=1.4)], [*names, "the conclusion changes"]
    if plausible is not None:
        keys, names = [*keys, Patch(color=SHADE)], [*names, "plausible"]
    legend(figure, keys, names, columns=2)
    return figure


def tipping_table(result: Any, term: str | None = None) -> pd.DataFrame:
    """Return what `tipping` draws.

    Parameters
    ----------
    result : TippingPoint or Sensitivity
        Of one parameter that varies.
    term : str, optional
        Of a Sensitivity with several terms.

    Returns
    -------
    DataFrame
        In the order of the parameter, which is the first column: ``estimate``, ``conf_low``, ``conf_high`` and
        ``implied_mean``.

    Raises
    ------
    TableError
        If it is no such result.
    """
    if isinstance(result, TippingPoint):
        if term not in (None, result.term):
            raise TableError(f"This tipping point is of the term {result.term!r}, not of {term!r}.")
        table, parameter = result.table, result.parameter
    else:
        table = term_of(result, term, parameters=1)
        parameter = result.parameters[0]
    table = table[[parameter, *COLUMNS]].astype(float).sort_values(parameter, ignore_index=True)
    if len(table) < 2:
        raise TableError("There is one point only, of which no line can be drawn.")
    return table


def _about(result: Any, term: str | None) -> tuple[str, str, float]:
    """Parameter, term, and the value that stands for missing at random."""
    if isinstance(result, TippingPoint):
        return result.parameter, result.term, result.neutral
    return result.parameters[0], term or result.terms[0], result.neutral


def _means_above(axes: "Axes", table: pd.DataFrame, parameter: str) -> None:
    """Write the means that amounts stand for above the ticks of the amounts."""
    values = table[parameter].to_numpy()
    ticks = [tick for tick in axes.get_xticks() if values.min() <= tick <= values.max()]
    means = np.interp(ticks, values, table["implied_mean"].to_numpy())
    above = axes.secondary_xaxis("top")
    above.set_xticks(ticks, [f"{mean:.3g}" for mean in means], fontsize=LABEL_SIZE, color=TEXT)
    above.tick_params(length=0)
    above.minorticks_off()
    above.spines[:].set_visible(False)
    above.set_xlabel("mean of these values", fontsize=LABEL_SIZE + 1, color=TEXT)

"""What the plots of assumptions about missing values share: parameters, terms, and the scale they are drawn on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.mnar.sensitivity import Sensitivity

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def term_of(result: Any, term: str | None, parameters: int) -> pd.DataFrame:
    """Take the rows of one term of a sensitivity analysis.

    Parameters
    ----------
    result : Sensitivity
    term : str, optional
        May be left out if there is only one.
    parameters : int
        How many parameters must vary.

    Returns
    -------
    DataFrame
        Rows of `Sensitivity.table`.

    Raises
    ------
    TableError
        If it is no such result, or the term is not in it.
    """
    if not isinstance(result, Sensitivity):
        raise TableError(f"Give what `sensitivity` returns, not {type(result).__name__}.")
    if len(result.parameters) != parameters:
        raise TableError(
            f"This is drawn of {parameters} parameter(s) that vary, not of {options(result.parameters)}. "
            f"Use {'jm.plots.tipping' if len(result.parameters) == 1 else 'jm.plots.sensitivity_grid'}."
        )
    chosen = chosen_term(term, result.terms)
    return result.table[result.table["term"] == chosen].reset_index(drop=True)


def chosen_term(term: str | None, known: Sequence[str]) -> str:
    """The term to draw, which need not be said where there is only one.

    Raises
    ------
    TableError
        If there are several and none is said, or one that is not there.
    """
    if term is None and len(known) > 1:
        raise TableError(f"Several terms were analysed. Give one: term={options(known)}.")
    if term not in (None, *known):
        raise TableError(f"There is no term {term!r}. Choose {options(known)}.")
    return known[0] if term is None else term


def scale_axis(axes: "Axes", values: np.ndarray, neutral: float, vertical: bool = False) -> None:
    """Make an axis logarithmic where values multiply, with ticks at numbers that can be read.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    values : ndarray
    neutral : float
        1 for values that multiply.
    vertical : bool
    """
    if neutral != 1.0:
        return
    from matplotlib.ticker import NullFormatter, NullLocator

    axis = axes.yaxis if vertical else axes.xaxis
    (axes.set_yscale if vertical else axes.set_xscale)("log")
    ticks = [tick for tick in (0.01, 0.1, 0.2, 0.25, 0.5, 1, 2, 4, 5, 10, 100) if values.min() <= tick <= values.max()]
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())

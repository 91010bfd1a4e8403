"""Performance over all settings of a simulation study, nested in each other."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute.errors import StudyError, options
from jmimpute.plots.figure import CHAINS, LABEL_SIZE, TEXT, legend, new_figure, tidy
from jmimpute.plots.study_lollipop import OWN, check_performance, known

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

SCENARIO = "scenario"


def nested_loop(performance: pd.DataFrame, term: str, measure: str = "bias", lines: str = "method") -> "Figure":
    """Draw one measure over all settings of a simulation study.

    Parameters
    ----------
    performance : pandas.DataFrame
        As `jmimpute.study.performance` gives it, ``by`` the method and the factors of the study.
    term : str
    measure : str, optional
    lines : str, optional
        Column whose values are lines; the others are factors.

    Returns
    -------
    matplotlib.figure.Figure
        A line a method, over settings side by side: the first factor changes slowest, the last fastest. Steps below show the
        level of each factor. For bias and relative error a line is at 0.

    Raises
    ------
    StudyError
        If the table has no such term, measure or column, or no factors.

    Notes
    -----
    Rücker and Schwarzer (2014), Presenting simulation results in a nested loop plot, BMC Med Res Methodol 14:129.
    """
    table = nested_loop_table(performance, term, measure, lines)
    factors = [name for name in table.columns if name not in (SCENARIO, lines, "value", "mc_error")]
    settings = table.drop_duplicates(SCENARIO).sort_values(SCENARIO)
    figure = new_figure(max(5.4, 1.2 + 0.28 * len(settings)), 3.2 + 0.5 * len(factors))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.8, 0.5 * len(factors)])
    methods = list(table[lines].unique())
    if measure in ("bias", "relative_error"):
        above.axhline(0, color=TEXT, linewidth=1, linestyle="--")
    drawn = [
        _step(above, table[table[lines] == method].set_index(SCENARIO)["value"], len(settings), CHAINS[k % len(CHAINS)])
        for k, method in enumerate(methods)
    ]
    tidy(above, "")
    above.set_ylabel(f"{measure.replace('_', ' ')} of {term}", fontsize=LABEL_SIZE + 1)
    _draw_factors(below, settings, factors)
    legend(figure, drawn, [str(method) for method in methods], columns=2)
    return figure


def _step(axes: "Axes", values: pd.Series, n: int, colour: str) -> "Line2D":
    heights = values.reindex(range(n)).to_numpy(float)
    (line,) = axes.step(np.arange(n + 1), np.append(heights, heights[-1]), where="post", color=colour, linewidth=1.4)
    return line


def _draw_factors(axes: "Axes", settings: pd.DataFrame, factors: list[str]) -> None:
    """Draw a band a factor, in which its levels are heights, each with its name where it begins."""
    n = len(settings)
    for band, name in enumerate(factors):
        levels = list(pd.unique(settings[name]))
        codes = np.array([levels.index(value) for value in settings[name]])
        heights = -band + 0.4 * codes / max(len(levels) - 1, 1)
        axes.step(np.arange(n + 1), np.append(heights, heights[-1]), where="post", color=TEXT, linewidth=1)
        shown = ", ".join(str(level) for level in levels)
        axes.annotate(f"{name}: {shown}", (0, -band + 0.46), fontsize=LABEL_SIZE, color=TEXT, va="bottom")
    axes.set_ylim(-len(factors) + 0.9, 0.9)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def nested_loop_table(performance: pd.DataFrame, term: str, measure: str = "bias", lines: str = "method") -> pd.DataFrame:
    """Lay out what `nested_loop` draws.

    Parameters
    ----------
    performance : pandas.DataFrame
    term, measure, lines : str
        As in `nested_loop`.

    Returns
    -------
    DataFrame
        A row a setting and method: ``scenario`` (place, from 0), the factors, the column `lines`, ``value`` and ``mc_error``.

    Raises
    ------
    StudyError
        If the table has no such term, measure or column, or no factors.
    """
    check_performance(performance)
    known(term, performance["term"], "term")
    table = performance[performance["term"] == term]
    known(measure, table["measure"], f"measure of {term!r}")
    by = [name for name in performance.columns if name not in OWN]
    if lines not in by:
        raise StudyError(f"The table has no column {lines!r} that tells rows apart. Choose {options(by)}.")
    factors = [name for name in by if name != lines]
    if not factors:
        raise StudyError(
            f"The table tells rows apart by {lines!r} only. A nested loop needs settings: collect the results of several, each "
            "with a column that says what it is, and name these columns in the argument 'by' of `performance`."
        )
    table = table[table["measure"] == measure]
    places = {name: {level: k for k, level in enumerate(table[name].unique())} for name in factors}
    order = table[factors].apply(lambda column: column.map(places[str(column.name)])).apply(tuple, axis=1)
    scenario = order.rank(method="dense").astype(int) - 1
    table = table.assign(**{SCENARIO: scenario}).sort_values(SCENARIO, kind="stable")
    return table[[SCENARIO, *factors, lines, "value", "mc_error"]].reset_index(drop=True)

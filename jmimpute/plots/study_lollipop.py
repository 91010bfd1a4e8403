"""Performance of methods in a simulation study, one measure beside the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute.errors import StudyError, options
from jmimpute.plots.figure import OBSERVED, TEXT, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Columns of what `jmimpute.study.performance` returns beside those that tell methods and settings apart.
OWN = ("term", "measure", "value", "mc_error", "n")
MONTE_CARLO = 1.96
TITLES = {
    "mse": "mean squared error",
    "model_se": "model SE",
    "empirical_se": "empirical SE",
    "width": "width of intervals",
    "relative_error": "relative error, %",
}


def lollipop(
    performance: pd.DataFrame,
    measures: str | Sequence[str] = ("bias", "coverage"),
    terms: str | Sequence[str] | None = None,
    level: float = 0.95,
) -> "Figure":
    """Draw how methods performed in a simulation study, with Monte Carlo errors.

    Parameters
    ----------
    performance : pandas.DataFrame
        As `jmimpute.study.performance` gives it.
    measures : str or sequence of str, optional
        One column of panels each.
    terms : str or sequence of str, optional
        One row of panels each; if not given, all that have the first measure.
    level : float, optional
        Of the intervals whose coverage is drawn.

    Returns
    -------
    matplotlib.figure.Figure
        A line a method, in the order of the table, from where it should be to where it is: 0 for bias and relative error,
        `level` for coverage; other measures have dots only. Brackets are 95 % Monte Carlo intervals: replications without end
        would give a value between them.

    Raises
    ------
    StudyError
        If the table has no such measure or term.
    """
    table = lollipop_table(performance, measures, terms, level)
    rows, columns = (list(table[name].cat.categories) for name in ("term", "measure"))
    labels = list(table["label"].cat.categories)
    figure = new_figure(1.2 + 2.6 * len(columns), (0.24 * len(labels) + 0.5) * len(rows) + 0.4)
    panels = figure.subplots(len(rows), len(columns), squeeze=False, sharex="col", sharey=True)
    for line, term in zip(panels, rows, strict=True):
        for axes, measure in zip(line, columns, strict=True):
            _draw(axes, table[(table["term"] == term) & (table["measure"] == measure)])
            tidy(axes, f"{term}, {_title(measure)}" if len(rows) > 1 else _title(measure))
    panels[0, 0].set_yticks(range(len(labels)), labels)
    panels[0, 0].set_ylim(len(labels) - 0.4, -0.6)
    for axes in panels.ravel():
        axes.tick_params(axis="y", length=0)
    return figure


def _draw(axes: "Axes", table: pd.DataFrame) -> None:
    places = table["label"].cat.codes
    for reference in table["reference"].dropna().unique():
        axes.axvline(reference, color=TEXT, linewidth=1, linestyle="--", zorder=0)
        axes.hlines(places, reference, table["value"], color=OBSERVED, linewidth=1.2)
    axes.scatter(table["value"], places, s=22, color=OBSERVED, zorder=3)
    for end, marker in (("low", "$($"), ("high", "$)$")):
        axes.scatter(table[end], places, s=26, color=TEXT, linewidth=0.4, marker=marker, zorder=4)


def _title(measure: str) -> str:
    return TITLES.get(measure, measure.replace("_", " "))


def lollipop_table(
    performance: pd.DataFrame,
    measures: str | Sequence[str] = ("bias", "coverage"),
    terms: str | Sequence[str] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Lay out what `lollipop` draws.

    Parameters
    ----------
    performance : pandas.DataFrame
    measures, terms, level
        As in `lollipop`.

    Returns
    -------
    DataFrame
        A row a method, term and measure: ``label`` (what tells methods and settings apart, joined), ``term`` and ``measure``
        (all three categorical, in order), ``value``, the ends of its Monte Carlo interval, ``low`` and ``high``, and
        ``reference``, where it should be, NaN for measures that have no such value.

    Raises
    ------
    StudyError
        If the table has no such measure or term.
    """
    check_performance(performance)
    measures = known(measures, performance["measure"], "measure")
    having = performance.loc[performance["measure"] == measures[0], "term"]
    terms = list(having.unique()) if terms is None else known(terms, performance["term"], "term")
    table = performance[performance["measure"].isin(measures) & performance["term"].isin(terms)]
    by = [name for name in performance.columns if name not in OWN]
    labels = table[by].astype(str).agg(", ".join, axis=1)
    references = {"bias": 0.0, "relative_error": 0.0, "coverage": level, "bias_eliminated_coverage": level}
    error, share = MONTE_CARLO * table["mc_error"], table["measure"].isin(["coverage", "bias_eliminated_coverage"])
    return pd.DataFrame(
        {
            "label": pd.Categorical(labels, categories=list(labels.unique())),
            "term": pd.Categorical(table["term"], categories=terms),
            "measure": pd.Categorical(table["measure"], categories=measures),
            "value": table["value"].to_numpy(),
            "low": (table["value"] - error).clip(np.where(share, 0.0, -np.inf)).to_numpy(),
            "high": (table["value"] + error).clip(upper=np.where(share, 1.0, np.inf)).to_numpy(),
            "reference": table["measure"].map(references).to_numpy(dtype=float),
        }
    )


def check_performance(performance: pd.DataFrame) -> None:
    """Make sure that a table is one of performance.

    Parameters
    ----------
    performance : pandas.DataFrame

    Raises
    ------
    StudyError
        If it is not.
    """
    if not isinstance(performance, pd.DataFrame) or not set(OWN) <= set(performance.columns):
        raise StudyError("Give the table that `jmimpute.study.performance` returns.")


def known(asked: str | Sequence[str], there: pd.Series, what: str) -> list[str]:
    """Read one name or several, and make sure that they are there.

    Parameters
    ----------
    asked : str or sequence of str
    there : pandas.Series
    what : str
        For the message.

    Raises
    ------
    StudyError
        If one is not.
    """
    asked = [asked] if isinstance(asked, str) else list(asked)
    if not asked:
        raise StudyError(f"Name at least one {what}.")
    unknown = [name for name in asked if name not in set(there)]
    if unknown:
        raise StudyError(f"The table has no {what} {options(unknown)}. Choose {options(list(there.unique()))}.")
    return asked

"""Estimates and intervals of several methods side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, dot_key, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("term", "estimate", "conf_low", "conf_high")
PANELS_IN_A_ROW = 3


def estimates(results: Mapping[str, Any], truth: Mapping[str, float] | pd.Series | None = None) -> "Figure":
    """Draw the estimates and confidence intervals of several methods, term by term.

    Parameters
    ----------
    results : mapping of str to Pooled or DataFrame
        By the name of the method. A DataFrame needs the columns ``term``, ``estimate``, ``conf_low`` and ``conf_high``.
    truth : mapping of str to float or Series, optional
        True values by term, where they are known.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a term, each with a scale of its own, and a line a method in it. A method without the term has an empty line.
        Dashed lines are true values.

    Raises
    ------
    TableError
        If a result has not these columns or has a term twice, or `truth` names a term that no result has.
    """
    table = estimates_table(results, truth)
    methods, terms = list(table["method"].cat.categories), list(table["term"].cat.categories)
    figure, panels = method_panels(methods, terms)
    for axes, term in zip(panels, terms, strict=True):
        own = table[table["term"] == term]
        places = own["method"].cat.codes
        axes.hlines(places, own["conf_low"], own["conf_high"], color=OBSERVED, linewidth=1.6)
        axes.scatter(own["estimate"], places, s=20, color=OBSERVED, zorder=3)
        for value in own["truth"].dropna().unique():
            axes.axvline(value, color=IMPUTED, linewidth=1, linestyle="--", zorder=0)
    if table["truth"].notna().any():
        from matplotlib.lines import Line2D

        keys = [dot_key(OBSERVED), Line2D([], [], color=IMPUTED, linewidth=1, linestyle="--")]
        legend(figure, keys, ["estimate and interval", "true value"])
    figure.supxlabel("estimate", fontsize=LABEL_SIZE + 1)
    return figure


def method_panels(methods: Sequence[str], terms: Sequence[str]) -> "tuple[Figure, list[Axes]]":
    """Make a panel a term, each with a line a method, from the top.

    Parameters
    ----------
    methods, terms : sequence of str

    Returns
    -------
    figure : matplotlib.figure.Figure
    panels : list of matplotlib.axes.Axes
    """
    columns = min(len(terms), PANELS_IN_A_ROW)
    rows = -(-len(terms) // columns)
    figure = new_figure(2.3 * columns + 0.08 * max(map(len, methods)) + 0.3, (0.24 * len(methods) + 0.7) * rows + 0.3)
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
    for axes, term in zip(panels, terms, strict=False):
        tidy(axes, term)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)  # more labels of small numbers would touch
    for axes in panels[len(terms) :]:
        axes.remove()
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    return figure, panels[: len(terms)]


def estimates_table(results: Mapping[str, Any], truth: Mapping[str, float] | pd.Series | None = None) -> pd.DataFrame:
    """Lay what `estimates` draws out as a table.

    Parameters
    ----------
    results : mapping of str to Pooled or DataFrame
        As in `estimates`.
    truth : mapping of str to float or Series, optional
        As in `estimates`.

    Returns
    -------
    DataFrame
        A row a method and term: ``method`` and ``term`` (categorical, in order of appearance), ``estimate``, ``conf_low``,
        ``conf_high`` and ``truth`` (NaN where not known).

    Raises
    ------
    TableError
        If a result has not these columns or has a term twice, or `truth` names a term that no result has.
    """
    if not isinstance(results, Mapping) or not results:
        raise TableError('Give the results by the name of their method, such as {"joint model": pooled}.')
    parts = {str(method): _rows(str(method), result) for method, result in results.items()}
    table = pd.concat(parts, names=["method"]).reset_index(level=0).reset_index(drop=True)
    terms = list(table["term"].unique())
    known = {} if truth is None else {str(term): float(value) for term, value in dict(truth).items()}
    foreign = [term for term in known if term not in terms]
    if foreign:
        raise TableError(f"No result has the term {foreign[0]!r} of the true values. Terms: {options(terms)}.")
    table["truth"] = table["term"].map(known).astype(float) if known else np.nan
    return table.astype({"method": pd.CategoricalDtype(list(parts)), "term": pd.CategoricalDtype(terms)})


def _rows(method: str, result: Any) -> pd.DataFrame:
    """The columns that are drawn of one result."""
    table = result if isinstance(result, pd.DataFrame) else getattr(result, "table", None)
    if not isinstance(table, pd.DataFrame):
        raise TableError(f"The result {method!r} is {type(result).__name__}. Give what `pool` returns, or a DataFrame.")
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise TableError(f"The result {method!r} has no column {options(absent)}.")
    twice = table["term"][table["term"].duplicated()]
    if len(twice):
        raise TableError(f"The result {method!r} has the term {twice.iloc[0]!r} twice.")
    if table.empty:
        raise TableError(f"The result {method!r} has no terms.")
    return table[list(COLUMNS)].astype({"term": str, "estimate": float, "conf_low": float, "conf_high": float})

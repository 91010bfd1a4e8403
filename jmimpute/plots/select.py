"""Whether a variable is observed, by what is excluded from its equation."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.plots.figure import LABEL_SIZE, OBSERVED, RULE, new_panels, tidy, wrapped
from jmimpute.specification.advice.relevance import relevance, rows_of
from jmimpute.specification.selected import Selected
from jmimpute.specification.selection_checks import crossed_column
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Values of a number that are drawn one by one; of more, as many bins. Categories whose names have room.
BINS, NAMED = 10, 12
BIN, CATEGORY, LABEL = "bin", "category", "label"
Z_95, MARGIN = 1.96, 0.03


def select(model: Any, variable: str) -> "Figure":
    """Show how often a variable is observed, by its exclusion restriction.

    A good exclusion restriction moves the shares far more than their intervals are long. That it does not act on the value of
    the variable is an assumption that no picture shows.

    Parameters
    ----------
    model : JointModel
    variable : str
        With a selection submodel.

    Returns
    -------
    matplotlib.figure.Figure
        A panel an exclusion term: the share of rows with an observed value, in tenths of a number, by category, or by label of
        a crossed factor from the lowest to the highest share, with 95 % intervals (Wilson 1927); dashed the share of all rows.
        The title has the standard deviation that the term adds to the probit of being observed, given the other covariates;
        below 0.2 it tells little of rho. Clusters that lack the variable altogether are left out.

    Raises
    ------
    TableError
        If the variable has no selection submodel, or nothing is excluded from its equation.

    See Also
    --------
    rho : What the data told of rho in the end.
    """
    table, selected = select_table(model, variable), _selected(model.specification, variable)
    sds = relevance(model.specification, selected).terms.set_index("term")["sd"]
    groups = table.groupby("term", sort=False)
    figure, panels = new_panels(len(groups), 2, 4.2, 2.6)
    overall = np.average(table["share"], weights=table["rows"])
    for axes, (term, own) in zip(panels, groups, strict=True):
        axes.axhline(100 * overall, color=RULE, linewidth=1, linestyle="--")
        axes.vlines(own["position"], 100 * own["low"], 100 * own["high"], color=OBSERVED, linewidth=1.2, alpha=0.6)
        axes.plot(own["position"], 100 * own["share"], color=OBSERVED, marker="o", markersize=3.5, linestyle="none")
        tidy(axes, f"{term}: SD {sds[term]:.2f}")
        _label(axes, str(term), own)
        axes.set_ylim(100 * max(0, table["low"].min() - MARGIN), 100 * min(1, table["high"].max() + MARGIN))
    panels[0].set_ylabel(f"{variable} observed, % of rows", fontsize=LABEL_SIZE)
    return figure


def select_table(model: Any, variable: str) -> pd.DataFrame:
    """Lay the shares that `select` draws out as a table.

    Parameters
    ----------
    model : JointModel
    variable : str
        With a selection submodel.

    Returns
    -------
    DataFrame
        A row a bin, category or label of an exclusion term: ``term``, ``kind`` (which of these it is), ``level`` (of a bin its
        range), ``position`` (mean of a bin, otherwise 0, 1, ...), ``rows``, ``share`` of these with an observed value, ``low``
        and ``high`` (95 % interval).

    Raises
    ------
    TableError
        If the variable has no selection submodel, or nothing is excluded from its equation.
    """
    specification = model.specification
    selected = _selected(specification, variable)
    if not selected.clause.exclude:
        raise TableError(f"Nothing is excluded from the equation of {variable!r}: there is nothing to draw.")
    rows, observed = rows_of(specification, selected)
    frame = model.table.frame.iloc[specification.order[rows]]
    return pd.concat([_shares(term, frame, observed) for term in selected.clause.exclude], ignore_index=True)


def _selected(specification: Specification, variable: str) -> Selected:
    for selected in specification.selections:
        if selected.variable.name == variable:
            return selected
    names = [selected.variable.name for selected in specification.selections]
    raise TableError(f"{variable!r} has no selection submodel. Those that have one: {options(names) or 'none'}.")


def _shares(term: str, frame: pd.DataFrame, observed: np.ndarray) -> pd.DataFrame:
    """Shares by bin, category or label of one exclusion term."""
    column = crossed_column(term)
    kind, series = LABEL if column else CATEGORY, frame[column or term].reset_index(drop=True)
    if not column and pd.api.types.is_numeric_dtype(series.dtype) and series.nunique() > BINS:
        kind, values = BIN, series.to_numpy(dtype=float)
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf"))
        codes = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
        levels = [f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges)]
        positions = np.bincount(codes, values, len(levels)) / np.bincount(codes, minlength=len(levels))
    else:
        codes, labels = pd.factorize(series, sort=True)
        levels, positions = list(labels), np.arange(len(labels), dtype=float)
    n = np.bincount(codes, minlength=len(levels))
    share = np.bincount(codes, observed, len(levels)) / n
    low, high = _wilson(share, n)
    table = pd.DataFrame(
        {
            "term": term,
            "kind": kind,
            "level": levels,
            "position": positions,
            "rows": n,
            "share": share,
            "low": low,
            "high": high,
        }
    )
    if column:
        table = table.sort_values("share", kind="stable").assign(position=positions)
    return table.astype({"level": object})


def _wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share."""
    middle = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    return middle - half, middle + half


def _label(axes: "Axes", term: str, table: pd.DataFrame) -> None:
    """Name categories where there is room, and say what stands on the axis."""
    kind = table["kind"].iloc[0]
    if kind != BIN and len(table) <= NAMED:
        axes.set_xticks(table["position"], [wrapped(str(level), 12) for level in table["level"]])
        axes.margins(x=0.15)
    elif kind == LABEL:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(table)} labels of {crossed_column(term)}", fontsize=LABEL_SIZE)
    else:
        axes.set_xlabel(term, fontsize=LABEL_SIZE)

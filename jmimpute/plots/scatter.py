"""Pairs of values: observed together, or with one or both imputed."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.plots.cells import evenly, thinned
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, SYSTEMATIC_COLOUR, dot_key, legend, new_panels, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBSERVED_PAIR, BOTH = "observed", "both imputed"
MARKERS = ("o", ">", "^", "D")
COLOURS = (OBSERVED, IMPUTED, IMPUTED, SYSTEMATIC_COLOUR)
POINTS = 1000
POINTS_IN_A_SMALL_PANEL = 300
CLUSTERS_SHOWN, IMPUTATIONS_SHOWN = 12, 6
BY = ("cluster", "imputation")


def scatter(imputations: Any, x: str, y: str, by: str | None = None) -> "Figure":
    """Draw pairs of values of two variables: observed pairs against pairs with an imputed value.

    Imputed pairs should follow the relation of the observed ones, with as much scatter about it.

    Parameters
    ----------
    imputations : Imputations
    x, y : str
        Columns of numbers, at least one of them imputed.
    by : {"cluster", "imputation"}, optional
        Draw a panel for each cluster (of more than 12, 12 evenly spaced in the order of their share of pairs with a missing
        value) or for each of the first 6 imputations, instead of one for all.

    Returns
    -------
    matplotlib.figure.Figure
        Blue dots are observed pairs. Orange triangles point along the axis whose value was imputed; dark diamonds are pairs
        imputed in both. Of more than 1000 pairs of a kind in the panel (300 with `by`), as many are drawn, evenly spaced
        in the order of x.

    Raises
    ------
    TableError
        If a column cannot be drawn, neither was imputed, or there are no clusters.
    """
    if by is not None and by not in BY:
        raise TableError(f"by={by!r} is not known. Choose {options(BY)}, or leave it out.")
    table = scatter_table(imputations, x, y)
    parts = {"": table} if by is None else _parts(imputations, table, by)
    limit = POINTS if by is None else POINTS_IN_A_SMALL_PANEL
    width, height, columns = (5, 4, 1) if by is None else (2.3, 2.0, 4 if by == "cluster" else 3)
    figure, panels = new_panels(len(parts), columns, width, height)
    for axes, (title, part) in zip(panels, parts.items(), strict=True):
        _draw(axes, part, limit)
        tidy(axes, title)
        axes.set_xlim(*_range(table["x"]))
        axes.set_ylim(*_range(table["y"]))
    figure.supxlabel(x + _note(imputations, parts, by, limit), fontsize=LABEL_SIZE + 1)
    figure.supylabel(y, fontsize=LABEL_SIZE + 1)
    kinds = table["pair"].cat.categories
    found = [k for k, kind in enumerate(kinds) if (table["pair"] == kind).any()]
    legend(figure, [dot_key(COLOURS[k], MARKERS[k]) for k in found], [kinds[k] for k in found], columns=2)
    return figure


def scatter_table(imputations: Any, x: str, y: str) -> pd.DataFrame:
    """Lay the pairs that `scatter` draws out as a table.

    Parameters
    ----------
    imputations : Imputations
    x, y : str
        Columns of numbers, at least one of them imputed.

    Returns
    -------
    DataFrame
        A row an observed pair, and m rows a pair with an imputed value: ``pair`` (categorical: ``observed``, ``X imputed``,
        ``Y imputed``, ``both imputed``), ``imputation`` (1 to m, 0 for observed), ``row`` (position from 0), ``x``, ``y``
        and, where there are clusters, ``cluster``.

    Raises
    ------
    TableError
        If a column cannot be drawn, or neither was imputed.
    """
    _check(imputations, x, y)
    frame = imputations.original
    missing = np.zeros((2, len(frame)), dtype=bool)
    for k, name in enumerate((x, y)):
        if name in imputations.columns:
            missing[k, imputations.rows(name)] = True
    kind = missing[0] + 2 * missing[1]
    complete, holes = np.flatnonzero(kind == 0), np.flatnonzero(kind > 0)
    m = imputations.m
    rows = np.concatenate([complete, np.tile(holes, m)])
    table = pd.DataFrame(
        {
            "pair": pd.Categorical.from_codes(kind[rows], [OBSERVED_PAIR, f"{x} imputed", f"{y} imputed", BOTH]),
            "imputation": np.concatenate([np.zeros(len(complete), dtype=int), np.repeat(np.arange(1, m + 1), len(holes))]),
            "row": rows,
            "x": _values(imputations, x, complete, holes),
            "y": _values(imputations, y, complete, holes),
        }
    )
    if imputations.cluster is not None:
        table["cluster"] = frame[imputations.cluster].to_numpy()[rows]
    return table


def _check(imputations: Any, x: str, y: str) -> None:
    frame = imputations.original
    if x == y:
        raise TableError(f"x and y are both {x!r}: give two columns.")
    for name in (x, y):
        if name not in frame.columns:
            raise TableError(f"There is no column {name!r}. Choose among {options(list(frame.columns))}.")
        if not pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name]):
            raise TableError(f"Column {name!r} does not hold numbers; `bars` and `clusters` draw categories.")
        if name not in imputations.columns and frame[name].isna().any():
            raise TableError(f"Column {name!r} has missing values that were not imputed.")
    if x not in imputations.columns and y not in imputations.columns:
        raise TableError(f"Neither {x!r} nor {y!r} was imputed. Imputed columns: {options(list(imputations.columns))}.")


def _values(imputations: Any, name: str, complete: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Values in the complete rows, then in the others, imputation by imputation."""
    column = imputations.original[name].to_numpy(dtype=float, na_value=np.nan)
    filled = np.tile(column, (imputations.m, 1))
    if name in imputations.columns:
        filled[:, imputations.rows(name)] = imputations.values(name)
    return np.concatenate([column[complete], filled[:, holes].ravel()])


def _parts(imputations: Any, table: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    """Pairs by panel; observed ones are in the panel of every imputation."""
    if by == "imputation":
        shown = range(1, min(imputations.m, IMPUTATIONS_SHOWN) + 1)
        return {f"imputation {k}": table[table["imputation"].isin((0, k))] for k in shown}
    if imputations.cluster is None:
        raise TableError("These imputations have no clusters.")
    first = table[table["imputation"] <= 1]
    shares = (first["pair"] != OBSERVED_PAIR).groupby(first["cluster"]).mean().sort_values(kind="stable")
    return {f"{label}": table[table["cluster"] == label] for label in evenly(shares.index, CLUSTERS_SHOWN)}


def _draw(axes: "Axes", table: pd.DataFrame, limit: int) -> None:
    for k, kind in reversed(list(enumerate(table["pair"].cat.categories))):
        points = thinned(table[table["pair"] == kind], "x", limit)
        axes.scatter(points["x"], points["y"], s=10, marker=MARKERS[k], color=COLOURS[k], alpha=0.5, linewidth=0)


def _range(values: pd.Series) -> tuple[float, float]:
    low, high = values.min(), values.max()
    margin = (high - low) / 20 or 1.0
    return low - margin, high + margin


def _note(imputations: Any, parts: dict[str, pd.DataFrame], by: str | None, limit: int) -> str:
    """What is not drawn."""
    notes = []
    if by == "cluster":
        total = imputations.original[imputations.cluster].nunique()
        if len(parts) < total:
            notes.append(f"{len(parts)} of {total} clusters, evenly spaced in the order of their share missing")
    if by == "imputation" and len(parts) < imputations.m:
        notes.append(f"the first {len(parts)} of {imputations.m} imputations")
    if any(part["pair"].value_counts().max() > limit for part in parts.values()):
        notes.append(f"{limit} pairs of a kind, evenly spaced")
    return f" ({'; '.join(notes)})" if notes else ""

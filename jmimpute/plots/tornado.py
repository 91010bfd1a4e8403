"""Which assumption about missing values matters most."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.mnar.sensitivity import Sensitivity
from jmimpute.plots.assumed import term_of
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, TEXT, legend, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tornado(sensitivities: Any, term: str) -> "Figure":
    """Draw by how much an estimate changes between the lowest and the highest amount of each assumption, one at a time.

    Parameters
    ----------
    sensitivities : Sensitivity or mapping of str to Sensitivity
        Several parameters of one grid (the others at missing at random), or grids of one parameter each by what they are about:
        ``{"reading": ..., "maths": ...}``. Each grid must contain missing at random.
    term : str

    Returns
    -------
    matplotlib.figure.Figure
        The assumption that matters most is on top. Numbers at the bars are amounts, the dashed line is missing at random.

    Raises
    ------
    TableError
        If it is no such result, or missing at random is not in a grid.
    """
    from matplotlib.patches import Patch

    table = tornado_table(sensitivities, term)
    figure = new_figure(6, 0.34 * len(table) + 1.2)
    axes = figure.subplots()
    places = np.arange(len(table))
    for end, colour in (("low", OBSERVED), ("high", IMPUTED)):
        step = table[f"estimate_{end}"] - table["estimate"]
        axes.barh(places, step, left=table["estimate"], height=0.6, color=colour, alpha=0.85)
        for place, row, size in zip(places, table.itertuples(), step, strict=True):
            axes.annotate(
                f"{getattr(row, end):g}",
                (row.estimate + size, place),
                xytext=(3 if size >= 0 else -3, 0),
                textcoords="offset points",
                ha="left" if size >= 0 else "right",
                va="center",
                fontsize=LABEL_SIZE,
                color=TEXT,
            )
    for estimate in table["estimate"].unique():
        axes.axvline(estimate, color=TEXT, linewidth=1, linestyle="--")
    axes.margins(x=0.12)
    axes.set_yticks(places, table["label"])
    axes.set_ylim(len(table) - 0.5, -0.5)
    tidy(axes, "")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"estimate of {term}", fontsize=LABEL_SIZE + 1)
    legend(figure, [Patch(color=OBSERVED), Patch(color=IMPUTED)], ["lowest amount", "highest amount"])
    return figure


def tornado_table(sensitivities: Any, term: str) -> pd.DataFrame:
    """Return what `tornado` draws.

    Parameters
    ----------
    sensitivities : Sensitivity or mapping of str to Sensitivity
        As in `tornado`.
    term : str

    Returns
    -------
    DataFrame
        A row an assumption, the one that matters most first: ``label``, the ``low`` and ``high`` amounts, the estimates there,
        ``estimate_low`` and ``estimate_high``, and ``estimate``, that under missing at random.

    Raises
    ------
    TableError
        If it is no such result, or missing at random is not in a grid.
    """
    if isinstance(sensitivities, Mapping) and sensitivities:
        rows = [_row(str(label), term_of(own, term, 1), own.parameters, 0, own.neutral) for label, own in sensitivities.items()]
    elif isinstance(sensitivities, Sensitivity):
        names = sensitivities.parameters
        table = term_of(sensitivities, term, len(names))
        rows = [_row(name, table, names, k, sensitivities.neutral) for k, name in enumerate(names)]
    else:
        raise TableError(f"Give what `sensitivity` returns, one or several by name, not {type(sensitivities).__name__}.")
    table = pd.DataFrame(rows)
    spread = (table["estimate_high"] - table["estimate_low"]).abs()
    return table.iloc[np.argsort(-spread.to_numpy(), kind="stable")].reset_index(drop=True)


def _row(label: str, table: pd.DataFrame, parameters: tuple[str, ...], which: int, neutral: float) -> dict[str, Any]:
    """Ends of one parameter, the others at missing at random."""
    others = [name for k, name in enumerate(parameters) if k != which]
    own = table[(table[others] == neutral).all(axis=1)].set_index(parameters[which])["estimate"].sort_index()
    if neutral not in own.index:
        raise TableError(f"The grid of {options(parameters)} does not contain {neutral:g}, missing at random. Add it.")
    ends = {"low": own.index[0], "high": own.index[-1], "estimate_low": own.iloc[0], "estimate_high": own.iloc[-1]}
    return {"label": label, **ends, "estimate": own.loc[neutral]}

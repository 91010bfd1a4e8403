"""Chains of a fit: have they settled, and do they agree."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.names import CHAIN, DRAW
from jmimpute.plots.figure import CHAINS, LABEL_SIZE, new_figure, tidy
from jmimpute.plots.kernel import grid_over, kernel_density
from jmimpute.plots.parameters import PARAMETERS_SHOWN, chosen, draws_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trace(fit: Any, var_names: str | Sequence[str] | None = None) -> "Figure":
    """Draw the chains of posterior parameters over their draws, and beside them the density of each chain.

    Chains that have settled look like noise about a common level, and their densities lie on each other.

    Parameters
    ----------
    fit : Fit
        Its `posterior` has dims chain, draw and those of each variable.
    var_names : str or sequence of str, optional
        Variables (``"Omega_e"``) or single parameters (``"Omega_e[ravens, english]"``). When not given: ``beta``,
        ``Omega_e``, ``Omega_u`` and cut points, without elements that are known.

    Returns
    -------
    matplotlib.figure.Figure
        A row a parameter, the first 30; density on the left, draws on the right.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter.
    """
    labels = list(chosen(fit.posterior, var_names))
    shown = labels[:PARAMETERS_SHOWN]
    table = trace_table(fit, shown)
    figure = new_figure(8, 1.15 * len(shown) + 0.7)
    panels = figure.subplots(len(shown), 2, squeeze=False, width_ratios=[1, 1.6])
    for (left, right), (label, draws) in zip(panels, table.groupby("parameter", observed=True, sort=True), strict=True):
        grid = grid_over(draws["value"].to_numpy())
        for chain, (_, line) in enumerate(draws.groupby("chain")):
            colour = CHAINS[chain % len(CHAINS)]
            heights = kernel_density(line["value"].to_numpy(), grid)
            if heights is not None:
                left.plot(grid, heights, color=colour, linewidth=1.2)
            right.plot(line["draw"], line["value"], color=colour, linewidth=0.5, alpha=0.8)
        tidy(left, str(label))
        tidy(right, "")
        left.set_ylim(bottom=0)
        left.set_yticks([])
        left.spines["left"].set_visible(False)
        right.margins(x=0)
    for right in panels[:-1, 1]:
        right.set_xticklabels([])
    panels[-1, 1].set_xlabel("draw", fontsize=LABEL_SIZE)
    if len(labels) > len(shown):
        figure.suptitle(
            f"The first {len(shown)} of {len(labels)} parameters; choose others with var_names", fontsize=LABEL_SIZE
        )
    return figure


def trace_table(fit: Any, var_names: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Lay the draws that `trace` draws out as a table.

    Parameters
    ----------
    fit : Fit
    var_names : str or sequence of str, optional
        As in `trace`.

    Returns
    -------
    DataFrame
        A row a draw: ``parameter`` (categorical, in order; of a symmetric matrix the lower triangle, of a correlation
        matrix without the diagonal), ``chain``, ``draw`` and ``value`` on the scale of the posterior.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter.
    """
    posterior = fit.posterior
    parts = []
    for label, (name, index) in chosen(posterior, var_names).items():
        values = draws_of(posterior, name, index)
        chains, draws = np.meshgrid(posterior[name][CHAIN].values, posterior[name][DRAW].values, indexing="ij")
        parts.append(
            pd.DataFrame({"parameter": label, "chain": chains.ravel(), "draw": draws.ravel(), "value": values.ravel()})
        )
    table = pd.concat(parts, ignore_index=True)
    return table.astype({"parameter": pd.CategoricalDtype(list(table["parameter"].unique()))})

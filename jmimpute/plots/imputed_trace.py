"""Summaries of completed data along the chains: do chains impute alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, some
from jmimpute.plots.figure import CHAINS, LABEL_SIZE, RULE, dot_key, legend, new_figure, tidy
from jmimpute.plots.parameters import PARAMETERS_SHOWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 10


def imputed_trace(diagnostics: Any, quantities: str | Sequence[str] | None = None) -> "Figure":
    """Draw summaries of completed data over the draws of each chain, and beside them the ranks of each chain.

    Chains that impute alike look like noise about a common level, and their ranks are spread evenly (Vehtari, Gelman, Simpson,
    Carpenter and Buerkner 2021, Bayesian Analysis 16).

    Parameters
    ----------
    diagnostics : ImputedDiagnostics
        Of `Fit.imputed_diagnostics`.
    quantities : str or sequence of str, optional
        Such as ``"mean[english]"``; all that are not of single clusters when not given.

    Returns
    -------
    matplotlib.figure.Figure
        A row a quantity, the first 30; on the left the share of the draws of a chain in each tenth of the ranks of all draws,
        on the right the values.

    Raises
    ------
    TableError
        If there is no such quantity.
    """
    table = imputed_trace_table(diagnostics, quantities)
    labels = list(table["quantity"].cat.categories)
    shown = labels[:PARAMETERS_SHOWN]
    figure = new_figure(8, 1.15 * len(shown) + 1.0)
    panels = figure.subplots(len(shown), 2, squeeze=False, width_ratios=[1, 1.6])
    chains = list(table["chain"].unique())
    for (left, right), label in zip(panels, shown, strict=True):
        own = table[table["quantity"] == label]
        for k, chain in enumerate(chains):
            line, colour = own[own["chain"] == chain], CHAINS[k % len(CHAINS)]
            _draw_ranks(left, line["rank"].to_numpy(), len(own), colour)
            right.plot(line["draw"], line["value"], color=colour, linewidth=0.6, alpha=0.8)
        left.axhline(1 / BINS, color=RULE, linewidth=1, zorder=0)
        left.set_ylim(bottom=0)
        left.set_yticks([])
        left.set_xticks([])
        left.spines["left"].set_visible(False)
        tidy(left, label)
        tidy(right, "")
        for axes in (left, right):
            axes.margins(x=0)
    for right in panels[:-1, 1]:
        right.set_xticklabels([])
    panels[-1, 0].set_xlabel("rank among all draws", fontsize=LABEL_SIZE)
    panels[-1, 1].set_xlabel("draw", fontsize=LABEL_SIZE)
    legend(figure, [dot_key(CHAINS[k % len(CHAINS)]) for k in range(len(chains))], [f"chain {chain}" for chain in chains], 8)
    if len(labels) > len(shown):
        figure.suptitle(f"The first {len(shown)} of {len(labels)}; choose others with quantities", fontsize=LABEL_SIZE)
    return figure


def imputed_trace_table(diagnostics: Any, quantities: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Lay what `imputed_trace` draws out as a table.

    Parameters
    ----------
    diagnostics : ImputedDiagnostics
    quantities : str or sequence of str, optional
        As in `imputed_trace`.

    Returns
    -------
    DataFrame
        A row a draw: ``quantity`` (categorical, in order), ``chain``, ``draw``, ``value``, and ``rank`` among the draws of all
        chains, from 1, the mean rank of equal values.

    Raises
    ------
    TableError
        If there is no such quantity.
    """
    from scipy.stats import rankdata

    draws = diagnostics.draws
    names = _chosen(draws, quantities)
    chains, places = np.meshgrid(draws["chain"].values, draws["draw"].values, indexing="ij")
    parts = []
    for name in names:
        values = draws.sel(quantity=name).to_numpy().ravel()
        place = {"quantity": name, "chain": chains.ravel(), "draw": places.ravel()}
        parts.append(pd.DataFrame(place | {"value": values, "rank": rankdata(values)}))
    return pd.concat(parts, ignore_index=True).astype({"quantity": pd.CategoricalDtype(names)})


def _chosen(draws: Any, quantities: str | Sequence[str] | None) -> list[str]:
    known = draws["quantity"].values.tolist()
    if quantities is None:
        overall = [name for name, single in zip(known, draws["of_cluster"].values, strict=True) if not single]
        return overall or known
    chosen = [quantities] if isinstance(quantities, str) else list(quantities)
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        wrong = f"There is no quantity {unknown[0]!r}" if unknown else "There is no quantity to draw"
        raise TableError(f"{wrong}. Choose among {some(map(repr, known), 8)}.")
    return chosen


def _draw_ranks(axes: "Axes", ranks: np.ndarray, n_draws: int, colour: str) -> None:
    edges = np.linspace(0.5, n_draws + 0.5, BINS + 1)
    shares = np.histogram(ranks, edges)[0] / len(ranks)
    axes.stairs(shares, edges, color=colour, linewidth=1.2)

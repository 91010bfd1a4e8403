"""Ranks of the draws of each chain among those of all chains: do the chains agree."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.names import CHAIN
from jmimpute.plots.figure import CHAINS, LABEL_SIZE, SHADE, dot_key, legend, new_panels, tidy
from jmimpute.plots.parameters import PARAMETERS_SHOWN, chosen, draws_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS_IN_A_ROW = 3
#: Ranks at which lines are drawn.
AT = np.arange(1, 50) / 50
PROBABILITY = 0.95
SIMULATIONS = 4000


def rank(fit: Any, var_names: str | Sequence[str] | None = None) -> "Figure":
    """Draw, for each chain, how the ranks of its draws among those of all chains depart from even ones.

    Chains that agree stay within the grey band. A chain above it on the left has too many small values; one that is low on the
    left and high on the right has too little spread (Säilynoja, Bürkner and Vehtari 2022, Statistics and Computing 32).

    Parameters
    ----------
    fit : Fit
        Of at least two chains.
    var_names : str or sequence of str, optional
        Variables (``"Omega_e"``) or single parameters (``"Omega_e[ravens, english]"``). When not given: ``beta``,
        ``Omega_e``, ``Omega_u`` and cut points, without elements that are known.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a parameter, the first 30; see `rank_table`. The band holds all chains of a parameter at once with probability
        0.95, were they as many independent draws as their effective sample size.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter, or only one chain.
    """
    table = rank_table(fit, var_names)
    labels = list(table["parameter"].cat.categories)
    shown = labels[:PARAMETERS_SHOWN]
    width = max(2.6, 0.085 * max(map(len, shown)))
    figure, panels = new_panels(len(shown), PANELS_IN_A_ROW if width < 3.5 else 2, width, 1.5)
    chains = list(table["chain"].unique())
    for axes, label in zip(panels, shown, strict=True):
        own = table[table["parameter"] == label]
        band = own[own["chain"] == chains[0]]
        axes.fill_between(band["rank"], -band["limit"], band["limit"], color=SHADE, linewidth=0)
        for k, chain in enumerate(chains):
            line = own[own["chain"] == chain]
            axes.plot(line["rank"], line["difference"], color=CHAINS[k % len(CHAINS)], linewidth=1)
        tidy(axes, label)
        axes.margins(x=0)
    figure.supxlabel("rank among all draws (0 to 1)", fontsize=LABEL_SIZE + 1)
    figure.supylabel("share of draws below it, minus rank", fontsize=LABEL_SIZE + 1)
    keys = [dot_key(CHAINS[k % len(CHAINS)]) for k in range(len(chains))]
    legend(figure, keys, [f"chain {chain}" for chain in chains], columns=8)
    if len(labels) > len(shown):
        figure.suptitle(
            f"The first {len(shown)} of {len(labels)} parameters; choose others with var_names", fontsize=LABEL_SIZE
        )
    return figure


def rank_table(fit: Any, var_names: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the lines that `rank` draws.

    Parameters
    ----------
    fit : Fit
        Of at least two chains.
    var_names : str or sequence of str, optional
        As in `rank`.

    Returns
    -------
    DataFrame
        A row a point of a line: ``parameter`` (categorical, in order), ``chain``, ``rank`` (0.02 to 0.98), ``difference``: the
        share of the draws of the chain whose rank among all draws, from 0 to 1, is no larger, minus this rank; ``limit``, half
        the height of the band.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter, or only one chain.
    """
    posterior = fit.posterior
    parameters = chosen(posterior, var_names)
    chains = posterior[CHAIN].values
    if len(chains) < 2:
        raise TableError("One chain cannot be compared with others: fit the model with chains=2 or more.")
    band = _band(len(chains))
    parts = [
        pd.DataFrame(
            {
                "parameter": label,
                "chain": np.repeat(chains, len(AT)),
                "rank": np.tile(AT, len(chains)),
                "difference": _differences(draws).ravel(),
                "limit": np.tile(band / np.sqrt(_effective(draws)), len(chains)),
            }
        )
        for label, (name, index) in parameters.items()
        for draws in [draws_of(posterior, name, index)]
    ]
    return pd.concat(parts, ignore_index=True).astype({"parameter": pd.CategoricalDtype(list(parameters))})


def _differences(draws: np.ndarray) -> np.ndarray:
    """Distribution functions of the ranks of each chain, minus the even one, shape (chains, points)."""
    from scipy.stats import rankdata

    ranks = rankdata(draws).reshape(draws.shape) / draws.size
    return np.mean(ranks[:, :, None] <= AT, axis=1) - AT


def _effective(draws: np.ndarray) -> float:
    """Independent draws that a chain is worth, in the middle and in the tails; no more than it has."""
    from arviz_stats.base import array_stats

    if np.ptp(draws) == 0:
        return float(draws.shape[1])
    # Of each chain alone: chains that disagree would make each other look short, and the band wide.
    middle = array_stats.ess(draws, method="bulk", chain_axis=None, draw_axis=1).mean()
    tails = array_stats.ess(draws, method="tail", prob=(0.05, 0.95), chain_axis=None, draw_axis=1).mean()
    return min(float(middle), float(tails), draws.shape[1])


@cache
def _band(n_chains: int) -> np.ndarray:
    """Half the height of the band for one independent draw a chain, in the limit of many.

    The lines of C chains tend to Brownian bridges that sum to zero, each of variance (C - 1) / C times that of a bridge. The
    band is proportional to their standard deviation and holds all of them with probability `PROBABILITY`.
    """
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(SIMULATIONS, n_chains, len(AT) + 1)) / np.sqrt(len(AT) + 1)
    walks = steps.cumsum(axis=2)
    bridges = walks[:, :, :-1] - walks[:, :, -1:] * AT
    bridges -= bridges.mean(axis=1, keepdims=True)
    spread = np.sqrt(AT * (1 - AT) * (n_chains - 1) / n_chains)
    return spread * np.quantile(np.abs(bridges / spread).max(axis=(1, 2)), PROBABILITY)

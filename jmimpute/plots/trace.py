"""Chains of a fit: have they settled, and do they agree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError, options
from jmimpute.names import (
    BETA,
    BETA_LEVEL2,
    CHAIN,
    CLUSTER,
    CORR_E,
    CORR_U,
    CUTPOINTS,
    DRAW,
    HYPER_DF,
    HYPER_SCALE,
    LOG_SD_MEAN,
    LOG_SD_SPREAD,
    OMEGA_E,
    OMEGA_U,
)
from jmimpute.plots.figure import CHAINS, LABEL_SIZE, new_figure, tidy
from jmimpute.plots.kernel import grid_over, kernel_density

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PARAMETERS_SHOWN = 30


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
    labels = list(_chosen(fit.posterior, var_names))
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
    for label, (name, index) in _chosen(posterior, var_names).items():
        values = _draws(posterior, name, index)
        chains, draws = np.meshgrid(posterior[name][CHAIN].values, posterior[name][DRAW].values, indexing="ij")
        parts.append(
            pd.DataFrame({"parameter": label, "chain": chains.ravel(), "draw": draws.ravel(), "value": values.ravel()})
        )
    table = pd.concat(parts, ignore_index=True)
    return table.astype({"parameter": pd.CategoricalDtype(list(table["parameter"].unique()))})


def _chosen(posterior: Any, var_names: str | Sequence[str] | None) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return, for the label of each parameter asked for, the variable and the index behind chain and draw."""
    variables = {str(name): dict(_elements(posterior[name])) for name in posterior.data_vars}
    if var_names is None:
        var_names = _default(posterior, variables) or list(variables)
    chosen: dict[str, tuple[str, tuple[int, ...]]] = {}
    for wanted in [var_names] if isinstance(var_names, str) else var_names:
        found = _matching(variables, wanted)
        if not found:
            example = next(label for labels in variables.values() for label in labels)
            raise TableError(
                f"The posterior has no variable or parameter {wanted!r}. "
                f"Choose among {options(list(variables))}, or a single parameter such as {example!r}."
            )
        chosen |= found
    if not chosen:
        raise TableError(f"There is no parameter to draw. Choose among {options(list(variables))}.")
    return chosen


def _default(posterior: Any, variables: Mapping[str, Mapping[str, tuple[int, ...]]]) -> list[str]:
    """Parameters that are drawn when none are asked for; what is known is the same in every draw."""
    cutpoints = [name for name in variables if name.startswith(f"{CUTPOINTS}_")]
    wanted = (BETA, BETA_LEVEL2, HYPER_DF, HYPER_SCALE, LOG_SD_MEAN, LOG_SD_SPREAD, OMEGA_E, OMEGA_U, *cutpoints)
    names = [name for name in wanted if name in variables and CLUSTER not in posterior[name].dims]
    return [label for name in names for label, index in variables[name].items() if np.ptp(_draws(posterior, name, index)) > 0]


def _draws(posterior: Any, name: str, index: tuple[int, ...]) -> np.ndarray:
    """Draws of one element, shape (chains, draws)."""
    return posterior[name].transpose(CHAIN, DRAW, ...).values[(slice(None), slice(None), *index)]


def _matching(variables: Mapping[str, Mapping[str, tuple[int, ...]]], wanted: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        label: (name, index) for name, labels in variables.items() for label, index in labels.items() if wanted in (name, label)
    }


def _elements(variable: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the label and index of each free element of a posterior variable."""
    dims = [dim for dim in variable.dims if dim not in (CHAIN, DRAW)]
    symmetric = len(dims) > 1 and dims[-1] == f"{dims[-2]}_"
    correlation = variable.name in (CORR_E, CORR_U)
    labels = [variable[dim].values for dim in dims]
    for index in np.ndindex(*(len(names) for names in labels)):
        if symmetric and (index[-1] > index[-2] or (correlation and index[-1] == index[-2])):
            continue
        where = ", ".join(str(names[i]) for names, i in zip(labels, index, strict=True))
        yield (f"{variable.name}[{where}]" if where else str(variable.name)), index

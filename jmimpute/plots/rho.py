"""The correlation rho of a selection model before and after the data."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import TableError
from jmimpute.names import rho_label
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, SHADE, legend, new_panels, tidy
from jmimpute.plots.kernel import kernel_density
from jmimpute.sampling.identification import FAR
from jmimpute.specification.rho_densities import ends, log_density
from jmimpute.specification.rho_priors import RhoPrior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID_POINTS = 401
#: The grid stops short of -1 and 1, where the density of a normal artanh(rho) is not a number.
WIDEST = 0.999


def rho(fit: Any) -> "Figure":
    """Compare the posterior of rho with its prior: what did the data tell.

    A posterior that looks like its prior, or piles up at an end, has learnt little: results then rest on the prior, though the
    chains may have converged.

    Parameters
    ----------
    fit : Fit
        Of a model with selection submodels.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a variable whose rho was estimated: prior (grey) and posterior (blue), the mean and 95 % interval below. Beyond
        the dashed lines rho is near an end; the title says how many draws are there, and the contraction, 1 - posterior
        variance / prior variance.

    Raises
    ------
    TableError
        If no rho was estimated.

    See Also
    --------
    select : What the exclusion restriction does to being observed.
    """
    table, judged = rho_table(fit), fit.identification().table
    groups = table.groupby("variable", sort=False)
    figure, panels = new_panels(len(groups), 2, 4.2, 2.6)
    for axes, (name, own) in zip(panels, groups, strict=True):
        row, top = judged.loc[name], own[["prior", "posterior"]].max().max()
        prior = axes.fill_between(own["rho"], own["prior"], color=SHADE, edgecolor=RULE)
        (posterior,) = axes.plot(own["rho"], own["posterior"], color=OBSERVED, linewidth=1.5)
        interval = axes.hlines(-0.06 * top, row["low"], row["high"], color=OBSERVED, linewidth=3)
        axes.plot(row["mean"], -0.06 * top, color="white", marker="o", markersize=4, markeredgecolor=OBSERVED)
        axes.vlines([-FAR, FAR], 0, top, color=IMPUTED, linewidth=0.8, linestyle="--")
        tidy(axes, f"{name}: contraction {row['contraction']:.2f}, {100 * row['far']:.0f} % beyond ±{FAR:g}")
        axes.set_xlim(-1, 1)
        axes.set_ylim(-0.12 * top, 1.05 * top)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("rho", fontsize=LABEL_SIZE)
    legend(figure, [prior, posterior, interval], ["prior", "posterior", "mean and 95 % interval"])
    return figure


def rho_table(fit: Any) -> pd.DataFrame:
    """Lay the densities that `rho` draws out as a table.

    Parameters
    ----------
    fit : Fit
        Of a model with selection submodels.

    Returns
    -------
    DataFrame
        401 rows a variable whose rho was estimated: ``variable``, ``rho``, and the densities ``prior`` and ``posterior``.

    Raises
    ------
    TableError
        If no rho was estimated.
    """
    clauses = fit.model.specification.clauses
    parts = []
    for name, clause in clauses.items():
        if not isinstance(clause.rho, float):
            draws = fit.posterior[rho_label(name)].to_numpy().ravel()
            grid = np.linspace(-WIDEST, WIDEST, GRID_POINTS)
            densities = {"prior": np.exp(log_density(clause.rho, grid)), "posterior": _density(draws, grid, clause.rho)}
            parts.append(pd.DataFrame({"variable": name, "rho": grid, **densities}))
    if not parts:
        what = "it is held at a number" if clauses else "the model has no selection submodel"
        raise TableError(f"There is no rho to draw that was estimated: {what}.")
    return pd.concat(parts, ignore_index=True)


def _density(draws: np.ndarray, grid: np.ndarray, prior: RhoPrior) -> np.ndarray:
    """Kernel density of draws, what falls beyond the ends of the prior folded back."""
    low, high = ends(prior)
    found = np.zeros(len(grid))
    for places in (grid, 2 * low - grid, 2 * high - grid):
        heights = kernel_density(draws, places)
        found += 0.0 if heights is None else heights
    return np.where((grid >= low) & (grid <= high), found, 0.0)

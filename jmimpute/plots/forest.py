"""Posterior intervals of random effects, cluster by cluster, and of parameters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.names import BETA, BETA_LEVEL2, CHAIN, CLUSTER, DRAW, EFFECT, U
from jmimpute.plots.cells import evenly
from jmimpute.plots.figure import IMPUTED, LABEL_SIZE, OBSERVED, RULE, TEXT, dot_key, legend, new_figure, tidy, wrapped
from jmimpute.plots.parameters import chosen, draws_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES_SHOWN = 400
NAME_HEIGHT, MOST_HEIGHT = 0.17, 9.0
PANEL_WIDTH, TITLE_WIDTH = 2.3, 24  # inches, characters
QUANTILES = {"low": 0.025, "first": 0.25, "third": 0.75, "high": 0.975}


def forest(fit: Any, var_names: str | Sequence[str] | None = None) -> "Figure":
    """Draw posterior means and intervals of random effects or parameters.

    Parameters
    ----------
    fit : Fit
    var_names : str or sequence of str, optional
        ``"u"`` for the random effects of all clusters; otherwise variables or single parameters as in `trace`. ``beta`` when
        not given.

    Returns
    -------
    matplotlib.figure.Figure
        Dots are posterior means, thick lines hold 50 % and thin lines 95 % of the posterior draws.
        Random effects have a panel each and a line a cluster, in the order of the means of the first effect; of more than
        400 clusters, 400 evenly spaced in this order. Clusters without an observed value of the response are orange: what is
        known of them comes from other responses.
        Coefficients have a panel a covariate, other parameters one a variable, with the numbers on the right.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter.
    SamplingError
        If random effects are asked for and the model has a single level.
    """
    table = forest_table(fit, var_names)
    return _effects(fit, table) if var_names == U else _parameters(table)


def forest_table(fit: Any, var_names: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Compute the intervals that `forest` draws.

    Parameters
    ----------
    fit : Fit
    var_names : str or sequence of str, optional
        As in `forest`.

    Returns
    -------
    DataFrame
        A row a line: ``panel`` (categorical, in order): a random effect (``english|Intercept``), or the variable, of
        coefficients with the covariate; ``label``: the cluster or parameter; ``mean``, and the 2.5th, 25th, 75th and 97.5th
        percentiles ``low``, ``first``, ``third`` and ``high``, on the original scale. For random effects also ``observed``:
        the cluster has an observed value of the response. Clusters are in the order of the means of the first effect.

    Raises
    ------
    TableError
        If the posterior has no such variable or parameter.
    SamplingError
        If random effects are asked for and the model has a single level.
    """
    if var_names == U:
        return _effects_table(fit)
    posterior = fit.posterior
    rows = []
    for label, (name, index) in chosen(posterior, var_names or BETA).items():
        inner = [dim for dim in posterior[name].dims if dim not in (CHAIN, DRAW)]
        covariate = str(posterior[name][inner[-1]].values[index[-1]]) if name in (BETA, BETA_LEVEL2) else ""
        panel = f"{name}, {covariate}" if covariate else name
        rows.append({"panel": panel, "label": label, **_summary(draws_of(posterior, name, index).ravel())})
    table = pd.DataFrame(rows)
    return table.astype({"panel": pd.CategoricalDtype(list(table["panel"].unique()))})


def _summary(draws: np.ndarray) -> dict[str, Any]:
    """Mean and percentiles over the first axis."""
    ends = np.quantile(draws, list(QUANTILES.values()), axis=0)
    return {"mean": draws.mean(axis=0), **dict(zip(QUANTILES, ends, strict=True))}


def _effects_table(fit: Any) -> pd.DataFrame:
    effects = fit.random_effects()
    names, labels = list(effects[EFFECT].values), effects[CLUSTER].values
    draws = effects.transpose(..., CLUSTER, EFFECT).values.reshape(-1, len(labels), len(names))
    observed = _observed(fit, labels, len(names))
    summary = _summary(draws)
    order = summary["mean"][:, 0].argsort(kind="stable")
    parts = [
        pd.DataFrame(
            {
                "panel": str(name),
                "label": labels[order],
                **{key: values[order, k] for key, values in summary.items()},
                "observed": observed[order, k],
            }
        )
        for k, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True).astype({"panel": pd.CategoricalDtype([str(name) for name in names])})


def _observed(fit: Any, labels: np.ndarray, n_effects: int) -> np.ndarray:
    """Which cluster has an observed value of the response of which effect, shape (clusters, effects)."""
    specification, frame = fit.model.specification, fit.model.table.frame
    layout = specification.layout
    owners = [variable.name for variable in layout.variables for _ in range(variable.width)]
    counts = frame.groupby(specification.clusters.name, observed=True)[list(dict.fromkeys(owners))].count()
    counts = counts.loc[list(labels)]
    return np.column_stack([counts[owners[layout.effect_response[k]]] > 0 for k in range(n_effects)])


def _effects(fit: Any, table: pd.DataFrame) -> "Figure":
    panels = list(table["panel"].cat.categories)
    labels = table.loc[table["panel"] == panels[0], "label"].to_numpy()
    shown = evenly(labels, LINES_SHOWN)
    height = min(max(NAME_HEIGHT * len(shown), 1.0), MOST_HEIGHT)
    figure = new_figure(max(PANEL_WIDTH * len(panels), 3.2) + 1.0, height + 0.9)
    columns = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(columns, panels, strict=True):
        own = table[(table["panel"] == panel) & table["label"].isin(set(shown))]
        _draw_lines(axes, own, np.where(own["observed"], OBSERVED, IMPUTED), min(1.0, 6 * height / len(shown)))
        tidy(axes, wrapped(panel, TITLE_WIDTH))
        axes.tick_params(axis="y", length=0)
    step = int(np.ceil(len(shown) * 0.13 / height))
    places = np.arange(0, len(shown), step)
    columns[0].set_yticks(places, [str(shown[place]) for place in places])
    columns[0].set_ylim(-0.8, len(shown) - 0.2)
    note = f" ({len(shown)} of {len(labels)}, evenly spaced)" if len(shown) < len(labels) else f" ({len(labels)})"
    columns[0].set_ylabel(f"{fit.model.specification.clusters.name}{note}", fontsize=LABEL_SIZE + 1)
    if not table["observed"].all():
        legend(figure, [dot_key(OBSERVED), dot_key(IMPUTED)], ["response observed", "no value of the response observed"])
    return figure


def _parameters(table: pd.DataFrame) -> "Figure":
    sizes = table["panel"].value_counts(sort=False)
    heights = [0.22 * n + 0.35 for n in sizes]
    figure = new_figure(6.5, sum(heights) + 0.15 * len(sizes) + 0.3)
    panels = figure.subplots(len(sizes), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel in zip(panels, sizes.index, strict=True):
        own = table[table["panel"] == panel]
        _draw_lines(axes, own, np.full(len(own), OBSERVED), 1.0)
        axes.set_yticks(range(len(own)), own["label"])
        axes.set_ylim(len(own) - 0.4, -0.6)
        tidy(axes, panel)
        axes.tick_params(axis="y", length=0)
        for place, row in enumerate(own.itertuples(index=False)):
            axes.annotate(
                f"{row.mean:.3g} [{row.low:.3g}, {row.high:.3g}]",
                (1.02, place),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=LABEL_SIZE,
                color=TEXT,
            )
    return figure


def _draw_lines(axes: "Axes", table: pd.DataFrame, colours: np.ndarray, scale: float) -> None:
    """Thin and thick lines and dots, from the bottom; `scale` makes them finer where there are many."""
    places = np.arange(len(table))
    if (table["low"] < 0).any() and (table["high"] > 0).any():
        axes.axvline(0, color=RULE, linewidth=0.8, zorder=0)
    axes.hlines(places, table["low"], table["high"], color=colours, linewidth=1.2 * scale)
    axes.hlines(places, table["first"], table["third"], color=colours, linewidth=3 * scale)
    axes.scatter(table["mean"], places, s=16 * scale**2, color=colours, zorder=3, linewidth=0)

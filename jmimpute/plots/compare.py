"""One analysis by several methods, term by term: a forest of estimates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.analysis.compare_methods import COMPLETE_CASES, COMPLETE_DATA, FIXED, PUBLISHED, TRUTH
from jmimpute.analysis.compare_result import Comparison
from jmimpute.errors import TableError, options
from jmimpute.plots.estimates import method_panels
from jmimpute.plots.figure import CHAINS, LABEL_SIZE, TEXT, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY = "#808080"


def comparison(result: Any, terms: str | Sequence[str] | None = None) -> "Figure":
    """Draw estimates and intervals by method, with their Monte Carlo errors.

    Parameters
    ----------
    result : Comparison
        As `jmimpute.compare` gives it.
    terms : str or sequence of str, optional
        Terms to draw; those of the analysis if not given. ``result.terms`` also has those of random effects.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a term, each with a scale of its own, and a line a method, complete cases on top in grey. Thin lines are
        confidence intervals. Thick ones hold, at the same level, what the estimate would be with other imputations (Monte Carlo
        error): methods whose thick lines overlap may differ by that alone. Published results have open dots. Dashed lines are
        true values, or the estimates from complete data.

    Raises
    ------
    TableError
        If it is no such result, or has no such term.
    """
    table = comparison_table(result, terms)
    drawn = table[table["kind"] != TRUTH]
    methods, shown = list(drawn["method"].unique()), list(table["term"].cat.categories)
    figure, panels = method_panels(methods, shown)
    for axes, term in zip(panels, shown, strict=True):
        own = drawn[drawn["term"] == term]
        places = [methods.index(name) for name in own["method"]]
        axes.hlines(places, own["conf_low"], own["conf_high"], color=own["colour"], linewidth=1.2)
        noisy = own["mc_low"].notna().to_numpy()
        lines = own[noisy]
        axes.hlines(np.array(places)[noisy], lines["mc_low"], lines["mc_high"], color=lines["colour"], linewidth=4, alpha=0.5)
        faces = ["white" if kind == PUBLISHED else colour for kind, colour in zip(own["kind"], own["colour"], strict=True)]
        axes.scatter(own["estimate"], places, s=20, facecolor=faces, edgecolor=own["colour"], zorder=3)
        for value in own["truth"].dropna().unique():
            axes.axvline(value, color=TEXT, linewidth=1, linestyle="--", zorder=0)
    figure.supxlabel("estimate", fontsize=LABEL_SIZE + 1)
    _explain(figure, table)
    return figure


def comparison_table(result: Any, terms: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Lay out what `comparison` draws as a table.

    Parameters
    ----------
    result : Comparison
    terms : str or sequence of str, optional
        As in `comparison`.

    Returns
    -------
    DataFrame
        A row a method and term: ``method``, ``kind`` (as in `Comparison`), ``term`` (categorical, in order), ``estimate``,
        ``conf_low``, ``conf_high``, ``mc_low`` and ``mc_high`` (NaN without Monte Carlo error), ``truth`` (NaN where not known)
        and ``colour``.

    Raises
    ------
    TableError
        If it is no such result, or has no such term.
    """
    if not isinstance(result, Comparison):
        raise TableError(f"Give what `jm.compare` returns, not {type(result).__name__}.")
    from scipy.stats import norm

    table = result.table
    wanted = _wanted(result, terms)
    reach = norm.ppf((1 + result.level) / 2) * table["mc_error"].where(table["mc_error"] > 0)
    kinds = {method.name: method.kind for method in result.methods}
    table = table.assign(
        kind=table["method"].map(kinds),
        mc_low=table["estimate"] - reach,
        mc_high=table["estimate"] + reach,
        truth=table["term"].map(_true_values(result)).astype(float),
        colour=table["method"].map(_colours(kinds)),
    )
    columns = ["method", "kind", "term", "estimate", "conf_low", "conf_high", "mc_low", "mc_high", "truth", "colour"]
    chosen = table.loc[table["term"].isin(wanted), columns].reset_index(drop=True)
    return chosen.astype({"term": pd.CategoricalDtype(wanted)})


def _wanted(result: Comparison, terms: str | Sequence[str] | None) -> list[str]:
    if terms is None:
        table = result.table
        fixed = set(table.loc[table["part"] == FIXED, "term"])
        return [term for term in result.terms if term in fixed]
    given = [terms] if isinstance(terms, str) else list(terms)
    foreign = [term for term in given if term not in result.terms]
    if foreign or not given:
        raise TableError(f"There is no term {options(foreign) or 'at all'}. Choose {options(result.terms)}.")
    return list(dict.fromkeys(given))


def _true_values(result: Comparison) -> dict[str, float]:
    """True values by term, or estimates from complete data."""
    found = [method.table for method in result.methods if method.kind in (TRUTH, COMPLETE_DATA)]
    return dict(zip(found[0]["term"], found[0]["estimate"], strict=True)) if found else {}


def _colours(kinds: dict[str, str]) -> dict[str, str]:
    """Grey for complete cases, dark for what is true, and one after the other for the rest."""
    fixed = {COMPLETE_CASES: GREY, COMPLETE_DATA: TEXT, TRUTH: TEXT}
    others = [name for name, kind in kinds.items() if kind not in fixed]
    own = {name: CHAINS[k % (len(CHAINS) - 1)] for k, name in enumerate(others)}
    return {name: own.get(name) or fixed[kind] for name, kind in kinds.items()}


def _explain(figure: "Figure", table: pd.DataFrame) -> None:
    """Put keys of lines above the panels."""
    from matplotlib.lines import Line2D

    keys = {"interval": Line2D([], [], color=TEXT, linewidth=1.2)}
    if table["mc_low"].notna().any():
        keys["Monte Carlo error"] = Line2D([], [], color=TEXT, linewidth=4, alpha=0.5)
    if table["truth"].notna().any():
        keys["complete data" if COMPLETE_DATA in set(table["kind"]) else "true value"] = Line2D(
            [], [], color=TEXT, linewidth=1, linestyle="--"
        )
    legend(figure, list(keys.values()), list(keys))

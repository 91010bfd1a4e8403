"""Posterior predictive checks: the data against those that the fitted model would give, also cluster by cluster.

At each of some posterior draws the data are replicated (`jmimpute.imputation.replicate`) and statistics of the replicate are
compared with those of the data (Gelman, Meng and Stern 1996, Statistica Sinica 6, 733-807). By default the data are completed
by an imputation at the same draw (Gelman, Van Mechelen, Verbeke, Heitjan and Meulders 2005, Biometrics 61, 74-85; He and
Zaslavsky 2012, Statistics in Medicine 31, 1-18), so that the comparison holds if values are missing at random: observed cells
alone are a selection, which replicates in the same places are not. What is missing is then like the model, so that statistics
of few observed cells show less.

A posterior predictive p-value tends to be nearer to a half than a uniform number, the more so the more the statistic was fitted
(means by cluster, given the random effects of the same cluster), so that small ones are rarer than they look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.imputation.check_statistics import SPREADS, VARIABLE, Statistics
from jmimpute.imputation.check_verdict import judge
from jmimpute.imputation.completed import Response, responses_of
from jmimpute.imputation.completer import completer_of
from jmimpute.imputation.impute import Columns
from jmimpute.imputation.latents import KeptLatents
from jmimpute.imputation.parameters import cutpoints_of, parameters_at
from jmimpute.imputation.replicate import NEW, replicate, replicate_clusters, values_of
from jmimpute.specification.specify import Specification
from jmimpute.table import statistics as sufficient

if TYPE_CHECKING:
    import xarray as xr

COMPLETED, OBSERVED = "completed", "observed"
#: Data sets kept for pictures, and most units of each.
KEPT, UNITS_KEPT = 20, 5000
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class PredictiveCheck:
    """Data compared with replicates of the fitted model. Made by `Fit.check`.

    Attributes
    ----------
    ok : bool
        The data look like replicates, by variable and by cluster.
    messages : tuple of str
        What does not, and what to do.
    table : pandas.DataFrame
        A row a statistic: ``by`` (variable, cluster or pattern), ``variable``, ``category``, ``group`` (cluster label or
        pattern), ``statistic``, ``n_observed`` and ``n`` (cells, observed and used), ``data`` (of completed data the mean over
        draws), ``replicated`` (mean), ``low`` and ``high`` (of 95 % of replicates), ``p_value`` (two-sided, of the share of
        draws at which the replicate is above the data) and ``z`` (mean difference, data minus replicate, over its standard
        deviation across draws; of standard deviations raised to the power 2/3).
    draws : int
        Replicates.
    cells : {"completed", "observed"}
    clusters : {"same", "new"}
    data, replicates : dict of str to ndarray, shape (k, n)
        Values of up to 20 data sets (of observed cells one) and replicates by variable, at up to 5000 cells.
    levels : dict of str to tuple
        Categories of variables that have them; their values are positions in these.
    cluster : str or None
        The cluster column.
    """

    ok: bool
    messages: tuple[str, ...]
    table: pd.DataFrame = field(repr=False)
    draws: int
    cells: str
    clusters: str
    data: dict[str, np.ndarray] = field(repr=False)
    replicates: dict[str, np.ndarray] = field(repr=False)
    levels: dict[str, tuple] = field(repr=False)
    cluster: str | None = None

    def __str__(self) -> str:
        """Verdict, findings and the statistics by variable."""
        shown = self.table[self.table["by"] == VARIABLE].drop(columns=["by", "group", "n_observed", "n"])
        shown = shown if shown["category"].notna().any() else shown.drop(columns="category")
        text = shown.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")
        return "\n".join([*self.messages, "", f"{self.cells.capitalize()} data against {self.draws} replicates:", text])

    __repr__ = __str__


def check(
    posterior: "xr.Dataset",
    specification: Specification,
    stats: sufficient.Statistics,
    pairs: Sequence[tuple[int, int]],
    seeds: Sequence[Any],
    latents: KeptLatents | None = None,
    report: Callable[[int], None] = lambda done: None,
    *,
    cells: str = COMPLETED,
    clusters: str = "same",
) -> PredictiveCheck:
    """Compare the data with replicates.

    Parameters
    ----------
    posterior, specification, stats, pairs, seeds, latents, report
        As in `jmimpute.imputation.impute.impute`.
    cells : {"completed", "observed"}
    clusters : {"same", "new"}
        Whose random effects replicates have.

    Returns
    -------
    PredictiveCheck
    """
    responses = responses_of(specification)
    statistics = Statistics(specification, responses, cells == COMPLETED)
    record = _Record(statistics, responses, len(pairs), cells == COMPLETED)
    completer, columns = completer_of(specification, stats, latents), Columns(specification)
    for k, ((chain, draw), seed) in enumerate(zip(pairs, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        cutpoints = {r.variable.name: cutpoints_of(posterior, r.variable, chain, draw) for r in responses}
        psi = completer.draw_psi(posterior, chain, draw, latents, k, rng).copy()
        imputed = columns.of(*completer.draw_cells(rng), cutpoints)
        parameters = parameters_at(posterior, specification, latents, k, chain, draw)
        if clusters == NEW:
            y, w = replicate_clusters(parameters, specification, rng)
        else:
            y, w = replicate(parameters, psi, specification, rng)
        data = {r.variable.name: r.completed(imputed) for r in responses}
        record.add(k, data, {r.variable.name: values_of(r, y, w, cutpoints[r.variable.name], specification) for r in responses})
        report(k + 1)
    table = record.table()
    ok, messages = judge(table, len(pairs), specification.covariance)
    levels = {r.variable.name: r.variable.levels for r in responses if r.variable.is_latent}
    name = specification.clusters.name
    return PredictiveCheck(ok, messages, table, len(pairs), cells, clusters, record.data, record.replicates, levels, name)


class _Record:
    """Statistics of data and replicates, draw by draw."""

    def __init__(self, statistics: Statistics, responses: list[Response], n_draws: int, completed: bool) -> None:
        self.statistics, self.completed = statistics, completed
        index = statistics.index
        self.power = np.where(index["statistic"].isin(SPREADS), 2 / 3, 1.0)
        self.replicated = np.empty((n_draws, len(index)), dtype=np.float32)
        self.above, self.total, self.difference, self.square = (np.zeros(len(index)) for _ in range(4))
        n_data, n_kept = KEPT if completed else 1, min(KEPT, n_draws)
        self.kept = {
            r.variable.name: _spread(np.arange(len(r.values)) if completed else np.flatnonzero(r.observed)) for r in responses
        }
        self.data = {name: np.empty((min(n_data, n_kept), len(units))) for name, units in self.kept.items()}
        self.replicates = {name: np.empty((n_kept, len(units))) for name, units in self.kept.items()}

    def add(self, k: int, data: dict[str, np.ndarray], replicate: dict[str, np.ndarray]) -> None:
        """Take in the k-th draw."""
        ours, theirs = self.statistics.of(data), self.statistics.of(replicate)
        self.replicated[k] = theirs
        self.above += (theirs > ours) + 0.5 * (theirs == ours)
        self.total += ours
        difference = np.sign(ours) * np.abs(ours) ** self.power - np.sign(theirs) * np.abs(theirs) ** self.power
        self.difference += difference
        self.square += difference**2
        for name, units in self.kept.items():
            if k < len(self.data[name]):
                self.data[name][k] = data[name][units]
            if k < len(self.replicates[name]):
                self.replicates[name][k] = replicate[name][units]

    def table(self) -> pd.DataFrame:
        """See `PredictiveCheck.table`."""
        n = len(self.replicated)
        upper = (self.above + 0.5) / (n + 1)
        mean = self.difference / n
        sd = np.sqrt(np.maximum(self.square - n * mean**2, 0.0) / max(n - 1, 1))
        low, high = np.quantile(self.replicated, INTERVAL, axis=0)
        return self.statistics.index.assign(
            data=self.total / n,
            replicated=self.replicated.mean(axis=0, dtype=float),
            low=low.astype(float),
            high=high.astype(float),
            p_value=2 * np.minimum(upper, 1 - upper),
            z=np.divide(mean, sd, out=np.zeros_like(mean), where=sd > 0),
        )


def _spread(units: np.ndarray) -> np.ndarray:
    """At most `UNITS_KEPT` of some units, evenly spaced."""
    if len(units) <= UNITS_KEPT:
        return units
    return units[np.linspace(0, len(units) - 1, UNITS_KEPT).round().astype(int)]

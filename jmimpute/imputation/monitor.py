"""Convergence of what is imputed: R-hat and effective sample sizes of summaries of the completed data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import ImputationError, some
from jmimpute.imputation.completed import Response, responses_of, shown_levels
from jmimpute.imputation.impute import imputed
from jmimpute.imputation.latents import KeptLatents
from jmimpute.sampling.diagnostics import (
    ESS_PER_CHAIN,
    ONE_CHAIN,
    RHAT_LIMIT,
    RHAT_LIMIT_CHANCE,
    Diagnostics,
    of_draws,
)
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

if TYPE_CHECKING:
    import xarray as xr

QUANTITY, OF_CLUSTER = "quantity", "of_cluster"
FEWEST = 4  # draws of a chain, of which each half must have a variance


@dataclass(frozen=True)
class ImputedDiagnostics(Diagnostics):
    """A verdict on imputed quantities. Made by `Fit.imputed_diagnostics`.

    Attributes
    ----------
    ok : bool
        Nothing was found that speaks against using the imputations.
    messages : tuple of str
        What was found and what to do.
    table : pandas.DataFrame
        By quantity, worst R-hat first.
    draws : xarray.DataArray
        Dims (chain, draw, quantity): the quantities in each completed table; ``of_cluster`` says which are of single clusters.
    """

    draws: "xr.DataArray" = field(repr=False)

    __repr__ = __str__ = Diagnostics.__str__


def monitor(
    posterior: "xr.Dataset",
    specification: Specification,
    stats: Statistics,
    pairs: Sequence[tuple[int, int]],
    seeds: Sequence[Any],
    latents: KeptLatents | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> ImputedDiagnostics:
    """Judge the convergence of summaries of the completed data.

    The summaries are made of one imputation after the other; no completed table is kept.

    Parameters
    ----------
    posterior, specification, stats, pairs, seeds, latents, report
        As in `jmimpute.imputation.impute.impute`; pairs of a chain and a draw that not all chains have are left out.

    Returns
    -------
    ImputedDiagnostics

    Raises
    ------
    ImputationError
        If nothing is imputed, or there are fewer than 4 draws in each chain.
    """
    import xarray as xr

    summaries = Summaries(specification)
    if not summaries.labels:
        raise ImputationError("No cell is missing, so that there is nothing imputed to judge.")
    n_chains = posterior.sizes[names.CHAIN]
    draws = sorted(set.intersection(*({d for c, d in pairs if c == chain} for chain in range(n_chains))))
    if len(draws) < FEWEST:
        raise ImputationError(_too_few(len(draws), latents is not None, f"R-hat needs at least {FEWEST}"))
    values = np.empty((n_chains, len(draws), len(summaries.labels)))
    place = {draw: position for position, draw in enumerate(draws)}
    for k, cells in enumerate(imputed(posterior, specification, stats, pairs, seeds, latents)):
        chain, draw = pairs[k]
        if draw in place:
            values[chain, place[draw]] = summaries.of(cells)
        report(k + 1)
    moves = np.ptp(values, axis=(0, 1)) > 0  # a share may be the same in every completed table
    labels, is_of_cluster = np.array(summaries.labels, dtype=object)[moves], np.array(summaries.of_cluster)[moves]
    coords: dict[str, Any] = {names.CHAIN: np.arange(n_chains), names.DRAW: draws, QUANTITY: labels.tolist()}
    coords[OF_CLUSTER] = (QUANTITY, is_of_cluster)
    kept = xr.DataArray(values[:, :, moves], coords, (names.CHAIN, names.DRAW, QUANTITY))
    return _judge(kept, latents is not None)


class Summaries:
    """Summaries of completed data: which there are, and their values in an imputation.

    Means and standard deviations of incomplete continuous responses; shares of categories; correlations of continuous
    responses of rows of which one is incomplete; means and shares in clusters with missing cells. Those of level-2 responses
    are taken over clusters.

    Parameters
    ----------
    specification : Specification

    Attributes
    ----------
    labels : list of str
        Such as ``mean[english]``, ``share[fluent, 1]``, ``corr[english, ravens]``, ``mean[english, school 7]``.
    of_cluster : list of bool
        Whether each is about a single cluster.
    """

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.responses = responses_of(specification)
        continuous = [r for r in self.responses if r.level == 1 and not r.variable.is_latent]
        self.pairs = [(a, b) for a, b in combinations(continuous, 2) if a.source.size or b.source.size]
        self.incomplete = [r for r in self.responses if r.source.size]
        own = [label for response in self.incomplete for label in _labels(response)]
        own += [f"corr[{a.variable.name}, {b.variable.name}]" for a, b in self.pairs]
        clusters = [label for response in self.incomplete for label in self._cluster_labels(response)]
        self.labels = own + clusters
        self.of_cluster = [False] * len(own) + [True] * len(clusters)

    def of(self, cells: dict[str, np.ndarray]) -> np.ndarray:
        """Values in one imputation, in the order of `labels`.

        Parameters
        ----------
        cells : dict of str to ndarray
            As `jmimpute.imputation.impute.imputed` yields them.
        """
        completed = {r.variable.name: r.completed(cells) for r in self.responses}
        own: list[float] = []
        of_clusters: list[np.ndarray] = []
        for response in self.incomplete:
            values = completed[response.variable.name]
            if not response.variable.is_latent:
                own += [values.mean(), values.std(ddof=1)]
            for score in _scores(response, values):
                own += [score.mean()] if response.variable.is_latent else []
                of_clusters.append(self._cluster_means(response, score))
        own += [np.corrcoef(completed[a.variable.name], completed[b.variable.name])[0, 1] for a, b in self.pairs]
        return np.concatenate([own, *of_clusters])

    def _holed(self, response: Response) -> np.ndarray:
        """Clusters with missing cells of a response of rows."""
        if response.level == 2 or not self.specification.n_clusters:
            return np.empty(0, dtype=np.int64)
        return np.unique(response.cluster[~response.observed])

    def _cluster_means(self, response: Response, score: np.ndarray) -> np.ndarray:
        sizes = np.bincount(response.cluster)
        return (np.bincount(response.cluster, score) / sizes)[self._holed(response)]

    def _cluster_labels(self, response: Response) -> Iterator[str]:
        clusters, variable = self.specification.clusters, response.variable
        for what in _categories(response) or [f"mean[{variable.name}"]:
            for j in self._holed(response):
                yield f"{what}, {clusters.name} {clusters.labels[j]}]"


def _categories(response: Response) -> list[str]:
    variable = response.variable
    return [f"share[{variable.name}, {variable.levels[k]}" for k in shown_levels(variable)] if variable.is_latent else []


def _labels(response: Response) -> list[str]:
    name = response.variable.name
    return [f"{what}]" for what in _categories(response)] or [f"mean[{name}]", f"sd[{name}]"]


def _scores(response: Response, values: np.ndarray) -> list[np.ndarray]:
    """Numbers whose means are monitored: the values, or for each category whether it is there."""
    if not response.variable.is_latent:
        return [values]
    return [(values == k).astype(float) for k in shown_levels(response.variable)]


def _judge(draws: "xr.DataArray", has_latents: bool) -> ImputedDiagnostics:
    """The verdict; single clusters are many, so that R-hat exceeds 1.01 by chance."""
    n_chains, n_draws = draws.shape[:2]
    of_cluster = draws[OF_CLUSTER].to_numpy()
    table = of_draws(dict(zip(draws[QUANTITY].values.tolist(), np.moveaxis(draws.to_numpy(), -1, 0), strict=True)))
    table.index.name = QUANTITY
    smallest = table[["ess_bulk", "ess_tail"]].min(axis=1)
    strict = (smallest >= ESS_PER_CHAIN * n_chains) & ~of_cluster
    findings = _disagreement(table["r_hat"], strict) if n_chains > 1 else [ONE_CHAIN]
    findings += _scarcity(smallest, ESS_PER_CHAIN * n_chains)
    if n_draws < ESS_PER_CHAIN:  # chance alone would be found
        findings = [_too_few(n_draws, has_latents, f"{ESS_PER_CHAIN} are needed to judge convergence")]
    table = table.sort_values("r_hat", ascending=False)
    if findings:
        return ImputedDiagnostics(False, tuple(findings), table, draws)
    verdict = (
        f"Imputed quantities have converged: {len(table)} summaries of completed data at {n_draws} draws of each of {n_chains} "
        f"chains, largest R-hat {table['r_hat'].max():.3f}, smallest effective sample size {smallest.min():.0f} "
        f"({smallest.idxmin()})."
    )
    return ImputedDiagnostics(True, (verdict,), table, draws)


def _disagreement(r_hat: pd.Series, strict: pd.Series) -> list[str]:
    limits = strict.map({True: RHAT_LIMIT, False: RHAT_LIMIT_CHANCE})
    beyond = r_hat.index[~(r_hat <= limits)]  # NaN is beyond any limit
    if not len(beyond):
        return []
    return [
        f"Chains impute differently (R-hat up to {r_hat[beyond].max():.3f}): {some(beyond)}. Do not use these imputations: "
        "increase tune and draws of the fit; if it stays, what is missing may not be identified (a variable that clusters "
        "lack, few clusters)."
    ]


def _scarcity(ess: pd.Series, least: int) -> list[str]:
    few = ess.index[~(ess >= least)]
    if not len(few):
        return []
    return [
        f"Too few independent imputations (effective sample size below {least}) of {some(few)}. Increase draws here, or, if "
        "the chains themselves move slowly, draws of the fit."
    ]


def _too_few(n_draws: int, has_latents: bool, reason: str) -> str:
    if has_latents:
        return (
            f"The latent normals of {n_draws} draws of each chain were kept; {reason}. Fit again with keep_latents of at least "
            f"{ESS_PER_CHAIN} times the number of chains, or go on with fit.extend(draws, keep_latents=...)."
        )
    return f"There are imputations of {n_draws} draws of each chain; {reason}. Increase draws."

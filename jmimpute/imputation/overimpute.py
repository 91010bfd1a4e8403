"""Overimputation: observed cells imputed as if each were missing, and compared with what they are.

The idea is that of Honaker, King and Blackwell (2011, Journal of Statistical Software 45(7)). A cell is imputed given the other
observed cells of its row, the other rows of its cluster and, through the parameters, all other data. Given the parameters that
is exact (`jmimpute.imputation.left_out`). Posterior draws of parameters and latent normals have seen the cell; weights
1 / p(cell | all others, draw), smoothed by a generalised Pareto distribution, make them draws of the posterior without it
(Vehtari, Gelman and Gabry 2017, Statistics and Computing 27, 1413-1432). Imputed values are thus mixtures over draws, of
normals or of categories, and need no random numbers.

What is checked is the distribution of a response given the others. If whether other responses are missing depends on it, rows
differ by pattern without fault of the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError, options
from jmimpute.imputation.check_statistics import pattern_labels
from jmimpute.imputation.completed import Response, responses_of
from jmimpute.imputation.latents import KeptLatents
from jmimpute.imputation.left_out import LeftOut
from jmimpute.imputation.orthants import category_probabilities
from jmimpute.imputation.overimpute_tables import calibration, coverage, interval_columns, judge
from jmimpute.imputation.parameters import cutpoints_of, parameters_at
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr

LEVELS = (0.5, 0.9, 0.95)
FEWEST = 25  # draws of which a fifth, those with the largest weights, are smoothed
HALVINGS = 40


@dataclass(frozen=True)
class Overimputation:
    """Observed cells of a variable and what would have been imputed for them. Made by `Fit.overimpute`.

    Attributes
    ----------
    variable : str
    ok : bool
        Intervals cover, or categories occur, as often as they should.
    messages : tuple of str
    cells : pandas.DataFrame
        A row an observed cell: ``row`` (from 0), ``cluster``, ``pattern``, ``missing_share`` (of the responses of its row),
        ``observed``, and ``pareto_k`` of its weights (above 0.7 they are not reliable). Continuous: ``mean`` and ``sd`` of what
        is imputed, limits ``low_50``, ``high_50``, ... ``high_95`` of equal-tailed intervals, and ``pit``, the probability of
        a smaller value. Categories: the probability of each in a column ``p[...]``.
    table : pandas.DataFrame
        Continuous: the share of cells that intervals of each ``level`` cover, with the ``std_error`` that chance gives right
        ones; of all cells, by cluster and by pattern. Categories: ``predicted`` and ``observed`` shares by bins of predicted
        probability, by cluster and by pattern.
    levels : tuple
        Categories; none of a continuous variable.
    n_observed : int
        Observed cells, of which `cells` are a part, evenly spaced, if these are many.
    draws : int
    """

    variable: str
    ok: bool
    messages: tuple[str, ...]
    cells: pd.DataFrame = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    levels: tuple
    n_observed: int
    draws: int

    def __str__(self) -> str:
        """Verdict, findings and the table over all cells."""
        shown = self.table[~self.table["by"].isin(["cluster", "pattern"])]
        text = shown.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3f}")
        return "\n".join([*self.messages, "", text])

    __repr__ = __str__


def overimpute(
    posterior: "xr.Dataset",
    specification: Specification,
    pairs: Sequence[tuple[int, int]],
    latents: KeptLatents | None,
    variable: str,
    most: int,
    report: Callable[[int], None] = lambda done: None,
) -> Overimputation:
    """Impute observed cells of a response as if each were missing.

    Parameters
    ----------
    posterior : xarray.Dataset
    specification : Specification
    pairs : sequence of (chain, draw)
    latents : KeptLatents, optional
        Of these draws, in this order.
    variable : str
        A response of rows.
    most : int
        Cells, evenly spaced, if there are more.
    report : callable
        Told the number of draws done.

    Returns
    -------
    Overimputation

    Raises
    ------
    ImputationError
        If there is no such response, or there are fewer than 25 draws.
    """
    response = _response(specification, variable)
    _check_draws(len(pairs), latents)
    rows = np.flatnonzero(response.observed)
    n_observed = len(rows)
    if n_observed > most:
        rows = rows[np.linspace(0, n_observed - 1, most).round().astype(int)]
    cells = _describe(response, rows, specification)
    impute = _impute_categories if response.variable.is_latent else _impute_numbers
    cells = cells.assign(**impute(posterior, specification, pairs, latents, response, rows, report))
    cells = cells.sort_values("row", ignore_index=True)
    levels = response.variable.levels
    table = calibration(cells, levels) if levels else coverage(cells, LEVELS)
    ok, messages = judge(table, cells, variable, n_observed)
    return Overimputation(variable, ok, messages, cells, table, levels, n_observed, len(pairs))


def _response(specification: Specification, variable: str) -> Response:
    of_rows = {r.variable.name: r for r in responses_of(specification) if r.level == 1}
    if variable not in of_rows:
        raise ImputationError(
            f"{variable!r} is no response of rows, which can be overimputed. Choose {options(list(of_rows))}."
        )
    return of_rows[variable]


def _check_draws(n_draws: int, latents: KeptLatents | None) -> None:
    if n_draws < FEWEST:
        which = "draws whose latent normals were kept; fit with a larger keep_latents" if latents else "draws; take more"
        raise ImputationError(f"Overimputation needs at least {FEWEST} posterior draws. There are {n_draws} {which}.")


def _describe(response: Response, rows: np.ndarray, specification: Specification) -> pd.DataFrame:
    codes, patterns, labels = response.cluster[rows], specification.patterns.codes[rows], pattern_labels(specification)
    first = [variable.first for variable in specification.layout.variables]
    missing = 1.0 - specification.patterns.observed[:, first].mean(axis=1)
    clusters, values, levels = specification.clusters.labels, response.values[rows], response.variable.levels
    return pd.DataFrame(
        {
            "row": specification.order[rows],
            "cluster": [clusters[j] for j in codes] if clusters else None,
            "pattern": pd.Categorical.from_codes(patterns, labels),
            "missing_share": missing[patterns],
            "observed": pd.Series([levels[int(k)] for k in values], dtype=object) if levels else values,
        }
    )


def _impute_numbers(
    posterior: "xr.Dataset",
    specification: Specification,
    pairs: Sequence[tuple[int, int]],
    latents: KeptLatents | None,
    response: Response,
    rows: np.ndarray,
    report: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """Columns of `Overimputation.cells` of a continuous response."""
    from scipy.special import ndtr

    first, scaling = response.variable.first, specification.scaling
    left_out = LeftOut(specification, slice(first, first + 1), rows)
    mean, sd = np.empty((len(rows), len(pairs))), np.empty((len(rows), len(pairs)))
    for k, (chain, draw) in enumerate(pairs):
        centre, covariance = left_out.at(parameters_at(posterior, specification, latents, k, chain, draw))
        mean[:, k] = centre[:, 0] * scaling.scale[first] + scaling.center[first]
        sd[:, k] = np.sqrt(covariance[:, 0, 0]) * scaling.scale[first]
        report(k + 1)
    values = response.values[rows][:, None]
    weights, pareto_k = _weights(-0.5 * ((values - mean) / sd) ** 2 - np.log(sd))
    expected = np.sum(weights * mean, axis=1)
    variance = np.sum(weights * (sd**2 + (mean - expected[:, None]) ** 2), axis=1)
    pit = np.sum(weights * ndtr((values - mean) / sd), axis=1)
    columns = {"mean": expected, "sd": np.sqrt(variance), "pit": pit, "pareto_k": pareto_k}
    for level in LEVELS:
        ends = (_quantile(tail, weights, mean, sd) for tail in (0.5 - level / 2, 0.5 + level / 2))
        columns |= dict(zip(interval_columns(level), ends, strict=True))
    return columns


def _impute_categories(
    posterior: "xr.Dataset",
    specification: Specification,
    pairs: Sequence[tuple[int, int]],
    latents: KeptLatents | None,
    response: Response,
    rows: np.ndarray,
    report: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """Columns of `Overimputation.cells` of a response with categories."""
    variable = response.variable
    left_out = LeftOut(specification, slice(variable.first, variable.first + variable.width), rows)
    probabilities = np.empty((len(rows), len(pairs), len(variable.levels)))
    for k, (chain, draw) in enumerate(pairs):
        moments = left_out.at(parameters_at(posterior, specification, latents, k, chain, draw))
        probabilities[:, k] = category_probabilities(variable, *moments, cutpoints_of(posterior, variable, chain, draw))
        report(k + 1)
    observed = response.values[rows].astype(int)
    of_observed = probabilities[np.arange(len(rows)), :, observed]
    weights, pareto_k = _weights(np.log(np.maximum(of_observed, np.finfo(float).tiny)))
    predicted = np.einsum("is,isc->ic", weights, probabilities)
    return {f"p[{level}]": predicted[:, c] for c, level in enumerate(variable.levels)} | {"pareto_k": pareto_k}


def _weights(log_density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of draws, and Pareto's k of each cell, from log p(cell | all others, draw) of shape (n, draws)."""
    from arviz_stats.base import array_stats

    weights, pareto_k = np.empty_like(log_density), np.zeros(len(log_density))
    for i, own in enumerate(log_density):
        try:
            log_weights, pareto_k[i] = array_stats.psislw(own)
        except ValueError:  # the largest weights are all the same, so that there is no tail to smooth
            log_weights = own.min() - own
        weights[i] = np.exp(log_weights)
    return weights / weights.sum(axis=1, keepdims=True), pareto_k


def _quantile(probability: float, weights: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Quantile of a mixture of normals for each cell, by halving."""
    from scipy.special import ndtr, ndtri

    ends = mean + ndtri(probability) * sd  # the quantile of the mixture is between those of its parts
    low, high = ends.min(axis=1), ends.max(axis=1)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = np.sum(weights * ndtr((middle[:, None] - mean) / sd), axis=1) < probability
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)

"""Convergence of chained equations: mean and standard deviation of the imputed cells after each sweep of each stream."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import ImputationError, some
from jmimpute.sampling.diagnostics import Diagnostics

if TYPE_CHECKING:
    import xarray as xr

#: With fewer streams or sweeps R-hat says nothing. With up to 20 sweeps it comes out large by chance, and because consecutive
#: sweeps are alike: independent draws of 5 streams of 10 sweeps exceed 1.3 once in a thousand.
FEWEST_STREAMS, FEWEST_SWEEPS = 4, 8
RHAT_LIMIT, RHAT_LIMIT_FEW, FEW_SWEEPS = 1.2, 1.3, 20
QUANTITY, OF_CLUSTER = "quantity", "of_cluster"


@dataclass(frozen=True)
class ChainedTraces(Diagnostics):
    """A verdict on the streams of chained equations. Had by `Imputations.traces`.

    Attributes
    ----------
    ok : bool
        Nothing was found that speaks against using the imputations.
    messages : tuple of str
        What was found and what to do.
    table : pandas.DataFrame
        By quantity, worst R-hat first: mean, sd and r_hat over all sweeps; empty if there are too few sweeps or streams to
        judge, or nothing to converge.
    draws : xarray.DataArray
        Dims (chain, draw, quantity): for each stream and sweep ``mean[x]`` and ``sd[x]`` of the imputed cells of each column,
        of codes where it holds categories. `jmimpute.plots.imputed_trace` draws them.
    """

    draws: "xr.DataArray" = field(repr=False)

    def __str__(self) -> str:
        """Verdict, findings and the five worst quantities."""
        worst = self.table.head(5).to_string(float_format=lambda value: f"{value:.4g}")
        return "\n".join(self.messages if self.table.empty else [*self.messages, "", "Highest R-hat:", worst])

    __repr__ = __str__


def to_record(variables: Sequence[str], means: np.ndarray, sds: np.ndarray) -> dict[str, Any]:
    """Write traces as plain numbers and texts, for JSON.

    Parameters
    ----------
    variables : sequence of str, length k
    means, sds : ndarray, shape (m, iterations, k)
    """
    return {"variables": list(variables), "means": means.tolist(), "sds": sds.tolist()}


def from_record(record: dict[str, Any]) -> ChainedTraces:
    """Judge traces that `to_record` wrote, and label them.

    Parameters
    ----------
    record : dict

    Returns
    -------
    ChainedTraces
    """
    import xarray as xr

    labels, values = _quantities(record)
    coords: dict[str, Any] = {names.CHAIN: np.arange(1, len(values) + 1), names.DRAW: np.arange(1, values.shape[1] + 1)}
    coords |= {QUANTITY: labels, OF_CLUSTER: (QUANTITY, np.zeros(len(labels), dtype=bool))}
    draws = xr.DataArray(values, coords, (names.CHAIN, names.DRAW, QUANTITY))
    verdict = judge(record)
    return ChainedTraces(verdict.ok, verdict.messages, verdict.table, draws)


def judge(record: dict[str, Any]) -> Diagnostics:
    """Judge the convergence of streams by R-hat, computed from all sweeps.

    Every run ends with it: it needs neither xarray nor ArviZ, which take longer to import than a run may take.

    Parameters
    ----------
    record : dict
        Of `to_record`.

    Returns
    -------
    Diagnostics
        See `ChainedTraces`.
    """
    labels, values = _quantities(record)
    m, sweeps = values.shape[:2]
    nothing = pd.DataFrame()
    if len(record["variables"]) == 1:
        text = "One variable is imputed: its draws depend on no earlier sweep, so that there is nothing to converge."
        return Diagnostics(True, (text,), nothing)
    moving = np.ptp(values, axis=(0, 1)) > 0
    if not moving.any():
        return Diagnostics(True, ("Imputed cells are the same in all streams: nothing is drawn.",), nothing)
    if m < FEWEST_STREAMS or sweeps < FEWEST_SWEEPS:
        text = (
            f"{m} stream(s) of {sweeps} sweep(s) are too few to judge convergence: run at least {FEWEST_STREAMS} streams (m) "
            f"of {FEWEST_SWEEPS} sweeps (iterations)."
        )
        return Diagnostics(False, (text,), nothing)
    table = _table(values[:, :, moving], pd.Index(labels, name=QUANTITY)[moving])
    largest = table["r_hat"].max()
    beyond = table.index[~(table["r_hat"] <= (RHAT_LIMIT if sweeps >= FEW_SWEEPS else RHAT_LIMIT_FEW))]
    if len(beyond):
        return Diagnostics(False, (_disagreement(largest, beyond, sweeps),), table)
    return Diagnostics(True, (f"Streams agree: {m} streams of {sweeps} sweeps, largest R-hat {largest:.2f}.",), table)


def r_hat(draws: np.ndarray) -> np.ndarray:
    """Rank-normalised R-hat of split chains, the larger of that of the draws and that of their distances from the median.

    Parameters
    ----------
    draws : ndarray, shape (chains, draws, k)

    Returns
    -------
    ndarray, shape (k,)

    Notes
    -----
    Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021, Bayesian Anal 16:667-718), equations 4, 14 and 15.
    """
    half = draws.shape[1] // 2
    split = np.concatenate([draws[:, :half], draws[:, -half:]])
    return np.maximum(_of_ranks(split), _of_ranks(np.abs(split - np.median(split, axis=(0, 1)))))


def _of_ranks(draws: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    ranks = pd.DataFrame(draws.reshape(-1, draws.shape[2])).rank().to_numpy()
    z = ndtri((ranks - 0.375) / (len(ranks) + 0.25)).reshape(draws.shape)
    n = draws.shape[1]
    within = z.var(axis=1, ddof=1).mean(axis=0)
    return np.sqrt((n - 1) / n + z.mean(axis=1).var(axis=0, ddof=1) / within)


def _quantities(record: dict[str, Any]) -> tuple[list[str], np.ndarray]:
    """Labels of all means and standard deviations, and these, of shape (streams, sweeps, quantities)."""
    labels = [f"{what}[{name}]" for what in ("mean", "sd") for name in record["variables"]]
    return labels, np.concatenate([np.array(record["means"]), np.array(record["sds"])], axis=2)


def _table(values: np.ndarray, labels: pd.Index) -> pd.DataFrame:
    columns = {"mean": values.mean(axis=(0, 1)), "sd": values.std(axis=(0, 1), ddof=1), "r_hat": r_hat(values)}
    return pd.DataFrame(columns, index=labels).sort_values("r_hat", ascending=False)


def traces_of(provenance: dict[str, Any]) -> ChainedTraces:
    """Traces of imputations by their provenance.

    Parameters
    ----------
    provenance : dict

    Raises
    ------
    ImputationError
        If they were not made by chained equations.
    """
    if "chained" not in provenance:
        raise ImputationError(
            "These imputations were not made by jm.chained, which leaves traces. Those of a joint model are judged by "
            "fit.diagnostics() and fit.imputed_diagnostics()."
        )
    return from_record(provenance["chained"]["traces"])


def _disagreement(largest: float, quantities: Sequence[str], sweeps: int) -> str:
    return (
        f"Streams have not converged after {sweeps} sweeps, or move slowly (R-hat up to {largest:.2f}): {some(quantities)}. "
        "Look at jm.plots.imputed_trace(imputations.traces) and increase iterations; if it stays, variables may predict each "
        "other so well that streams hardly move, or be functions of each other (see passive)."
    )

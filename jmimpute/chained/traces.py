"""Convergence of chained equations: mean and standard deviation of the imputed cells after each sweep of each stream."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import ImputationError, some
from jmimpute.sampling.diagnostics import Diagnostics, of_draws

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
        By quantity, worst R-hat first; empty if there are too few sweeps or streams to judge.
    draws : xarray.DataArray
        Dims (chain, draw, quantity): for each stream and sweep ``mean[x]`` and ``sd[x]`` of the imputed cells of each column,
        of codes where it holds categories. `jmimpute.plots.imputed_trace` draws them.
    """

    draws: "xr.DataArray" = field(repr=False)

    def __str__(self) -> str:
        """Verdict, findings and the five worst quantities."""
        return "\n".join(self.messages) if self.table.empty else super().__str__()

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
    """Judge traces that `to_record` wrote.

    Parameters
    ----------
    record : dict

    Returns
    -------
    ChainedTraces
    """
    import xarray as xr

    variables = record["variables"]
    values = np.concatenate([np.array(record["means"]), np.array(record["sds"])], axis=2)
    labels = [f"{what}[{name}]" for what in ("mean", "sd") for name in variables]
    coords: dict[str, Any] = {names.CHAIN: np.arange(1, len(values) + 1), names.DRAW: np.arange(1, values.shape[1] + 1)}
    coords |= {QUANTITY: labels, OF_CLUSTER: (QUANTITY, np.zeros(len(labels), dtype=bool))}
    return judge(xr.DataArray(values, coords, (names.CHAIN, names.DRAW, QUANTITY)), len(variables) == 1)


def judge(draws: "xr.DataArray", is_single: bool) -> ChainedTraces:
    """Judge the convergence of streams by R-hat, computed by ArviZ from all sweeps.

    Parameters
    ----------
    draws : xarray.DataArray
        Dims (chain, draw, quantity).
    is_single : bool
        Whether one variable is imputed, whose draws do not depend on earlier sweeps.

    Returns
    -------
    ChainedTraces
    """
    nothing = pd.DataFrame()
    m, sweeps = draws.shape[:2]
    if is_single:
        text = "One variable is imputed: its draws depend on no earlier sweep, so that there is nothing to converge."
        return ChainedTraces(True, (text,), nothing, draws)
    values = {str(name): draws.sel({QUANTITY: name}).to_numpy() for name in draws[QUANTITY].values}
    moving = {name: each for name, each in values.items() if np.ptp(each) > 0}
    if not moving:
        return ChainedTraces(True, ("Imputed cells are the same in all streams: nothing is drawn.",), nothing, draws)
    if m < FEWEST_STREAMS or sweeps < FEWEST_SWEEPS:
        text = (
            f"{m} stream(s) of {sweeps} sweep(s) are too few to judge convergence: run at least {FEWEST_STREAMS} streams (m) "
            f"of {FEWEST_SWEEPS} sweeps (iterations)."
        )
        return ChainedTraces(False, (text,), nothing, draws)
    table = of_draws(moving).sort_values("r_hat", ascending=False)
    table.index.name = QUANTITY
    largest = table["r_hat"].max()
    beyond = table.index[~(table["r_hat"] <= (RHAT_LIMIT if sweeps >= FEW_SWEEPS else RHAT_LIMIT_FEW))]
    if len(beyond):
        return ChainedTraces(False, (_disagreement(largest, beyond, sweeps),), table, draws)
    return ChainedTraces(True, (f"Streams agree: {m} streams of {sweeps} sweeps, largest R-hat {largest:.2f}.",), table, draws)


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

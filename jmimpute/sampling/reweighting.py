"""A posterior under another prior of rho, by weights on the draws of one fit.

The likelihood does not depend on the prior, so that a draw has the weight new prior / old prior at its rho. The largest weights
are smoothed by a generalised Pareto distribution, whose shape k tells whether there are enough draws where the new prior is
(Vehtari, Simpson, Gelman, Yao and Gabry 2024, Journal of Machine Learning Research 25(72)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import PriorError, SamplingError, TableError, options
from jmimpute.sampling.elements import elements
from jmimpute.specification.rho_densities import ends, log_density
from jmimpute.specification.rho_priors import ByCluster, RhoPrior

if TYPE_CHECKING:
    import xarray as xr

#: Shape of the Pareto distribution from which on weights are not to be trusted, and draws that must be left in effect.
LARGEST_K, FEWEST = 0.7, 100
#: Weights of which the largest can be smoothed, and differences of their logarithms that are none.
SMOOTHED, ROUNDING = 25, 1e-10
REFIT = "Fit the model again with this prior: jm.selection(..., rho=...)."


@dataclass(frozen=True)
class Reweighted:
    """A posterior under other priors of rho. Made by `Identification.reweighted`.

    Attributes
    ----------
    priors : dict of str to RhoPrior
        By variable.
    table : pandas.DataFrame
        A row a parameter, which is the index: ``mean``, ``sd``, ``low`` and ``high`` (95 % interval), and ``mean_before``, that
        under the priors of the fit.
    k_hat : float
        Shape of the Pareto distribution of the largest weights; small is good, 0.7 is the most that is let through.
    ess : float
        Draws left in effect: of rho as if they were independent, times the share that the weights leave.
    """

    priors: dict[str, RhoPrior]
    table: pd.DataFrame
    k_hat: float
    ess: float

    def __str__(self) -> str:
        """Priors, how far the weights carry, and the table."""
        said = "; ".join(f"{names.rho_label(name)} ~ {prior}" for name, prior in self.priors.items())
        carried = f"{self.ess:.0f} draws in effect, Pareto k {self.k_hat:.2f}"
        return "\n".join([f"{said}: {carried}", self.table.to_string(float_format=lambda value: f"{value:.4g}")])

    __repr__ = __str__


def reweight(
    posterior: "xr.Dataset",
    old: Mapping[str, RhoPrior | float],
    new: Mapping[str, RhoPrior],
    var_names: str | Sequence[str] | None,
    independent: float,
) -> Reweighted:
    """Weight the draws of a fit so that they are those of the posterior under other priors of rho.

    Parameters
    ----------
    posterior : xarray.Dataset
    old : mapping of str to RhoPrior or float
        Priors of the fit by variable.
    new : mapping of str to RhoPrior
        For one variable or more.
    var_names : str or sequence of str, optional
        Variables or single parameters to be summarised besides rho.
    independent : float
        Share of the draws of rho that they are worth if they were independent, at most 1.

    Returns
    -------
    Reweighted

    Raises
    ------
    PriorError
        If a prior is of no variable whose rho was estimated, or reaches beyond that of the fit.
    SamplingError
        If the new posterior is too far from that of the fit.
    TableError
        If the posterior has no such parameter.
    """
    _check(old, new)
    chosen = _chosen(posterior, [names.rho_label(name) for name in new], var_names)
    total = np.zeros(posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW])
    for name, prior in new.items():
        rho = posterior[names.rho_label(name)].to_numpy().ravel()
        with np.errstate(divide="ignore"):
            total += log_density(prior, rho) - log_density(_free(old[name]), rho)
    weights, k_hat = smoothed(total, independent)
    ess = independent / np.sum(weights**2) if weights.any() else 0.0
    if not (k_hat <= LARGEST_K and ess >= FEWEST):
        raise SamplingError(
            f"The posterior under {', '.join(map(str, new.values()))} is too far from that of this fit to weight its draws: "
            f"Pareto k is {k_hat:.2f} (at most {LARGEST_K:g} will do), and {ess:.0f} draws are left in effect (at least "
            f"{FEWEST}). {REFIT}"
        )
    table = pd.DataFrame({label: _summary(draws.ravel(), weights) for label, draws in chosen.items()}).T
    return Reweighted(dict(new), table.rename_axis("parameter"), k_hat, float(ess))


def smoothed(log_weights: np.ndarray, independent: float) -> tuple[np.ndarray, float]:
    """Smooth the largest of many weights.

    Parameters
    ----------
    log_weights : ndarray, shape (n,)
        Minus infinity for a weight of 0.
    independent : float
        Share of the draws that they are worth if they were independent.

    Returns
    -------
    weights : ndarray, shape (n,)
        With sum 1; all 0 if there are fewer than 25 other than 0.
    k_hat : float
        Infinite if there are so few, 0 if they are all the same.
    """
    from arviz_stats.base import array_stats

    weights, some = np.zeros(len(log_weights)), np.isfinite(log_weights)
    if some.sum() < SMOOTHED:
        return weights, np.inf
    if np.ptp(log_weights[some]) < ROUNDING:
        weights[some] = 1.0 / some.sum()
        return weights, 0.0
    found, k_hat = array_stats.psislw(-log_weights[some], r_eff=independent)  # which takes log likelihoods
    weights[some] = np.exp(found)
    return weights / weights.sum(), float(k_hat)


def _check(old: Mapping[str, RhoPrior | float], new: Mapping[str, RhoPrior]) -> None:
    """Priors are of variables whose rho was estimated, and do not reach beyond what was sampled."""
    if not isinstance(new, Mapping) or not new:
        raise PriorError(f"Give priors by variable, such as {{'hiv': jm.priors.uniform(-1, 0)}}, not {new!r}.")
    free = [name for name, prior in old.items() if not isinstance(prior, float)]
    for name, prior in new.items():
        if name not in free:
            raise PriorError(f"The rho of {name!r} was not estimated in this fit. Choose among {options(free) or 'none'}.")
        if not isinstance(prior, RhoPrior):
            raise PriorError(f"{prior!r} is not a prior of rho. Give one such as jm.priors.truncated_normal(-0.4, 0.2).")
        if isinstance(prior, ByCluster):
            raise PriorError(f"{prior} is also about the spread between clusters, which weights on rho leave as it is. {REFIT}")
        (low, high), (lowest, highest) = ends(prior), ends(_free(old[name]))
        if low < lowest or high > highest:
            raise PriorError(
                f"{prior} reaches beyond the prior of this fit, {old[name]}, where there are no draws to weight. {REFIT}"
            )


def _free(prior: RhoPrior | float) -> RhoPrior:
    """A prior that is known not to be a number."""
    assert not isinstance(prior, float)
    return prior


def _chosen(posterior: "xr.Dataset", rhos: Sequence[str], var_names: str | Sequence[str] | None) -> dict[str, np.ndarray]:
    """Draws of each rho, and of what was asked for besides."""
    wanted: list[Any] = [*rhos, *([var_names] if isinstance(var_names, str) else var_names or [])]
    known = dict(elements(posterior))
    found = {}
    for name in wanted:
        own = {label: draws for label, draws in known.items() if name in (label, label.split("[")[0])}
        if not own:
            raise TableError(
                f"The posterior has no variable or parameter {name!r}. Choose among {options(list(map(str, posterior)))}, or a "
                f"single parameter such as {next(iter(known))!r}."
            )
        found |= own
    return found


def _summary(draws: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Weighted mean, standard deviation and 95 % interval, and the mean without weights."""
    mean = float(weights @ draws)
    order = np.argsort(draws)
    below = np.cumsum(weights[order]) - 0.5 * weights[order]
    low, high = np.interp([0.025, 0.975], below, draws[order])
    sd = float(np.sqrt(weights @ (draws - mean) ** 2))
    return {"mean": mean, "sd": sd, "low": float(low), "high": float(high), "mean_before": float(draws.mean())}

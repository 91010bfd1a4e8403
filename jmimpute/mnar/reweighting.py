"""Another prior for an amount that was drawn, by importance weights: nothing is drawn or analysed anew.

The amount of imputation i at point k of a grid was drawn from N(a_k, s), so that all of them together are draws from the
mixture of these (Veach and Guibas 1995, SIGGRAPH, the balance heuristic). Another prior p gives them the weights p / mixture,
whose tail is smoothed (Vehtari, Simpson, Gelman, Yao and Gabry 2024, Journal of Machine Learning Research 25): Pareto's k says
whether they can be relied on. Values themselves are not weighted: weights that depend on every missing value (Carpenter,
Kenward and White 2007, Statistical Methods in Medical Research 16) leave a handful of imputations once some dozens are missing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.rules import combined
from jmimpute.errors import ImputationError
from jmimpute.mnar.amounts import Amounts

#: Beyond it, weights are not to be relied on, however many draws there are.
PARETO_K_LIMIT = 0.7
#: A tail is the largest fifth of the weights, and needs five of them.
FEWEST_DRAWS = 25


@dataclass(frozen=True)
class Drawn:
    """Amounts that were drawn from a prior.

    Attributes
    ----------
    deviations : ndarray, shape (m,)
        From the value of each point, on the scale on which amounts are added up.
    sd : float
        Of the prior.
    is_ratio : bool
        Whether this is the scale of logarithms.
    """

    deviations: np.ndarray
    sd: float
    is_ratio: bool


@dataclass(frozen=True, repr=False)
class Reweighted:
    """Pooled results under another prior. Made by `Sensitivity.reweight`.

    Attributes
    ----------
    prior : str
    table : pandas.DataFrame
        A row a term: ``term``, ``estimate``, ``std_error``, ``statistic``, ``df``, ``p_value``, ``conf_low`` and ``conf_high``.
    pareto_k : float
        At most 0.7: the variance of the weights is that of a few draws where it is near to it.
    ess : float
        Imputations that would do as well without weights.
    weights : ndarray, shape (points, m)
    """

    prior: str
    table: pd.DataFrame
    pareto_k: float
    ess: float
    weights: np.ndarray

    def __repr__(self) -> str:
        """Show the table, and what the weights are worth."""
        worth = f"Pareto's k {self.pareto_k:.2f}; as good as {self.ess:.0f} of {self.weights.shape[1]} imputations"
        return f"Under the prior {self.prior}\n{self.table.to_string(index=False, float_format='%.4g')}\n{worth}"


def drawn_of(amounts: Amounts) -> Drawn | None:
    """What was drawn of the one amount that makes a grid; None if nothing was, or several do.

    Parameters
    ----------
    amounts : Amounts
    """
    adjustment = amounts.adjustment
    varied = [place for place, amount in enumerate(adjustment.amounts.values()) if isinstance(amount, tuple)]
    if not adjustment.prior_sd or len(varied) != 1:
        return None
    return Drawn(amounts.of_groups[:, varied[0]], adjustment.prior_sd, adjustment.is_ratio)


def reweight(sensitivity: Any, mean: float, sd: float) -> Reweighted:
    """Pool under another prior; see `jmimpute.mnar.sensitivity.Sensitivity.reweight`.

    Parameters
    ----------
    sensitivity : Sensitivity
    mean, sd : float

    Returns
    -------
    Reweighted
    """
    drawn = sensitivity.drawn
    _check(drawn, mean, sd)
    values = sensitivity.points[sensitivity.parameters[0]].to_numpy()
    centers = np.log(values) if drawn.is_ratio else values
    weights, pareto_k = smoothed(_log_weights(centers[:, None] + drawn.deviations, centers, drawn.sd, mean, sd))
    if not pareto_k <= PARETO_K_LIMIT:
        low, high = (float(np.exp(end)) if drawn.is_ratio else float(end) for end in (mean - 2 * sd, mean + 2 * sd))
        raise ImputationError(
            f"Weights for the prior normal({mean:g}, {sd:g}) cannot be relied on: Pareto's k is {pareto_k:.2f}, more than "
            f"{PARETO_K_LIMIT}. It asks for amounts that were hardly drawn. Draw them: repeat the analysis with values of "
            f"{sensitivity.parameters[0]} from {low:.3g} to {high:.3g}, or with more imputations."
        )
    of_imputations = weights.sum(axis=0)  # the same imputation is adjusted at every point
    ess = float(1 / np.sum(of_imputations**2))
    name = "log ratio " if drawn.is_ratio else ""
    return Reweighted(f"{name}normal({mean:g}, {sd:g})", _table(sensitivity, weights, ess), pareto_k, ess, weights)


def smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Smooth the tail of importance weights.

    Parameters
    ----------
    log_weights : ndarray

    Returns
    -------
    weights : ndarray
        Sum to 1.
    pareto_k : float
        Infinite where there are too few to tell, minus infinite where all are the same.
    """
    from arviz_stats.base import array_stats
    from scipy.special import logsumexp

    if np.ptp(log_weights) == 0:
        return np.full(log_weights.shape, 1 / log_weights.size), -np.inf
    if log_weights.size < FEWEST_DRAWS:
        return np.exp(log_weights - logsumexp(log_weights)), np.inf
    found, pareto_k = array_stats.psislw(-log_weights.ravel())  # takes the logarithms of what weights are the inverse of
    weights = np.exp(found - found.max())
    return (weights / weights.sum()).reshape(log_weights.shape), float(pareto_k)


def _check(drawn: Drawn | None, mean: Any, sd: Any) -> None:
    if drawn is None:
        raise ImputationError(
            "There is no one amount that was drawn from a prior, which another could replace. Give the adjustment a prior_sd "
            "and a sequence of amounts for one group: jm.shift([-2, -1, 0], prior_sd=1). For rho see weighted(prior)."
        )
    numbers = [isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in (mean, sd)]
    if not all(numbers) or not (np.isfinite(mean) and 0 < sd < np.inf):
        raise ImputationError(f"The prior has a finite mean and a positive standard deviation, not {mean!r} and {sd!r}.")


def _log_weights(amounts: np.ndarray, centers: np.ndarray, drawn_sd: float, mean: float, sd: float) -> np.ndarray:
    """Log of the new prior over the mixture of the old ones, shape (points, m)."""
    from scipy.special import logsumexp
    from scipy.stats import norm

    old = logsumexp(norm.logpdf(amounts[..., None], centers, drawn_sd), axis=-1) - np.log(len(centers))
    return norm.logpdf(amounts, mean, sd) - old


def _table(sensitivity: Any, weights: np.ndarray, ess: float) -> pd.DataFrame:
    """Rubin's rules with weights."""
    estimates, variances = (
        np.concatenate([getattr(fits, part) for fits in sensitivity.fits]) for part in ("estimates", "variances")
    )
    flat = weights.ravel()
    estimate, within = flat @ estimates, flat @ variances
    between = flat @ (estimates - estimate) ** 2 * ess / max(ess - 1, np.finfo(float).tiny)
    pooled = combined(estimate, within, between, ess, min(fits.df_complete for fits in sensitivity.fits))
    statistic, p_value = pooled.p_values()
    low, high = pooled.interval(sensitivity.level)
    columns = {"estimate": estimate, "std_error": pooled.std_error, "statistic": statistic, "df": pooled.df, "p_value": p_value}
    return pd.DataFrame({"term": list(sensitivity.terms), **columns, "conf_low": low, "conf_high": high})

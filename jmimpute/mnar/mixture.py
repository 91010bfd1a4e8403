"""Results averaged over a prior of rho that the data do not change: a mixture of fits with rho held."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError
from jmimpute.mnar.interpolation import curve_of
from jmimpute.specification.rho_densities import log_density
from jmimpute.specification.rho_priors import RhoPrior

#: Parts of the range of a grid over which the prior is summed up.
PARTS = 1000
#: Share of a prior that may lie beyond the grid.
BEYOND = 0.01


@dataclass(frozen=True, repr=False)
class Mixture:
    """Results averaged over a prior of rho. Made by `Sensitivity.weighted`.

    Attributes
    ----------
    variable : str
    prior : str
    table : pandas.DataFrame
        A row a term: ``term``, ``estimate``, ``std_error``, ``conf_low``, ``conf_high`` (quantiles of the mixture), and
        ``p_positive``, its share above 0.
    implied_mean : float
        Of the missing values, averaged likewise.
    level : float
        Of the intervals.
    """

    variable: str
    prior: str
    table: pd.DataFrame
    implied_mean: float
    level: float

    def __repr__(self) -> str:
        """Show the table, and under which prior."""
        title = f"Averaged over rho of {self.variable} ~ {self.prior}, which the data do not change"
        shown = self.table.to_string(index=False, float_format="%.4g")
        return f"{title}\n{shown}\nmean of the missing values: {self.implied_mean:.4g}"


def mixture(sensitivity: Any, prior: RhoPrior) -> Mixture:
    """Average over a prior; see `jmimpute.mnar.sensitivity.Sensitivity.weighted`.

    Parameters
    ----------
    sensitivity : Sensitivity
    prior : RhoPrior

    Returns
    -------
    Mixture

    Notes
    -----
    Given rho, the result is taken to be t distributed about the pooled estimate, with the pooled standard error and degrees of
    freedom, all interpolated between the fits; the variance of the mixture is the mean of the variances plus the variance of
    the means.
    """
    curves = {term: curve_of(sensitivity, term) for term in sensitivity.terms}
    low, high = next(iter(curves.values())).rho[[0, -1]]
    width = (high - low) / PARTS
    middles = low + width * (np.arange(PARTS) + 0.5)
    weights = _weights(prior, middles, width)
    rows, mean = [], float("nan")
    for term, curve in curves.items():
        estimate, std_error, df, means = curve.parts(middles)
        rows.append({"term": term, **_mixed(weights, estimate, std_error, df, sensitivity.level)})
        mean = float(weights @ means)
    return Mixture(sensitivity.variable, str(prior), pd.DataFrame(rows), mean, sensitivity.level)


def _weights(prior: RhoPrior, middles: np.ndarray, width: float) -> np.ndarray:
    """What the prior gives to each part of a range."""
    if not isinstance(prior, RhoPrior):
        raise ImputationError(f"The prior must be jm.priors.uniform, truncated_normal or fisher_z, not {prior!r}.")
    weights = np.exp(log_density(prior, middles)) * width
    inside = float(weights.sum())
    if inside < 1 - BEYOND:
        low, high = middles[0] - width / 2, middles[-1] + width / 2
        raise ImputationError(
            f"{100 * (1 - inside):.2g} % of the prior {prior} lie beyond the grid, which goes from {low:g} to {high:g}. Add "
            f"values of rho to the grid, or cut the prior, as in jm.priors.uniform({low:g}, {high:g})."
        )
    return weights / inside


def _mixed(weights: np.ndarray, estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray, level: float) -> dict[str, float]:
    """Mean, standard deviation and quantiles of a mixture of t distributions."""
    from scipy.optimize import brentq
    from scipy.stats import t

    def below(value: float) -> float:
        return float(weights @ t.cdf(value, df, estimate, std_error))

    center = float(weights @ estimate)
    spread = float(np.sqrt(weights @ (std_error**2 + (estimate - center) ** 2)))
    quantiles = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        ends = t.ppf(tail, df, estimate, std_error)  # the quantile of the mixture is between those of its parts
        low, high = float(ends.min()), float(ends.max())
        quantiles.append(low if low == high else brentq(lambda value, tail=tail: below(value) - tail, low, high))
    columns = ("estimate", "std_error", "conf_low", "conf_high", "p_positive")
    return dict(zip(columns, (center, spread, *quantiles, 1 - below(0.0)), strict=True))

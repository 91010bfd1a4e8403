"""The posterior given incomplete data: the draws of an engine that samples, of all completed tables together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisError
from jmimpute.sampling.diagnostics import of_draws

if TYPE_CHECKING:
    import xarray as xr

IMPUTATION = "imputation"


def posterior(fits: Sequence[Estimates]) -> "xr.Dataset":
    """Put the draws of all tables side by side.

    Parameters
    ----------
    fits : sequence of Estimates, length m
        Each with draws.

    Returns
    -------
    xarray.Dataset
        One variable a parameter, with the dimensions imputation (from 1), chain and draw.

    Raises
    ------
    AnalysisError
        If the engine does not sample.
    """
    import xarray as xr

    parts = [fit.draws for fit in fits if fit.draws is not None]
    if len(parts) < len(fits):
        raise AnalysisError("These fits have no draws. Use engine='bambi' for a posterior.")
    stacked = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    sizes = next(iter(stacked.values())).shape
    dims = (IMPUTATION, names.CHAIN, names.DRAW)
    starts = (1, 0, 0)
    coordinates = {dim: np.arange(size) + start for dim, size, start in zip(dims, sizes, starts, strict=True)}
    return xr.Dataset({name: (dims, values) for name, values in stacked.items()}, coordinates)


def summarise(fits: Sequence[Estimates], level: float = 0.95) -> pd.DataFrame:
    """Summarise the equal mixture of the posteriors given each completed table.

    Parameters
    ----------
    fits : sequence of Estimates, length m
        Each with draws.
    level : float, optional
        Probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        One row a parameter: mean, sd, low, high; between, the share of the variance that lies between tables; r_hat and
        ess_bulk, the worst of any table. Chains are compared within tables only: between tables they differ because the
        imputed values do.

    Raises
    ------
    AnalysisError
        If the engine does not sample, or the level is out of range.

    Notes
    -----
    Gelman et al. (2013, Bayesian Data Analysis, 3rd ed., section 18.2). The mixture of m posteriors has no correction for a
    small m, which Rubin's rules have: with m below some hundred its intervals are too short where much is missing (Zhou and
    Reiter 2010, The American Statistician 64:159-163). Compare with `pool`.
    """
    if not 0 < level < 1:
        raise AnalysisError(f"The level is {level}. It must lie between 0 and 1, for example 0.95.")
    drawn = posterior(fits)
    judged = [of_draws(fit.draws) for fit in fits if fit.draws is not None]
    tails = (1 - level) / 2, (1 + level) / 2
    rows = {}
    for name in map(str, drawn):
        values = drawn[name].to_numpy()
        low, high = np.quantile(values, tails)
        between = values.mean(axis=(1, 2)).var()
        rows[name] = {
            "mean": values.mean(),
            "sd": values.std(ddof=1),
            "low": low,
            "high": high,
            "between": between / values.var() if values.var() else 0.0,
            "r_hat": max(table.loc[name, "r_hat"] for table in judged),
            "ess_bulk": min(table.loc[name, "ess_bulk"] for table in judged),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")

"""Did it work? R-hat, effective sample sizes and divergences, and what to do about them, in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from jmimpute import names
from jmimpute.errors import some
from jmimpute.sampling.elements import elements

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import xarray as xr

RHAT_LIMIT = 1.01  # Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021)
RHAT_LIMIT_CHANCE = 1.05  # with few independent draws, or among hundreds of elements, R-hat exceeds 1.01 by chance
ESS_PER_CHAIN = 100
ONE_CHAIN = "One chain only: convergence cannot be judged by comparing chains. Run at least 4."
PARAMETERS = (
    *(names.BETA, names.OMEGA_E, names.OMEGA_U, names.BETA_LEVEL2, names.HYPER_DF, names.HYPER_SCALE),
    *(names.LOG_SD_MEAN, names.LOG_SD_SPREAD),
)


def summarise(posterior: "xr.Dataset", variables: tuple[str, ...] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Posterior means, intervals and convergence by element, computed by ArviZ.

    Parameters
    ----------
    posterior : xarray.Dataset
    variables : tuple of str, optional
    level : float
        Probability of the equal-tailed interval.

    Returns
    -------
    pandas.DataFrame
        One row a free element; columns `mean`, `sd`, the two limits, `ess_bulk`, `ess_tail`, `r_hat`, `mcse_mean`,
        `mcse_sd`.
    """
    return of_draws(dict(elements(posterior, variables)), level)


def of_draws(draws: "Mapping[str, np.ndarray]", level: float = 0.95) -> pd.DataFrame:
    """Summarise any quantities, as `summarise` does.

    Parameters
    ----------
    draws : mapping of str to ndarray, shape (chains, draws)
    level : float
    """
    import numpy as np
    import xarray as xr
    from arviz_stats import summary

    stacked = np.stack(list(draws.values()), axis=-1)
    flat = xr.Dataset({"element": ((names.CHAIN, names.DRAW, "parameter"), stacked)}, {"parameter": list(draws)})
    # Where most draws are the same, as of a share in a small cluster, their distances from the median may be constant: arviz
    # divides by their variance, and judges by the draws themselves.
    with np.errstate(divide="ignore", invalid="ignore"):
        table = summary(flat, ci_kind="eti", ci_prob=level)
    table.index = pd.Index(list(draws), name="parameter")
    return table


@dataclass(frozen=True)
class Diagnostics:
    """A verdict on a run.

    Attributes
    ----------
    ok : bool
        Nothing was found that speaks against using the draws.
    messages : tuple of str
        What was found and what to do.
    table : pandas.DataFrame
        By parameter, worst R-hat first.
    """

    ok: bool
    messages: tuple[str, ...]
    table: pd.DataFrame

    def __str__(self) -> str:
        """Verdict, findings and the five worst parameters."""
        columns = ["mean", "sd", "ess_bulk", "ess_tail", "r_hat"]
        worst = self.table[columns].head(5).to_string(float_format=lambda value: f"{value:.4g}")
        return "\n".join([*self.messages, "", "Highest R-hat:", worst])

    __repr__ = __str__


def diagnose(posterior: "xr.Dataset", sample_stats: "xr.Dataset") -> Diagnostics:
    """Judge a run.

    Parameters
    ----------
    posterior, sample_stats : xarray.Dataset

    Returns
    -------
    Diagnostics
    """
    beginnings = (f"{names.CUTPOINTS}_", names.rho_label(""))
    wanted = (name for name in map(str, posterior) if name in PARAMETERS or name.startswith(beginnings))
    table = summarise(posterior, tuple(wanted))
    table = table.sort_values("r_hat", ascending=False)
    n_chains, n_draws = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    smallest = table[["ess_bulk", "ess_tail"]].min(axis=1)
    strict = smallest >= ESS_PER_CHAIN * n_chains
    if names.CLUSTER in posterior[names.OMEGA_E].dims:
        strict &= ~table.index.str.startswith(f"{names.OMEGA_E}[")
    findings = [
        *(_disagreement(table["r_hat"], strict) if n_chains > 1 else [ONE_CHAIN]),
        *_scarcity(smallest, ESS_PER_CHAIN * n_chains),
        *_divergences(int(sample_stats["diverging"].sum()), n_chains * n_draws),
    ]
    if findings:
        return Diagnostics(False, tuple(findings), table)
    verdict = (
        f"The chains have converged: {n_chains} chains of {n_draws} draws, largest R-hat {table['r_hat'].max():.3f}, smallest "
        f"effective sample size {smallest.min():.0f} ({smallest.idxmin()}), no divergences."
    )
    return Diagnostics(True, (verdict,), table)


def _disagreement(r_hat: pd.Series, strict: pd.Series) -> list[str]:
    limits = strict.map({True: RHAT_LIMIT, False: RHAT_LIMIT_CHANCE})
    beyond = r_hat.index[~(r_hat <= limits)]  # NaN, of chains that do not move, is beyond any limit
    if not len(beyond):
        return []
    return [
        f"Chains disagree (R-hat up to {r_hat[beyond].max():.3f}) for {some(beyond)}. Do not use these draws: increase tune "
        "and draws; if it stays, the data may not identify the parameter (few clusters, a random slope too many)."
    ]


def _scarcity(ess: pd.Series, least: int) -> list[str]:
    few = ess.index[~(ess >= least)]
    if not len(few):
        return []
    return [f"Too few independent draws (effective sample size below {least}) for {some(few)}. Increase draws."]


def _divergences(count: int, n_draws: int) -> list[str]:
    if not count:
        return []
    return [
        f"{count} of {n_draws} draws diverged: parts of the posterior may have been missed. Raise target_accept, to 0.95 or "
        "0.99; if it stays, use tighter priors or a simpler random part."
    ]

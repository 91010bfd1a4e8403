"""Did the data tell rho of a selection model: the posterior beside the prior, judged in words after the fit.

Weak identification does not show in divergences, and not always in R-hat: rho then repeats its prior, piles up at an end, or
moves slowly along a ridge with the intercept. Diggle and Kenward (1994, Applied Statistics 43, 49-93), and Blimp, write the
same model with a coefficient of the value in the probit of being observed: it is rho / (sigma sqrt(1 - rho^2)), here `phi`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import some
from jmimpute.sampling.diagnostics import of_draws
from jmimpute.sampling.reweighting import Reweighted, reweight
from jmimpute.specification.rho_densities import ends, standard_deviation, suggested_values
from jmimpute.specification.rho_priors import RhoPrior
from jmimpute.specification.selected import Selected
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr

#: What any of raises the alarm: contraction below, share of draws with a larger absolute rho, effective sample size below.
LEAST_CONTRACTION, FAR, MOST_FAR, FEWEST_DRAWS = 0.7, 0.8, 0.1, 100
#: Distance from an end of the prior that is next to it, and the quantiles of an interval.
NEXT_TO, INTERVAL = 0.02, (0.025, 0.975)


@dataclass(frozen=True)
class Identification:
    """What a fit says of the correlation rho of its selection submodels. Made by `Fit.identification`.

    Attributes
    ----------
    ok : bool
        No rho that was estimated rests on its prior.
    messages : tuple of str
        The verdict on each variable, and what to do.
    table : pandas.DataFrame
        A row a variable, which is the index: ``prior``; ``mean``, ``sd``, ``low`` and ``high`` (95 % interval) of rho;
        ``prior_sd``; ``contraction``, 1 - posterior variance / prior variance; ``negative``, the share of draws below 0;
        ``far``, that with an absolute value above 0.8; ``at_ends``, that within 0.02 of an end of the prior; ``ess`` (bulk) and
        ``r_hat``; ``corr_intercept`` and ``corr_mean``, the correlation of rho with the intercept of the variable and with its
        mean over all rows as the covariates predict it; ``phi``, ``phi_low`` and ``phi_high``, mean and interval of the
        coefficient of the value in the probit of being observed, rho / (sigma sqrt(1 - rho^2)), per unit of a continuous
        variable and per latent standard deviation of a categorical one. What says nothing of a rho that is held is NaN.
    priors : dict of str to RhoPrior or float
        By variable.
    posterior : xarray.Dataset
        Of the fit.
    """

    ok: bool
    messages: tuple[str, ...]
    table: pd.DataFrame
    priors: dict[str, RhoPrior | float] = field(repr=False)
    posterior: "xr.Dataset" = field(repr=False)

    def reweighted(self, priors: Mapping[str, RhoPrior], var_names: str | Sequence[str] | None = None) -> Reweighted:
        """Say what the posterior would be under other priors of rho, without another fit.

        Parameters
        ----------
        priors : mapping of str to RhoPrior
            For one variable or more: ``{"hiv": jm.priors.truncated_normal(-0.4, 0.2)}``. A prior must not reach beyond that of
            the fit.
        var_names : str or sequence of str, optional
            Variables (``"beta"``) or single parameters (``"beta[hiv, Intercept]"``) to be summarised besides rho.

        Returns
        -------
        Reweighted
            With `table`, `k_hat` and `ess`.

        Raises
        ------
        PriorError
            If a prior is of no variable whose rho was estimated, or reaches beyond that of the fit.
        SamplingError
            If the posterior under these priors is too far from that of the fit (Pareto k above 0.7, or fewer than 100 draws in
            effect): fit the model again.
        TableError
            If the posterior has no such parameter.
        """
        n_draws = self.posterior.sizes[names.CHAIN] * self.posterior.sizes[names.DRAW]
        ess = self.table["ess"].reindex(list(priors) if isinstance(priors, Mapping) else []).min()
        independent = min(1.0, float(ess) / n_draws) if np.isfinite(ess) else 1.0
        return reweight(self.posterior, self.priors, priors, var_names, independent)

    def __str__(self) -> str:
        """Verdicts, and the table with a column a variable."""
        shown = self.table.T.map(lambda value: value if isinstance(value, str) else f"{value:.3g}")
        return "\n".join([*self.messages, "", shown.to_string()])

    __repr__ = __str__


def identify(posterior: "xr.Dataset", specification: Specification) -> Identification:
    """Judge what a posterior says of rho.

    Parameters
    ----------
    posterior : xarray.Dataset
    specification : Specification
        With selection submodels.

    Returns
    -------
    Identification
    """
    rows = [_row(posterior, specification, selected) for selected in specification.selections]
    triggers = [_triggers(selected, row) for selected, row in zip(specification.selections, rows, strict=True)]
    messages = tuple(map(_message, specification.selections, rows, triggers))
    priors = {name: clause.rho for name, clause in specification.clauses.items()}
    table = pd.DataFrame(rows, index=pd.Index(list(priors), name="variable"))
    table.insert(0, "prior", [str(prior) for prior in priors.values()])
    return Identification(not any(triggers), messages, table, priors, posterior)


def _row(posterior: "xr.Dataset", specification: Specification, selected: Selected) -> dict[str, float]:
    """Numbers of one variable."""
    name = selected.variable.name
    rho = posterior[names.rho_label(name)].to_numpy()
    sigma = posterior[names.SD_E].sel({names.RESPONSE: name}).to_numpy()
    phi = rho / (sigma * np.sqrt(1.0 - rho**2))
    low, high = np.quantile(rho, INTERVAL)
    of_rho = {"mean": rho.mean(), "sd": rho.std(ddof=1), "low": low, "high": high}
    phi_low, phi_high = np.quantile(phi, INTERVAL)
    return of_rho | _learnt(posterior, specification, selected) | {"phi": phi.mean(), "phi_low": phi_low, "phi_high": phi_high}


def _learnt(posterior: "xr.Dataset", specification: Specification, selected: Selected) -> dict[str, float]:
    """What the posterior has learnt of rho, and along with what."""
    wanted = ("prior_sd", "contraction", "negative", "far", "at_ends", "ess", "r_hat", "corr_intercept", "corr_mean")
    prior, rho = selected.clause.rho, posterior[names.rho_label(selected.variable.name)].to_numpy()
    if isinstance(prior, float):
        return dict.fromkeys(wanted, np.nan)
    prior_sd, (lowest, highest) = standard_deviation(prior), ends(prior)
    summary = of_draws({"rho": rho}).loc["rho"]
    near = np.minimum(rho - lowest, highest - rho) < NEXT_TO
    values = (
        *(prior_sd, 1.0 - rho.var(ddof=1) / prior_sd**2, np.mean(rho < 0), np.mean(np.abs(rho) > FAR), np.mean(near)),
        *(float(summary["ess_bulk"]), float(summary["r_hat"])),
        *_correlations(posterior, specification, selected, rho),
    )
    return dict(zip(wanted, map(float, values), strict=True))


def _correlations(
    posterior: "xr.Dataset", specification: Specification, selected: Selected, rho: np.ndarray
) -> tuple[float, float]:
    """Correlation of rho with the intercept of the variable, NaN without one, and with its mean as covariates predict it."""
    beta = posterior[names.BETA].sel({names.RESPONSE: selected.variable.name})
    means = np.linalg.solve(specification.scaling.x_transform.T, specification.x.mean(axis=0))
    predicted = beta.transpose(names.CHAIN, names.DRAW, names.COVARIATE).to_numpy() @ means
    covariates = list(specification.layout.covariates)
    has_intercept = (
        names.INTERCEPT in covariates
        and specification.layout.beta_mask[covariates.index(names.INTERCEPT), selected.variable.first]
    )
    intercept = beta.sel({names.COVARIATE: names.INTERCEPT}).to_numpy() if has_intercept else None
    return (np.nan if intercept is None else _correlation(rho, intercept)), _correlation(rho, predicted)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _triggers(selected: Selected, row: Mapping[str, float]) -> list[str]:
    """What speaks against taking rho for estimated, in words."""
    if isinstance(selected.clause.rho, float):
        return []
    found = [] if selected.clause.exclude else ["nothing is excluded from the equation"]
    if not row["contraction"] >= LEAST_CONTRACTION:
        found.append(f"the contraction of its variance is {row['contraction']:.2f}, below {LEAST_CONTRACTION:g}")
    if row["far"] > MOST_FAR:
        found.append(f"{100 * row['far']:.0f} % of the draws are beyond -{FAR:g} and {FAR:g}")
    if not row["ess"] >= FEWEST_DRAWS:
        found.append(f"its effective sample size is {row['ess']:.0f}, below {FEWEST_DRAWS}")
    return found


def _message(selected: Selected, row: Mapping[str, float], triggers: Sequence[str]) -> str:
    """Verdict on one variable."""
    name = selected.variable.name
    if isinstance(selected.clause.rho, float):
        return f"rho of {name!r} is held at {selected.clause.rho:g}: it says what is assumed, not what was learnt."
    if not triggers:
        return (
            f"The data tell rho of {name!r}, if what is excluded acts on its being observed only: contraction "
            f"{row['contraction']:.2f}, 95 % between {row['low']:.2f} and {row['high']:.2f}."
        )
    values = some((f"{value:g}" for value in suggested_values(selected.clause.rho)), limit=10)
    return (
        f"rho of {name!r} is weakly identified, prior {selected.clause.rho}: {'; '.join(triggers)}. Report results over fixed "
        f'values instead: jm.sensitivity(model, "{name}", rho=[{values}], analysis=...).'
    )

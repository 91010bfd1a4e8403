"""How much an exclusion restriction says of whether a variable is observed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.specification.advice.probit import Factor, Probit, fit_probit
from jmimpute.specification.selected import Selected, is_about
from jmimpute.specification.selection_checks import crossed_column
from jmimpute.specification.specify import Specification

COLUMNS = ("term", "df", "chi2", "p_value", "sd")


@dataclass(frozen=True)
class Relevance:
    """What exclusion terms do to whether a variable is observed.

    Attributes
    ----------
    terms : pandas.DataFrame
        A row an exclusion term: ``term``, ``df``, ``chi2`` (Wald; likelihood ratio of a crossed factor), ``p_value``, and
        ``sd``, the standard deviation over rows of what the term adds to the probit of being observed, given the other
        covariates.
    sd : float
        Of all exclusion terms together.
    mills_r2 : float
        R^2 of a regression of the inverse Mills ratio on the covariates of the variable, among observed rows.
    """

    terms: pd.DataFrame
    sd: float
    mills_r2: float


def rows_of(specification: Specification, selected: Selected) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that a selection submodel is about, and whether the variable is observed in each.

    Parameters
    ----------
    specification : Specification
    selected : Selected

    Returns
    -------
    rows : ndarray of int, shape (n,)
        Canonical positions; those of clusters that lack the variable are left out.
    observed : ndarray of bool, shape (n,)
    """
    position = specification.layout.variables.index(selected.indicator)
    categories = specification.categories[:, position]
    rows = np.flatnonzero(categories >= 0)
    return rows, categories[rows] == selected.indicator.levels.index(True)


def relevance(specification: Specification, selected: Selected) -> Relevance:
    """Measure what exclusion terms do to whether a variable is observed.

    Parameters
    ----------
    specification : Specification
    selected : Selected

    Returns
    -------
    Relevance

    Notes
    -----
    Being observed is regressed by a probit on the covariates of the selection formula, with random intercepts of its crossed
    factors and, if it has any random effects, of the clusters; random slopes are left out. The variance of ``z'g`` is that of z
    given the other covariates of both equations, times ``1 - df / chi2`` for the error of g, which makes it unbiased for a
    single column. The standard deviation of a crossed factor is its parameter.
    """
    rows, observed = rows_of(specification, selected)
    layout = specification.layout
    own = np.flatnonzero(layout.beta_mask[:, selected.indicator.first])
    names = [layout.covariates[k] for k in own]
    x = specification.x[np.ix_(rows, own)]
    factors = _factors(specification, selected, rows)
    probit = fit_probit(observed, x, factors)
    excluded = np.isin(names, selected.excluded)
    shared = np.flatnonzero(layout.beta_mask[:, selected.variable.first])
    others = np.hstack([x[:, ~excluded], specification.x[np.ix_(rows, shared)]])
    found, total = [], _variance(x, excluded, others, probit)
    for term in selected.clause.exclude:
        column = crossed_column(term)
        if column:
            k = [crossed.column for crossed in selected.crossed].index(column)
            without = fit_probit(observed, x, [*factors[:k], *factors[k + 1 :]])
            found.append((term, *_likelihood_ratio(without, probit), probit.sds[k]))
            total += probit.sds[k] ** 2
        else:
            of_term = np.array([is_about(name, term) for name in names])
            found.append((term, *_wald(of_term, probit), np.sqrt(_variance(x, of_term, others, probit))))
    eta = x @ probit.beta + sum(probit.effects[k][factors[k].codes] for k in range(len(selected.crossed)))
    known = specification.x[np.ix_(rows[observed], shared)]
    return Relevance(pd.DataFrame(found, columns=list(COLUMNS)), float(np.sqrt(total)), _mills_r2(eta[observed], known))


def _factors(specification: Specification, selected: Selected, rows: np.ndarray) -> list[Factor]:
    """Crossed factors, then clusters if they have random effects on being observed."""
    factors = [Factor(crossed.codes[rows], len(crossed.labels)) for crossed in selected.crossed]
    if (specification.layout.effect_response == selected.indicator.first).any():
        factors.append(Factor(specification.clusters.codes[rows], specification.n_clusters))
    return factors


def _variance(x: np.ndarray, chosen: np.ndarray, others: np.ndarray, probit: Probit) -> float:
    """Variance over rows of what columns add to the linear predictor, given other columns."""
    if not chosen.any():
        return 0.0
    z = x[:, chosen]
    added = (z - others @ np.linalg.lstsq(others, z, rcond=None)[0]) @ probit.beta[chosen]
    df, statistic, _ = _wald(chosen, probit)
    return float(np.mean(added**2)) * max(0.0, statistic - df) / max(statistic, df)


def _wald(chosen: np.ndarray, probit: Probit) -> tuple[int, float, float]:
    """Degrees of freedom, chi2 and p value."""
    from scipy.stats import chi2

    slopes = probit.beta[chosen]
    statistic = float(slopes @ np.linalg.solve(probit.covariance[np.ix_(chosen, chosen)], slopes))
    return len(slopes), statistic, float(chi2.sf(statistic, len(slopes)))


def _likelihood_ratio(without: Probit, probit: Probit) -> tuple[int, float, float]:
    """Likewise, of a standard deviation: half of the distribution under the hypothesis is at 0 (Self and Liang 1987)."""
    from scipy.stats import chi2

    statistic = max(0.0, without.deviance - probit.deviance)
    return 1, statistic, float(0.5 * chi2.sf(statistic, 1)) if statistic else 1.0


def _mills_r2(eta: np.ndarray, x: np.ndarray) -> float:
    """R^2 of a regression of the inverse Mills ratio on covariates; 1 if it does not vary."""
    from scipy.special import log_ndtr

    ratio = np.exp(-0.5 * eta**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(eta))
    residual = ratio - x @ np.linalg.lstsq(x, ratio, rcond=None)[0]
    varies = float(np.var(ratio))
    return 1.0 - float(np.mean(residual**2)) / varies if varies > 0 else 1.0

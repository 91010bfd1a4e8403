"""Pooled results between the points of a grid over rho: monotone cubic curves, which do not overshoot."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.rules import rubin
from jmimpute.errors import AnalysisError, ImputationError, options
from jmimpute.mnar.evaluating import IMPLIED_MEAN
from jmimpute.mnar.rho_grid import RHO

#: Fewer points say nothing of how an estimate bends.
FEWEST_POINTS = 3


@dataclass(frozen=True)
class RhoCurve:
    """The pooled results of one term as functions of rho.

    Attributes
    ----------
    rho : ndarray, shape (n,)
        Ascending.
    estimates, variances : ndarray, shape (n, m)
        By imputation at each rho.
    df_complete : float
    means : ndarray, shape (n,)
        Implied means.
    level : float
        Of the confidence intervals.
    """

    rho: np.ndarray
    estimates: np.ndarray
    variances: np.ndarray
    df_complete: float
    means: np.ndarray
    level: float

    @cached_property
    def _curves(self) -> Any:
        """Estimate, standard error, lambda, 1/df and implied mean over rho, shape (..., 5)."""
        from scipy.interpolate import PchipInterpolator

        pooled = rubin(self.estimates.T, self.variances.T, self.df_complete)
        columns = [pooled.estimate, pooled.std_error, pooled.share, 1 / pooled.df, self.means]
        return PchipInterpolator(self.rho, np.column_stack(columns))

    def parts(self, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Estimates, standard errors, degrees of freedom and implied means, each of shape (n,).

        Parameters
        ----------
        rho : ndarray, shape (n,)
        """
        estimate, std_error, _, inverse, mean = self._curves(np.asarray(rho)).T
        return estimate, std_error, 1 / np.maximum(inverse, np.finfo(float).tiny), mean

    def rows(self, rho: np.ndarray) -> pd.DataFrame:
        """Results: ``rho``, the columns of `jmimpute.Pooled.table` except ``term``, and ``implied_mean``.

        Parameters
        ----------
        rho : ndarray, shape (n,)
        """
        return pd.DataFrame(self._columns(np.asarray(rho, dtype=float)))

    def row(self, rho: float) -> pd.Series:
        """Results at one rho, as a row of `rows`.

        Parameters
        ----------
        rho : float
        """
        return pd.Series({name: values[0] for name, values in self._columns(np.array([rho])).items()})

    def _columns(self, rho: np.ndarray) -> dict[str, np.ndarray]:
        from scipy.special import stdtr, stdtrit

        estimate, std_error, df, mean = self.parts(rho)
        share = self._curves(rho)[:, 2]
        statistic = np.divide(estimate, std_error, out=np.full_like(estimate, np.nan), where=std_error > 0)
        half = stdtrit(df, (1 + self.level) / 2) * std_error
        riv = np.divide(share, 1 - share, out=np.full_like(share, np.inf), where=share < 1)
        return {
            RHO: rho,
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "df": df,
            "p_value": 2 * stdtr(df, -np.abs(statistic)),
            "conf_low": estimate - half,
            "conf_high": estimate + half,
            "riv": riv,
            "lambda": share,
            "fmi": share + 2 / (df + 3) * (1 - share),
            IMPLIED_MEAN: mean,
        }

    def without(self, imputation: int) -> "RhoCurve":
        """The same without one imputation at all values of rho, for the jackknife.

        Parameters
        ----------
        imputation : int
            From 0.
        """
        parts = (np.delete(part, imputation, axis=1) for part in (self.estimates, self.variances))
        return RhoCurve(self.rho, *parts, self.df_complete, self.means, self.level)


def curve_of(sensitivity: Any, term: str) -> RhoCurve:
    """Take the curve of a term.

    Parameters
    ----------
    sensitivity : Sensitivity
    term : str

    Returns
    -------
    RhoCurve

    Raises
    ------
    ImputationError
        If it is no grid over rho, or one of too few points.
    """
    if sensitivity.parameters != (RHO,):
        raise ImputationError(
            f"This is a grid over {options(sensitivity.parameters)}, not one over rho, as sensitivity(model, ..., rho=[...]) "
            "makes. A delta needs no interpolation: see jm.tipping_point(...), and prior_sd in jm.shift(...)."
        )
    if len(sensitivity) < FEWEST_POINTS:
        raise ImputationError(
            f"There are {len(sensitivity)} value(s) of rho; curves between them need at least {FEWEST_POINTS}, better 5 to 7."
        )
    order = np.argsort(sensitivity.points[RHO].to_numpy())
    place = sensitivity.terms.index(term)
    fits = [sensitivity.fits[k] for k in order]
    estimates, variances = (np.array([getattr(one, part)[:, place] for one in fits]) for part in ("estimates", "variances"))
    points = sensitivity.points.iloc[order]
    df = min(one.df_complete for one in fits)
    return RhoCurve(points[RHO].to_numpy(), estimates, variances, df, points[IMPLIED_MEAN].to_numpy(), sensitivity.level)


def chosen_term(terms: Sequence[str], term: str | None) -> str:
    """Take a term, which may be left out if there is only one.

    Parameters
    ----------
    terms : sequence of str
    term : str, optional

    Returns
    -------
    str

    Raises
    ------
    AnalysisError
        If the analysis does not have it.
    """
    found = terms[0] if term is None and len(terms) == 1 else term
    if found not in terms:
        raise AnalysisError(f"The analysis has no term {term!r}. Choose {options(list(terms))}.")
    return found

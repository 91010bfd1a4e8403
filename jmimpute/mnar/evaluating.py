"""The analysis at each point of a grid: exact and at once where it is linear, else completed table by completed table."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.analyze import analyze
from jmimpute.analysis.pool import terms_table
from jmimpute.errors import AnalysisError, AnalysisWarning, options
from jmimpute.imputation.cells import Cells
from jmimpute.imputation.completing import completed_frame
from jmimpute.mnar.delta import scores
from jmimpute.mnar.displaced import Displacement
from jmimpute.mnar.linear import curves_of

IMPLIED_MEAN = "implied_mean"


@dataclass(frozen=True)
class Fits:
    """Results of m imputations under one assumption.

    Attributes
    ----------
    names : tuple of str, length k
        Terms.
    estimates, variances : ndarray, shape (m, k)
    df_complete : float
    problems : tuple of str
        What should be looked at.
    """

    names: tuple[str, ...]
    estimates: np.ndarray
    variances: np.ndarray
    df_complete: float
    problems: tuple[str, ...] = ()

    def pooled(self, level: float) -> pd.DataFrame:
        """Rubin's rules; see `jmimpute.analysis.pool.terms_table`.

        Parameters
        ----------
        level : float
        """
        return terms_table(self.names, self.estimates, self.variances, self.df_complete, level)

    def pooled_term(self, term: str, level: float) -> pd.Series:
        """Rubin's rules for one term.

        Parameters
        ----------
        term : str
        level : float

        Raises
        ------
        AnalysisError
            If the analysis does not have it.
        """
        if term not in self.names:
            raise AnalysisError(f"The analysis has no term {term!r}. Choose {options(list(self.names))}.")
        k = self.names.index(term)
        return terms_table([term], self.estimates[:, [k]], self.variances[:, [k]], self.df_complete, level).iloc[0]


class Evaluator:
    """Analyses imputations whose values are adjusted by any amounts.

    Parameters
    ----------
    imputations : Imputations
    displacement : Displacement
    labels : sequence of str
        Amounts that vary.
    model, engine, family, settings
        As in `jmimpute.analysis.analyze.analyze`.
    cores : int, optional
        Points that are analysed at a time; that of ``joblib.parallel_config``, or one, if not given.

    Attributes
    ----------
    curves : Curves or None
        Where the analysis is linear.
    """

    def __init__(
        self,
        imputations: Any,
        displacement: Displacement,
        labels: Sequence[str],
        model: Any,
        engine: str = "statsmodels",
        family: str = "gaussian",
        settings: Mapping[str, Any] | None = None,
        cores: int | None = None,
    ) -> None:
        self.frame, self.m, self.displacement, self.cores = imputations.original, imputations.m, displacement, cores
        self.levels = imputations.levels(displacement.name)
        self.options = {"model": model, "engine": engine, "family": family, **(settings or {})}
        if self.m < 2:
            raise AnalysisError(f"There is {self.m} imputation. Rubin's rules need at least two.")
        self.adjusted = displacement.amounts.adjusted(labels)
        self.curves = curves_of(imputations, displacement, labels, model, engine, family)

    def at(self, points: Sequence[Mapping[str, float]]) -> Iterator[Fits]:
        """Analyse at some points, one after the other.

        Parameters
        ----------
        points : sequence of mappings of str to float
            Amounts by label.

        Yields
        ------
        Fits
        """
        curves = self.curves
        if curves is not None:
            yield from (Fits(curves.names, *curves.at(values), curves.df) for values in points)
            return
        from joblib import Parallel, delayed

        tasks = (delayed(analysed)(self.frame, self.displacement.at(values), self.m, self.options) for values in points)
        yield from Parallel(n_jobs=self.cores, return_as="generator")(tasks)  # type: ignore[misc]

    def implied_mean(self, values: Mapping[str, float]) -> float:
        """Mean over imputations of the missing values that the varied amounts adjust; see `jmimpute.mnar.delta.scores`.

        Parameters
        ----------
        values : mapping of str to float
            Amounts by label.
        """
        name, displacement = self.displacement.name, self.displacement
        if displacement.is_affine:
            return float((displacement.cells.values[name] + displacement.of(values))[:, self.adjusted].mean())
        return float(scores(displacement.at(values).values[name], self.levels)[:, self.adjusted].mean())


def analysed(frame: pd.DataFrame, cells: Cells, m: int, options: Mapping[str, Any]) -> Fits:
    """Analyse one set of imputations; may run in a process of its own.

    Parameters
    ----------
    frame : pandas.DataFrame
        The original table.
    cells : Cells
    m : int
        Imputations.
    options : mapping
        Arguments of `jmimpute.analysis.analyze.analyze`.

    Returns
    -------
    Fits
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning)  # told once for all points
        fits = analyze((completed_frame(frame, cells, k) for k in range(m)), **options).fits
    problems = tuple(dict.fromkeys(problem for fit in fits for problem in fit.problems))
    estimates, variances = np.array([fit.values for fit in fits]), np.array([np.diag(fit.covariance) for fit in fits])
    return Fits(fits[0].names, estimates, variances, min(fit.df_complete for fit in fits), problems)


def problems_of(fits: Sequence[Fits]) -> tuple[str, ...]:
    """Say what should be looked at of the fits under several assumptions.

    Parameters
    ----------
    fits : sequence of Fits

    Returns
    -------
    tuple of str
    """
    counts = Counter(problem for one in fits for problem in one.problems)
    return tuple(f"in {count} of {len(fits)} points some fits: {problem}" for problem, count in counts.items())

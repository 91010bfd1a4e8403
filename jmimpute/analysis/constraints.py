"""Constraints on estimates, linear and not, over m imputations: the delta method in each, then Rubin's rules."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.expressions import read_expression
from jmimpute.analysis.pool import terms_table
from jmimpute.analysis.tests import PooledTest, from_estimates
from jmimpute.errors import AnalysisError, options, some


@dataclass(frozen=True, repr=False)
class Constraints:
    """Functions of the estimates, and the test that all of them are zero.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a constraint, with the columns of `jmimpute.analysis.pool.Pooled.table`.
    test : PooledTest
        That all constraints hold.
    level : float
        Level of the confidence intervals.
    """

    table: pd.DataFrame
    test: PooledTest
    level: float

    def __repr__(self) -> str:
        """Show the table and the test."""
        return f"{self.table.to_string(index=False, float_format='%.5g')}\n{self.test!r}"


def constrain(
    analyses: Analyses,
    constraints: str | Sequence[str],
    method: str = "D1",
    df_complete: float | None = None,
    level: float = 0.95,
) -> Constraints:
    """Estimate and test constraints; see `jmimpute.analysis.analyses.Analyses.constraint`.

    Parameters
    ----------
    analyses : Analyses
    constraints : str or sequence of str
    method : {"D1", "D2"}, optional
    df_complete : float, optional
    level : float, optional

    Returns
    -------
    Constraints

    Raises
    ------
    AnalysisError
        If a constraint cannot be read or evaluated, or repeats others, or an argument is not known.
    """
    texts = [constraints] if isinstance(constraints, str) else list(constraints)
    _check_arguments(analyses, texts, method, df_complete, level)
    if df_complete is None:
        df_complete = min(fit.df_complete for fit in analyses)
    read = [read_expression(text, analyses.fits[0].names) for text in texts]
    estimates, covariances = [], []
    for number, fit in enumerate(analyses, start=1):
        try:
            found = [each(fit.values) for each in read]
        except AnalysisError as error:
            raise AnalysisError(f"Imputation {number}: {error}") from error
        slopes = np.array([gradient for _, gradient in found])
        estimates.append([value for value, _ in found])
        covariances.append(slopes @ fit.covariance @ slopes.T)
    values, matrices = np.array(estimates), np.array(covariances)
    variances = np.diagonal(matrices, axis1=1, axis2=2)
    hypothesis = f"the constraint {texts[0]} holds" if len(texts) == 1 else f"the constraints {some(texts, 10)} hold"
    return Constraints(
        terms_table(texts, values, variances, df_complete, level),
        from_estimates(values, matrices, method, df_complete, hypothesis),
        level,
    )


def _check_arguments(analyses: Analyses, texts: list[str], method: str, df_complete: float | None, level: float) -> None:
    if not texts:
        raise AnalysisError("No constraint is given. Write one such as 'a - b'.")
    if method not in ("D1", "D2"):
        raise AnalysisError(f"The method {method!r} cannot test constraints. Choose {options(('D1', 'D2'))}.")
    if len(analyses) < 2:
        raise AnalysisError(f"There are {len(analyses)} imputations. Rubin's rules need at least two.")
    if df_complete is not None and not df_complete > 0:
        raise AnalysisError(f"df_complete is {df_complete}. It must be positive; infinite stands for a large sample.")
    if not 0 < level < 1:
        raise AnalysisError(f"The level is {level}. It must lie between 0 and 1, for example 0.95.")
    if not np.isfinite(np.array([fit.covariance for fit in analyses])).all():
        raise AnalysisError("The covariances between the estimates are not known. Constraints need whole covariance matrices.")

"""Multi-parameter tests on analyses of completed tables: which statistics they need, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.estimates import Estimates
from jmimpute.analysis.multiparameter import (
    FTest,
    chi_squares,
    likelihood_ratios,
    robust_stacked_ratios,
    stacked_ratios,
    wald,
)
from jmimpute.analysis.nested import at_pooled, check_nested, likelihoods, select_terms, source_of, without
from jmimpute.errors import AnalysisError, options, some

METHODS = ("D1", "D2", "D3", "D4")
USES = ("wald", "likelihood")
ARIVS = ("default", "positive", "robust")

#: How far a log likelihood may lie below that of a smaller model, relative to its size, by the tolerance of optimisers.
TOLERANCE = 1e-7

REFITTED = "The models were fitted by REML; for this test they were fitted again by maximum likelihood."
BOUNDARY = "A variance of zero lies at the edge of what a variance can be, so that the p value is too large."


@dataclass(frozen=True, repr=False)
class PooledTest:
    """A test of several parameters over m imputations.

    Attributes
    ----------
    statistic, df1, df2, p_value : float
        F, the degrees of freedom of its numerator and its denominator, and the p value.
    riv : float
        Average relative increase in variance due to missing values (ARIV).
    method : {"D1", "D2", "D3", "D4"}
    use : {"wald", "likelihood"}
        What it is computed from.
    m : int
        Number of imputations.
    hypothesis : str
        What is tested, in words.
    notes : tuple of str
        What one should know about this test.
    """

    statistic: float
    df1: float
    df2: float
    p_value: float
    riv: float
    method: str
    use: str
    m: int
    hypothesis: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the hypothesis and the test."""
        p = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        lines = [
            f"{self.method} ({self.use}) over {self.m} imputations: {self.hypothesis}",
            f"F({self.df1:g}, {self.df2:.1f}) = {self.statistic:.3f}, {p}; relative increase in variance {self.riv:.3f}",
        ]
        return "\n".join([*lines, *self.notes])


def joint_test(
    analyses: Analyses,
    smaller: str | Sequence[str] | Analyses,
    method: str = "D1",
    use: str | None = None,
    ariv: str = "default",
    df_complete: float | None = None,
) -> PooledTest:
    """Test terms, or compare with a nested model; see `jmimpute.analysis.analyses.Analyses.test`.

    Parameters
    ----------
    analyses : Analyses
        The larger model.
    smaller : str, sequence of str or Analyses
        Terms set to zero, or the smaller model.
    method : {"D1", "D2", "D3", "D4"}, optional
    use : {"wald", "likelihood"}, optional
    ariv : {"default", "positive", "robust"}, optional
    df_complete : float, optional

    Returns
    -------
    PooledTest
    """
    use = _checked(len(analyses), method, use, ariv, df_complete)
    by_terms = isinstance(smaller, str | Sequence)
    if not by_terms:
        check_nested(analyses, smaller)
    if use == "wald":
        return _by_estimates(analyses, smaller, method, df_complete)
    if by_terms:
        names = analyses.fits[0].names
        hypothesis = _are_zero([names[i] for i in select_terms(smaller, names)])
        return _by_likelihoods(analyses, _smaller_model(analyses, smaller), method, ariv, hypothesis)
    return _by_likelihoods(analyses, smaller, method, ariv, f"{smaller.model} against {analyses.model}")


def _are_zero(names: Sequence[str]) -> str:
    return f"{some(names, 10)} {'is' if len(names) == 1 else 'are'} zero"


def _checked(m: int, method: str, use: str | None, ariv: str, df_complete: float | None) -> str:
    """Refuse arguments that do not fit together; what the test uses."""
    for name, value, known in (("method", method, METHODS), ("use", use or "wald", USES), ("ariv", ariv, ARIVS)):
        if value not in known:
            raise AnalysisError(f"The {name} {value!r} is not known. Choose {options(known)}.")
    if m < 2:
        raise AnalysisError(f"There are {m} imputations. A test needs at least two, to see how much they differ.")
    own = {"D1": "wald", "D2": use or "wald"}.get(method, "likelihood")
    if use not in (None, own):
        raise AnalysisError(f"Method {method!r} uses {own!r}, not {use!r}. Only D2 has the choice.")
    if ariv != "default" and method not in {"positive": ("D3", "D4"), "robust": ("D4",)}[ariv]:
        where = "D3 and D4" if ariv == "positive" else "D4"
        raise AnalysisError(f"ariv={ariv!r} belongs to {where}; method {method!r} has one estimator only.")
    if df_complete is not None and (method != "D1" or not df_complete > 0):
        raise AnalysisError(f"df_complete is {df_complete}. It belongs to D1, and must be positive.")
    return own


def _by_estimates(
    analyses: Analyses, smaller: str | Sequence[str] | Analyses, method: str, df_complete: float | None
) -> PooledTest:
    names = analyses.fits[0].names
    if isinstance(smaller, str | Sequence):
        positions = select_terms(smaller, names)
    else:
        positions = [i for i, name in enumerate(names) if name not in smaller.fits[0].names]
        _check_same_effects(analyses.fits[0], smaller.fits[0], method)
    chosen = np.ix_(positions, positions)
    estimates = np.array([fit.values[positions] for fit in analyses])
    covariances = np.array([fit.covariance[chosen] for fit in analyses])
    if df_complete is None:
        df_complete = min(fit.df_complete for fit in analyses)
    return from_estimates(estimates, covariances, method, df_complete, _are_zero([names[i] for i in positions]))


def _check_same_effects(larger: Estimates, smaller: Estimates, method: str) -> None:
    own, other = larger.random, smaller.random
    if (own is None) != (other is None) or (own is not None and other is not None and own.names != other.names):
        raise AnalysisError(
            f"The models differ in their random effects, which {method} does not test from estimates. Use method='D3' or 'D4', "
            "or method='D2' with use='likelihood'."
        )


def from_estimates(
    estimates: np.ndarray, covariances: np.ndarray, method: str, df_complete: float, hypothesis: str
) -> PooledTest:
    """Test whether k quantities are zero, by D1 or D2 with Wald statistics.

    Parameters
    ----------
    estimates : ndarray, shape (m, k)
    covariances : ndarray, shape (m, k, k)
    method : {"D1", "D2"}
    df_complete : float
        Used by D1.
    hypothesis : str
        In words.

    Returns
    -------
    PooledTest

    Raises
    ------
    AnalysisError
        If a covariance matrix is singular.
    """
    m, k = estimates.shape
    # Refuses singular matrices for both methods.
    result = wald(estimates, covariances, df_complete)
    if method == "D2":
        statistics = [q @ np.linalg.solve(u, q) for q, u in zip(estimates, covariances, strict=True)]
        result = chi_squares(np.array(statistics), k)
    return _result(result, method, "wald", m, hypothesis)


def _smaller_model(analyses: Analyses, terms: str | Sequence[str]) -> Analyses:
    """Fit the model without some terms; what is left must be the other terms, coded as they were."""
    names = analyses.fits[0].names
    positions = select_terms(terms, names)
    formula = without(analyses, positions)
    source = source_of(analyses, "A likelihood-ratio test of terms")
    fits = tuple(replace(fit, log_likelihood_at=None) for fit in source.fits(formula))
    expected = tuple(name for i, name in enumerate(names) if i not in positions)
    if fits[0].names != expected:
        raise AnalysisError(
            f"Without {some(names[i] for i in positions)} the model would have {some(expected, 20)}, but {formula!r} has "
            f"{some(fits[0].names, 20)}: a formula cannot leave out part of a term, or a term that others are coded by. Use "
            "method='D1', or give a smaller model that was fitted to the same tables."
        )
    return Analyses(fits, formula, analyses.engine, analyses.family, source)


def _by_likelihoods(larger: Analyses, smaller: Analyses, method: str, ariv: str, hypothesis: str) -> PooledTest:
    for analyses in (larger, smaller):
        if method != "D2":
            source_of(analyses, f"Test {method}")
    own, other = likelihoods(larger), likelihoods(smaller)
    h, k = own.parameters.shape[1], own.parameters.shape[1] - other.parameters.shape[1]
    ratios = _ratios(own.own, other.own)
    positive = ariv == "positive"
    if method == "D2":
        result = chi_squares(ratios, k)
    elif method == "D3":
        pooled = 2 * (at_pooled(larger, own.parameters) - at_pooled(smaller, other.parameters))
        result = likelihood_ratios(ratios, pooled, k, positive)
    else:
        stacked_own = _stacked(larger)
        stacked = 2 * (stacked_own - _stacked(smaller))
        if ariv == "robust":
            result = robust_stacked_ratios(own.own, stacked_own, stacked, k, h)
        else:
            result = stacked_ratios(ratios, stacked, k, positive)
    boundary = larger.fits[0].random is not None and _n_effects(larger) > _n_effects(smaller)
    notes = (REFITTED,) * (own.refitted or other.refitted) + (BOUNDARY,) * boundary + own.notes + other.notes
    return _result(result, method, "likelihood", len(larger), hypothesis, notes)


def _stacked(analyses: Analyses) -> float:
    """Log likelihood of the model fitted to all tables, one below the other, for a table."""
    fit = source_of(analyses, "Test D4").stacked(analyses.model)
    if fit.log_likelihood is None:
        raise AnalysisError(f"The likelihood of {analyses.model} is not known. Use method='D1'.")
    return fit.log_likelihood / len(analyses)


def _n_effects(analyses: Analyses) -> int:
    random = analyses.fits[0].random
    return 0 if random is None else len(random.names)


def _ratios(larger: np.ndarray, smaller: np.ndarray) -> np.ndarray:
    """Likelihood-ratio statistics, shape (m,); one below zero by the tolerance of an optimiser is zero."""
    below = smaller > larger + TOLERANCE * np.abs(larger)
    if below.any():
        raise AnalysisError(
            f"In imputations {some(np.flatnonzero(below) + 1)} the smaller model has the larger likelihood. Either the models "
            "are not nested, or a fit did not converge."
        )
    return np.maximum(2 * (larger - smaller), 0.0)


def _result(result: FTest, method: str, use: str, m: int, hypothesis: str, notes: tuple[str, ...] = ()) -> PooledTest:
    return PooledTest(
        *(result.statistic, float(result.df1), float(result.df2), result.p_value, result.riv),
        *(method, use, m, hypothesis, notes),
    )


def compare(larger: Analyses, smaller: Sequence[Analyses], method: str = "D1", ariv: str = "default") -> pd.DataFrame:
    """Compare a series of nested models, each with the next smaller one.

    Parameters
    ----------
    larger : Analyses
    smaller : sequence of Analyses
        In any order.
    method : {"D1", "D2", "D3", "D4"}, optional
    ariv : {"default", "positive", "robust"}, optional

    Returns
    -------
    pandas.DataFrame
        One row a comparison, the largest models first, with the columns model, against, statistic, df1, df2, p_value, riv.

    Raises
    ------
    AnalysisError
        If there is no smaller model, or two models that follow each other are not nested.
    """
    if not smaller:
        raise AnalysisError("No smaller model is given. Compare with one or more analyses of the same tables.")
    size = {id(each): len(each.fits[0].names) + _n_effects(each) * (_n_effects(each) + 1) / 2 for each in (larger, *smaller)}
    models = sorted((larger, *smaller), key=lambda each: size[id(each)], reverse=True)
    rows = []
    for own, other in pairwise(models):
        result = joint_test(own, other, method=method, ariv=ariv)
        found = {name: getattr(result, name) for name in ("statistic", "df1", "df2", "p_value", "riv")}
        rows.append({"model": own.model, "against": other.model, **found})
    return pd.DataFrame(rows)


def combine_statistics(statistics: Sequence[float], df: float, kind: str = "chi2") -> PooledTest:
    """Combine test statistics that were computed elsewhere, one an imputation, by D2.

    Parameters
    ----------
    statistics : sequence of m float
        Chi-square or F statistics of the same hypothesis.
    df : float
        Degrees of freedom of the chi-square statistics, or of the numerators of the F statistics.
    kind : {"chi2", "F"}, optional

    Returns
    -------
    PooledTest

    Raises
    ------
    AnalysisError
        If there are fewer than two, one is negative or not finite, or an argument is not known.

    Notes
    -----
    An F statistic times `df` is taken as chi-square, which holds where its denominator has many degrees of freedom
    (miceadds, ``micombine.F``); see `jmimpute.analysis.multiparameter.chi_squares`.
    """
    values = np.array(statistics, dtype=float)
    if kind not in ("chi2", "F"):
        raise AnalysisError(f"The kind {kind!r} is not known. Choose 'chi2' or 'F'.")
    if values.ndim != 1 or len(values) < 2:
        raise AnalysisError(f"There are {values.size} statistics. Give one an imputation, at least two.")
    if not (np.isfinite(values) & (values >= 0)).all():
        bad = some(np.flatnonzero(~(np.isfinite(values) & (values >= 0))) + 1)
        raise AnalysisError(f"The statistics of imputations {bad} are negative or not finite.")
    if not df > 0:
        raise AnalysisError(f"df is {df}. It must be positive.")
    result = chi_squares(values * (df if kind == "F" else 1), df)
    return _result(result, "D2", "wald", len(values), f"{len(values)} {kind} statistics")

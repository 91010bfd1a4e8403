"""A model and a smaller one: whether they can be compared, and the likelihoods that a comparison needs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jmimpute.analysis.estimates import Estimates, problems_by_imputation
from jmimpute.errors import AnalysisError, some
from jmimpute.names import INTERCEPT

if TYPE_CHECKING:
    from jmimpute.analysis.analyses import Analyses
    from jmimpute.analysis.source import Source

#: The level of a categorical column, at the end of a factor of a term: ``[girl]`` of ``sex[girl]:age``. A level may itself have
#: brackets and colons, ``[(0, 10]]``, but not ``]:``.
_LEVEL = re.compile(r"\[(?:(?!\]:).)*\](?=:|$)")


@dataclass(frozen=True)
class Likelihoods:
    """Log likelihoods of one model on m tables.

    Attributes
    ----------
    own : ndarray, shape (m,)
        At the maximum-likelihood estimates from the same table.
    parameters : ndarray, shape (m, h)
        These estimates.
    refitted : bool
        Whether a fit by restricted likelihood was replaced by one by maximum likelihood.
    notes : tuple of str
        Problems of the fits.
    """

    own: np.ndarray
    parameters: np.ndarray
    refitted: bool
    notes: tuple[str, ...]


def select_terms(terms: str | Sequence[str], names: Sequence[str]) -> list[int]:
    """Find the estimates that terms stand for.

    Parameters
    ----------
    terms : str or sequence of str
        Names of estimates, or of columns and interactions without levels: ``"fluent"`` is ``fluent[1]`` and ``fluent[2]``.
    names : sequence of str
        Names of all estimates.

    Returns
    -------
    list of int
        Positions, in the order of the model.

    Raises
    ------
    AnalysisError
        If there are no terms, or one is not in the model.
    """
    chosen = [terms] if isinstance(terms, str) else list(terms)
    if not chosen:
        raise AnalysisError("No terms are given. Name those that the test sets to zero.")
    found = set()
    for term in chosen:
        positions = [i for i, name in enumerate(names) if term in (name, _LEVEL.sub("", name))]
        if not positions:
            raise AnalysisError(f"The model has no term {term!r}. Its terms are {some(names, 30)}.")
        found.update(positions)
    return sorted(found)


def without(analyses: "Analyses", positions: Sequence[int]) -> str:
    """Write the formula of the model without some of its terms.

    Parameters
    ----------
    analyses : Analyses
    positions : sequence of int
        Of the estimates that are left out.

    Returns
    -------
    str

    Raises
    ------
    AnalysisError
        If a function was fitted.
    """
    source = source_of(analyses, "A likelihood-ratio test of terms")
    columns = set(next(iter(source.tables)).columns)
    terms = dict.fromkeys(_LEVEL.sub("", analyses.fits[0].names[i]) for i in positions)
    return " - ".join([analyses.model, *(_written(term, columns) for term in terms)])


def _written(term: str, columns: set[str]) -> str:
    """Write a term as in a formula: columns whose names are no words in backquotes."""
    quoted = (f"`{factor}`" if factor in columns and not factor.isidentifier() else factor for factor in term.split(":"))
    return "1" if term == INTERCEPT else ":".join(quoted)


def source_of(analyses: "Analyses", what: str) -> "Source":
    """Give the tables of an analysis, or say why they are not at hand.

    Parameters
    ----------
    analyses : Analyses
    what : str
        What needs them, as the beginning of a message.

    Returns
    -------
    Source

    Raises
    ------
    AnalysisError
        If a function was fitted, or the tables could be gone through only once.
    """
    if analyses.engine is None:
        raise AnalysisError(
            f"{what} fits models anew, which needs a formula; {analyses.model} is a function. Use method='D1', or 'D2' with "
            "use='wald', which need estimates and covariances only."
        )
    if analyses.source is None:
        raise AnalysisError(
            f"{what} goes through the completed tables again, but they were given one by one (as a generator) and are gone. "
            "Give them as a list, or use imputations.analyze(...)."
        )
    return analyses.source


def check_nested(larger: "Analyses", smaller: "Analyses") -> None:
    """Check that one model has all that the other has, and more, and that both are of the same data.

    Parameters
    ----------
    larger, smaller : Analyses

    Raises
    ------
    AnalysisError
        Saying what differs.
    """
    if len(larger) != len(smaller):
        raise AnalysisError(f"One model was fitted to {len(larger)} tables and the other to {len(smaller)}.")
    for what, own, other in (
        ("engine", larger.engine, smaller.engine),
        ("family", larger.family, smaller.family),
        ("response", _response(larger), _response(smaller)),
    ):
        if own != other:
            raise AnalysisError(f"The models do not have the same {what}, but {own!r} and {other!r}. Nested models share it.")
    for number, (own, other) in enumerate(zip(larger, smaller, strict=True), start=1):
        if own.n_rows != other.n_rows:
            raise AnalysisError(
                f"Imputation {number} has {own.n_rows} rows in one model and {other.n_rows} in the other. Both models must be "
                "fitted to the same completed tables."
            )
    _check_contained(larger.fits[0], smaller.fits[0])


def _response(analyses: "Analyses") -> str | None:
    return None if analyses.engine is None else re.sub(r"\s", "", analyses.model.split("~")[0])


def _check_contained(larger: Estimates, smaller: Estimates) -> None:
    """Terms and random effects of the smaller model must be terms and random effects of the larger."""
    extra = [name for name in smaller.names if name not in larger.names] + [
        f"({name} | {smaller.random.cluster})"
        for name in _effects(smaller)
        if smaller.random is not None and name not in _effects(larger)
    ]
    if extra:
        raise AnalysisError(
            f"The models are not nested: the smaller one has {some(extra)}, which the larger has not. If it is a restriction, "
            "such as equal coefficients, use analyses.constraint('a - b')."
        )
    if larger.random is not None and smaller.random is not None and larger.random.cluster != smaller.random.cluster:
        raise AnalysisError(
            f"The models are not nested: one groups by {larger.random.cluster!r}, the other by {smaller.random.cluster!r}."
        )
    if len(larger.names) == len(smaller.names) and len(_effects(larger)) == len(_effects(smaller)):
        raise AnalysisError("Both models have the same terms. Give a smaller model to compare with.")


def _effects(fit: Estimates) -> tuple[str, ...]:
    return () if fit.random is None else fit.random.names


def likelihoods(analyses: "Analyses") -> Likelihoods:
    """Get the likelihood of each table, by maximum likelihood: fits by REML are made again.

    Parameters
    ----------
    analyses : Analyses

    Returns
    -------
    Likelihoods

    Raises
    ------
    AnalysisError
        If the model has no likelihood, or has to be fitted anew and the tables are gone.
    """
    refitted = any(fit.restricted for fit in analyses)
    if refitted and analyses.source is None:
        raise AnalysisError(
            "The models were fitted by REML, whose likelihoods cannot be compared between models with different terms, and the "
            "tables are gone, so that they cannot be fitted again. Fit both with reml=False."
        )
    fits = analyses.source.fits(analyses.model) if refitted and analyses.source is not None else analyses.fits
    kept = [replace(fit, log_likelihood_at=None) for fit in fits]
    found = [(fit.log_likelihood, fit.parameters) for fit in kept]
    if any(value is None or parameters is None for value, parameters in found):
        raise AnalysisError(
            f"The likelihood of {analyses.model} is not known. Use method='D1', or 'D2' with use='wald', which need estimates "
            "and covariances only."
        )
    own, parameters = zip(*found, strict=True)
    return Likelihoods(np.array(own), np.array(parameters), refitted, problem_notes(analyses.model, kept))


def problem_notes(model: str, fits: Sequence[Estimates]) -> tuple[str, ...]:
    """Write what was wrong with fits that a test is made of.

    Parameters
    ----------
    model : str
    fits : sequence of Estimates

    Returns
    -------
    tuple of str
    """
    problems = problems_by_imputation(fits)
    return tuple(f"{model}, imputations {some(where, 10)}: {problem}." for problem, where in problems.items())


def at_pooled(analyses: "Analyses", parameters: np.ndarray) -> np.ndarray:
    """Get the log likelihood of each table at the means of the parameters over all tables.

    Parameters
    ----------
    analyses : Analyses
    parameters : ndarray, shape (m, h)

    Returns
    -------
    ndarray, shape (m,)

    Raises
    ------
    AnalysisError
        If the tables are gone, or the engine cannot evaluate its likelihood elsewhere than at its maximum.
    """
    source = source_of(analyses, "Test D3")
    mean = parameters.mean(axis=0)
    found = [fit.log_likelihood_at and fit.log_likelihood_at(mean) for fit in source.fits(analyses.model)]
    if None in found:
        raise AnalysisError(
            f"Engine {analyses.engine!r} cannot evaluate this likelihood at the pooled estimates, which D3 needs. Use "
            "method='D4' or 'D1'."
        )
    return np.array(found, dtype=float)

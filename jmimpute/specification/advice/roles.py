"""Roles: which variables of an analysis are responses of its imputation model, at which level, and which are covariates."""

from collections.abc import Sequence
from dataclasses import dataclass

from jmimpute.errors import FormulaError, some
from jmimpute.specification.advice.columns import Column
from jmimpute.specification.advice.problem import Problem


@dataclass(frozen=True)
class Reason:
    """A decision and why it was made.

    Attributes
    ----------
    decision, why : str
    """

    decision: str
    why: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.decision}: {self.why}"


@dataclass(frozen=True)
class Roles:
    """Who is what in an imputation model.

    Attributes
    ----------
    level1, level2 : tuple of str
        Responses.
    given : tuple of str
        Covariates of level 1; those of them that belong to clusters are covariates of level 2 as well.
    reasons : tuple of Reason
    """

    level1: tuple[str, ...]
    level2: tuple[str, ...]
    given: tuple[str, ...]
    reasons: tuple[Reason, ...]


def assign(problem: Problem) -> Roles:
    """Give each variable of an analysis its role.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Roles

    Raises
    ------
    FormulaError
        If no variable of the analysis is incomplete, or all belong to clusters.
    """
    _check_incomplete(problem)
    level1, level2, given = [], [], []
    reasons = []
    for name, column in problem.columns.items():
        if name in problem.means:
            continue
        places = {1: level1, 2: level2}
        if column.is_incomplete:
            places[column.level].append(name)
            reasons.append(_incomplete(column, problem))
            continue
        reason = _complete_response(column, problem)
        (level1 if reason else given).append(name)
        reasons += [reason] if reason else []
    if level2 and not level1:
        promoted = next((name for name in given if problem.columns[name].level == 1), None)
        if promoted is None:
            raise FormulaError(
                f"All variables of the analysis {problem.analysis.formula.text!r} belong to {problem.cluster}. Make a table "
                "with one row for each, and ask again without the grouping term."
            )
        given.remove(promoted)
        level1.append(promoted)
        reasons.append(Reason(f"{promoted} is a response", "it links rows to the incomplete variables of clusters."))
    reasons += _given(given, problem)
    return Roles(tuple(level1), tuple(level2), tuple(given), tuple(reasons))


def _check_incomplete(problem: Problem) -> None:
    text = problem.analysis.formula.text
    if not any(problem.is_imputed(name) for name in problem.analysis.columns):
        derived = f" {some(problem.means)} can be computed from others." if problem.means else ""
        raise FormulaError(
            f"No variable of the analysis {text!r} is incomplete: there is nothing to impute. Fit it to the table as it is."
            + derived
        )


def _incomplete(column: Column, problem: Problem) -> Reason:
    """Whatever is incomplete is a response, at its level."""
    where = f"{column.missing} of {len(problem.frame)} rows lack it"
    if column.level == 2:
        lacking = (
            f"all rows of {len(column.lacking)} cluster(s) among them ({some(column.lacking)})"
            if column.lacking
            else "but other rows of their clusters have it"
        )
        return Reason(
            f"{column.name} is a level-2 response",
            f"it does not vary within {problem.cluster}, and {where}, {lacking}. It is imputed once for each cluster, "
            "correlated with the random effects of level 1.",
        )
    if column.lacking:
        where += f", and {len(column.lacking)} cluster(s) have no value of it: {some(column.lacking)} (systematically missing)"
    return Reason(f"{column.name} is a response", f"{where}.")


def _complete_response(column: Column, problem: Problem) -> Reason | None:
    """Complete variables are covariates, unless their cluster means are to inform what is imputed."""
    if problem.cluster is None or column.level == 2:
        return None
    has_level2 = any(problem.columns[name].level == 2 for name in problem.incomplete)
    if column.name in problem.analysis.outcomes:
        return _complete_outcome(column, problem, has_level2)
    if has_level2 and column.is_measured and not _is_in_function(column.name, problem):
        return Reason(
            f"{column.name} is a response although it is complete",
            "a variable of clusters is incomplete, and depends on the cluster means of this one, which its random effects "
            "stand for.",
        )
    return None


def _complete_outcome(column: Column, problem: Problem, has_level2: bool) -> Reason | None:
    name = column.name
    if has_level2:
        return Reason(
            f"{name} is a response although it is complete",
            "a variable of clusters is incomplete, and its imputation must use what a cluster's outcomes say, which is in the "
            "random effects of the outcome.",
        )
    if column.is_measured and not problem.analysis.outcome.is_function:
        return Reason(
            f"{name} is a response although it is complete",
            "as a covariate its relation with what is imputed would be the same within and between clusters; as a response it "
            "need not be (Grund, Luedtke and Robitzsch 2018).",
        )
    if any(problem.is_imputed(other) for term in problem.analysis.slopes for other in term.columns):
        return Reason(
            f"{name} is a response although it is complete",
            "the slope of an incomplete covariate varies between clusters, and only covariances between responses can.",
        )
    return None


def _is_in_function(name: str, problem: Problem) -> bool:
    """Whether a variable has a random slope, or is in a product or a function, which a response cannot be."""
    terms = [*(term for term in problem.analysis.terms if not term.is_column), *problem.analysis.slopes]
    return any(name in term.columns for term in terms)


def _given(given: Sequence[str], problem: Problem) -> list[Reason]:
    outcomes = [name for name in given if name in problem.analysis.outcomes]
    others = [name for name in given if name not in outcomes]
    found = []
    if outcomes:
        found.append(
            Reason(
                f"{some(outcomes)} is a covariate",
                "the outcome is complete. What is imputed must depend on it, or its associations would be pulled towards zero.",
            )
        )
    if others:
        found.append(Reason(f"covariates {some(others, 20)}", "complete, hence nothing to model."))
    return found

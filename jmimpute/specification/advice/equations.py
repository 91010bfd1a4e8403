"""From lme4 formulas to the equations of textbooks: one for rows, and one for each coefficient of clusters."""

from collections.abc import Sequence

from jmimpute.specification.advice.imputer import Imputer
from jmimpute.specification.advice.problem import BINOMIAL, GAUSSIAN, Problem
from jmimpute.specification.advice.terms import Part, has_intercept, terms
from jmimpute.specification.covariances import COMMON
from jmimpute.specification.families import GAUSSIAN as CONTINUOUS
from jmimpute.specification.formula import Formula


def analysis_equations(problem: Problem) -> list[str]:
    """Write an analysis by level, as Raudenbush and Bryk (2002) do.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    list of str
    """
    analysis = problem.analysis
    y = _indexed([analysis.outcome], problem)
    left = {GAUSSIAN: y, BINOMIAL: f"logit P({y})"}.get(analysis.family, f"log E({y})")
    row = _subscript(1, problem)
    residual = f" + e{row},  e{row} ~ N(0, sigma^2)" if analysis.family == GAUSSIAN else ""
    if problem.cluster is None:
        return [f"{left} = {_sum(analysis.formula.common, problem)}{residual}"]
    return _by_level(left, residual, problem)


def imputation_equations(problem: Problem, model: Imputer) -> list[str]:
    """Write an imputation model, one equation a response.

    Parameters
    ----------
    problem : Problem
        All columns of the model are among its columns.
    model : Imputer

    Returns
    -------
    list of str
    """
    row = _subscript(1, problem)
    lines = [_combined(name, formula, f"e{row}", problem, model) for name, formula in model.level1.items()]
    lines += [_combined(name, formula, "v_j", problem, model) for name, formula in model.level2.items()]
    if model.cluster is None:
        return [*lines, f"(all e{row}) ~ N(0, Omega_e)"]
    shared = model.specification.covariance == COMMON
    lines.append(f"(all e{row}) ~ N(0, Omega_e), the same in all clusters" if shared else f"(all e{row}) ~ N(0, Omega_e,j)")
    return [*lines, f"({'all u_j and v_j' if model.level2 else 'all u_j'}) ~ N(0, Omega_u)"]


def _by_level(left: str, residual: str, problem: Problem) -> list[str]:
    """Equations of a two-level analysis: coefficients b of clusters, what these depend on, g, and random effects, u."""
    formula = problem.analysis.formula
    first, second, effects = [], [], []
    for k, (own, predictors) in enumerate(_coefficients(problem).items()):
        is_fixed, is_random = _is_in(own, formula.common), _is_in(own, formula.random)
        if not (predictors or is_fixed or is_random):  # a model without a constant
            continue
        coefficient = f"b{k}_j" if predictors or is_random else f"b{k}"
        first.append(f"{coefficient} {_indexed(own, problem)}".rstrip())
        if predictors or is_random:
            parts = [f"g{k}0"] if is_fixed else []
            parts += [f"g{k}{i} {_indexed(factors, problem)}" for i, factors in enumerate(predictors, start=1)]
            effect = [f"u{k}_j"] if is_random else []
            effects += effect
            second.append(f"{coefficient} = {' + '.join(parts + effect)}")
    second.append(f"({', '.join(effects)}) ~ N(0, T)" if len(effects) > 1 else f"{effects[0]} ~ N(0, tau^2)")
    return [*_labelled("Level 1", [f"{left} = {' + '.join(first)}{residual}"]), *_labelled("Level 2", second)]


def _coefficients(problem: Problem) -> dict[tuple[Part, ...], list[tuple[Part, ...]]]:
    """What is multiplied by a coefficient at level 1, and what of level 2 the coefficient depends on."""
    found: dict[tuple[Part, ...], list[tuple[Part, ...]]] = {(): []}
    for term in problem.analysis.terms:
        own = tuple(part for part in term.parts if problem.level(part) == 1)
        of_clusters = tuple(part for part in term.parts if problem.level(part) == 2)
        found.setdefault(own, []).extend([of_clusters] if of_clusters else [])
    for term in problem.analysis.slopes:
        found.setdefault(term.parts, [])
    return found


def _is_in(parts: tuple[Part, ...], side: str | None) -> bool:
    """Whether a term, the constant if it has no part, is in a side of a formula."""
    return parts in [term.parts for term in terms(side)] if parts else has_intercept(side)


def _combined(name: str, formula: Formula, residual: str, problem: Problem, model: Imputer) -> str:
    """The equation of a response with the coefficients of both levels and its random effects."""
    left = _indexed([Part(name, (name,))], problem)
    left = left if model.variables[name].family == CONTINUOUS else f"latent({left})"
    random = ["u0_j"] if has_intercept(formula.random) else []
    random += [f"u{k}_j {_indexed(term.parts, problem)}" for k, term in enumerate(terms(formula.random), start=1)]
    return f"{left} = {' + '.join([_sum(formula.common, problem), *random, residual])}"


def _sum(side: str, problem: Problem) -> str:
    """The fixed part of an equation."""
    numbered = [f"b{k} {_indexed(term.parts, problem)}" for k, term in enumerate(terms(side), start=1)]
    return " + ".join([*(["b0"] if has_intercept(side) else []), *numbered])


def _labelled(label: str, lines: list[str]) -> list[str]:
    return [f"{label if k == 0 else '':<9}{line}" for k, line in enumerate(lines)]


def _indexed(parts: Sequence[Part], problem: Problem) -> str:
    """Parts side by side, each with the subscript of its level unless its name ends with that."""
    written = []
    for part in parts:
        subscript = _subscript(problem.level(part), problem)
        written.append(part.text if part.text.endswith(subscript) else part.text + subscript)
    return " ".join(written)


def _subscript(level: int, problem: Problem) -> str:
    return "_i" if problem.cluster is None else {1: "_ij", 2: "_j"}[level]

"""Rules about variables: each of the analysis is in the imputation model, at its level, and as what it is."""

from collections.abc import Iterator

from jmimpute.errors import some
from jmimpute.specification.advice.columns import NUMBER
from jmimpute.specification.advice.findings import ERROR, NOTE, WARNING, Finding
from jmimpute.specification.advice.imputer import Imputer
from jmimpute.specification.advice.problem import BINOMIAL, GAUSSIAN, Problem
from jmimpute.specification.families import GAUSSIAN as CONTINUOUS

#: Share of the variance between clusters from which the cluster means of a covariate are worth a thought.
BETWEEN = 0.05


def absent(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Each variable of the analysis has a place in the imputation model."""
    known = {name for formulas in (model.level1, model.level2) for formula in formulas.values() for name in formula.columns}
    for name in problem.analysis.columns:
        column = problem.columns[name]
        if name in problem.means or name in model.variables:
            continue
        if column.is_incomplete and name in known:
            yield Finding(
                *(ERROR, "variable", name),
                f"it is a covariate of level 2, whose empty cells in {column.missing} row(s) stay empty.",
                "Make it a level-2 response: known values are carried to the other rows of a cluster.",
            )
        elif column.is_incomplete:
            yield Finding(
                *(ERROR, "variable", name),
                f"it is not in the imputation model, so that {column.missing} row(s) stay incomplete.",
                f"Make it a response at level {column.level}.",
            )
        elif name not in known:
            yield Finding(
                *(ERROR, "variable", name),
                "it is not in the imputation model, so that what is imputed is unrelated to it, given the rest, and the "
                "associations of the analysis are pulled towards zero.",
                "Make it a covariate or a response.",
            )


def unrelated(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Each response has all complete variables of the analysis as covariates, unless they are responses too."""
    outcomes = problem.analysis.outcomes
    for name, formula in model.level1.items():
        if name not in problem.analysis.columns or not (name in outcomes or problem.columns[name].is_incomplete):
            continue
        for other in problem.analysis.columns:
            if other in model.covariates and other not in (*formula.columns, *problem.means):
                yield Finding(
                    *(ERROR if {name, other} & set(outcomes) else WARNING, "covariate", name),
                    f"{other} is a covariate of other responses but not of this one, so that the two are unrelated given the "
                    "rest.",
                    f"Add {other} to its formula, unless you know that this is so.",
                )
    for name, formula in model.level2.items():
        if name not in problem.analysis.columns:
            continue
        for other in problem.analysis.columns:
            if other in model.variables or other in problem.means or other in formula.columns:
                continue
            if problem.columns[other].level == 2:
                yield Finding(
                    *(ERROR if other in outcomes else WARNING, "covariate", name),
                    f"{other}, of level 2, is not among its covariates.",
                    f"Add {other} to its level-2 formula.",
                )
            elif other in outcomes:
                yield Finding(
                    *(ERROR, "covariate", name),
                    f"the outcome {other} is a covariate of level 1, which says nothing about a variable of clusters.",
                    f"Make {other} a response: its random effects are correlated with {name}.",
                )


def misplaced(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """A variable of clusters is imputed once for each cluster."""
    for name in problem.analysis.columns:
        if name in model.level1 and problem.columns[name].level == 2:
            yield Finding(
                *(ERROR, "level", name),
                f"it does not vary within {problem.cluster}, but is a response of level 1: imputed values would.",
                "Make it a level-2 response.",
            )


def mistaken(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """A response is imputed as what the analysis takes it for."""
    factors = {name for term in problem.analysis.terms for part in term.parts if part.is_factor for name in part.columns}
    for name in problem.analysis.columns:
        if name not in model.variables or model.variables[name].family != CONTINUOUS:
            continue
        column = problem.columns[name]
        is_events = problem.analysis.family == BINOMIAL and name in problem.analysis.outcomes
        if is_events and not problem.analysis.outcome.is_function:
            yield Finding(
                *(ERROR, "family", name),
                "the analysis takes it as binary, the imputation model as continuous: imputed values are neither of the two.",
                f"Say families={{{name!r}: 'binary'}}.",
            )
        elif name in factors:
            kind = "binary" if column.n_values == 2 else "nominal"
            yield Finding(
                *(ERROR, "family", name),
                "the analysis takes its values as categories, the imputation model as continuous.",
                f"Say families={{{name!r}: {kind!r}}}.",
            )
        elif column.kind == NUMBER and column.n_values == 2:
            yield Finding(
                *(WARNING, "family", name),
                "it has two values, and is imputed as continuous.",
                f"Say families={{{name!r}: 'binary'}}.",
            )


def manifest_means(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Means of what is observed are computed again from completed tables."""
    for mean, name in problem.means.items():
        used = mean in model.variables or mean in model.covariates
        yield Finding(
            *(WARNING, "cluster mean", mean),
            f"it holds the cluster means of the observed values of {name}, which is incomplete"
            + (", and is in the imputation model." if used else "."),
            ("Leave it out of the model. " if used else "")
            + f"The random effects of {name} stand for its means; compute the column again in each completed table.",
        )


def outcome_of_clusters(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """An outcome that does not vary within clusters has nothing to do in an analysis of rows."""
    for name in problem.analysis.outcomes:
        if problem.columns[name].level == 2:
            yield Finding(
                *(WARNING, "outcome", name),
                f"the outcome does not vary within {problem.cluster}, so that a random intercept explains all of it.",
                "Impute with all rows, and analyse completed tables with one row a cluster, without the grouping term.",
            )


def outcome_between(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """A complete continuous outcome is a response if there are clusters."""
    outcomes = problem.analysis.outcomes
    if problem.cluster is None or problem.analysis.family != GAUSSIAN:
        return
    for name in outcomes:
        column = problem.columns[name]
        if name in model.covariates and column.is_measured and column.level == 1:
            yield Finding(
                *(WARNING, "outcome", name),
                "the complete outcome is a covariate, so that its relation with what is imputed is taken to be the same within "
                "and between clusters.",
                f"Put {problem.analysis.outcome.text} into a column of its own, and make that a response."
                if problem.analysis.outcome.is_function
                else "Make it a response.",
            )


def contexts(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Covariates of level 1 may relate to responses otherwise between clusters than within."""
    analysis = problem.analysis
    if problem.cluster is None or not any(map(problem.is_imputed, analysis.formula.columns)):
        return
    means = [name for name in analysis.columns if problem.columns[name].level == 2 and problem.columns[name].is_measured]
    found = []
    for name in analysis.formula.columns:
        column = problem.columns[name]
        if name in model.covariates and column.level == 1 and column.is_measured and problem.share_between(name) > BETWEEN:
            found += [] if any(problem.is_mean(mean, name) for mean in means) else [name]
    if not found:
        return
    name = found[0]
    yield Finding(
        *(NOTE, "context", some(found, 20)),
        "as complete covariates of level 1 they are taken to have the same relation with what is imputed within and between "
        "clusters; responses are not.",
        f"If clusters differ much in them, add their cluster means, such as data['{name}_mean'] = "
        f"data.groupby({problem.cluster!r})[{name!r}].transform('mean'), to the formulas of both levels.",
    )

"""Rules about structure: clusters, slopes, products and curves of an analysis have their like in the imputation model."""

from collections.abc import Iterator

from jmimpute.errors import some
from jmimpute.specification.advice.findings import ERROR, NOTE, WARNING, Finding
from jmimpute.specification.advice.imputer import Imputer
from jmimpute.specification.advice.problem import Problem
from jmimpute.specification.advice.spread import spread
from jmimpute.specification.advice.terms import Part, Term
from jmimpute.specification.covariances import CLUSTER_SPECIFIC, COMMON, RANDOM
from jmimpute.specification.families import GAUSSIAN
from jmimpute.specification.notes import FEW

#: What imputes products and curves exactly, in words.
COMPATIBLE = "a program for substantive-model-compatible imputation"
MONOTONE = ("log", "log1p", "sqrt", "exp")


def clustering(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """The imputation model has the clusters of the analysis, and random intercepts."""
    if problem.cluster is None:
        return
    if model.cluster != problem.cluster:
        has = f"groups by {model.cluster}" if model.cluster else "has no clusters"
        yield Finding(
            *(ERROR, "clusters", problem.cluster),
            f"the analysis groups by it, the imputation model {has}: variances between clusters are pulled towards zero.",
            f"Add (1 | {problem.cluster}) to the formulas.",
        )
        return
    for name in model.level1:
        if name in problem.analysis.columns and problem.columns[name].level == 1 and not model.has_random_intercept(name):
            yield Finding(
                *(ERROR, "clusters", name),
                f"it has no random intercept of {problem.cluster}, so that clusters are imputed as if they had the same level.",
                f"Add (1 | {problem.cluster}) to its formula.",
            )


def slopes(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """A random slope of the analysis is one of the imputation model or, for a response, a covariance matrix that varies."""
    outcomes = [name for name in problem.analysis.outcomes if name in model.level1]
    if problem.cluster is None or model.cluster is None or not outcomes:
        return
    for term in problem.analysis.slopes:
        if all(problem.level(part) == 2 for part in term.parts):
            yield Finding(
                *(WARNING, "slope", term.text),
                f"it does not vary within {problem.cluster}, so that clusters have no slope of it.",
                "Leave it out of the random part of the analysis.",
            )
        elif model.has_modelled(term):
            yield _slope_of_response(term, model)
        elif model.is_given(term):
            yield from (_missing_slope(name, term, problem) for name in outcomes if not model.has_slope(name, term.text))
            yield from (_uncorrelated(name, term) for name in outcomes if model.level1[name].uncorrelated)


def _slope_of_response(term: Term, model: Imputer) -> Finding:
    if model.specification.covariance == COMMON:
        return Finding(
            *(ERROR, "slope", term.text),
            "its slope varies between clusters, but it is a response, whose relation with the outcome is the same in all "
            "clusters if they share a covariance matrix: the variance of the slope is pulled towards zero.",
            "Say covariance='random'; a complete variable may be a covariate with a random slope instead.",
        )
    return Finding(
        *(WARNING, "slope", term.text),
        "its slope varies between clusters and it is a response. Covariance matrices of clusters let the slope vary, but not "
        "with the distribution, normal and correlated with the intercept, that the analysis assumes: congenial only roughly.",
        f"See how results compare with those of {COMPATIBLE} if the slope variance matters.",
    )


def _missing_slope(name: str, term: Term, problem: Problem) -> Finding:
    return Finding(
        *(ERROR, "slope", term.text),
        f"the analysis has a random slope of it, the imputation model of {name} has none: its variance is pulled towards zero.",
        f"Write (1 + {term.text} | {problem.cluster}) in the formula of {name}.",
    )


def _uncorrelated(name: str, term: Term) -> Finding:
    return Finding(
        *(NOTE, "slope", term.text),
        f"its random slope for {name} is uncorrelated with the intercept ('||'), which the analysis does not assume.",
        "With enough clusters write '|'.",
    )


def given_terms(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Products and functions of covariates are in the formulas of what depends on them."""
    for term in problem.analysis.terms:
        if term.is_column or not model.is_given(term) or model.has_modelled(term):
            continue
        targets = [name for name in problem.analysis.outcomes if name in model.level1]
        severity = ERROR if targets else WARNING
        targets = targets or [name for name in problem.analysis.columns if name in model.level1 and problem.is_imputed(name)]
        for name in targets:
            if not set(term.columns) <= set(model.level1[name].columns) or model.has_fixed(name, term.text):
                continue
            yield Finding(
                *(severity, "interaction" if term.is_product else "curve", term.text),
                f"the analysis has this term, the imputation model of {name} has not: it is pulled towards zero.",
                f"Add {term.text} to the formula of {name}.",
            )


def products(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Products with a response, which a multivariate normal model does not have."""
    for term in problem.analysis.terms:
        if term.is_product and model.has_modelled(term):
            yield _product(term, problem, model)


def _product(term: Term, problem: Problem, model: Imputer) -> Finding:
    modelled = [part for part in term.parts if model.has_modelled(part)]
    given = [part for part in term.parts if not model.has_modelled(part)]
    outcomes = problem.analysis.outcomes
    if given and len(modelled) == 1 and all(name in model.covariates for name in outcomes):
        return _reversed_product(term, modelled[0], given, problem, model)
    levels = {problem.level(part) for part in modelled}
    targets = [name for name in outcomes if name in model.level1]
    if levels == {2} and targets and given and all(problem.level(part) == 1 for part in given):
        return _slope_on_level_2(term, given, targets, problem, model)
    if targets and 1 in levels and len({problem.level(part) for part in term.parts}) > 1:
        return _cross_level(term, model)
    return Finding(
        *(WARNING, "interaction", term.text),
        "it is the product of a response, which no multivariate normal model has: imputed values take part in it as if it were "
        "zero, and its estimate is pulled there.",
        _remedy(given, problem),
    )


def _reversed_product(term: Term, part: Part, given: list[Part], problem: Problem, model: Imputer) -> Finding:
    """With the outcome as a covariate: where the effect of x depends on w, the relation of x with the outcome does."""
    needed = ":".join([problem.analysis.outcome.text, *(other.text for other in given)])
    targets = [name for name in part.columns if name in model.level1]
    if targets and all(model.has_fixed(name, needed) for name in targets):
        return Finding(
            *(WARNING, "interaction", term.text),
            f"it is the product of a response. The product {needed} among the covariates of {some(targets)} stands for it; "
            "congenial only roughly.",
            _remedy(given, problem),
        )
    return Finding(
        *(ERROR, "interaction", term.text),
        f"it is the product of a response, and {some(targets)} has no covariate {needed}: it is pulled towards zero.",
        f"Add {needed} to that formula.",
    )


def _slope_on_level_2(term: Term, given: list[Part], targets: list[str], problem: Problem, model: Imputer) -> Finding:
    """Where the slope of complete x depends on incomplete w of level 2, the random slope of x is correlated with w."""
    needed = ":".join(part.text for part in given)
    if all(model.has_slope(name, needed) for name in targets):
        return Finding(
            *(NOTE, "interaction", term.text),
            f"the imputation model has it as the covariance between the random slope of {needed} and the level-2 response.",
            "There is nothing to do.",
        )
    return Finding(
        *(ERROR, "interaction", term.text),
        f"it is the product of a level-2 response, and there is no random slope of {needed} that could depend on it: it is "
        "pulled towards zero.",
        f"Write (1 + {needed} | {problem.cluster}) in the formula of {some(targets)}.",
    )


def _cross_level(term: Term, model: Imputer) -> Finding:
    if model.specification.covariance == COMMON:
        return Finding(
            *(ERROR, "interaction", term.text),
            "the slope of a response of level 1 depends on a variable of level 2, but clusters share a covariance matrix, and "
            "with it the slope: the product is pulled towards zero.",
            "Say covariance='random'.",
        )
    return Finding(
        *(WARNING, "interaction", term.text),
        "the slope of a response of level 1 depends on a variable of level 2. Covariance matrices of clusters let the slope "
        "vary, but not with that variable: the product is still pulled towards zero, the more so the fewer rows a cluster has.",
        f"Imputing groups of clusters with similar values of that variable apart helps, or {COMPATIBLE}.",
    )


def curves(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Functions of a response, of which a multivariate normal model has none."""
    parts = {part.text: part for term in problem.analysis.terms for part in term.parts}
    outcome = problem.analysis.outcome
    plain = {name for term in problem.analysis.terms for part in term.parts if not part.is_function for name in part.columns}
    for part in (*parts.values(), outcome):
        if not any(problem.is_imputed(name) for name in part.columns if name in model.variables) or not problem.is_curved(part):
            continue
        if part.text.startswith(tuple(f"{name}(" for name in MONOTONE)) and not plain & set(part.columns):
            advice = (
                "Impute what is analysed: put it into a column of its own, and name that in both models in place of "
                f"{some(part.columns)}."
            )
        else:
            advice = f"Look whether the curve is strong in complete rows; if so, use {COMPATIBLE}."
        yield Finding(
            *(WARNING, "curve", part.text),
            f"it is a function of a response, but {some(part.columns)} is imputed as if relations were straight lines.",
            advice,
        )


def covariances(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """Level-1 covariance matrices suit the clusters."""
    specification = model.specification
    if model.cluster is None or specification.covariance == COMMON:
        yield from _unequal(problem, model)
    elif specification.covariance == CLUSTER_SPECIFIC:
        for name in problem.analysis.columns:
            lacking = problem.columns[name].lacking
            if name in model.level1 and lacking and problem.cluster == model.cluster:
                yield Finding(
                    *(WARNING, "covariance", name),
                    f"it is systematically missing in {len(lacking)} cluster(s), of whose own covariance matrices nothing is "
                    f"known: {some(lacking)}.",
                    "Say covariance='random', by which clusters borrow from each other.",
                )
    elif specification.covariance == RANDOM and specification.n_clusters < 2 * FEW:
        yield Finding(
            *(WARNING, "covariance", str(model.cluster)),
            f"{specification.n_clusters} clusters say little about how their covariance matrices differ.",
            "See how much results depend on the prior of Omega_e.",
        )


def _unequal(problem: Problem, model: Imputer) -> Iterator[Finding]:
    if problem.cluster is None or problem.cluster != model.cluster:
        return
    for name in problem.analysis.columns:
        if name not in model.level1 or model.variables[name].family != GAUSSIAN or problem.columns[name].level == 2:
            continue
        found = spread(name, model.level1[name], problem.frame, problem.clusters)
        if found and found.is_large:
            yield Finding(
                *(WARNING, "covariance", name),
                f"its residual SD differs between clusters, by about {found.sd:.0%} (SD of its logarithm over {found.clusters} "
                f"clusters {found.sd:.2f}), but clusters share a covariance matrix.",
                "Say covariance='random'.",
            )


def size(problem: Problem, model: Imputer) -> Iterator[Finding]:
    """There are several clusters for each random effect."""
    d, n_clusters = model.specification.layout.dim_u, model.specification.n_clusters
    if not d or n_clusters >= FEW * d:
        return
    yield Finding(
        *(WARNING, "size", str(model.cluster)),
        f"{n_clusters} clusters say little about the {d} x {d} covariance matrix of random effects and level-2 responses.",
        "Fewer auxiliary variables or slopes, or '||' in place of '|', would help; see how much results depend on its prior.",
    )


def _remedy(given: list[Part], problem: Problem) -> str:
    """What can be done about the product of a response with complete parts."""
    groups = [part.text for part in given if all(not problem.columns[name].is_measured for name in part.columns)]
    if groups:
        return f"Impute the groups of {some(groups)} apart, each with its own model, or use {COMPATIBLE}."
    return f"If the product matters, use {COMPATIBLE}."

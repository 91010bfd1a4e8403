"""Proposals: formulas, families and covariance structure of an imputation model, each decision with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jmimpute.errors import some
from jmimpute.specification.advice.columns import NUMBER, TEXT, Column
from jmimpute.specification.advice.problem import Problem
from jmimpute.specification.advice.roles import Reason, Roles, assign
from jmimpute.specification.advice.spread import spread
from jmimpute.specification.advice.terms import Term, column_term, quoted
from jmimpute.specification.covariances import COMMON, RANDOM
from jmimpute.specification.families import BINARY, NOMINAL, ORDINAL
from jmimpute.specification.formula import parse
from jmimpute.specification.specify import Specification, specify

#: Whole numbers of a covariate that are taken for codes of ordered categories, and up to which that is worth a thought.
CODES, MANY_CODES = 4, 7
#: Clusters for each random effect below which correlations of slopes with intercepts are left out.
FEWEST = 2


@dataclass(frozen=True)
class Proposal:
    """An imputation model and why it is as it is.

    Attributes
    ----------
    formulas, level2 : tuple of str
    families : dict of str to str
    covariance : str
    reasons : tuple of Reason
    """

    formulas: tuple[str, ...]
    level2: tuple[str, ...]
    families: dict[str, str] = field(default_factory=dict)
    covariance: str = COMMON
    reasons: tuple[Reason, ...] = ()

    @property
    def arguments(self) -> dict:
        """Arguments of `JointModel`, those that are at their defaults left out."""
        found: dict = {"formulas": self.formulas[0] if len(self.formulas) == 1 else list(self.formulas)}
        if self.families:
            found["families"] = dict(self.families)
        if self.level2:
            found["level2"] = self.level2[0] if len(self.level2) == 1 else list(self.level2)
        if self.covariance != COMMON:
            found["covariance"] = self.covariance
        return found

    def specify(self, problem: Problem) -> Specification:
        """Make its specification, which refuses a model that cannot be.

        Parameters
        ----------
        problem : Problem
        """
        return specify(
            list(self.formulas),
            problem.frame,
            self.families,
            level2=list(self.level2) or None,
            covariance=self.covariance,
        )


def propose(problem: Problem) -> Proposal:
    """Propose an imputation model.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Proposal
    """
    roles = assign(problem)
    slopes, why_slopes = _slopes(problem, roles)
    families, why_families = _families(problem, roles)
    fixed, why_fixed = _fixed(problem, roles)
    formulas = _formulas(problem, roles, fixed, slopes, "|")
    covariance, why_covariance = _covariance(problem, roles, formulas, families)
    reasons = (*roles.reasons, *why_fixed, *_intercepts(problem), *why_slopes, *why_families, why_covariance)
    proposal = Proposal(formulas, _level2(problem, roles, fixed), families, covariance, reasons)
    return _thinned(proposal, problem, _formulas(problem, roles, fixed, slopes, "||")) if slopes else proposal


def _fixed(problem: Problem, roles: Roles) -> tuple[list[Term], list[Reason]]:
    """Terms of the analysis that covariates make up, and for the outcome, if it is one, its products."""
    given, analysis = set(roles.given), problem.analysis
    kept = [term for term in analysis.terms if given.issuperset(term.columns)]
    reasons = []
    shaped = [term.text for term in kept if not term.is_column]
    if shaped:
        reasons.append(Reason(f"{some(shaped, 20)} in the formula", "terms of the analysis that complete variables make up."))
    if given.issuperset(analysis.outcomes):
        kept = [Term((analysis.outcome,)), *kept]
        reversed_products = _reversed_products(problem, roles)
        kept += reversed_products
        reasons += [
            Reason(
                f"{term.text} in the formula",
                "where the effect of an incomplete variable on the outcome depends on another, so does its relation with the "
                "outcome (Tilling et al. 2016).",
            )
            for term in reversed_products
        ]
    covered = {name for term in kept for name in term.columns}
    return [*kept, *(column_term(name) for name in roles.given if name not in covered)], reasons


def _reversed_products(problem: Problem, roles: Roles) -> list[Term]:
    """Products of the outcome with what an incomplete variable is multiplied by."""
    found = {}
    for term in problem.analysis.terms:
        others = tuple(part for part in term.parts if set(roles.given).issuperset(part.columns))
        if others and len(others) == len(term.parts) - 1:
            product = Term((problem.analysis.outcome, *others))
            found[product.text] = product
    return list(found.values())


def _slopes(problem: Problem, roles: Roles) -> tuple[list[Term], list[Reason]]:
    """Random slopes of the outcome: of complete covariates, also where they depend on an incomplete variable of clusters."""
    given = set(roles.given)
    if problem.cluster is None or not set(roles.level1) & set(problem.analysis.outcomes):
        return [], []
    found, reasons = {}, []
    for term in problem.analysis.slopes:
        if given.issuperset(term.columns) and any(problem.level(part) == 1 for part in term.parts):
            found[term.text] = term
            reasons.append(Reason(f"a random slope of {term.text}", "the analysis has it. Only the outcome needs it."))
    for term in problem.analysis.terms:
        own = tuple(part for part in term.parts if given.issuperset(part.columns))
        others = [name for part in term.parts if part not in own for name in part.columns]
        slope = Term(own)
        if not own or not others or not set(roles.level2).issuperset(others) or slope.text in found:
            continue
        if all(problem.level(part) == 1 for part in own):
            found[slope.text] = slope
            why = f"it is correlated with {some(others)}, which is how {term.text} gets into imputations."
            reasons.append(Reason(f"a random slope of {slope.text}", why))
    return list(found.values()), reasons


def _formulas(problem: Problem, roles: Roles, fixed: Sequence[Term], slopes: Sequence[Term], bar: str) -> tuple[str, ...]:
    """Formulas of level 1: one for the outcome if it has random slopes, and one for the others."""
    right = " + ".join(term.text for term in fixed) or "1"
    cluster = problem.cluster and quoted(problem.cluster)
    with_slopes = [name for name in roles.level1 if slopes and name in problem.analysis.outcomes]
    others = [name for name in roles.level1 if name not in with_slopes]
    found = []
    for names, columns in ((with_slopes, slopes), (others, ())):
        if names:
            random = " + ".join(["1", *(term.text for term in columns)])
            left = " + ".join(map(quoted, names))
            found.append(f"{left} ~ {right}" + (f" + ({random} {bar if columns else '|'} {cluster})" if cluster else ""))
    return tuple(found)


def _level2(problem: Problem, roles: Roles, fixed: Sequence[Term]) -> tuple[str, ...]:
    if not roles.level2:
        return ()
    own = [term.text for term in fixed if all(problem.columns[name].level == 2 for name in term.columns)]
    return (f"{' + '.join(map(quoted, roles.level2))} ~ {' + '.join(own) or '1'}",)


def _intercepts(problem: Problem) -> list[Reason]:
    if problem.cluster is None:
        return []
    return [
        Reason(
            f"(1 | {problem.cluster}) for every response",
            "clusters differ in their levels. Random intercepts are correlated, so that relations between clusters may differ "
            "from those within, and so that what a cluster lacks altogether is imputed from what else is known of it.",
        )
    ]


def _families(problem: Problem, roles: Roles) -> tuple[dict[str, str], list[Reason]]:
    """Families where what the package would infer is not right, or cannot be inferred."""
    families, reasons = {}, []
    for name in (*roles.level1, *roles.level2):
        family, why = _family(problem.columns[name], problem)
        if family:
            families[name] = family
        if why:
            reasons.append(Reason(f"{name} is {family or 'gaussian'}", why))
    return families, reasons


def _family(column: Column, problem: Problem) -> tuple[str | None, str | None]:
    """The family of a response, None if it is inferred rightly, and why."""
    name = column.name
    is_outcome = name in problem.analysis.outcomes
    factors = {c for term in problem.analysis.terms for part in term.parts if part.is_factor for c in part.columns}
    if column.kind == TEXT:
        return (
            (BINARY, "it holds two texts.")
            if column.n_values == 2
            else (
                NOMINAL,
                f"it holds {column.n_values} texts, whose order, if they have one, is not known. If they have, give it: "
                f"families={{{name!r}: jm.families.ordinal(levels=[...])}}.",
            )
        )
    if column.kind != NUMBER:
        return None, None
    if column.n_values == 2:
        return BINARY, "it has two values."
    if name in factors:
        return NOMINAL, f"the analysis takes its {column.n_values} values as categories."
    if is_outcome or not column.is_whole or column.n_values > MANY_CODES:
        return None, None
    if column.n_values <= CODES:
        return ORDINAL, (
            f"{column.n_values} whole numbers look like codes of ordered categories, and imputed values will be such codes. If "
            "they are measurements, or the analysis should see values in between, drop the family."
        )
    return None, (
        f"{column.n_values} whole numbers serve well as continuous in most analyses. If imputed values must be among them, say "
        "'ordinal'."
    )


def _covariance(problem: Problem, roles: Roles, formulas: Sequence[str], families: dict[str, str]) -> tuple[str, Reason]:
    """The first of the rules that has something to say."""
    for rule in (_random_slopes, _cross_level, _unequal):
        why = rule(problem, roles, formulas, families)
        if why:
            return RANDOM, Reason("covariance='random'", why)
    if problem.cluster is None:
        return COMMON, Reason("a single level", "the analysis has no clusters.")
    return COMMON, Reason("covariance='common'", "nothing in the analysis asks for covariances that differ between clusters.")


def _random_slopes(problem: Problem, roles: Roles, formulas: Sequence[str], families: dict[str, str]) -> str | None:
    responses = set(roles.level1)
    if not responses & set(problem.analysis.outcomes):
        return None
    found = [term.text for term in problem.analysis.slopes if responses & set(term.columns)]
    if not found:
        return None
    return (
        f"the slope of {some(found)} varies between clusters and it is a response. With one matrix for all clusters its slope "
        "would be the same in all (Yucel 2011; Enders, Mistler and Keller 2016)."
    )


def _cross_level(problem: Problem, roles: Roles, formulas: Sequence[str], families: dict[str, str]) -> str | None:
    if not set(roles.level1) & set(problem.analysis.outcomes):
        return None
    for term in problem.analysis.terms:
        levels = {problem.level(part) for part in term.parts}
        if len(levels) > 1 and any(set(roles.level1) & set(part.columns) for part in term.parts):
            return f"{term.text} says that the slope of an incomplete variable differs between clusters."
    return None


def _unequal(problem: Problem, roles: Roles, formulas: Sequence[str], families: dict[str, str]) -> str | None:
    if problem.cluster is None:
        return None
    for text in formulas:
        formula = parse(text, list(problem.frame.columns))
        for name in (response.strip("`") for response in formula.responses):
            column = problem.columns[name]
            if name not in problem.analysis.columns or not column.is_measured or name in families:
                continue
            found = spread(name, formula, problem.frame, problem.clusters)
            if found and found.is_large:
                return (
                    f"the residual SD of {name} differs between clusters by about {found.sd:.0%} (SD of its logarithm over "
                    f"{found.clusters} clusters {found.sd:.2f}, p = {found.p_value:.1g}), and that of imputed values should."
                )
    return None


def _thinned(proposal: Proposal, problem: Problem, formulas: tuple[str, ...]) -> Proposal:
    """With very few clusters, random slopes that are not correlated with intercepts."""
    d, n_clusters = proposal.specify(problem).layout.dim_u, len(problem.clusters.labels)
    if n_clusters >= FEWEST * d:
        return proposal
    reason = Reason("'||' in place of '|'", f"{n_clusters} clusters cannot tell {d * (d + 1) // 2} elements of Omega_u.")
    return replace(proposal, formulas=formulas, reasons=(*proposal.reasons, reason))

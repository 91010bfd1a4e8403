"""Check: whether an imputation model has all that an analysis is about, and whether data can identify it."""

from dataclasses import dataclass

import pandas as pd

from jmimpute.errors import FormulaError
from jmimpute.specification.advice import structure_rules, variable_rules
from jmimpute.specification.advice.findings import ERROR, NOTE, SEVERITIES, WARNING, Finding, as_html, block
from jmimpute.specification.advice.identifiability import Identifiability, identifiability
from jmimpute.specification.advice.imputer import imputer
from jmimpute.specification.advice.problem import Problem, read_problem
from jmimpute.specification.specify import Specification

#: Functions of a problem and an imputation model that yield findings.
RULES = (
    variable_rules.absent,
    variable_rules.unrelated,
    variable_rules.misplaced,
    variable_rules.mistaken,
    variable_rules.manifest_means,
    variable_rules.outcome_of_clusters,
    variable_rules.outcome_between,
    structure_rules.clustering,
    structure_rules.slopes,
    structure_rules.given_terms,
    structure_rules.products,
    structure_rules.curves,
    structure_rules.covariances,
    structure_rules.size,
    variable_rules.contexts,
)

_TITLES = {ERROR: "Errors: the analysis would be biased", WARNING: "Warnings", NOTE: "Notes"}


@dataclass(frozen=True, repr=False)
class Check:
    """Whether imputations of a model suit an analysis, and data its selection submodels. Made by `JointModel.check`.

    Attributes
    ----------
    analysis : str or None
        Formula of the analysis.
    findings : tuple of Finding
        On the analysis, worst first; each has a ``severity`` ("error", "warning" or "note"), the ``term`` that it is about, and
        says ``what`` is wrong and, as ``advice``, what to do.
    identifiability : Identifiability or None
        Whether data can tell rho of selection submodels; None without any. Has findings of its own.
    """

    analysis: str | None
    findings: tuple[Finding, ...]
    identifiability: Identifiability | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error; rho may still be weakly identified, see ``identifiability.ok``."""
        own = () if self.identifiability is None else self.identifiability.findings
        return not any(finding.severity == ERROR for finding in (*self.findings, *own))

    def __str__(self) -> str:
        """Say what was found, worst first."""
        parts = [] if self.analysis is None else [self._on_analysis()]
        return "\n\n".join([*parts, *([] if self.identifiability is None else [str(self.identifiability)])])

    def _on_analysis(self) -> str:
        lacking = any(finding.severity == ERROR for finding in self.findings)
        verdict = {False: "has what the analysis needs", True: "lacks something that the analysis needs"}[lacking]
        parts = [f"The imputation model {verdict}: {self.analysis}"]
        for severity in SEVERITIES:
            own = [str(finding) for finding in self.findings if finding.severity == severity]
            parts.append(block(_TITLES[severity], own))
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(str(self))


def check(specification: Specification, frame: pd.DataFrame, analysis: str | None = None, family: str = "gaussian") -> Check:
    """Check an imputation model against an analysis, and its selection submodels against the data.

    Parameters
    ----------
    specification : Specification
    frame : pandas.DataFrame
        The table that it was made of.
    analysis : str, optional
        Formula of the analysis.
    family : {"gaussian", "binomial", "poisson"}
        Of the outcome.

    Returns
    -------
    Check

    Raises
    ------
    FormulaError, TableError
        If there is neither an analysis nor a selection submodel; see `jmimpute.specification.advice.problem.read_problem`.
    """
    if analysis is None and not specification.selections:
        raise FormulaError(
            "Without an analysis there is nothing to check in this model, which has no selection submodels. Give the formula "
            "of the analysis: model.check('y ~ x + (1 | cluster)')."
        )
    on_analysis = () if analysis is None else findings(read_problem(analysis, frame, family), specification)
    judged = identifiability(specification, analysis, family) if specification.selections else None
    return Check(analysis, on_analysis, judged)


def findings(problem: Problem, specification: Specification) -> tuple[Finding, ...]:
    """Apply all rules.

    Parameters
    ----------
    problem : Problem
    specification : Specification
        Made of the same table.

    Returns
    -------
    tuple of Finding
        Worst first.
    """
    model = imputer(specification, problem.frame)
    found = [finding for rule in RULES for finding in rule(problem, model)]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))

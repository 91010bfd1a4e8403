"""Check: whether an imputation model has all that an analysis is about."""

from dataclasses import dataclass

import pandas as pd

from jmimpute.specification.advice import structure_rules, variable_rules
from jmimpute.specification.advice.findings import ERROR, NOTE, SEVERITIES, WARNING, Finding, as_html, block
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
    """Whether imputations of a model suit an analysis. Made by `JointModel.check`.

    Attributes
    ----------
    analysis : str
        Formula of the analysis.
    findings : tuple of Finding
        Worst first; each has a ``severity`` ("error", "warning" or "note"), the ``term`` that it is about, and says ``what`` is
        wrong and, as ``advice``, what to do.
    """

    analysis: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(finding.severity == ERROR for finding in self.findings)

    def __str__(self) -> str:
        """Say what was found, worst first."""
        verdict = {True: "has what the analysis needs", False: "lacks something that the analysis needs"}[self.ok]
        parts = [f"The imputation model {verdict}: {self.analysis}"]
        for severity in SEVERITIES:
            own = [str(finding) for finding in self.findings if finding.severity == severity]
            parts.append(block(_TITLES[severity], own))
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(str(self))


def check(specification: Specification, frame: pd.DataFrame, analysis: str, family: str = "gaussian") -> Check:
    """Check an imputation model against an analysis.

    Parameters
    ----------
    specification : Specification
    frame : pandas.DataFrame
        The table that it was made of.
    analysis : str
        Formula of the analysis.
    family : {"gaussian", "binomial", "poisson"}
        Of the outcome.

    Returns
    -------
    Check

    Raises
    ------
    FormulaError, TableError
        See `jmimpute.specification.advice.problem.read_problem`.
    """
    return Check(analysis, findings(read_problem(analysis, frame, family), specification))


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

"""Suggest: the imputation model for an analysis model, and why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jmimpute.specification.advice.candidates import candidates, marks, others_of
from jmimpute.specification.advice.check import findings
from jmimpute.specification.advice.equations import analysis_equations, imputation_equations
from jmimpute.specification.advice.findings import NOTE, WARNING, Finding, as_html, block
from jmimpute.specification.advice.imputer import imputer
from jmimpute.specification.advice.problem import POISSON, Problem, read_problem
from jmimpute.specification.advice.proposal import propose
from jmimpute.specification.advice.roles import Reason
from jmimpute.table.reading import read


@dataclass(frozen=True, repr=False)
class Suggestion:
    """An imputation model for an analysis. Made by `suggest`.

    Attributes
    ----------
    analysis : str
        Formula of the analysis.
    arguments : dict
        Arguments of `JointModel`, and of `impute`, but the data: ``jm.JointModel(data=data, **suggestion.arguments)``.
    formulas, level2 : tuple of str
        Formulas of responses of rows and of clusters.
    families : dict of str to str
        Of responses whose dtype does not tell it.
    covariance : {"common", "random"}
        Structure of the level-1 covariance.
    reasons : tuple of Reason
        Each with a ``decision`` and ``why`` it was made.
    equations : str
        Analysis and imputation model, by level.
    findings : tuple of Finding
        What `JointModel.check` finds in the model.
    notes : tuple of str
        What else is worth a thought: auxiliary variables, the missingness mechanism.
    """

    analysis: str
    arguments: dict[str, Any]
    formulas: tuple[str, ...]
    level2: tuple[str, ...]
    families: dict[str, str]
    covariance: str
    reasons: tuple[Reason, ...]
    equations: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where the model is not congenial with the analysis, or rests on little, as texts."""
        return tuple(str(finding) for finding in self.findings if finding.severity == WARNING)

    @property
    def call(self) -> str:
        """The model as Python code, for a table called ``data``."""
        written = {name: json.dumps(value, ensure_ascii=False) for name, value in self.arguments.items()}
        formulas = written.pop("formulas")
        lines = [f"    {formulas},", "    data,", *(f"    {name}={value}," for name, value in written.items())]
        return "\n".join(["model = jm.JointModel(", *lines, ")"])

    def __str__(self) -> str:
        """Show the call, the equations, the reasons, and what to look out for."""
        notes = [*(str(finding) for finding in self.findings if finding.severity == NOTE), *self.notes]
        parts = [
            f"Imputation model for {self.analysis}",
            self.call,
            self.equations,
            block("Why", map(str, self.reasons)),
            block("Warnings", self.warnings),
            block("Notes", notes),
        ]
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(str(self))


def suggest(analysis: str, data: Any, *, auxiliary: Sequence[str] = (), family: str = "gaussian") -> Suggestion:
    """Suggest the imputation model for an analysis model.

    Incomplete variables become responses at their level, complete ones covariates; random slopes, interactions and functions
    of complete variables are taken over; what depends on incomplete ones decides on the structure of the covariance, or leads
    to a warning that the two models are not congenial.

    Parameters
    ----------
    analysis : str
        Formula of the analysis, lme4 style: ``"popular ~ sex * texp + (1 + sex | school)"``.
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One row a unit.
    auxiliary : sequence of str
        Columns that are not in the analysis, but predict what is missing or whether it is.
    family : {"gaussian", "binomial", "poisson"}
        Family of the outcome of the analysis, as in `analyze`.

    Returns
    -------
    Suggestion

    Raises
    ------
    FormulaError
        If the analysis does not parse, has several responses, names unknown columns, or nothing in it is incomplete.
    TableError
        If a column has no observed value, is constant, or cannot be modelled; or the cluster column has missing values.

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils")
    >>> suggestion = jm.suggest("reading ~ motivation + sex + (1 | school)", pupils, auxiliary=["maths"])
    >>> suggestion.formulas
    ('reading + motivation + maths ~ sex + (1 | school)',)
    >>> model = jm.JointModel(data=pupils, **suggestion.arguments)
    """
    problem = read_problem(analysis, read(data).frame, family, auxiliary)
    proposal = propose(problem)
    specification = proposal.specify(problem)
    others = others_of(problem)
    return Suggestion(
        analysis=analysis,
        arguments=proposal.arguments,
        formulas=proposal.formulas,
        level2=proposal.level2,
        families=proposal.families,
        covariance=proposal.covariance,
        reasons=proposal.reasons,
        equations="\n\n".join(
            [
                _indented("Analysis", analysis_equations(problem)),
                _indented(
                    "Imputation model, coefficients and random effects of each response its own",
                    imputation_equations(problem, imputer(specification, problem.frame)),
                ),
            ]
        ),
        findings=findings(problem, specification),
        notes=(*_on_outcome(problem), *marks(problem, others), *candidates(problem, others)),
    )


def _indented(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _on_outcome(problem: Problem) -> list[str]:
    """What imputing an outcome is good for."""
    outcomes = problem.analysis.outcomes
    found = []
    if set(problem.incomplete) <= set(outcomes):
        found.append(
            "Only the outcome is incomplete. If values are missing at random given the covariates, an analysis of the observed "
            "rows is valid as it is; imputations add to it what auxiliary variables know."
        )
    if problem.analysis.family == POISSON and set(problem.incomplete) & set(outcomes):
        found.append("The outcome is a count and is imputed as continuous: look at imputed values below 0 before the analysis.")
    return found

"""Can the data tell rho of a selection model: judged before it is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from jmimpute.specification.advice import identifiability_rules as rules
from jmimpute.specification.advice.findings import ERROR, NOTE, SEVERITIES, WARNING, Finding, as_html, block
from jmimpute.specification.advice.relevance import relevance, rows_of
from jmimpute.specification.rho_densities import suggested_values
from jmimpute.specification.selected import Selected
from jmimpute.specification.specify import Specification

WELL, WEAK, HELD = "well identified", "weak", "held"

#: Functions of a specification, a selection submodel of it and its relevance that yield findings.
RULES = (
    rules.nothing_excluded,
    rules.irrelevant,
    rules.collinear,
    rules.leaks,
    rules.between_groups,
    rules.nested,
    rules.absent,
    rules.untestable,
)


@dataclass(frozen=True, repr=False)
class Identifiability:
    """Whether data can tell the correlation rho of selection submodels. Made by `JointModel.check`.

    An exclusion restriction enters the selection formula and not that of the variable: it acts on *whether* the variable is
    observed, and, given the covariates, not on its *value*. The first is what data show, and is judged here; the second is an
    assumption.

    Attributes
    ----------
    variables : pandas.DataFrame
        A row a variable with a selection submodel, which is the index: ``observed`` and ``missing`` (rows, without clusters
        that lack it altogether), ``exclusion_sd`` (standard deviation over rows of what all exclusion terms add to the probit
        of being observed; 0.2 is little), ``mills_r2`` (R^2 of the inverse Mills ratio on the covariates of the variable, among
        observed rows; above 0.95 a change of rho looks like one of coefficients), ``rho`` (prior) and ``verdict`` ("well
        identified", "weak" or, where rho is a number, "held").
    terms : pandas.DataFrame
        A row an exclusion term: ``variable``, ``term``, ``df``, ``chi2`` and ``p_value`` (Wald; of a crossed factor likelihood
        ratio) and ``sd``.
    clusters : pandas.DataFrame
        A row a variable and cluster: ``variable``, ``cluster``, ``observed``, ``missing`` (rows) and ``systematic`` (whether
        the cluster lacks the variable altogether). Empty without clusters.
    findings : tuple of Finding
        Worst first, as those of a `Check`.
    calls : dict of str to str
        For each variable the call that repeats an analysis over fixed values of rho.
    """

    variables: pd.DataFrame
    terms: pd.DataFrame
    clusters: pd.DataFrame = field(repr=False)
    findings: tuple[Finding, ...]
    calls: dict[str, str]

    @property
    def ok(self) -> bool:
        """Whether no rho is weakly identified; one that is held at a number is not estimated."""
        return not (self.variables["verdict"] == WEAK).any()

    def __str__(self) -> str:
        """Say the verdict for each variable, the numbers behind it, and what was found, worst first."""
        parts = [_paragraph(str(name), row, self.terms, self.calls) for name, row in self.variables.iterrows()]
        titles = {ERROR: "Errors: the exclusion restriction is none", WARNING: "Warnings", NOTE: "Notes"}
        for severity in SEVERITIES:
            parts.append(block(titles[severity], [str(found) for found in self.findings if found.severity == severity]))
        return "\n\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(str(self))


def identifiability(specification: Specification, analysis: str | None = None, family: str = "gaussian") -> Identifiability:
    """Judge the selection submodels of a specification.

    Parameters
    ----------
    specification : Specification
        With selection submodels.
    analysis : str, optional
        Formula of the analysis, for the call that repeats it.
    family : {"gaussian", "binomial", "poisson"}
        Of the analysis.

    Returns
    -------
    Identifiability
    """
    variables, terms, findings = {}, [], []
    for selected in specification.selections:
        name, measured = selected.variable.name, relevance(specification, selected)
        own = [finding for rule in RULES for finding in rule(specification, selected, measured)]
        _, observed = rows_of(specification, selected)
        counts = {"observed": int(observed.sum()), "missing": int((~observed).sum())}
        numbers = {"exclusion_sd": measured.sd, "mills_r2": measured.mills_r2}
        variables[name] = {**counts, **numbers, "rho": str(selected.clause.rho), "verdict": _verdict(selected, own)}
        terms.append(measured.terms.assign(variable=name))
        findings += own
    table = pd.concat(terms, ignore_index=True)
    return Identifiability(
        variables=pd.DataFrame.from_dict(variables, orient="index").rename_axis("variable"),
        terms=table[["variable", *(column for column in table if column != "variable")]],
        clusters=pd.concat([_clusters(specification, selected) for selected in specification.selections], ignore_index=True),
        findings=tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
        calls={selected.variable.name: grid_call(selected, analysis, family) for selected in specification.selections},
    )


def grid_call(selected: Selected, analysis: str | None = None, family: str = "gaussian") -> str:
    """Write the call that repeats an analysis over fixed values of rho.

    Parameters
    ----------
    selected : Selected
    analysis : str, optional
        Formula.
    family : str
    """
    values = ", ".join(f"{value:g}" for value in suggested_values(selected.clause.rho))
    what = "..." if analysis is None else f'"{analysis}"' + ("" if family == "gaussian" else f', family="{family}"')
    return f'jm.sensitivity(model, "{selected.variable.name}", rho=[{values}], analysis={what})'


def _verdict(selected: Selected, findings: Sequence[Finding]) -> str:
    if isinstance(selected.clause.rho, float):
        return HELD
    return WEAK if any(finding.severity != NOTE for finding in findings) else WELL


def _paragraph(name: str, row: pd.Series, terms: pd.DataFrame, calls: dict[str, str]) -> str:
    """Verdict and numbers of one variable."""
    own = terms[terms["variable"] == name].drop(columns="variable")
    verdict = {
        WELL: "well identified, if the exclusion restriction holds",
        WEAK: f"weak: report a grid of fixed rho,\n  {calls[name]}",
        HELD: f"rho is held at {row['rho']}: repeat with other values,\n  {calls[name]}",
    }[str(row["verdict"])]
    lines = [
        f"Selection model of {name}: {verdict}",
        f"  {row['observed']} rows observed and {row['missing']} missing; rho ~ {row['rho']}",
        f"  R^2 of the inverse Mills ratio on the covariates of {name}: {row['mills_r2']:.3f}",
    ]
    if len(own):
        lines.append(f"  the exclusion restriction moves the probit of being observed by an SD of {row['exclusion_sd']:.3f}")
        text = own.to_string(
            index=False, formatters={"chi2": "{:.1f}".format, "p_value": "{:.2g}".format, "sd": "{:.3f}".format}
        )
        lines += [f"  {line}" for line in text.splitlines()]
    return "\n".join(lines)


def _clusters(specification: Specification, selected: Selected) -> pd.DataFrame:
    """Rows observed and missing in each cluster."""
    clusters, n_clusters = specification.clusters, specification.n_clusters
    rows, observed = rows_of(specification, selected)
    seen = np.bincount(clusters.codes[rows[observed]], minlength=n_clusters)[:n_clusters]
    return pd.DataFrame(
        {
            "variable": selected.variable.name,
            "cluster": list(clusters.labels),
            "observed": seen,
            "missing": clusters.sizes[:n_clusters] - seen,
            "systematic": seen == 0,
        }
    )

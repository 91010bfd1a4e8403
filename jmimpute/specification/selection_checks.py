"""What makes a selection submodel unusable with these data, each refused with its place and a remedy."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError, IdentificationWarning, TableError, some
from jmimpute.specification.families import NOMINAL
from jmimpute.specification.formula import Formula
from jmimpute.specification.rho_priors import ByCluster
from jmimpute.specification.selection import Selection

if TYPE_CHECKING:
    from jmimpute.specification.specify import Specification

#: Latent normals of a row over whose region the likelihood can integrate.
MOST_LATENTS = 2


def checked(missing: Any) -> Mapping[str, Selection]:
    """What is said of missing cells is said by response, and by `selection`."""
    if not isinstance(missing, Mapping):
        raise FormulaError(f"missing must be a dict such as {{'hiv': jm.selection('~ age + smoke')}}, not {missing!r}.")
    for name, clause in missing.items():
        if not isinstance(clause, Selection):
            raise FormulaError(f"What is said of the missing cells of {name!r} must be made by jm.selection(), not {clause!r}.")
    return missing


def formula_of(name: str, formulas: Sequence[Formula]) -> Formula:
    """The formula of a response at level 1."""
    for formula in formulas:
        if name in formula.responses:
            return formula
    responses = [response for formula in formulas for response in formula.responses]
    raise FormulaError(
        f"A selection model is given for {name!r}, which is not a response at level 1. Responses: {some(responses, 20)}."
    )


def check_incomplete(name: str, frame: pd.DataFrame, clause: Selection) -> None:
    """There are missing cells, and they are where the indicator says, if there is one."""
    observed = frame[name].notna().to_numpy()
    if observed.all():
        raise TableError(f"{name!r} has no missing value, so that there is nothing to select: take it out of missing.")
    if clause.indicator is None:
        return
    if clause.indicator not in frame:
        raise TableError(f"There is no column {clause.indicator!r} that could say whether {name!r} is observed.")
    said = frame[clause.indicator]
    wrong = np.flatnonzero(~np.isin(said.to_numpy(dtype=float, na_value=np.nan), (0.0, 1.0)))
    if wrong.size:
        raise TableError(f"The indicator {clause.indicator!r} is neither 0 nor 1 in row(s) {some(wrong)}, counted from 0.")
    differs = np.flatnonzero(said.to_numpy(dtype=float).astype(bool) != observed)
    if differs.size:
        raise TableError(
            f"The indicator {clause.indicator!r} contradicts the cells of {name!r} in {len(differs)} row(s), counted from 0: "
            f"{some(differs)}. It must be 1 where {name!r} is observed and 0 where it is missing."
        )


def check_exclusion(
    name: str, clause: Selection, formula: Formula, crossed: tuple[str, ...], own: Formula, frame: pd.DataFrame
) -> None:
    """What is excluded is complete, and in the selection formula only."""
    for term in clause.exclude:
        column = crossed_column(term)
        inside = column in crossed if column else term in formula.columns
        if not inside:
            raise FormulaError(
                f"The exclusion restriction {term!r} is not part of the selection formula {clause.formula!r} of {name!r}. It "
                "must act on whether the variable is observed: add it there."
            )
        column = column or term
        if column in own.columns:
            raise FormulaError(
                f"The exclusion restriction {term!r} is also a covariate of {name!r} in {own.text!r}. It excludes only what "
                "acts on whether the variable is observed and not on its value: take it out of one of the two."
            )
        lacking = np.flatnonzero(frame[column].isna())
        if lacking.size:
            raise TableError(
                f"The exclusion restriction {column!r} is missing in {len(lacking)} row(s), counted from 0: {some(lacking)}. "
                "It cannot be imputed in the same model, where it would inform the variable: complete it, or take another."
            )


def crossed_column(term: str) -> str | None:
    """The column of a grouping term; None for a plain column."""
    if "|" not in term:
        return None
    return term.strip().removeprefix("(").removesuffix(")").split("|")[1].strip().strip("`")


def _warn_of_identification(specification: "Specification") -> None:
    for name, clause in specification.clauses.items():
        if not clause.exclude and not isinstance(clause.rho, float):
            warnings.warn(
                f"Nothing is excluded from the equation of {name!r}: rho is identified by the normal distribution alone, and "
                "its posterior mostly repeats its prior. Name a variable that acts on whether it is observed and not on its "
                "value, or hold rho at several numbers (rho=-0.6, -0.3, 0, 0.3, 0.6) and compare.",
                IdentificationWarning,
                stacklevel=5,
            )


def check(specification: "Specification") -> None:
    """Refuse what a model with a selection submodel cannot have.

    Parameters
    ----------
    specification : Specification

    Raises
    ------
    FormulaError
    """
    if not specification.selections:
        return
    _warn_of_identification(specification)
    whose = some(selected.variable.name for selected in specification.selections)
    if specification.is_structured or specification.latent_bounds is not None:
        raise FormulaError(
            f"A selection model (of {whose}) needs covariance='common', and cannot be combined with level-2 responses, '||' or "
            "latent_bounds. Leave these out, or impute under missing at random and shift the imputed values."
        )
    differs = [name for name, clause in specification.clauses.items() if isinstance(clause.rho, ByCluster)]
    if differs and not specification.n_clusters:
        raise FormulaError(f"The rho of {differs[0]!r} cannot differ between clusters: the model has none. Use another prior.")
    problem = what_cannot_be_integrated(specification)
    crossed = any(selected.crossed for selected in specification.selections)
    if problem and (crossed or differs):
        what = "a crossed random intercept" if crossed else "a rho that differs between clusters"
        raise FormulaError(f"A selection model with {what} cannot be sampled here: {problem}")


def what_cannot_be_integrated(specification: "Specification") -> str:
    """Say what the likelihood with explicit random effects cannot integrate; see `jmimpute.graph.selected`.

    Parameters
    ----------
    specification : Specification
        With selection submodels.

    Returns
    -------
    str
        Empty if it can.
    """
    layout = specification.layout
    nominal = [variable.name for variable in layout.variables if variable.family == NOMINAL]
    if nominal:
        return (
            f"its likelihood does not know nominal responses, as {nominal[0]!r} is. Make it a covariate if it is complete, "
            "merge its categories into two, or order them."
        )
    known = layout.latent & ~np.isnan(specification.y)
    for selected in specification.selections:
        if not selected.variable.is_latent:  # given the value, the indicator is independent of all else
            known[:, selected.indicator.first] &= np.isnan(specification.y[:, selected.variable.first])
    if known.sum(axis=1).max() <= MOST_LATENTS:
        return ""
    most = np.array(layout.responses)[known[np.argmax(known.sum(axis=1))]]
    return (
        f"its likelihood integrates at most {MOST_LATENTS} latent normals of a row that are known by category, those of "
        f"indicators included; a row of these data has {len(most)}: {some(most)}. Make complete categorical responses "
        "covariates, or model fewer of them."
    )

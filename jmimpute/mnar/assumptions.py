"""One analysis under several assumptions about a variable that is missing not at random, to see which of them decide."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import AnalysisWarning, IdentificationWarning, some
from jmimpute.mnar.evaluating import IMPLIED_MEAN, problems_of
from jmimpute.mnar.refits import Refit, Variant, clause_of, findings, plan_of, refitted, variant
from jmimpute.mnar.rho_grid import ESS, R_HAT, RHO, checked_rhos, held
from jmimpute.specification import rho_priors
from jmimpute.specification.rho_densities import suggested_values
from jmimpute.specification.selection import Selection
from jmimpute.specification.selection_checks import crossed_column

ASSUMPTION, RHO_LOW, RHO_HIGH = "assumption", "rho_low", "rho_high"
AT_RANDOM, ESTIMATED, NOTHING_EXCLUDED = "missing at random", "rho estimated", "rho estimated, nothing excluded"
#: Posterior probability of one sign of rho from which it is taken for a statement.
SIGN = 0.8


@dataclass(frozen=True, repr=False)
class Assumptions:
    """Results of one analysis under several assumptions. Made by `jmimpute.assumptions`.

    Attributes
    ----------
    variable : str
        Whose missing values the assumptions are about.
    analysis : str
        Formula, or name of the function.
    level : float
        Of the intervals.
    fits : pandas.DataFrame
        A row an assumption: ``assumption``, ``rho`` with ``rho_low`` and ``rho_high`` (posterior mean and interval; where it is
        held, the number and NaN), ``implied_mean`` of the missing values, ``r_hat`` and ``ess``, the worst of the fit.
    table : pandas.DataFrame
        A row an assumption and term: ``assumption``, then the columns of `jmimpute.Pooled.table`.
    imputations : dict of str to Imputations
        By assumption.
    diagnostics : dict of str to Diagnostics
        By assumption.
    notes : tuple of str
        Where conclusions differ, and what else one should know.
    """

    variable: str
    analysis: str
    level: float
    fits: pd.DataFrame
    table: pd.DataFrame = field(repr=False)
    imputations: dict[str, Any] = field(repr=False)
    diagnostics: dict[str, Any] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show the fits, the results, and where conclusions differ."""
        columns = [ASSUMPTION, "term", "estimate", "std_error", "conf_low", "conf_high", "p_value"]
        shown = [part.to_string(index=False, float_format="%.4g") for part in (self.fits, self.table[columns])]
        title = f"{self.analysis} under {len(self.fits)} assumptions about the missing values of {self.variable}"
        return "\n\n".join([title, *shown, *self.notes])


def assumptions(
    model: Any,
    variable: str,
    analysis: Any,
    rho: Sequence[float] | None = None,
    *,
    m: int = 20,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    target_accept: float | None = None,
    engine: str = "statsmodels",
    family: str = "gaussian",
    level: float = 0.95,
    cores: int | None = None,
    random_seed: int | None = None,
    progressbar: bool = True,
    **settings: Any,
) -> Assumptions:
    """Repeat an analysis under missing at random, with rho estimated, without each exclusion restriction, and with rho held.

    A selection model answers what its exclusion restriction makes it answer. Here each restriction is given up in turn, and all
    of them: a column then is a covariate of the variable too, a crossed grouping term, which the variable cannot have, leaves
    the selection formula.

    Parameters
    ----------
    model : JointModel
        With a selection submodel of the variable; its prior of rho holds where rho is estimated, a uniform one if the model
        holds rho at a number.
    variable : str
    analysis : str or callable
        Formula or function, as in `Imputations.analyze`.
    rho : sequence of float, optional
        Numbers at which it is held; five across the prior if not given.
    m : int
        Imputations under each assumption.
    draws, tune, chains, target_accept : optional
        Of the fits, as in `JointModel.fit`.
    engine, family
        As in `Imputations.analyze`.
    level : float
        Of the intervals.
    cores : int, optional
        As in `jmimpute.sensitivity`.
    random_seed : int, optional
        Of each fit.
    progressbar : bool
    **settings
        Of the engine.

    Returns
    -------
    Assumptions
        ``jm.compare(result.imputations, analysis)`` sets complete cases beside them.

    Raises
    ------
    ImputationError
        If the model has no selection submodel of the variable, or the values of rho are no numbers between -1 and 1.
    AnalysisError
        If the analysis fails.

    Warns
    -----
    IdentificationWarning
        If conclusions depend on what is excluded: the sign of rho, or what an interval says of zero.
    ConvergenceWarning, AnalysisWarning
        Once for all, if fits or analyses did not converge.
    InterruptedWarning
        If there are fewer assumptions than there should be.
    """
    clause = clause_of(model, variable)
    values = [value for value in (suggested_values(clause.rho) if rho is None else checked_rhos(rho)) if value != 0]
    sampling = {"draws": draws, "tune": tune, "chains": chains, "target_accept": target_accept}
    options = {"engine": engine, "family": family, **settings}
    plan = plan_of(model, variable, analysis, m, random_seed, sampling, **options)
    variants = [
        replace(held(model, variable, 0.0), label=AT_RANDOM),
        *_estimated(model, variable, clause),
        *(held(model, variable, value) for value in values),
    ]
    found = refitted(variants, plan, cores, progressbar)
    name = analysis if isinstance(analysis, str) else getattr(analysis, "__name__", type(analysis).__name__)
    table = pd.concat([one.fits.pooled(level).assign(**{ASSUMPTION: one.label}) for one in found], ignore_index=True)
    table.insert(0, ASSUMPTION, table.pop(ASSUMPTION))
    kept = {one.label: one.imputations for one in found}, {one.label: one.diagnostics for one in found}
    rhos = dict(
        zip((one.label for one in variants), [0.0, *[np.nan] * (len(variants) - len(values) - 1), *values], strict=True)
    )
    notes = (*findings(found, len(variants)), *_told(found), *_conflicts(found, table, variable))
    return Assumptions(variable, name, level, _fits(found, rhos, level), table, *kept, notes)


def _estimated(model: Any, variable: str, clause: Selection) -> list[Variant]:
    """With rho free: as the model is, without each of several exclusion restrictions, and without any."""
    prior = rho_priors.uniform() if isinstance(clause.rho, float) else clause.rho
    free = replace(clause, rho=prior)
    found = [variant(model, ESTIMATED, {variable: free})]
    if len(clause.exclude) > 1:
        found += [_without(model, variable, free, [term], f"{ESTIMATED}, {term} not excluded") for term in clause.exclude]
    if clause.exclude:
        found.append(_without(model, variable, free, clause.exclude, NOTHING_EXCLUDED))
    return found


def _without(model: Any, variable: str, clause: Selection, terms: Sequence[str], label: str) -> Variant:
    """Give up some exclusion restrictions."""
    formula, columns = clause.formula, []
    for term in terms:
        crossed = crossed_column(term)
        if crossed is None:
            columns.append(term)
        else:
            formula = _dropped(formula, crossed)
    left = tuple(term for term in clause.exclude if term not in terms)
    said = replace(clause, formula=formula, exclude=left)
    return variant(model, label, {variable: said}, _with_covariates(model, variable, columns))


def _dropped(formula: str, column: str) -> str:
    """A selection formula without a crossed grouping term."""
    left = re.sub(rf"\+?\s*\(\s*1\s*\|\s*`?{re.escape(column)}`?\s*\)", "", formula)
    right = left.strip().removeprefix("~").strip().removeprefix("+").strip()
    return f"~ {right or '1'}"


def _with_covariates(model: Any, variable: str, columns: Sequence[str]) -> list[str]:
    """The formulas of a model, that of a variable with further covariates."""
    found = []
    for formula in model.specification.formulas_of_outcomes:
        right = formula.text.partition("~")[2].strip()
        others = [name for name in formula.responses if name != variable]
        if len(others) == len(formula.responses):
            found.append(formula.text)
            continue
        if others:
            found.append(f"{' + '.join(map(_quoted, others))} ~ {right}")
        found.append(f"{_quoted(variable)} ~ {' + '.join([right, *map(_quoted, columns)])}")
    return found


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name.strip('`')}`"


def _fits(found: Sequence[Refit], rhos: Mapping[str, float], level: float) -> pd.DataFrame:
    """A row a fit."""
    rows = []
    for one in found:
        mean = float(one.rho.mean()) if one.rho.size else rhos[one.label]
        low, high = np.quantile(one.rho, [(1 - level) / 2, (1 + level) / 2]) if one.rho.size else (np.nan, np.nan)
        judged = {IMPLIED_MEAN: one.implied_mean, R_HAT: one.r_hat, ESS: one.ess}
        rows.append({ASSUMPTION: one.label, RHO: mean, RHO_LOW: float(low), RHO_HIGH: float(high), **judged})
    return pd.DataFrame(rows)


def _told(found: Sequence[Refit]) -> tuple[str, ...]:
    problems = problems_of([one.fits for one in found])
    for problem in problems:
        warnings.warn(problem, AnalysisWarning, 3)
    return problems


def _conflicts(found: Sequence[Refit], table: pd.DataFrame, variable: str) -> list[str]:
    """Say where the answer depends on what is excluded, with a warning."""
    notes = []
    estimated = {one.label: one.rho for one in found if one.rho.size}
    below = [f"{label} ({rho.mean():.2f})" for label, rho in estimated.items() if np.mean(rho < 0) >= SIGN]
    above = [f"{label} ({rho.mean():.2f})" for label, rho in estimated.items() if np.mean(rho > 0) >= SIGN]
    if below and above:
        notes.append(
            f"The sign of rho of {variable!r} depends on what is excluded: negative with {some(below)}, positive with "
            f"{some(above)}. The data do not tell whether missing values are higher or lower than those of comparable rows"
        )
    own = table[table[ASSUMPTION].isin(list(estimated))]
    for term, rows in own.groupby("term", sort=False):
        said = np.where(rows["conf_low"] > 0, "above zero", np.where(rows["conf_high"] < 0, "below zero", "about zero"))
        answers = pd.Series(rows[ASSUMPTION].to_numpy()).groupby(said, sort=False).agg(lambda labels: some(labels))
        if len(answers) > 1:
            which = "; ".join(f"{answer} with {labels}" for answer, labels in answers.items())
            notes.append(f"What the interval says of {term} depends on what is excluded: {which}")
    for note in notes:
        warnings.warn(f"{note}.", IdentificationWarning, stacklevel=3)
    return notes

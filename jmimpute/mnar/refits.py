"""Variants of a selection model, each fitted, imputed and analysed alike: what grids over rho are made of."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jmimpute.errors import (
    AnalysisError,
    ConvergenceWarning,
    IdentificationWarning,
    ImputationError,
    InterruptedWarning,
    SamplingError,
    some,
)
from jmimpute.mnar.delta import scores
from jmimpute.mnar.evaluating import Fits, analysed
from jmimpute.names import rho_label
from jmimpute.progress import progress
from jmimpute.specification import families
from jmimpute.specification.formula import parse
from jmimpute.specification.selection import Selection


@dataclass(frozen=True)
class Variant:
    """A model to be made and fitted; small enough to be sent to a process of its own.

    Attributes
    ----------
    label : str
    make : callable
        `JointModel`.
    arguments : dict
        Of `make`.
    """

    label: str
    make: Any
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is done with every variant.

    Attributes
    ----------
    variable : str
        Whose missing values are of interest.
    m : int
        Imputations.
    seed : int
        Of every fit, so that variants do not differ by their random numbers.
    sampling : dict
        Arguments of `JointModel.fit`.
    analysis : dict
        Arguments of `jmimpute.analysis.analyze.analyze`.
    """

    variable: str
    m: int
    seed: int
    sampling: Mapping[str, Any]
    analysis: Mapping[str, Any]


@dataclass(frozen=True)
class Refit:
    """A variant that was fitted.

    Attributes
    ----------
    label : str
    imputations : Imputations
        Without their fit, whose draws of all variants would be large.
    fits : Fits
        The analysis by imputation.
    implied_mean : float
        Mean over imputations of the missing values that are selected; see `jmimpute.mnar.delta.scores`.
    diagnostics : Diagnostics
        Of the fit.
    rho : ndarray, shape (draws,)
        Posterior draws of rho; none where it is held.
    """

    label: str
    imputations: Any
    fits: Fits
    implied_mean: float
    diagnostics: Any
    rho: np.ndarray

    @property
    def r_hat(self) -> float:
        """The largest one."""
        return float(self.diagnostics.table["r_hat"].max())

    @property
    def ess(self) -> float:
        """The smallest effective sample size, of the bulk or a tail."""
        return float(self.diagnostics.table[["ess_bulk", "ess_tail"]].min(axis=None))


def clause_of(model: Any, variable: str) -> Selection:
    """What a model says of the missing values of a variable.

    Parameters
    ----------
    model : JointModel
    variable : str

    Returns
    -------
    Selection

    Raises
    ------
    ImputationError
        If it is no model, or has no selection submodel of this variable.
    """
    specification = getattr(model, "specification", None)
    if specification is None:
        hint = " Give its model, fit.model." if hasattr(model, "posterior") else ""
        raise ImputationError(f"With rho, give the JointModel that is to be fitted, not {type(model).__name__}.{hint}")
    known = specification.clauses
    if variable not in known:
        said = f"It has one of {some(map(repr, known))}." if known else "It has none: say missing={...: jm.selection(...)}."
        raise ImputationError(f"The model has no selection submodel of {variable!r}, whose rho could be varied. {said}")
    return known[variable]


def variant(model: Any, label: str, clauses: Mapping[str, Selection], formulas: Sequence[str] | None = None) -> Variant:
    """Say of a model with selection submodels what else it could say of missing values.

    Parameters
    ----------
    model : JointModel
    label : str
    clauses : mapping of str to Selection
        Instead of those of the model, by variable.
    formulas : sequence of str, optional
        Instead of those of the model.

    Returns
    -------
    Variant
    """
    specification = model.specification
    own = families.from_record(families.to_record(specification.outcomes))
    arguments = {
        "formulas": formulas or [formula.text for formula in specification.formulas_of_outcomes],
        "data": model.table.native,
        "families": own,
        "priors": specification.priors,
        "missing": {**specification.clauses, **clauses},
    }
    return Variant(label, type(model), arguments)


def plan_of(
    model: Any, variable: str, analysis: Any, m: int, random_seed: int | None, sampling: Mapping[str, Any], **options: Any
) -> Plan:
    """Say what is done with every variant, after a look at what would be found out only after the first fit.

    Parameters
    ----------
    model : JointModel
    variable : str
    analysis : str or callable
    m : int
    random_seed : int, optional
    sampling : mapping
        Arguments of `JointModel.fit`; None for the default.
    **options
        Other arguments of `jmimpute.analysis.analyze.analyze`.

    Returns
    -------
    Plan

    Raises
    ------
    AnalysisError
        If there is no analysis, or there are too few imputations to pool.
    FormulaError
        If the analysis names what is not there.
    """
    if not isinstance(analysis, str) and not callable(analysis):
        raise AnalysisError(f"The analysis must be a formula or a function, not {type(analysis).__name__}.")
    if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 2:
        raise AnalysisError(f"m must be a whole number of at least 2, not {m!r}: Rubin's rules need at least two imputations.")
    if isinstance(analysis, str) and options.get("engine") == "statsmodels":
        parse(analysis, [str(column) for column in model.table.frame.columns])
    seed = int(np.random.SeedSequence(random_seed).entropy)  # type: ignore[arg-type]
    given = {name: value for name, value in sampling.items() if value is not None}
    return Plan(variable, int(m), seed, given, {"model": analysis, **options})


def refitted(variants: Sequence[Variant], plan: Plan, cores: int | None, progressbar: bool) -> list[Refit]:
    """Fit, impute and analyse the variants.

    Parameters
    ----------
    variants : sequence of Variant
    plan : Plan
    cores : int, optional
        Variants that are fitted at a time, then by one core each; if one or not given, the chains of a fit take all cores.
    progressbar : bool

    Returns
    -------
    list of Refit
        Those that were done before an interruption, or before one could not be sampled.

    Raises
    ------
    SamplingError
        If the first cannot be sampled.

    Warns
    -----
    InterruptedWarning
        If there are fewer than variants.
    """
    found: list[Refit] = []
    try:
        with progress("Fitting", len(variants), progressbar) as report:
            for one in _each(variants, plan, cores):
                found.append(one)
                report(len(found))
    except (KeyboardInterrupt, SamplingError) as stop:
        if not found:
            raise
        label, why = variants[len(found)].label, f": {stop}" if isinstance(stop, SamplingError) else "."
        said = f"Stopped at {label}{why} {len(found)} of {len(variants)} fits were done and kept."
        warnings.warn(said, InterruptedWarning, stacklevel=4)
    return found


def _each(variants: Sequence[Variant], plan: Plan, cores: int | None) -> Iterator[Refit]:
    from joblib import Parallel, delayed

    alone = cores in (None, 1)
    tasks = (delayed(refit)(one, plan, None if alone else 1) for one in variants)
    yield from Parallel(n_jobs=cores, return_as="generator")(tasks)  # type: ignore[misc]


def refit(variant: Variant, plan: Plan, cores: int | None) -> Refit:
    """Fit, impute and analyse one variant; may run in a process of its own.

    Parameters
    ----------
    variant : Variant
    plan : Plan
    cores : int, optional
        Of the fit.

    Returns
    -------
    Refit

    Raises
    ------
    KeyboardInterrupt
        If the fit was interrupted, which then is shorter than the others.
    """
    with warnings.catch_warnings():
        for told_once in (ConvergenceWarning, IdentificationWarning):
            warnings.simplefilter("ignore", told_once)
        warnings.simplefilter("error", InterruptedWarning)
        model = variant.make(**variant.arguments)
        try:
            fit = model.fit(**plan.sampling, random_seed=plan.seed, cores=cores, keep_latents=plan.m, progressbar=False)
        except InterruptedWarning as stop:
            raise KeyboardInterrupt from stop
        imputations = fit.impute(plan.m, progressbar=False)
    fits = analysed(imputations.original, imputations._cells, plan.m, plan.analysis)
    name = rho_label(plan.variable)
    rho = fit.posterior[name].to_numpy().ravel() if name in fit.posterior else np.empty(0)
    held = isinstance(variant.arguments["missing"][plan.variable].rho, float)
    mean = _selected_mean(imputations, plan.variable)
    bare = replace(imputations, _fit=None)
    return Refit(variant.label, bare, fits, mean, fit.diagnostics(), np.empty(0) if held else rho)


def _selected_mean(imputations: Any, variable: str) -> float:
    """Mean of the missing values that are selected: not of clusters that lack the variable altogether."""
    frame, rows = imputations.original, imputations.rows(variable)
    values = scores(imputations._values[variable], imputations.levels(variable))
    if imputations.cluster is None:
        return float(values.mean())
    asked = frame[variable].notna().groupby(frame[imputations.cluster]).transform("any").to_numpy()[rows]
    return float(values[:, asked].mean())


def findings(refits: Sequence[Refit], total: int) -> tuple[str, ...]:
    """Say what should be looked at of the fits, and warn of it.

    Parameters
    ----------
    refits : sequence of Refit
    total : int
        Variants that were asked for.

    Returns
    -------
    tuple of str
    """
    notes = [f"stopped after {len(refits)} of {total} fits"] if len(refits) < total else []
    doubtful = [one for one in refits if not one.diagnostics.ok]
    if doubtful:
        which = some((f"{one.label} (R-hat {one.r_hat:.3f}, effective sample size {one.ess:.0f})" for one in doubtful), 20)
        notes.append(f"{len(doubtful)} of {len(refits)} fits have not converged: {which}. Increase tune and draws")
        warnings.warn(f"{notes[-1]}.", ConvergenceWarning, stacklevel=4)
    return tuple(notes)

"""What a report is made from, checked: imputations, the fit, analyses and sensitivity analyses that belong together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jmimpute.analysis.analyses import Analyses
from jmimpute.analysis.compare_result import Comparison
from jmimpute.analysis.pool import Pooled
from jmimpute.errors import AnalysisError, ImputationError, options, some
from jmimpute.inspection import Inspection, inspect
from jmimpute.mnar.assumptions import Assumptions
from jmimpute.mnar.sensitivity import Sensitivity
from jmimpute.mnar.tipping import TippingPoint

Plausible = tuple[float, float]


@dataclass(frozen=True)
class Result:
    """One analysis: its name, the pooled result and, where they are at hand, the fits behind it."""

    name: str
    pooled: Pooled
    analyses: Analyses | None = None

    @property
    def formula(self) -> str | None:
        """Formula of the analysis; None for a function, and where it is not known."""
        return None if self.analyses is None or self.analyses.engine is None else self.analyses.model


@dataclass(frozen=True)
class Materials:
    """Everything that sections of a report take what they say from.

    Attributes
    ----------
    imputations : Imputations
    results : tuple of Result
    fit : Fit or None
    imputed_diagnostics : ImputedDiagnostics or None
    comparisons : tuple of Comparison
    sensitivities : tuple of Sensitivity or TippingPoint
    assumptions : tuple of Assumptions
    plausible : dict
        Range of amounts by variable.
    source : str
        Where these ranges come from.
    description : str
    reasons : dict
        Why values are missing, by variable.
    """

    imputations: Any
    results: tuple[Result, ...]
    fit: Any
    imputed_diagnostics: Any
    comparisons: tuple[Comparison, ...]
    sensitivities: tuple[Sensitivity | TippingPoint, ...]
    assumptions: tuple[Assumptions, ...]
    plausible: dict[str, Plausible]
    source: str
    description: str
    reasons: dict[str, str] = field(default_factory=dict)

    @cached_property
    def inspection(self) -> Inspection:
        """What is missing in the original table."""
        return inspect(self.imputations.original, self.imputations.cluster)


def named_results(analyses: Any, m: int) -> tuple[Result, ...]:
    """Name and pool analyses.

    Parameters
    ----------
    analyses : Analyses, Pooled, or mapping of str to these, or None
    m : int
        Imputations that they must be of.

    Raises
    ------
    AnalysisError
        If one is something else, or of another number of imputations.
    """
    if analyses is None:
        return ()
    named = analyses if isinstance(analyses, Mapping) else {getattr(analyses, "model", "analysis"): analyses}
    results = tuple(_result(str(name), one) for name, one in named.items())
    for result in results:
        if result.pooled.m != m:
            raise AnalysisError(
                f"The analysis {result.name!r} is of {result.pooled.m} imputations, the report of {m}. Analyse the imputations "
                "that the report is about."
            )
    return results


def _result(name: str, one: Any) -> Result:
    if isinstance(one, Pooled):
        return Result(name, one)
    if isinstance(one, Analyses):
        return Result(name, one.pool(), one)
    raise AnalysisError(
        f"The analysis {name!r} is {type(one).__name__}. Give what imputations.analyze(...) returns, or its .pool(), or a "
        "mapping of names to these."
    )


def checked_fit(imputations: Any, fit: Any) -> Any:
    """The fit that imputations were made by, if it is at hand.

    Parameters
    ----------
    imputations : Imputations
    fit : Fit or None

    Raises
    ------
    ImputationError
        If another fit is given.
    """
    if fit is None:
        return imputations._fit
    if not hasattr(fit, "posterior") or not hasattr(fit, "model"):
        raise ImputationError(f"fit is {type(fit).__name__}. Give what model.fit(...) or jm.load_fit(...) returns.")
    made = imputations.provenance
    if made.get("seed") != fit.seed or made.get("formulas") != [
        each.text for each in fit.model.specification.formulas_of_outcomes
    ]:
        raise ImputationError("The fit is not the one that these imputations were made by: its seed or its formulas differ.")
    return fit


def several(given: Any, kinds: tuple[type, ...], what: str) -> tuple[Any, ...]:
    """One or several results of some kinds, as a tuple.

    Parameters
    ----------
    given : object, sequence of these, or None
    kinds : tuple of type
    what : str
        Name of the argument.

    Raises
    ------
    ImputationError
        If one is of another kind.
    """
    found = () if given is None else tuple(given) if isinstance(given, list | tuple) else (given,)
    for one in found:
        if not isinstance(one, kinds):
            raise ImputationError(f"{what} is {type(one).__name__}. Give {options([kind.__name__ for kind in kinds])}.")
    return found


def checked_plausible(plausible: Any, source: str, variables: list[str]) -> dict[str, Plausible]:
    """Ranges of amounts that are found plausible, by variable.

    Parameters
    ----------
    plausible : pair of float, mapping of str to these, or None
    source : str
    variables : list of str
        That sensitivity analyses are about.

    Raises
    ------
    ImputationError
        If it is no such range, there is no sensitivity analysis of the variable, or it is not said where the range comes from.
    """
    if plausible is None:
        return {}
    if not variables:
        raise ImputationError("A plausible range belongs to a sensitivity analysis, and none is given.")
    if not (isinstance(source, str) and source.strip()):
        raise ImputationError(
            "Say where the plausible range comes from: source='panel of five teachers, asked before the analysis'."
        )
    ranges = dict(plausible) if isinstance(plausible, Mapping) else dict.fromkeys(variables, plausible)
    foreign = [name for name in ranges if name not in variables]
    if foreign:
        raise ImputationError(
            f"There is no sensitivity analysis of {some(map(repr, foreign))}. There is of {options(variables)}."
        )
    return {name: _range(given) for name, given in ranges.items()}


def _range(given: Any) -> Plausible:
    try:
        low, high = map(float, given)
    except (TypeError, ValueError) as error:
        raise ImputationError(f"A plausible range is a pair of numbers such as (-3, 1), not {given!r}.") from error
    if not low < high:
        raise ImputationError(f"The plausible range {given!r} must go from a smaller to a larger number.")
    return low, high


def checked_reasons(reasons: Any, columns: Any) -> dict[str, str]:
    """Why values are missing, by variable.

    Parameters
    ----------
    reasons : mapping of str to str, or None
    columns : Index of str
        Of the table.

    Raises
    ------
    ImputationError
        If it is no such mapping, or names what is no column.
    """
    if reasons is None:
        return {}
    if not isinstance(reasons, Mapping):
        raise ImputationError(f"Give reasons by variable, such as {{'reading': 'absent on that day'}}, not {reasons!r}.")
    foreign = [name for name in reasons if name not in columns]
    if foreign:
        raise ImputationError(f"Reasons are given for {some(map(repr, foreign))}, of which the table has no column.")
    return {str(name): str(reason) for name, reason in reasons.items()}

"""Why methods differ, as far as it is known from how imputations were made: a cause is a function that yields sentences.

What is not in the provenance of imputations, such as how another program made those that were read, is not guessed at.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import JMImputeError, some
from jmimpute.specification import families, priors, selection
from jmimpute.specification.advice.check import findings
from jmimpute.specification.advice.findings import ERROR, WARNING
from jmimpute.specification.advice.problem import FAMILIES, read_problem
from jmimpute.specification.advice.terms import spans, terms
from jmimpute.specification.covariances import COMMON
from jmimpute.specification.formula import Formula, parse
from jmimpute.specification.specify import specify

#: Methods of chained equations (classes of `jmimpute.chained.methods`) by what they take for granted.
CLUSTERS_IGNORED = ("Norm", "Pmm", "Logistic")
DUMMIES = ("Dummies",)
EQUAL_VARIANCES = ("Norm", *DUMMIES, "OneStage", "Mixed")
UNEQUAL_VARIANCES = ("TwoStage", "Heteroscedastic")
SELECTION = ("TwoStageHeckman",)
#: Methods that draw covariance matrices of random effects about predicted effects.
SHRUNKEN = ("Mixed",)
#: Methods in which predictors of clusters explain all coefficients, so that their products with these are there.
MODERATED = ("TwoStage", "TwoStageBinary", "TwoStagePoisson", "TwoStagePmm")
#: Rules of a congeniality check whose warnings, besides errors, move estimates.
_RULES = ("slope", "interaction", "curve", "covariance", "family")
#: What a congeniality check says of a joint model, of a conditional one.
_LACKS_TERM = "the analysis has this term, the imputation model of {} has not: it is pulled towards zero."
_LACKS_SLOPE = (
    "the analysis has a random slope of it, the imputation model of {} has none: its variance is pulled towards zero."
)


@dataclass(frozen=True)
class Source:
    """What is known of how one source was imputed, and what for.

    Attributes
    ----------
    name : str
    provenance : mapping
    imputed : tuple of str
        Columns.
    frame : pandas.DataFrame
        The incomplete table.
    formula : Formula or None
        Of the analysis; None for a function.
    family : str
    used : tuple of str or None
        Columns of the analysis.
    """

    name: str
    provenance: Mapping[str, Any]
    imputed: tuple[str, ...]
    frame: pd.DataFrame = field(repr=False)
    formula: Formula | None
    family: str
    used: tuple[str, ...] | None

    @property
    def chained(self) -> Mapping[str, Any]:
        """What is recorded of chained equations; nothing of other imputations."""
        return self.provenance.get("chained", {})

    @cached_property
    def methods(self) -> dict[str, str]:
        """Methods of chained equations by column, of the columns that the analysis uses: ``"TwoStage"``."""
        recorded = {column: method.partition("(")[0] for column, method in self.chained.get("methods", {}).items()}
        return {column: method for column, method in recorded.items() if self.used is None or column in self.used}

    @property
    def changes(self) -> list[Mapping[str, Any]]:
        """What was done to the imputations after they were made, one after the other."""
        return list(self.provenance.get("changes", []))

    def by(self, methods: Sequence[str]) -> list[str]:
        """Columns that were imputed by one of these methods."""
        return [column for column, method in self.methods.items() if method in methods]


def causes(
    sources: Mapping[str, Any], analysis: Any, family: str, used: Sequence[str] | None, complete: np.ndarray
) -> tuple[str, ...]:
    """Say why methods may differ.

    Parameters
    ----------
    sources : mapping of str to Imputations
    analysis : str or callable
    family : str
        Of the analysis.
    used : sequence of str or None
        Its columns.
    complete : ndarray of bool, shape (n_rows,)
        Which rows are complete cases.

    Returns
    -------
    tuple of str
        One sentence or two each.
    """
    known = []
    for name, source in sources.items():
        frame = source.original
        formula = parse(analysis, list(frame.columns), allow_uncorrelated=True) if isinstance(analysis, str) else None
        columns = None if used is None else tuple(used)
        known.append(Source(name, source.provenance, tuple(source.columns), frame, formula, family, columns))
    said: dict[str, list[str]] = {}
    for source in known:
        for sentence in dict.fromkeys(sentence for cause in CAUSES for sentence in cause(source)):
            said.setdefault(sentence, []).append(source.name)
    own = [f"{', '.join(names)}: {sentence}" for sentence, names in said.items()]
    return (*rows_left_out(complete), *own, *unequal_variances(known))


def rows_left_out(complete: np.ndarray) -> Iterator[str]:
    """Complete cases leave rows out.

    Parameters
    ----------
    complete : ndarray of bool, shape (n_rows,)
    """
    n_rows, left = len(complete), int((~complete).sum())
    if 0 < left < n_rows:
        yield (
            f"Complete cases leave out {left} of {n_rows} rows. Their estimates are right if whether a row is complete does "
            "not depend on the outcome, given the covariates."
        )


def clusters_ignored(source: Source) -> Iterator[str]:
    """Chained equations of a single level, where the analysis has clusters.

    Parameters
    ----------
    source : Source
    """
    columns, cluster = source.by(CLUSTERS_IGNORED), _cluster(source)
    if columns and cluster:
        yield (
            f"{some(columns)}: imputed as if there were no {cluster}, so that differences between clusters, and standard "
            "errors of what varies between them, are pulled towards zero."
        )


def dummies(source: Source) -> Iterator[str]:
    """An indicator for each cluster, where the analysis has a distribution of clusters.

    Parameters
    ----------
    source : Source
    """
    columns, cluster = source.by(DUMMIES), _cluster(source)
    if columns and cluster:
        yield (
            f"{some(columns)}: imputed with an indicator for each {cluster}, which takes differences between clusters that "
            "are due to chance for true ones: their variance comes out too large."
        )


def shrunken(source: Source) -> Iterator[str]:
    """Mixed models whose covariance matrix of random effects is drawn about predicted effects, which vary less than effects do.

    Parameters
    ----------
    source : Source
    """
    columns, cluster = source.by(SHRUNKEN), _cluster(source)
    if columns and cluster:
        yield (
            f"{some(columns)}: the variances of its random effects are drawn about those of predicted effects, which vary less "
            f"than effects do: differences between clusters ({cluster}) are pulled towards zero."
        )


def conditionals(source: Source) -> Iterator[str]:
    """Random slopes by chained equations: conditional models of several variables that no joint model has.

    Parameters
    ----------
    source : Source
    """
    columns = [column for column, method in source.methods.items() if method not in (*CLUSTERS_IGNORED, *DUMMIES)]
    if columns and len(source.methods) > 1 and source.formula is not None and terms(source.formula.random):
        yield (
            f"{some(columns)}: imputed given the other incomplete variables. With random slopes in the analysis these "
            "conditional distributions have no closed form, and mixed models of one variable only come near them."
        )


def lacking(source: Source) -> Iterator[str]:
    """Products and random slopes of the analysis that the conditional model of its outcome has not.

    Parameters
    ----------
    source : Source
    """
    formula = source.formula
    if formula is None or source.chained.get("passive"):
        return  # passive variables may stand for products
    outcome, available = formula.responses[0].strip("`"), list(source.frame.columns)
    if outcome not in source.methods:
        return
    model = parse(source.chained["predictors"][outcome], available)
    rows = pd.DataFrame(source.frame[list(dict.fromkeys((*model.columns, *formula.columns)))]).dropna()
    if rows.empty:
        return
    common = _with_products(model) if source.methods[outcome] in MODERATED else model.common
    for term in terms(formula.common):
        if term.is_product and not spans(common, term.text, rows):
            yield f"{term.text}: {_LACKS_TERM.format(outcome)}"
    for term in terms(formula.random):
        if model.cluster == formula.cluster and not spans(model.random, term.text, rows):
            yield f"{term.text}: {_LACKS_SLOPE.format(outcome)}"


def _with_products(model: Formula) -> str:
    """The common side of a two-stage method: its predictors of clusters explain all coefficients of clusters."""
    varying = [term.text for term in terms(model.random)]
    moderators = [term.text for term in terms(model.common) if term.text not in varying]
    return " + ".join([model.common, *(f"{own}:{other}" for own in varying for other in moderators)])


def selected(source: Source) -> Iterator[str]:
    """Variables that are taken to be missing not at random.

    Parameters
    ----------
    source : Source
    """
    columns = [*source.provenance.get("missing", {}), *source.by(SELECTION)]
    if columns:
        yield (
            f"{some(columns)}: taken to be missing not at random, by a selection model. From methods that assume missing at "
            "random it differs by this assumption."
        )


def adjusted(source: Source) -> Iterator[str]:
    """Imputed values that were moved away from missing at random on purpose.

    Parameters
    ----------
    source : Source
    """
    for change in source.changes:
        if "delta" in change:
            said = change["delta"]
            amounts = ", ".join(f"{label} {amount}" for label, amount in said["amounts"].items())
            yield f"imputed values of {said['variable']} were adjusted ({said['kind']}: {amounts}), on purpose."
        elif "reference_based" in change:
            yield "imputed values follow a reference group (reference-based imputation), on purpose."


def derived(source: Source) -> Iterator[str]:
    """Columns of the analysis that were computed from imputed ones afterwards (passive imputation).

    Parameters
    ----------
    source : Source
    """
    computed = [name for change in source.changes for name in change.get("assign", {})]
    columns = [name for name in computed if name in source.imputed and source.used is not None and name in source.used]
    if columns:
        yield (
            f"{some(columns)}: computed from imputed columns afterwards (passive imputation). The imputation model did not "
            "know of it: its relations are pulled towards what follows from those of the other columns."
        )


def passive(source: Source) -> Iterator[str]:
    """Columns that chained equations computed from imputed ones in each sweep.

    Parameters
    ----------
    source : Source
    """
    columns = [name for name in source.chained.get("passive", {}) if source.used is None or name in source.used]
    if columns:
        yield (
            f"{some(columns)}: computed from imputed columns in each sweep (passive imputation). It predicts others, but what "
            "it is computed from was imputed by relations that are linear."
        )


def uncongenial(source: Source) -> Iterator[str]:
    """What the analysis is about and the joint model that imputed has not, as `JointModel.check` finds it.

    Parameters
    ----------
    source : Source
    """
    if source.formula is None or source.family not in FAMILIES or "formulas" not in source.provenance:
        return
    if any("filter" in change for change in source.changes):
        return  # the model was one of other rows
    try:
        found = findings(read_problem(source.formula.text, source.frame, source.family), _specification(source))
    except JMImputeError:
        return  # analyses that no advice is given on
    for finding in found:
        if finding.severity == ERROR or (finding.severity == WARNING and finding.rule in _RULES):
            yield f"{finding.term}: {finding.what}"


def unequal_variances(sources: Sequence[Source]) -> Iterator[str]:
    """Some methods let residual variances differ between clusters, others do not.

    Parameters
    ----------
    sources : sequence of Source
    """
    free = [source.name for source in sources if _frees_variances(source)]
    equal = [source.name for source in sources if _equates_variances(source)]
    if free and equal:
        yield (
            f"Residual variances may differ between clusters in {some(free)}, not in {some(equal)}: if they do differ, the "
            "latter weigh clusters wrongly, and impute too little spread in some and too much in others."
        )


def _frees_variances(source: Source) -> bool:
    return source.provenance.get("covariance", COMMON) != COMMON or bool(source.by(UNEQUAL_VARIANCES))


def _equates_variances(source: Source) -> bool:
    return source.provenance.get("covariance") == COMMON or bool(source.by(EQUAL_VARIANCES))


def _cluster(source: Source) -> str | None:
    """The cluster column of the analysis."""
    return None if source.formula is None else source.formula.cluster


def _specification(source: Source) -> Any:
    """The joint model that imputed."""
    said = source.provenance
    return specify(
        said["formulas"],
        source.frame,
        families.from_record(said["families"]),
        priors.from_record(said["priors"]),
        said.get("latent_bounds"),
        level2=said.get("level2"),
        covariance=said.get("covariance", COMMON),
        missing=selection.from_record(said.get("missing", {})),
    )


#: What is asked of each source by itself.
CAUSES: tuple[Callable[[Source], Iterator[str]], ...] = (
    clusters_ignored,
    dummies,
    shrunken,
    conditionals,
    lacking,
    selected,
    adjusted,
    derived,
    passive,
    uncongenial,
)

"""Multiple imputation of incomplete multilevel data with a joint model, on PyMC.

    table -> specification -> graph -> sampling -> imputation -> analysis -> plots -> report -> cli

The objects an analyst holds are `JointModel`, `Fit` and `Imputations`; `impute` makes all three in one call. This module hands
names on and does nothing else: each is imported when it is first used, so that ``import jmimpute`` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jmimpute import datasets, errors, plots, study
    from jmimpute.amputation import ampute, holes
    from jmimpute.analysis.analyze import Analyses, analyze
    from jmimpute.analysis.compare import compare
    from jmimpute.analysis.compare_result import Comparison
    from jmimpute.analysis.means import mean
    from jmimpute.analysis.pool import Pooled, pool
    from jmimpute.chained import methods
    from jmimpute.chained.chained import chained
    from jmimpute.fit import Fit, load_fit
    from jmimpute.imputations import Imputations
    from jmimpute.inspection import inspect
    from jmimpute.mnar.adjustments import latent, odds, scale, shift
    from jmimpute.mnar.assumptions import Assumptions, assumptions
    from jmimpute.mnar.delta import implied_means
    from jmimpute.mnar.reference import reference_based
    from jmimpute.mnar.sensitivity import Sensitivity, sensitivity
    from jmimpute.mnar.tipping import TippingPoint, tipping_contour, tipping_point
    from jmimpute.model import JointModel, impute
    from jmimpute.readers import concat, from_tables, load, read_long, read_mice, read_spss, read_stata
    from jmimpute.report.report import Report, report
    from jmimpute.specification import families, priors
    from jmimpute.specification.advice.suggestion import suggest
    from jmimpute.specification.selection import selection

__version__ = "0.1.0"

# Folders with the names of the functions `chained` and `report`: imported here, they cannot take the place of these later.
for folder in ("chained", "report"):
    import_module(f"jmimpute.{folder}")
    del globals()[folder]
del folder

_HOMES = {
    "Analyses": "jmimpute.analysis.analyze",
    "Assumptions": "jmimpute.mnar.assumptions",
    "Comparison": "jmimpute.analysis.compare_result",
    "Fit": "jmimpute.fit",
    "Imputations": "jmimpute.imputations",
    "JointModel": "jmimpute.model",
    "Pooled": "jmimpute.analysis.pool",
    "Report": "jmimpute.report.report",
    "Sensitivity": "jmimpute.mnar.sensitivity",
    "TippingPoint": "jmimpute.mnar.tipping",
    "ampute": "jmimpute.amputation",
    "analyze": "jmimpute.analysis.analyze",
    "assumptions": "jmimpute.mnar.assumptions",
    "chained": "jmimpute.chained.chained",
    "compare": "jmimpute.analysis.compare",
    "concat": "jmimpute.readers",
    "from_tables": "jmimpute.readers",
    "implied_means": "jmimpute.mnar.delta",
    "impute": "jmimpute.model",
    "inspect": "jmimpute.inspection",
    "latent": "jmimpute.mnar.adjustments",
    "load": "jmimpute.readers",
    "load_fit": "jmimpute.fit",
    "mean": "jmimpute.analysis.means",
    "odds": "jmimpute.mnar.adjustments",
    "pool": "jmimpute.analysis.pool",
    "read_long": "jmimpute.readers",
    "read_mice": "jmimpute.readers",
    "read_spss": "jmimpute.readers",
    "read_stata": "jmimpute.readers",
    "reference_based": "jmimpute.mnar.reference",
    "report": "jmimpute.report.report",
    "scale": "jmimpute.mnar.adjustments",
    "selection": "jmimpute.specification.selection",
    "sensitivity": "jmimpute.mnar.sensitivity",
    "shift": "jmimpute.mnar.adjustments",
    "suggest": "jmimpute.specification.advice.suggestion",
    "tipping_contour": "jmimpute.mnar.tipping",
    "tipping_point": "jmimpute.mnar.tipping",
}
_MODULES = {
    "datasets": "jmimpute.datasets",
    "errors": "jmimpute.errors",
    "families": "jmimpute.specification.families",
    "holes": "jmimpute.amputation.holes",
    "methods": "jmimpute.chained.methods",
    "plots": "jmimpute.plots",
    "priors": "jmimpute.specification.priors",
    "study": "jmimpute.study",
}

__all__ = [
    "Analyses",
    "Assumptions",
    "Comparison",
    "Fit",
    "Imputations",
    "JointModel",
    "Pooled",
    "Report",
    "Sensitivity",
    "TippingPoint",
    "ampute",
    "analyze",
    "assumptions",
    "chained",
    "compare",
    "concat",
    "datasets",
    "errors",
    "families",
    "from_tables",
    "holes",
    "implied_means",
    "impute",
    "inspect",
    "latent",
    "load",
    "load_fit",
    "mean",
    "methods",
    "odds",
    "plots",
    "pool",
    "priors",
    "read_long",
    "read_mice",
    "read_spss",
    "read_stata",
    "reference_based",
    "report",
    "scale",
    "selection",
    "sensitivity",
    "shift",
    "study",
    "suggest",
    "tipping_contour",
    "tipping_point",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _MODULES:
        value = import_module(_MODULES[name])
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'jmimpute' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])

"""Multiple imputation of incomplete multilevel data with a joint model, on PyMC.

    table -> specification -> graph -> sampling -> imputation -> analysis -> plots -> cli

The objects an analyst holds are `JointModel`, `Fit` and `Imputations`; `impute` makes all three in one call. This module hands
names on and does nothing else: each is imported when it is first used, so that ``import jmimpute`` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jmimpute import datasets, errors, plots
    from jmimpute.analysis.analyze import Analyses, analyze
    from jmimpute.analysis.pool import Pooled, pool
    from jmimpute.fit import Fit, load_fit
    from jmimpute.imputations import Imputations, load
    from jmimpute.inspection import inspect
    from jmimpute.model import JointModel, impute
    from jmimpute.specification import families, priors

__version__ = "0.1.0"

_HOMES = {
    "Analyses": "jmimpute.analysis.analyze",
    "Fit": "jmimpute.fit",
    "Imputations": "jmimpute.imputations",
    "JointModel": "jmimpute.model",
    "Pooled": "jmimpute.analysis.pool",
    "analyze": "jmimpute.analysis.analyze",
    "impute": "jmimpute.model",
    "inspect": "jmimpute.inspection",
    "load": "jmimpute.imputations",
    "load_fit": "jmimpute.fit",
    "pool": "jmimpute.analysis.pool",
}
_MODULES = {
    "datasets": "jmimpute.datasets",
    "errors": "jmimpute.errors",
    "families": "jmimpute.specification.families",
    "plots": "jmimpute.plots",
    "priors": "jmimpute.specification.priors",
}

__all__ = [
    "Analyses",
    "Fit",
    "Imputations",
    "JointModel",
    "Pooled",
    "analyze",
    "datasets",
    "errors",
    "families",
    "impute",
    "inspect",
    "load",
    "load_fit",
    "plots",
    "pool",
    "priors",
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

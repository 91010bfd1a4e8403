"""Engines: what fits a formula to completed tables, one after the other.

An engine is a function ``(formula, family, *, settings) -> fit``, and a fit is a function ``table -> Estimates``; it stands in
`ENGINES` by name. What an engine prepares once for all tables lives between the two.
"""

import inspect
from collections.abc import Callable

import pandas as pd

from jmimpute.analysis.engines.bayesian import bambi
from jmimpute.analysis.engines.estimating import gee
from jmimpute.analysis.engines.likelihood import fit_statsmodels, statsmodels
from jmimpute.analysis.engines.problems import DIVERGED, SEPARATED, SINGULAR
from jmimpute.analysis.estimates import Estimates

__all__ = ["DIVERGED", "ENGINES", "SEPARATED", "SINGULAR", "bambi", "fit_statsmodels", "gee", "settings_of", "statsmodels"]

Fit = Callable[[pd.DataFrame], Estimates]

#: Engines by name.
ENGINES: dict[str, Callable[..., Fit]] = {"statsmodels": statsmodels, "gee": gee, "bambi": bambi}


def settings_of(engine: str) -> tuple[str, ...]:
    """Names of the settings that an engine has besides formula and family.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    """
    parameters = inspect.signature(ENGINES[engine]).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)

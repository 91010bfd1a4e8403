"""Sensitivity to rho: a selection model fitted anew with rho held at each of several numbers.

Unlike a delta, rho is part of the likelihood of what was observed, so that each rho is another model and takes a fit of its
own. A grid is also what remains when data do not tell rho, as when no variable is excluded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError
from jmimpute.mnar.evaluating import IMPLIED_MEAN
from jmimpute.mnar.refits import Refit, Variant, clause_of, findings, plan_of, refitted, variant

RHO = "rho"
R_HAT, ESS = "r_hat", "ess"


def checked_rhos(values: Any) -> list[float]:
    """Check the values of a grid.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    list of float

    Raises
    ------
    ImputationError
        If they are not different numbers between -1 and 1.
    """
    found = list(values) if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) else []
    right = [not isinstance(value, bool) and isinstance(value, int | float | np.number) and -1 < value < 1 for value in found]
    if not found or not all(right) or len(set(found)) < len(found):
        raise ImputationError(
            f"rho must be a list of different numbers between -1 and 1, such as [-0.6, -0.3, 0, 0.3], not {values!r}. At -1 "
            "and 1 a value would decide by itself whether it is observed."
        )
    return [float(value) for value in found]


def held(model: Any, variable: str, rho: float) -> Variant:
    """Say of a model that rho is held at a number; it needs no prior then.

    Parameters
    ----------
    model : JointModel
    variable : str
    rho : float

    Returns
    -------
    Variant
    """
    return variant(model, f"rho {rho:g}", {variable: replace(clause_of(model, variable), rho=rho)})


def over_rho(
    model: Any,
    variable: str,
    rho: Any,
    analysis: Any,
    m: int,
    random_seed: int | None,
    sampling: Mapping[str, Any],
    cores: int | None,
    progressbar: bool,
    **options: Any,
) -> tuple[pd.DataFrame, list[Refit], tuple[str, ...]]:
    """Fit, impute and analyse at each rho; see `jmimpute.mnar.sensitivity.sensitivity`.

    Parameters
    ----------
    model, variable, rho, analysis, m, random_seed, sampling, cores, progressbar, **options

    Returns
    -------
    points : pandas.DataFrame
        A row a fit that was done: ``rho``, ``implied_mean``, ``r_hat`` and ``ess``.
    refits : list of Refit
    notes : tuple of str
    """
    values = checked_rhos(rho)
    clause_of(model, variable)
    plan = plan_of(model, variable, analysis, m, random_seed, sampling, **options)
    found = refitted([held(model, variable, value) for value in values], plan, cores, progressbar)
    rows = [
        {RHO: value, IMPLIED_MEAN: one.implied_mean, R_HAT: one.r_hat, ESS: one.ess}
        for value, one in zip(values, found, strict=False)
    ]
    return pd.DataFrame(rows), found, findings(found, len(values))

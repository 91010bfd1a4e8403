"""When a conclusion holds: criteria of a tipping point as functions of a pooled term that are positive while it does."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from jmimpute.errors import AnalysisError

CI_EXCLUDES_ZERO = "ci_excludes_zero"
_P_BELOW = re.compile(r"^\s*p\s*<\s*(\d*\.?\d+)\s*$")


def criterion_of(criterion: Any) -> tuple[Callable[[Any], float], str]:
    """Read a criterion.

    Parameters
    ----------
    criterion : str or callable
        See `jmimpute.mnar.tipping.tipping_point`.

    Returns
    -------
    margin : callable
        Of a row of `jmimpute.Pooled.table`; positive while the conclusion holds.
    said : str
        In words.

    Raises
    ------
    AnalysisError
        If it is not known.
    """
    if callable(criterion):
        name = getattr(criterion, "__name__", "<lambda>")
        return lambda row: _number(criterion(row)), "the criterion" if name == "<lambda>" else name
    if criterion == CI_EXCLUDES_ZERO:
        return lambda row: max(row["conf_low"], -row["conf_high"]), "the confidence interval excludes zero"
    found = _P_BELOW.match(criterion) if isinstance(criterion, str) else None
    if found and 0 < float(found[1]) < 1:
        alpha = float(found[1])
        return lambda row: alpha - row["p_value"], f"p < {alpha:g}"
    raise AnalysisError(
        f"The criterion {criterion!r} is not known. Choose {CI_EXCLUDES_ZERO!r}, 'p<0.05' (any level), or a function of a row "
        "of the pooled table that is true, or positive, while the conclusion holds."
    )


def _number(answer: Any) -> float:
    """A truth value as 1 or -1, a number as it is."""
    if isinstance(answer, bool | np.bool_):
        return 1.0 if answer else -1.0
    try:
        number = float(answer)
    except (TypeError, ValueError):
        number = np.nan
    if np.isnan(number):
        raise AnalysisError(f"The criterion gave {answer!r}. It must give a truth value or a number.")
    return number

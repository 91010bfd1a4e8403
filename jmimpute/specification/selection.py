"""What the analyst says about a variable that is missing not at random.

A variable's being observed is a binary response of the joint model, its indicator, with covariates and random effects of its
own. What makes it a selection model (Heckman 1979) is the residual of its latent normal: with e the residual of the variable
and sigma its standard deviation,

    eps = rho e / sigma + sqrt(1 - rho^2) xi,     xi ~ N(0, 1) independent of everything,

so that missingness depends on the unseen part of the variable, and rho = 0 is missing at random. Exclusion variables have
coefficients in the equation of the indicator and none in that of the variable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jmimpute.errors import ExchangeError, FormulaError, PriorError, some
from jmimpute.specification import rho_priors
from jmimpute.specification.rho_priors import RhoPrior


@dataclass(frozen=True)
class Selection:
    """What the analyst says about a variable that is missing not at random. Made by `selection`.

    Attributes
    ----------
    formula : str
    exclude : tuple of str
    rationale : str
    rho : RhoPrior or float
    indicator : str or None
    """

    formula: str
    exclude: tuple[str, ...]
    rationale: str
    rho: RhoPrior | float
    indicator: str | None


def selection(
    formula: str,
    exclude: str | Sequence[str] = (),
    rationale: str = "",
    rho: RhoPrior | float | None = None,
    indicator: str | None = None,
) -> Selection:
    """Say that a variable is missing not at random, and what says whether it is observed (a Heckman selection model).

    Parameters
    ----------
    formula : str
        Right-hand side of the equation of being observed, ``"~ age + smoke + (1 | region)"``. Apart from the grouping term of
        the model it may have crossed ones with a random intercept, ``(1 | interviewer)``.
    exclude : str or sequence of str
        Exclusion restriction: terms of `formula` that act on whether the variable is observed and not on its value, columns
        or crossed grouping terms such as ``"(1 | interviewer)"``. Without any, rho is identified by the normal distribution
        alone.
    rationale : str
        Why these act on the one and not on the other. The report prints it.
    rho : RhoPrior or float, optional
        Prior of the correlation, `jm.priors.uniform` (-1 to 1) if not given, `jm.priors.truncated_normal` or
        `jm.priors.fisher_z`; `jm.priors.by_cluster`, with which it differs between clusters; or a number, at which it is held.
    indicator : str, optional
        A column that says whether the variable is observed (1, True) or not (0, False), to be checked against its cells.

    Returns
    -------
    Selection
        For the argument `missing` of `JointModel`.

    Raises
    ------
    FormulaError, PriorError
        If an exclusion restriction has no rationale, or rho is neither a prior nor a number between -1 and 1.
    """
    exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    if exclude and not (isinstance(rationale, str) and rationale.strip()):
        raise FormulaError(
            f"The exclusion restriction {some(exclude)} has no rationale. Say why it acts on whether the variable is observed "
            "and not on its value: rationale='interviewers are assigned, not chosen'."
        )
    return Selection(formula, exclude, rationale.strip(), _checked_rho(rho), indicator)


def _checked_rho(rho: Any) -> RhoPrior | float:
    if rho is None:
        return rho_priors.uniform()
    if isinstance(rho, RhoPrior):
        return rho
    if isinstance(rho, bool) or not isinstance(rho, int | float | np.floating) or not -1 < rho < 1:
        raise PriorError(f"rho must be a number between -1 and 1 or a prior such as jm.priors.uniform(-1, 1), not {rho!r}.")
    return float(rho)


def to_record(clauses: Mapping[str, Selection]) -> dict[str, dict[str, Any]]:
    """Write what is said of missing cells as plain numbers and texts, for JSON.

    Parameters
    ----------
    clauses : mapping of str to Selection
    """
    return {
        name: {**asdict(clause), "rho": clause.rho if isinstance(clause.rho, float) else rho_priors.to_record(clause.rho)}
        for name, clause in clauses.items()
    }


def from_record(record: Mapping[str, Any]) -> dict[str, Selection]:
    """Read what `to_record` wrote.

    Parameters
    ----------
    record : mapping

    Raises
    ------
    ExchangeError
        If it is something else.
    """
    try:
        return {name: selection(**{**entry, "rho": rho_priors.from_record(entry["rho"])}) for name, entry in record.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise ExchangeError(f"Selection models cannot be read from {record!r}: {error}. The file is corrupt.") from error

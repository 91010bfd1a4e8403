"""Descriptions of holes for `ampute`: which cells, how many, and what their being missing depends on.

A function for each mechanism: `mcar`, `mar`, `mnar` and `heckman`. They look at no table; `ampute` checks that a table has
what they name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

from jmimpute.errors import AmputationError, options

SPORADIC, SYSTEMATIC, LEVEL2 = KINDS = ("sporadic", "systematic", "level-2")
MCAR, MAR, MNAR, HECKMAN = "MCAR", "MAR", "MNAR", "Heckman"
SHAPES = ("right", "left", "mid", "tail")


@dataclass(frozen=True)
class Term:
    """What being missing depends on, and how much.

    Attributes
    ----------
    column : str
    of_cluster : bool
        The mean of the column in the cluster of a row instead of the value of the row.
    weight : float or dict
        For each standard deviation of the column or, of categories, for each of those named.
    """

    column: str
    of_cluster: bool
    weight: float | dict[Any, float]


@dataclass(frozen=True)
class Holes:
    """Cells to be made missing. Made by `mcar`, `mar`, `mnar` or `heckman`.

    Attributes
    ----------
    columns : tuple of str
        Missing together.
    proportion : float
        Expected share of rows or, unless `kind` is sporadic, of clusters.
    mechanism : str
        MCAR, MAR, MNAR or Heckman.
    kind : str
        sporadic, systematic or level-2.
    terms : tuple of Term
    shape : str
        right, left, mid or tail.
    rho, cluster_sd : float
        Of the Heckman mechanism.
    given : tuple of str
        Of the Heckman mechanism: what the residual of the column is taken given.
    """

    columns: tuple[str, ...]
    proportion: float
    mechanism: str
    kind: str = SPORADIC
    terms: tuple[Term, ...] = ()
    shape: str = "right"
    rho: float = 0.0
    cluster_sd: float = 0.0
    given: tuple[str, ...] = ()


def mcar(columns: str | Sequence[str], proportion: float, kind: str = SPORADIC) -> Holes:
    """Missing completely at random: every unit has the same probability.

    Parameters
    ----------
    columns : str or sequence of str
        Missing together: a missing-data pattern.
    proportion : float
        Expected share of units, between 0 and 1; the number of units is binomial.
    kind : {"sporadic", "systematic", "level-2"}
        What a unit is. ``sporadic``: a row. ``systematic``: a cluster, which loses every value of columns that vary
        within clusters. ``level-2``: a cluster, which loses the one value that it has of columns of clusters.

    Returns
    -------
    Holes

    Raises
    ------
    AmputationError
        If an argument is not one of those above.
    """
    return _checked(Holes(_names(columns), proportion, MCAR, kind))


def mar(
    columns: str | Sequence[str],
    proportion: float,
    weights: Mapping[str, float | Mapping[Any, float]],
    kind: str = SPORADIC,
    shape: str = "right",
) -> Holes:
    """Missing at random: the probability depends on values that stay observed.

    The log-odds of a unit are ``a + s`` (right), ``a - s`` (left), ``a - |s|`` (mid) or ``a + |s|`` (tail), where s is the
    weighted sum, less its mean over units, of what `weights` names. The constant a is such that the mean of the
    probabilities over units is `proportion`. The shapes are those of mice's `ampute` (Schouten, Lugtig and Vink 2018,
    Journal of Statistical Computation and Simulation 88, 2909), with weights that say how strong the dependence is.

    Parameters
    ----------
    columns : str or sequence of str
        Missing together: a missing-data pattern.
    proportion : float
        Expected share of units, between 0 and 1; the number of units is the sum of independent draws.
    weights : mapping
        From what being missing depends on to log-odds. A key is a column or ``"cluster_mean(x)"``, the mean of column x in
        the cluster of a row; where the unit is a cluster, a column stands for its mean in the cluster. The log-odds are for
        one standard deviation, over units, of a numeric column. Of categories, texts or truth values give the log-odds of
        some, such as ``{"sex": {"girl": 0.5}}``; the others have 0.
    kind : {"sporadic", "systematic", "level-2"}
        As in `mcar`.
    shape : {"right", "left", "mid", "tail"}
        Where the missing units are: at high, low, middle, or extreme values of the weighted sum.

    Returns
    -------
    Holes

    Raises
    ------
    AmputationError
        If an argument is not one of those above, or a column of `weights` is made missing itself.
    """
    holes = _checked(Holes(_names(columns), proportion, MAR, kind, _terms(weights), shape))
    own = [term.column for term in holes.terms if term.column in holes.columns]
    if own:
        raise AmputationError(
            f"Column {own[0]!r} is made missing by holes that depend on it: that is missing not at random. Use jm.holes.mnar, "
            "or take it out of the weights."
        )
    return holes


def mnar(
    columns: str | Sequence[str],
    proportion: float,
    weights: Mapping[str, float | Mapping[Any, float]],
    kind: str = SPORADIC,
    shape: str = "right",
) -> Holes:
    """Missing not at random: the probability depends on the values that go missing.

    Parameters
    ----------
    columns : str or sequence of str
        Missing together: a missing-data pattern.
    proportion : float
        Expected share of units, between 0 and 1.
    weights : mapping
        As in `mar`; at least one of `columns`, or its cluster mean, must be among the keys.
    kind : {"sporadic", "systematic", "level-2"}
        As in `mcar`.
    shape : {"right", "left", "mid", "tail"}
        As in `mar`.

    Returns
    -------
    Holes

    Raises
    ------
    AmputationError
        If an argument is not one of those above, or no column that is made missing is among `weights`.
    """
    holes = _checked(Holes(_names(columns), proportion, MNAR, kind, _terms(weights), shape))
    if not any(term.column in holes.columns for term in holes.terms):
        raise AmputationError(
            f"Missing not at random means that the weights have a column that is made missing, {options(holes.columns)}. Add "
            "it, or use jm.holes.mar."
        )
    return holes


def heckman(
    column: str,
    proportion: float,
    selection: Mapping[str, float | Mapping[Any, float]],
    rho: float,
    given: str | Sequence[str] = (),
    cluster_sd: float = 0.0,
) -> Holes:
    """Missing not at random by a selection model: unseen causes of the value are causes of its being observed.

    The value in row i of cluster j stays observed if r > 0 (Heckman 1976, Annals of Economic and Social Measurement 5, 475)::

        r_ij = g0 + g'x_ij + c_j + rho e_ij + sqrt(1 - rho^2) xi_ij     c_j ~ N(0, cluster_sd^2),  xi_ij ~ N(0, 1)

    with e the residual of the column in a regression on the columns `given` and, with clusters, an intercept for each of
    them, scaled to a standard deviation of 1: the errors of r and of the column have correlation rho. The constant g0 is such
    that the expected share of missing rows is `proportion`, given the c_j that were drawn.

    Parameters
    ----------
    column : str
        A complete numeric column.
    proportion : float
        Expected share of rows, between 0 and 1.
    selection : mapping
        From columns x, written as the weights of `mar`, to coefficients g on the probit scale, for being *observed*.
        Columns that are not among `given` and say nothing about the value itself serve a model as exclusion variables.
    rho : float
        Between -1 and 1. Above 0, high values stay observed more often than a model without it would expect.
    given : str or sequence of str
        Columns that a model of the value will have.
    cluster_sd : float
        Standard deviation of c_j, at least 0.

    Returns
    -------
    Holes

    Raises
    ------
    AmputationError
        If an argument is not one of those above, or `column` is among `selection` or `given`.
    """
    if not isinstance(column, str):
        raise AmputationError(f"A selection model is for one column, not {column!r}. Give several jm.holes.heckman to ampute.")
    given = _names(given) if given else ()
    terms = _terms(selection)
    if column in given or column in (term.column for term in terms):
        raise AmputationError(f"Column {column!r} enters its selection model through rho only. Take it out of the others.")
    if not _is_number(rho) or not -1 < rho < 1:
        raise AmputationError(f"rho is a correlation between -1 and 1, both left out, not {rho!r}.")
    if not _is_number(cluster_sd) or cluster_sd < 0:
        raise AmputationError(f"cluster_sd is a standard deviation, 0 or above, not {cluster_sd!r}.")
    return _checked(
        Holes((column,), proportion, HECKMAN, terms=terms, rho=float(rho), cluster_sd=float(cluster_sd), given=given)
    )


def _names(columns: str | Sequence[str]) -> tuple[str, ...]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise AmputationError(f"Give one column or several different ones by name, not {columns!r}.")
    return names


def _terms(weights: Mapping[str, float | Mapping[Any, float]]) -> tuple[Term, ...]:
    if not isinstance(weights, Mapping) or not weights:
        raise AmputationError(f"Weights are a dict from columns to numbers, such as {{'age': 0.8}}, not {weights!r}.")
    return tuple(_term(name, weight) for name, weight in weights.items())


def _term(name: str, weight: float | Mapping[Any, float]) -> Term:
    numbers = list(weight.values()) if isinstance(weight, Mapping) else [weight]
    if not numbers or not all(_is_number(number) and isfinite(number) for number in numbers):
        raise AmputationError(
            f"The weight of {name!r} is {weight!r}. Give a finite number or, for categories, a dict from categories to numbers."
        )
    mean = re.fullmatch(r"cluster_mean\((.+)\)", str(name))
    return Term(mean[1] if mean else name, mean is not None, dict(weight) if isinstance(weight, Mapping) else float(weight))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _checked(holes: Holes) -> Holes:
    if not _is_number(holes.proportion) or not 0 < holes.proportion < 1:
        raise AmputationError(f"The proportion of missing units is between 0 and 1, not {holes.proportion!r}.")
    if holes.kind not in KINDS:
        raise AmputationError(f"There is no kind of holes {holes.kind!r}. Choose {options(KINDS)}.")
    if holes.shape not in SHAPES:
        raise AmputationError(f"There is no shape {holes.shape!r}. Choose {options(SHAPES)}.")
    return holes

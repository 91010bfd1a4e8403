"""Adjustments as small records: how missing values are said to differ from those that are missing at random.

An adjustment replaces what was imputed for a missing cell under missing at random (MAR). Its amount is one number, one number a
group (`by`), a sequence of numbers, which makes a grid, or None, which is left open for a tipping point to fill in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from jmimpute.errors import ImputationError, options

SHIFT, SCALE, ODDS, LATENT = "shift", "scale", "odds", "latent"
RAW, SD, SD_TOTAL = "raw", "sd", "sd_total"
ZERO, MEAN = "zero", "mean"
ALL, SPORADIC, SYSTEMATIC = "all", "sporadic", "systematic"
#: What the amount of each kind is called.
AMOUNTS = {SHIFT: "delta", SCALE: "factor", ODDS: "odds_ratio", LATENT: "delta"}

Amount = float | None | tuple[float, ...]


@dataclass(frozen=True)
class Adjustment:
    """How values that are missing differ from what would be imputed under MAR.

    Made by `jmimpute.shift`, `jmimpute.scale`, `jmimpute.odds` and `jmimpute.latent`; not by hand.

    Attributes
    ----------
    kind : {"shift", "scale", "odds", "latent"}
    amounts : dict
        By group, or that of None without groups: a number, a tuple of numbers (a grid) or None (left open).
    by : str or None
        Column of the groups.
    where : str or ndarray of bool
        Which cells are adjusted.
    unit : {"raw", "sd", "sd_total"}
        Of a shift.
    about : {"zero", "mean"}
        What a scale leaves as it is.
    prior_sd, cluster_sd : float
        Standard deviations of amounts over imputations and over clusters; of logarithms for a scale and odds.
    """

    kind: str
    amounts: Mapping[Any, Amount]
    by: str | None = None
    where: Any = field(default=ALL, compare=False)
    unit: str = RAW
    about: str = ZERO
    prior_sd: float = 0.0
    cluster_sd: float = 0.0

    @property
    def is_ratio(self) -> bool:
        """Whether amounts multiply: their logarithms are what is added up, and 1 stands for MAR."""
        return self.kind in (SCALE, ODDS)

    @property
    def neutral(self) -> float:
        """Amount that leaves everything as it is."""
        return 1.0 if self.is_ratio else 0.0

    def label(self, group: Any) -> str:
        """Name of the amount of a group: ``delta``, or ``delta[active]``.

        Parameters
        ----------
        group : hashable
        """
        name = AMOUNTS[self.kind]
        return name if self.by is None else f"{name}[{group}]"

    @property
    def open(self) -> tuple[str, ...]:
        """Labels of amounts that are left open."""
        return tuple(self.label(group) for group, amount in self.amounts.items() if amount is None)

    @property
    def grid(self) -> dict[str, tuple[float, ...]]:
        """Values of the amounts that make a grid, by label."""
        return {self.label(group): amount for group, amount in self.amounts.items() if isinstance(amount, tuple)}

    def points(self) -> list[dict[str, float]]:
        """All combinations of the values of a grid; one, without values, if there is none."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]

    def at(self, values: Mapping[str, float]) -> dict[Any, Amount]:
        """Amounts by group, with values put in for those that make a grid or are left open.

        Parameters
        ----------
        values : mapping of str to float
            By label.
        """
        return {group: values.get(self.label(group), amount) for group, amount in self.amounts.items()}

    def fixed(self, values: Mapping[str, float]) -> "Adjustment":
        """The same adjustment with these values put in.

        Parameters
        ----------
        values : mapping of str to float
            By label.
        """
        return replace(self, amounts=self.at(values))

    def record(self) -> dict[str, Any]:
        """Write down for the provenance what it is."""
        where = self.where if isinstance(self.where, str) else f"{int(np.sum(self.where))} rows"
        amounts = {self.label(group): amount for group, amount in self.amounts.items()}
        said = {"kind": self.kind, "amounts": amounts, "by": self.by, "where": where, "unit": self.unit, "about": self.about}
        return {**said, "prior_sd": self.prior_sd, "cluster_sd": self.cluster_sd}


def shift(
    delta: Any = None, unit: str = RAW, *, by: str | None = None, where: Any = ALL, prior_sd: float = 0, cluster_sd: float = 0
) -> Adjustment:
    """Add a number to the missing values of a continuous variable.

    Parameters
    ----------
    delta : float, sequence or mapping, optional
        What is added; a sequence makes a grid, None leaves it open for `tipping_point`. With `by`, one of these a group.
    unit : {"raw", "sd", "sd_total"}
        Units of the variable, residual standard deviations of level 1 in each posterior draw, or standard deviations of the
        observed values.
    by : str, optional
        Column of groups, such as the arm of a trial or the cluster; complete.
    where : {"all", "sporadic", "systematic"} or sequence of bool, one a row
        Which missing cells: "sporadic" are those of clusters that have observed values, "systematic" those of clusters that
        have none.
    prior_sd : float
        If positive, the amount of each group is drawn anew for each imputation, normal about `delta` with this standard
        deviation, in the units of `delta`: the expert's uncertainty, which then is part of the variance between imputations.
    cluster_sd : float
        If positive, each cluster has an amount of its own, drawn for each imputation, normal about that of its group.

    Returns
    -------
    Adjustment

    Raises
    ------
    ImputationError
        If an argument is none of these.
    """
    _check_choice("unit", unit, (RAW, SD, SD_TOTAL))
    return _made(SHIFT, delta, by, where, prior_sd, cluster_sd, unit=unit)


def scale(
    factor: Any = None,
    about: str = ZERO,
    *,
    by: str | None = None,
    where: Any = ALL,
    prior_sd: float = 0,
    cluster_sd: float = 0,
) -> Adjustment:
    """Multiply the missing values of a continuous variable.

    Parameters
    ----------
    factor : float, sequence or mapping, optional
        Positive; see `shift`.
    about : {"zero", "mean"}
        Multiply the values (the multiplier of Fiero et al. 2017, Statistics in Medicine 36), or their
        distances from the mean that is predicted from the observed values of the row.
    by, where
        See `shift`.
    prior_sd, cluster_sd : float
        As in `shift`, of the logarithm of the factor.

    Returns
    -------
    Adjustment

    Raises
    ------
    ImputationError
        If an argument is none of these.
    """
    _check_choice("about", about, (ZERO, MEAN))
    return _made(SCALE, factor, by, where, prior_sd, cluster_sd, about=about)


def odds(
    ratio: Any = None, *, by: str | None = None, where: Any = ALL, prior_sd: float = 0, cluster_sd: float = 0
) -> Adjustment:
    """Multiply the odds of a higher category of a binary or ordinal variable, cell by cell.

    Parameters
    ----------
    ratio : float, sequence or mapping, optional
        Positive: the informative missingness odds ratio; see `shift`.
    by, where
        See `shift`.
    prior_sd, cluster_sd : float
        As in `shift`, of the logarithm of the ratio.

    Returns
    -------
    Adjustment

    Raises
    ------
    ImputationError
        If an argument is none of these.

    Notes
    -----
    With p the probability of a cell under MAR given the observed values of its row, the posterior draw and the random effects,
    it becomes r p / (1 - p + r p). Of an ordinal variable this holds for the probability of every "this category or higher".
    The random number that decided a cell decides it again, so that a larger ratio never gives a lower category.
    """
    return _made(ODDS, ratio, by, where, prior_sd, cluster_sd)


def latent(
    delta: Any = None, *, by: str | None = None, where: Any = ALL, prior_sd: float = 0, cluster_sd: float = 0
) -> Adjustment:
    """Add a number to the latent normal of a binary or ordinal variable, whose residual standard deviation is 1.

    Parameters
    ----------
    delta : float, sequence or mapping, optional
        In these standard deviations; see `shift`.
    by, where, prior_sd, cluster_sd
        See `shift`.

    Returns
    -------
    Adjustment

    Raises
    ------
    ImputationError
        If an argument is none of these.
    """
    return _made(LATENT, delta, by, where, prior_sd, cluster_sd)


def _made(
    kind: str,
    amount: Any,
    by: str | None,
    where: Any,
    prior_sd: Any,
    cluster_sd: Any,
    unit: str = RAW,
    about: str = ZERO,
) -> Adjustment:
    """Check what the four kinds have in common."""
    if by is None and isinstance(amount, Mapping):
        raise ImputationError(f"There is one {AMOUNTS[kind]} a group, but no `by`. Name the column of the groups.")
    if by is not None and not (isinstance(amount, Mapping) and amount):
        raise ImputationError(f"With by={by!r}, give the {AMOUNTS[kind]} by group, such as {{'active': ..., 'control': ...}}.")
    given = amount if isinstance(amount, Mapping) else {None: amount}
    amounts = {group: _read(kind, value) for group, value in given.items()}
    sds = _not_negative("prior_sd", prior_sd), _not_negative("cluster_sd", cluster_sd)
    return Adjustment(kind, amounts, by, _read_where(where), unit, about, *sds)


def _read(kind: str, amount: Any) -> Amount:
    """One number, several, or none."""
    if amount is None:
        return None
    if isinstance(amount, Sequence | np.ndarray) and not isinstance(amount, str):
        values = tuple(_number(kind, value) for value in amount)
        if not values or len(set(values)) < len(values):
            raise ImputationError(f"The values of a grid must be different numbers, at least one; not {amount!r}.")
        return values
    return _number(kind, amount)


def _number(kind: str, value: Any) -> float:
    name, least = AMOUNTS[kind], 0.0 if kind in (SCALE, ODDS) else -np.inf
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least < value < np.inf:
        what = "a positive number; 1 stands for missing at random" if kind in (SCALE, ODDS) else "a finite number"
        raise ImputationError(f"The {name} must be {what}, not {value!r}.")
    return float(value)


def _not_negative(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < np.inf:
        raise ImputationError(f"{name} must be a number of at least 0, not {value!r}.")
    return float(value)


def _read_where(where: Any) -> Any:
    if isinstance(where, str):
        _check_choice("where", where, (ALL, SPORADIC, SYSTEMATIC))
        return where
    mask = np.asarray(where)
    if mask.dtype != bool or mask.ndim != 1:
        raise ImputationError(
            f"where must be {options((ALL, SPORADIC, SYSTEMATIC))}, or one truth value a row; not {where!r:.60}."
        )
    return mask


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ImputationError(f"{name} must be {options(choices)}, not {value!r}.")

"""One amount varied outward from missing at random until a conclusion changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import ImputationError
from jmimpute.mnar.adjustments import LATENT, ODDS, RAW, SCALE, Adjustment
from jmimpute.mnar.evaluating import IMPLIED_MEAN, Evaluator

#: Points on either side of missing at random between which a change is looked for, and the precision of the root, as a part of
#: the range: where the analysis is linear, and where each point takes as many analyses as there are imputations.
EXACT, COSTLY = (100, 1e-13), (5, 1e-4)
DEFAULT_RANGES = {SCALE: (0.25, 4.0), ODDS: (0.1, 10.0), LATENT: (-2.0, 2.0)}
SDS = 2.0
TINY = 1e-300


@dataclass(frozen=True)
class Curve:
    """The pooled term as a function of one amount, on the scale on which amounts are added up, where 0 is missing at random.

    Attributes
    ----------
    evaluator : Evaluator
    label : str
        Of the amount.
    term : str
    criterion : callable
        See `jmimpute.mnar.criteria.criterion_of`.
    level : float
    values : dict
        Of other amounts.
    rows : dict
        What was evaluated, by place on the additive scale.
    """

    evaluator: Evaluator
    label: str
    term: str
    criterion: Callable[[pd.Series], float]
    level: float
    values: Mapping[str, float]
    rows: dict[float, pd.Series]

    @property
    def adjustment(self) -> Adjustment:
        """What is varied."""
        return self.evaluator.displacement.adjustment

    def amount(self, place: float) -> float:
        """The amount at a place on the additive scale.

        Parameters
        ----------
        place : float
        """
        return float(np.exp(place)) if self.adjustment.is_ratio else float(place)

    def place(self, amount: float) -> float:
        """The place of an amount.

        Parameters
        ----------
        amount : float
        """
        return float(np.log(amount)) if self.adjustment.is_ratio else float(amount)

    def evaluate(self, places: Sequence[float]) -> None:
        """Analyse at these places, unless that was done.

        Parameters
        ----------
        places : sequence of float
        """
        new = [float(place) for place in places if float(place) not in self.rows]
        points = [{**self.values, self.label: self.amount(place)} for place in new]
        mean = self.evaluator.implied_mean
        for place, point, fits in zip(new, points, self.evaluator.at(points), strict=True):
            self.rows[place] = pd.concat([fits.pooled_term(self.term, self.level), pd.Series({IMPLIED_MEAN: mean(point)})])

    def margin(self, place: float) -> float:
        """How far the conclusion is from changing; positive while it holds.

        Parameters
        ----------
        place : float
        """
        self.evaluate([place])
        return self.criterion(self.rows[place])

    def roots(self, limits: tuple[float, float]) -> tuple[float | None, float | None]:
        """Amounts below and above missing at random at which the conclusion first changes.

        Parameters
        ----------
        limits : pair of float
        """
        ends = [self.place(limit) for limit in limits]
        n_points, precision = EXACT if self.evaluator.curves is not None else COSTLY
        ways = [np.linspace(0.0, end, n_points + 1) for end in ends]
        self.evaluate([*ways[0][::-1], *ways[1]])
        below, above = (self._first(way, precision * (ends[1] - ends[0])) for way in ways)
        return below, above

    def _first(self, way: np.ndarray, precision: float) -> float | None:
        """The first change on the way from missing at random."""
        root = first_change(self.margin, way, precision)
        if root is None:
            return None
        self.evaluate([root])
        return self.amount(root)

    def nearest(self, below: float | None, above: float | None) -> float | None:
        """The one that is nearest to missing at random.

        Parameters
        ----------
        below, above : float or None
        """
        found = [amount for amount in (below, above) if amount is not None]
        return min(found, key=lambda amount: abs(self.place(amount)), default=None)

    def table(self) -> pd.DataFrame:
        """All that was evaluated, in order."""
        places = sorted(self.rows)
        table = pd.DataFrame([self.rows[place] for place in places]).reset_index(drop=True)
        table.insert(0, self.label, [self.amount(place) for place in places])
        return table.assign(holds=[self.margin(place) > 0 for place in places])


def first_change(margin: Callable[[float], float], way: np.ndarray, precision: float) -> float | None:
    """Find the first place on a way at which a conclusion changes.

    Parameters
    ----------
    margin : callable
        Of a place; positive while the conclusion holds.
    way : ndarray
        Places between which it may change.
    precision : float

    Returns
    -------
    float or None
        None if it does not.
    """
    from scipy.optimize import brentq

    for near, far in pairwise(way.tolist()):
        if (margin(near) > 0) != (margin(far) > 0):
            # A margin of exactly 0 no longer holds.
            root: Any = brentq(lambda place: margin(place) or -TINY, near, far, xtol=precision)
            return float(root)
    return None


def limits_of(
    adjustment: Adjustment, imputations: Any, variable: str, given: tuple[float, float] | None
) -> tuple[float, float]:
    """Check the range to search, or choose one.

    Parameters
    ----------
    adjustment : Adjustment
    imputations : Imputations
    variable : str
    given : pair of float, optional

    Returns
    -------
    tuple of float

    Raises
    ------
    ImputationError
        If it is no such range, or does not contain missing at random.
    """
    if given is None:
        if adjustment.kind in DEFAULT_RANGES:
            return DEFAULT_RANGES[adjustment.kind]
        width = SDS * (float(imputations.original[variable].std()) if adjustment.unit == RAW else 1.0)
        return -width, width
    least = 0.0 if adjustment.is_ratio else -np.inf
    try:
        low, high = map(float, given)
    except (TypeError, ValueError) as error:
        raise ImputationError(f"The range must be two numbers, not {given!r}.") from error
    if not least < low <= adjustment.neutral <= high < np.inf or low == high:
        raise ImputationError(
            f"The range {given!r} must be two finite numbers{', positive,' * adjustment.is_ratio} about "
            f"{adjustment.neutral:g}, which stands for missing at random."
        )
    return low, high

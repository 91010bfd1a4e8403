"""The rho at which a conclusion changes, between the points of a grid of fits."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jmimpute.errors import ImputationError
from jmimpute.mnar.criteria import criterion_of
from jmimpute.mnar.interpolation import RhoCurve, chosen_term, curve_of
from jmimpute.mnar.rho_grid import RHO
from jmimpute.mnar.tipping import TippingPoint
from jmimpute.mnar.turning import first_change

#: Steps of the way from missing at random to each end of the grid, and the precision of the root.
STEPS, PRECISION = 100, 1e-10


def tipping_rho(sensitivity: Any, term: str | None, criterion: Any) -> TippingPoint:
    """Find where a conclusion changes; see `jmimpute.mnar.sensitivity.Sensitivity.tipping_point`.

    Parameters
    ----------
    sensitivity : Sensitivity
    term : str, optional
    criterion : str or callable

    Returns
    -------
    TippingPoint
    """
    judge, said = criterion_of(criterion)
    term = chosen_term(sensitivity.terms, term)
    curve = curve_of(sensitivity, term)
    low, high = float(curve.rho[0]), float(curve.rho[-1])
    if not low <= 0 <= high:
        raise ImputationError(
            f"The grid from {low:g} to {high:g} does not contain rho = 0, missing at random, from which changes are counted."
        )
    places = np.unique([*np.linspace(low, 0.0, STEPS + 1), *np.linspace(0.0, high, STEPS + 1), *curve.rho])
    holds = _judged(curve, judge, places)
    below, above = (_first(curve, judge, places[way], holds[way]) for way in (np.flatnonzero(places <= 0)[::-1], places >= 0))
    found = [value for value in (below, above) if value is not None]
    value = min(found, key=abs, default=None)
    error = None if value is None else _monte_carlo_error(curve, judge, value)
    table = curve.rows(np.unique([*places, *found]))
    table.insert(1, "term", term)
    table["holds"] = _judged(curve, judge, table[RHO].to_numpy())
    about = (0.0, (low, high), table, sensitivity.level)
    at_random = bool(holds[np.searchsorted(places, 0.0)])
    return TippingPoint(sensitivity.variable, term, RHO, said, at_random, value, below, above, *about, mc_error=error)


def _judged(curve: RhoCurve, judge: Callable[[Any], float], places: np.ndarray) -> np.ndarray:
    return np.array([judge(row) > 0 for _, row in curve.rows(places).iterrows()])


def _first(curve: RhoCurve, judge: Callable[[Any], float], places: np.ndarray, holds: np.ndarray) -> float | None:
    """The first change along places of which it is known whether the conclusion holds."""
    changes = np.flatnonzero(holds[1:] != holds[:-1])
    return first_change(_margin(curve, judge), places[changes[0] : changes[0] + 2], PRECISION) if len(changes) else None


def _margin(curve: RhoCurve, judge: Callable[[Any], float]) -> Callable[[float], float]:
    return lambda rho: judge(curve.row(rho))


def _monte_carlo_error(curve: RhoCurve, judge: Callable[[Any], float], value: float) -> float | None:
    """By the jackknife over imputations; None if the conclusion does not change at all without one of them."""
    m = curve.estimates.shape[1]
    if m < 3:
        return None
    end = float(curve.rho[0] if value < 0 else curve.rho[-1])
    found = []
    for k in range(m):
        margin = _margin(curve.without(k), judge)
        near, far = value, value
        while (margin(near) > 0) == (margin(far) > 0):
            if (near, far) == (0.0, end):
                return None
            width = np.sign(end) * (abs(end) / STEPS + abs(far - near))
            near, far = (float(np.clip(place, min(0, end), max(0, end))) for place in (near - width, far + width))
        found.append(first_change(margin, np.array([near, far]), PRECISION))
    spread = np.array(found)
    return float(np.sqrt((m - 1) / m * np.sum((spread - spread.mean()) ** 2)))

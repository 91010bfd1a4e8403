"""Covariates that tell the categories of a response apart without error, so that the likelihood has no maximum.

Along a direction of coefficients and cut points in which no row moves away from its category and some move into it, the
likelihood never falls (Albert and Anderson 1984). Under a flat prior the posterior is then improper; under a normal one it
rests on the prior. Random effects, and correlations with other responses, do not change that.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jmimpute.errors import some
from jmimpute.names import INTERCEPT
from jmimpute.specification.families import BINARY, ORDINAL, Variable
from jmimpute.specification.layout import Layout, Level2
from jmimpute.specification.variables import shown

# Slacks are scaled to be about 1 at most, and the solver is right to 1e-7.
TOLERANCE = 1e-6
# Constraints that join the linear programme at a time, for each of its unknowns.
JOINING = 10


@dataclass(frozen=True)
class Separation:
    """A response whose categories are separated.

    Attributes
    ----------
    response : str
    covariates : tuple of str
        Those that separate alone, or all if none does.
    combined : bool
        Whether only a combination of them separates.
    levels : tuple
        Those that are the only ones left in some rows; empty if none or all are.
    """

    response: str
    covariates: tuple[str, ...]
    combined: bool
    levels: tuple

    def __str__(self) -> str:
        """Say what separates what."""
        who = f"a combination of {', '.join(self.covariates)}" if self.combined else " or ".join(self.covariates)
        whom = f"{some(map(shown, self.levels))} from the other categories" if self.levels else "the categories"
        return f"{who} separates {whom} of {self.response!r} perfectly"


@dataclass(frozen=True)
class _Bounds:
    """Inequalities between scores of a row: those of latents, of free cut points and, last, 0.

    A direction is the coefficients, latent by latent, and then the cut points; inequality m says that along it the score
    ``above[m]`` of row ``row[m]`` does not fall below the score ``below[m]``.
    """

    x: np.ndarray  # (n_rows, q)
    width: int
    n_cuts: int
    row: np.ndarray  # (M,)
    above: np.ndarray  # (M,)
    below: np.ndarray  # (M,)

    @property
    def size(self) -> int:
        return self.x.shape[1] * self.width + self.n_cuts

    @cached_property
    def scale(self) -> np.ndarray:
        """What slacks are divided by, shape (M,); they are then at most 2 for directions of at most 1 in every coordinate."""
        return 1.0 + np.abs(self.x).sum(axis=1)[self.row]

    def slacks(self, direction: np.ndarray) -> np.ndarray:
        """Margin of each inequality, shape (M,)."""
        q = self.x.shape[1]
        latent = self.x @ direction[: q * self.width].reshape(self.width, q).T
        fixed = np.broadcast_to(np.append(direction[q * self.width :], 0.0), (len(latent), self.n_cuts + 1))
        scores = np.hstack([latent, fixed])
        return (scores[self.row, self.above] - scores[self.row, self.below]) / self.scale

    def gradients(self, chosen: np.ndarray) -> np.ndarray:
        """Coefficients of some inequalities, shape (n_chosen, size)."""
        unit = np.eye(self.width + self.n_cuts + 1)
        sign = (unit[self.above[chosen]] - unit[self.below[chosen]]) / self.scale[chosen, None]
        latent = sign[:, : self.width, None] * self.x[self.row[chosen], None, :]
        return np.hstack([latent.reshape(len(chosen), -1), sign[:, self.width : -1]])

    def total(self, counted: np.ndarray) -> np.ndarray:
        """Sum of the coefficients of the inequalities that count, shape (size,)."""
        sign = np.zeros((len(self.x), self.width + self.n_cuts + 1))
        weight = counted / self.scale
        np.add.at(sign, (self.row, self.above), weight)
        np.add.at(sign, (self.row, self.below), -weight)
        return np.concatenate([(sign[:, : self.width].T @ self.x).ravel(), sign[:, self.width : -1].sum(axis=0)])


def separations(layout: Layout | Level2, categories: np.ndarray, x: np.ndarray, free: bool) -> list[Separation]:
    """Find the responses whose categories are separated.

    Parameters
    ----------
    layout : Layout or Level2
    categories : ndarray of int, shape (n_rows, n_variables)
        Positions in the levels of each variable, -1 for missing cells.
    x : ndarray, shape (n_rows, q)
        On the standardised scale.
    free : bool
        Whether cut points may move too.

    Returns
    -------
    list of Separation
    """
    found = []
    for variable, codes in zip(layout.variables, categories.T, strict=True):
        if variable.is_latent:
            used = np.flatnonzero(layout.beta_mask[:, variable.first])
            kept = _distinct(codes, x[:, used])
            names = [layout.covariates[k] for k in used]
            found.append(_separation(variable, codes[kept], x[np.ix_(kept, used)], names, free))
    return [separation for separation in found if separation is not None]


def _distinct(codes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Rows that are observed, and the first of their kind: others repeat its inequalities."""
    seen = np.flatnonzero(codes >= 0)
    repeated = pd.DataFrame(np.column_stack([codes[seen], x[seen]])).duplicated().to_numpy()
    return seen[~repeated]


def _extremes(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rows with the smallest and the largest value in each category.

    Inequalities are linear in a covariate, so that those of the rows between hold, and strictly, only with those of these.
    """
    order = np.lexsort((values, codes))
    last = np.append(np.diff(codes[order]) != 0, True)
    first = np.append(True, last[:-1])
    return order[first | last]


def _separates(variable: Variable, codes: np.ndarray, x: np.ndarray, constant: list[int], column: int, free: bool) -> bool:
    """Whether one covariate separates the categories alone."""
    rows = _extremes(codes, x[:, column])
    return _is_open(_bounds(variable, codes[rows], x[np.ix_(rows, [*constant, column])], free))


def _separation(variable: Variable, codes: np.ndarray, x: np.ndarray, names: list[str], free: bool) -> Separation | None:
    """The separation of one response, of which all rows are observed."""
    constant = [k for k, name in enumerate(names) if name == INTERCEPT]
    others = [k for k, name in enumerate(names) if name != INTERCEPT]
    alone = [k for k in others if _separates(variable, codes, x, constant, k, free)]
    if not alone and not _is_open(_bounds(variable, codes, x, free)):
        return None
    certain = tuple(level for k, level in enumerate(variable.levels) if _is_certain(np.equal(codes, k), x))
    levels = certain if len(certain) < len(variable.levels) else ()
    return Separation(variable.name, tuple(names[k] for k in alone or others), not alone, levels)


def _is_certain(own: np.ndarray, x: np.ndarray) -> bool:
    """Whether a category, against all others as one, is the only one left in some rows."""
    bounds = _bounds(Variable("", BINARY, 0, (False, True), 0), own.astype(int), x, False)
    return _is_open(bounds, own[bounds.row])


def _bounds(variable: Variable, codes: np.ndarray, x: np.ndarray, free: bool) -> _Bounds:
    """The inequalities that observed categories set."""
    row = np.arange(len(codes))
    if variable.family != ORDINAL:
        # The score of the category, 0 for the reference, is not below any other.
        pairs = np.array([(a, b) for a in range(variable.width + 1) for b in range(variable.width + 1) if a != b])
        row, pair = np.nonzero(np.equal.outer(variable.slots[codes], pairs[:, 0]))
        return _Bounds(x, variable.width, 0, row, *pairs[pair].T)
    # Scores are the latent, c_2, c_3, ... and 0, which is also c_1; cut points that cannot move stay at 0 as well.
    n_cuts = variable.n_cutpoints if free else 0
    zero = 1 + n_cuts
    cut = np.array([zero, *(range(1, 1 + n_cuts) if free else [zero] * variable.n_cutpoints)])
    low, high = row[codes > 0], row[codes < len(variable.levels) - 1]
    above = np.concatenate([np.zeros(len(low), dtype=int), cut[codes[high]]])
    below = np.concatenate([cut[codes[low] - 1], np.zeros(len(high), dtype=int)])
    return _Bounds(x, 1, n_cuts, np.concatenate([low, high]), above, below)


def _is_open(bounds: _Bounds, counted: np.ndarray | None = None) -> bool:
    """Whether a direction meets all inequalities, and strictly some of those that count, which are all if not given.

    The sum of their slacks is maximised subject to the inequalities that an earlier maximum violated, so that few of many rows
    enter the linear programme.
    """
    from scipy.optimize import linprog

    counted = np.ones(len(bounds.row), dtype=bool) if counted is None else counted
    total = bounds.total(counted)
    used = np.zeros(len(bounds.row), dtype=bool)
    gradients = np.empty((0, bounds.size))
    while True:
        found = linprog(-total, A_ub=-gradients, b_ub=np.zeros(len(gradients)), bounds=(-1.0, 1.0), method="highs")
        slacks = bounds.slacks(found.x)
        violated = np.flatnonzero((slacks < -TOLERANCE) & ~used)
        if not violated.size:
            return bool(slacks[counted].max() > TOLERANCE)
        worst = violated[_smallest(slacks[violated], JOINING * bounds.size)]
        used[worst] = True
        gradients = np.vstack([gradients, bounds.gradients(worst)])


def _smallest(values: np.ndarray, n: int) -> np.ndarray:
    """Positions of the n smallest values, in no order."""
    return np.argpartition(values, n)[:n] if n < len(values) else np.arange(len(values))

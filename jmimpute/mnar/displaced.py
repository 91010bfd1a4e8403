"""Values of a variable that is adjusted, and of those that follow it, for any amount: the plan of a sensitivity analysis."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jmimpute.errors import FormulaError, ImputationError, options, some
from jmimpute.imputation.cells import Cells
from jmimpute.mnar.adjustments import LATENT, MEAN, ODDS, SCALE, SD, SD_TOTAL, SHIFT, Adjustment
from jmimpute.mnar.amounts import Amounts, amounts_of
from jmimpute.mnar.replay import Drawn, replay
from jmimpute.mnar.tilting import tilted
from jmimpute.specification.derived import names_in
from jmimpute.specification.families import GAUSSIAN, NOMINAL, Variable
from jmimpute.specification.formula import parse

MARGINAL, CONDITIONAL = "marginal", "conditional"


@dataclass(frozen=True)
class Displacement:
    """How the missing cells of a variable move with the amounts of an adjustment, and which others follow.

    Attributes
    ----------
    name : str
    cells : Cells
        As they were imputed.
    amounts : Amounts
    unit : ndarray
        Of a shift; what a scale multiplies is the distance from `about`. Both broadcast to (m, n_missing).
    about : ndarray
    drawn : Drawn or None
        Where the model is needed.
    scale : ndarray, shape (p,), or None
        Of the coordinates of the model.
    scope : {"marginal", "conditional"}
    seed : int
    """

    name: str
    cells: Cells
    amounts: Amounts
    unit: np.ndarray
    about: np.ndarray
    drawn: Drawn | None
    scale: np.ndarray | None
    scope: str
    seed: int

    @property
    def adjustment(self) -> Adjustment:
        """What is done."""
        return self.amounts.adjustment

    @property
    def moved(self) -> tuple[str, ...]:
        """Columns whose cells change."""
        followers = self.drawn.followers if self.drawn and self.scope == CONDITIONAL else ()
        return (self.name, *(follower.variable.name for follower in followers))

    @property
    def is_affine(self) -> bool:
        """Whether moved numbers are linear in the amounts."""
        return self.adjustment.kind in (SHIFT, SCALE)

    def of(self, values: Mapping[str, float]) -> np.ndarray:
        """How far each cell moves, shape (m, n_missing): in units of a continuous variable, or of the latent normal.

        Parameters
        ----------
        values : mapping of str to float
            Amounts that make a grid or are left open, by label.
        """
        amounts, kind = self.amounts.at(values), self.adjustment.kind
        if kind == SHIFT:
            return amounts * self.unit
        if kind == SCALE:
            return np.expm1(amounts) * (self.cells.values[self.name] - self.about)
        assert self.drawn is not None
        # Where the latent is positive for the first category, it falls as the second becomes more likely.
        amounts = -amounts if self.drawn.variable.reference == 1 else amounts
        return amounts if kind == LATENT else tilted(self.drawn, amounts) - self.drawn.value

    def at(self, values: Mapping[str, float]) -> Cells:
        """All imputed cells, those that move at their new places.

        Parameters
        ----------
        values : mapping of str to float
            Amounts that make a grid or are left open, by label.
        """
        moved, drawn = self.of(values), self.drawn
        cells = dict(self.cells.values)
        if self.adjustment.kind in (SHIFT, SCALE):
            cells[self.name] = self.cells.values[self.name] + moved
        else:
            assert drawn is not None
            cells[self.name] = _categories(drawn.variable, (drawn.value + moved)[:, :, None], drawn.cutpoints)
        if self.scope == CONDITIONAL and drawn is not None:
            cells |= self._follow(moved, drawn)
        return Cells(self.cells.rows, cells, self.cells.levels)

    def _follow(self, moved: np.ndarray, drawn: Drawn) -> dict[str, np.ndarray]:
        """Cells of the responses that follow."""
        assert self.scale is not None
        found, standard = {}, moved / self.scale[drawn.variable.first]
        for follower in drawn.followers:
            variable, step = follower.variable, follower.slope * standard[:, follower.source, None]
            values = self.cells.values[variable.name].copy()
            if variable.is_latent:
                values[:, follower.place] = _categories(variable, follower.value + step, follower.cutpoints)
            else:
                values[:, follower.place] += step[:, :, 0] * self.scale[variable.first]
            found[variable.name] = values
        return found


def displacement_of(
    imputations: Any, name: str, adjustment: Adjustment, scope: str | None, random_seed: int | None
) -> Displacement:
    """Prepare an adjustment of a variable.

    Parameters
    ----------
    imputations : Imputations
    name : str
        An imputed column.
    adjustment : Adjustment
    scope : {"marginal", "conditional"}, optional
        See `jmimpute.imputations.Imputations.delta`.
    random_seed : int, optional

    Returns
    -------
    Displacement

    Raises
    ------
    ImputationError
        If the adjustment does not suit the variable, or needs a fit that is not at hand.
    """
    _check(imputations, name, adjustment, scope)
    rows, m = imputations.rows(name), imputations.m
    kept = imputations.provenance.get("seed") if random_seed is None else random_seed
    seed = int(np.random.SeedSequence(kept).entropy)  # type: ignore[arg-type]
    amounts = amounts_of(adjustment, imputations.original, imputations.cluster, name, rows, m, seed)
    level2 = level2_columns(imputations)
    if name in level2:
        amounts = _without_carried(amounts, imputations, name, rows)
    chosen = scope or (CONDITIONAL if _others(imputations, name) else MARGINAL)
    needed = _needs_fit(adjustment) or (chosen == CONDITIONAL and bool(_others(imputations, name)))
    drawn = scale = None
    if needed:
        fit = _fit_of(imputations, name, adjustment, chosen, level2)
        drawn, scale = replay(fit, name, m), fit.model.specification.scaling.scale
    return Displacement(
        name, imputations._cells, amounts, *_units(imputations, name, adjustment, drawn), drawn, scale, chosen, seed
    )


def _check(imputations: Any, name: str, adjustment: Adjustment, scope: str | None) -> None:
    """The adjustment suits the variable, and nothing was computed from it before."""
    if not isinstance(adjustment, Adjustment):
        raise ImputationError(
            f"The adjustment must be one of shift(...), scale(...), odds(...) and latent(...), not {adjustment!r}. Write "
            "jm.shift(-2) for two units less."
        )
    if scope not in (None, MARGINAL, CONDITIONAL):
        raise ImputationError(f"scope must be {options((MARGINAL, CONDITIONAL))}, not {scope!r}.")
    if name in imputations.original and name not in imputations.columns:
        raise ImputationError(
            f"Column {name!r} has no imputed values that could be adjusted. Imputed columns: {some(imputations.columns, 20)}."
        )
    levels = imputations.levels(name)
    if adjustment.kind in (SHIFT, SCALE) and levels:
        raise ImputationError(
            f"{name!r} has categories ({some(levels)}), which a {adjustment.kind} cannot change. Use odds(...) or latent(...)."
        )
    if adjustment.kind in (ODDS, LATENT) and not levels:
        raise ImputationError(f"{name!r} is continuous: it has no odds and no latent normal. Use shift(...) or scale(...).")
    computed = [column for column, how in _assigned(imputations) if _may_use(how, name, imputations.original.columns)]
    if computed:
        raise ImputationError(
            f"{some(map(repr, computed))} may have been computed from {name!r}, and would not change with it. Adjust {name!r} "
            "first, and use assign(...) on the result."
        )


def _assigned(imputations: Any) -> list[tuple[str, Any]]:
    """Derived columns, and the texts that they were computed by."""
    changes = imputations.provenance.get("changes", [])
    return [item for change in changes for item in change.get("assign", {}).items()]


def _may_use(how: str, name: str, columns: Collection[str]) -> bool:
    """Whether a column was computed from another: by an expression that names it, or by a function, which may use any."""
    try:
        used = names_in(how)
    except FormulaError:  # the name of a function such as <lambda>
        return True
    return name in used or any(other not in columns for other in used)


def _others(imputations: Any, name: str) -> list[str]:
    """Other columns that are imputed in some of the same rows."""
    rows = imputations.rows(name)
    return [other for other in imputations.columns if other != name and np.isin(rows, imputations.rows(other)).any()]


def _needs_fit(adjustment: Adjustment) -> bool:
    return adjustment.kind in (ODDS, LATENT) or adjustment.unit == SD or adjustment.about == MEAN


def level2_columns(imputations: Any) -> list[str]:
    """Responses of clusters.

    Parameters
    ----------
    imputations : Imputations
    """
    available = list(map(str, imputations.original.columns))
    return [name for text in imputations.provenance.get("level2") or [] for name in parse(text, available).responses]


def _without_carried(amounts: Amounts, imputations: Any, name: str, rows: np.ndarray) -> Amounts:
    """Leave out the cells of clusters whose value is known from another row: they were carried, not imputed."""
    frame = imputations.original
    known = frame[name].notna().groupby(frame[imputations.cluster]).transform("any").to_numpy()[rows]
    return replace(amounts, group=np.where(known, -1, amounts.group), noise=np.where(known, 0.0, amounts.noise))


def _fit_of(imputations: Any, name: str, adjustment: Adjustment, scope: str, level2: list[str]) -> Any:
    """The fit, if it is at hand and such a response can be drawn from it again."""
    fit, why = imputations._fit, f"scope={scope!r}" if not _needs_fit(adjustment) else f"{adjustment.kind}(...)"
    if fit is None:
        raise ImputationError(
            f"{why} needs the fit that imputed {name!r}: adjust what `fit.impute(m)` returned, before it is saved, filtered or "
            "changed in another way (load_fit(path).impute(m) makes it again)." + _marginal(adjustment)
        )
    if fit.model.specification.selections:
        raise ImputationError(
            f"{why} starts from values that are missing at random; this fit has a selection model." + _marginal(adjustment)
        )
    if name in level2:
        raise ImputationError(f"{why} is for responses of rows; {name!r} belongs to clusters." + _marginal(adjustment))
    variable = next(v for v in fit.model.specification.layout.variables if v.name == name)
    if variable.family == NOMINAL:
        raise ImputationError(f"{name!r} is nominal: it has no higher and lower categories for {adjustment.kind}(...).")
    return fit


def _marginal(adjustment: Adjustment) -> str:
    """Advice where another scope would do."""
    return "" if _needs_fit(adjustment) else " Or use scope='marginal', which adjusts this variable alone."


def _units(imputations: Any, name: str, adjustment: Adjustment, drawn: Drawn | None) -> tuple[np.ndarray, np.ndarray]:
    """Unit of a shift, and what a scale leaves as it is, in units of the variable."""
    if adjustment.unit == SD_TOTAL:
        return np.array(imputations.original[name].std()), np.zeros(1)
    if drawn is None or drawn.variable.family != GAUSSIAN:
        return np.ones(1), np.zeros(1)
    scaling, first = imputations._fit.model.specification.scaling, drawn.variable.first
    unit = drawn.residual_sd * scaling.scale[first] if adjustment.unit == SD else np.ones(1)
    about = drawn.mean * scaling.scale[first] + scaling.center[first] if adjustment.about == MEAN else np.zeros(1)
    return unit, about


def _categories(variable: Variable, coordinates: np.ndarray, cutpoints: list[np.ndarray]) -> np.ndarray:
    """Positions of categories, shape (m, n), from coordinates of shape (m, n, width)."""
    return np.array([variable.categories(own, cuts) for own, cuts in zip(coordinates, cutpoints, strict=True)])

"""Results over a grid of assumptions about missing values."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from jmimpute.errors import AnalysisWarning, ImputationError, InterruptedWarning, some
from jmimpute.mnar.adjustments import Adjustment
from jmimpute.mnar.displaced import displacement_of
from jmimpute.mnar.evaluating import IMPLIED_MEAN, Evaluator, Fits
from jmimpute.progress import progress


@dataclass(frozen=True, repr=False)
class Sensitivity:
    """Pooled results of one analysis over a grid of assumptions. Made by `jmimpute.sensitivity`.

    Attributes
    ----------
    variable : str
        Whose missing values the assumptions are about.
    parameters : tuple of str
        What varies, such as ``delta``, or ``delta[active]`` and ``delta[control]``.
    neutral : float
        Value of each that stands for missing at random.
    points : pandas.DataFrame
        A row a point of the grid: the parameters and ``implied_mean``, the mean of the missing values that
        these adjust, over imputations (the share of the second of two categories, the mean number, from 1, of more).
    fits : tuple of Fits
        Of each point: estimates and variances by imputation.
    analysis : str
        Formula, or name of the function.
    level : float
        Of the confidence intervals.
    notes : tuple of str
        What one should know about these results.
    """

    variable: str
    parameters: tuple[str, ...]
    neutral: float
    points: pd.DataFrame = field(repr=False)
    fits: tuple[Fits, ...] = field(repr=False)
    analysis: str
    level: float
    notes: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the analysis."""
        return self.fits[0].names

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a point and term: parameters, the columns of `jmimpute.Pooled.table`, and ``implied_mean``."""
        parts = []
        for point, fits in zip(self.points.to_dict("records"), self.fits, strict=True):
            before, after = {name: point[name] for name in self.parameters}, {IMPLIED_MEAN: point[IMPLIED_MEAN]}
            own = fits.pooled(self.level)
            parts.append(pd.concat([pd.DataFrame(before, index=own.index), own, pd.DataFrame(after, index=own.index)], axis=1))
        return pd.concat(parts, ignore_index=True)

    def __len__(self) -> int:
        """Count the points."""
        return len(self.fits)

    def __repr__(self) -> str:
        """Tell what was varied, and show the results."""
        columns = [*self.parameters, "term", "estimate", "std_error", "conf_low", "conf_high", "p_value", IMPLIED_MEAN]
        title = f"{self.analysis} at {len(self)} assumptions about the missing values of {self.variable}"
        neutral = f"{some(self.parameters)} of {self.neutral:g}: missing at random"
        shown = self.table[columns].to_string(index=False, float_format="%.4g", max_rows=40)
        return "\n".join([title, shown, neutral, *self.notes])


def sensitivity(
    imputations: Any,
    variable: str,
    adjustment: Adjustment,
    analysis: Any,
    *,
    scope: str | None = None,
    engine: str = "statsmodels",
    family: str = "gaussian",
    level: float = 0.95,
    cores: int | None = None,
    random_seed: int | None = None,
    progressbar: bool = True,
    **settings: Any,
) -> Sensitivity:
    """Repeat an analysis over a grid of assumptions about the missing values of a variable.

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed column.
    adjustment : Adjustment
        With a sequence of amounts, as in ``jm.shift([-2, -1, 0, 1, 2])``; by groups, all combinations of their sequences make
        the grid: ``jm.shift({"active": [-2, -1, 0], "control": [0, 1]}, by="arm")``.
    analysis : str or callable
        Formula or function, as in `Imputations.analyze`.
    scope : {"marginal", "conditional"}, optional
        See `jmimpute.imputations.Imputations.delta`.
    engine, family
        As in `Imputations.analyze`.
    level : float
        Of the confidence intervals.
    cores : int, optional
        Points that are analysed at a time, -1 for all cores. If not given, one, or what ``joblib.parallel_config`` says, which
        can also name a cluster of machines.
    random_seed : int, optional
        Of what an adjustment draws.
    progressbar : bool
    **settings
        Of the engine.

    Returns
    -------
    Sensitivity
        With the points that were done after a KeyboardInterrupt.

    Raises
    ------
    ImputationError
        If the adjustment does not suit the variable or has no grid, or needs a fit that is not at hand.
    AnalysisError
        If the analysis fails.

    Warns
    -----
    AnalysisWarning
        Once for all points, if fits did not converge.
    InterruptedWarning
        If there are fewer points than were asked for.

    Notes
    -----
    Random numbers are the same at all points, so that differences between points have no Monte Carlo error of their own. For
    ordinary least squares of the adjusted variable (formula without a grouping term, covariates that do not move) all points
    follow exactly from one decomposition an imputation (`jmimpute.mnar.linear`).
    """
    displacement = displacement_of(imputations, variable, adjustment, scope, random_seed)
    if not adjustment.grid or adjustment.open:
        raise ImputationError(
            f"There must be a grid: {some(adjustment.open) or 'the amount'} needs several values, such as [-2, -1, 0, 1]. What "
            "makes no grid is one number."
        )
    points = adjustment.points()
    evaluator = Evaluator(imputations, displacement, tuple(adjustment.grid), analysis, engine, family, settings, cores)
    fits = _collected(evaluator.at(points), len(points), progressbar)
    table = pd.DataFrame([{**values, IMPLIED_MEAN: evaluator.implied_mean(values)} for values in points[: len(fits)]])
    name = analysis if isinstance(analysis, str) else getattr(analysis, "__name__", type(analysis).__name__)
    return Sensitivity(
        variable, tuple(adjustment.grid), adjustment.neutral, table, tuple(fits), name, level, _notes(fits, len(points))
    )


def _collected(found: Iterator[Fits], total: int, progressbar: bool) -> list[Fits]:
    """Results point by point; those that were done if the user interrupts."""
    fits: list[Fits] = []
    try:
        with progress("Analysing", total, progressbar) as report:
            for one in found:
                fits.append(one)
                report(len(fits))
    except KeyboardInterrupt:
        if not fits:
            raise
        warnings.warn(f"Interrupted: {len(fits)} of {total} points were analysed and kept.", InterruptedWarning, 3)
    return fits


def _notes(fits: Sequence[Fits], total: int) -> tuple[str, ...]:
    """What should be looked at, with a warning for problems of fits."""
    notes = [f"interrupted: {len(fits)} of {total} points"] if len(fits) < total else []
    problems: Mapping[str, int] = {}
    for one in fits:
        problems = {**problems, **{problem: problems.get(problem, 0) + 1 for problem in one.problems}}
    for problem, count in problems.items():
        said = f"in {count} of {len(fits)} points some fits: {problem}"
        warnings.warn(said, AnalysisWarning, 3)
        notes.append(said)
    return tuple(notes)

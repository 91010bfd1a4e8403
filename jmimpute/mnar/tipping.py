"""Tipping points: how far missing values must be from missing at random for a conclusion to change."""

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from jmimpute.errors import ImputationError, some
from jmimpute.mnar.adjustments import LATENT, ODDS, RAW, SCALE, SD, SD_TOTAL, Adjustment
from jmimpute.mnar.criteria import CI_EXCLUDES_ZERO, criterion_of
from jmimpute.mnar.displaced import displacement_of
from jmimpute.mnar.evaluating import IMPLIED_MEAN, Evaluator
from jmimpute.mnar.turning import Curve, limits_of
from jmimpute.progress import progress


@dataclass(frozen=True, repr=False)
class TippingPoint:
    """Where a conclusion changes. Made by `jmimpute.tipping_point`, and over rho by `Sensitivity.tipping_point`.

    Attributes
    ----------
    variable, term, parameter : str
        Whose missing values are adjusted, whose estimate is judged, and what varies, such as ``delta``.
    criterion : str
        In words.
    holds : bool
        Whether it is met under missing at random.
    value : float or None
        Amount nearest to missing at random at which this changes; None if it does not within the range.
    below, above : float or None
        The nearest on either side.
    neutral : float
        Amount that stands for missing at random.
    limits : tuple of float
        The range that was searched.
    table : pandas.DataFrame
        A row an amount that was tried, in order: the parameter, the columns of `jmimpute.Pooled.table` for this term,
        ``implied_mean`` of the adjusted missing values, and ``holds``.
    level : float
        Of the confidence intervals.
    adjustment : Adjustment or None
        None over rho.
    mc_error : float or None
        Over rho: Monte Carlo error of `value` due to the number of imputations, by the jackknife; None if the conclusion would
        not change without one of them.
    """

    variable: str
    term: str
    parameter: str
    criterion: str
    holds: bool
    value: float | None
    below: float | None
    above: float | None
    neutral: float
    limits: tuple[float, float]
    table: pd.DataFrame = field(repr=False)
    level: float
    adjustment: Adjustment | None = None
    mc_error: float | None = None

    @property
    def found(self) -> bool:
        """Whether the conclusion changes within the range."""
        return self.value is not None

    def __str__(self) -> str:
        """Say in words what was found."""
        under = f"Under missing at random, {self.criterion} for {self.term!r}: {'yes' if self.holds else 'no'}"
        if self.value is None:
            ends = [self._result(row) for row in (self.table.iloc[0], self.table.iloc[-1])]
            return f"{under}. This does not change for {self.parameter} from {ends[0]} to {ends[1]}."
        means = self.table.set_index(self.parameter)[IMPLIED_MEAN]
        others = [amount for amount in (self.below, self.above) if amount not in (None, self.value)]
        return (
            f"{under}. This {'holds unless' if self.holds else 'changes if'} {self._assumed(self.value)}: their mean is then "
            f"{means[self.value]:.4g}, not {means[self.neutral]:.4g})."
            + "".join(f" In the other direction it changes at {amount:.4g}." for amount in others)
        )

    __repr__ = __str__

    def _assumed(self, value: float) -> str:
        """What would have to be true of the missing values."""
        if self.adjustment is None:
            error = "" if self.mc_error is None else f", Monte Carlo error {self.mc_error:.2g}"
            way = "more" if value > 0 else "less"
            return f"rho of the missing values of {self.variable!r} is {value:.3g} or {way} (rho {value:.4g}{error}"
        by = self.adjustment.by
        group = "" if by is None else f" with {by} {self.parameter.split('[', 1)[1][:-1]}"
        return (
            f"the missing values of {self.variable!r}{group} {in_words(self.adjustment, value)} ({self.parameter} {value:.4g}"
        )

    def _result(self, row: pd.Series) -> str:
        return f"{row[self.parameter]:.4g} (estimate {row['estimate']:.4g}, {row['conf_low']:.4g} to {row['conf_high']:.4g})"


def in_words(adjustment: Adjustment, value: float) -> str:
    """Say what an amount means: ``are 3.2 lower than comparable observed ones``.

    Parameters
    ----------
    adjustment : Adjustment
    value : float
    """
    comparable = "those of comparable rows that are observed"
    if adjustment.kind == ODDS:
        return f"have odds of a higher category that are {value:.3g} times {comparable}"
    if adjustment.kind == SCALE:
        return f"are {value:.3g} times {comparable}"
    unit = {RAW: "", SD: " residual SD", SD_TOTAL: " SD"}[adjustment.unit] if adjustment.kind != LATENT else " latent SD"
    return f"are {abs(value):.3g}{unit} {'lower' if value < 0 else 'higher'} than {comparable}"


def tipping_point(
    imputations: Any,
    variable: str,
    adjustment: Adjustment,
    analysis: Any,
    term: str,
    criterion: Any = CI_EXCLUDES_ZERO,
    range: tuple[float, float] | None = None,
    *,
    scope: str | None = None,
    engine: str = "statsmodels",
    family: str = "gaussian",
    level: float = 0.95,
    cores: int | None = None,
    random_seed: int | None = None,
    progressbar: bool = True,
    **settings: Any,
) -> TippingPoint:
    """Find how far missing values must be from missing at random for a conclusion to change.

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed column.
    adjustment : Adjustment
        With one amount left open: ``jm.shift()``, or ``jm.shift({"active": None, "control": 0}, by="arm")``.
    analysis : str or callable
        Formula or function, as in `Imputations.analyze`.
    term : str
        Whose estimate the conclusion is about.
    criterion : {"ci_excludes_zero", "p<0.05"} or callable
        The conclusion: any level may stand for 0.05. A function takes a row of `jmimpute.Pooled.table` and gives what is true,
        or positive, while the conclusion holds: ``lambda row: row.estimate > 0.3``.
    range : pair of float, optional
        Amounts to search, about the one that stands for missing at random. By default two SDs either way, ratios from 0.1 to 10
        (odds) and from 0.25 to 4 (scale).
    scope : {"marginal", "conditional"}, optional
        See `jmimpute.imputations.Imputations.delta`.
    engine, family
        As in `Imputations.analyze`.
    level : float
        Of the confidence intervals.
    cores : int, optional
        As in `jmimpute.sensitivity`.
    random_seed : int, optional
        Of what an adjustment draws.
    progressbar : bool
    **settings
        Of the engine.

    Returns
    -------
    TippingPoint
        Also if the conclusion does not change within the range; its text says so.

    Raises
    ------
    ImputationError
        If the adjustment does not suit the variable, has not one open amount, or needs a fit that is not at hand, or the range
        does not contain missing at random.
    AnalysisError
        If the analysis fails or has no such term, or the criterion is not known.

    Notes
    -----
    Where the analysis is linear (see `jmimpute.sensitivity`) the curve is exact, and the root is found to rounding error. Else
    the range is divided by five points on either side of missing at random, and the first change is narrowed down by Brent's
    method to a ten-thousandth of the range, with the same random numbers at all points. A conclusion that changes twice between
    two of these points is not seen.
    """
    options = {"scope": scope, "engine": engine, "family": family, "level": level, "cores": cores, "random_seed": random_seed}
    curve, said = _prepared(imputations, variable, adjustment, analysis, term, criterion, **options, **settings)
    if adjustment.grid:
        raise ImputationError(f"{some(adjustment.grid)} has several values. Give one number, or use tipping_contour(...).")
    limits = limits_of(adjustment, imputations, variable, range)
    with progress("Searching", 1, progressbar) as report:
        below, above = curve.roots(limits)
        report(1)
    value, holds = curve.nearest(below, above), curve.margin(0.0) > 0
    found = (value, below, above, adjustment.neutral, limits, curve.table(), level, adjustment)
    return TippingPoint(variable, term, curve.label, said, holds, *found)


def tipping_contour(
    imputations: Any,
    variable: str,
    adjustment: Adjustment,
    analysis: Any,
    term: str,
    criterion: Any = CI_EXCLUDES_ZERO,
    range: tuple[float, float] | None = None,
    *,
    progressbar: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Find the tipping point of one amount for each of several values of others: the contour of two arms of a trial.

    Parameters
    ----------
    imputations : Imputations
    variable : str
        An imputed column.
    adjustment : Adjustment
        With one amount left open and others with sequences: ``jm.shift({"active": None, "control": [-2, -1, 0]}, by="arm")``.
    analysis, term, criterion, range, progressbar
        As in `tipping_point`.
    **options
        The others of `tipping_point`.

    Returns
    -------
    pandas.DataFrame
        A row a combination of values: these, ``holds`` (whether the conclusion holds where the open amount stands for missing
        at random), and ``value``, ``below`` and ``above``, as of `TippingPoint`; NaN where there is none within the range.

    Raises
    ------
    ImputationError
        As `tipping_point`, and if no amount has several values.
    AnalysisError
        As `tipping_point`.
    """
    curve, _ = _prepared(imputations, variable, adjustment, analysis, term, criterion, **options)
    if not adjustment.grid:
        raise ImputationError("There is no second amount with several values. Give a sequence, or use tipping_point(...).")
    limits, rows = limits_of(adjustment, imputations, variable, range), []
    with progress("Searching", len(adjustment.points()), progressbar) as report:
        for values in adjustment.points():
            own = replace(curve, values=values, rows={})
            below, above = own.roots(limits)
            found = {"value": own.nearest(below, above), "below": below, "above": above}
            rows.append({**values, "holds": own.margin(0.0) > 0, **found})
            report(len(rows))
    return pd.DataFrame(rows).astype({"value": float, "below": float, "above": float})


def _prepared(
    imputations: Any,
    variable: str,
    adjustment: Adjustment,
    analysis: Any,
    term: str,
    criterion: Any,
    *,
    scope: str | None = None,
    engine: str = "statsmodels",
    family: str = "gaussian",
    level: float = 0.95,
    cores: int | None = None,
    random_seed: int | None = None,
    **settings: Any,
) -> tuple[Curve, str]:
    """The curve of the one open amount, and the criterion in words."""
    margin, said = criterion_of(criterion)
    displacement = displacement_of(imputations, variable, adjustment, scope, random_seed)
    if len(adjustment.open) != 1:
        raise ImputationError(
            f"One amount must be left open; {some(adjustment.open) or 'none'} is. Write shift(), or by groups None for the "
            "group whose amount is looked for."
        )
    labels = (*adjustment.open, *adjustment.grid)
    evaluator = Evaluator(imputations, displacement, labels, analysis, engine, family, settings, cores)
    return Curve(evaluator, adjustment.open[0], term, margin, level, {}, {}), said

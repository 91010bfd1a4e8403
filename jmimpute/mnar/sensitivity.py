"""Results over a grid of assumptions about missing values."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from jmimpute.errors import AnalysisWarning, ImputationError, InterruptedWarning, some
from jmimpute.mnar.adjustments import Adjustment
from jmimpute.mnar.criteria import CI_EXCLUDES_ZERO
from jmimpute.mnar.displaced import displacement_of
from jmimpute.mnar.evaluating import IMPLIED_MEAN, Evaluator, Fits, analysed, problems_of
from jmimpute.mnar.reweighting import Drawn, Reweighted, drawn_of, reweight
from jmimpute.progress import progress

if TYPE_CHECKING:
    from jmimpute.mnar.mixture import Mixture
    from jmimpute.mnar.tipping import TippingPoint
    from jmimpute.specification.rho_priors import RhoPrior


@dataclass(frozen=True, repr=False)
class Sensitivity:
    """Pooled results of one analysis over a grid of assumptions. Made by `jmimpute.sensitivity`.

    Attributes
    ----------
    variable : str
        Whose missing values the assumptions are about.
    parameters : tuple of str
        What varies, such as ``delta``, ``delta[active]`` and ``delta[control]``, or ``rho``.
    neutral : float
        Value of each that stands for missing at random.
    points : pandas.DataFrame
        A row a point of the grid: the parameters and ``implied_mean``, the mean of the missing values that
        these adjust, over imputations (the share of the second of two categories, the mean number, from 1, of more). Over rho
        also ``r_hat`` and ``ess``, the worst of each fit.
    fits : tuple of Fits
        Of each point: estimates and variances by imputation.
    analysis : str
        Formula, or name of the function.
    level : float
        Of the confidence intervals.
    notes : tuple of str
        What one should know about these results.
    imputations : tuple of Imputations
        Over rho: of each point.
    diagnostics : tuple of Diagnostics
        Over rho: of the fit of each point.
    drawn : Drawn or None
        Amounts that were drawn, where these have a prior.
    """

    variable: str
    parameters: tuple[str, ...]
    neutral: float
    points: pd.DataFrame = field(repr=False)
    fits: tuple[Fits, ...] = field(repr=False)
    analysis: str
    level: float
    notes: tuple[str, ...] = ()
    imputations: tuple[Any, ...] = ()
    diagnostics: tuple[Any, ...] = ()
    drawn: Drawn | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the analysis."""
        return self.fits[0].names

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a point and term: parameters, the columns of `jmimpute.Pooled.table`, and the others of `points`."""
        parts = []
        others = [name for name in self.points if name not in self.parameters]
        for (_, point), fits in zip(self.points.iterrows(), self.fits, strict=True):
            own = fits.pooled(self.level)
            before, after = (pd.DataFrame(point[names].to_dict(), index=own.index) for names in (list(self.parameters), others))
            parts.append(pd.concat([before, own, after], axis=1))
        return pd.concat(parts, ignore_index=True)

    def analyze(
        self, analysis: Any, *, engine: str = "statsmodels", family: str = "gaussian", **settings: Any
    ) -> "Sensitivity":
        """Do another analysis over the same values of rho, without fitting the models again.

        Parameters
        ----------
        analysis : str or callable
            Formula or function, as in `Imputations.analyze`.
        engine, family
            As in `Imputations.analyze`.
        **settings
            Of the engine.

        Returns
        -------
        Sensitivity

        Raises
        ------
        ImputationError
            If this is no grid over rho: other grids need no fits, and can be made anew.
        AnalysisError
            If the analysis fails.
        """
        if not self.imputations:
            raise ImputationError("A grid over a delta keeps no imputations, and takes no fits: make another one.")
        options = {"model": analysis, "engine": engine, "family": family, **settings}
        fits = [analysed(one.original, one._cells, one.m, options) for one in self.imputations]
        others = [note for note in self.notes if note not in problems_of(self.fits)]
        return replace(self, fits=tuple(fits), analysis=_name(analysis), notes=(*others, *_told(fits)))

    def tipping_point(self, term: str | None = None, criterion: Any = CI_EXCLUDES_ZERO) -> "TippingPoint":
        """Find at which rho a conclusion changes, from the points of a grid.

        Parameters
        ----------
        term : str, optional
            Whose estimate the conclusion is about; may be left out if there is only one.
        criterion : {"ci_excludes_zero", "p<0.05"} or callable
            The conclusion; as in `jmimpute.tipping_point`.

        Returns
        -------
        TippingPoint
            Between points, estimates, standard errors and degrees of freedom are interpolated by monotone cubic curves. Also if
            the conclusion does not change within the grid; its text says so.

        Raises
        ------
        ImputationError
            If this is no grid over rho of three points or more, about 0.
        AnalysisError
            If the analysis has no such term, or the criterion is not known.
        """
        from jmimpute.mnar.tipping_rho import tipping_rho

        return tipping_rho(self, term, criterion)

    def weighted(self, prior: "RhoPrior") -> "Mixture":
        """Average results over a prior of rho that the data do not change.

        A fit with free rho learns about rho from the data, as far as the tails of normal distributions tell of it. This does
        not: what is said of rho is the prior alone.

        Parameters
        ----------
        prior : RhoPrior
            `jm.priors.uniform`, `truncated_normal` or `fisher_z`; within the grid.

        Returns
        -------
        Mixture

        Raises
        ------
        ImputationError
            If this is no grid over rho of three points or more, or the prior reaches beyond it.
        """
        from jmimpute.mnar.mixture import mixture

        return mixture(self, prior)

    def reweight(self, mean: float, sd: float) -> Reweighted:
        """Change the prior of an amount that was drawn, without drawing or analysing anew.

        Parameters
        ----------
        mean, sd : float
            Of the new normal prior, in the units of the amount; of its logarithm for ratios.

        Returns
        -------
        Reweighted
            Pooled results by importance weights.

        Raises
        ------
        ImputationError
            If the amount was not drawn from a prior (`prior_sd`), or the weights cannot be relied on (Pareto's k above 0.7):
            the new prior asks for amounts that were hardly drawn.
        """
        return reweight(self, mean, sd)

    def __len__(self) -> int:
        """Count the points."""
        return len(self.fits)

    def __repr__(self) -> str:
        """Tell what was varied, and show the results."""
        others = [name for name in self.points if name not in self.parameters]
        columns = [*self.parameters, "term", "estimate", "std_error", "conf_low", "conf_high", "p_value", *others]
        title = f"{self.analysis} at {len(self)} assumptions about the missing values of {self.variable}"
        neutral = f"{some(self.parameters)} of {self.neutral:g}: missing at random"
        shown = self.table[columns].to_string(index=False, float_format="%.4g", max_rows=40)
        return "\n".join([title, shown, neutral, *self.notes])


def sensitivity(
    source: Any,
    variable: str,
    adjustment: Adjustment | None = None,
    analysis: Any = None,
    *,
    rho: Sequence[float] | None = None,
    scope: str | None = None,
    m: int | None = None,
    draws: int | None = None,
    tune: int | None = None,
    chains: int | None = None,
    target_accept: float | None = None,
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
    source : Imputations or JointModel
        Imputations under missing at random, which are adjusted, or a model with a selection submodel of the variable, which is
        fitted with each `rho`.
    variable : str
        An imputed column; with `rho`, one that has a selection submodel.
    adjustment : Adjustment, optional
        With a sequence of amounts, as in ``jm.shift([-2, -1, 0, 1, 2])``; by groups, all combinations of their sequences make
        the grid: ``jm.shift({"active": [-2, -1, 0], "control": [0, 1]}, by="arm")``. Not with `rho`.
    analysis : str or callable
        Formula or function, as in `Imputations.analyze`.
    rho : sequence of float, optional
        Numbers between -1 and 1 at which the correlation of the selection submodel is held, whatever the model says of it.
        Other selection submodels stay as they are.
    scope : {"marginal", "conditional"}, optional
        Of an adjustment; see `jmimpute.imputations.Imputations.delta`.
    m : int, optional
        Imputations at each rho; 20 if not given.
    draws, tune, chains, target_accept : optional
        Of the fits, as in `JointModel.fit`.
    engine, family
        As in `Imputations.analyze`.
    level : float
        Of the confidence intervals.
    cores : int, optional
        Points that are analysed at a time, or fitted, by one core each; -1 for all cores. If not given, one (whose chains take
        all cores), or what ``joblib.parallel_config`` says, which can also name a cluster of machines.
    random_seed : int, optional
        Of what an adjustment draws; of the fit at each rho.
    progressbar : bool
    **settings
        Of the engine.

    Returns
    -------
    Sensitivity
        With the points that were done after a KeyboardInterrupt, or before a rho at which sampling fails.

    Raises
    ------
    ImputationError
        If the adjustment does not suit the variable or has no grid, or needs a fit that is not at hand; if the model has no
        selection submodel of the variable, or the values of rho are no such numbers; if both or none are given.
    AnalysisError
        If the analysis fails.

    Warns
    -----
    AnalysisWarning, ConvergenceWarning
        Once for all points, if analyses or fits did not converge.
    InterruptedWarning
        If there are fewer points than were asked for.

    Notes
    -----
    Random numbers are the same at all points. Differences between points of an adjustment have no Monte Carlo error of their
    own; those between values of rho have, since fits differ. For ordinary least squares of the adjusted variable (formula
    without a grouping term, covariates that do not move) all points of an adjustment follow exactly from one decomposition an
    imputation (`jmimpute.mnar.linear`).
    """
    sampling = {"draws": draws, "tune": tune, "chains": chains, "target_accept": target_accept}
    _check_way(source, adjustment, rho, {"m": m, **sampling})
    if rho is not None and scope is not None:
        raise ImputationError("scope belongs to an adjustment: with rho all variables are imputed by the joint model.")
    options = {"engine": engine, "family": family, **settings}
    if rho is not None:
        from jmimpute.mnar.rho_grid import RHO, over_rho

        wanted = (20 if m is None else m, random_seed, sampling, cores, progressbar)
        points, refits, notes = over_rho(source, variable, rho, analysis, *wanted, **options)
        fits = tuple(one.fits for one in refits)
        kept = tuple(one.imputations for one in refits), tuple(one.diagnostics for one in refits)
        return Sensitivity(variable, (RHO,), 0.0, points, fits, _name(analysis), level, (*notes, *_told(fits)), *kept)
    assert adjustment is not None
    displacement = displacement_of(source, variable, adjustment, scope, random_seed)
    if not adjustment.grid or adjustment.open:
        raise ImputationError(
            f"There must be a grid: {some(adjustment.open) or 'the amount'} needs several values, such as [-2, -1, 0, 1]. What "
            "makes no grid is one number."
        )
    points = adjustment.points()
    evaluator = Evaluator(source, displacement, tuple(adjustment.grid), analysis, engine, family, settings, cores)
    fits = _collected(evaluator.at(points), len(points), progressbar)
    table = pd.DataFrame([{**values, IMPLIED_MEAN: evaluator.implied_mean(values)} for values in points[: len(fits)]])
    stopped = [f"interrupted: {len(fits)} of {len(points)} points"] if len(fits) < len(points) else []
    about = variable, tuple(adjustment.grid), adjustment.neutral, table, tuple(fits), _name(analysis), level
    return Sensitivity(*about, (*stopped, *_told(fits)), drawn=drawn_of(displacement.amounts))


def _check_way(source: Any, adjustment: Any, rho: Any, of_fits: Mapping[str, Any]) -> None:
    """Either imputations and an adjustment, or a model and values of rho."""
    if (adjustment is None) == (rho is None):
        raise ImputationError(
            "Give either imputations and an adjustment, such as jm.shift([-2, -1, 0]), or a model with a selection submodel "
            f"and rho, such as rho=[-0.6, -0.3, 0, 0.3]; {'none' if rho is None else 'both'} is given."
        )
    foreign = [name for name, value in of_fits.items() if value is not None]
    if rho is None and foreign:
        raise ImputationError(f"{some(foreign)} belongs to fits, which only values of rho take. Leave it out.")
    if rho is None and hasattr(source, "specification"):
        raise ImputationError("A model has no imputed values to adjust: give its imputations, model.fit().impute(m), or rho.")


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


def _told(fits: Sequence[Fits]) -> tuple[str, ...]:
    """What should be looked at of the analyses, with a warning."""
    problems = problems_of(fits)
    for problem in problems:
        warnings.warn(problem, AnalysisWarning, 3)
    return problems


def _name(analysis: Any) -> str:
    return analysis if isinstance(analysis, str) else getattr(analysis, "__name__", type(analysis).__name__)

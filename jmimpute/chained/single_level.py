"""Methods that ignore clusters, and those that give each a dummy: what multilevel imputation is compared with."""

from dataclasses import dataclass, replace

import numpy as np

from jmimpute.chained.donors import nearest
from jmimpute.chained.regression import draw_linear, draw_logistic
from jmimpute.chained.target import Method, Target
from jmimpute.errors import ImputationError, options


@dataclass(frozen=True)
class Norm:
    """Impute by a linear regression that ignores clusters.

    Standard errors of analyses with clusters come out too small. As ``norm`` of the R package mice: variance and coefficients
    are drawn from their posterior (Rubin 1987, p. 167), then values from the normal distribution about the prediction.
    """

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)

        Raises
        ------
        ImputationError
            If the regression cannot be fitted.
        """
        drawn = draw_linear(target.x[target.observed], target.y[target.observed], target.name, target.columns, rng)
        mean = target.x[target.missing] @ drawn.coefficients
        return mean + drawn.sd * rng.standard_normal(len(mean))


@dataclass(frozen=True)
class Pmm:
    """Impute observed values of rows whose predicted values are nearest (predictive mean matching), ignoring clusters.

    As ``pmm`` of the R package mice, on codes for categories.

    Attributes
    ----------
    donors : int
        Nearest rows of which one is drawn.
    matching : int
        As ``matchtype`` of mice: predict observed and missing cells by estimated coefficients (0), missing cells by drawn ones
        (1), or both by drawn ones (2).
    """

    donors: int = 5
    matching: int = 1

    def __post_init__(self) -> None:
        """Refuse options that there are not."""
        if isinstance(self.donors, bool) or not isinstance(self.donors, int) or self.donors < 1:
            raise ImputationError(f"donors must be a whole number of at least 1, not {self.donors!r}.")
        if self.matching not in (0, 1, 2):
            raise ImputationError(f"matching must be 0, 1 or 2, not {self.matching!r}.")

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)

        Raises
        ------
        ImputationError
            If the regression cannot be fitted.
        """
        y = target.y[target.observed]
        drawn = draw_linear(target.x[target.observed], y, target.name, target.columns, rng)
        for_observed = drawn.coefficients if self.matching == 2 else drawn.estimate
        for_missing = drawn.estimate if self.matching == 0 else drawn.coefficients
        predicted = target.x[target.observed] @ for_observed, target.x[target.missing] @ for_missing
        return y[nearest(*predicted, self.donors, rng)]


@dataclass(frozen=True)
class Logistic:
    """Impute two categories by a logistic regression that ignores clusters.

    As ``logreg`` of the R package mice: coefficients are drawn from the normal approximation to their posterior (Rubin 1987,
    pp. 169-170). Where categories are separated there is no estimate, which is an error here.
    """

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing categories.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)
            0 or 1.

        Raises
        ------
        ImputationError
            If the regression cannot be fitted.
        """
        drawn = draw_logistic(target.x[target.observed], target.y[target.observed], target.name, target.columns, rng)
        score = target.x[target.missing] @ drawn.coefficients
        return (rng.logistic(size=len(score)) < score).astype(float)


WITH_DUMMIES = ("norm", "pmm", "logistic")


@dataclass(frozen=True)
class Dummies:
    """Impute by a regression in which each cluster has an intercept of its own, without a distribution of these.

    Standard errors come out too large, most with few values per cluster (Drechsler 2015, J Educ Behav Stat 40:69-95).

    Attributes
    ----------
    method : {"norm", "pmm", "logistic"}
        What is done with the dummies.
    donors : int
        Of predictive mean matching.
    """

    method: str = "norm"
    donors: int = 5

    def __post_init__(self) -> None:
        """Refuse options that there are not."""
        if self.method not in WITH_DUMMIES:
            raise ImputationError(f"Dummies are for {options(WITH_DUMMIES)}, not {self.method!r}.")
        Pmm(self.donors)

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Draw the missing values.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n_missing,)

        Raises
        ------
        ImputationError
            If a cluster has no observed value, a predictor does not vary within clusters, or the regression cannot be fitted.
        """
        if (self.method == "logistic") != (target.n_categories == 2):
            kind = "categorical" if target.n_categories else "a number"
            raise ImputationError(
                f"Variable {target.name!r} is {kind}, which Dummies({self.method!r}) cannot impute. Dummies('logistic') is for "
                "two categories, others for numbers; astype('category') makes categories of numbers."
            )
        lacking = np.flatnonzero(target.systematic)
        if lacking.size:
            raise ImputationError(
                f"Variable {target.name!r} is not observed in {lacking.size} cluster(s): {target.named(lacking)}. Their "
                "dummies cannot be estimated: use a method with random effects, such as 'two-stage' or 'mixed'."
            )
        of_clusters = (target.codes[:, None] == np.arange(target.n_clusters)).astype(float)
        names = (*(f"cluster {label}" for label in target.labels), *target.columns[1:])
        whole = replace(target, x=np.hstack([of_clusters, target.x[:, 1:]]), columns=names)
        method: Method = {"norm": Norm(), "pmm": Pmm(self.donors), "logistic": Logistic()}[self.method]
        return method(whole, rng)

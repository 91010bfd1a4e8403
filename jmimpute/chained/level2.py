"""Methods for variables that have one value per cluster: predictors are averaged within clusters, and clusters are rows."""

from dataclasses import dataclass, replace

import numpy as np

from jmimpute.chained.filling import cluster_values
from jmimpute.chained.single_level import Norm, Pmm
from jmimpute.chained.target import Method, Target
from jmimpute.errors import ImputationError


@dataclass(frozen=True)
class Level2Norm:
    """Impute a variable of clusters by a linear regression on cluster means of the predictors.

    As ``2lonly.norm`` of the R package mice. Where a cluster has the value in some of its rows, the others get that value.
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
            The same in all rows of a cluster.

        Raises
        ------
        ImputationError
            If the rows of a cluster disagree, or the regression cannot be fitted.
        """
        return _between(Norm(), target, rng)


@dataclass(frozen=True)
class Level2Pmm:
    """Impute a variable of clusters by values of other clusters, matched by a regression on cluster means of the predictors.

    As ``2lonly.pmm`` of the R package mice. Where a cluster has the value in some of its rows, the others get that value.

    Attributes
    ----------
    donors : int
        Nearest clusters of which one is drawn.
    """

    donors: int = 5

    def __post_init__(self) -> None:
        """Refuse options that there are not."""
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
            The same in all rows of a cluster.

        Raises
        ------
        ImputationError
            If the rows of a cluster disagree, or the regression cannot be fitted.
        """
        return _between(Pmm(self.donors), target, rng)


@dataclass(frozen=True)
class Level2Constant:
    """Fill in the value that the cluster has in its other rows, which must agree; nothing is drawn."""

    def __call__(self, target: Target, rng: np.random.Generator) -> np.ndarray:
        """Return the values of the clusters.

        Parameters
        ----------
        target : Target
        rng : numpy.random.Generator
            Not used.

        Returns
        -------
        ndarray, shape (n_missing,)

        Raises
        ------
        ImputationError
            If the rows of a cluster disagree, or a cluster has no value.
        """
        values = _known(target)
        lacking = np.flatnonzero(np.isnan(values))
        if lacking.size:
            raise ImputationError(
                f"Variable {target.name!r} has no value in {lacking.size} cluster(s): {target.named(lacking)}. Use "
                "'level2-norm' or 'level2-pmm'."
            )
        return values[target.codes[target.missing]]


def _between(method: Method, target: Target, rng: np.random.Generator) -> np.ndarray:
    """Impute clusters as if they were rows, and copy to their rows."""
    values = _known(target)
    sizes = np.bincount(target.codes, minlength=target.n_clusters)
    x = np.column_stack([np.bincount(target.codes, column, target.n_clusters) / sizes for column in target.x.T])
    observed = ~np.isnan(values)
    if not observed.all():
        codes = np.arange(target.n_clusters)
        clusters = replace(target, y=values, observed=observed, x=x, codes=codes)
        values[~observed] = method(clusters, rng)
    return values[target.codes[target.missing]]


def _known(target: Target) -> np.ndarray:
    """Values of clusters, NaN where they have none."""
    y = np.where(target.observed, target.y, np.nan)
    values = cluster_values(y, target.codes)
    differing = target.observed & (target.y != values[target.codes])
    if differing.any():
        where = target.named(np.unique(target.codes[differing]))
        raise ImputationError(
            f"Variable {target.name!r} has different values within cluster(s) {where}, but its method is for variables "
            "that have one value per cluster. Correct these cells, or use a method for rows."
        )
    return values

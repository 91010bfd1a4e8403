"""One incomplete variable as its method sees it in one sweep: the contract between the driver and the methods."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jmimpute.errors import some


@dataclass(frozen=True)
class Target:
    """One incomplete variable as its method sees it in one sweep. Arrays are in canonical row order.

    Attributes
    ----------
    name : str
        The variable.
    y : ndarray of shape (n_rows,)
        Values, original scale; codes 0..K-1 for categories. Missing cells hold their current values: methods fit to
        ``y[observed]``.
    observed : ndarray of bool of shape (n_rows,)
        Where the variable is observed.
    x : ndarray of shape (n_rows, n_columns)
        Predictors with fixed effects, the constant first, all complete (current completed values), original scale.
    columns : tuple of str
        Names of the columns of `x`: ``("Intercept", ...)``.
    random : ndarray of int
        Columns of `x` that have random coefficients too; 0 is the intercept. Methods in which all coefficients are random
        take ``x[:, random]`` and complain if there are others.
    codes : ndarray of int of shape (n_rows,)
        Cluster of each row, 0..J-1.
    labels : list
        Labels of the J clusters, for messages.
    means : ndarray of shape (J, k)
        Predictors of the clusters (cluster means of completed predictors), without a constant; k may be 0.
    selection : ndarray of shape (n_rows, s) or None
        Design of a selection equation, the constant first; for methods that have one.
    n_categories : int
        Number of categories; 0 for numbers.
    """

    name: str
    y: np.ndarray
    observed: np.ndarray
    x: np.ndarray
    columns: tuple[str, ...]
    random: np.ndarray
    codes: np.ndarray
    labels: list
    means: np.ndarray
    selection: np.ndarray | None
    n_categories: int

    @cached_property
    def missing(self) -> np.ndarray:
        """Where the variable is missing, shape (n_rows,)."""
        return ~self.observed

    @property
    def n_clusters(self) -> int:
        """Number of clusters, with or without observed values."""
        return len(self.labels)

    @cached_property
    def systematic(self) -> np.ndarray:
        """Clusters without an observed value, bool, shape (J,)."""
        return np.bincount(self.codes[self.observed], minlength=self.n_clusters) == 0

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Row numbers of each cluster: J arrays of int, ascending."""
        order = np.argsort(self.codes, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.codes, minlength=self.n_clusters))[:-1])

    def observed_rows(self, cluster: int) -> np.ndarray:
        """Row numbers of a cluster where the variable is observed.

        Parameters
        ----------
        cluster : int
            Its code, 0..J-1.

        Returns
        -------
        ndarray of int
        """
        rows = self.rows[cluster]
        return rows[self.observed[rows]]

    def named(self, clusters) -> str:
        """Labels of clusters for a message: ``'3, 8, 11 and 240 more'``.

        Parameters
        ----------
        clusters : iterable of int
            Codes, 0..J-1.

        Returns
        -------
        str
        """
        return some([self.labels[cluster] for cluster in clusters])


#: A method takes a Target and a generator, and returns values for the missing cells in row order, shape (n_missing,).
Method = Callable[[Target, np.random.Generator], np.ndarray]

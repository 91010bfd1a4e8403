"""Responses as arrays over rows or clusters, to be completed by one imputation after the other."""

from dataclasses import dataclass

import numpy as np

from jmimpute.imputation.impute import missing_rows
from jmimpute.specification.families import Variable
from jmimpute.specification.specify import Specification


@dataclass(frozen=True)
class Response:
    """A response over its n units: rows in canonical order, or clusters at level 2.

    Attributes
    ----------
    variable : Variable
    level : int
        1 or 2.
    values : ndarray, shape (n,)
        On the original scale, or positions in `Variable.levels`; NaN for missing cells.
    cluster : ndarray of int, shape (n,)
        Code of the cluster of each unit.
    source : ndarray of int, shape (n_missing,)
        Where, among its cells in an imputation, those of the units with missing values stand.
    """

    variable: Variable
    level: int
    values: np.ndarray
    cluster: np.ndarray
    source: np.ndarray

    @property
    def observed(self) -> np.ndarray:
        """Which units have a value, shape (n,)."""
        return ~np.isnan(self.values)

    def completed(self, cells: dict[str, np.ndarray]) -> np.ndarray:
        """All values, missing ones from an imputation, shape (n,).

        Parameters
        ----------
        cells : dict of str to ndarray
            As `jmimpute.imputation.impute.imputed` yields them.
        """
        out = self.values.copy()
        if self.source.size:
            out[np.isnan(out)] = cells[self.variable.name][self.source]
        return out


def responses_of(specification: Specification) -> list[Response]:
    """All responses of a model that are columns of the table, those of level 1 first.

    Parameters
    ----------
    specification : Specification
    """
    layout, scaling, order = specification.layout, specification.scaling, specification.order
    codes, rows = specification.clusters.codes, missing_rows(specification)
    found = []
    for v, variable in enumerate(specification.outcomes):
        numbers = specification.y[:, variable.first] * scaling.scale[variable.first] + scaling.center[variable.first]
        values = _coded(specification.categories[:, v]) if variable.is_latent else numbers
        absent = order[np.isnan(values)]
        found.append(Response(variable, 1, values, codes, np.searchsorted(rows.get(variable.name, absent), absent)))
    first_rows = order[np.unique(codes, return_index=True)[1]]
    for v, variable in enumerate(layout.level2.variables):
        categories, numbers = specification.categories2[:, v], specification.w_given[:, variable.first]
        values = _coded(categories) if variable.is_latent else numbers
        absent = first_rows[np.isnan(values)]
        source = np.searchsorted(rows.get(variable.name, absent), absent)
        found.append(Response(variable, 2, values, np.arange(specification.n_clusters), source))
    return found


def shown_levels(variable: Variable) -> list[int]:
    """Positions of the categories that a summary lists: all, but of two only the second, since the first is what it leaves.

    Parameters
    ----------
    variable : Variable
    """
    return [1] if len(variable.levels) == 2 else list(range(len(variable.levels)))


def _coded(categories: np.ndarray) -> np.ndarray:
    return np.where(categories >= 0, categories, np.nan)

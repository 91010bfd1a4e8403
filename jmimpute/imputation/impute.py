"""From posterior draws to imputed cells, column by column and on the original scale."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute.imputation.completer import completer_of
from jmimpute.imputation.latents import KeptLatents
from jmimpute.imputation.parameters import cutpoints_of
from jmimpute.specification.families import Variable
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

if TYPE_CHECKING:
    import xarray as xr


def impute(
    posterior: "xr.Dataset",
    specification: Specification,
    stats: Statistics,
    pairs: Sequence[tuple[int, int]],
    seeds: Sequence[Any],
    latents: KeptLatents | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Draw the missing cells, one posterior draw an imputation.

    Missing latents and continuous values of a row are drawn together; categories follow from latents as they do for
    observed ones.

    Parameters
    ----------
    posterior : xarray.Dataset
    specification : Specification
    stats : Statistics
        Of its arrays.
    pairs : sequence of (chain, draw), length m
    seeds : sequence of numpy.random.SeedSequence, length m
    latents : KeptLatents, optional
        Of these draws, in this order; needed if a response is categorical.
    report : callable
        Told the number of imputations done.

    Returns
    -------
    dict of str to ndarray, shape (m, n_missing)
        For each incomplete response, its missing cells in the order of `missing_rows`: on the original scale, or positions in
        `Variable.levels`.
    """
    rows = missing_rows(specification)
    variables = (*specification.layout.variables, *specification.layout.level2.variables)
    values = {
        variable.name: np.empty((len(pairs), len(rows[variable.name])), dtype=np.int64 if variable.is_latent else float)
        for variable in variables
        if variable.name in rows
    }
    for k, cells in enumerate(imputed(posterior, specification, stats, pairs, seeds, latents)):
        for name, drawn in cells.items():
            values[name][k] = drawn
        report(k + 1)
    return values


def imputed(
    posterior: "xr.Dataset",
    specification: Specification,
    stats: Statistics,
    pairs: Sequence[tuple[int, int]],
    seeds: Sequence[Any],
    latents: KeptLatents | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Draw the missing cells as `impute` does, imputation after imputation, and keep none.

    Parameters
    ----------
    posterior, specification, stats, pairs, seeds, latents
        As in `impute`.

    Yields
    ------
    dict of str to ndarray, shape (n_missing,)
    """
    completer, columns = completer_of(specification, stats, latents), Columns(specification)
    for k, ((chain, draw), seed) in enumerate(zip(pairs, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        completer.draw_psi(posterior, chain, draw, latents, k, rng)
        cells, w = completer.draw_cells(rng)
        cutpoints = {v.name: cutpoints_of(posterior, v, chain, draw) for v in columns.variables}
        yield columns.of(cells, w, cutpoints)


class Columns:
    """Makes the missing cells of incomplete columns from what a completer draws.

    Parameters
    ----------
    specification : Specification
    """

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.rows, self.places = missing_rows(specification), _places(specification)
        self.level_1, self.level_2 = (
            [variable for variable in variables if variable.name in self.rows]
            for variables in (specification.layout.variables, specification.layout.level2.variables)
        )

    @property
    def variables(self) -> list[Variable]:
        """Incomplete responses of both levels."""
        return [*self.level_1, *self.level_2]

    def of(self, cells: np.ndarray, w: np.ndarray, cutpoints: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Missing cells by column, in the order of `missing_rows`.

        Parameters
        ----------
        cells : ndarray, shape (n_missing,)
        w : ndarray, shape (J, p2)
            Both as `jmimpute.imputation.structured.Completer.draw_cells` gives them.
        cutpoints : dict of str to ndarray
            Free cut points of each of `variables`.

        Returns
        -------
        dict of str to ndarray
            On the original scale, or positions in `Variable.levels`.
        """
        scaling, values = self.specification.scaling, {}
        for variable in self.level_1:
            drawn = cells[self.places[variable.name]]
            values[variable.name] = original(drawn, variable, cutpoints[variable.name], scaling.center, scaling.scale)
        for variable in self.level_2:
            own = w[:, variable.first : variable.first + variable.width]
            by_cluster = original(own, variable, cutpoints[variable.name], scaling.center2, scaling.scale2)
            values[variable.name] = _spread(by_cluster, variable, self.rows[variable.name], self.specification)
        return values


def original(drawn: np.ndarray, variable: Variable, cutpoints: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Values on the original scale, or positions in `Variable.levels`, from coordinates of shape (n, width)."""
    if variable.is_latent:
        return variable.categories(drawn, cutpoints)
    return drawn[:, 0] * scale[variable.first] + center[variable.first]


def _spread(by_cluster: np.ndarray, variable: Variable, rows: np.ndarray, specification: Specification) -> np.ndarray:
    """Values of some rows of the table, given those that clusters were drawn to have; what is known is as it was observed."""
    if variable.is_latent:
        known = specification.categories2[:, specification.layout.level2.variables.index(variable)]
        by_cluster = np.where(known >= 0, known, by_cluster)
    else:
        known = specification.w_given[:, variable.first]
        by_cluster = np.where(np.isnan(known), by_cluster, known)
    cluster = np.empty(len(specification.order), dtype=np.int64)
    cluster[specification.order] = specification.clusters.codes
    return by_cluster[cluster[rows]]


def missing_rows(specification: Specification) -> dict[str, np.ndarray]:
    """Rows of the table (from 0, ascending) in which each incomplete response is missing.

    With level-2 responses also rows whose cluster has a value in another row, to which it is carried.
    """
    layout, order = specification.layout, specification.order
    absent = np.isnan(specification.y)
    rows = {variable.name: np.sort(order[absent[:, variable.first]]) for variable in specification.outcomes}
    for variable in layout.level2.variables:
        of_cluster = np.isnan(specification.w[specification.clusters.codes, variable.first])
        carried = specification.carried.get(variable.name, np.empty(0, dtype=np.int64))
        rows[variable.name] = np.sort(np.concatenate([order[of_cluster], carried]))
    return {name: found for name, found in rows.items() if found.size}


def _places(specification: Specification) -> dict[str, np.ndarray]:
    """Where, among all missing cells in canonical order, those of each response stand, shape (n_missing, width).

    Sorted by row of the table.
    """
    row, column = np.nonzero(np.isnan(specification.y))
    incomplete = missing_rows(specification)
    places = {}
    for variable in specification.layout.variables:
        if variable.name in incomplete:
            own = np.column_stack([np.flatnonzero(column == variable.first + c) for c in range(variable.width)])
            places[variable.name] = own[np.argsort(specification.order[row[own[:, 0]]])]
    return places

"""From posterior draws to imputed cells, column by column and on the original scale."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.imputation.conditional import draw_cells, draw_effects
from jmimpute.imputation.latents import KeptLatents, given_latents
from jmimpute.imputation.structured import Completer
from jmimpute.specification.families import Variable
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

if TYPE_CHECKING:
    import xarray as xr


def standard_parameters(
    posterior: "xr.Dataset", specification: Specification, chain: int, draw: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One draw of B (q, p), Omega_e (p, p) and Omega_u (d, d) on the standardised scale."""
    at = {names.CHAIN: chain, names.DRAW: draw}
    scaling = specification.scaling
    beta = scaling.standard_beta(posterior[names.BETA].isel(at).to_numpy().T)
    omega_e = scaling.standard_omega_e(posterior[names.OMEGA_E].isel(at).to_numpy())
    if not specification.layout.n_effects:
        return beta, omega_e, np.empty((0, 0))
    return beta, omega_e, scaling.standard_omega_u(posterior[names.OMEGA_U].isel(at).to_numpy())


def cutpoints_of(posterior: "xr.Dataset", variable: Variable, chain: int, draw: int) -> np.ndarray:
    """Free cut points of a response in one draw; none if it has none."""
    if not variable.n_cutpoints:
        return np.empty(0)
    return posterior[names.cutpoints_label(variable.name)].isel({names.CHAIN: chain, names.DRAW: draw}).to_numpy()


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
    scaling, places, rows = specification.scaling, _places(specification), missing_rows(specification)
    level_1, level_2 = (
        [variable for variable in variables if variable.name in rows]
        for variables in (specification.layout.variables, specification.layout.level2.variables)
    )
    values = {
        variable.name: np.empty((len(pairs), len(rows[variable.name])), dtype=np.int64 if variable.is_latent else float)
        for variable in [*level_1, *level_2]
    }
    draw_all = _drawing(posterior, specification, stats, latents)
    for k, ((chain, draw), seed) in enumerate(zip(pairs, seeds, strict=True)):
        cells, w = draw_all(k, chain, draw, np.random.default_rng(seed))
        for variable in level_1:
            cutpoints = cutpoints_of(posterior, variable, chain, draw)
            drawn = cells[places[variable.name]]
            values[variable.name][k] = _original(drawn, variable, cutpoints, scaling.center, scaling.scale)
        for variable in level_2:
            cutpoints = cutpoints_of(posterior, variable, chain, draw)
            own = w[:, variable.first : variable.first + variable.width]
            by_cluster = _original(own, variable, cutpoints, scaling.center2, scaling.scale2)
            values[variable.name][k] = _spread(by_cluster, variable, rows[variable.name], specification)
        report(k + 1)
    return values


def _drawing(posterior: "xr.Dataset", specification: Specification, stats: Statistics, latents: KeptLatents | None) -> Callable:
    """A function that draws all missing cells of rows, and level-2 responses (J, p2), given a posterior draw."""
    if specification.is_structured:
        completer = Completer(specification)

        def structured(k: int, chain: int, draw: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            completer.draw_psi(posterior, chain, draw, latents, k, rng)
            return completer.draw_cells(rng)

        return structured

    def common(k: int, chain: int, draw: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        beta, omega_e, omega_u = standard_parameters(posterior, specification, chain, draw)
        filled, filled_stats = given_latents(specification, stats, latents, k)
        effects = draw_effects(beta, omega_e, omega_u, filled, filled_stats, rng)
        return draw_cells(beta, omega_e, effects, filled, rng), specification.w

    return common


def _original(
    drawn: np.ndarray, variable: Variable, cutpoints: np.ndarray, center: np.ndarray, scale: np.ndarray
) -> np.ndarray:
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
    rows = {variable.name: np.sort(order[absent[:, variable.first]]) for variable in layout.variables}
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

"""From posterior draws to imputed cells, column by column and on the original scale."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.imputation.conditional import draw_cells, draw_effects
from jmimpute.imputation.latents import KeptLatents, given_latents
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
    scaling, layout = specification.scaling, specification.layout
    places = _places(specification)
    incomplete = [variable for variable in layout.variables if variable.name in places]
    values = {
        variable.name: np.empty((len(pairs), len(places[variable.name])), dtype=np.int64 if variable.is_latent else float)
        for variable in incomplete
    }
    for k, ((chain, draw), seed) in enumerate(zip(pairs, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        beta, omega_e, omega_u = standard_parameters(posterior, specification, chain, draw)
        filled, filled_stats = given_latents(specification, stats, latents, k)
        effects = draw_effects(beta, omega_e, omega_u, filled, filled_stats, rng)
        cells = draw_cells(beta, omega_e, effects, filled, rng)
        for variable in incomplete:
            drawn, a = cells[places[variable.name]], variable.first
            if variable.is_latent:
                values[variable.name][k] = variable.categories(drawn, cutpoints_of(posterior, variable, chain, draw))
            else:
                values[variable.name][k] = drawn[:, 0] * scaling.scale[a] + scaling.center[a]
        report(k + 1)
    return values


def missing_rows(specification: Specification) -> dict[str, np.ndarray]:
    """Rows of the table (from 0, ascending) in which each incomplete response is missing."""
    absent = np.isnan(specification.y)
    variables = specification.layout.variables
    rows = {variable.name: np.sort(specification.order[absent[:, variable.first]]) for variable in variables}
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

"""From posterior draws to imputed cells, column by column and on the original scale."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.imputation.conditional import draw_cells, draw_effects
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


def impute(
    posterior: "xr.Dataset",
    specification: Specification,
    stats: Statistics,
    pairs: Sequence[tuple[int, int]],
    seeds: Sequence[Any],
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Draw the missing cells, one posterior draw an imputation.

    Parameters
    ----------
    posterior : xarray.Dataset
    specification : Specification
    stats : Statistics
        Of its arrays.
    pairs : sequence of (chain, draw), length m
    seeds : sequence of numpy.random.SeedSequence, length m
    report : callable
        Told the number of imputations done.

    Returns
    -------
    dict of str to ndarray, shape (m, n_missing)
        For each incomplete response, its missing cells on the original scale, in the order of `missing_rows`.
    """
    scaling, layout = specification.scaling, specification.layout
    place = _places(specification)
    values = {name: np.empty((len(pairs), len(positions))) for name, positions in place.items()}
    for k, ((chain, draw), seed) in enumerate(zip(pairs, seeds, strict=True)):
        rng = np.random.default_rng(seed)
        beta, omega_e, omega_u = standard_parameters(posterior, specification, chain, draw)
        effects = draw_effects(beta, omega_e, omega_u, specification, stats, rng)
        cells = draw_cells(beta, omega_e, effects, specification, rng)
        for name, positions in place.items():
            a = layout.responses.index(name)
            values[name][k] = cells[positions] * scaling.scale[a] + scaling.center[a]
        report(k + 1)
    return values


def missing_rows(specification: Specification) -> dict[str, np.ndarray]:
    """Rows of the table (from 0, ascending) in which each incomplete response is missing."""
    absent = np.isnan(specification.y)
    rows = {name: np.sort(specification.order[absent[:, a]]) for a, name in enumerate(specification.layout.responses)}
    return {name: found for name, found in rows.items() if found.size}


def _places(specification: Specification) -> dict[str, np.ndarray]:
    """Where, among all missing cells in canonical order, those of each response stand, sorted by row of the table."""
    row, column = np.nonzero(np.isnan(specification.y))
    places = {}
    for name in missing_rows(specification):
        own = np.flatnonzero(column == specification.layout.responses.index(name))
        places[name] = own[np.argsort(specification.order[row[own]])]
    return places

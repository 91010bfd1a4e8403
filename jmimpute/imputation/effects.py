"""Random effects of every cluster, drawn after sampling, in which they are integrated out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.imputation.completer import completer_of
from jmimpute.imputation.latents import KeptLatents
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

if TYPE_CHECKING:
    import xarray as xr

KEPT = "kept"


def random_effects(
    posterior: "xr.Dataset",
    latents: KeptLatents | None,
    specification: Specification,
    stats: Statistics,
    seed: Callable[[int], Any],
) -> "xr.DataArray":
    """Draw the random effects for every posterior draw, or for those whose latents were kept.

    Parameters
    ----------
    posterior : xarray.Dataset
    latents : KeptLatents, optional
    specification : Specification
    stats : Statistics
        Of its arrays.
    seed : callable
        Gives the numpy.random.SeedSequence of the k-th of these draws.

    Returns
    -------
    xarray.DataArray
        `u`, dims (chain, draw, cluster, effect) or (kept, cluster, effect), on the original scale.
    """
    import xarray as xr

    shape = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
    pairs = list(np.ndindex(shape)) if latents is None else latents.pairs
    layout = specification.layout
    drawn = np.empty((len(pairs), specification.n_clusters, layout.n_effects))
    completer = completer_of(specification, stats, latents)
    for k, (chain, draw) in enumerate(pairs):
        rng = np.random.default_rng(seed(k))
        effects = completer.draw_psi(posterior, chain, draw, latents, k, rng)[:, : layout.n_effects]
        drawn[k] = effects @ specification.scaling.effects_transform.T
    coords: dict[str, Any] = {names.CLUSTER: specification.clusters.labels, names.EFFECT: list(layout.effects)}
    if latents is None:
        dims = (names.CHAIN, names.DRAW, names.CLUSTER, names.EFFECT)
        return xr.DataArray(drawn.reshape(*shape, *drawn.shape[1:]), coords, dims, names.U)
    chains, draws = np.array(pairs).reshape(-1, 2).T
    coords |= {names.CHAIN: (KEPT, chains), names.DRAW: (KEPT, draws)}
    return xr.DataArray(drawn, coords, (KEPT, names.CLUSTER, names.EFFECT), names.U)

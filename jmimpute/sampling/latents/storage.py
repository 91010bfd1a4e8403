"""Kept latents and the state of chains as xarray datasets, which a Fit keeps and saves."""

import json
from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names
from jmimpute.sampling.latents.chains import Snapshot
from jmimpute.sampling.latents.rows import active_cells
from jmimpute.sampling.latents.tuning import Tuning
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr

LATENT, KEPT, CELL = "latent", "kept", "cell"
GENERATOR = "generator"


def to_latents(kept: list[tuple[int, int]], values: np.ndarray, specification: Specification) -> "xr.Dataset":
    """Label the latent normals of observed categories in the draws that were kept.

    Parameters
    ----------
    kept : list of (chain, draw)
    values : ndarray of float32, shape (n_kept, n_cells)
        In the order of `active_cells`; of any shape if nothing was kept.
    specification : Specification

    Returns
    -------
    xarray.Dataset
        `latent` (kept, cell); `chain` and `draw` of each kept draw; `row` of the table and `response` of each cell.
    """
    import xarray as xr

    row, coordinate = active_cells(specification)
    pairs = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return xr.Dataset(
        {
            LATENT: ((KEPT, CELL), values.reshape(len(pairs), len(row))),
            names.CHAIN: (KEPT, pairs[:, 0]),
            names.DRAW: (KEPT, pairs[:, 1]),
            names.ROW: (CELL, specification.order[row]),
            names.RESPONSE: (CELL, coordinate),
        }
    )


def to_state(snapshots: list[Snapshot]) -> "xr.Dataset":
    """Put together where the chains stand."""
    import xarray as xr

    variables = {}
    for name in ("latents", "theta", "cutpoints", "u"):
        stacked = np.stack([getattr(snapshot, name) for snapshot in snapshots])
        variables[name] = (_dims(name, stacked), stacked)
    for name in Tuning._fields:
        stacked = np.stack([getattr(snapshot.tuning, name) for snapshot in snapshots])
        variables[f"tuning_{name}"] = (_dims(f"tuning_{name}", stacked), stacked)
    generators = json.dumps([snapshot.rng for snapshot in snapshots])
    return xr.Dataset(variables, attrs={GENERATOR: generators})


def from_state(dataset: "xr.Dataset") -> list[Snapshot]:
    """Read what `to_state` wrote."""
    generators = json.loads(dataset.attrs[GENERATOR])
    snapshots = []
    for k, generator in enumerate(generators):
        tuning = Tuning(*(np.array(dataset[f"tuning_{name}"][k]) for name in Tuning._fields))
        arrays = (np.array(dataset[name][k]) for name in ("latents", "theta", "cutpoints", "u"))
        snapshots.append(Snapshot(*arrays, tuning, generator))
    return snapshots


def _dims(name: str, array: np.ndarray) -> tuple[str, ...]:
    return (names.CHAIN, *(f"{name}_{axis}" for axis in range(1, array.ndim)))

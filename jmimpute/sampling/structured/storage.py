"""Draws, kept latents and the state of chains of the structured sampler as xarray datasets, which a Fit keeps and saves."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.sampling import posterior
from jmimpute.sampling.latents.storage import GENERATOR, to_latents
from jmimpute.sampling.latents.tuning import LEAPS
from jmimpute.sampling.structured.chains import Drawn, Snapshot, fixed_latents
from jmimpute.specification.cluster_priors import HierarchicalInverseWishart, LogSd
from jmimpute.specification.specify import COMMON, Specification

if TYPE_CHECKING:
    import xarray as xr

LATENT_LEVEL2, CELL_LEVEL2 = "latent_level2", "cell_level2"


def to_posterior(drawn: Drawn, specification: Specification) -> "xr.Dataset":
    """Label the parameters on the original scale; see `jmimpute.sampling.posterior.label`."""
    draws, scaling, layout = drawn.draws, specification.scaling, specification.layout
    prior = specification.priors.Omega_e
    omega = scaling.omega_e(draws["omega"])
    hierarchy: dict[str, np.ndarray] = {}
    if isinstance(prior, HierarchicalInverseWishart):
        hierarchy = {names.HYPER_DF: draws["a"], names.HYPER_SCALE: scaling.omega_e(draws["scale"])}
    elif isinstance(prior, LogSd):
        continuous = ~layout.latent
        mean = draws["log_sd"][..., 0, continuous] + np.log(scaling.scale[continuous])
        hierarchy = {names.LOG_SD_MEAN: mean, names.LOG_SD_SPREAD: draws["log_sd"][..., 1, continuous]}
    return posterior.label(
        scaling.beta(draws["beta"]),
        omega[:, :, 0] if specification.covariance == COMMON else omega,
        scaling.omega_u(draws["omega_u"]),
        layout,
        np.concatenate([draws["cutpoints"], draws["cutpoints2"]], axis=-1),
        beta_level2=scaling.beta_level2(draws["beta2"]) if layout.level2.variables else None,
        hierarchy=hierarchy,
        clusters=specification.clusters.labels,
    )


def to_sample_stats(drawn: Drawn, specification: Specification) -> "xr.Dataset":
    """Acceptance of the moves by chain and draw."""
    acceptance = drawn.draws["acceptance"]
    latent = np.array(specification.layout.responses)[specification.layout.latent]
    n_blocks = acceptance.shape[-1] - len(latent) - 1
    n_draws = acceptance.shape[1]
    columns = {
        "acceptance_rate": list(acceptance[..., :n_blocks].mean(axis=-1)) if n_blocks else list(acceptance[..., -1]),
        "n_steps": [np.full(n_draws, LEAPS) for _ in acceptance],
        "diverging": list(drawn.draws["diverging"]),
        "step_size": [np.full(n_draws, step) for step in drawn.step_sizes],
    }
    for place, response in enumerate(latent):
        columns[f"acceptance_{response}"] = list(acceptance[..., n_blocks + place])
    if len(latent):
        columns["acceptance_effects"] = list(acceptance[..., -1])
    return posterior.to_sample_stats(columns)


def kept_latents(drawn: Drawn, specification: Specification) -> "xr.Dataset":
    """Label the latent normals of observed categories, of rows and of clusters, in the draws that were kept.

    Parameters
    ----------
    drawn : Drawn
    specification : Specification

    Returns
    -------
    xarray.Dataset
        As `jmimpute.sampling.latents.storage.to_latents`, and with categorical level-2 responses `latent_level2` (kept,
        cell_level2), with `cluster_code` and `coordinate_level2` of each of these cells.
    """
    coordinate2, cluster = fixed_latents(specification)
    n = drawn.latents.shape[1] - len(cluster)
    dataset = to_latents(drawn.kept, drawn.latents[:, :n], specification)
    if not len(cluster):
        return dataset
    return dataset.assign(
        {
            LATENT_LEVEL2: (("kept", CELL_LEVEL2), drawn.latents[:, n:]),
            "cluster_code": (CELL_LEVEL2, cluster),
            "coordinate_level2": (CELL_LEVEL2, coordinate2),
        }
    )


def to_state(snapshots: list[Snapshot]) -> "xr.Dataset":
    """Put together where the chains stand."""
    import xarray as xr

    variables: dict[str, Any] = {}
    for name in snapshots[0].arrays:
        stacked = np.stack([snapshot.arrays[name] for snapshot in snapshots])
        variables[name] = ((names.CHAIN, *(f"{name}_{axis}" for axis in range(1, stacked.ndim))), stacked)
    return xr.Dataset(variables, attrs={GENERATOR: json.dumps([snapshot.rng for snapshot in snapshots])})


def from_state(dataset: "xr.Dataset") -> list[Snapshot]:
    """Read what `to_state` wrote."""
    generators = json.loads(dataset.attrs[GENERATOR])
    return [
        Snapshot({str(name): np.array(dataset[name][k]) for name in dataset.data_vars}, generator)
        for k, generator in enumerate(generators)
    ]

"""Sample the collapsed PyMC model with PyMC's own NUTS or with nutpie: slower to start, useful as a check on our sampler."""

from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.sampling.posterior import label
from jmimpute.sampling.threads import Settings
from jmimpute.specification.layout import Layout

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr


def sample(model: "pm.Model", layout: Layout, settings: Settings, sampler: str, seed: Any) -> tuple["xr.Dataset", "xr.Dataset"]:
    """Draw from the collapsed model.

    Parameters
    ----------
    model : pymc.Model
    layout : Layout
    settings : Settings
    sampler : {"nutpie", "pymc"}
    seed : int
        Entropy.

    Returns
    -------
    posterior, sample_stats : xarray.Dataset
        As those of the compiled sampler.
    """
    import pymc as pm

    tree = pm.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.workers,
        random_seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        nuts_sampler=sampler,
        target_accept=settings.target_accept,
        progressbar=settings.progressbar,
        model=model,
        compute_convergence_checks=False,
    )
    drawn = tree["posterior"].to_dataset()
    arrays = [np.swapaxes(drawn[names.BETA].to_numpy(), -1, -2), drawn[names.OMEGA_E].to_numpy()]
    no_effects = np.empty((*arrays[0].shape[:2], 0, 0))
    arrays.append(drawn[names.OMEGA_U].to_numpy() if layout.n_effects else no_effects)
    return label(*arrays, layout), tree["sample_stats"].to_dataset()

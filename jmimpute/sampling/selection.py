"""Chains of models with selection submodels: NUTS, by nutpie, on the model of `jmimpute.graph.marginal`."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.errors import InterruptedWarning, SamplingError
from jmimpute.sampling.posterior import label
from jmimpute.sampling.sample import POSTERIOR, SAMPLE_STATS, Groups
from jmimpute.sampling.threads import FEWEST_DRAWS, Settings
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr


def sample(specification: Specification, settings: Settings, seed: int) -> Groups:
    """Draw from the posterior.

    Parameters
    ----------
    specification : Specification
        With selection submodels.
    settings : Settings
    seed : int
        Entropy.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups `posterior`, with `rho_NAME`, the random effects `u` and what belongs to crossed factors beside what every
        posterior has, and `sample_stats`.

    Raises
    ------
    SamplingError
        If the run was interrupted with too few draws to keep.
    """
    import nutpie

    from jmimpute.graph.marginal import marginal

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTensor, on the linker of C code, which is not used
        compiled = nutpie.compile_pymc_model(marginal(specification))
    tree: Any = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.workers,
        seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        target_accept=settings.target_accept,
        adaptation="low_rank",  # covariates may be correlated, as those of a polynomial are
        progress_bar=settings.progressbar,
        save_warmup=False,
    )
    return _complete(_labelled(tree, specification), settings)


def _labelled(tree: "xr.DataTree", specification: Specification) -> Groups:
    """Name everything as in other posteriors."""
    drawn, stats, layout = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset(), specification.layout
    arrays = [np.swapaxes(drawn[names.BETA].to_numpy(), -1, -2), drawn[names.OMEGA_E].to_numpy()]
    shape = arrays[0].shape[:2]
    arrays.append(drawn[names.OMEGA_U].to_numpy() if layout.n_effects else np.empty((*shape, 0, 0)))
    ordinal = [variable.name for variable in layout.variables if variable.n_cutpoints]
    cutpoints = np.concatenate([np.empty((*shape, 0)), *(drawn[names.cutpoints_label(n)].to_numpy() for n in ordinal)], axis=-1)
    posterior = label(*arrays, layout, cutpoints)
    extra = [name for name in own_variables(specification) if name in drawn]
    kept = drawn[extra].assign_coords({names.CHAIN: posterior[names.CHAIN], names.DRAW: posterior[names.DRAW]})
    return {POSTERIOR: posterior.merge(kept), SAMPLE_STATS: stats[sorted(map(str, stats.data_vars))]}


def own_variables(specification: Specification) -> list[str]:
    """Variables that only posteriors of models with selection submodels have.

    Parameters
    ----------
    specification : Specification
    """
    found = [names.U] if specification.layout.n_effects else []
    for selected in specification.selections:
        labels = (names.rho_label, names.rho_clusters_label, names.rho_spread_label)
        found += [label(selected.variable.name) for label in labels]
        for crossed in selected.crossed:
            pair = selected.indicator.name, crossed.column
            found += [names.crossed_sd_label(*pair), names.crossed_label(*pair)]
    return found


def _complete(groups: Groups, settings: Settings) -> Groups:
    """Cut chains of an interrupted run, which nutpie pads with NaN, to the draws that all have."""
    finite = np.isfinite(groups[POSTERIOR][names.BETA]).all((names.RESPONSE, names.COVARIATE)).to_numpy()
    n_draws = int(finite.sum(axis=1).min()) if finite.size else 0
    if n_draws == settings.draws:
        return groups
    if n_draws < FEWEST_DRAWS:
        raise SamplingError(
            f"Sampling was interrupted after {n_draws} of {settings.draws} draws a chain (warm-up not counted); fewer than "
            f"{FEWEST_DRAWS} are not kept. Run it again."
        )
    warnings.warn(
        f"Sampling was interrupted: {n_draws} of {settings.draws} draws a chain were kept. Look at fit.diagnostics() before "
        "using them.",
        InterruptedWarning,
        stacklevel=3,
    )
    return {name: group.isel({names.DRAW: slice(n_draws)}) for name, group in groups.items()}

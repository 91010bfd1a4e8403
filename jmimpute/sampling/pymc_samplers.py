"""Sample PyMC models with PyMC or nutpie: slower to start, useful as a check on our samplers and to build upon.

With continuous responses, NUTS on the collapsed model; with categorical ones, our step method on the generative model.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.sampling.posterior import label
from jmimpute.sampling.sample import CHAIN_STREAM, LATENTS, PILOT_STREAM, POSTERIOR, SAMPLE_STATS, Groups
from jmimpute.sampling.threads import Settings
from jmimpute.specification.layout import Layout

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from jmimpute.model import JointModel
    from jmimpute.sampling.latents.pymc_step import PointMap


def sample(joint: "JointModel", settings: Settings, sampler: str, seed: int, keep: Sequence[tuple[int, int]]) -> Groups:
    """Draw from a PyMC model.

    Parameters
    ----------
    joint : JointModel
    settings : Settings
    sampler : {"nutpie", "pymc"}
        ``"pymc"`` with categorical responses.
    seed : int
        Entropy.
    keep : sequence of (chain, draw)
        Draws whose latents are kept.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups `posterior` and `sample_stats`, as those of the compiled sampler; with categorical responses `latents`.
    """
    if joint.specification.layout.has_latents:
        return _with_latents(joint, settings, seed, keep)
    options = {"nuts_sampler": sampler, "target_accept": settings.target_accept}
    return _labelled(_pymc(joint.collapsed, settings, seed, **options), joint.specification.layout)


def _pymc(model: "pm.Model", settings: Settings, seed: int, **options: Any) -> "xr.DataTree":
    import pymc as pm

    return pm.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.workers,
        random_seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        progressbar=settings.progressbar,
        model=model,
        compute_convergence_checks=False,
        **options,
    )


def _with_latents(joint: "JointModel", settings: Settings, seed: int, keep: Sequence[tuple[int, int]]) -> Groups:
    """All variables of the generative model by one step method; of those of the rows, only what is kept is recorded."""
    import pytensor.tensor as pt

    from jmimpute.sampling.latents import storage
    from jmimpute.sampling.latents.pymc_step import LatentNormalStep

    specification, layout = joint.specification, joint.specification.layout
    pilot, *chains = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
        for key in [(PILOT_STREAM,), *((CHAIN_STREAM, k) for k in range(settings.chains))]
    )
    step = LatentNormalStep(
        specification=specification, stats=joint.statistics, thin=settings.thin, target_accept=settings.target_accept,
        model=joint.pymc, rng=pilot,
    )  # fmt: skip
    found: dict[tuple[int, int], np.ndarray] = {}
    options = {
        "step": step,
        "initvals": [{name: pt.as_tensor(value) for name, value in step.start(rng).items()} for rng in chains],
        "var_names": [names.BETA, names.OMEGA_E, *([names.OMEGA_U] if layout.n_effects else []), *_cutpoints(layout)],
        "callback": _keeper(step.map, set(keep), settings.tune, found),
    }
    tree = _pymc(joint.pymc, settings, seed, **options)
    number = {chain: k for k, chain in enumerate(tree["posterior"][names.CHAIN].to_numpy().tolist())}
    n_draws = tree["posterior"].sizes[names.DRAW]
    pairs = [(c, d) for c, d in keep if (c, d) in found and c in number and d < n_draws]  # all, unless interrupted
    values = np.array([found[pair] for pair in pairs], dtype=np.float32).reshape(len(pairs), len(step.map.active))
    kept = [(number[c], d) for c, d in pairs]
    return _labelled(tree, layout) | {LATENTS: storage.to_latents(kept, values, specification)}


def _keeper(
    point_map: "PointMap", keep: set[tuple[int, int]], tune: int, found: dict[tuple[int, int], np.ndarray]
) -> Callable[..., None]:
    """Make a callback, which PyMC calls in the main process after each draw, that puts latents into `found`."""

    def callback(trace: Any, draw: Any) -> None:
        pair = draw.chain, draw.draw_idx - tune
        if pair in keep:
            found[pair] = draw.point[point_map.unobserved].ravel()[point_map.active].astype(np.float32)

    return callback


def _cutpoints(layout: Layout) -> list[str]:
    return [names.cutpoints_label(variable.name) for variable in layout.variables if variable.n_cutpoints]


def _labelled(tree: "xr.DataTree", layout: Layout) -> Groups:
    from jmimpute.graph.constrained import rows_of

    drawn, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    known = rows_of(layout).known  # to the last bit, so that nothing takes rounding errors for draws
    omega_e = np.where(known > 0.0, known, drawn[names.OMEGA_E].to_numpy())
    arrays = [np.swapaxes(drawn[names.BETA].to_numpy(), -1, -2), omega_e]
    shape = arrays[0].shape[:2]
    arrays.append(drawn[names.OMEGA_U].to_numpy() if layout.n_effects else np.empty((*shape, 0, 0)))
    cutpoints = np.concatenate([np.empty((*shape, 0)), *(drawn[name].to_numpy() for name in _cutpoints(layout))], axis=-1)
    # PyMC has statistics in the order of a set, which changes from process to process.
    return {POSTERIOR: label(*arrays, layout, cutpoints), SAMPLE_STATS: stats[sorted(map(str, stats.data_vars))]}

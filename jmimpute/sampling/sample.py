"""Choose a sampler, run it, and label what it drew: the way from a specification to the groups of a Fit."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jmimpute import names
from jmimpute.compilation import is_cold
from jmimpute.errors import SamplingError, options, some
from jmimpute.sampling.threads import Settings, run_chains
from jmimpute.specification.rho_priors import ByCluster
from jmimpute.specification.selection_checks import what_cannot_be_integrated
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

if TYPE_CHECKING:
    import xarray as xr

AUTO, COMPILED, NUTPIE, PYMC, GIBBS = "auto", "compiled", "nutpie", "pymc", "gibbs"
SAMPLERS = (AUTO, COMPILED, NUTPIE, PYMC, GIBBS)
# Streams of random numbers spawned from one seed: those of chains, and of the run that finds where they start.
CHAIN_STREAM, PILOT_STREAM = 0, 3
POSTERIOR, SAMPLE_STATS, LATENTS, STATE = "posterior", "sample_stats", "latents", "state"

Groups = dict[str, "xr.Dataset"]


def choose(sampler: str, specification: Specification) -> str:
    """Settle which sampler runs.

    Parameters
    ----------
    sampler : str
        One of `SAMPLERS`.
    specification : Specification

    Raises
    ------
    SamplingError
        If there is no such sampler, or it cannot sample this model.
    """
    if sampler not in SAMPLERS:
        raise SamplingError(f"There is no sampler {sampler!r}: choose {options(SAMPLERS)}.")
    if specification.selections:
        return _for_selection(sampler, specification)
    has_latents, boxed = specification.layout.has_latents, specification.latent_bounds is not None
    if sampler == AUTO:
        return GIBBS if boxed else COMPILED
    if specification.is_structured and sampler != COMPILED:
        raise SamplingError(
            f"sampler={sampler!r} is for one covariance matrix common to all clusters, without level-2 responses and '||'. Use "
            "sampler='auto'."
        )
    if boxed and sampler != GIBBS:
        raise SamplingError("A model with latent_bounds can only be sampled with sampler='gibbs'.")
    if sampler == NUTPIE and has_latents:
        raise SamplingError(
            "sampler='nutpie' is for continuous responses only: latent normals of categories make the density jump. Use "
            "sampler='auto', or 'pymc', which has a step method for them."
        )
    return sampler


def _for_selection(sampler: str, specification: Specification) -> str:
    """Settle which of two samplers runs.

    The compiled one draws latent normals, which is fast but mixes badly where the variable itself is one of them, and knows no
    crossed factors; nutpie integrates them, which it can in some models only.
    """
    if sampler not in (AUTO, COMPILED, NUTPIE):
        raise SamplingError(f"sampler={sampler!r} does not know selection models. Use sampler='auto'.")
    unknown, problem = _unknown_to_compiled(specification), what_cannot_be_integrated(specification)
    if sampler == COMPILED and unknown:
        raise SamplingError(f"sampler='compiled' does not know {unknown}. Use sampler='auto'.")
    if sampler == NUTPIE and problem:
        raise SamplingError(f"sampler='nutpie' cannot sample this selection model: {problem} Or use sampler='compiled'.")
    if sampler != AUTO:
        return sampler
    categorical = any(selected.variable.is_latent for selected in specification.selections)
    return NUTPIE if unknown or (categorical and not problem) else COMPILED


def _unknown_to_compiled(specification: Specification) -> str:
    """What of selection submodels the compiled sampler does not know; empty if it knows all."""
    crossed = [factor.column for selected in specification.selections for factor in selected.crossed]
    if crossed:
        return f"crossed random intercepts, as those of {some(crossed)} are"
    differs = any(isinstance(selected.clause.rho, ByCluster) for selected in specification.selections)
    return "correlations that differ between clusters" if differs else ""


def sample(
    specification: Specification,
    stats: Statistics,
    settings: Settings,
    sampler: str,
    seed: int,
    keep: Sequence[tuple[int, int]],
) -> Groups:
    """Sample with one of the compiled samplers.

    Parameters
    ----------
    specification : Specification
    stats : Statistics
        Of its arrays.
    settings : Settings
    sampler : {"compiled", "gibbs", "nutpie"}
        The last only for models with selection submodels.
    seed : int
        Entropy.
    keep : sequence of (chain, draw)
        Draws whose latents are kept.

    Returns
    -------
    dict of str to xarray.Dataset
        Groups `posterior` and `sample_stats`; with categorical responses `latents`, and `state`, from which it can go on.
    """
    if sampler == NUTPIE:
        from jmimpute.sampling import selection

        return selection.sample(specification, settings, seed)
    seeds = [np.random.SeedSequence(seed, spawn_key=(CHAIN_STREAM, k)) for k in range(settings.chains)]
    if sampler == GIBBS:
        return _gibbs(specification, settings, seeds, keep)
    if specification.is_structured:
        return _structured(specification, settings, seeds, keep)
    if not specification.layout.has_latents:
        return _collapsed(specification, stats, settings, seeds)
    from jmimpute.sampling.latents import chains, iteration

    _announce_compilation(iteration.run, settings)
    pilot = np.random.SeedSequence(seed, spawn_key=(PILOT_STREAM,))
    return _labelled(chains.draw(specification, stats, settings, seeds, pilot, keep), specification, stats)


def go_on(
    specification: Specification,
    stats: Statistics,
    settings: Settings,
    state: "xr.Dataset",
    keep: Sequence[tuple[int, int]],
) -> Groups:
    """Draw more where chains of the latent sampler stand; see `sample`.

    Parameters
    ----------
    specification, stats, settings
    state : xarray.Dataset
    keep : sequence of (chain, draw)
        Counted from 0 again.
    """
    if specification.is_structured:
        return _structured(specification, settings, (), keep, state)
    from jmimpute.sampling.latents import chains, storage

    drawn = chains.draw(specification, stats, settings, (), None, keep, storage.from_state(state))
    return _labelled(drawn, specification, stats)


def as_tree(groups: Groups) -> "xr.DataTree":
    """Put the groups of a Fit together."""
    import xarray as xr

    return xr.DataTree.from_dict(groups)


def joined(tree: "xr.DataTree", more: Groups) -> "xr.DataTree":
    """Add further draws of the same chains to the groups of a Fit.

    Parameters
    ----------
    tree : xarray.DataTree
    more : dict of str to xarray.Dataset
        As `go_on` gives them.
    """
    import xarray as xr

    groups = {name: tree[name].to_dataset() for name in tree.children}
    n_before = groups[POSTERIOR].sizes[names.DRAW]
    for name in (POSTERIOR, SAMPLE_STATS):
        later = more[name].assign_coords({names.DRAW: more[name][names.DRAW] + n_before})
        groups[name] = xr.concat([groups[name], later], dim=names.DRAW, data_vars="minimal", coords="minimal", join="exact")
    if LATENTS in groups:
        later = more[LATENTS].assign({names.DRAW: more[LATENTS][names.DRAW] + n_before})
        groups[LATENTS] = xr.concat([groups[LATENTS], later], dim="kept", data_vars="minimal", coords="minimal", join="exact")
    groups[STATE] = more[STATE]
    return as_tree(groups)


def _announce_compilation(kernel: Any, settings: Settings) -> None:
    """Say why nothing moves the first time."""
    if settings.progressbar and is_cold(kernel):
        print("Compiling the sampler: this takes minutes, and is done once on this machine.", file=sys.stderr)


def _collapsed(specification: Specification, stats: Statistics, settings: Settings, seeds: list) -> Groups:
    """Continuous responses only: NUTS on the collapsed likelihood."""
    from jmimpute.sampling import chains, laplace, nuts, posterior, target

    _announce_compilation(nuts.run, settings)
    goal = target.build(specification, stats)
    drawn = chains.draw(goal, laplace.whiten(goal), settings, seeds)
    records = [chain for chain, _ in drawn]
    columns = {
        "lp": [record.log_density for record in records],
        "acceptance_rate": [record.acceptance for record in records],
        "n_steps": [record.n_steps for record in records],
        "diverging": [record.diverging for record in records],
        "step_size": [np.full(len(record.draws), step) for record, (_, step) in zip(records, drawn, strict=True)],
    }
    return {
        POSTERIOR: posterior.to_posterior([record.draws for record in records], goal, specification),
        SAMPLE_STATS: posterior.to_sample_stats(columns),
    }


def _structured(
    specification: Specification,
    settings: Settings,
    seeds: Sequence[Any],
    keep: Sequence[tuple[int, int]],
    state: "xr.Dataset | None" = None,
) -> Groups:
    """Several covariance matrices, level-2 responses, or zeros in Omega_u; from the start, or from where chains stand."""
    from jmimpute.sampling.structured import chains, iteration, storage

    _announce_compilation(iteration.run, settings)
    snapshots = None if state is None else storage.from_state(state)
    drawn = chains.draw(specification, settings, seeds, keep, snapshots)
    groups = {
        POSTERIOR: storage.to_posterior(drawn, specification),
        SAMPLE_STATS: storage.to_sample_stats(drawn, specification),
        STATE: storage.to_state(drawn.snapshots),
    }
    if specification.has_latents:
        groups[LATENTS] = storage.kept_latents(drawn, specification)
    return groups


def _labelled(drawn: Any, specification: Specification, stats: Statistics) -> Groups:
    """Label what the chains of the latent sampler drew."""
    from jmimpute.sampling import posterior, target
    from jmimpute.sampling.latents import storage
    from jmimpute.sampling.latents.tuning import LEAPS

    goal = target.build(specification, stats)
    records = drawn.records
    cutpoints = np.stack([record.cutpoints for record in records])
    n_draws = len(records[0].theta)
    columns = {
        "lp": [record.log_density for record in records],
        "acceptance_rate": [record.acceptance[:, 0] for record in records],
        "n_steps": [np.full(n_draws, LEAPS) for _ in records],
        "diverging": [record.diverging for record in records],
        "step_size": [np.full(n_draws, step) for step in drawn.step_sizes],
        "acceptance_effects": [record.acceptance[:, -1] for record in records],
    }
    for place, label in enumerate(np.array(specification.layout.responses)[specification.layout.latent]):
        columns[f"acceptance_{label}"] = [record.acceptance[:, 1 + place] for record in records]
    return {
        POSTERIOR: posterior.to_posterior([record.theta for record in records], goal, specification, cutpoints),
        SAMPLE_STATS: posterior.to_sample_stats(columns),
        LATENTS: storage.to_latents(drawn.kept, drawn.latents, specification),
        STATE: storage.to_state(drawn.snapshots),
    }


def _gibbs(specification: Specification, settings: Settings, seeds: list, keep: Sequence[tuple[int, int]]) -> Groups:
    """The plain reference sampler."""
    from jmimpute.sampling import gibbs, posterior
    from jmimpute.sampling.latents import storage

    wanted = [sorted({d for c, d in keep if c == k}) for k in range(settings.chains)]
    chains: list[Any] = [None] * settings.chains

    def runner(k: int) -> Any:
        def run(progress: np.ndarray, stop: np.ndarray) -> int:
            rng = np.random.default_rng(seeds[k])
            chains[k] = gibbs.draw(
                specification, settings.draws, settings.tune, rng, settings.thin, specification.latent_bounds, stop,
                progress, np.array(wanted[k], dtype=np.int64),
            )  # fmt: skip
            return len(chains[k].beta)

        return run

    used, n_draws = run_chains([runner(k) for k in range(settings.chains)], settings)
    fields = [np.stack([getattr(chains[k], name)[:n_draws] for k in used]) for name in gibbs.GibbsChain._fields[:4]]
    columns = {"diverging": [np.zeros(n_draws, dtype=bool) for _ in used]}
    scaling = specification.scaling
    arrays = (scaling.beta(fields[0]), scaling.omega_e(fields[1]), scaling.omega_u(fields[2]))
    groups = {
        POSTERIOR: posterior.label(*arrays, specification.layout, fields[3]),
        SAMPLE_STATS: posterior.to_sample_stats(columns),
    }
    if specification.layout.has_latents:
        kept = [(used.index(c), d) for c, d in keep if c in used and d < n_draws]
        rows = [chains[used[c]].latents[wanted[used[c]].index(d)] for c, d in kept]
        groups[LATENTS] = storage.to_latents(kept, np.array(rows, dtype=np.float32), specification)
    return groups

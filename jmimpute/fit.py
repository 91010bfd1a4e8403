"""Fit: the posterior of a JointModel, what to think of it, and imputations from it."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jmimpute import names
from jmimpute.errors import ConvergenceWarning, ExchangeError, SamplingError, options
from jmimpute.imputations import Imputations
from jmimpute.model import JointModel
from jmimpute.sampling.threads import Settings

if TYPE_CHECKING:
    import xarray as xr

    from jmimpute.sampling.diagnostics import Diagnostics

SAMPLERS = ("auto", "compiled", "nutpie", "pymc")
# Streams of random numbers spawned from one seed.
CHAIN_STREAM, IMPUTATION_STREAM, EFFECT_STREAM = 0, 1, 2


@dataclass(frozen=True)
class Fit:
    """Posterior draws of a joint model.

    Made by `JointModel.fit` or `jmimpute.load_fit`; not by hand.

    Attributes
    ----------
    model : JointModel
    tree : xarray.DataTree
        Groups `posterior` and `sample_stats`, as ArviZ expects them.
    seed : int
        Entropy from which chains and imputations draw their streams of random numbers.
    settings : dict
        How it was sampled.
    """

    model: JointModel
    tree: xr.DataTree = field(repr=False)
    seed: int
    settings: dict[str, Any] = field(repr=False)

    @property
    def posterior(self) -> xr.Dataset:
        """Parameters on the original scale, dims (chain, draw, ...); see `jmimpute.sampling.posterior.label`."""
        return self.tree["posterior"].to_dataset()

    @property
    def sample_stats(self) -> xr.Dataset:
        """Statistics of the sampler, dims (chain, draw)."""
        return self.tree["sample_stats"].to_dataset()

    def summary(self, var_names: str | tuple[str, ...] | None = None, level: float = 0.95) -> pd.DataFrame:
        """Posterior means, intervals, effective sample sizes and R-hat.

        Parameters
        ----------
        var_names : str or tuple of str, optional
            Such as ``"Omega_u"``; all if not given.
        level : float
            Probability of the equal-tailed interval.

        Returns
        -------
        pandas.DataFrame
            One row a free element, such as ``Omega_e[ravens, english]``.
        """
        from jmimpute.sampling.diagnostics import summarise

        wanted = (var_names,) if isinstance(var_names, str) else var_names
        return summarise(self.posterior, tuple(wanted) if wanted else None, level)

    def diagnostics(self) -> Diagnostics:
        """Judge convergence in words: R-hat, effective sample sizes, divergences, and what to do.

        Returns
        -------
        Diagnostics
            With `ok`, `messages` and `table`.
        """
        return self._diagnostics

    @cached_property
    def _diagnostics(self) -> Diagnostics:
        from jmimpute.sampling.diagnostics import diagnose

        return diagnose(self.posterior, self.sample_stats)

    def random_effects(self) -> xr.DataArray:
        """Draw the random effects of every cluster, one draw for each posterior draw.

        They are integrated out while sampling, so they are drawn here, exactly, given the parameters.

        Returns
        -------
        xarray.DataArray
            `u`, dims (chain, draw, cluster, effect), on the original scale.

        Raises
        ------
        SamplingError
            If the model has a single level.
        """
        import xarray as xr

        from jmimpute.imputation.conditional import draw_effects
        from jmimpute.imputation.impute import standard_parameters

        specification = self.model.specification
        if not specification.layout.n_effects:
            raise SamplingError("The model has a single level: there are no random effects.")
        posterior = self.posterior
        shape = posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]
        effects = np.empty((*shape, specification.n_clusters, specification.layout.n_effects))
        for k, (chain, draw) in enumerate(np.ndindex(shape)):
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(EFFECT_STREAM, k)))
            parameters = standard_parameters(posterior, specification, chain, draw)
            drawn = draw_effects(*parameters, specification, self.model.statistics, rng)
            effects[chain, draw] = drawn @ specification.scaling.u_transform.T
        coords = {names.CLUSTER: specification.clusters.labels, names.EFFECT: list(specification.layout.effects)}
        return xr.DataArray(effects, coords, (names.CHAIN, names.DRAW, names.CLUSTER, names.EFFECT), names.U)

    def impute(self, m: int = 20, *, progressbar: bool = True) -> Imputations:
        """Draw the missing cells m times, each given another posterior draw.

        Parameters
        ----------
        m : int
            Number of imputations. Asking again with a larger m gives the same first ones.
        progressbar : bool

        Returns
        -------
        Imputations

        Raises
        ------
        ImputationError
            If m is less than 1 or more than there are posterior draws.
        """
        from jmimpute.imputation.impute import impute, missing_rows
        from jmimpute.imputation.schedule import schedule
        from jmimpute.progress import progress

        posterior = self.posterior
        pairs = schedule(m, posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
        seeds = [np.random.SeedSequence(self.seed, spawn_key=(IMPUTATION_STREAM, k)) for k in range(m)]
        specification = self.model.specification
        with progress("Imputing", m, progressbar) as report:
            values = impute(posterior, specification, self.model.statistics, pairs, seeds, report)
        rows = missing_rows(specification)
        return Imputations(self.model.table, rows, values, int(m), specification.clusters.name, self._provenance(), _fit=self)

    def save(self, path: str | Path) -> None:
        """Write to a folder: posterior as NetCDF, the table as parquet, the rest as JSON.

        Parameters
        ----------
        path : str or Path
            Made if it is not there.
        """
        from jmimpute.table.storage import write_manifest, write_table

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        kind = write_table(self.model.table, folder / "table.parquet")
        self.tree.to_netcdf(folder / "posterior.nc", engine="h5netcdf")
        write_manifest(folder, "fit", {"table": kind, **self._provenance()})

    def __repr__(self) -> str:
        """Tell how many draws of which model."""
        sizes = self.posterior.sizes
        return f"<Fit of {self.model!r}: {sizes[names.CHAIN]} chains of {sizes[names.DRAW]} draws>"

    def _provenance(self) -> dict[str, Any]:
        """All that is needed to make this fit again."""
        from jmimpute.specification import families, priors

        specification = self.model.specification
        return {
            "formulas": [formula.text for formula in specification.formulas],
            "families": families.to_record(specification.layout.variables),
            "priors": priors.to_record(specification.priors),
            "seed": self.seed,
            "settings": self.settings,
            "versions": {name: version(name) for name in ("jmimpute", "numpy", "numba", "pandas", "formulae")},
        }


def fit(model: JointModel, settings: Settings, sampler: str, random_seed: int | None) -> Fit:
    """Sample, label and judge; see `JointModel.fit`."""
    import xarray as xr

    if sampler not in SAMPLERS:
        raise SamplingError(f"There is no sampler {sampler!r}: choose {options(SAMPLERS)}.")
    entropy: Any = np.random.SeedSequence(random_seed).entropy
    seed = int(entropy)
    if sampler in ("auto", "compiled"):
        posterior, sample_stats = _compiled(model, settings, seed)
    else:
        from jmimpute.sampling.pymc_samplers import sample

        posterior, sample_stats = sample(model.collapsed, model.specification.layout, settings, sampler, seed)
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sample_stats})
    result = Fit(model, tree, seed, {"sampler": sampler, **asdict(settings)})
    diagnostics = result.diagnostics()
    if not diagnostics.ok:
        warnings.warn(" ".join(diagnostics.messages), ConvergenceWarning, stacklevel=3)
    return result


def _compiled(model: JointModel, settings: Settings, seed: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Sample with the compiled sampler."""
    from jmimpute.sampling import chains, laplace, target
    from jmimpute.sampling.posterior import to_posterior, to_sample_stats

    goal = target.build(model.specification, model.statistics)
    seeds = [np.random.SeedSequence(seed, spawn_key=(CHAIN_STREAM, k)) for k in range(settings.chains)]
    drawn = chains.draw(goal, laplace.whiten(goal), settings, seeds)
    kept = [chain for chain, _ in drawn]
    return to_posterior(kept, goal, model.specification), to_sample_stats(kept, [step for _, step in drawn])


def load_fit(path: str | Path) -> Fit:
    """Read a fit from a folder that `Fit.save` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Fit

    Raises
    ------
    ExchangeError
        If the folder is not one of ours or is damaged.
    """
    import xarray as xr

    from jmimpute.specification import families, priors
    from jmimpute.table.storage import read_manifest, read_table

    folder = Path(path)
    content = read_manifest(folder, "fit", ("table", "formulas", "families", "priors", "seed", "settings"))
    data = read_table(folder / "table.parquet", content["table"]).native
    try:
        tree = xr.load_datatree(folder / "posterior.nc", engine="h5netcdf")
    except Exception as error:
        raise ExchangeError(f"{folder / 'posterior.nc'} cannot be read: {error}. It is missing or damaged.") from error
    said, chosen = families.from_record(content["families"]), priors.from_record(content["priors"])
    model = JointModel(content["formulas"], data, families=said, priors=chosen)
    return Fit(model, tree, content["seed"], content["settings"])

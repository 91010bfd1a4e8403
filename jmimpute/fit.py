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
from jmimpute.checks import Checks
from jmimpute.errors import ConvergenceWarning, ExchangeError, IdentificationWarning, SamplingError
from jmimpute.imputations import Imputations
from jmimpute.model import JointModel
from jmimpute.sampling.threads import Settings
from jmimpute.stopwatch import SECONDS, Stopwatch, added

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from jmimpute.imputation.latents import KeptLatents
    from jmimpute.sampling.diagnostics import Diagnostics
    from jmimpute.sampling.identification import Identification

# Streams of random numbers spawned from one seed; those of chains are in `jmimpute.sampling.sample`, of checks in `checks`.
IMPUTATION_STREAM, EFFECT_STREAM = 1, 2


@dataclass(frozen=True)
class Fit(Checks):
    """Posterior draws of a joint model.

    Made by `JointModel.fit` or `jmimpute.load_fit`; by hand only of draws from an extension of `JointModel.collapsed`.

    Attributes
    ----------
    model : JointModel
    tree : xarray.DataTree
        Groups `posterior` and `sample_stats`, as ArviZ expects them; with categorical responses `latents`, the latent normals
        of some draws, and, of the compiled sampler, `state`, where the chains stand.
    seed : int
        Entropy from which chains and imputations draw their streams of random numbers.
    settings : dict
        How it was sampled.
    seconds : dict
        What sampling took, ``wall`` and ``cpu``; empty if not known.
    """

    model: JointModel
    tree: xr.DataTree = field(repr=False)
    seed: int
    settings: dict[str, Any] = field(repr=False)
    seconds: dict[str, float] = field(default_factory=dict, repr=False)

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

    def identification(self) -> Identification:
        """Judge what the data told of the correlation rho of selection submodels: the posterior beside the prior, in words.

        An exclusion restriction enters the selection formula and not that of the variable. Where it says little of whether the
        variable is observed, rho repeats its prior though the chains have converged; see also `JointModel.check`.

        Returns
        -------
        Identification
            With `ok`, `messages` and `table`; `reweighted` gives the posterior under other priors of rho.

        Raises
        ------
        SamplingError
            If the model has no selection submodel.
        """
        from jmimpute.sampling.identification import identify

        if not self.model.specification.selections:
            raise SamplingError("The model has no selection submodel, and so no rho: see the argument `missing` of JointModel.")
        return identify(self.posterior, self.model.specification)

    def plot_rho(self) -> Figure:
        """Draw the posterior of rho beside its prior; see `jmimpute.plots.rho`.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        TableError
            If no rho was estimated.
        """
        from jmimpute.plots.rho import rho

        return rho(self)

    def random_effects(self) -> xr.DataArray:
        """Draw the random effects of every cluster, one draw for each posterior draw.

        They are integrated out while sampling, so they are drawn here, exactly, given the parameters (and, with categorical
        responses, given the latent normals, for the draws whose latents were kept).

        Returns
        -------
        xarray.DataArray
            `u`, dims (chain, draw, cluster, effect), on the original scale; with categorical responses (kept, cluster,
            effect), with `chain` and `draw` as coordinates of `kept`.

        Raises
        ------
        SamplingError
            If the model has a single level.
        """
        from jmimpute.imputation.effects import random_effects

        if not self.model.specification.layout.n_effects:
            raise SamplingError("The model has a single level: there are no random effects.")
        if names.U in self.posterior:  # of models that cannot integrate them out
            return self.posterior[names.U]

        def seed(k: int) -> np.random.SeedSequence:
            return np.random.SeedSequence(self.seed, spawn_key=(EFFECT_STREAM, k))

        return random_effects(self.posterior, self._latents, self.model.specification, self.model.statistics, seed)

    def extend(self, draws: int, *, keep_latents: int = 0, cores: int | None = None, progressbar: bool = True) -> Fit:
        """Go on sampling where the chains stopped, also if they were interrupted.

        Parameters
        ----------
        draws : int
            Draws to add to each chain.
        keep_latents : int
            Further draws whose latent normals are kept, so that as many more imputations can be made.
        cores : int, optional
            Chains that run at a time; all cores if not given.
        progressbar : bool

        Returns
        -------
        Fit
            With all draws. Imputations of this fit are the first of those that it makes.

        Raises
        ------
        SamplingError
            If the chains left no state to go on from: those of models without categorical responses, which are sampled anew
            in a moment, and those of the samplers "pymc" and "gibbs".
        """
        from jmimpute.sampling.sample import STATE, go_on, joined

        if STATE not in self.tree.children:
            raise SamplingError("These chains left no state to go on from: fit the model again with more draws.")
        watch = Stopwatch()
        sizes = self.posterior.sizes
        used = {name: self.settings[name] for name in ("target_accept", "thin")}
        settings = Settings(draws, 0, sizes[names.CHAIN], cores, progressbar=progressbar, **used)
        specification, stats = self.model.specification, self.model.statistics
        more = go_on(specification, stats, settings, self.tree[STATE].to_dataset(), _kept(keep_latents, settings))
        tree = joined(self.tree, more)
        n_draws = tree["posterior"].sizes[names.DRAW]
        runs = [*self.settings.get("runs", [sizes[names.DRAW]]), n_draws - sizes[names.DRAW]]
        record = {**self.settings, "draws": n_draws, "runs": runs}
        return _judged(Fit(self.model, tree, self.seed, record, added(self.seconds, watch.seconds())))

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
            If m is less than 1 or more than there are posterior draws (with categorical responses: draws whose latent
            normals were kept).
        """
        from jmimpute.imputation.impute import impute, missing_rows
        from jmimpute.progress import progress

        watch = Stopwatch()
        specification, stats, plan = self.model.specification, self.model.statistics, self._plan(m)
        with progress("Imputing", m, progressbar) as report:
            values = impute(self.posterior, specification, stats, *plan, self._latents, report)
        rows = missing_rows(specification)
        variables = (*specification.layout.variables, *specification.layout.level2.variables)
        levels = {variable.name: variable.levels for variable in variables if variable.is_latent and variable.name in rows}
        cluster = specification.clusters.name
        provenance = {**self._provenance(), SECONDS: added(self.seconds, watch.seconds())}
        return Imputations(self.model.table, rows, values, int(m), cluster, provenance, levels, _fit=self)

    def _plan(self, m: int, stream: int = IMPUTATION_STREAM) -> tuple[list[tuple[int, int]], list[np.random.SeedSequence]]:
        """Draws of the first m imputations, and their streams of random numbers."""
        from jmimpute.imputation.schedule import schedule

        sizes = self.posterior.sizes
        runs = self.settings.get("runs", [sizes[names.DRAW]])
        pairs = self._latents.first(m) if self._latents else schedule(m, sizes[names.CHAIN], *runs)
        return pairs, [np.random.SeedSequence(self.seed, spawn_key=(stream, k)) for k in range(m)]

    @cached_property
    def _latents(self) -> KeptLatents | None:
        """Latent normals of the draws that can be imputed from; None without categorical responses."""
        from jmimpute.imputation.latents import KeptLatents
        from jmimpute.sampling.sample import LATENTS

        return KeptLatents.of(self.tree[LATENTS].to_dataset()) if LATENTS in self.tree.children else None

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
        write_manifest(folder, "fit", {"table": kind, **self._provenance(), SECONDS: self.seconds})

    def __repr__(self) -> str:
        """Tell how many draws of which model."""
        sizes = self.posterior.sizes
        return f"<Fit of {self.model!r}: {sizes[names.CHAIN]} chains of {sizes[names.DRAW]} draws>"

    def _provenance(self) -> dict[str, Any]:
        """All that is needed to make this fit again."""
        from jmimpute.specification import families, priors, selection

        specification = self.model.specification
        layout = specification.layout
        return {
            "formulas": [formula.text for formula in specification.formulas_of_outcomes],
            "level2": [formula.text for formula in specification.level2_formulas],
            "covariance": specification.covariance,
            "missing": selection.to_record(specification.clauses),
            "families": families.to_record([*layout.variables, *layout.level2.variables]),
            "priors": priors.to_record(specification.priors),
            "latent_bounds": specification.latent_bounds,
            "seed": self.seed,
            "settings": self.settings,
            "versions": {name: version(name) for name in ("jmimpute", "numpy", "numba", "pandas", "formulae")},
        }


def fit(model: JointModel, settings: Settings, sampler: str, random_seed: int | None, keep_latents: int) -> Fit:
    """Sample, label and judge; see `JointModel.fit`."""
    from jmimpute.sampling.sample import LATENTS, as_tree, choose, sample

    specification = model.specification
    chosen = choose(sampler, specification)
    watch = Stopwatch(processes=chosen == "pymc")
    entropy: Any = np.random.SeedSequence(random_seed).entropy
    seed = int(entropy)
    keep = _kept(keep_latents, settings) if specification.has_latents else []
    if chosen in ("compiled", "gibbs") or specification.selections:
        groups = sample(specification, model.statistics, settings, chosen, seed, keep)
    else:
        from jmimpute.sampling import pymc_samplers

        groups = pymc_samplers.sample(model, settings, chosen, seed, keep)
    provenance = {"sampler": sampler, **asdict(settings)} | ({"keep_latents": keep_latents} if LATENTS in groups else {})
    return _judged(Fit(model, as_tree(groups), seed, provenance, watch.seconds()))


def _kept(number: int, settings: Settings) -> list[tuple[int, int]]:
    """Draws whose latents are kept: those that as many imputations will use."""
    from jmimpute.imputation.schedule import schedule

    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise SamplingError(f"keep_latents must be a whole number of at least 0, not {number!r}.")
    number = min(int(number), settings.chains * settings.draws)
    return schedule(number, settings.chains, settings.draws) if number else []


def _judged(result: Fit) -> Fit:
    """Warn of what the diagnostics find, and of a rho that the data do not tell."""
    diagnostics = result.diagnostics()
    if not diagnostics.ok:
        warnings.warn(" ".join(diagnostics.messages), ConvergenceWarning, stacklevel=4)
    if result.model.specification.selections:
        identification = result.identification()
        if not identification.ok:
            warnings.warn(" ".join(identification.messages), IdentificationWarning, stacklevel=4)
    return result


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

    from jmimpute.specification import families, priors, selection
    from jmimpute.specification.covariances import COMMON
    from jmimpute.table.storage import read_manifest, read_table

    folder = Path(path)
    content = read_manifest(folder, "fit", ("table", "formulas", "families", "priors", "seed", "settings"))
    data = read_table(folder / "table.parquet", content["table"]).native
    try:
        tree = xr.load_datatree(folder / "posterior.nc", engine="h5netcdf")
    except Exception as error:
        raise ExchangeError(f"{folder / 'posterior.nc'} cannot be read: {error}. It is missing or damaged.") from error
    said, chosen = families.from_record(content["families"]), priors.from_record(content["priors"])
    bounds = tuple(content["latent_bounds"]) if content.get("latent_bounds") else None
    # Files of the first models have none of these.
    structure = {"level2": content.get("level2"), "covariance": content.get("covariance", COMMON)}
    structure["missing"] = selection.from_record(content.get("missing", {}))
    model = JointModel(content["formulas"], data, families=said, priors=chosen, latent_bounds=bounds, **structure)
    return Fit(model, tree, content["seed"], content["settings"], content.get(SECONDS, {}))

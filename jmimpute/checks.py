"""What to think of imputations before they are used: convergence, predictive checks, overimputation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names
from jmimpute.errors import ImputationError, options

if TYPE_CHECKING:
    import xarray as xr

    from jmimpute.imputation.check import PredictiveCheck
    from jmimpute.imputation.latents import KeptLatents
    from jmimpute.imputation.monitor import ImputedDiagnostics
    from jmimpute.imputation.overimpute import Overimputation
    from jmimpute.model import JointModel

# Streams of random numbers; see `jmimpute.fit`.
IMPUTATION_STREAM, CHECK_STREAM = 1, 4


class Checks:
    """Methods of `Fit` that judge what it imputes."""

    model: JointModel
    _latents: KeptLatents | None

    @property
    def posterior(self) -> xr.Dataset:
        """Parameters; see `Fit.posterior`."""
        raise NotImplementedError

    def _plan(self, m: int, stream: int) -> tuple[list[tuple[int, int]], list[np.random.SeedSequence]]:
        """Draws of the first m imputations, and their streams of random numbers."""
        raise NotImplementedError

    def imputed_diagnostics(self, draws: int = 250, *, progressbar: bool = True) -> ImputedDiagnostics:
        """Judge the convergence of what is imputed: means, standard deviations and correlations of completed data.

        They are summaries of the first imputations, chain by chain: over all rows, and in each cluster with missing cells.

        Parameters
        ----------
        draws : int
            Imputations of each chain; all that can be made if there are fewer.
        progressbar : bool

        Returns
        -------
        ImputedDiagnostics
            As `diagnostics` gives them, and the `draws` of the summaries, for `jmimpute.plots.imputed_trace`.

        Raises
        ------
        ImputationError
            If nothing is missing, or there are fewer than 4 draws in each chain.
        """
        from jmimpute.imputation.monitor import monitor
        from jmimpute.progress import progress

        pairs, seeds = self._first(draws, IMPUTATION_STREAM, self.posterior.sizes[names.CHAIN])
        specification, stats = self.model.specification, self.model.statistics
        with progress("Imputing", len(pairs), progressbar) as report:
            return monitor(self.posterior, specification, stats, pairs, seeds, self._latents, report)

    def check(
        self, draws: int = 1000, *, cells: str = "completed", clusters: str = "same", progressbar: bool = True
    ) -> PredictiveCheck:
        """Compare the data with replicates of the fitted model: by variable, by cluster and by missing-data pattern.

        Parameters
        ----------
        draws : int
            Replicates; with categorical responses as many as there are draws whose latent normals were kept.
        cells : {"completed", "observed"}
            Compare all cells, missing ones imputed at the same draw, or only those that are observed, which is right only if
            what is missing does not depend on the responses.
        clusters : {"same", "new"}
            Replicate the clusters themselves, by their random effects, or new ones in their places, which shows better which
            clusters are unlike the others.
        progressbar : bool

        Returns
        -------
        PredictiveCheck
            With `ok`, `messages` and `table`; see `jmimpute.plots.check`.

        Raises
        ------
        ImputationError
            If an argument is none of these, or the model has selection submodels.
        """
        from jmimpute.imputation.check import COMPLETED, OBSERVED, check
        from jmimpute.imputation.replicate import NEW, SAME
        from jmimpute.progress import progress

        self._check_ignorable("Predictive checks")
        _check_choice("cells", cells, (COMPLETED, OBSERVED))
        _check_choice("clusters", clusters, (SAME, NEW))
        pairs, seeds = self._first(draws, CHECK_STREAM)
        specification, stats = self.model.specification, self.model.statistics
        kind = {"cells": cells, "clusters": clusters}
        with progress("Replicating", len(pairs), progressbar) as report:
            return check(self.posterior, specification, stats, pairs, seeds, self._latents, report, **kind)

    def overimpute(self, variable: str, draws: int = 400, *, cells: int = 2000, progressbar: bool = True) -> Overimputation:
        """Impute observed cells of a response as if each were missing, and compare.

        Each is imputed given the other cells of its row, the other rows and a posterior that has not seen it; exactly given the
        parameters, by weights on their draws.

        Parameters
        ----------
        variable : str
            A response of rows.
        draws : int
            Posterior draws; with categorical responses as many as there are whose latent normals were kept.
        cells : int
            Observed cells, evenly spaced, if there are more.
        progressbar : bool

        Returns
        -------
        Overimputation
            With `ok`, `messages`, `cells` and `table`; see `jmimpute.plots.overimpute`.

        Raises
        ------
        ImputationError
            If there is no such response, there are fewer than 25 draws, or the model has selection submodels.
        """
        from jmimpute.imputation.overimpute import overimpute
        from jmimpute.progress import progress

        self._check_ignorable("Overimputation")
        _check_whole("cells", cells)
        pairs, _ = self._first(draws, IMPUTATION_STREAM)
        with progress("Overimputing", len(pairs), progressbar) as report:
            return overimpute(self.posterior, self.model.specification, pairs, self._latents, variable, cells, report)

    def _check_ignorable(self, what: str) -> None:
        if self.model.specification.selections:
            raise ImputationError(
                f"{what} cannot yet be had with selection submodels, whose missing values are another part of the population. "
                "Check the model without `missing`, which has the same responses."
            )

    def _first(self, draws: int, stream: int, each: int = 1) -> tuple[list[tuple[int, int]], list[np.random.SeedSequence]]:
        """As `_plan`, for `each` times as many draws as were asked for, or as many as can be imputed from."""
        _check_whole("draws", draws)
        sizes = self.posterior.sizes
        most = len(self._latents.pairs) if self._latents else sizes[names.CHAIN] * sizes[names.DRAW]
        if not most:
            raise ImputationError("No latent normals were kept. Fit again with keep_latents, such as keep_latents=400.")
        return self._plan(min(each * draws, most), stream)


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ImputationError(f"{name} must be a whole number of at least 1, not {value!r}.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ImputationError(f"{name} must be {options(choices)}, not {value!r}.")

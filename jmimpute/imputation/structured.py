"""Exact draws of random effects, level-2 values and missing cells of structured models; see `jmimpute.sampling.structured`."""

from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names
from jmimpute.errors import ImputationError
from jmimpute.imputation.latents import KeptLatents
from jmimpute.sampling.structured.arrays import build
from jmimpute.sampling.structured.chains import cells_of
from jmimpute.sampling.structured.effects import draw_psi, summarise
from jmimpute.sampling.structured.level2 import complete_level2, refresh_psi
from jmimpute.sampling.structured.rows import complete, draw_missing, refresh_precisions, refresh_residuals
from jmimpute.sampling.structured.start import start
from jmimpute.specification.specify import COMMON, Specification

if TYPE_CHECKING:
    import xarray as xr


class Completer:
    """Draws what is missing given posterior draws, one after the other.

    Parameters
    ----------
    specification : Specification
    """

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.model = build(specification, every_row=True)
        self.cells = cells_of(specification, self.model)
        self.state = start(self.model, specification, np.random.default_rng(0))  # room; all of it is replaced

    def draw_psi(
        self, posterior: "xr.Dataset", chain: int, draw: int, latents: KeptLatents | None, k: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw random effects and level-2 residuals.

        Parameters
        ----------
        posterior : xarray.Dataset
        chain, draw : int
        latents : KeptLatents, optional
            Needed with categorical responses.
        k : int
            Place of the draw among them.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (J, d)
            On the standardised scale.
        """
        self._put(posterior, chain, draw)
        state = self.state
        if latents is not None:
            state.rows.y[self.cells.coordinate, self.cells.row] = latents.values[k]
            state.w[self.cells.cluster, self.cells.coordinate2] = latents.values2[k]
        refresh_psi(self.model, state)
        refresh_precisions(self.model, state)
        draw_psi(self.model, state, summarise(self.model, state), rng)
        return state.rows.u.T

    def draw_cells(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw missing responses given what `draw_psi` drew.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        cells : ndarray, shape (n_missing,)
            Of rows on the standardised scale, row by row in canonical order and by response within a row.
        w : ndarray, shape (J, p2)
            Level-2 responses on the standardised scale.

        Raises
        ------
        ImputationError
            If a draw is not finite, which means that a covariance matrix is numerically singular.
        """
        refresh_residuals(self.model, self.state)
        draw_missing(self.model, self.state, rng)
        complete(self.model, self.state)
        complete_level2(self.model, self.state)
        y = np.empty(self.specification.y.shape)
        y[self.model.problem.rows.position] = self.state.rows.y.T
        cells, w = y[np.isnan(self.specification.y)], self.state.w.copy()
        if not (np.all(np.isfinite(cells)) and np.all(np.isfinite(w))):
            raise ImputationError(
                "A missing value was drawn that is not finite: a covariance matrix is numerically singular. Are two responses "
                "(nearly) the same? Drop one, or use priors that keep correlations off the boundary."
            )
        return cells, w

    def _put(self, posterior: "xr.Dataset", chain: int, draw: int) -> None:
        """Set the parameters to those of a posterior draw."""
        at = posterior.isel({names.CHAIN: chain, names.DRAW: draw})
        state, scaling = self.state, self.specification.scaling
        state.rows.beta[:] = scaling.standard_beta(at[names.BETA].to_numpy().T)
        omega = scaling.standard_omega_e(at[names.OMEGA_E].to_numpy())
        state.omega[:] = omega[None] if self.specification.covariance == COMMON else omega
        if state.rows.omega_u.size:
            state.rows.omega_u[:] = scaling.standard_omega_u(at[names.OMEGA_U].to_numpy())
        if state.beta2.size:
            state.beta2[:] = scaling.standard_beta_level2(at[names.BETA_LEVEL2].to_numpy().T)

"""Missing cells given a posterior draw, for models with selection submodels."""

from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names
from jmimpute.graph.marginal import known_of
from jmimpute.imputation.latents import KeptLatents
from jmimpute.imputation.parameters import cutpoints_of, standard_parameters
from jmimpute.imputation.selected import draw_coordinates
from jmimpute.specification.specify import Specification

if TYPE_CHECKING:
    import xarray as xr


class SelectedCompleter:
    """As `jmimpute.imputation.structured.Completer`; random effects are part of the posterior here, and are not drawn.

    Parameters
    ----------
    specification : Specification
        With selection submodels.
    """

    def __init__(self, specification: Specification) -> None:
        self.specification, self.known = specification, known_of(specification)
        self.p = len(specification.outcomes)

    def draw_psi(
        self, posterior: "xr.Dataset", chain: int, draw: int, latents: KeptLatents | None, k: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Read parameters and random effects; see `jmimpute.imputation.structured.Completer.draw_psi`."""
        specification, at = self.specification, {names.CHAIN: chain, names.DRAW: draw}
        beta, omega_e, _ = standard_parameters(posterior, specification, chain, draw)
        self.sigma = omega_e[: self.p, : self.p]
        rhos = [_rho(posterior, selected.variable.name, at) for selected in specification.selections]
        self.rho = np.column_stack(np.broadcast_arrays(*rhos))
        cutpoints = {v.name: cutpoints_of(posterior, v, chain, draw) for v in specification.outcomes}
        self.cutpoints = [cutpoints[v.name] if v.n_cutpoints else None for v in specification.outcomes]
        self.mean = specification.x @ beta
        effects = np.empty((specification.n_clusters, 0))
        if specification.layout.n_effects:
            of_data = posterior[names.U].isel(at).to_numpy()
            effects = np.linalg.solve(specification.scaling.effects_transform, of_data.T).T
            self._add_effects(effects)
        self._add_crossed(posterior, at)
        return effects

    def draw_cells(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw missing cells given what `draw_psi` read; see `jmimpute.imputation.structured.Completer.draw_cells`."""
        drawn = draw_coordinates(self.mean, self.sigma, self.rho, self.known, self.cutpoints, rng)
        return drawn[np.isnan(self.specification.y)], self.specification.w

    def _add_effects(self, effects: np.ndarray) -> None:
        layout, codes = self.specification.layout, self.specification.clusters.codes
        for place, (response, column) in enumerate(zip(layout.effect_response, layout.effect_column, strict=True)):
            self.mean[:, response] += effects[codes, place] * self.specification.z[:, column]

    def _add_crossed(self, posterior: "xr.Dataset", at: dict[str, int]) -> None:
        for selected in self.specification.selections:
            for crossed in selected.crossed:
                name = names.crossed_label(selected.indicator.name, crossed.column)
                self.mean[:, selected.indicator.first] += posterior[name].isel(at).to_numpy()[crossed.codes]


def _rho(posterior: "xr.Dataset", name: str, at: dict[str, int]) -> np.ndarray:
    """The correlation of a selection submodel, shape (1,), or of each cluster, shape (J,), if it differs between them."""
    by_cluster = names.rho_clusters_label(name)
    return np.atleast_1d(posterior[by_cluster if by_cluster in posterior else names.rho_label(name)].isel(at).to_numpy())

"""Random effects and then missing cells given a posterior draw, for models of every structure."""

from typing import TYPE_CHECKING

import numpy as np

from jmimpute.imputation.conditional import draw_cells, draw_effects
from jmimpute.imputation.latents import KeptLatents, given_latents
from jmimpute.imputation.parameters import standard_parameters
from jmimpute.imputation.structured import Completer
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics

if TYPE_CHECKING:
    import xarray as xr

    from jmimpute.imputation.selection import SelectedCompleter


class CommonCompleter:
    """As `jmimpute.imputation.structured.Completer`, for models that are not structured, from sufficient statistics.

    Parameters
    ----------
    specification : Specification
    stats : Statistics
        Of its arrays.
    """

    def __init__(self, specification: Specification, stats: Statistics) -> None:
        self.specification, self.stats = specification, stats

    def draw_psi(
        self, posterior: "xr.Dataset", chain: int, draw: int, latents: KeptLatents | None, k: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw random effects; see `jmimpute.imputation.structured.Completer.draw_psi`."""
        self.beta, self.omega_e, omega_u = standard_parameters(posterior, self.specification, chain, draw)
        self.filled, filled_stats = given_latents(self.specification, self.stats, latents, k)
        self.effects = draw_effects(self.beta, self.omega_e, omega_u, self.filled, filled_stats, rng)
        return self.effects

    def draw_cells(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw missing cells given what `draw_psi` drew; see `jmimpute.imputation.structured.Completer.draw_cells`."""
        return draw_cells(self.beta, self.omega_e, self.effects, self.filled, rng), self.specification.w


def completer_of(
    specification: Specification, stats: Statistics, latents: KeptLatents | None
) -> "Completer | CommonCompleter | SelectedCompleter":
    """Choose the completer of a model.

    Parameters
    ----------
    specification : Specification
    stats : Statistics
        Of its arrays.
    latents : KeptLatents, optional
        Of the posterior; with those of indicators of selection submodels, the model is an ordinary Gaussian one.
    """
    if specification.selections and latents is None:
        from jmimpute.imputation.selection import SelectedCompleter

        return SelectedCompleter(specification)
    return Completer(specification) if specification.is_structured else CommonCompleter(specification, stats)

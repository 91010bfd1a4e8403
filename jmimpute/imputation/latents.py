"""Latent normals of observed categories in posterior draws: with them as data, the model is a Gaussian one."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jmimpute import names
from jmimpute.errors import ImputationError
from jmimpute.specification.specify import Specification
from jmimpute.table.statistics import Statistics, summarise

if TYPE_CHECKING:
    import xarray as xr

LEVEL_2 = "latent_level2"


@dataclass(frozen=True)
class KeptLatents:
    """Latents of some posterior draws.

    Attributes
    ----------
    pairs : list of (chain, draw)
    values : ndarray of float32, shape (n_kept, n_cells)
    row, response : ndarray of int, shape (n_cells,)
        Row of the table and coordinate of each.
    values2 : ndarray of float32, shape (n_kept, n_cells2)
        Latents of level-2 responses, in the order in which the sampler has them.
    """

    pairs: list[tuple[int, int]]
    values: np.ndarray
    row: np.ndarray
    response: np.ndarray
    values2: np.ndarray

    @classmethod
    def of(cls, dataset: "xr.Dataset") -> "KeptLatents":
        """Read the group `latents` of a fit."""
        chain, draw = (dataset[name].to_numpy().tolist() for name in (names.CHAIN, names.DRAW))
        cells = (dataset[name].to_numpy() for name in (names.ROW, names.RESPONSE))
        values2 = dataset[LEVEL_2].to_numpy() if LEVEL_2 in dataset else np.empty((len(chain), 0), dtype=np.float32)
        return cls(list(zip(chain, draw, strict=True)), dataset["latent"].to_numpy(), *cells, values2)

    def first(self, m: int) -> list[tuple[int, int]]:
        """Draws that m imputations use.

        Parameters
        ----------
        m : int

        Raises
        ------
        ImputationError
            If m is less than 1 or more than there are.
        """
        if isinstance(m, bool) or not isinstance(m, int | np.integer) or m < 1:
            raise ImputationError(f"m, the number of imputations, must be a whole number of at least 1, not {m!r}.")
        if m > len(self.pairs):
            raise ImputationError(
                f"{m} imputations need the latent normals of {m} posterior draws; this fit kept those of {len(self.pairs)}. "
                f"Fit again with keep_latents={m} and no fewer draws in all, or go on with "
                f"fit.extend(draws, keep_latents={m - len(self.pairs)})."
            )
        return self.pairs[:m]

    def filled(self, k: int, specification: Specification) -> Specification:
        """A specification in which the latents of the k-th kept draw are data.

        Parameters
        ----------
        k : int
        specification : Specification
        """
        place = np.empty(len(specification.order), dtype=np.int64)
        place[specification.order] = np.arange(len(specification.order))
        y = specification.y.copy()
        y[place[self.row], self.response] = self.values[k]
        return replace(specification, y=y)


def given_latents(
    specification: Specification, stats: Statistics, latents: KeptLatents | None, k: int
) -> tuple[Specification, Statistics]:
    """Specification and statistics to draw from at the k-th draw; as they are if there are no latents."""
    if latents is None:
        return specification, stats
    filled = latents.filled(k, specification)
    codes, n_clusters = filled.clusters.codes, filled.n_clusters
    return filled, summarise(filled.y, filled.x, filled.z, codes, n_clusters, filled.patterns)

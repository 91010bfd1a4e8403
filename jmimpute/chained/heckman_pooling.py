"""What is estimated before a Heckman method draws. Streams that see the same data estimate it once.

That is so when predictors are complete, as they often are beside a variable that is missing not at random.
"""

from functools import lru_cache
from hashlib import sha256

import numpy as np

from jmimpute.chained.heckman_clusters import ClusterModels, fit_clusters
from jmimpute.chained.heckman_fit import HeckmanFit, fit_heckman
from jmimpute.chained.stage_two import Meta, meta
from jmimpute.chained.target import Target
from jmimpute.errors import ImputationError

KEPT = 2  # fits of different data, which hold on to these


class Estimable:
    """A target with a selection design, equal to another one if all that is estimated from both is the same.

    Parameters
    ----------
    target : Target
    w : ndarray of shape (n_rows, s)
        Design of selection.
    """

    def __init__(self, target: Target, w: np.ndarray) -> None:
        self.target = target
        self.w = w
        parts = (target.y[target.observed], target.observed, target.codes, target.x, w)
        text = repr((target.n_categories, *((part.shape, part.dtype) for part in parts)))
        self._digest = sha256(b"".join([text.encode(), *(part.tobytes() for part in parts)])).digest()

    def __hash__(self) -> int:
        """Hash what is estimated from."""
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        """Compare what is estimated from."""
        return isinstance(other, Estimable) and self._digest == other._digest

    @property
    def binary(self) -> bool:
        """Whether the variable has two categories."""
        return self.target.n_categories == 2


@lru_cache(maxsize=KEPT)
def first_stage(data: Estimable) -> ClusterModels:
    """Fit every cluster.

    Parameters
    ----------
    data : Estimable

    Returns
    -------
    ClusterModels
    """
    return fit_clusters(data.target, data.target.x, data.w, data.binary)


@lru_cache(maxsize=KEPT)
def second_stage(data: Estimable, estimator: str) -> dict[str, Meta]:
    """Pool the clusters, block by block.

    Parameters
    ----------
    data : Estimable
    estimator : str
        ``"reml"`` or ``"moments"``.

    Returns
    -------
    dict of str to Meta
        By block of parameters.

    Raises
    ------
    ImputationError
        If a block cannot be pooled.
    """
    pooled = {}
    for name, block in first_stage(data).blocks.items():
        try:
            pooled[name] = meta(block.estimates, block.covariances, estimator)
        except ImputationError as error:
            raise ImputationError(f"The second stage of {data.target.name!r} failed for {name}. {error}") from error
    return pooled


@lru_cache(maxsize=KEPT)
def one_model(data: Estimable) -> HeckmanFit:
    """Fit one model to all rows of clusters that are not missing as a whole.

    Parameters
    ----------
    data : Estimable

    Returns
    -------
    HeckmanFit

    Raises
    ------
    ImputationError
        If it cannot be fitted.
    """
    target = data.target
    rows = ~target.systematic[target.codes]
    fit = fit_heckman(target.y[rows], target.observed[rows], target.x[rows], data.w[rows], data.binary)
    if fit is None:
        raise ImputationError(
            f"A Heckman model of {target.name!r} cannot be fitted to all rows: too few values are observed, or missing in "
            "clusters that have some observed, or a predictor tells them apart perfectly, or predictors are collinear. Use "
            "fewer predictors, or, if values are only missing in whole clusters, 'two-stage'."
        )
    return fit

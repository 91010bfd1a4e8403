"""Step sizes and metrics of the structured sampler, and how they are found during warm-up."""

import math
from typing import NamedTuple

import numpy as np

from jmimpute.compilation import kernel
from jmimpute.graph.small_matrices import cholesky_in_place
from jmimpute.sampling.latents import tuning as latents_tuning
from jmimpute.sampling.latents.tuning import LONGEST_STEP
from jmimpute.sampling.structured.arrays import Model

FEW = 10.0  # iterations, as many as which a prior guess of a metric counts


class Tuning(NamedTuple):
    """How the moves of one chain are tuned; the arrays are changed in place.

    Attributes
    ----------
    latents : latents_tuning.Tuning
        Of the moves of single latents.
    whitening_u : ndarray, shape (n, n)
        Of the coordinates of all blocks of Omega_u; block-diagonal.
    log_step_u : ndarray, shape (n_blocks,)
    mean_u, square_u : ndarray, shapes (n,), (n, n)
        Sums of coordinates and of their products over `n_moments[0]` iterations.
    n_moments : ndarray, shape (1,)
    """

    latents: latents_tuning.Tuning
    whitening_u: np.ndarray
    log_step_u: np.ndarray
    mean_u: np.ndarray
    square_u: np.ndarray
    n_moments: np.ndarray


def new_tuning(model: Model) -> Tuning:
    """Start with steps of about the right length.

    Parameters
    ----------
    model : Model
    """
    longest = max(map(int, latents_tuning.sizes(model.problem)), default=0)
    n = int(model.prior_u.first_coordinate[-1])
    n_clusters = max(1, len(model.level2.free))
    return Tuning(
        latents_tuning.new_tuning(np.zeros((0, 0)), len(model.problem.latents.coordinate), longest),
        np.eye(n) / math.sqrt(n_clusters),
        np.full(len(model.prior_u.shape), math.log(0.7 * LONGEST_STEP)),
        np.zeros(n),
        np.zeros((n, n)),
        np.zeros(1),
    )


@kernel
def learn_metric_u(tuning, first_coordinate):
    """Whiten the coordinates of Omega_u by their covariance so far, block by block, and begin to gather anew."""
    n = tuning.n_moments[0]
    if n < 2.0:
        return
    for block in range(first_coordinate.shape[0] - 1):
        first, end = first_coordinate[block], first_coordinate[block + 1]
        matrix = np.empty((end - first, end - first))
        for i in range(end - first):
            for k in range(end - first):
                means = tuning.mean_u[first + i] * tuning.mean_u[first + k] / n
                covariance = (tuning.square_u[first + i, first + k] - means) / (n - 1.0)
                matrix[i, k] = n / (n + FEW) * covariance
            matrix[i, i] += 1e-2 * FEW / (n + FEW)
        if math.isfinite(cholesky_in_place(matrix)):
            for i in range(end - first):
                for k in range(i + 1):
                    tuning.whitening_u[first + i, first + k] = matrix[i, k]
    tuning.mean_u[:] = 0.0
    tuning.square_u[:] = 0.0
    tuning.n_moments[0] = 0.0

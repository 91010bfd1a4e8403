"""Normal variables of the simulated tables: their covariance matrices, and draws of them."""

import numpy as np
import pandas as pd


def covariance_of(labels: list[str], sd: list[float], correlation: list[list[float]]) -> pd.DataFrame:
    """Return the covariance matrix of standard deviations and the lower triangle of a correlation matrix."""
    lower = np.zeros((len(sd), len(sd)))
    for row, values in enumerate(correlation):
        lower[row, : row + 1] = values
    full = lower + np.tril(lower, -1).T
    return pd.DataFrame(full * np.outer(sd, sd), index=labels, columns=labels)


def draw_normal(rng: np.random.Generator, size: int, covariance: pd.DataFrame) -> np.ndarray:
    """Draw `size` rows of N(0, covariance)."""
    return rng.standard_normal((size, len(covariance))) @ np.linalg.cholesky(covariance.to_numpy()).T

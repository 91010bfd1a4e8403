"""What a target must be like for two-stage methods, and which of its clusters could not be fitted."""

import warnings

import numpy as np

from jmimpute.chained.regression import check_full_rank
from jmimpute.chained.target import Target
from jmimpute.errors import ChainedWarning, ImputationError, some


def check_predictors(target: Target) -> None:
    """Every predictor has a random coefficient, and none is a combination of others."""
    fixed = [name for k, name in enumerate(target.columns) if k not in target.random]
    if fixed:
        raise ImputationError(
            f"{target.name!r}: two-stage methods give all predictors random coefficients, but {some(fixed)} has none. Make it "
            "random, or use 'one-stage' or 'mixed'."
        )
    check_full_rank(target.x[target.observed], target.name, target.columns)


def check_counts(target: Target) -> None:
    """Observed values are counts."""
    values = target.y[target.observed]
    wrong = (values < 0) | (values != np.round(values))
    if wrong.any():
        raise ImputationError(
            f"{target.name!r} is imputed as a count, but {wrong.sum()} observed values are negative or no whole numbers, among "
            f"them {some(values[wrong], 3)}. Use 'two-stage' or 'two-stage-pmm'."
        )


def check_fitted(target: Target, fitted: np.ndarray, why: str) -> None:
    """Tell which clusters with observed values could not be fitted; two at least could."""
    left_out = np.flatnonzero(~fitted & ~target.systematic)
    if fitted.sum() < 2:
        raise ImputationError(
            f"{target.name!r}: {fitted.sum()} of {target.n_clusters} clusters could be fitted, and a two-stage method needs "
            f"two at least. {_obstacles(target)} Use fewer predictors, or 'one-stage' or 'norm'."
        )
    if len(left_out):
        warnings.warn(
            f"{target.name!r}: clusters {target.named(left_out)} could not be fitted ({why}) and are imputed as if "
            "nothing were observed in them. Use fewer predictors, or 'one-stage'.",
            ChainedWarning,
            stacklevel=4,
        )


def _obstacles(target: Target) -> str:
    """Say why next to no cluster could be fitted."""
    x, codes = target.x[target.observed], target.codes[target.observed]
    counts = np.bincount(codes, minlength=target.n_clusters)
    means = np.column_stack([np.bincount(codes, column, target.n_clusters) for column in x.T]) / np.maximum(counts, 1)[:, None]
    within = np.abs(x - means[codes]).max(axis=0) > 1e-10 * np.abs(x).max(axis=0)
    constant = [name for name, varies in zip(target.columns[1:], within[1:], strict=True) if not varies]
    if constant:
        return f"{some(constant)} does not vary within clusters."
    return f"There are {x.shape[1]} coefficients and {counts.min()} to {counts.max()} observed values in a cluster."

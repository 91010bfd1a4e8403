"""Probabilities of being missing: what a unit's depend on, and the constant that gives the proportion asked for."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from jmimpute.amputation.holes import HECKMAN, SPORADIC, Holes, Term
from jmimpute.errors import AmputationError
from jmimpute.table.clusters import Clusters


def find_probabilities(
    frame: pd.DataFrame, clusters: Clusters, holes: Holes, rng: np.random.Generator, candidates: np.ndarray, target: float
) -> np.ndarray:
    """Find the probability of each unit to be missing.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows
    clusters : Clusters
    holes : Holes
    rng : Generator
        Draws the selection effects of clusters.
    candidates : ndarray of bool, shape (n_units,)
        The others have probability 0. Units are rows, or clusters unless the holes are sporadic.
    target : float
        Mean of the probabilities of candidates.

    Returns
    -------
    ndarray, shape (n_units,)
    """
    from scipy.special import expit, logit, ndtr, ndtri

    if holes.mechanism == HECKMAN:
        score, cdf, quantile = _selection_score(frame, clusters, holes, rng), ndtr, ndtri
    else:
        score, cdf, quantile = _score(frame, clusters, holes), expit, logit
    probabilities = np.zeros(len(score))
    if candidates.any():
        probabilities[candidates] = _calibrated(score[candidates], target, cdf, quantile)
    return probabilities


def _score(frame: pd.DataFrame, clusters: Clusters, holes: Holes) -> np.ndarray:
    """What the log-odds of units have beside the constant."""
    total = _weighted_sum(frame, clusters, holes)
    total -= total.mean()
    return {"right": total, "left": -total, "mid": -np.abs(total), "tail": np.abs(total)}[holes.shape]


def _selection_score(frame: pd.DataFrame, clusters: Clusters, holes: Holes, rng: np.random.Generator) -> np.ndarray:
    """What the probit of being missing has beside the constant: P(r <= 0) given everything but xi."""
    seen = _weighted_sum(frame, clusters, holes) + holes.rho * _residual(frame, clusters, holes)
    if holes.cluster_sd:
        seen += holes.cluster_sd * rng.standard_normal(len(clusters.labels))[clusters.codes]
    return -seen / np.sqrt(1 - holes.rho**2)


def _weighted_sum(frame: pd.DataFrame, clusters: Clusters, holes: Holes) -> np.ndarray:
    """Add up the terms, shape (n_units,)."""
    n_units = len(frame) if holes.kind == SPORADIC else len(clusters.labels)
    return sum((_contribution(frame[term.column], clusters, holes, term) for term in holes.terms), np.zeros(n_units))


def _contribution(series: pd.Series, clusters: Clusters, holes: Holes, term: Term) -> np.ndarray:
    of_categories = isinstance(term.weight, dict)
    values = _weigh_categories(series, term.weight) if of_categories else series.to_numpy(dtype=float)
    if holes.kind != SPORADIC:
        values = _means(values, clusters)
    elif term.of_cluster:
        values = _means(values, clusters)[clusters.codes]
    if of_categories:
        return values
    spread = values.std()
    if spread <= 1e-12 * np.abs(values).max():
        raise AmputationError(
            f"Column {term.column!r} has a weight for the holes in {', '.join(holes.columns)}, but "
            f"{'its cluster means do not' if holes.kind != SPORADIC or term.of_cluster else 'does not'} vary. Take it out."
        )
    return term.weight * (values - values.mean()) / spread


def _weigh_categories(series: pd.Series, weights: dict) -> np.ndarray:
    """Weight of the category of each row, 0 if it has none."""
    values = np.zeros(len(series))
    for category, weight in weights.items():
        values[(series == category).to_numpy(dtype=bool)] = weight
    return values


def _means(values: np.ndarray, clusters: Clusters) -> np.ndarray:
    return np.bincount(clusters.codes, values, minlength=len(clusters.labels)) / clusters.sizes


def _residual(frame: pd.DataFrame, clusters: Clusters, holes: Holes) -> np.ndarray:
    """Residual of the column given others and an intercept for each cluster, with a standard deviation of 1."""
    (column,) = holes.columns
    y = _deviations(frame[column].to_numpy(dtype=float), clusters)
    design = np.empty((len(y), 0))
    if holes.given:
        given = pd.get_dummies(frame[list(holes.given)], drop_first=True, dtype=float).to_numpy(dtype=float)
        design = np.column_stack([_deviations(x, clusters) for x in given.T])
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    spread = residual.std()
    if spread <= 1e-10 * np.abs(frame[column].to_numpy(dtype=float)).max():
        raise AmputationError(
            f"Column {column!r} is determined by {', '.join(holes.given) or 'its cluster'}: no residual is left."
        )
    return residual / spread


def _deviations(values: np.ndarray, clusters: Clusters) -> np.ndarray:
    """Deviations from the means of clusters, or from the mean if there are none."""
    means = _means(values, clusters)[clusters.codes] if clusters.labels else values.mean()
    return values - means


def _calibrated(score: np.ndarray, target: float, cdf: Callable, quantile: Callable) -> np.ndarray:
    """cdf(a + score), with the constant a such that its mean is the target."""
    from scipy.optimize import brentq

    # With these constants all probabilities are below, or above, the target; one more makes sure of it despite rounding.
    lowest, highest = quantile(target) - score.max(), quantile(target) - score.min()
    if highest - lowest < 1e-12:
        return np.full(len(score), target)
    return cdf(brentq(lambda a: cdf(a + score).mean() - target, lowest - 1, highest + 1, xtol=1e-12) + score)

"""First stage of the two-stage Heckman method: one model a cluster, and which of its estimates go on to the second stage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jmimpute.chained.heckman_fit import fit_heckman, fit_outcome
from jmimpute.chained.target import Target


@dataclass(frozen=True)
class Block:
    """Estimates of some parameters, cluster by cluster.

    Attributes
    ----------
    fitted : ndarray of bool of shape (J,)
        Clusters that have them.
    estimates : ndarray of shape (K, p)
        Of the K fitted clusters.
    covariances : ndarray of shape (K, p, p)
        Their sampling covariances.
    """

    fitted: np.ndarray
    estimates: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True)
class ClusterModels:
    """What the clusters say.

    Attributes
    ----------
    kinds : tuple of str, length J
        What was fitted: ``"likelihood"``, ``"bounded"`` or ``"independent"`` (see `jmimpute.chained.heckman_fit.HeckmanFit`),
        ``"complete"`` where everything is observed (the outcome alone), ``"systematic"`` where nothing is, or ``"none"`` where
        there is too little to fit.
    blocks : dict of str to Block
        As in `places`.
    """

    kinds: tuple[str, ...]
    blocks: dict[str, Block]

    def of_kind(self, *kinds: str) -> list[int]:
        """Clusters that were fitted in one of some ways.

        Parameters
        ----------
        *kinds : str

        Returns
        -------
        list of int
        """
        return [cluster for cluster, kind in enumerate(self.kinds) if kind in kinds]

    @property
    def n_models(self) -> int:
        """Number of clusters in which both equations were fitted."""
        return int(self.blocks["atanh_rho"].fitted.sum())


def places(p: int, s: int, binary: bool) -> dict[str, slice]:
    """Where each block of parameters is in a vector of all.

    Parameters
    ----------
    p, s : int
        Number of coefficients of the outcome and of selection.
    binary : bool
        Whether the outcome is binary.

    Returns
    -------
    dict of str to slice
        For beta, gamma, log_sigma unless the outcome is binary, and atanh_rho.
    """
    found = {"beta": slice(p), "gamma": slice(p, p + s), "atanh_rho": slice(-1, None)}
    return found if binary else found | {"log_sigma": slice(p + s, p + s + 1)}


def fit_clusters(target: Target, x: np.ndarray, w: np.ndarray, binary: bool) -> ClusterModels:
    """Fit every cluster.

    Parameters
    ----------
    target : Target
    x : ndarray of shape (n_rows, p)
        Design of the outcome.
    w : ndarray of shape (n_rows, s)
        Design of selection.
    binary : bool
        Whether the outcome is binary.

    Returns
    -------
    ClusterModels
    """
    fits = [_fit(target, cluster, x, w, binary) for cluster in range(target.n_clusters)]
    names = places(x.shape[1], w.shape[1], binary)
    blocks = {name: _block([estimates.get(name) for _, estimates in fits]) for name in names}
    return ClusterModels(tuple(kind for kind, _ in fits), blocks)


def _fit(target: Target, cluster: int, x: np.ndarray, w: np.ndarray, binary: bool) -> tuple[str, dict]:
    """How one cluster was fitted, and its estimates with covariances by block."""
    rows = target.rows[cluster]
    y, observed = target.y[rows], target.observed[rows]
    if not observed.any():
        return "systematic", {}
    if observed.all():
        outcome = fit_outcome(y, x[rows], binary)
        if outcome is None:
            return "none", {}
        estimates = {"beta": (outcome.coefficients, outcome.covariance)}
        if not binary:
            estimates["log_sigma"] = (np.array([outcome.log_sigma]), np.array([[outcome.log_sigma_variance]]))
        return "complete", estimates
    fit = fit_heckman(y, observed, x[rows], w[rows], binary)
    if fit is None:
        return "none", {}
    found = places(x.shape[1], w.shape[1], binary)
    return fit.kind, {name: (fit.theta[at], fit.covariance[at, at]) for name, at in found.items()}


def _block(pieces: Sequence[tuple | None]) -> Block:
    """Stack the estimates of the clusters that have them."""
    fitted = np.array([piece is not None for piece in pieces])
    estimates = [piece[0] for piece in pieces if piece is not None]
    covariances = [piece[1] for piece in pieces if piece is not None]
    return Block(fitted, np.array(estimates), np.array(covariances))

"""Second stage of two-stage methods: what clusters estimated is pooled, drawn, and handed back to every cluster.

    beta_hat_i ~ N(beta_i, S_i),    beta_i ~ N(C_i gamma, Psi)

C_i is the identity, or holds moderators: predictors that have one value per cluster.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from jmimpute.chained.moments import moments
from jmimpute.chained.random_effects import draw_effects, root
from jmimpute.chained.reml import RestrictedFit, fit_restricted
from jmimpute.chained.restricted import Pooling
from jmimpute.errors import ImputationError, options

ESTIMATORS = ("reml", "moments")
MODERATED = ("all", "intercept")


@dataclass(frozen=True)
class Drawn:
    """A draw of the distribution between clusters.

    Attributes
    ----------
    gamma : ndarray, shape (g,)
        The p means at moderators of 0, and then p coefficients of each moderator, or 1 if only the intercept is moderated.
    psi : ndarray, shape (p, p)
        Covariance between clusters; may be singular.
    moderated : str
        ``"all"`` or ``"intercept"``.
    """

    gamma: np.ndarray
    psi: np.ndarray
    moderated: str = "all"

    @property
    def mean(self) -> np.ndarray:
        """Means where moderators are 0, shape (p,)."""
        return self.gamma[: len(self.psi)]

    def means(self, n_clusters: int, moderators: np.ndarray | None = None) -> np.ndarray:
        """Mean of every cluster.

        Parameters
        ----------
        n_clusters : int
        moderators : ndarray, shape (n_clusters, k), optional

        Returns
        -------
        ndarray, shape (n_clusters, p)
        """
        return design(n_clusters, len(self.psi), moderators, self.moderated) @ self.gamma

    def cluster_draw(
        self,
        rng: np.random.Generator,
        fitted: np.ndarray,
        estimates: np.ndarray,
        covariances: np.ndarray,
        moderators: np.ndarray | None = None,
        pseudo_inverse: bool = False,
    ) -> np.ndarray:
        """Draw the coefficients of every cluster.

        Parameters
        ----------
        rng : numpy.random.Generator
        fitted : ndarray of bool, shape (J,)
            Clusters that have an estimate; the others are drawn from the distribution between clusters.
        estimates : ndarray, shape (K, p)
            Of the K fitted clusters.
        covariances : ndarray, shape (K, p, p)
            Their sampling covariances.
        moderators : ndarray, shape (J, k), optional
            As in `meta`, but of all clusters.
        pseudo_inverse : bool, optional
            Leave coefficients without variance between clusters where their cluster estimated them, as micemd does.

        Returns
        -------
        ndarray, shape (J, p)

        Notes
        -----
        Resche-Rigon and White (2018), section 3.2.2, in covariance form, which holds for a singular Psi too: with
        ``G = Psi (Psi + S)^-1`` the mean is ``mean + G (estimate - mean)`` and the variance ``Psi - G Psi = G S``.
        """
        centres = self.means(len(fitted), moderators)
        variances = np.broadcast_to(self.psi, (len(fitted), *self.psi.shape)).copy()
        conditional = _pseudo_conditional if pseudo_inverse else _conditional
        gain, variances[fitted] = conditional(self.psi, covariances)
        centres[fitted] += (gain @ (estimates - centres[fitted])[:, :, None])[:, :, 0]
        return draw_effects(centres, root(variances), rng)


@dataclass(frozen=True)
class Meta:
    """A random-effects meta-analysis, or meta-regression on moderators.

    Attributes
    ----------
    gamma : ndarray, shape (g,)
        The p means at moderators of 0, and then p coefficients of each moderator, or 1 if only the intercept is moderated.
    covariance : ndarray, shape (g, g)
        Covariance of `gamma`.
    psi : ndarray, shape (p, p)
        Covariance between clusters.
    moderated : str
        ``"all"`` or ``"intercept"``.
    restricted : RestrictedFit or None
        With the sampling distribution of `psi`; None for moments, which give none.
    """

    gamma: np.ndarray
    covariance: np.ndarray
    psi: np.ndarray
    moderated: str = "all"
    restricted: RestrictedFit | None = field(default=None, repr=False)

    @cached_property
    def _root(self) -> np.ndarray:
        return root(self.covariance)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw the distribution between clusters.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        Drawn
            With `psi` as estimated if that was by moments.

        Raises
        ------
        ImputationError
            See `jmimpute.chained.reml.RestrictedFit.draw`.
        """
        gamma = self.gamma + self._root @ rng.standard_normal(len(self.gamma))
        psi = self.psi if self.restricted is None else self.restricted.draw(rng)
        return Drawn(gamma, psi, self.moderated)


def meta(
    estimates: np.ndarray,
    covariances: np.ndarray,
    estimator: str = "reml",
    moderators: np.ndarray | None = None,
    moderated: str = "all",
) -> Meta:
    """Pool the estimates of K clusters.

    Parameters
    ----------
    estimates : ndarray, shape (K, p)
    covariances : ndarray, shape (K, p, p)
        Sampling covariances, positive definite.
    estimator : str, optional
        ``"reml"`` or ``"moments"``.
    moderators : ndarray, shape (K, k), optional
        Predictors of the estimates, without a constant.
    moderated : str, optional
        What moderators predict: ``"all"`` estimates, or the ``"intercept"``, the first one, only.

    Returns
    -------
    Meta

    Raises
    ------
    ImputationError
        If there are too few clusters, moderators are collinear, or REML finds no maximum.

    Notes
    -----
    Resche-Rigon and White (2018, Stat Methods Med Res 27), section 3.2; `jmimpute.chained.reml`, `jmimpute.chained.moments`.
    """
    if estimator not in ESTIMATORS:
        raise ImputationError(f"The estimator is {estimator!r}. It can be {options(ESTIMATORS)}.")
    K, p = estimates.shape
    if moderators is not None and not moderators.shape[1]:
        moderators = None
    _check_clusters(K, moderators)
    pooling = Pooling(estimates, covariances, design(K, p, moderators, moderated))
    fit = fit_restricted(pooling) if estimator == "reml" else None
    psi = moments(pooling) if fit is None else fit.psi
    gamma, covariance, _ = pooling.weighted(np.linalg.inv(covariances + psi))
    return Meta(gamma, covariance, psi, moderated, fit)


def design(n_clusters: int, p: int, moderators: np.ndarray | None = None, moderated: str = "all") -> np.ndarray:
    """Write the means of p coefficients as linear in gamma.

    Parameters
    ----------
    n_clusters, p : int
    moderators : ndarray, shape (n_clusters, k), optional
        Predictors of clusters, without a constant.
    moderated : str, optional
        ``"all"`` or ``"intercept"``.

    Returns
    -------
    ndarray, shape (n_clusters, p, g)
        With g = p, p (1 + k) or p + k.

    Raises
    ------
    ImputationError
        If `moderated` is neither.
    """
    if moderated not in MODERATED:
        raise ImputationError(f"Moderators predict {moderated!r}. They can predict {options(MODERATED)}.")
    unit = np.broadcast_to(np.eye(p), (n_clusters, p, p))
    if moderators is None:
        return unit
    affected = p if moderated == "all" else 1
    added = np.einsum("jk,pa->jpka", moderators, np.eye(p)[:, :affected]).reshape(n_clusters, p, -1)
    return np.concatenate([unit, added], axis=2)


def _check_clusters(n_clusters: int, moderators: np.ndarray | None) -> None:
    """See that there are more clusters than coefficients of moderators, and that these can be told apart."""
    k = 0 if moderators is None else moderators.shape[1]
    if n_clusters < k + 2:
        besides = f" with {k} cluster-level predictors" if k else ""
        raise ImputationError(
            f"{n_clusters} clusters could be fitted, but the variance between clusters{besides} needs at least {k + 2}. "
            "Use fewer predictors, or a method for few clusters."
        )
    if moderators is None:
        return
    spread = moderators - moderators.mean(axis=0)
    size = np.abs(moderators).max(axis=0)
    lengths = np.linalg.norm(spread, axis=0)
    if (lengths <= 1e-10 * size).any() or np.linalg.svd(spread / lengths, compute_uv=False)[-1] < 1e-8:
        raise ImputationError(
            "The cluster-level predictors are constant or collinear over the clusters that could be fitted. Leave some out."
        )


def _conditional(psi: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and variance of the coefficients of clusters given their estimates, each of shape (K, p, p)."""
    gain = np.linalg.solve(psi + covariances, np.broadcast_to(psi, covariances.shape)).transpose(0, 2, 1)
    variance = gain @ covariances
    return gain, (variance + variance.transpose(0, 2, 1)) / 2


def _pseudo_conditional(psi: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by precisions, with the pseudo-inverse for that of a singular Psi."""
    precisions = np.linalg.inv(covariances)
    variance = np.linalg.inv(np.linalg.pinv(psi, hermitian=True) + precisions)
    return variance @ precisions, variance

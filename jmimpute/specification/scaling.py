"""The standardised scale inside, the original scale outside.

Continuous responses and covariates are centred and scaled to standard deviation 1; latent normals have a scale of their own.
Samplers work there, analysts never see it. With
y = c + D y*, x* = T'x and the random effects u = K u*, the parameters are related by

    B = T B* D + (c in the row of the intercept),   Omega_e = D Omega_e* D,   Omega_u = K Omega_u* K'.

Responses w = c2 + D2 w* and covariates x2* = T2'x2 of clusters have scales over clusters, and K has D2 at its end.

A column is centred only where that does not change the model: every response that has the column must have the intercept
too, among its fixed effects for X and c, among its random effects for Z. Centring a column of Z makes its random effect a
part of the intercept's, so that it is left alone where the two are to be uncorrelated.
"""

from dataclasses import dataclass, field

import numpy as np

from jmimpute.names import INTERCEPT
from jmimpute.specification.layout import Layout, Level2


@dataclass(frozen=True)
class Scaling:
    """Maps between the scales.

    Attributes
    ----------
    center, scale : ndarray, shape (p,)
        Of the responses, c and the diagonal of D.
    x_transform : ndarray, shape (q, q)
        T, such that X* = X T.
    z_transform : ndarray, shape (r, r)
        Likewise, Z* = Z T_z.
    u_transform : ndarray, shape (d, d)
        K.
    intercept : ndarray, shape (q,)
        1 at the intercept, 0 elsewhere.
    center2, scale2 : ndarray, shape (p2,)
        Of the level-2 responses.
    x2_transform : ndarray, shape (q2, q2)
        T2, such that X2* = X2 T2.
    intercept2 : ndarray, shape (q2,)
        1 at the intercept, 0 elsewhere.
    """

    center: np.ndarray
    scale: np.ndarray
    x_transform: np.ndarray
    z_transform: np.ndarray
    u_transform: np.ndarray
    intercept: np.ndarray
    center2: np.ndarray = field(default_factory=lambda: np.empty(0))
    scale2: np.ndarray = field(default_factory=lambda: np.empty(0))
    x2_transform: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    intercept2: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def effects_transform(self) -> np.ndarray:
        """The part of K for random effects, shape (n_effects, n_effects)."""
        n_effects = len(self.u_transform) - len(self.scale2)
        return self.u_transform[:n_effects, :n_effects]

    def beta(self, standardised: np.ndarray) -> np.ndarray:
        """Coefficients on the original scale, shape (..., q, p)."""
        return self.x_transform @ standardised * self.scale + np.outer(self.intercept, self.center)

    def beta_level2(self, standardised: np.ndarray) -> np.ndarray:
        """Level-2 coefficients on the original scale, shape (..., q2, p2)."""
        return self.x2_transform @ standardised * self.scale2 + np.outer(self.intercept2, self.center2)

    def omega_e(self, standardised: np.ndarray) -> np.ndarray:
        """Level-1 covariance on the original scale, shape (..., p, p)."""
        return standardised * np.outer(self.scale, self.scale)

    def omega_u(self, standardised: np.ndarray) -> np.ndarray:
        """Level-2 covariance on the original scale, shape (..., d, d)."""
        omega = self.u_transform @ standardised @ self.u_transform.T
        return 0.5 * (omega + np.swapaxes(omega, -1, -2))

    def standard_beta(self, original: np.ndarray) -> np.ndarray:
        """Inverse of `beta`."""
        return np.linalg.solve(self.x_transform, (original - np.outer(self.intercept, self.center)) / self.scale)

    def standard_beta_level2(self, original: np.ndarray) -> np.ndarray:
        """Inverse of `beta_level2`."""
        return np.linalg.solve(self.x2_transform, (original - np.outer(self.intercept2, self.center2)) / self.scale2)

    def standard_omega_e(self, original: np.ndarray) -> np.ndarray:
        """Inverse of `omega_e`."""
        return original / np.outer(self.scale, self.scale)

    def standard_omega_u(self, original: np.ndarray) -> np.ndarray:
        """Inverse of `omega_u`."""
        inverse = np.linalg.inv(self.u_transform)
        omega = inverse @ original @ inverse.T
        return 0.5 * (omega + np.swapaxes(omega, -1, -2))


def find(y: np.ndarray, x: np.ndarray, z: np.ndarray, w: np.ndarray, x2: np.ndarray, layout: Layout) -> Scaling:
    """Find centres and scales from the observed cells.

    Parameters
    ----------
    y : ndarray, shape (n_rows, p)
        NaN for missing cells.
    x, z : ndarray, shapes (n_rows, q), (n_rows, r)
    w, x2 : ndarray, shapes (J, p2), (J, q2)
        Of the clusters; w with NaN for missing cells.
    layout : Layout
    """
    center, scale, intercept = _responses(y, layout)
    center2, scale2, intercept2 = _responses(w, layout.level2)
    x_transform = _standardise(x, layout.covariates, layout.beta_mask)
    x2_transform = _standardise(x2, layout.level2.covariates, layout.level2.beta_mask)
    z_transform = _standardise(z, layout.random, layout.random_mask, _apart(layout))
    u_transform = np.diag(np.concatenate([np.zeros(layout.n_effects), scale2]))
    u_transform[: layout.n_effects, : layout.n_effects] = _effects(z_transform, scale, layout)
    return Scaling(center, scale, x_transform, z_transform, u_transform, intercept, center2, scale2, x2_transform, intercept2)


def _responses(values: np.ndarray, layout: Layout | Level2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres and scales of the responses of a level, and where the intercept is among its covariates."""
    has_intercept = np.array([name == INTERCEPT for name in layout.covariates], dtype=bool)
    if not values.shape[1]:
        return np.empty(0), np.empty(0), has_intercept.astype(float)
    centred = layout.beta_mask[has_intercept].any(axis=0)
    center = np.where(centred & ~layout.latent, np.nanmean(values, axis=0), 0.0)
    scale = np.where(layout.latent, 1.0, np.nanstd(values, axis=0))
    return center, scale, has_intercept.astype(float)


def _apart(layout: Layout) -> np.ndarray:
    """Columns of Z that have random effects uncorrelated with those of the intercept, shape (r,)."""
    apart = np.zeros(len(layout.random), dtype=bool)
    apart[layout.effect_column[layout.blocks[: layout.n_effects] > 0]] = True
    return apart


def _effects(z_transform: np.ndarray, scale: np.ndarray, layout: Layout) -> np.ndarray:
    """K for random effects: Z u = Z* u* for each response, so u = T_z u* over its columns, times the scale of the response."""
    same = np.equal.outer(layout.effect_response, layout.effect_response)
    transform = np.where(same, z_transform[np.ix_(layout.effect_column, layout.effect_column)], 0.0)
    return transform * scale[layout.effect_response][:, None]


def _standardise(matrix: np.ndarray, names: tuple[str, ...], mask: np.ndarray, apart: np.ndarray | None = None) -> np.ndarray:
    """Find T such that matrix @ T has standardised columns, centred only where the intercept can take up the shift."""
    transform = np.eye(len(names))
    intercept = names.index(INTERCEPT) if INTERCEPT in names else None
    for k, name in enumerate(names):
        if name == INTERCEPT:
            continue
        transform[k, k] = 1.0 / matrix[:, k].std()
        if intercept is not None and np.all(mask[intercept] >= mask[k]) and (apart is None or not apart[k]):
            transform[intercept, k] = -matrix[:, k].mean() / matrix[:, k].std()
    return transform

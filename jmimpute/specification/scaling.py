"""The standardised scale inside, the original scale outside.

Continuous responses and covariates are centred and scaled to standard deviation 1; latent normals have a scale of their own.
Samplers work there, analysts never see it. With
y = c + D y*, x* = T'x and the random effects u = K u*, the parameters are related by

    B = T B* D + (c in the row of the intercept),   Omega_e = D Omega_e* D,   Omega_u = K Omega_u* K'.

A column is centred only where that does not change the model: every response that has the column must have the intercept
too, among its fixed effects for X and c, among its random effects for Z.
"""

from dataclasses import dataclass

import numpy as np

from jmimpute.names import INTERCEPT
from jmimpute.specification.layout import Layout


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
    """

    center: np.ndarray
    scale: np.ndarray
    x_transform: np.ndarray
    z_transform: np.ndarray
    u_transform: np.ndarray
    intercept: np.ndarray

    def beta(self, standardised: np.ndarray) -> np.ndarray:
        """Coefficients on the original scale, shape (..., q, p)."""
        return self.x_transform @ standardised * self.scale + np.outer(self.intercept, self.center)

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

    def standard_omega_e(self, original: np.ndarray) -> np.ndarray:
        """Inverse of `omega_e`."""
        return original / np.outer(self.scale, self.scale)

    def standard_omega_u(self, original: np.ndarray) -> np.ndarray:
        """Inverse of `omega_u`."""
        inverse = np.linalg.inv(self.u_transform)
        omega = inverse @ original @ inverse.T
        return 0.5 * (omega + np.swapaxes(omega, -1, -2))


def find(y: np.ndarray, x: np.ndarray, z: np.ndarray, layout: Layout) -> Scaling:
    """Find centres and scales from the observed cells.

    Parameters
    ----------
    y : ndarray, shape (n_rows, p)
        NaN for missing cells.
    x, z : ndarray, shapes (n_rows, q), (n_rows, r)
    layout : Layout
    """
    has_intercept = np.array([name == INTERCEPT for name in layout.covariates])
    centred = layout.beta_mask[has_intercept].any(axis=0)
    center = np.where(centred & ~layout.latent, np.nanmean(y, axis=0), 0.0)
    scale = np.where(layout.latent, 1.0, np.nanstd(y, axis=0))
    x_transform = _standardise(x, layout.covariates, layout.beta_mask)
    z_transform = _standardise(z, layout.random, layout.random_mask)
    # Z u = Z* u* for each response: u = T_z u* over its columns, times the scale of the response.
    same = np.equal.outer(layout.effect_response, layout.effect_response)
    u_transform = np.where(same, z_transform[np.ix_(layout.effect_column, layout.effect_column)], 0.0)
    u_transform = u_transform * scale[layout.effect_response][:, None]
    return Scaling(center, scale, x_transform, z_transform, u_transform, has_intercept.astype(float))


def _standardise(matrix: np.ndarray, names: tuple[str, ...], mask: np.ndarray) -> np.ndarray:
    """Find T such that matrix @ T has standardised columns, centred only where the intercept can take up the shift."""
    transform = np.eye(len(names))
    intercept = names.index(INTERCEPT) if INTERCEPT in names else None
    for k, name in enumerate(names):
        if name == INTERCEPT:
            continue
        transform[k, k] = 1.0 / matrix[:, k].std()
        if intercept is not None and np.all(mask[intercept] >= mask[k]):
            transform[intercept, k] = -matrix[:, k].mean() / matrix[:, k].std()
    return transform

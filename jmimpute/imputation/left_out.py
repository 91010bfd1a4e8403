"""The distribution of one observed cell given all others and the parameters, random effects integrated out.

Let r be the residuals y - B'x of all observed cells of a cluster, K their covariance given the parameters, and b the
coordinates of one cell. Leaving it out (Sundararajan and Keerthi 2001, Neural Computation 13, 1103-1118; Rasmussen and Williams
2006, Gaussian Processes for Machine Learning, eq. 5.12),

    y_b | all other cells ~ N(y_b - A^-1 q, A^-1),   A = (K^-1)_bb,   q = (K^-1 (r - E r))_b.

K = W^-1 + L Lambda^-1 L', with W the precision within rows and L the columns of Z by effect. With P = Lambda + L'WL, the
precision of u given all cells, and m = P^-1 (L'Wr + Lambda m_0), its mean, neither K nor its inverse is ever made:

    A = W_bb - (WL)_b P^-1 (L'W)_b,   q = (W (r - L m))_b

with u ~ N(m_0, Lambda^-1) given the level-2 responses of the cluster.
"""

import numpy as np

from jmimpute.imputation.parameters import ParameterDraw
from jmimpute.specification.specify import COMMON, Specification


class LeftOut:
    """Computes it for some cells of a response of rows, one posterior draw after the other.

    Parameters
    ----------
    specification : Specification
    coordinates : slice
        Of the response.
    rows : ndarray of int, shape (n,)
        Canonical positions of the cells, which are observed.
    """

    def __init__(self, specification: Specification, coordinates: slice, rows: np.ndarray) -> None:
        self.specification, self.coordinates, self.rows = specification, coordinates, rows
        layout, codes, patterns = specification.layout, specification.clusters.codes, specification.patterns
        self.z = specification.z[:, layout.effect_column]  # of each effect
        self.response = layout.effect_response
        self.first = np.unique(codes, return_index=True)[1]  # rows of a cluster are contiguous
        own = np.zeros_like(codes) if specification.covariance == COMMON else codes
        keys, self.group = np.unique(np.column_stack([patterns.codes, own]), axis=0, return_inverse=True)
        self.observed, self.omega = patterns.observed[keys[:, 0]], keys[:, 1]
        self.group = self.group.ravel()

    def at(self, parameters: ParameterDraw) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of each cell, shapes (n, width) and (n, width, width), on the standardised scale.

        Parameters
        ----------
        parameters : ParameterDraw
        """
        weights = np.array([_precision(parameters.omega_e[k], o) for k, o in zip(self.omega, self.observed, strict=True)])
        residual = np.nan_to_num(parameters.y - self.specification.x @ parameters.beta)
        own, b = self.rows, self.coordinates
        group = self.group[own]
        precision = weights[group][:, b, b]
        if len(self.response):
            effects, root = self._effects(parameters, weights, residual)
            codes = self.specification.clusters.codes[own]
            fitted = np.zeros((len(own), residual.shape[1]))
            for e, a in enumerate(self.response):
                fitted[:, a] += self.z[own, e] * effects[codes, e]
            loading = weights[group][:, self.response, b] * self.z[own][:, :, None]
            half = np.linalg.solve(root[codes], loading)
            precision = precision - np.swapaxes(half, 1, 2) @ half
            pull = np.einsum("iba,ia->ib", weights[group][:, b], residual[own] - fitted)
        else:
            pull = np.einsum("iba,ia->ib", weights[group][:, b], residual[own])
        covariance = np.linalg.inv(precision)
        return parameters.y[own, b] - (covariance @ pull[:, :, None])[:, :, 0], covariance

    def _effects(self, parameters: ParameterDraw, weights: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (J, n_effects) of the random effects given all cells, and Cholesky factors of their precision."""
        mean, precision = self._prior(parameters)
        own = weights[self.group]
        products = own[:, self.response[:, None], self.response] * (self.z[:, :, None] * self.z[:, None, :])
        weighted = np.einsum("iab,ib->ia", own, residual)[:, self.response] * self.z
        full = precision + np.add.reduceat(products, self.first, axis=0)
        right = np.add.reduceat(weighted, self.first, axis=0) + (precision @ mean[:, :, None])[:, :, 0]
        return np.linalg.solve(full, right[:, :, None])[:, :, 0], np.linalg.cholesky(full)

    def _prior(self, parameters: ParameterDraw) -> tuple[np.ndarray, np.ndarray]:
        """Mean (J, n_effects) and precision (J, n_effects, n_effects) of random effects given the level-2 responses."""
        n, n_clusters = len(self.response), self.specification.n_clusters
        omega, w = parameters.omega_u, parameters.w
        mean, precision = np.zeros((n_clusters, n)), np.empty((n_clusters, n, n))
        if not w.size:
            precision[:] = np.linalg.inv(omega)
            return mean, precision
        residual, seen = w - self.specification.x2 @ parameters.beta2, ~np.isnan(w)
        for observed in np.unique(seen, axis=0):
            clusters, o = np.flatnonzero((seen == observed).all(axis=1)), n + np.flatnonzero(observed)
            gain = np.linalg.solve(omega[np.ix_(o, o)], omega[o, :n])
            mean[clusters] = residual[clusters][:, observed] @ gain
            precision[clusters] = np.linalg.inv(omega[:n, :n] - omega[:n, o] @ gain)
        return mean, precision


def _precision(omega: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Inverse of the covariance of observed coordinates, 0 elsewhere."""
    out = np.zeros_like(omega)
    out[np.ix_(observed, observed)] = np.linalg.inv(omega[np.ix_(observed, observed)])
    return out

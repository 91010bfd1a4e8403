"""Ordinary least squares of an adjusted response: exact for every amount from one decomposition an imputation.

If the response is y + sum_g a_g d_g, with amounts a and displacements d of a unit amount, and the covariates X do not move, the
estimates are linear in a, and their variances quadratic:

    b(a) = (X'X)^-1 X'(y, D)(1, a),   s^2(a) = (1, a)'R'R(1, a) / (n - k),   R = (y, D) - X (X'X)^-1 X'(y, D).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.analysis.engines.arrays import arrays_of
from jmimpute.imputation.completing import completed_frame
from jmimpute.mnar.displaced import Displacement
from jmimpute.specification.formula import parse


@dataclass(frozen=True)
class Curves:
    """Estimates and variances of m imputations as functions of p amounts.

    Attributes
    ----------
    labels : tuple of str, length p
        Of the amounts.
    names : tuple of str, length k
        Terms.
    coefficients : ndarray, shape (m, k, 1 + p)
        Estimates of the response at amounts of 0, and of the displacements.
    products : ndarray, shape (m, 1 + p, 1 + p)
        R'R.
    inverse : ndarray, shape (m, k)
        Diagonal of (X'X)^-1.
    df : float
        n - k.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    coefficients: np.ndarray
    products: np.ndarray
    inverse: np.ndarray
    df: float

    def at(self, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Estimates and variances, shapes (m, k).

        Parameters
        ----------
        values : mapping of str to float
            Amounts by label.
        """
        amounts = np.array([1.0, *(values[label] for label in self.labels)])
        squares = np.einsum("mab,a,b->m", self.products, amounts, amounts)
        return self.coefficients @ amounts, self.inverse * np.maximum(squares, 0)[:, None] / self.df


def curves_of(
    imputations: Any, displacement: Displacement, labels: Sequence[str], model: Any, engine: str, family: str
) -> Curves | None:
    """Find the curves of an analysis, or None if it is not linear in the amounts.

    Parameters
    ----------
    imputations : Imputations
    displacement : Displacement
    labels : sequence of str
        Amounts that make a grid or are left open.
    model, engine, family
        As in `jmimpute.analysis.analyze.analyze`.

    Returns
    -------
    Curves or None
    """
    if not isinstance(model, str) or (engine, family) != ("statsmodels", "gaussian") or not displacement.is_affine:
        return None
    parsed = parse(model, [str(column) for column in imputations.original.columns])
    moved = set(displacement.moved)
    if parsed.responses != (displacement.name,) or parsed.cluster is not None or moved & set(parsed.columns):
        return None
    neutral = dict.fromkeys(labels, displacement.adjustment.neutral)
    start = displacement.of(neutral)
    steps = [displacement.of({**neutral, label: neutral[label] + 1.0}) - start for label in labels]
    # From amounts of 0, which a scale does not take, to those that stand for missing at random.
    start = start - sum((neutral[label] * step for label, step in zip(labels, steps, strict=True)), np.zeros_like(start))
    parts, names, df = [], (), 1.0
    for k in range(imputations.m):
        arrays = arrays_of(model, completed_frame(imputations.original, imputations._cells, k), family)
        moves = np.zeros((len(arrays.y), 1 + len(labels)))
        moves[imputations.rows(displacement.name)] = np.column_stack([start[k], *(step[k] for step in steps)])
        moves[:, 0] += arrays.y
        parts.append(_least_squares(arrays.fixed.matrix, moves))
        names, df = arrays.fixed.names, float(len(arrays.y) - arrays.fixed.matrix.shape[1])
    coefficients, products, inverse = (np.array(part) for part in zip(*parts, strict=True))
    return Curves(tuple(labels), names, coefficients, products, inverse, df)


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients (k, 1 + p), products of residuals (1 + p, 1 + p) and the diagonal (k,) of (X'X)^-1."""
    q, r = np.linalg.qr(x)
    projected = q.T @ y
    residual = y - q @ projected
    inverse = np.linalg.inv(r)
    return inverse @ projected, residual.T @ residual, np.sum(inverse**2, axis=1)

"""Variance components without bounds: there and back, and the derivatives."""

import numpy as np
import pytest

from jmimpute.analysis.components import pack, unpack
from jmimpute.chained.unbounded import from_unbounded, to_unbounded, unbounded_jacobian

PSI = np.array([[2.0, 0.7, -0.3], [0.7, 0.5, 0.1], [-0.3, 0.1, 0.4]])


def test_transformed_values():
    components = to_unbounded(np.array([[4.0, 1.0], [1.0, 1.0]]), 9.0)
    np.testing.assert_allclose(components, [np.log(4), np.log(1.5 / 0.5), 0.0, np.log(3)], atol=1e-12)


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_there_and_back(size):
    psi, variance = from_unbounded(to_unbounded(PSI[:size, :size], 0.7))
    np.testing.assert_allclose(psi, PSI[:size, :size], rtol=1e-12)
    assert variance == pytest.approx(0.7)


def test_jacobian_is_the_derivative():
    point = np.append(pack(PSI), 0.7)
    jacobian = unbounded_jacobian(PSI, 0.7)
    for k, step in enumerate(1e-6 * np.eye(len(point))):
        after, before = (to_unbounded(unpack(at[:-1]), at[-1]) for at in (point + step, point - step))
        np.testing.assert_allclose((after - before) / 2e-6, jacobian[:, k], rtol=1e-6, atol=1e-8)


def test_negative_eigenvalues_become_zero():
    """Correlations that cannot be together: .9, .9 and -.9."""
    matrix = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]]) * np.outer([1, 2, 3], [1, 2, 3])
    values, vectors = np.linalg.eigh(matrix)
    assert values[0] < 0
    psi, _ = from_unbounded(to_unbounded(matrix, 1.0))
    np.testing.assert_allclose(psi, vectors[:, 1:] @ np.diag(values[1:]) @ vectors[:, 1:].T, rtol=1e-10)

"""The collapsed likelihood as one PyTensor Op, usable in any PyMC model.

A plain PyTensor graph of the same likelihood unrolls the missing-data patterns: it is slow to compile and to evaluate.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from jmimpute.graph import likelihood
from jmimpute.specification.layout import Layout
from jmimpute.table.statistics import Statistics

# PyTensor's disk cache is keyed by this number, not by the source of the kernel: after an edit it would return old numbers.
KERNEL_VERSION = int(likelihood.collapsed.stamp[:12], 16)


class CollapsedLikelihood(Op):
    """Value and gradients of `jmimpute.graph.likelihood.collapsed`.

    The gradients are outputs of the same call, so that PyTensor merges value and gradient into one; they are not meant to be
    differentiated again.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Type the outputs: value, and derivatives with respect to B, Omega_e and Omega_u."""
        inputs = tuple(pt.as_tensor_variable(value) for value in inputs)
        return Apply(self, list(inputs), [pt.dscalar(), pt.dmatrix(), pt.dmatrix(), pt.dmatrix()])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """Evaluate without compilation of the graph."""
        beta, chol_e, chol_u, response, column, *arrays = inputs
        results = likelihood.collapsed(beta, chol_e, chol_u, response, column, Statistics(*arrays))
        for output, result in zip(outputs, results, strict=True):
            output[0] = np.asarray(result)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list:
        """Chain rule from Omega to its Cholesky factor: dL = tril(2 dOmega L)."""
        _, chol_e, chol_u, *rest = inputs
        _, d_beta, d_omega_e, d_omega_u = outputs
        scale = cotangents[0]
        by_factor = [pt.tril(2.0 * pt.dot(d, chol)) for d, chol in ((d_omega_e, chol_e), (d_omega_u, chol_u))]
        disconnected = [pt.zeros_like(value, dtype="float64") for value in rest]
        return [scale * d_beta, *(scale * d for d in by_factor), *disconnected]


def collapsed_loglikelihood(beta: Any, chol_e: Any, chol_u: Any, layout: Layout, stats: Statistics) -> Any:
    """Log-likelihood of a two-level model, random effects and missing cells integrated out, as a PyTensor scalar.

    Parameters
    ----------
    beta : tensor, shape (q, p)
        Coefficients, 0 where a response does not have a covariate.
    chol_e, chol_u : tensor, shapes (p, p), (d, d)
        Lower Cholesky factors of Omega_e and Omega_u.
    layout : Layout
    stats : Statistics
        On the same scale as the parameters.

    Examples
    --------
    Inside a PyMC model: ``pm.Potential("y", collapsed_loglikelihood(beta, chol_e, chol_u, layout, stats))``.
    """
    inputs = (beta, chol_e, chol_u, layout.effect_response, layout.effect_column, *stats)
    return CollapsedLikelihood()(*inputs)[0]


@register_funcify_default_op_cache_key(CollapsedLikelihood)
def _funcify(op: CollapsedLikelihood, node: Any = None, **kwargs: Any) -> tuple[Any, int]:
    """Call the same kernel from graphs that PyTensor compiles with numba."""
    kernel = likelihood.collapsed

    @numba_njit
    def collapsed_likelihood(beta, chol_e, chol_u, response, column, observed, n, xx, xy, yy, zz, zx, zy):
        stats = Statistics(observed, n, xx, xy, yy, zz, zx, zy)
        value, d_beta, d_omega_e, d_omega_u = kernel(beta, chol_e, chol_u, response, column, stats)
        return np.asarray(value), d_beta, d_omega_e, d_omega_u

    return collapsed_likelihood, KERNEL_VERSION

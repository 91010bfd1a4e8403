"""Log probabilities of intervals and rectangles under the normal distribution as PyTensor Ops, element by element.

PyTensor's own functions lose the value of a small probability, or its gradient. Here each Op gives value and derivatives in one
call of a kernel of `jmimpute.graph.rectangle_kernels`, so that PyTensor merges value and gradient into one.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from jmimpute.compilation import kernel
from jmimpute.graph.rectangle_kernels import MOST_NODES, N_TABLES, interval, nodes, rectangle


def log_interval(lower: Any, upper: Any) -> Any:
    """Logarithm of the probability that a standard normal variable lies between two bounds.

    Parameters
    ----------
    lower, upper : tensor or array, shapes that broadcast
        May be infinite; the derivative there is 0.

    Returns
    -------
    tensor of the common shape
        Minus infinity where the interval is empty.
    """
    return _elementwise(LogInterval(), lower, upper)


def log_rectangle(lower_x: Any, upper_x: Any, lower_y: Any, upper_y: Any, correlation: Any) -> Any:
    """Logarithm of the probability that a standard bivariate normal variable (X, Y) lies in a rectangle.

    Parameters
    ----------
    lower_x, upper_x, lower_y, upper_y : tensor or array, shapes that broadcast
        May be infinite; the derivative there is 0.
    correlation : tensor or array
        Between -1 and 1. Elements that share its absolute value are cheapest one after the other.

    Returns
    -------
    tensor of the common shape
        Minus infinity where the rectangle is empty, or where the correlation is not between -1 and 1.
    """
    return _elementwise(LogRectangle(), lower_x, upper_x, lower_y, upper_y, correlation)


def _elementwise(op: Op, *arguments: Any) -> Any:
    """Apply an Op on vectors to arguments that broadcast."""
    together = pt.broadcast_arrays(*(pt.cast(pt.as_tensor_variable(value), "float64") for value in arguments))
    value: Any = op(*(value.ravel() for value in together))
    return value[0].reshape(together[0].shape, ndim=together[0].ndim)


class _LogProbability(Op):
    """Value and derivatives of a log probability; the derivatives are not meant to be differentiated again."""

    __props__ = ()
    #: Kernel that takes vectors, and returns the value and a derivative for each.
    table: Any

    def make_node(self, *inputs: Any) -> Apply:
        """Type the outputs: the value, and a derivative for each input."""
        vectors = [pt.as_tensor_variable(value) for value in inputs]
        return Apply(self, vectors, [pt.dvector() for _ in range(1 + len(vectors))])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """Evaluate without compilation of the graph."""
        for output, result in zip(outputs, self.table(*inputs), strict=True):
            output[0] = result

    def infer_shape(self, fgraph: Any, node: Any, shapes: Any) -> list:
        """All outputs are as long as the inputs."""
        return [shapes[0]] * len(node.outputs)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list:
        """Chain rule, element by element."""
        return [cotangents[0] * derivative for derivative in outputs[1:]]


@kernel
def _intervals(lower, upper):
    """Apply `interval` to every element."""
    n = lower.shape[0]
    value, d_lower, d_upper = np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        value[i], ratio, d_upper[i] = interval(lower[i], upper[i])
        d_lower[i] = -ratio
    return value, d_lower, d_upper


@kernel
def _rectangles(a1, b1, a2, b2, r):
    """Apply `rectangle` to every element; nodes are computed anew only where the correlation changes."""
    n = r.shape[0]
    value, d_a1, d_b1, d_a2, d_b2, d_r = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    table = np.empty((N_TABLES, MOST_NODES))
    size, n_nodes = -1.0, 0
    for i in range(n):
        if abs(r[i]) != size:
            size = abs(r[i])
            n_nodes = nodes(size, table)
        value[i], d_a1[i], d_b1[i], d_a2[i], d_b2[i], d_r[i] = rectangle(a1[i], b1[i], a2[i], b2[i], r[i], n_nodes, table)
    return value, d_a1, d_b1, d_a2, d_b2, d_r


class LogInterval(_LogProbability):
    """Log probability of (lower, upper) for a standard normal variable: vectors in, vectors out."""

    table = staticmethod(_intervals)


class LogRectangle(_LogProbability):
    """Log probability of a rectangle for a standard bivariate normal variable: vectors in, vectors out."""

    table = staticmethod(_rectangles)


# PyTensor's disk cache is keyed by these numbers, not by the source of the kernels: see `jmimpute.graph.op`.
INTERVAL_VERSION = int(_intervals.stamp[:12], 16)
RECTANGLE_VERSION = int(_rectangles.stamp[:12], 16)


@register_funcify_default_op_cache_key(LogInterval)
def _funcify_interval(op: LogInterval, node: Any = None, **kwargs: Any) -> tuple[Any, int]:
    """Call the same kernel from graphs that PyTensor compiles with numba."""
    compiled = _intervals

    @numba_njit
    def log_interval(lower, upper):
        return compiled(lower, upper)

    return log_interval, INTERVAL_VERSION


@register_funcify_default_op_cache_key(LogRectangle)
def _funcify_rectangle(op: LogRectangle, node: Any = None, **kwargs: Any) -> tuple[Any, int]:
    """Call the same kernel from graphs that PyTensor compiles with numba."""
    compiled = _rectangles

    @numba_njit
    def log_rectangle(a1, b1, a2, b2, r):
        return compiled(a1, b1, a2, b2, r)

    return log_rectangle, RECTANGLE_VERSION

"""Likelihood of rows with selection (Heckman) submodels, as one PyTensor Op.

A row has p responses y (continuous ones themselves, the latent normals of discrete ones) and L latents s of selection,

    y = mean_y + e,   e ~ N(0, Sigma)
    s_l = mean_s_l + rho_l e_k / sigma_k + sqrt(1 - rho_l^2) xi_l,   k = own[l],   xi_l ~ N(0, 1) independent:

whether response k is observed depends on the unseen part of k only, and the covariance is positive definite whatever Sigma and
|rho_l| < 1 are. In each row a coordinate is known exactly, or to lie in an interval, or free. The likelihood of the row is the
density of the exact coordinates times the probability of the intervals given them, which is a product of

* an interval for each selection latent whose own response is exact, independent of all else given that response;
* one interval, or one rectangle, for the intervals that are left: at most two.

For one variable this is Heckman's likelihood: log N(y) + log Phi((eta + rho r) / sqrt(1 - rho^2)), or log Phi2, for an observed
response, log Phi(-eta) for a missing one. Rows without intervals are plain Gaussian.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from jmimpute.errors import TableError, some
from jmimpute.graph import selected_kernel
from jmimpute.graph.selected_rows import Known

MOST_JOINED = 2
# PyTensor's disk cache is keyed by this number, not by the source of the kernel: see `jmimpute.graph.op`.
KERNEL_VERSION = int(selected_kernel.log_likelihood.stamp[:12], 16)


def group_rows(
    values: np.ndarray,
    categories: np.ndarray,
    n_categories: Sequence[int],
    own: Sequence[int],
    rho_group: np.ndarray | None = None,
) -> Known:
    """Group rows by what is known of them.

    Parameters
    ----------
    values : ndarray, shape (n, p)
        Continuous responses, NaN where missing and for discrete responses.
    categories : ndarray of int, shape (n, p + L)
        Ranks from 0 of discrete responses, then of the selection latents: 1 where the response is observed, 0 where it is
        missing. -1 for continuous responses and for what is free: missing cells, and the selection of cells missing by design.
    n_categories : sequence of int, length p + L
        1 for continuous responses, 2 for binary ones and for the selection latents.
    own : sequence of int, length L
        Response of each selection latent.
    rho_group : ndarray of int, shape (n,), optional
        Which rho each row has, if not all have the same.

    Returns
    -------
    Known

    Raises
    ------
    TableError
        If a category does not exist, a cell has both a value and a category, or more than two intervals of a row depend on one
        another (`joined_intervals`).
    """
    values, categories = np.asarray(values, dtype=float), np.asarray(categories, dtype=np.int64)
    counts, owners = np.asarray(n_categories, dtype=np.int64), np.asarray(own, dtype=np.int64)
    exact = ~np.isnan(values)
    _check(exact, categories, counts, owners)
    n_joined = joined_intervals(values, categories, owners).sum(axis=1)
    if n_joined.max(initial=0) > MOST_JOINED:
        raise TableError(
            f"Row(s) {some(np.flatnonzero(n_joined > MOST_JOINED))} have up to {n_joined.max()} discrete responses and "
            "selections that depend on one another given the continuous values of the row; the likelihood integrates at most "
            f"{MOST_JOINED}. Use fewer selection models, or fewer discrete responses beside them."
        )
    keys = np.column_stack([exact, np.zeros(len(exact), dtype=np.int64) if rho_group is None else rho_group])
    keys, pattern, sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    patterns, groups = keys[:, :-1].astype(bool), keys[:, -1].astype(np.int64)
    order, starts = np.argsort(pattern.ravel(), kind="stable"), np.concatenate([[0], np.cumsum(sizes)])
    first_cut = np.cumsum(counts - 1) - (counts - 1)
    return Known(np.where(exact, values, 0.0), categories, counts, first_cut, owners, patterns, groups, order, starts)


def joined_intervals(values: np.ndarray, categories: np.ndarray, own: Sequence[int] | np.ndarray) -> np.ndarray:
    """Which interval-censored coordinates depend on others of their row given its exact responses.

    Parameters
    ----------
    values, categories, own
        As for `group_rows`, which refuses rows with more than two of them.

    Returns
    -------
    ndarray of bool, shape (n, p + L)
    """
    apart = np.zeros(categories.shape, dtype=bool)
    apart[:, values.shape[1] :] = ~np.isnan(values)[:, np.asarray(own, dtype=np.int64)]
    return (categories >= 0) & ~apart


def _check(exact: np.ndarray, categories: np.ndarray, n_categories: np.ndarray, own: np.ndarray) -> None:
    """Refuse arrays that do not fit one another."""
    n, p = exact.shape
    if categories.shape != (n, p + len(own)) or n_categories.shape != (p + len(own),):
        raise TableError(
            f"For {n} rows, {p} responses and {len(own)} selections, categories must have shape {(n, p + len(own))} and "
            f"n_categories length {p + len(own)}; they have {categories.shape} and ({len(n_categories)},)."
        )
    if len(own) and (own.min() < 0 or own.max() >= p):
        raise TableError(f"Selections must belong to one of the {p} responses 0 to {p - 1}; own is {own.tolist()}.")
    highest = np.where(n_categories > 1, n_categories - 1, -1)
    unknown = (categories < -1) | (categories > highest)
    if unknown.any():
        raise TableError(f"Row(s) {some(np.flatnonzero(unknown.any(axis=1)))} have a category that does not exist.")
    both = exact & (n_categories[:p] > 1)
    if both.any():
        raise TableError(f"Row(s) {some(np.flatnonzero(both.any(axis=1)))} have a value of a response that has categories.")


def all_cuts(n_categories: Sequence[int] | np.ndarray, cutpoints: Sequence | None, concatenate: Any) -> Any:
    """Cut points of all coordinates, one after the other.

    Parameters
    ----------
    n_categories : sequence of int, length p + L
        As for `group_rows`.
    cutpoints : sequence or None
        As for `log_likelihood`.
    concatenate : callable
        `numpy.concatenate` or `pytensor.tensor.concatenate`, whichever suits the cut points.

    Returns
    -------
    array or tensor, shape (sum of n_categories - 1,)
    """
    pieces = []
    for coordinate, count in enumerate(n_categories):
        pieces.append(np.zeros(min(count - 1, 1)))
        if count > 2 and cutpoints is not None:
            pieces.append(cutpoints[coordinate])
    return concatenate(pieces)


class SelectedLikelihood(Op):
    """Value and gradients of `jmimpute.graph.selected_kernel.log_likelihood`.

    The gradients are outputs of the same call, so that PyTensor merges value and gradient into one; neither they nor the values
    of single rows are meant to be differentiated.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Type the outputs: sum, values of rows, and derivatives with respect to mean, Sigma, rho and cut points."""
        inputs = tuple(pt.as_tensor_variable(value) for value in inputs)
        kinds = (pt.dscalar, pt.dvector, pt.dmatrix, pt.dmatrix, pt.dmatrix, pt.dvector)
        return Apply(self, list(inputs), [kind() for kind in kinds])

    def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
        """Evaluate without compilation of the graph."""
        mean, sigma, rho, cuts, *known = inputs
        results = selected_kernel.log_likelihood(mean, sigma, rho, cuts, Known(*known))
        for output, result in zip(outputs, results, strict=True):
            output[0] = np.asarray(result)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list:
        """Scale the gradients."""
        if not isinstance(cotangents[1].type, DisconnectedType):
            raise NotImplementedError("Only the sum over rows has a gradient: use log_likelihood.")
        disconnected = [pt.zeros_like(value, dtype="float64") for value in inputs[4:]]
        return [*(cotangents[0] * derivative for derivative in outputs[2:]), *disconnected]


def log_likelihood(mean: Any, sigma: Any, rho: Any, known: Known, cutpoints: Sequence | None = None) -> tuple[Any, Any]:
    """Log-likelihood of rows given their random effects, missing cells and latents integrated out.

    Parameters
    ----------
    mean : tensor, shape (n, p + L)
        Fixed and random parts of the responses, then of the selection latents.
    sigma : tensor, shape (p, p)
        Sigma, that is Omega_e; the variances of discrete responses are what the caller has fixed them to.
    rho : tensor, shape (L,) or (R, L)
        Correlation of each selection latent with the residual of its own response, between -1 and 1; of each group of rows if
        it differs between them.
    known : Known
        What `group_rows` makes; its arrays may be replaced by symbolic ones.
    cutpoints : sequence of length p of tensors or None, or None
        Free cut points of ordinal responses, shape (n_categories - 2,): increasing and above 0, which is the first one. None
        for other responses, and if there are no ordinal ones.

    Returns
    -------
    total : tensor, scalar
        Sum over the rows; minus infinity where it cannot be computed.
    rows : tensor, shape (n,)
        Values of single rows, without a gradient.

    Examples
    --------
    Inside a PyMC model: ``pm.Potential("y", log_likelihood(mean, sigma, rho, known)[0])``.
    """
    cuts = all_cuts(known.n_categories, cutpoints, pt.concatenate)
    outputs: Any = SelectedLikelihood()(mean, sigma, pt.atleast_2d(rho), cuts, *known)
    return outputs[0], outputs[1]


@register_funcify_default_op_cache_key(SelectedLikelihood)
def _funcify(op: SelectedLikelihood, node: Any = None, **kwargs: Any) -> tuple[Any, int]:
    """Call the same kernel from graphs that PyTensor compiles with numba."""
    kernel = selected_kernel.log_likelihood

    @numba_njit
    def selected_likelihood(
        mean, sigma, rho, cuts, values, categories, n_categories, first_cut, own, patterns, rho_group, order, starts
    ):
        known = Known(values, categories, n_categories, first_cut, own, patterns, rho_group, order, starts)
        value, rows, d_mean, d_sigma, d_rho, d_cuts = kernel(mean, sigma, rho, cuts, known)
        return np.asarray(value), rows, d_mean, d_sigma, d_rho, d_cuts

    return selected_likelihood, KERNEL_VERSION

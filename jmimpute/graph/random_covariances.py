"""Level-1 covariance matrices that are draws from a distribution with parameters of its own, on the standardised scale.

**Inverse-Wishart.** ``T_j ~ IW(a, A)`` for each cluster j, and Omega_e,j is T_j with the scale of the latents taken out: for a
categorical response with latents b and their known covariance R_b, let

    M_b = chol(T_bb) chol(R_b)^-1,    M = diag(M_b, ..., identity),    Omega_e,j = M^-1 T_j M^-T

with lower Cholesky factors. Latents have no scale of their own in a probit model: what the data see is T_j up to that scale.
The constant of the inverse-Wishart density depends on a and A and is part of the model. To evaluate the density at matrices
that have their known elements instead, as jomo does, leaves out the constant of the density there, which is another function
of a and A: what is left draws a to infinity as clusters increase, and is improper with several categorical responses.

**Log standard deviations.** ``log s_jk ~ N(m_k, tau_k^2)`` for continuous responses k, 1 for latents; Omega_e,j is
``diag(s_j) C diag(s_j)`` with one correlation matrix C.
"""

from math import lgamma
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import CholeskyCovTransform, Interval

from jmimpute import names
from jmimpute.graph.constrained import Rows, constrained_covariance, known_block, rows_of, rows_of_correlations
from jmimpute.graph.wishart import (
    draw_inverse_wishart,
    draw_wishart,
    normalised_inverse_wishart_logp,
    wishart_logp,
)
from jmimpute.specification.priors import LKJ, HierarchicalInverseWishart, LogSd
from jmimpute.specification.specify import Specification

#: What variables of a graph that are on the standardised scale are called after their names.
STANDARDISED = "_standardised"
UNSCALED, LOG_SD, COMMON_CORRELATION = "Omega_e_unscaled", "log_sd", "corr_e_common"


def add_hierarchy(specification: Specification, prior: HierarchicalInverseWishart) -> Any:
    """Add inverse-Wishart matrices of clusters with unknown degrees of freedom and scale to the PyMC model of the context.

    Parameters
    ----------
    specification : Specification
    prior : HierarchicalInverseWishart

    Returns
    -------
    tensor, shape (J, p, p)
        Lower Cholesky factors of Omega_e,j.
    """
    layout, scaling = specification.layout, specification.scaling
    p, n_clusters = len(layout.responses), specification.n_clusters
    df, scale = prior.df_for(p), prior.scale_matrix(p)
    a = _add_degrees(prior.eta_for(p), p)
    wishart_scale = a / df * scale if prior.relative else scaling.standard_omega_e(scale)
    options: dict[str, Any] = {"signature": "(),(n,n)->(n,n)", "dtype": "float64"}
    options["default_transform"] = CholeskyCovTransform(p)
    matrix = pm.CustomDist(
        names.HYPER_SCALE + STANDARDISED,
        df,
        wishart_scale,
        logp=wishart_logp,
        random=draw_wishart,
        initval=p * np.eye(p),
        **options,
    )
    unscaled = pm.CustomDist(
        UNSCALED + STANDARDISED,
        a,
        matrix,
        logp=normalised_inverse_wishart_logp,
        random=draw_inverse_wishart,
        shape=(n_clusters, p, p),
        initval=np.broadcast_to(0.5 * np.eye(p), (n_clusters, p, p)),
        **options,
    )
    original = matrix * np.outer(scaling.scale, scaling.scale)
    pm.Deterministic(names.HYPER_SCALE, original, dims=(names.RESPONSE, names.RESPONSE_))
    return identified_factors(unscaled, rows_of(layout))


def identified_factors(unscaled: Any, rows: Rows) -> Any:
    """Take the scale of latents out of covariance matrices.

    Parameters
    ----------
    unscaled : tensor, shape (J, p, p)
        T_j in the notation of the module.
    rows : Rows

    Returns
    -------
    tensor, shape (J, p, p)
        Lower Cholesky factors M^-1 chol(T_j).
    """
    chol = pt.linalg.cholesky(unscaled)
    if not rows.blocks:
        return chol
    inverse = pt.broadcast_to(np.eye(len(rows.order)), chol.shape)
    for own in rows.spans:
        root = np.linalg.cholesky(known_block(own.stop - own.start))
        block = pt.linalg.cholesky(unscaled[..., own, own])
        inverse = inverse[..., own, own].set(root @ pt.linalg.solve_triangular(block, np.eye(len(root)), lower=True, b_ndim=2))
    return inverse @ chol


def add_log_sds(specification: Specification, prior: LogSd) -> Any:
    """Add matrices of clusters with a common correlation matrix to the PyMC model of the current context.

    Parameters
    ----------
    specification : Specification
    prior : LogSd

    Returns
    -------
    tensor, shape (J, p, p)
        Lower Cholesky factors of Omega_e,j.
    """
    layout = specification.layout
    continuous, shape = np.flatnonzero(~layout.latent), (specification.n_clusters, len(layout.responses))
    by_response = {"dims": names.CONTINUOUS_RESPONSE}
    mean = pm.Normal(names.LOG_SD_MEAN + STANDARDISED, 0.0, 1.0, shape=len(continuous))
    spread = pm.HalfNormal(names.LOG_SD_SPREAD, prior.spread, **by_response)
    pm.Deterministic(names.LOG_SD_MEAN, mean + np.log(specification.scaling.scale[continuous]), **by_response)
    log_sd = pm.Normal(LOG_SD + STANDARDISED, mean, spread, shape=(shape[0], len(continuous)))
    # A prior on standard deviations is not used: all of them are known.
    correlation = constrained_covariance(COMMON_CORRELATION, LKJ(prior.eta, 1.0), rows_of_correlations(layout))
    sd = pt.ones(shape)[:, continuous].set(pt.exp(log_sd))
    return sd[:, :, None] * pt.linalg.cholesky(correlation)


def _add_degrees(eta: float, lower: int) -> Any:
    """Add a, chi-square and not less than `lower`."""
    from scipy.stats import chi2

    probability = chi2.sf(lower, eta)
    constant = -0.5 * eta * np.log(2.0) - lgamma(0.5 * eta) - np.log(probability)
    return pm.CustomDist(
        names.HYPER_DF,
        eta,
        logp=lambda value, eta: (0.5 * eta - 1.0) * pt.log(value) - 0.5 * value + constant,
        random=lambda eta, rng, size=None: chi2.isf(probability * rng.uniform(size=size), eta),
        dtype="float64",
        initval=max(eta, lower + 1.0),
        default_transform=Interval(lower=float(lower), upper=None),
    )

"""Priors of level-1 covariance matrices that differ between clusters and tell each other what to expect.

Without such a prior each cluster's matrix rests on its own rows alone. Here the matrices are draws from a distribution whose
parameters are estimated too, so that small clusters borrow from large ones (Yucel 2011; Quartagno and Carpenter 2016).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jmimpute.errors import PriorError
from jmimpute.specification import prior_arguments as arguments

LOG_SD = "log-sd"

# Before the data have a say, the other clusters tell about a cluster's matrix as much as p + MORE rows of its own would.
MORE = 10


@dataclass(frozen=True)
class HierarchicalInverseWishart:
    """Inverse-Wishart matrices of clusters with unknown degrees of freedom a and scale A.

    ``Omega_e,j ~ IW(a, A)``; a is chi-square with `eta` degrees of freedom, truncated to ``a >= p``. Either `relative`, and
    then ``A | a ~ Wishart(df, (a / df) scale)`` on the standardised scale, so that A / a has prior mean `scale` whatever a is;
    or, as in jomo, ``A ~ Wishart(df, scale)`` on the original scale. None stands for p + 10 as `eta` if `relative` and else p,
    and for p + 1 as `df`, p being the number of coordinates.
    """

    eta: float | None
    df: float | None
    scale: float | tuple[tuple[float, ...], ...]
    relative: bool

    def eta_for(self, dim: int) -> float:
        """Degrees of freedom of the chi-square prior of a.

        Parameters
        ----------
        dim : int
            Dimension p of the covariance matrices.
        """
        if self.eta is not None:
            return float(self.eta)
        return float(dim + MORE if self.relative else dim)

    def df_for(self, dim: int) -> float:
        """Degrees of freedom of the Wishart prior of A.

        Parameters
        ----------
        dim : int
            Dimension p of the covariance matrices.

        Raises
        ------
        PriorError
            If those given are too few for this dimension.
        """
        df = float(dim + 1 if self.df is None else self.df)
        if df <= dim - 1:
            raise PriorError(
                f"The Wishart prior of A has df {df:g}; with {dim} coordinates it needs more than {dim - 1}. Leave df out to "
                f"have {dim + 1}."
            )
        return df

    def scale_matrix(self, dim: int) -> np.ndarray:
        """Scale matrix, shape (dim, dim): on the standardised scale if `relative`, else on the original one.

        Parameters
        ----------
        dim : int
            Dimension p of the covariance matrices.

        Raises
        ------
        PriorError
            If a matrix of another shape was given.
        """
        return arguments.square(self.scale, dim, "hierarchical prior's")

    def __str__(self) -> str:
        """Say the prior without its dimension, where it is not given."""
        eta = self.eta if self.eta is None else f"{self.eta:g}"
        eta = eta or (f"dimension + {MORE}" if self.relative else "dimension")
        df = "dimension + 1" if self.df is None else f"{self.df:g}"
        scale, where = arguments.shown(self.scale), "standardised" if self.relative else "original"
        factor = "a / df x " if self.relative else ""
        return f"inverse-Wishart(a, A); a ~ chi-square({eta}), A ~ Wishart(df {df}, scale {factor}{scale}) on the {where} scale"


@dataclass(frozen=True)
class LogSd:
    """Standard deviations of continuous responses that vary between clusters on the log scale; correlations in common.

    For response k in cluster j ``log sd_jk ~ Normal(m_k, tau_k^2)``, ``m_k ~ Normal(0, 1)`` on the standardised scale,
    ``tau_k ~ half-normal(spread)``. One LKJ(`eta`) correlation matrix for all clusters; latent normals have variance 1 in each.
    """

    spread: float
    eta: float

    def __str__(self) -> str:
        """Say the prior."""
        return (
            f"log sds normal(log_sd_mean, log_sd_spread^2), log_sd_mean normal(0, 1) on the standardised scale, log_sd_spread "
            f"half-normal({self.spread:g}); LKJ({self.eta:g}) correlations"
        )


def hierarchical(
    eta: float | None = None, df: float | None = None, scale: Any = 1.0, relative: bool = True
) -> HierarchicalInverseWishart:
    """Prior of `Omega_e` with ``covariance="random"``: matrices of clusters are inverse-Wishart around one they share.

    ``Omega_e,j ~ IW(a, A)`` for each cluster j, where a and A are estimated (Yucel 2011; as in jomo if not `relative`).

    Parameters
    ----------
    eta : float, optional
        Degrees of freedom of the chi-square prior of a, truncated to a >= p; the larger, the more alike the clusters. If not
        given p + 10, or p if not `relative`, where p is the number of continuous responses and latent normals.
    df : float, optional
        Degrees of freedom of the Wishart prior of A; p + 1 if not given.
    scale : float or array_like, shape (p, p)
        Scale matrix, or a multiple of the identity.
    relative : bool
        Whether A / a has prior mean `scale`, on the standardised scale. Otherwise A has prior mean `df` times `scale`, on the
        original scale, whatever a is.

    Raises
    ------
    PriorError
        If `eta` is not positive, or `df` or `scale` make no sense.
    """
    if eta is not None:
        eta = arguments.positive(eta, "eta")
    if df is not None:
        df = arguments.positive(df, "df")
    if not isinstance(relative, bool):
        raise PriorError(f"relative must be True or False, not {relative!r}.")
    return HierarchicalInverseWishart(eta, df, arguments.scale(scale, "hierarchical prior's"), relative)


def heterogeneous(kind: str, spread: float = 0.5, eta: float = 1.0) -> LogSd:
    """Prior of `Omega_e` with ``covariance="random"``: standard deviations differ between clusters, correlations do not.

    Parameters
    ----------
    kind : {"log-sd"}
        Logarithms of the standard deviations of continuous responses are normal over clusters.
    spread : float
        Scale of the half-normal prior of the standard deviation over clusters of a log standard deviation. With 0.5, standard
        deviations of two clusters typically differ by a factor of about 1.4.
    eta : float
        Shape of the LKJ prior of the correlations; 1 is uniform.

    Raises
    ------
    PriorError
        If the kind does not exist, or a number is not positive.
    """
    if kind != LOG_SD:
        raise PriorError(f"There is no heterogeneous prior of kind {kind!r}; available: {LOG_SD!r}.")
    return LogSd(arguments.positive(spread, "spread"), arguments.positive(eta, "eta"))

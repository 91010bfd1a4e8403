"""Priors as small records: what they mean and on which scale; densities are built by the stages that need them.

``jm.priors.default()`` is weakly informative on the standardised scale, on which every response and covariate has mean 0
and standard deviation 1 (`jmimpute.specification.scaling`). ``jm.priors.jomo()`` is what jomo uses.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from jmimpute.errors import PriorError, options
from jmimpute.specification import prior_arguments as arguments
from jmimpute.specification.cluster_priors import LOG_SD, HierarchicalInverseWishart, LogSd, heterogeneous, hierarchical
from jmimpute.specification.rho_priors import by_cluster as by_cluster
from jmimpute.specification.rho_priors import fisher_z as fisher_z
from jmimpute.specification.rho_priors import truncated_normal as truncated_normal
from jmimpute.specification.rho_priors import uniform as uniform


@dataclass(frozen=True)
class Flat:
    """Improper uniform prior on every coefficient, free covariance or distance of cut points."""

    def __str__(self) -> str:
        return "flat"


@dataclass(frozen=True)
class Normal:
    """Independent normal priors with mean 0 on coefficients, standardised scale; half-normal on distances of cut points."""

    sd: float

    def __str__(self) -> str:
        return f"normal(0, {self.sd:g}) on the standardised scale"


@dataclass(frozen=True)
class LKJ:
    """LKJ prior on the correlations and half-normal priors on the standard deviations, on the standardised scale."""

    eta: float
    sd: float

    def __str__(self) -> str:
        return f"LKJ({self.eta:g}) correlations, half-normal({self.sd:g}) sds on the standardised scale"


@dataclass(frozen=True)
class InverseWishart:
    """Inverse-Wishart prior on a covariance matrix, on the original scale.

    Density proportional to ``|Omega|^{-(df + dim + 1)/2} exp(-tr(scale Omega^-1)/2)``; improper for ``df <= dim - 1``.
    `df` None stands for the dimension; a number as `scale` stands for that multiple of the identity matrix.
    """

    df: float | None
    scale: float | tuple[tuple[float, ...], ...]

    def degrees(self, dim: int) -> float:
        """Degrees of freedom.

        Parameters
        ----------
        dim : int
            Dimension of the covariance matrix.
        """
        return float(dim if self.df is None else self.df)

    def scale_matrix(self, dim: int) -> np.ndarray:
        """Scale matrix, shape (dim, dim), on the original scale.

        Parameters
        ----------
        dim : int
            Dimension of the covariance matrix.

        Raises
        ------
        PriorError
            If a matrix of another shape was given.
        """
        return arguments.square(self.scale, dim, "inverse-Wishart")

    def standard_scale(self, transform: np.ndarray) -> np.ndarray:
        """Scale matrix of the same prior on the standardised scale, K^-1 S K^-T.

        Parameters
        ----------
        transform : ndarray, shape (dim, dim)
            K, such that Omega = K Omega* K'.

        Returns
        -------
        ndarray, shape (dim, dim)
            Symmetric to the last bit.
        """
        inverse = np.linalg.inv(transform)
        scale = inverse @ self.scale_matrix(len(transform)) @ inverse.T
        return 0.5 * (scale + scale.T)

    def __str__(self) -> str:
        df = "dimension" if self.df is None else f"{self.df:g}"
        return f"inverse-Wishart(df {df}, scale {arguments.shown(self.scale)}) on the original scale"


@dataclass(frozen=True)
class DefaultLevel1:
    """The default of the level-1 covariance, whatever its structure; `jmimpute.specification.settling` says which that is."""

    def __str__(self) -> str:
        return "default"


@dataclass(frozen=True)
class JomoLevel1:
    """What jomo has for the level-1 covariance, which depends on its structure and on whether a response is categorical."""

    def __str__(self) -> str:
        return "as in jomo"


@dataclass(frozen=True)
class JomoLevel2:
    """What jomo has for the level-2 covariance, which depends on whether a level-2 response is categorical."""

    def __str__(self) -> str:
        return "as in jomo"


CoefficientPrior = Flat | Normal
CovariancePrior = LKJ | InverseWishart | Flat


@dataclass(frozen=True)
class Priors:
    """One prior for each kind of parameter.

    Latent normals have elements of `Omega_e` and `Omega_u` that are known, and each prior of these is then that prior given
    these elements.
    """

    beta: CoefficientPrior
    Omega_e: CovariancePrior | HierarchicalInverseWishart | LogSd | DefaultLevel1 | JomoLevel1
    Omega_u: CovariancePrior | JomoLevel2
    cutpoints: CoefficientPrior


def flat() -> Flat:
    """Improper uniform prior for `beta`, `cutpoints`, or the free elements of `Omega_e` or, with latent normals, `Omega_u`."""
    return Flat()


def normal(sd: float) -> Normal:
    """Normal prior with mean 0 for `beta`; half-normal for the distances between `cutpoints`.

    Parameters
    ----------
    sd : float
        Standard deviation on the standardised scale.

    Raises
    ------
    PriorError
        If `sd` is not positive.
    """
    return Normal(arguments.positive(sd, "sd"))


def lkj(eta: float = 1.0, sd: float = 1.0) -> LKJ:
    """LKJ and half-normal prior for `Omega_e` or `Omega_u` (Lewandowski, Kurowicka and Joe 2009).

    Parameters
    ----------
    eta : float
        Shape; 1 is uniform over correlation matrices, larger values favour small correlations.
    sd : float
        Scale of the half-normal prior of each standard deviation, on the standardised scale.

    Raises
    ------
    PriorError
        If an argument is not positive.
    """
    return LKJ(arguments.positive(eta, "eta"), arguments.positive(sd, "sd"))


def inverse_wishart(df: float | None = None, scale: Any = 1.0) -> InverseWishart:
    """Inverse-Wishart prior for `Omega_e` or `Omega_u`, on the original scale.

    Parameters
    ----------
    df : float, optional
        Degrees of freedom; the dimension if not given.
    scale : float or array_like, shape (dim, dim)
        Scale matrix, or a multiple of the identity, in squared units of the responses.

    Raises
    ------
    PriorError
        If the scale is not a symmetric positive definite matrix or a positive number.
    """
    if df is not None and not arguments.is_number(df):
        raise PriorError(f"df must be a number, not {df!r}.")
    return InverseWishart(df, arguments.scale(scale, "inverse-Wishart"))


def _log_sd(spread: float, eta: float) -> LogSd:
    """Make the prior from its record, which has no kind."""
    return heterogeneous(LOG_SD, spread, eta)


CONSTRUCTORS: dict[type, Any] = {
    Flat: flat,
    Normal: normal,
    LKJ: lkj,
    InverseWishart: inverse_wishart,
    HierarchicalInverseWishart: hierarchical,
    LogSd: _log_sd,
}
MARKERS: tuple[type, ...] = (DefaultLevel1, JomoLevel1, JomoLevel2)
#: What an analyst writes for each kind.
WRITTEN: dict[type, str] = {
    Flat: "jm.priors.flat()",
    Normal: "jm.priors.normal()",
    LKJ: "jm.priors.lkj()",
    InverseWishart: "jm.priors.inverse_wishart()",
    HierarchicalInverseWishart: "jm.priors.hierarchical()",
    LogSd: f"jm.priors.heterogeneous({LOG_SD!r})",
}
#: Kinds by parameter; which of those of covariances fit a model is said in `jmimpute.specification.settling`.
ALLOWED: dict[str, tuple[type, ...]] = {
    "beta": (Flat, Normal),
    "Omega_e": (LKJ, InverseWishart, Flat, HierarchicalInverseWishart, LogSd, DefaultLevel1, JomoLevel1),
    "Omega_u": (LKJ, InverseWishart, Flat, JomoLevel2),
    "cutpoints": (Flat, Normal),
}


def default() -> Priors:
    """Weakly informative priors on the standardised scale.

    Coefficients are normal(0, 5), distances of cut points half-normal(5); standard deviations half-normal(1). Correlations
    between units are uniform; those between random effects, about which few clusters say little, are LKJ(2), which keeps them
    off the boundary. With ``covariance="random"`` the level-1 covariance has `hierarchical()`.
    """
    return Priors(normal(5.0), DefaultLevel1(), lkj(eta=2.0, sd=1.0), normal(5.0))


def jomo() -> Priors:
    """The priors of the R package jomo.

    Flat coefficients. Level-2 covariance: inverse-Wishart with scale I and its dimension as degrees of freedom; flat on the
    free elements with a categorical level-2 response. Common level-1 covariance: with continuous responses only,
    inverse-Wishart with scale I and -1 degrees of freedom, as jomo 2.7 draws it (posterior degrees of freedom N - 1), not the
    p of its manual; with a categorical response flat on the free elements, for which jomo ignores its scale. Cluster-specific
    ones likewise, with 0 degrees of freedom. Random ones: ``hierarchical(relative=False)``. Scales are on the original scale
    of the data. Cut points, which jomo does not have, are flat.
    """
    return Priors(flat(), JomoLevel1(), JomoLevel2(), flat())


def resolve(priors: Priors | Mapping[str, Any] | None) -> Priors:
    """Complete what the analyst gave.

    Parameters
    ----------
    priors : Priors or mapping, optional
        A mapping replaces entries of the default.

    Raises
    ------
    PriorError
        For an unknown name, or a prior of the wrong kind.
    """
    if priors is None:
        return default()
    if isinstance(priors, Priors):
        priors = {field.name: getattr(priors, field.name) for field in fields(Priors)}
    if not isinstance(priors, Mapping):
        raise PriorError(
            f"Priors must be made by jm.priors or given as a dict such as {{'beta': jm.priors.flat()}}, not {priors!r}."
        )
    names = [field.name for field in fields(Priors)]
    unknown = [name for name in priors if name not in names]
    if unknown:
        raise PriorError(f"There is no parameter {unknown[0]!r}. Priors can be given for {options(names)}.")
    for name, prior in priors.items():
        if not isinstance(prior, ALLOWED[name]):
            written = [WRITTEN[kind] for kind in ALLOWED[name] if kind in WRITTEN]
            raise PriorError(f"The prior of {name!r} must be made by {' or '.join(written)}, not {prior!r}.")
    return replace(default(), **dict(priors))


def to_record(priors: Priors) -> dict[str, Any]:
    """Write priors as plain numbers and texts, for JSON.

    Parameters
    ----------
    priors : Priors
    """
    return {
        field.name: {"prior": type(getattr(priors, field.name)).__name__, **asdict(getattr(priors, field.name))}
        for field in fields(priors)
    }


def from_record(record: Mapping[str, Any]) -> Priors:
    """Read what `to_record` wrote.

    Parameters
    ----------
    record : mapping

    Raises
    ------
    PriorError
        If it names a prior that does not exist.
    """
    constructors = {kind.__name__: make for kind, make in {**CONSTRUCTORS, **{kind: kind for kind in MARKERS}}.items()}
    if not isinstance(record, Mapping):
        raise PriorError(f"Priors must be written by name, not as {record!r}.")
    made = {}
    for name, entry in record.items():
        arguments = dict(entry) if isinstance(entry, Mapping) else {}
        kind = arguments.pop("prior", None)
        if kind not in constructors:
            raise PriorError(f"The prior of {name!r} is of kind {kind!r}; known: {options(list(constructors))}.")
        try:
            made[name] = constructors[kind](**arguments)
        except TypeError as error:
            raise PriorError(f"The prior of {name!r} cannot be read: {error}.") from error
    return resolve(made)

"""Priors as small records: what they mean and on which scale; densities are built by the stages that need them.

``jm.priors.default()`` is weakly informative on the standardised scale, on which every response and covariate has mean 0
and standard deviation 1 (`jmimpute.specification.scaling`). ``jm.priors.jomo()`` is what jomo uses.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np

from jmimpute.errors import PriorError, options


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
        scale = np.asarray(self.scale, dtype=float)
        matrix = scale * np.eye(dim) if scale.ndim == 0 else scale
        if matrix.shape != (dim, dim):
            raise PriorError(f"The inverse-Wishart scale has shape {matrix.shape}; this model needs ({dim}, {dim}).")
        return matrix

    def __str__(self) -> str:
        df = "dimension" if self.df is None else f"{self.df:g}"
        scale = f"{self.scale:g} x identity" if np.ndim(self.scale) == 0 else "given matrix"
        return f"inverse-Wishart(df {df}, scale {scale}) on the original scale"


@dataclass(frozen=True)
class JomoLevel1:
    """Inverse-Wishart with scale I and df -1 if all responses are continuous, else flat on the free elements: what jomo has."""

    def __str__(self) -> str:
        return "as in jomo"


CoefficientPrior = Flat | Normal
CovariancePrior = LKJ | InverseWishart | Flat


@dataclass(frozen=True)
class Priors:
    """One prior for each kind of parameter.

    Latent normals have elements of `Omega_e` that are known, and each prior of it is then that prior given these elements.
    """

    beta: CoefficientPrior
    Omega_e: CovariancePrior | JomoLevel1
    Omega_u: CovariancePrior
    cutpoints: CoefficientPrior


def flat() -> Flat:
    """Improper uniform prior for `beta`, `cutpoints`, or the free elements of `Omega_e`."""
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
    return Normal(_positive(sd, "sd"))


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
    return LKJ(_positive(eta, "eta"), _positive(sd, "sd"))


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
    if df is not None and not _is_number(df):
        raise PriorError(f"df must be a number, not {df!r}.")
    try:
        matrix = np.asarray(scale, dtype=float)
    except (TypeError, ValueError) as error:
        raise PriorError(f"The inverse-Wishart scale must hold numbers, not {scale!r}.") from error
    if matrix.ndim == 0:
        return InverseWishart(df, _positive(float(matrix), "scale"))
    symmetric = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and np.allclose(matrix, matrix.T)
    if not symmetric or not np.all(np.isfinite(matrix)) or np.linalg.eigvalsh(matrix).min() <= 0:
        raise PriorError("The inverse-Wishart scale must be a positive number or a symmetric positive definite matrix.")
    return InverseWishart(df, tuple(map(tuple, matrix.tolist())))


CONSTRUCTORS: dict[type, Any] = {Flat: flat, Normal: normal, LKJ: lkj, InverseWishart: inverse_wishart}
ALLOWED: dict[str, tuple[type, ...]] = {
    "beta": (Flat, Normal),
    "Omega_e": (LKJ, InverseWishart, Flat, JomoLevel1),
    "Omega_u": (LKJ, InverseWishart),
    "cutpoints": (Flat, Normal),
}


def default() -> Priors:
    """Weakly informative priors on the standardised scale.

    Coefficients are normal(0, 5), distances of cut points half-normal(5); standard deviations half-normal(1). Correlations
    between units are uniform; those between random effects, about which few clusters say little, are LKJ(2), which keeps them
    off the boundary.
    """
    return Priors(normal(5.0), lkj(eta=1.0, sd=1.0), lkj(eta=2.0, sd=1.0), normal(5.0))


def jomo() -> Priors:
    """The priors of the R package jomo for a common covariance matrix.

    Flat coefficients; level-2 covariance inverse-Wishart with scale I and its dimension as degrees of freedom. Level-1
    covariance: with continuous responses only, inverse-Wishart with scale I and -1 degrees of freedom, as jomo 2.7 draws it
    (posterior degrees of freedom N - 1), not the p of its manual; with a categorical response flat on the free elements, for
    which jomo ignores its scale. Scales are on the original scale of the data. Cut points, which jomo does not have, are flat.
    """
    return Priors(flat(), JomoLevel1(), inverse_wishart(), flat())


def concrete(priors: Priors, has_latents: bool) -> Priors:
    """Replace a prior that depends on the kind of responses by the one meant.

    Parameters
    ----------
    priors : Priors
    has_latents : bool
        Whether any response is categorical.
    """
    if not isinstance(priors.Omega_e, JomoLevel1):
        return priors
    return replace(priors, Omega_e=flat() if has_latents else inverse_wishart(df=-1.0))


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
            constructors = [f"jm.priors.{CONSTRUCTORS[kind].__name__}()" for kind in ALLOWED[name] if kind in CONSTRUCTORS]
            raise PriorError(f"The prior of {name!r} must be made by {' or '.join(constructors)}, not {prior!r}.")
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
    constructors = {kind.__name__: make for kind, make in {**CONSTRUCTORS, JomoLevel1: JomoLevel1}.items()}
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


def _positive(value: float, name: str) -> float:
    if not _is_number(value) or value <= 0:
        raise PriorError(f"{name} must be a positive number, not {value!r}.")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and bool(np.isfinite(float(value)))

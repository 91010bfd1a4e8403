"""Priors on the correlation rho of a selection model, between the residual of a variable and that of its being observed."""

from dataclasses import asdict, dataclass
from typing import Any

from jmimpute.errors import PriorError
from jmimpute.specification import prior_arguments as arguments


@dataclass(frozen=True)
class Uniform:
    """Uniform between two correlations."""

    lower: float
    upper: float

    def __str__(self) -> str:
        return f"uniform({self.lower:g}, {self.upper:g})"


@dataclass(frozen=True)
class TruncatedNormal:
    """Normal, truncated to an interval of correlations."""

    mean: float
    sd: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"normal({self.mean:g}, {self.sd:g}) between {self.lower:g} and {self.upper:g}"


@dataclass(frozen=True)
class FisherZ:
    """Normal prior with mean 0 on artanh(rho)."""

    sd: float

    def __str__(self) -> str:
        return f"artanh ~ normal(0, {self.sd:g})"


@dataclass(frozen=True)
class ByCluster(FisherZ):
    """Normal on artanh(rho_j) of cluster j, whose mean has a normal prior and whose spread a half-normal one."""

    spread: float

    def __str__(self) -> str:
        return f"artanh of each cluster ~ normal(m, t), m ~ normal(0, {self.sd:g}), t ~ half-normal({self.spread:g})"


RhoPrior = Uniform | TruncatedNormal | FisherZ


def uniform(lower: float = -1.0, upper: float = 1.0) -> Uniform:
    """Uniform prior for the correlation `rho` of a selection model.

    Parameters
    ----------
    lower, upper : float
        Ends, within -1 and 1. ``uniform(-1, 0)`` says that those not observed have larger values than comparable others.

    Raises
    ------
    PriorError
        If they are not in this order within -1 and 1.
    """
    return Uniform(*_ends(lower, upper))


def truncated_normal(mean: float, sd: float, lower: float = -1.0, upper: float = 1.0) -> TruncatedNormal:
    """Truncated normal prior for the correlation `rho` of a selection model, for knowledge from elsewhere.

    Parameters
    ----------
    mean, sd : float
        Of the normal distribution before it is truncated.
    lower, upper : float
        Ends, within -1 and 1.

    Raises
    ------
    PriorError
        If the ends are not in this order within -1 and 1, or `sd` is not positive.
    """
    if not arguments.is_number(mean):
        raise PriorError(f"mean must be a number, not {mean!r}.")
    return TruncatedNormal(float(mean), arguments.positive(sd, "sd"), *_ends(lower, upper))


def fisher_z(sd: float = 0.7) -> FisherZ:
    """Normal prior with mean 0 on ``artanh(rho)``, which keeps `rho` off the boundary.

    Parameters
    ----------
    sd : float
        0.7 puts 95 % of the prior within -0.88 and 0.88. A large one piles it up at -1 and 1: it is not vague.

    Raises
    ------
    PriorError
        If `sd` is not positive.
    """
    return FisherZ(arguments.positive(sd, "sd"))


def by_cluster(sd: float = 0.7, spread: float = 0.3) -> ByCluster:
    """Let the correlation `rho` of a selection model differ between clusters: ``artanh(rho_j) ~ normal(m, t)``.

    Below about 500 rows in each cluster there is little that tells `t` from 0, so that intervals are wider than with one `rho`
    for all, which is the default.

    Parameters
    ----------
    sd : float
        Of the normal prior of `m`, whose mean is 0; `tanh(m)` is reported as `rho`.
    spread : float
        Scale of the half-normal prior of `t`.

    Raises
    ------
    PriorError
        If one of them is not positive.
    """
    return ByCluster(arguments.positive(sd, "sd"), arguments.positive(spread, "spread"))


def to_record(prior: RhoPrior) -> dict[str, Any]:
    """Write a prior as plain numbers and texts, for JSON.

    Parameters
    ----------
    prior : RhoPrior
    """
    return {"prior": type(prior).__name__, **asdict(prior)}


def from_record(record: Any) -> RhoPrior | float:
    """Read what `to_record` wrote; a number is one at which rho is held.

    Parameters
    ----------
    record : mapping or float

    Raises
    ------
    KeyError, TypeError
        If it is something else.
    """
    if isinstance(record, float):
        return record
    entry = dict(record)
    makers = {"Uniform": uniform, "TruncatedNormal": truncated_normal, "FisherZ": fisher_z, "ByCluster": by_cluster}
    return makers[entry.pop("prior")](**entry)


def _ends(lower: float, upper: float) -> tuple[float, float]:
    if not (arguments.is_number(lower) and arguments.is_number(upper) and -1 <= lower < upper <= 1):
        raise PriorError(f"The ends of a prior of rho must be numbers in order within -1 and 1, not {lower!r} and {upper!r}.")
    return float(lower), float(upper)

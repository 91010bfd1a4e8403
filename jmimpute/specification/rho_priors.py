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
    return {"Uniform": uniform, "TruncatedNormal": truncated_normal, "FisherZ": fisher_z}[entry.pop("prior")](**entry)


def _ends(lower: float, upper: float) -> tuple[float, float]:
    if not (arguments.is_number(lower) and arguments.is_number(upper) and -1 <= lower < upper <= 1):
        raise PriorError(f"The ends of a prior of rho must be numbers in order within -1 and 1, not {lower!r} and {upper!r}.")
    return float(lower), float(upper)

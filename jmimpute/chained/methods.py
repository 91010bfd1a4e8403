"""Every method of chained equations by name: where it lives, what it imputes, and which coefficients it makes random.

``methods={"x1": "two-stage"}`` names a method with its defaults; ``methods={"x1": jm.methods.TwoStage(estimator="moments")}``
sets its options. Each is imported when it is first used.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jmimpute.chained.target import Method

NUMBER, COUNT, BINARY, NOMINAL, ORDINAL = "number", "count", "binary", "nominal", "ordinal"


@dataclass(frozen=True)
class Entry:
    """What the driver knows of a method.

    Attributes
    ----------
    module, name : str
        Where its class is. The class is made without arguments when only the name of the method was given.
    kinds : tuple of str
        Variables it can impute: number, count, binary, nominal, ordinal.
    random : str
        Coefficients that vary between clusters: ``"none"``, ``"some"`` (those that are asked for) or ``"all"``.
    level : int
        1, or 2 for variables that have one value per cluster.
    selection : bool
        Whether it has a selection equation.
    moderators : bool
        Whether coefficients of clusters can depend on predictors of clusters (`Target.means`).
    """

    module: str
    name: str
    kinds: tuple[str, ...] = (NUMBER, COUNT)
    random: str = "none"
    level: int = 1
    selection: bool = False
    moderators: bool = False


ENTRIES = {
    "norm": Entry("jmimpute.chained.single_level", "Norm"),
    "pmm": Entry("jmimpute.chained.single_level", "Pmm", (NUMBER, COUNT, BINARY, ORDINAL)),
    "logistic": Entry("jmimpute.chained.single_level", "Logistic", (BINARY,)),
    "polytomous": Entry("jmimpute.chained.categorical", "Polytomous", (NOMINAL, ORDINAL)),
    "proportional-odds": Entry("jmimpute.chained.categorical", "ProportionalOdds", (ORDINAL,)),
    "dummies": Entry("jmimpute.chained.single_level", "Dummies", (NUMBER, COUNT, BINARY)),
    "one-stage": Entry("jmimpute.chained.one_stage", "OneStage", random="some"),
    "two-stage": Entry("jmimpute.chained.two_stage", "TwoStage", random="all", moderators=True),
    "two-stage-binary": Entry("jmimpute.chained.two_stage", "TwoStageBinary", (BINARY,), random="all", moderators=True),
    "two-stage-poisson": Entry("jmimpute.chained.two_stage", "TwoStagePoisson", (COUNT,), random="all", moderators=True),
    "two-stage-pmm": Entry("jmimpute.chained.two_stage", "TwoStagePmm", random="all", moderators=True),
    "two-stage-heckman": Entry(
        "jmimpute.chained.heckman", "TwoStageHeckman", (NUMBER, COUNT, BINARY), random="all", selection=True
    ),
    "heckman": Entry("jmimpute.chained.heckman", "Heckman", (NUMBER, COUNT, BINARY), selection=True),
    "mixed": Entry("jmimpute.chained.mixed", "Mixed", random="some"),
    "mixed-binary": Entry("jmimpute.chained.mixed", "MixedBinary", (BINARY,), random="some"),
    "mixed-poisson": Entry("jmimpute.chained.mixed", "MixedPoisson", (COUNT,), random="some"),
    "heteroscedastic": Entry("jmimpute.chained.heteroscedastic", "Heteroscedastic", random="all"),
    "level2-norm": Entry("jmimpute.chained.level2", "Level2Norm", level=2),
    "level2-pmm": Entry("jmimpute.chained.level2", "Level2Pmm", (NUMBER, COUNT, BINARY, ORDINAL), level=2),
    "level2-constant": Entry("jmimpute.chained.level2", "Level2Constant", (NUMBER, COUNT, BINARY, NOMINAL, ORDINAL), level=2),
}

__all__ = sorted({entry.name for entry in ENTRIES.values()})  # pyright: ignore[reportUnsupportedDunderAll]


def make(name: str) -> "Method":
    """Make a method with its default options.

    Parameters
    ----------
    name : str
        A key of `ENTRIES`.

    Returns
    -------
    Method
    """
    entry = ENTRIES[name]
    return getattr(import_module(entry.module), entry.name)()


def __getattr__(name: str) -> Any:
    """Import the class of a method when it is first used."""
    homes = {entry.name: entry.module for entry in ENTRIES.values()}
    if name not in homes:
        raise AttributeError(f"module 'jmimpute.methods' has no attribute {name!r}; there are {', '.join(homes)}")
    value = getattr(import_module(homes[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the classes of methods too, imported or not."""
    return sorted({*globals(), *__all__})

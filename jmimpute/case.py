"""A case study in one TOML file: data, formulas, families, priors, sampling, imputation, analysis. It cannot run code."""

from pathlib import Path
from typing import Any

import msgspec

from jmimpute.errors import ExchangeError, options
from jmimpute.specification import priors, rho_priors, selection
from jmimpute.specification.families import Family
from jmimpute.specification.priors import Priors
from jmimpute.specification.selection import Selection

PRESETS = {"default": priors.default, "jomo": priors.jomo}


class _Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A table of the file; a key that is not a field is an error."""


class Response(_Section):
    """Family of a response, as the arguments of `jmimpute.specification.families.Family`."""

    kind: str
    levels: list[str | bool | int | float] | None = None
    reference: str | bool | int | float | None = None


class Missing(_Section):
    """``[model.missing.NAME]``: as the arguments of `jmimpute.selection`; rho as a number or as a prior."""

    formula: str
    exclude: list[str] = []
    rationale: str = ""
    rho: float | dict[str, Any] | None = None
    indicator: str | None = None


class Model(_Section):
    """``[model]``: formulas by level; families by response; priors by name of a preset or parameter by parameter."""

    formulas: list[str]
    level2: str | list[str] = []
    covariance: str = "common"
    families: dict[str, str | Response] = {}
    priors: str | dict[str, dict[str, Any]] = "default"
    missing: dict[str, Missing] = {}


class Sampling(_Section):
    """``[sampling]``: as the arguments of `JointModel.fit`."""

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    target_accept: float = 0.8


class Imputation(_Section):
    """``[imputation]``: number of imputations."""

    m: int = 20


class Analysis(_Section):
    """``[analysis]``: the substantive model; ``[analysis.settings]``: settings of its engine, such as ``draws``."""

    formula: str
    family: str = "gaussian"
    engine: str = "statsmodels"
    reml: bool | None = None
    settings: dict[str, Any] = {}

    def arguments(self) -> dict[str, Any]:
        """Arguments of `Imputations.analyze`."""
        given = {} if self.reml is None else {"reml": self.reml}
        return {"model": self.formula, "engine": self.engine, "family": self.family, **given, **self.settings}


class Case(_Section):
    """The whole file; `data` is a name that `jmimpute.datasets.load` or `jmimpute.datasets.fetch` knows."""

    title: str
    model: Model
    description: str = ""
    data: str | None = None
    sampling: Sampling = Sampling()
    imputation: Imputation = Imputation()
    analysis: Analysis | None = None

    def with_sampling(self, draws: int | None = None, tune: int | None = None, chains: int | None = None) -> "Case":
        """Give the same case with other numbers of draws, of tuning steps or of chains; None stands for those it has."""
        given = {"draws": draws, "tune": tune, "chains": chains}
        said = {name: number for name, number in given.items() if number is not None}
        return msgspec.structs.replace(self, sampling=msgspec.structs.replace(self.sampling, **said))

    def families(self) -> dict[str, Family]:
        """Make the families that the file names; they are checked when the model is made."""
        given = self.model.families.items()
        return {
            name: Family(said) if isinstance(said, str) else Family(said.kind, said.levels, said.reference)
            for name, said in given
        }

    def priors(self) -> Priors:
        """Make the priors that the file names.

        Raises
        ------
        ExchangeError, PriorError
            If a preset or a prior does not exist, or its numbers make no sense.
        """
        given = self.model.priors
        if not isinstance(given, str):
            return priors.from_record(given)
        if given not in PRESETS:
            raise ExchangeError(f"There is no preset of priors called {given!r}: choose {options(list(PRESETS))}.")
        return PRESETS[given]()

    def missing(self) -> dict[str, Selection]:
        """Make the selection submodels that the file names.

        Raises
        ------
        ExchangeError, FormulaError, PriorError
            If one of them makes no sense.
        """
        records = {name: msgspec.structs.asdict(said) for name, said in self.model.missing.items()}
        for record in records.values():
            if record["rho"] is None:
                record["rho"] = rho_priors.to_record(rho_priors.uniform())
        return selection.from_record(records)


def read_case(path: str | Path) -> Case:
    """Read and check a case file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Case

    Raises
    ------
    ExchangeError
        If the file is missing, is not TOML, or has an unknown or ill-typed key. Formulas are checked against the columns of
        the table, operators and a list of functions before anything is evaluated, when the model is made.
    """
    import msgspec.toml

    path = Path(path)
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Case)
    except OSError as error:
        raise ExchangeError(f"The model file {path} cannot be read: {error.strerror}.") from error
    except msgspec.ValidationError as error:
        raise ExchangeError(
            f"The model file {path} is not right: {error}. Known tables and keys: title, description, data, "
            + ", ".join(f"[{name}] {' '.join(section.__struct_fields__)}" for name, section in _SECTIONS.items())
            + "."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ExchangeError(f"The model file {path} is not valid TOML: {error}.") from error


_SECTIONS = {
    "model": Model,
    "model.families.NAME": Response,
    "model.missing.NAME": Missing,
    "sampling": Sampling,
    "imputation": Imputation,
    "analysis": Analysis,
}

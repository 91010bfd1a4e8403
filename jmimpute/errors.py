"""Every error and warning of the package: each says what is wrong, where, and what to do."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class JMImputeError(Exception):
    """Base of all errors raised on purpose by jmimpute."""


class TableError(JMImputeError, ValueError):
    """The data table cannot be used as it is."""


class FormulaError(JMImputeError, ValueError):
    """A formula does not parse, or names something that is not allowed or not there."""


class PriorError(JMImputeError, ValueError):
    """A prior is not proper where it must be, or does not fit the model."""


class SamplingError(JMImputeError, RuntimeError):
    """Sampling failed, or left too few draws for what was asked."""


class ImputationError(JMImputeError, ValueError):
    """Imputations were asked for that cannot be made."""


class AnalysisError(JMImputeError, ValueError):
    """A substantive model could not be fitted or pooled."""


class AmputationError(JMImputeError, ValueError):
    """Holes were asked for that cannot be made."""


class StudyError(JMImputeError, ValueError):
    """A simulation study cannot be run or judged as asked."""


class ExchangeError(JMImputeError, ValueError):
    """A file is corrupt, foreign, or contains something that is not allowed."""


class JMImputeWarning(UserWarning):
    """Base of all warnings of jmimpute, so that one filter catches them."""


class ConvergenceWarning(JMImputeWarning):
    """The chains do not agree, or hold too few independent draws."""


class IdentificationWarning(JMImputeWarning):
    """A parameter rests on an assumption that the data say next to nothing about."""


class InterruptedWarning(JMImputeWarning):
    """Sampling was interrupted; what had been drawn was kept."""


class ChainedWarning(JMImputeWarning):
    """A conditional model of chained equations was fitted and drawn from, but not in the way that was asked for everywhere."""


class AnalysisWarning(JMImputeWarning):
    """A substantive model was fitted, but something about the fit should be looked at."""


class StudyWarning(JMImputeWarning):
    """Replications of a simulation study failed, or methods were judged on different ones."""


def some(items: Iterable, limit: int = 5) -> str:
    """Write the first few items of a list for a message: ``'3, 8, 11 and 240 more'``."""
    items = list(items)
    shown = ", ".join(str(item) for item in items[:limit])
    rest = len(items) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def options(names: Sequence) -> str:
    """Write the valid choices for a message: ``"'a', 'b' or 'c'"``."""
    quoted = [repr(name) for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)


def meant(name: str, names: Iterable) -> str:
    """Ask in a message whether a name that is like an unknown one was meant; empty if there is none."""
    by_folded = {str(known).strip().casefold(): known for known in names}
    close = get_close_matches(name.strip().casefold(), by_folded, n=1, cutoff=0.75)
    return f" Did you mean {by_folded[close[0]]!r}?" if close else ""

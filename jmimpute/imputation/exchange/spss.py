"""For SPSS: a .sav file with the variable Imputation_, by which SPSS knows imputations; and such files back."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jmimpute.errors import ExchangeError, some
from jmimpute.imputation.exchange.coded import code, decode
from jmimpute.imputation.exchange.naming import check_names, renamed
from jmimpute.names import LONG_IMPUTATION, LONG_ROW

#: What SPSS calls the column that numbers imputations.
IMPUTATION = "Imputation_"

_NAME = re.compile(r"[A-Za-z@][A-Za-z0-9_.$#@]*")
_RESERVED = {"ALL", "AND", "BY", "EQ", "GE", "GT", "LE", "LT", "NE", "NOT", "OR", "TO", "WITH"}
_LONGEST = 64
_RULE = (
    "names have at most 64 letters, digits and any of _.$#@, begin with a letter or @, do not end with a full stop, and are no "
    "words of SPSS"
)


def write_spss(stack: pd.DataFrame, path: str | Path, rename: Mapping[str, str] | None = None) -> None:
    """Write imputations for SPSS: a .sav file, and a .sps file that splits it by imputation.

    Parameters
    ----------
    stack : pandas.DataFrame
        Long, with imputation 0.
    path : str or Path
        Ends with ``.sav``.
    rename : mapping of str to str, optional
        Names that SPSS takes, by column.

    Raises
    ------
    ExchangeError
        If a name or a column is none that SPSS can have, the file cannot be written, or pyreadstat is not there.
    """
    path = Path(path)
    if path.suffix != ".sav":
        raise ExchangeError(f"{path} should end with .sav.")
    pyreadstat = _pyreadstat()
    frame = renamed(stack.drop(columns=[LONG_IMPUTATION, LONG_ROW]), rename)
    check_names(frame, _is_name, "SPSS", _RULE)
    _check_capitals(frame)
    coded = {name: code(frame[name]) for name in frame.columns}
    numbers = stack[LONG_IMPUTATION].astype("int32")
    values = pd.DataFrame({IMPUTATION: numbers, **{name: column.values for name, column in coded.items()}})
    labels: dict[str, Any] = {name: column.labels for name, column in coded.items() if column.labels}
    labels[IMPUTATION] = {0: "Original data", **{k: str(k) for k in range(1, int(numbers.max()) + 1)}}
    measures = {IMPUTATION: "nominal", **{name: column.measure for name, column in coded.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pyreadstat.write_sav(values, str(path), variable_value_labels=labels, variable_measure=measures)
    except Exception as error:
        raise ExchangeError(f"{path} cannot be written: {error}") from error
    script = f"GET FILE='{path.name}'.\nSPLIT FILE LAYERED BY {IMPUTATION}.\n"
    path.with_suffix(".sps").write_text(script, encoding="utf-8")


def read_spss(path: str | Path) -> pd.DataFrame:
    """Read a long stack from a .sav file with the column ``Imputation_``.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    pandas.DataFrame
        Columns of which all values have labels are categories, ordered if SPSS calls them ordinal.

    Raises
    ------
    ExchangeError
        If it cannot be read or is not such a file, or pyreadstat is not there.
    """
    pyreadstat = _pyreadstat()
    try:
        frame, about = pyreadstat.read_sav(str(path))
    except Exception as error:
        raise ExchangeError(f"The file {path} cannot be read: {error}") from error
    if IMPUTATION not in frame:
        raise ExchangeError(f"{path} has no column {IMPUTATION!r}. Columns: {some(map(repr, frame.columns), 20)}.")
    labels, measures = about.variable_value_labels, about.variable_measure
    others = frame.columns.drop(IMPUTATION)
    columns = {name: decode(frame[name], labels.get(name, {}), measures[name] == "ordinal") for name in others}
    return pd.DataFrame({IMPUTATION: frame[IMPUTATION], **columns})


def _is_name(name: str) -> bool:
    is_word = name.upper() in _RESERVED or name.lower() == IMPUTATION.lower()
    return _NAME.fullmatch(name) is not None and len(name) <= _LONGEST and not name.endswith(".") and not is_word


def _check_capitals(frame: pd.DataFrame) -> None:
    """SPSS does not tell capitals from small letters."""
    alike = frame.columns[frame.columns.str.lower().duplicated(keep=False)]
    if len(alike):
        raise ExchangeError(f"SPSS takes these names for the same: {some(map(repr, alike))}. Give others: rename={{...}}.")


def _pyreadstat() -> Any:
    try:
        import pyreadstat
    except ImportError as error:
        raise ExchangeError('SPSS files need pyreadstat: pip install "jmimpute[spss]".') from error
    return pyreadstat

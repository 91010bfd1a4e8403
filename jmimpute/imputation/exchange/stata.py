"""For Stata: a .dta file in the style flong, and the command that makes mi data of it; and such files back."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from jmimpute.errors import ExchangeError, some
from jmimpute.imputation.exchange.coded import code, decode
from jmimpute.imputation.exchange.naming import check_names, renamed
from jmimpute.names import LONG_IMPUTATION, LONG_ROW

#: Names of the columns that number imputations and rows: in our files, and in those of Stata.
OURS = ("imputation_", "row_")
STATA = ("_mi_m", "_mi_id")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_RESERVED = {
    *("_all", "_b", "_coef", "_cons", "_n", "_N", "_pi", "_pred", "_rc", "_skip", "byte", "double", "float", "if", "in", "int"),
    *("long", "using", "with", "strL", *OURS),
}
_RULE = "names have at most 32 letters, digits and underscores, do not begin with a digit or _mi_, and are no words of Stata"


def write_stata(stack: pd.DataFrame, imputed: Sequence[str], path: str | Path, rename: Mapping[str, str] | None = None) -> None:
    """Write imputations for Stata: a .dta file, and a .do file that makes mi data of it.

    Parameters
    ----------
    stack : pandas.DataFrame
        Long, with imputation 0.
    imputed : sequence of str
        Imputed columns.
    path : str or Path
        Ends with ``.dta``.
    rename : mapping of str to str, optional
        Names that Stata takes, by column.

    Raises
    ------
    ExchangeError
        If a name or a column is none that Stata can have, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".dta":
        raise ExchangeError(f"{path} should end with .dta.")
    frame = renamed(stack.drop(columns=[LONG_IMPUTATION, LONG_ROW]), rename)
    check_names(frame, _is_name, "Stata", _RULE)
    coded = {name: code(frame[name]) for name in frame.columns}
    numbers = dict(zip(OURS, (stack[LONG_IMPUTATION].astype("int32"), stack[LONG_ROW].astype("int32")), strict=True))
    values = pd.DataFrame({**numbers, **{name: column.values for name, column in coded.items()}})
    labels = {name: column.labels for name, column in coded.items() if column.labels}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        values.to_stata(path, write_index=False, version=118, value_labels=labels, convert_strl=_long_texts(values))
    except Exception as error:
        raise ExchangeError(f"{path} cannot be written: {error}") from error
    names = [(rename or {}).get(name, name) for name in imputed]
    script = f'use "{path.name}", clear\nmi import flong, m({OURS[0]}) id({OURS[1]}) imputed({" ".join(names)}) clear\n'
    path.with_suffix(".do").write_text(script, encoding="utf-8")


def read_stata(path: str | Path) -> tuple[pd.DataFrame, str, str]:
    """Read a long stack from a .dta file: one of ours, or one that Stata keeps in the style flong.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    pandas.DataFrame
        Columns of which all values have labels are categories.
    imputation, row : str
        Columns that number imputations and rows.

    Raises
    ------
    ExchangeError
        If it cannot be read or is not such a file.
    """
    try:
        with pd.io.stata.StataReader(path, convert_categoricals=False) as reader:
            frame, labels = reader.read(), reader.value_labels()
            # Which set of labels a column has, pandas tells nowhere else.
            sets = dict(zip(frame.columns, reader._lbllist, strict=True))
    except Exception as error:
        raise ExchangeError(f"The file {path} cannot be read: {error}") from error
    names = next((pair for pair in (STATA, OURS) if set(pair) <= set(frame.columns)), None)
    if names is None:
        raise ExchangeError(
            f"{path} has neither the columns {STATA} nor {OURS}. In Stata: mi convert flong, then save. Columns: "
            f"{some(map(repr, frame.columns), 20)}."
        )
    columns = {name: decode(frame[name], labels.get(sets[name], {})) for name in frame.columns if name != "_mi_miss"}
    return pd.DataFrame(columns), *names


def _is_name(name: str) -> bool:
    is_word = name in _RESERVED or re.fullmatch(r"str\d+", name) is not None
    return _NAME.fullmatch(name) is not None and not is_word and not name.startswith("_mi_")


def _long_texts(values: pd.DataFrame) -> list[str]:
    """Texts that are too long for columns of one width."""
    texts = [name for name in values.columns if pd.api.types.is_object_dtype(values[name].dtype)]
    return [name for name in texts if values[name].str.encode("utf-8").str.len().max() > 2045]

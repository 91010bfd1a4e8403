"""A folder that R can read: a long stack as CSV, and a script that gives columns the types they had and makes an object."""

from pathlib import Path

import pandas as pd

from jmimpute.errors import ExchangeError
from jmimpute.names import LONG_IMPUTATION, LONG_ROW
from jmimpute.table.kinds import CATEGORIES, MOMENTS, NUMBERS, TEXTS, TRUTH, kind

STACK, SCRIPT = "long.csv", "read.R"
#: The largest whole number that R keeps as an integer.
LARGEST = 2**31 - 1

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write_folder(stack: pd.DataFrame, path: str | Path, what: str, make: str) -> None:
    """Write the files.

    Parameters
    ----------
    stack : pandas.DataFrame
        Long, with imputation 0.
    path : str or Path
        Folder, made if it is not there.
    what : str
        What the script makes, for its first line.
    make : str
        R code that makes `imputations` of the data frame `long`.

    Raises
    ------
    ExchangeError
        If a column cannot be written.
    """
    folder = Path(path)
    columns = {name: _as_text(stack[name]) for name in stack.columns}
    mark = _missing_mark([column for column in columns.values() if kind(column) == TEXTS])
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(folder / STACK, index=False, na_rep=mark, encoding="utf-8", lineterminator="\n")
    (folder / SCRIPT).write_text(_script(stack, mark, what, make), encoding="ascii")


def quoted(text: str) -> str:
    r"""Write a text as R reads it whatever its locale: in ASCII, other characters as ``\u`` escapes.

    Parameters
    ----------
    text : str
    """
    return '"' + "".join(_ESCAPES.get(letter) or _escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 32 <= code < 127:
        return letter
    return f"\\u{{{code:x}}}" if code < 2**16 else f"\\U{{{code:x}}}"


def _as_text(column: pd.Series) -> pd.Series:
    """A column as it stands in the file: numbers to the last bit, everything else as text."""
    match kind(column):
        case "numbers":
            return column if _is_whole(column) else column.astype(float)
        case "truth values":
            return column.map({True: "TRUE", False: "FALSE"}, na_action="ignore")
        case "categories":
            labels = [str(label) for label in column.cat.categories]
            if len(set(labels)) < len(labels):
                raise ExchangeError(f"Categories of {column.name!r} are alike when written as texts: {labels}. Rename them.")
            return column.cat.rename_categories(labels).astype("str")
        case "dates":
            moments = pd.to_datetime(column, utc=True)
            return moments.dt.strftime("%Y-%m-%d" if _is_day(column) else "%Y-%m-%dT%H:%M:%S.%f").astype("str")
        case "texts":
            return column.astype("str")
        case other if column.isna().all():
            return column.astype(float)
        case other:
            raise ExchangeError(f"Column {column.name!r} holds {other}, which R has no column for. Convert or drop it.")


def _script(stack: pd.DataFrame, mark: str, what: str, make: str) -> str:
    """R code that reads the stack."""
    m = int(stack[LONG_IMPUTATION].max())
    n_rows = int(stack[LONG_ROW].max()) + 1
    classes = ", ".join(quoted(_class(stack[name])) for name in stack.columns)
    names = ", ".join(quoted(name) for name in stack.columns)
    lines = [
        f"# {m} imputations of {n_rows} rows, written by jmimpute. In R, with the path of this file:",
        '#   source("read.R", chdir = TRUE)',
        f"# `imputations` is then {what}, and `long` the stack with the original table as .imp == 0.",
        f'long <- read.csv({quoted(STACK)}, check.names = FALSE, encoding = "UTF-8", na.strings = {quoted(mark)},',
        f"  colClasses = c({classes}))",
        f"names(long) <- c({names})",
        *(line for name in stack.columns for line in _restoring(stack[name])),
        make,
    ]
    return "\n".join(lines) + "\n"


def _class(column: pd.Series) -> str:
    """What R reads a column as."""
    holds = kind(column)
    if holds == TRUTH:
        return "logical"
    if holds in (CATEGORIES, TEXTS, MOMENTS):
        return "character"
    return "integer" if holds == NUMBERS and _is_whole(column) and column.abs().max() <= LARGEST else "numeric"


def _restoring(column: pd.Series) -> list[str]:
    """R code that gives a column its type."""
    place = f"long[[{quoted(str(column.name))}]]"
    match kind(column):
        case "categories":
            labels = ", ".join(quoted(str(label)) for label in column.cat.categories)
            return [f"{place} <- factor({place}, levels = c({labels}), ordered = {str(column.cat.ordered).upper()})"]
        case "dates" if _is_day(column):
            return [f"{place} <- as.Date({place})"]
        case "dates":
            return [f'{place} <- as.POSIXct({place}, format = "%Y-%m-%dT%H:%M:%OS", tz = "UTC")']
        case _:
            return []


def _is_whole(column: pd.Series) -> bool:
    return pd.api.types.is_integer_dtype(column.dtype)


def _is_day(column: pd.Series) -> bool:
    """Whether dates have no time of the day."""
    moments = pd.to_datetime(column).dropna()
    return moments.dt.tz is None and bool((moments == moments.dt.normalize()).all())


def _missing_mark(columns: list[pd.Series]) -> str:
    """What stands for a missing cell: NA, or more underscores than any text has behind its NA."""
    mark = "NA"
    while any(column.eq(mark).any() for column in columns):
        mark += "_"
    return mark

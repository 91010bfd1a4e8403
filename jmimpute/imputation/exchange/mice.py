"""For mice: a folder from which R makes a mids object."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from jmimpute.imputation.exchange.naming import check_names, renamed
from jmimpute.imputation.exchange.r import write_folder

_RESERVED = {
    *("if", "else", "repeat", "while", "function", "for", "in", "next", "break"),
    *("TRUE", "FALSE", "NULL", "Inf", "NaN", "NA"),
}
_RULE = "names have letters, digits, dots and underscores, begin with a letter, and are no words of R, to stand in formulas"


def write_mice(stack: pd.DataFrame, path: str | Path, rename: Mapping[str, str] | None = None) -> None:
    """Write imputations for the R package mice.

    Parameters
    ----------
    stack : pandas.DataFrame
        Long, with imputation 0.
    path : str or Path
        Folder, made if it is not there.
    rename : mapping of str to str, optional
        Names that mice takes, by column.

    Raises
    ------
    ExchangeError
        If a name or a column is none that mice can have.
    """
    frame = renamed(stack, rename)
    check_names(frame, _is_name, "mice", _RULE)
    write_folder(frame, path, "a mids object of the package mice", "imputations <- mice::as.mids(long)")


def _is_name(name: str) -> bool:
    return name[:1].isalpha() and name.replace(".", "_").isidentifier() and name not in _RESERVED

"""Columns under the names that another program takes; none is changed unasked."""

from collections.abc import Callable, Mapping

import pandas as pd

from jmimpute.errors import ExchangeError, some
from jmimpute.names import LONG_IMPUTATION, LONG_ROW


def renamed(stack: pd.DataFrame, rename: Mapping[str, str] | None) -> pd.DataFrame:
    """Give columns other names.

    Parameters
    ----------
    stack : pandas.DataFrame
    rename : mapping of str to str, optional

    Raises
    ------
    ExchangeError
        If there is no such column, or two would have the same name.
    """
    unknown = [name for name in rename or {} if name not in stack]
    if unknown:
        raise ExchangeError(f"rename names {unknown[0]!r}, which is not a column: {some(map(repr, stack.columns), 20)}.")
    named = stack.rename(columns=dict(rename or {}))
    if named.columns.has_duplicates:
        raise ExchangeError(f"rename gives two columns the name {named.columns[named.columns.duplicated()][0]!r}. Give others.")
    return named


def check_names(frame: pd.DataFrame, is_good: Callable[[str], bool], program: str, rule: str) -> None:
    """Refuse names that a program does not take.

    Parameters
    ----------
    frame : pandas.DataFrame
    is_good : callable
        Whether it takes a name.
    program : str
    rule : str
        What names it takes, for the message.

    Raises
    ------
    ExchangeError
        If it does not take some.
    """
    bad = [name for name in frame.columns if name not in (LONG_IMPUTATION, LONG_ROW) and not is_good(name)]
    if bad:
        raise ExchangeError(
            f"{program} cannot have columns named {some(map(repr, bad))}: {rule}. Give others: rename={{{bad[0]!r}: ...}}."
        )

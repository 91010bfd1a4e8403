"""Columns for SPSS and Stata, which know numbers with labels, texts and dates only, and back."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.errors import ExchangeError, some
from jmimpute.table.kinds import kind

#: Beyond it decimals do not hold all whole numbers.
LARGEST = 2**53
TRUTH_LABELS = {0: "False", 1: "True"}


@dataclass(frozen=True)
class Coded:
    """A column of numbers, texts or dates.

    Attributes
    ----------
    values : pandas.Series
    labels : dict of int to str
        Of the numbers that are categories; empty if there are none.
    measure : {"nominal", "ordinal", "scale"}
        What SPSS calls it.
    """

    values: pd.Series
    labels: dict[int, str]
    measure: str


def code(column: pd.Series) -> Coded:
    """Write a column in numbers, texts or dates.

    Parameters
    ----------
    column : pandas.Series

    Returns
    -------
    Coded
        Categories are numbered from 1, unless they are whole numbers themselves; truth values are 0 and 1.

    Raises
    ------
    ExchangeError
        If it holds what these programs have no column for.
    """
    match kind(column):
        case "numbers":
            return Coded(_numbers(column), {}, "scale")
        case "truth values":
            return Coded(column.astype("Int8").astype(float), dict(TRUTH_LABELS), "nominal")
        case "categories":
            return _coded_categories(column)
        case "texts":
            empty = np.flatnonzero(column == "")
            if empty.size:
                raise ExchangeError(
                    f"Column {column.name!r} has empty texts, {empty.size} in the stack of imputations, which SPSS and Stata "
                    "do not tell from missing ones. Replace them before imputing."
                )
            return Coded(column.astype(object).where(column.notna(), ""), {}, "nominal")
        case "dates":
            return Coded(pd.to_datetime(column).dt.tz_localize(None), {}, "scale")
        case _ if column.isna().all():
            return Coded(column.astype(float), {}, "scale")
        case other:
            raise ExchangeError(f"Column {column.name!r} holds {other}, which SPSS and Stata do not know. Convert or drop it.")


def decode(column: pd.Series, labels: Mapping[float, str], ordered: bool = False) -> pd.Series:
    """Make categories, or truth values, of numbers that have labels.

    Parameters
    ----------
    column : pandas.Series
    labels : mapping of number to str
        Columns of which some numbers only have labels stay numbers.
    ordered : bool

    Returns
    -------
    pandas.Series
        Categories in the order of their numbers, unused ones too. Labels that repeat their numbers, as ``1: "1"``, give
        categories that are numbers.

    Raises
    ------
    ExchangeError
        If two numbers have the same label.
    """
    found = dict(sorted(labels.items()))
    if kind(column) == "texts":
        return column.where(column != "")
    if not found or not column.dropna().isin(list(found)).all():
        return column
    if found == TRUTH_LABELS:
        return column.astype("boolean") if column.isna().any() else column.astype(bool)
    texts = list(found.values())
    if len(set(texts)) < len(texts):
        raise ExchangeError(f"Two values of {column.name!r} have the same label: {some(map(repr, texts), 20)}. Change one.")
    names = [int(number) for number in found] if texts == [str(int(number)) for number in found] else texts
    codes = column.map({number: k for k, number in enumerate(found)}).fillna(-1).astype(int)
    return pd.Series(pd.Categorical.from_codes(codes, names, ordered=ordered), column.index, name=column.name)


def _numbers(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_integer_dtype(column.dtype):
        values = column.astype(float)
    elif column.abs().max() > LARGEST:
        raise ExchangeError(f"Column {column.name!r} has whole numbers beyond 2^53, which are not kept. Convert it to text.")
    else:
        values = column.astype(float) if column.isna().any() or column.abs().max() >= 2**31 - 100 else column.astype(np.int32)
    if np.isinf(values).any():
        raise ExchangeError(f"Column {column.name!r} has infinite values, which SPSS and Stata do not know. Replace them.")
    return values


def _coded_categories(column: pd.Series) -> Coded:
    names = column.cat.categories.tolist()
    measure = "ordinal" if column.cat.ordered else "nominal"
    whole = all(type(name) is int and abs(name) < 2**31 - 100 for name in names)
    numbers = names if whole else list(range(1, len(names) + 1))
    labels = dict(zip(numbers, map(str, names), strict=True))
    codes = pd.Series(np.array([*numbers, np.nan])[column.cat.codes], column.index, name=column.name)
    return Coded(codes, labels, measure)

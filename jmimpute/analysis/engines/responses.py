"""The left-hand side of an analysis: numbers, 0 and 1, or codes of categories, by family."""

import numpy as np
import pandas as pd

from jmimpute.errors import AnalysisError, some
from jmimpute.specification.design import design

ORDERED = ("ordinal", "ordinal-probit")
NOMINAL = "nominal"

#: A response with more categories than this was given the wrong family.
MOST_CATEGORIES = 50


def read_response(text: str, table: pd.DataFrame, family: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Evaluate the response of a formula.

    Parameters
    ----------
    text : str
        One term: a column, perhaps in backquotes, or a call.
    table : pandas.DataFrame, n_rows rows
        Complete in the columns named.
    family : str

    Returns
    -------
    y : ndarray, shape (n_rows,)
        Codes from 0 for a response of categories.
    categories : tuple of str
        Of such a response, in order; none for others.

    Raises
    ------
    AnalysisError
        If the values do not fit the family.
    """
    if family in (*ORDERED, NOMINAL):
        return _categories(text, table, family)
    return _numbers(text, table, family), ()


def _categories(text: str, table: pd.DataFrame, family: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes and labels of a response of categories. Numbers and truth values are in their order."""
    column = text.strip("`")
    values = pd.Series(table[column]) if column in table.columns else pd.Series(_evaluated(text, table))
    dtype = values.dtype
    number = pd.api.types.is_numeric_dtype(dtype)
    if family in ORDERED and not number and not (isinstance(dtype, pd.CategoricalDtype) and dtype.ordered):
        raise AnalysisError(
            f"The response {text!r} is {dtype}, which has no order. A response of family {family!r} is a number or an ordered "
            f"categorical: table[{column!r}].astype(pandas.CategoricalDtype(['low', 'medium', 'high'], ordered=True))."
        )
    coded = values.astype("category").cat
    counts = np.bincount(coded.codes, minlength=len(coded.categories))
    if len(counts) < 2 or len(counts) > MOST_CATEGORIES:
        raise AnalysisError(
            f"The response {text!r} has {len(counts)} categories. A response of family {family!r} has 2 to {MOST_CATEGORIES}."
        )
    if (counts == 0).any():
        raise AnalysisError(
            f"The response {text!r} has categories that do not occur: {some(coded.categories[counts == 0])}. Drop or join them "
            "before imputing, or give a function that joins them."
        )
    return coded.codes.to_numpy().astype(np.int64), tuple(str(category) for category in coded.categories)


def _numbers(text: str, table: pd.DataFrame, family: str) -> np.ndarray:
    """Numbers as they are, and 0 or 1 of a binary response, shape (n_rows,)."""
    column = text.strip("`")
    y = _as_numbers(pd.Series(table[column]), family) if column in table.columns else _evaluated(text, table)
    if not np.isfinite(y).all():
        raise AnalysisError(f"The response {text!r} is not finite in {int((~np.isfinite(y)).sum())} rows.")
    if family == "binomial" and not (np.isin(y, [0, 1]).all() and y.min() < y.max()):
        raise AnalysisError(
            f"The response {text!r} has the values {some(np.unique(y))}. A binomial response has the two values 0 and "
            "1, or two categories."
        )
    if family == "poisson" and (y < 0).any():
        raise AnalysisError(f"The response {text!r} is negative in {int((y < 0).sum())} rows. A poisson response counts.")
    return y


def _evaluated(text: str, table: pd.DataFrame) -> np.ndarray:
    """A call such as ``log(y)``, shape (n_rows,)."""
    evaluated = design(f"0 + {text}", table)
    if len(evaluated.names) != 1:
        raise AnalysisError(f"The response {text!r} makes {len(evaluated.names)} columns. It must be one column of numbers.")
    return evaluated.matrix[:, 0]


def _as_numbers(column: pd.Series, family: str) -> np.ndarray:
    """Take a column of numbers as it is; for a binomial model, also turn the second of two categories into 1."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float)
    if family != "binomial":
        raise AnalysisError(f"The response {column.name!r} is {column.dtype}. A {family} response must be numbers.")
    categories = column.astype("category").cat.categories
    if len(categories) != 2:
        raise AnalysisError(
            f"The response {column.name!r} has {len(categories)} categories ({some(categories)}). A binomial response "
            f"has two: compare it in the formula, as in 'I({column.name} == \"{categories[0]}\")'."
        )
    return (column == categories[1]).to_numpy(dtype=float)

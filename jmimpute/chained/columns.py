"""Columns as chained equations see them: numbers or codes of categories, their kind and level, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jmimpute.chained.methods import BINARY, COUNT, NOMINAL, NUMBER, ORDINAL
from jmimpute.errors import TableError
from jmimpute.specification import families
from jmimpute.specification.advice.columns import TEXT, look
from jmimpute.specification.variables import encode, resolve
from jmimpute.table.clusters import Clusters
from jmimpute.table.columns import numeric


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes
    ----------
    name : str
    values : ndarray, shape (n_rows,)
        Numbers, or positions in `levels`; NaN for missing cells.
    kind : {"number", "count", "binary", "nominal", "ordinal"}
        Whole numbers that are not negative are counts.
    levels : tuple
        Observed categories, in order; empty for numbers.
    level : int
        2 if observed values never differ within a cluster.
    """

    name: str
    values: np.ndarray
    kind: str
    levels: tuple
    level: int

    @cached_property
    def observed(self) -> np.ndarray:
        """Where it is observed, shape (n_rows,)."""
        return ~np.isnan(self.values)

    @property
    def is_incomplete(self) -> bool:
        """Whether any cell is missing."""
        return not self.observed.all()

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Categories as an array, truth values as such and others as objects; None for numbers."""
        if not self.levels:
            return None
        return np.array(self.levels, dtype=bool if all(isinstance(level, bool) for level in self.levels) else object)

    def decoded(self, values: np.ndarray) -> np.ndarray:
        """Values of this column as the analyst writes them: numbers, truth values or labels.

        Parameters
        ----------
        values : ndarray, shape (n_rows,)
            Complete, as in `values`.
        """
        return values if self.labels is None else self.labels[values.astype(np.int64)]


def as_column(series: pd.Series, clusters: Clusters, binary: bool = False) -> Column:
    """Encode a column that varies.

    Parameters
    ----------
    series : pandas.Series, n_rows
    clusters : Clusters
        Of the same rows.
    binary : bool
        Take numbers with two values as categories.

    Returns
    -------
    Column

    Raises
    ------
    TableError
        If it holds neither numbers nor categories, no value or one value only, or infinite numbers.
    """
    seen, name = look(series, clusters), str(series.name)
    if seen.n_values == 1:
        (value,) = series.dropna().iloc[:1].tolist()
        raise TableError(
            f"Column {name!r} is constant: all its observed values are {value!r}. Leave it out of the "
            "predictors; if it is incomplete, fill its missing cells by that value if this is right."
        )
    if seen.kind == NUMBER and not binary:
        values = numeric(series.to_frame(), name)
        is_count = seen.is_whole and np.nanmin(values) >= 0
        return Column(name, values, COUNT if is_count else NUMBER, (), seen.level)
    said = families.binary() if binary else families.nominal() if seen.kind == TEXT else None
    (variable,) = resolve(series.to_frame(), [name], {} if said is None else {name: said})
    codes = encode(series, variable).astype(float)
    kinds = {families.BINARY: BINARY, families.NOMINAL: NOMINAL, families.ORDINAL: ORDINAL}
    return Column(name, np.where(codes < 0, np.nan, codes), kinds[variable.family], variable.levels, seen.level)


def unusable(series: pd.Series, most: int) -> str | None:
    """Say why a column is no predictor unless it is asked for; None if it is one.

    Parameters
    ----------
    series : pandas.Series
    most : int
        Categories that a predictor may have.
    """
    observed = series.dropna()
    content = pd.api.types.infer_dtype(observed, skipna=True)
    is_categorical = isinstance(series.dtype, pd.CategoricalDtype)
    numbers = ("integer", "floating", "mixed-integer-float")
    if not is_categorical and content not in (*numbers, "string", "boolean"):
        return "holds neither numbers nor categories"
    n_values = observed.nunique()
    if n_values < 2:
        return "does not vary"
    if content == "integer" and n_values == len(series):
        return "numbers the rows"
    if (is_categorical or content == "string") and n_values > most:
        return f"has more than {most} categories"
    return None


def dummies(column: Column, values: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    """Columns of a design matrix for a predictor: itself, or one for each category but the first, named as formulae does.

    Parameters
    ----------
    column : Column
    values : ndarray, shape (n_rows,)
        Its completed values.

    Returns
    -------
    names : list of str
    parts : list of ndarray, shape (n_rows,)
    """
    if not column.levels:
        return [column.name], [values]
    others: Sequence = range(1, len(column.levels))
    return [f"{column.name}[{column.levels[k]}]" for k in others], [(values == k).astype(float) for k in others]

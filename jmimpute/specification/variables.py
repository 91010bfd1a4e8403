"""Response columns: which family each has, its categories, and its cells as codes and coordinates."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError, TableError, options, some
from jmimpute.specification.families import BINARY, FAMILIES, GAUSSIAN, NOMINAL, ORDINAL, Family, Variable
from jmimpute.table.columns import numeric

#: Nominal categories that a model can have; from MANY on a printed model says what they cost.
MOST_CATEGORIES, MANY = 20, 8


def resolve(frame: pd.DataFrame, responses: Sequence[str], families: Mapping[str, str | Family]) -> tuple[Variable, ...]:
    """Decide the family and the categories of every response.

    Parameters
    ----------
    frame : pandas.DataFrame
    responses : sequence of str
    families : mapping of str to str or Family
        Said by the analyst; `jmimpute.specification.families` says what the others are.

    Returns
    -------
    tuple of Variable

    Raises
    ------
    FormulaError, TableError
        For a family that does not exist or does not fit the column.
    """
    variables: list[Variable] = []
    first = 0
    for name in responses:
        variables.append(replace(_variable(frame[name], families.get(name)), first=first))
        first += variables[-1].width
    _check_size(variables)
    _check_labels(variables)
    return tuple(variables)


def encode(series: pd.Series, variable: Variable) -> np.ndarray:
    """Categories of a column as positions in `Variable.levels`, -1 for missing cells; all -1 for a gaussian response.

    Parameters
    ----------
    series : pandas.Series, n_rows
    variable : Variable

    Returns
    -------
    ndarray of int, shape (n_rows,)
    """
    if not variable.is_latent:
        return np.full(len(series), -1, dtype=np.int64)
    return _codes(series, variable.levels)


def coordinates(series: pd.Series, variable: Variable) -> np.ndarray:
    """Columns of the response matrix: the numbers of a gaussian response; for latents 0 where the category is observed.

    Parameters
    ----------
    series : pandas.Series, n_rows
    variable : Variable

    Returns
    -------
    ndarray, shape (n_rows, width)
        NaN for missing cells.

    Raises
    ------
    TableError
        If a gaussian response is not a column of finite numbers.
    """
    if not variable.is_latent:
        return numeric(series.to_frame(variable.name), variable.name)[:, None]
    return np.where(series.isna().to_numpy()[:, None], np.nan, np.zeros((len(series), variable.width)))


def shown(level: Any) -> str:
    """Write a category for a text: whole numbers without a decimal point, as CSV files have them.

    Parameters
    ----------
    level : str, bool, int or float
    """
    return str(int(level)) if isinstance(level, float) and level.is_integer() else repr(level)


def _variable(series: pd.Series, said: Any) -> Variable:
    """The variable of a column, at first coordinate 0."""
    name = str(series.name)
    family = _inferred(series) if said is None else _said(name, said)
    if family.kind == GAUSSIAN:
        return Variable(name, GAUSSIAN, 0)
    levels = _found(series, family) if family.levels is None else family.levels
    counts = np.bincount(_codes(series, levels) + 1, minlength=len(levels) + 1)[1:]
    observed = tuple(level for level, count in zip(levels, counts, strict=True) if count)
    unused = [level for level, count in zip(levels, counts, strict=True) if not count]
    if isinstance(series.dtype, pd.CategoricalDtype):
        unused += [level for level in _plain(series.dtype.categories) if _key(level) not in map(_key, levels)]
    _check_count(name, family, observed, int(counts.sum()), len(series))
    kind = BINARY if len(observed) == 2 else family.kind
    if kind == ORDINAL:
        return Variable(name, ORDINAL, 0, observed, unused=tuple(unused))
    return Variable(name, kind, 0, observed, _reference(name, kind, family, observed), tuple(unused))


def _inferred(series: pd.Series) -> Family:
    if isinstance(series.dtype, pd.CategoricalDtype):
        return Family(ORDINAL if series.cat.ordered else NOMINAL)
    # Truth values with missing cells arrive as objects, so that the dtype alone does not tell.
    content = pd.api.types.infer_dtype(series, skipna=True)
    if content == "string":
        raise TableError(
            f"Response {series.name!r} holds texts (type {series.dtype}), such as "
            f"{some(map(repr, series.dropna().unique()), 3)}. If they are categories, say so by "
            f"families={{{series.name!r}: 'nominal'}}, or 'binary' or 'ordinal', or make the column a categorical one "
            "(astype('category')). If they are numbers, convert it (pandas.to_numeric) and see what does not convert."
        )
    return Family(BINARY if content == "boolean" else GAUSSIAN)


def _said(name: str, said: Any) -> Family:
    """What the analyst said about a response, checked as far as that is possible without the column."""
    family = Family(said) if isinstance(said, str) else said
    if not isinstance(family, Family):
        raise FormulaError(
            f"The family of {name!r} must be {options(FAMILIES)}, or made by a function such as jm.families.nominal(), not "
            f"{said!r}."
        )
    if family.kind not in FAMILIES:
        raise FormulaError(f"The family of {name!r} is {family.kind!r}; available: {options(FAMILIES)}.")
    if family.kind == GAUSSIAN and (family.levels is not None or family.reference is not None):
        raise FormulaError(f"The family of {name!r} is 'gaussian', which has no levels and no reference. Leave them out.")
    if family.kind == ORDINAL and family.reference is not None:
        raise FormulaError(f"The family of {name!r} is 'ordinal', which has no reference: the order of the levels says all.")
    return family if family.levels is None else replace(family, levels=_checked(name, family.levels))


def _checked(name: str, levels: Any) -> tuple:
    """Levels that the analyst gave, as plain values."""
    if not isinstance(levels, tuple):
        raise FormulaError(f"The levels of {name!r} must be a sequence such as ['no', 'yes'], not {levels!r}.")
    plain = tuple(_plain(levels))
    if not plain or not all(map(_is_label, plain)):
        wrong = next((level for level in plain if not _is_label(level)), levels)
        raise FormulaError(f"The levels of {name!r} must be texts, truth values or numbers, none missing, not {wrong!r}.")
    keys = list(map(_key, plain))
    repeated = [level for level in plain if keys.count(_key(level)) > 1]
    if repeated:
        raise FormulaError(f"The levels of {name!r} name {repeated[0]!r} more than once: {some(map(repr, plain), 20)}.")
    return plain


def _found(series: pd.Series, family: Family) -> tuple:
    """Categories of the data, in the order of the dtype or sorted."""
    is_categorical = isinstance(series.dtype, pd.CategoricalDtype)
    try:
        labels = _plain(series.dtype.categories if is_categorical else series.dropna().unique())
    except TypeError:  # lists and the like
        labels = _plain(series.dropna())
    kinds = {type(label) for label in labels}
    if not all(map(_is_label, labels)) or (len(kinds) > 1 and kinds != {int, float}):
        raise TableError(
            f"Response {series.name!r} is to have categories but holds values of type(s) {_names(kinds)}, such as "
            f"{some(map(repr, labels), 3)}. Categories must be texts, truth values or finite numbers, all of one type: convert "
            "them to texts."
        )
    if family.kind == ORDINAL and str in kinds and len(labels) > 2 and not (is_categorical and series.cat.ordered):
        raise TableError(
            f"Response {series.name!r} is to be ordinal, but the order of its categories {some(map(repr, sorted(labels)), 20)} "
            f"is not known. Give them from low to high: families={{{series.name!r}: jm.families.ordinal(levels=[...])}}, or "
            "make the column an ordered categorical one."
        )
    return tuple(labels) if is_categorical else tuple(sorted(labels))


def _codes(series: pd.Series, levels: tuple) -> np.ndarray:
    """Positions of the cells of a column in the levels, -1 for missing cells; other values are refused."""
    place = {_key(level): k for k, level in enumerate(levels)}
    present = series.notna().to_numpy()
    codes = np.full(len(series), -1, dtype=np.int64)
    values = _plain(series[present].tolist())
    codes[present] = [place.get(_key(value), -1) if _is_label(value) else -1 for value in values]
    unseen = np.flatnonzero(present & (codes < 0))
    if unseen.size:
        wrong = dict.fromkeys(repr(values[place]) for place in np.flatnonzero(codes[present] < 0))
        raise TableError(
            f"Column {series.name!r} holds {some(wrong, 3)} in {unseen.size} row(s), counted from 0: {some(unseen)}; its "
            f"levels are {some(map(shown, levels), 20)}. Correct these cells, or add what is right to the levels."
        )
    return codes


def _check_count(name: str, family: Family, observed: tuple, n_observed: int, n_rows: int) -> None:
    """There are at least two observed categories, and no more than two of a binary response."""
    if not observed:
        raise TableError(f"Response {name!r} has no observed value in any of the {n_rows} rows. Drop it from the formula.")
    if len(observed) == 1:
        raise TableError(
            f"Response {name!r} is constant: all {n_observed} observed values are {shown(observed[0])}. A constant cannot be "
            "modelled; drop it from the formula and fill its missing cells by that value if this is right."
        )
    if family.kind == BINARY and len(observed) > 2:
        raise TableError(
            f"Response {name!r} is to be binary but has {len(observed)} categories: {some(map(shown, observed))}. Use the "
            "family 'nominal' or 'ordinal', or merge categories."
        )


def _reference(name: str, kind: str, family: Family, observed: tuple) -> int:
    """Position of the reference category among the observed ones."""
    if family.reference is None:
        return 0 if kind == BINARY else len(observed) - 1
    wanted = [k for k, level in enumerate(observed) if _key(level) == _key(*_plain([family.reference]))]
    if not wanted:
        raise FormulaError(
            f"The reference {family.reference!r} of {name!r} is not among its observed categories: choose {options(observed)}."
        )
    return wanted[0]


def _check_size(variables: list[Variable]) -> None:
    """No nominal response has more categories than can be estimated with any sense."""
    p = sum(variable.width for variable in variables)
    for variable in variables:
        if variable.family == NOMINAL and len(variable.levels) > MOST_CATEGORIES:
            raise TableError(
                f"Response {variable.name!r} has {len(variable.levels)} categories. A nominal response needs a latent normal "
                f"for each but one, here {variable.width}, with coefficients of their own, and the covariance matrix of all "
                f"{p} responses and latents has {p * (p + 1) // 2} elements. At most {MOST_CATEGORIES} categories are "
                "possible: merge rare ones, or give the column another family if its values are ordered or numbers."
            )


def _check_labels(variables: list[Variable]) -> None:
    """No latent is called like another response."""
    labels = [label for variable in variables for label in variable.coordinates]
    for variable in variables:
        taken = [label for label in variable.coordinates if labels.count(label) > 1]
        if variable.family == NOMINAL and taken:
            raise FormulaError(f"The latent {taken[0]!r} of {variable.name!r} has the name of another response. Rename that.")


def _plain(labels: Any) -> list:
    """Labels as Python values, not those of numpy."""
    return [label.item() if isinstance(label, np.generic) else label for label in labels]


def _is_label(label: Any) -> bool:
    """Whether a label can be written to a file and read again as what it was."""
    return isinstance(label, str | bool | int) or (isinstance(label, float) and np.isfinite(label))


def _key(label: Any) -> tuple[bool, Any]:
    """What identifies a label: 1 and 1.0 are the same, 1 and True are not."""
    return isinstance(label, bool), label


def _names(kinds: set[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))

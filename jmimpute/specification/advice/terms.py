"""The terms of a checked formula: ``sex * texp`` is sex, texp and their product."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError
from jmimpute.specification.design import design

#: What a residual may be, relative to what is explained, when one column is a linear combination of others.
TOLERANCE = 1e-8
# Names that formulae reads without backquotes.
_NAME = re.compile(r"[^\W\d][\w.]*")


@dataclass(frozen=True)
class Part:
    """A factor of a term.

    Attributes
    ----------
    text : str
        A column, with backquotes where it needs them, or a function of columns: ``log(age)``.
    columns : tuple of str
    is_function : bool
    """

    text: str
    columns: tuple[str, ...]
    is_function: bool = False

    @property
    def is_factor(self) -> bool:
        """Whether its values are taken as categories, by ``C()``."""
        return self.text.startswith("C(")


@dataclass(frozen=True)
class Term:
    """A term of a formula: a product of one or more parts.

    Attributes
    ----------
    parts : tuple of Part
    """

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The term as formula text."""
        return ":".join(part.text for part in self.parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of all parts, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.columns))

    @property
    def is_column(self) -> bool:
        """Whether it is a column as it is."""
        return len(self.parts) == 1 and not self.parts[0].is_function

    @property
    def is_product(self) -> bool:
        """Whether it has several parts."""
        return len(self.parts) > 1


def quoted(name: str) -> str:
    """Write a column name as a formula needs it.

    Parameters
    ----------
    name : str
    """
    return name if _NAME.fullmatch(name) else f"`{name}`"


def column_term(name: str) -> Term:
    """Make the term of a column.

    Parameters
    ----------
    name : str
    """
    return Term((Part(quoted(name), (name,)),))


def terms(side: str | None) -> tuple[Term, ...]:
    """Expand one side of a checked formula; the constant is no term.

    Parameters
    ----------
    side : str, optional
        `Formula.common` or `Formula.random`.

    Returns
    -------
    tuple of Term

    Raises
    ------
    FormulaError
        If formulae cannot read it.
    """
    if side is None:
        return ()
    from formulae import model_description

    try:
        found = model_description(side).terms
    except Exception as error:
        raise FormulaError(f"The formula part {side!r} cannot be read: {error}") from error
    return tuple(Term(tuple(map(_part, term.components))) for term in found if hasattr(term, "components"))


def has_intercept(side: str | None) -> bool:
    """Tell whether one side of a checked formula has the constant.

    Parameters
    ----------
    side : str, optional
    """
    if side is None:
        return False
    from formulae import model_description

    return any(not hasattr(term, "components") for term in model_description(side).terms)


def spans(side: str | None, text: str, frame: pd.DataFrame) -> bool:
    """Tell whether the columns of a term are linear combinations of those of a side of a formula.

    Parameters
    ----------
    side : str, optional
        Such as ``"1 + sex"``.
    text : str
        The term.
    frame : pandas.DataFrame, n_rows rows
        Complete in the columns that both name.

    Returns
    -------
    bool
    """
    if side is None:
        return False
    return is_combination(design(f"1 + {text}", frame).matrix[:, 1:], design(side, frame).matrix)


def is_combination(target: np.ndarray, basis: np.ndarray) -> bool:
    """Tell whether columns are linear combinations of others, but for rounding.

    Parameters
    ----------
    target : ndarray, shape (n, k)
    basis : ndarray, shape (n, q)
    """
    if not np.isfinite(target).all():
        return False
    fitted = basis @ np.linalg.lstsq(basis, target, rcond=None)[0]
    return bool(np.all(np.linalg.norm(target - fitted, axis=0) <= TOLERANCE * np.linalg.norm(target, axis=0)))


def _part(component: Any) -> Part:
    """A component of a term of formulae."""
    text = str(component.name)
    if type(component).__name__ == "Variable":
        return Part(quoted(text), (text,))
    # formulae counts constants among the names, as empty texts, and writes functions without the backquotes of their columns.
    columns = tuple(sorted(name for name in component.var_names if name))
    odd = sorted((name for name in columns if not _NAME.fullmatch(name)), key=len, reverse=True)
    if odd:
        text = re.sub("|".join(map(re.escape, odd)), lambda match: f"`{match[0]}`", text)
    return Part(text, columns, is_function=True)

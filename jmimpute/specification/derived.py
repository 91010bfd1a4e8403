"""Arithmetic of columns, such as ``weight / height**2``, evaluated without running code."""

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError, options, some
from jmimpute.specification.design import FUNCTIONS

_BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type, Callable] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_EQUAL: dict[type, Callable] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}
_ORDER: dict[type, Callable] = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}


def names_in(text: str) -> tuple[str, ...]:
    """Columns that an expression names.

    Parameters
    ----------
    text : str

    Raises
    ------
    FormulaError
        If it does not parse.
    """
    calls = {node.func for node in ast.walk(_tree(text)) if isinstance(node, ast.Call)}
    names = (node.id for node in ast.walk(_tree(text)) if isinstance(node, ast.Name))
    called = {node.id for node in calls if isinstance(node, ast.Name)}
    return tuple(dict.fromkeys(name for name in names if name not in called))


def evaluate(text: str, frame: pd.DataFrame) -> np.ndarray:
    """Evaluate an expression in every row.

    Parameters
    ----------
    text : str
        Columns, numbers, quoted texts, ``+ - * / // % **``, comparisons, parentheses, and the functions log, log1p, exp, sqrt
        and abs.
    frame : pandas.DataFrame, n_rows rows

    Returns
    -------
    ndarray of float or bool, shape (n_rows,)

    Raises
    ------
    FormulaError
        If it contains anything else, names no column or one that is not there, or computes with texts.
    """
    tree = _tree(text)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused afterwards, with its row
            values = _value(tree, text, frame)
    except OverflowError as error:
        raise FormulaError(f"The expression {text!r} has a number that is too large: {error}.") from error
    if not isinstance(values, np.ndarray):
        raise FormulaError(f"The expression {text!r} names no column.")
    if values.dtype == object:
        raise FormulaError(f"The expression {text!r} gives texts. Compare them, as in sex == 'girl', or use a function.")
    return values


def _tree(text: str) -> ast.AST:
    if not isinstance(text, str):
        raise FormulaError(f"An expression must be a text such as 'weight / height**2', not {text!r}.")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"The expression {text!r} does not parse: {error}") from error


def _value(node: ast.AST, text: str, frame: pd.DataFrame) -> Any:
    """Value of a part of an expression: an array, a number or a text."""
    match node:
        case ast.Constant(value=str() as value):
            return value
        case ast.Constant(value=bool() | int() | float() as value):
            return np.float64(value)
        case ast.Name(id=name):
            return _column(name, text, frame)
        case ast.BinOp(left, op, right) if type(op) in _BINARY:
            return _computed(_BINARY[type(op)], [left, right], text, frame)
        case ast.UnaryOp(op, operand) if type(op) in _UNARY:
            return _computed(_UNARY[type(op)], [operand], text, frame)
        case ast.Compare(left, [op], [right]) if type(op) in _ORDER:
            return _computed(_ORDER[type(op)], [left, right], text, frame)
        case ast.Compare(left, [op], [right]) if type(op) in _EQUAL:
            return _compared(_EQUAL[type(op)], [_value(side, text, frame) for side in (left, right)], text)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return _computed(FUNCTIONS[name], [argument], text, frame)
        case _:
            raise FormulaError(
                f"The expression {text!r} contains {ast.unparse(node)!r}. It may have columns, numbers, quoted texts, "
                f"+ - * / // % **, one comparison at a time, parentheses and {options(list(FUNCTIONS))} of one argument. For "
                "anything else give a function of the table."
            )


def _computed(function: Callable, parts: list[ast.expr], text: str, frame: pd.DataFrame) -> Any:
    """What a function gives of numbers."""
    values = [_value(part, text, frame) for part in parts]
    if any(isinstance(value, str) or value.dtype == object for value in values):
        raise FormulaError(f"The expression {text!r} computes with texts or categories: only == and != can have those.")
    return function(*(value + 0.0 for value in values))  # truth values count as 0 and 1


def _compared(function: Callable, sides: list, text: str) -> Any:
    """Whether two sides are equal, or not; a number is never compared with a text."""
    is_text = [isinstance(side, str) for side in sides]
    if any(is_text) and not all(said or side.dtype == object for said, side in zip(is_text, sides, strict=True)):
        raise FormulaError(f"The expression {text!r} compares numbers with a text.")
    return function(*sides)


def _column(name: str, text: str, frame: pd.DataFrame) -> np.ndarray:
    """Numbers or truth values of a column as numbers, everything else as objects."""
    if name not in frame:
        raise FormulaError(
            f"The expression {text!r} names {name!r}, which is not a column. Columns: {some(map(repr, frame.columns), 20)}."
        )
    column = frame[name]
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return column.to_numpy(dtype=float, na_value=np.nan)
    return column.to_numpy(dtype=object)

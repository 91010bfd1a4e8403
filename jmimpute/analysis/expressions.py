"""Expressions of estimates, such as ``fluent[1] * fluent[2] - 100``: read safely, evaluated with exact derivatives.

An expression is parsed into Python's syntax tree, of which only arithmetic, numbers, the estimates and three functions pass;
nothing in it is ever run as code.
"""

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jmimpute.errors import AnalysisError, some

_PLACEHOLDER = re.compile(r"_term(\d+)_")


@dataclass(frozen=True)
class _Dual:
    """A number and its gradient by the estimates."""

    value: float
    gradient: np.ndarray


@dataclass(frozen=True)
class Expression:
    """A function of k estimates.

    Attributes
    ----------
    text : str
        As the analyst wrote it.
    """

    text: str
    _tree: ast.expr
    _names: tuple[str, ...]

    def __call__(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """Evaluate at estimates.

        Parameters
        ----------
        values : ndarray, shape (k,)

        Returns
        -------
        value : float
        gradient : ndarray, shape (k,)
            By forward differentiation, so that it is exact.

        Raises
        ------
        AnalysisError
            If it is not defined there, such as the logarithm of a negative number.
        """
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused below
                result = _evaluate(self._tree, values)
        except (ArithmeticError, ValueError) as error:
            raise AnalysisError(f"The expression {self.text!r} is not defined at the estimates: {error}.") from error
        if not (math.isfinite(result.value) and np.isfinite(result.gradient).all()):
            raise AnalysisError(f"The expression {self.text!r} is not finite at the estimates.")
        return result.value, result.gradient


def read_expression(text: str, names: Sequence[str]) -> Expression:
    """Read an expression.

    Parameters
    ----------
    text : str
        Numbers, names, ``+ - * / **``, brackets and ``exp``, ``log``, ``sqrt``. A name of several words or signs, such as
        ``fluent[1]`` or ``ravens:sex``, is written as it is or, where this could be misread, in backquotes. With ``=`` or
        ``==`` it is the left side minus the right.
    names : sequence of str, length k
        The estimates.

    Returns
    -------
    Expression

    Raises
    ------
    AnalysisError
        If it does not parse, names no estimate, or one that is not there, or does what is not allowed.
    """
    if not isinstance(text, str) or not text.strip():
        raise AnalysisError(f"A constraint must be a text such as 'a - b', not {text!r}.")
    readable = _with_placeholders(text, tuple(names))
    sides = re.split(r"==?", readable)
    if len(sides) > 2:
        raise AnalysisError(f"The constraint {text!r} has more than one '='. Give several constraints as a list.")
    try:
        trees = [ast.parse(side.strip(), mode="eval").body for side in sides]
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise AnalysisError(
            f"The constraint {text!r} cannot be read. Names are {some(names, 30)}; write an odd one in backquotes."
        ) from error
    tree = trees[0] if len(trees) == 1 else ast.BinOp(trees[0], ast.Sub(), trees[1])
    try:
        _check(tree, text, tuple(names))
    except RecursionError as error:
        raise AnalysisError(f"The constraint {text[:40]!r}... is too long. Split it.") from error
    if not any(isinstance(node, ast.Name) and _PLACEHOLDER.fullmatch(node.id) for node in ast.walk(tree)):
        raise AnalysisError(f"The constraint {text!r} names no estimate. Names are {some(names, 30)}.")
    return Expression(text, tree, tuple(names))


def _with_placeholders(text: str, names: tuple[str, ...]) -> str:
    """Write ``_term0_`` for the first estimate, and so on, so that Python can parse the rest."""
    places = {name: f" _term{i}_ " for i, name in enumerate(names)}

    def quoted(match: re.Match[str]) -> str:
        if match[1] not in places:
            raise AnalysisError(f"There is no estimate {match[1]!r} in {text!r}. Names are {some(names, 30)}.")
        return places[match[1]]

    # The longest name wins: 'sex[girl]:age' is one estimate, not two. A name that goes on is another name.
    longest = sorted(places, key=len, reverse=True)
    plain = "|".join(rf"(?<![\w.:]){re.escape(name)}(?![\w.:\[(])" for name in longest)
    return re.sub(rf"`([^`]*)`|{plain}", lambda match: quoted(match) if match[0][0] == "`" else places[match[0]], text)


_FUNCTIONS: dict[str, Callable[[_Dual], _Dual]] = {
    "exp": lambda x: _Dual(math.exp(x.value), math.exp(x.value) * x.gradient),
    "log": lambda x: _Dual(math.log(x.value), x.gradient / x.value),
    "sqrt": lambda x: _Dual(math.sqrt(x.value), x.gradient / (2 * math.sqrt(x.value))),
}


def _power(base: _Dual, exponent: _Dual) -> _Dual:
    value = math.pow(base.value, exponent.value)
    gradient = np.zeros_like(base.gradient)
    if base.gradient.any():
        gradient = exponent.value * math.pow(base.value, exponent.value - 1) * base.gradient
    if exponent.gradient.any():
        gradient = gradient + value * math.log(base.value) * exponent.gradient
    return _Dual(value, gradient)


def _quotient(a: _Dual, b: _Dual) -> _Dual:
    value = float(a.value) / float(b.value)
    return _Dual(value, (a.gradient - value * b.gradient) / b.value)


_OPERATORS: dict[type[ast.AST], Callable[[_Dual, _Dual], _Dual]] = {
    ast.Add: lambda a, b: _Dual(a.value + b.value, a.gradient + b.gradient),
    ast.Sub: lambda a, b: _Dual(a.value - b.value, a.gradient - b.gradient),
    ast.Mult: lambda a, b: _Dual(a.value * b.value, a.value * b.gradient + b.value * a.gradient),
    ast.Div: _quotient,
    ast.Pow: _power,
}


def _check(node: ast.AST, text: str, names: tuple[str, ...]) -> None:
    """Refuse everything but arithmetic on the estimates."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        children: list[ast.AST] = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        children = [node.operand]
    elif isinstance(node, ast.Call) and _is_function(node):
        children = list(node.args)
    elif _is_number(node) or _place(node, len(names)) is not None:
        children = []
    else:
        raise AnalysisError(_refusal(node, text, names))
    for child in children:
        _check(child, text, names)


def _refusal(node: ast.AST, text: str, names: tuple[str, ...]) -> str:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return f"The constraint {text!r} contains '^'. Write a power as 'a ** 2'."
    found = _PLACEHOLDER.sub(lambda match: names[int(match[1])], ast.unparse(node))
    if isinstance(node, ast.Name | ast.Subscript):
        return f"There is no estimate {found!r} in {text!r}. Names are {some(names, 30)}."
    return f"The constraint {text!r} contains {found!r}. It may have names, numbers, + - * / **, exp, log and sqrt."


def _is_function(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and len(node.args) == 1 and not node.keywords


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _place(node: ast.AST, k: int) -> int | None:
    """Position of the estimate that a node names."""
    match = _PLACEHOLDER.fullmatch(node.id) if isinstance(node, ast.Name) else None
    return int(match[1]) if match is not None and int(match[1]) < k else None


def _evaluate(node: ast.AST, values: np.ndarray) -> _Dual:
    """Value and gradient of a checked tree."""
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.UnaryOp):
        inner, sign = _evaluate(node.operand, values), -1.0 if isinstance(node.op, ast.USub) else 1.0
        return _Dual(sign * inner.value, sign * inner.gradient)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](_evaluate(node.args[0], values))
    place = _place(node, len(values))
    if place is not None:
        return _Dual(float(values[place]), np.eye(len(values))[place])
    return _Dual(float(ast.literal_eval(node)), np.zeros(len(values)))

"""lme4-style formulas with several responses, split safely: ``english + ravens ~ sex + (1 + sex | school)``.

With ``||`` in place of ``|`` random effects of different columns are uncorrelated.

formulae parses; nothing here evaluates anything. The syntax tree is walked before a formula may reach an evaluator, since
formulae runs whatever code a formula names: only columns, operators and the functions listed in `FUNCTIONS` pass.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jmimpute.errors import FormulaError, meant, options, some

#: The transformations a formula may call.
FUNCTIONS = (
    *("log", "log1p", "exp", "sqrt", "abs", "I", "C", "center", "scale", "standardize", "poly", "bs"),
    *("Treatment", "Sum"),
)

# Quoted names and texts, within which anything goes, or the bars that are looked for.
_QUOTED_OR_BARS = re.compile(r"""`[^`]*`|"[^"]*"|'[^']*'|\|\|""")


@dataclass(frozen=True)
class Formula:
    """One formula, split into its sides.

    Attributes
    ----------
    text : str
        As the analyst wrote it.
    responses : tuple of str
        What stands left of ``~``, one entry a term; a quoted name has its backquotes.
    common : str
        Fixed part of the right-hand side, with an explicit intercept (``"1 + sex"``).
    random : str or None
        Random part, left of ``|`` (``"1 + sex"``); None without a grouping term.
    cluster : str or None
        Column right of ``|``.
    columns : tuple of str
        Columns named on the right-hand side, the cluster not included.
    uncorrelated : bool
        Whether the grouping term has ``||``.
    """

    text: str
    responses: tuple[str, ...]
    common: str
    random: str | None
    cluster: str | None
    columns: tuple[str, ...]
    uncorrelated: bool = False


def parse(text: str, available: Sequence[str], allow_uncorrelated: bool = False) -> Formula:
    """Parse and check one formula.

    Parameters
    ----------
    text : str
        For example ``"english + ravens ~ sex + (1 + sex | school)"``.
    available : sequence of str
        Columns of the table.
    allow_uncorrelated : bool
        Whether the grouping term may have ``||``.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If the formula does not parse, names an unknown column, calls a function that is not listed, or has more than one
        grouping term.
    """
    readable, uncorrelated = _with_single_bars(text, allow_uncorrelated)
    tree = _tree(text, readable)
    if _kind(tree) != "Binary" or tree.operator.lexeme != "~":
        raise FormulaError(
            f"The formula {text!r} has no '~'. Write the incomplete variables left of it and their covariates right of it, "
            "for example 'english + ravens ~ sex + (1 | school)'."
        )
    responses = _responses(tree.left, text, available)
    terms = list(_signed_summands(tree.right))
    groups = [(sign, term.expression) for sign, term in terms if _is_group(term)]
    fixed = [(sign, term) for sign, term in terms if not _is_group(term)]
    for _, term in fixed:
        _check(term, text, available)
    random, cluster, random_columns = _grouping(groups, text, available)
    columns = dict.fromkeys([*(name for _, term in fixed for name in _variables(term)), *random_columns])
    common = "".join(f" {sign} {_source(term)}" for sign, term in fixed).removeprefix(" + ")
    return Formula(text, responses, common, random, cluster, tuple(columns), uncorrelated)


def without_crossed(text: str, available: Sequence[str], cluster: str | None) -> tuple[Formula, tuple[str, ...]]:
    """Parse a formula that may have crossed grouping terms, ``(1 | interviewer)``, beside that of the model.

    Parameters
    ----------
    text : str
    available : sequence of str
        Columns of the table.
    cluster : str, optional
        Column of the grouping term that is not crossed.

    Returns
    -------
    formula : Formula
        Without the crossed terms.
    crossed : tuple of str
        Their columns.

    Raises
    ------
    FormulaError
        See `parse`; also if a crossed term has more than an intercept.
    """
    readable, _ = _with_single_bars(text, False)
    tree = _tree(text, readable)
    if _kind(tree) != "Binary" or tree.operator.lexeme != "~":
        return parse(text, available), ()
    kept, crossed = [], []
    for sign, term in _signed_summands(tree.right):
        random, column, _ = _grouping([(sign, term.expression)], text, available) if _is_group(term) else (None, cluster, [])
        if column == cluster:
            kept.append(f"{sign} {_source(term)}")
        elif random == "1":
            crossed.append(column)
        else:
            raise FormulaError(f"The crossed grouping term by {column!r} in {text!r} must be (1 | {column}): intercepts only.")
    right = " ".join(kept).removeprefix("+ ") or "1"
    return parse(f"{_source(tree.left)} ~ {right}", available), tuple(crossed)


def _with_single_bars(text: str, allow_uncorrelated: bool) -> tuple[str, bool]:
    """Write ``||``, which formulae does not know, as ``|``; whether there was one.

    A bar that does not belong to the one grouping term is refused later, so that this one does.
    """
    if not isinstance(text, str) or not text.strip():
        raise FormulaError(f"A formula must be a non-empty text such as 'y ~ x + (1 | cluster)', not {text!r}.")
    found = "||" in _QUOTED_OR_BARS.findall(text)
    if found and not allow_uncorrelated:
        raise FormulaError(
            f"The formula {text!r} uses '||'. Uncorrelated random effects are not available here: write a single '|', which "
            "estimates the correlations as well."
        )
    return _QUOTED_OR_BARS.sub(lambda match: "|" if match[0] == "||" else match[0], text), found


def _tree(text: str, readable: str) -> Any:
    """Parse what formulae can read and make sure that all of it was read."""
    from formulae.parser import ParseError, Parser
    from formulae.scanner import ScanError, Scanner

    try:
        parser = Parser(Scanner(readable).scan())
        tree = parser.parse()
    except (ParseError, ScanError, AttributeError, IndexError) as error:
        raise FormulaError(f"The formula {text!r} does not parse: {error}") from error
    except RecursionError as error:
        raise FormulaError(f"The formula {text[:40]!r}... is nested too deeply. Take parentheses out.") from error
    if not parser.at_end():
        raise FormulaError(
            f"The formula {text!r} cannot be read beyond {parser.peek().lexeme!r}. "
            "A grouping term needs parentheses: '(1 | school)'."
        )
    return tree


def _responses(node: Any, text: str, available: Sequence[str]) -> tuple[str, ...]:
    """Take the left-hand side apart."""
    terms = list(_signed_summands(node))
    for sign, term in terms:
        if sign == "-":
            raise FormulaError(f"The formula {text!r} subtracts left of '~'. Join the responses by '+'.")
        _check(term, text, available)
    return tuple(_source(term) for _, term in terms)


def _grouping(groups: list, text: str, available: Sequence[str]) -> tuple[str | None, str | None, list[str]]:
    """Take the one grouping term apart: random part, cluster column and the columns of the random part."""
    if not groups:
        return None, None, []
    if len(groups) > 1:
        raise FormulaError(
            f"The formula {text!r} has {len(groups)} grouping terms. The model has two levels: write all random effects in "
            "one term, for example '(1 + sex | school)'."
        )
    sign, node = groups[0]
    if sign != "+":
        raise FormulaError(f"The formula {text!r} subtracts a grouping term. Leave the term out instead.")
    if _kind(node.right) not in {"Variable", "QuotedName"}:
        raise FormulaError(
            f"The formula {text!r} groups by {_source(node.right)!r}. The cluster must be one column: make a column that "
            "identifies the clusters and name it."
        )
    _check(node.right, text, available)
    _check(node.left, text, available)
    random = _source(node.left)
    first = _source(_summands(node.left)[0])
    # lme4 and formulae read '(sex | school)' as '(1 + sex | school)'.
    random = random if first in {"0", "1"} else f"1 + {random}"
    return random, _column(node.right), list(_variables(node.left))


def _check(node: Any, text: str, available: Sequence[str], in_call: bool = False) -> None:
    """Refuse every node that is not a known column, an operator, a constant or a listed function.

    Within a call operators do arithmetic; outside they combine terms.
    """
    kind = _kind(node)
    if not in_call:
        _check_term(node, text)
    if kind == "Call":
        function = getattr(getattr(node.callee, "name", None), "lexeme", "?")
        if function not in FUNCTIONS:
            raise FormulaError(
                f"The formula {text!r} calls {function!r}. A formula may call only {options(FUNCTIONS)}; for anything else "
                "add a column to the table."
            )
    elif kind in {"Variable", "QuotedName"}:
        if getattr(node, "level", None) is not None:
            raise FormulaError(f"The formula {text!r} has brackets after {_source(node)!r}, which are not supported.")
        if _column(node) not in available:
            raise FormulaError(
                f"The formula {text!r} names {_source(node)!r}, which is not a column of the table."
                f"{meant(_source(node), available)} Columns: {some(available, 20)}."
            )
    elif kind == "Binary" and node.operator.lexeme == "|":
        raise FormulaError(f"The formula {text!r} has a '|' inside another term. Write '+ (1 | cluster)' at its end.")
    elif kind not in _CHILDREN and kind != "Literal":
        raise FormulaError(f"The formula {text!r} contains {_source(node)!r}, which is not supported.")
    is_power = kind == "Binary" and node.operator.lexeme == "**" and not in_call
    for child in [node.left] if is_power else _children(node):
        _check(child, text, available, in_call or kind == "Call")


def _check_term(node: Any, text: str) -> None:
    """Refuse what formulae would read otherwise than it looks, or not at all."""
    kind = _kind(node)
    operator = node.operator.lexeme if kind == "Binary" else None
    if kind == "Literal" and (isinstance(node.value, bool) or node.value not in (0, 1)):
        raise FormulaError(
            f"The formula {text!r} contains {_source(node)!r}. The only constants are 1 and 0, with and without intercept; "
            "write arithmetic as I(2 * x)."
        )
    whole = _kind(getattr(node, "right", None)) == "Literal" and type(node.right.value) is int
    if operator == "**" and not (whole and _kind(node.left) == "Grouping" and len(_summands(node.left.expression)) > 1):
        raise FormulaError(f"The formula {text!r} raises {_source(node.left)!r} to a power: write 'I({_source(node)})'.")
    if operator == "/":
        left, right = _source(node.left), _source(node.right)
        raise FormulaError(f"The formula {text!r} uses '/': write '{left} + {left}:{right}', or 'I({left} / {right})'.")


_CHILDREN: dict[str, Callable[[Any], list]] = {
    "Call": lambda node: list(node.args),
    "Binary": lambda node: [node.left, node.right],
    "Unary": lambda node: [node.right],
    "Grouping": lambda node: [node.expression],
    "Assign": lambda node: [node.value],
}


def _children(node: Any) -> list:
    return _CHILDREN.get(_kind(node), lambda _: [])(node)


def _kind(node: Any) -> str:
    return type(node).__name__


def _is_group(node: Any) -> bool:
    return _kind(node) == "Grouping" and _kind(node.expression) == "Binary" and node.expression.operator.lexeme == "|"


def _signed_summands(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the terms of a sum with their signs, left to right."""
    found = []
    while _kind(node) == "Binary" and node.operator.lexeme in {"+", "-"}:
        found.append((node.operator.lexeme, node.right))
        node = node.left
    yield "+", node
    yield from reversed(found)


def _summands(node: Any) -> list:
    return [term for _, term in _signed_summands(node)]


def _variables(node: Any) -> Iterator[str]:
    """Yield the columns that a checked node names."""
    if _kind(node) in {"Variable", "QuotedName"}:
        yield _column(node)
    for child in _children(node):
        yield from _variables(child)


def _column(node: Any) -> str:
    if _kind(node) == "QuotedName":
        return node.expression.lexeme.strip("`")
    return node.name.lexeme


def _source(node: Any) -> str:
    """Write a node as formula text again."""
    kind = _kind(node)
    if kind == "Literal":
        return str(node.value) if node.lexeme is None else str(node.lexeme)
    if kind == "Variable":
        return node.name.lexeme
    if kind == "QuotedName":
        return f"`{_column(node)}`"
    if kind == "Call":
        function = getattr(getattr(node.callee, "name", None), "lexeme", "?")
        return f"{function}({', '.join(_source(argument) for argument in node.args)})"
    if kind == "Assign":
        return f"{_source(node.name)}={_source(node.value)}"
    if kind == "Grouping":
        return f"({_source(node.expression)})"
    if kind == "Unary":
        return f"{node.operator.lexeme}{_source(node.right)}"
    return f"{_source(node.left)} {node.operator.lexeme} {_source(node.right)}"

"""Which columns predict which incomplete variable: a formula by variable, or all others by rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jmimpute.chained.methods import Entry
from jmimpute.errors import FormulaError, some
from jmimpute.specification.formula import parse

# A plus sign that is not within backquotes.
_PLUS = re.compile(r" \+ (?=(?:[^`]*`[^`]*`)*[^`]*$)")


@dataclass(frozen=True)
class Predictors:
    """Columns that predict a variable.

    Attributes
    ----------
    fixed : tuple of str
        With coefficients at level 1.
    random : tuple of str
        Of these, those whose coefficients vary between clusters.
    random_intercept : bool
    of_clusters : tuple of str
        Predictors of the coefficients of clusters, in methods in which all of these are random.
    """

    fixed: tuple[str, ...]
    random: tuple[str, ...] = ()
    random_intercept: bool = False
    of_clusters: tuple[str, ...] = ()

    def text(self, name: str, cluster: str | None) -> str:
        """Write them as a formula.

        Parameters
        ----------
        name : str
            The variable.
        cluster : str or None
        """
        right = " + ".join(map(_quoted, (*self.fixed, *self.of_clusters))) or "1"
        if self.random or self.random_intercept:
            inner = " + ".join(["1" if self.random_intercept else "0", *map(_quoted, self.random)])
            right += f" + ({inner} | {_quoted(str(cluster))})"
        return f"{_quoted(name)} ~ {right}"


def said(
    name: str, text: str, available: Sequence[str], cluster: str | None, entry: Entry, levels: Mapping[str, int]
) -> Predictors:
    """Read the formula of a variable.

    Parameters
    ----------
    name : str
        The variable.
    text : str
        Such as ``"~ x2 + y + (1 + x2 | school)"``.
    available : sequence of str
        Columns and passive variables.
    cluster : str or None
    entry : Entry
        Of its method.
    levels : mapping of str to int
        Level of each column: 1 or 2.

    Raises
    ------
    FormulaError
        If it is no such formula, or the method cannot have such coefficients.
    """
    terms = plain_terms(name, text, available)
    _check_group(name, text, terms, cluster, entry)
    for column in (*terms.fixed, *terms.random):
        check_predictor(name, text, column, cluster)
    constant = [column for column in terms.random if levels[column] == 2]
    if constant:
        raise FormulaError(
            f"The formula {text!r} of {name!r} has a random coefficient of {constant[0]!r}, which does not vary within "
            "clusters. Take it out of the grouping term."
        )
    if entry.random != "all":
        return Predictors(terms.fixed, terms.random, terms.random_intercept)
    return _all_random(name, text, terms, entry, levels)


def by_rules(columns: Sequence[str], entry: Entry, levels: Mapping[str, int]) -> Predictors:
    """All given columns: with random coefficients if the method has no others, else with a random intercept if it has any.

    Parameters
    ----------
    columns : sequence of str
    entry : Entry
    levels : mapping of str to int
    """
    if entry.random != "all":
        return Predictors(tuple(columns), (), entry.random == "some")
    first = tuple(column for column in columns if levels[column] == 1)
    of_clusters = tuple(column for column in columns if levels[column] == 2) if entry.moderators else ()
    return Predictors(first, first, True, of_clusters)


@dataclass(frozen=True)
class Terms:
    """A formula taken apart.

    Attributes
    ----------
    fixed, random : tuple of str
        Columns outside and inside the grouping term.
    random_intercept : bool
    group : str or None
        Column of the grouping term.
    """

    fixed: tuple[str, ...]
    random: tuple[str, ...]
    random_intercept: bool
    group: str | None


def plain_terms(name: str, text: str, available: Sequence[str]) -> Terms:
    """Take a formula of plain columns apart.

    Parameters
    ----------
    name : str
        The variable, which may be left out of the formula.
    text : str
    available : sequence of str

    Raises
    ------
    FormulaError
        If it does not parse, is about another variable, or has terms that are not columns.
    """
    if not isinstance(text, str):
        raise FormulaError(f"The predictors of {name!r} must be a formula such as '~ x + (1 + x | school)', not {text!r}.")
    whole = f"{_quoted(name)} {text}" if text.lstrip().startswith("~") else text
    formula = parse(whole, list(dict.fromkeys([*available, name])))
    if [response.strip("`") for response in formula.responses] != [name]:
        raise FormulaError(f"The formula {text!r} is given for {name!r}, which must stand alone left of '~', or nothing.")
    fixed, random = _terms(formula.common, formula.columns, text), _terms(formula.random or "0", formula.columns, text)
    if "0" in fixed:
        raise FormulaError(f"The formula {text!r} leaves the constant out. It is always a predictor: drop the '0'.")
    columns = [tuple(dict.fromkeys(term for term in terms if term not in ("0", "1"))) for terms in (fixed, random)]
    return Terms(columns[0], columns[1], "1" in random, formula.cluster)


def check_predictor(name: str, text: str, column: str, cluster: str | None) -> None:
    """Refuse the variable itself and the cluster column as predictors.

    Parameters
    ----------
    name : str
        The variable.
    text : str
        The formula, for the message.
    column : str
    cluster : str or None

    Raises
    ------
    FormulaError
        If it is one of them.
    """
    if column in (name, cluster):
        what = "itself" if column == name else "the cluster column"
        raise FormulaError(f"The formula {text!r} of {name!r} has {what} as a predictor. Drop it.")


def _terms(side: str, columns: Sequence[str], text: str) -> list[str]:
    """Columns of one side of a formula, and its constants; only sums of columns are allowed."""
    terms = [term.strip("`") for term in _PLUS.split(side)]
    odd = [term for term in terms if term not in ("0", "1") and term not in columns]
    if odd:
        raise FormulaError(
            f"The formula {text!r} has the term {odd[0]!r}. Predictors are columns joined by '+'; make products and "
            "transformations passive variables, as in passive={'xz': 'x * z'}, and name these."
        )
    return terms


def _check_group(name: str, text: str, terms: Terms, cluster: str | None, entry: Entry) -> None:
    """The grouping term is by the cluster, for a method that has random effects, and has columns that are predictors."""
    if terms.group is None:
        return
    if terms.group != cluster:
        where = f"cluster={cluster!r}" if cluster else "no cluster is given"
        raise FormulaError(f"The formula {text!r} groups by {terms.group!r}, but {where}. Give cluster={terms.group!r}.")
    if entry.random == "none":
        raise FormulaError(f"The formula {text!r} has a grouping term, but the method has no random effects. Leave it out.")
    lacking = [column for column in terms.random if column not in terms.fixed]
    if lacking:
        raise FormulaError(
            f"The formula {text!r} of {name!r} has {lacking[0]!r} in its grouping term only. Random coefficients vary about a "
            "mean: add it outside as well."
        )


def _all_random(name: str, text: str, terms: Terms, entry: Entry, levels: Mapping[str, int]) -> Predictors:
    """Predictors of a method in which every coefficient varies; those of level 2 predict the coefficients of clusters."""
    of_clusters = tuple(column for column in terms.fixed if levels[column] == 2)
    first = tuple(column for column in terms.fixed if levels[column] == 1)
    lacking = [column for column in first if column not in terms.random]
    if terms.group is not None and (lacking or not terms.random_intercept):
        what = f"a fixed coefficient of {some(lacking)} only" if lacking else "no random intercept"
        raise FormulaError(
            f"The formula {text!r} of {name!r} has {what}, but in its method all coefficients vary between clusters. Add what "
            "lacks to the grouping term, or use 'one-stage' or 'mixed'."
        )
    if of_clusters and not entry.moderators:
        raise FormulaError(
            f"The formula {text!r} of {name!r} has {of_clusters[0]!r}, which does not vary within clusters; its method cannot "
            "have such predictors. Drop it, or use 'one-stage' or 'mixed'."
        )
    return Predictors(first, first, True, of_clusters)


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"

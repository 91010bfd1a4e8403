"""What there is to impute for: an analysis model, the columns it is about, and what is missing in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError, options, some
from jmimpute.specification.advice.columns import Column, look, numbers
from jmimpute.specification.advice.terms import Part, Term, has_intercept, is_combination, terms
from jmimpute.specification.design import design
from jmimpute.specification.formula import Formula, parse
from jmimpute.table.clusters import Clusters, code

GAUSSIAN, BINOMIAL, POISSON = "gaussian", "binomial", "poisson"
#: Families of an analysis, as in `jmimpute.analysis.analyze`.
FAMILIES = (GAUSSIAN, BINOMIAL, POISSON)


@dataclass(frozen=True)
class Analysis:
    """A substantive model.

    Attributes
    ----------
    formula : Formula
    family : {"gaussian", "binomial", "poisson"}
    outcomes : tuple of str
        Columns left of ``~``: one, unless a function of several stands there.
    terms, slopes : tuple of Term
        Of the fixed and of the random part, without constants.
    """

    formula: Formula
    family: str
    outcomes: tuple[str, ...]
    terms: tuple[Term, ...]
    slopes: tuple[Term, ...]

    @property
    def outcome(self) -> Part:
        """What stands left of ``~``."""
        (text,) = self.formula.responses
        return Part(text, self.outcomes, is_function=text.strip("`") != self.outcomes[0])

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns but the cluster, the outcome first."""
        return tuple(dict.fromkeys((*self.outcomes, *self.formula.columns)))


@dataclass(frozen=True)
class Problem:
    """An analysis and its table.

    Attributes
    ----------
    analysis : Analysis
    frame : pandas.DataFrame
    clusters : Clusters
        Of the analysis.
    columns : dict of str to Column
        Those of the analysis, and auxiliary ones.
    """

    analysis: Analysis
    frame: pd.DataFrame
    clusters: Clusters
    columns: dict[str, Column]

    @property
    def cluster(self) -> str | None:
        """The cluster column."""
        return self.clusters.name

    @property
    def incomplete(self) -> tuple[str, ...]:
        """Incomplete columns that are not to be computed from others."""
        return tuple(name for name, column in self.columns.items() if column.is_incomplete and name not in self.means)

    def is_imputed(self, name: str) -> bool:
        """Tell whether a column is incomplete, and not to be computed from others.

        Parameters
        ----------
        name : str
        """
        return name in self.incomplete

    @cached_property
    def means(self) -> dict[str, str]:
        """Columns of the analysis that hold the cluster means of the observed values of another, incomplete one, and which."""
        own = [self.columns[name] for name in self.analysis.columns if self.columns[name].is_measured]
        measured = [column.name for column in own if column.level == 1 and column.is_incomplete]
        candidates = [column.name for column in own if column.level == 2]
        return {mean: name for mean in candidates for name in measured if self.is_mean(mean, name)}

    def is_mean(self, mean: str, name: str) -> bool:
        """Tell whether a column holds the cluster means of the observed values of another.

        Parameters
        ----------
        mean, name : str
        """
        if self.cluster is None:
            return False
        own = self.frame[name].astype(float).groupby(self.clusters.codes).transform("mean")
        given = self.frame[mean].astype(float)
        both = (own.notna() & given.notna()).to_numpy()
        # With one value a cluster a column would be the mean of any other that it equals.
        return bool(both.any() and np.allclose(own[both], given[both], rtol=1e-6, atol=1e-9))

    def share_between(self, name: str) -> float:
        """Estimate the share of the variance of a complete column of numbers that is between clusters (ICC, Donner 1986).

        Parameters
        ----------
        name : str

        Returns
        -------
        float
            At least 0.
        """
        values, codes = self.frame[name].to_numpy(dtype=float), self.clusters.codes
        sizes, n_rows = self.clusters.sizes, len(self.frame)
        means = np.bincount(codes, values) / sizes
        between = np.sum(sizes * (means - values.mean()) ** 2) / (len(sizes) - 1)
        within = np.sum((values - means[codes]) ** 2) / (n_rows - len(sizes))
        size = (n_rows - np.sum(sizes**2) / n_rows) / (len(sizes) - 1)
        return float(max(0.0, between - within) / (between + (size - 1) * within))

    def level(self, part: Part) -> int:
        """Tell the level of a part: 2 if it does not vary within clusters.

        Parameters
        ----------
        part : Part
        """
        return min(self.columns[name].level for name in part.columns)

    def is_curved(self, part: Part) -> bool:
        """Tell whether a function is anything but a linear combination of its columns, categories being dummies.

        Parameters
        ----------
        part : Part
        """
        if not part.is_function or part.is_factor:
            return False
        rows = self.frame[list(part.columns)].dropna()
        basis = [numbers(rows[name], self.columns[name]) for name in part.columns]
        return not is_combination(design(f"1 + {part.text}", rows).matrix, np.column_stack([np.ones(len(rows)), *basis]))


def read_problem(text: str, frame: pd.DataFrame, family: str, auxiliary: Sequence[str] = ()) -> Problem:
    """Read an analysis and look at its columns.

    Parameters
    ----------
    text : str
        Formula of the analysis.
    frame : pandas.DataFrame
    family : {"gaussian", "binomial", "poisson"}
    auxiliary : sequence of str
        Columns to look at besides.

    Returns
    -------
    Problem

    Raises
    ------
    FormulaError, TableError
        If the formula does not parse, has several responses or a column in two roles, the outcome does not fit the family, or
        a column has no observed value.
    """
    analysis = _read(text, frame, family)
    cluster = analysis.formula.cluster
    _check_auxiliary(auxiliary, frame, cluster)
    clusters = code(frame, cluster)
    columns = {name: look(frame[name], clusters) for name in dict.fromkeys((*analysis.columns, *auxiliary))}
    problem = Problem(analysis, frame, clusters, columns)
    _check_outcome(problem)
    return problem


def _read(text: str, frame: pd.DataFrame, family: str) -> Analysis:
    if family not in FAMILIES:
        raise FormulaError(f"The family {family!r} of the analysis is not known. Choose {options(FAMILIES)}.")
    available = list(frame.columns)
    formula = parse(text, available)
    if len(formula.responses) != 1:
        raise FormulaError(
            f"The analysis {text!r} has {len(formula.responses)} responses. Give a model with one; the variables of other "
            "analyses can be named as auxiliary ones."
        )
    (outcome,) = formula.responses
    outcomes = parse(f"{outcome} ~ {outcome}", available).columns
    if not outcomes:
        raise FormulaError(f"The analysis {text!r} names no column left of '~'. Write its outcome there.")
    both = [name for name in outcomes if name in formula.columns]
    if both:
        raise FormulaError(f"Column {both[0]!r} stands on both sides of the analysis {text!r}. Drop one of the roles.")
    if formula.cluster in (*outcomes, *formula.columns):
        raise FormulaError(
            f"Column {formula.cluster!r} is the cluster and also a variable of the analysis {text!r}. Drop one of the roles."
        )
    slopes = terms(formula.random)
    if formula.cluster and not slopes and not has_intercept(formula.random):
        raise FormulaError(f"The grouping term of {text!r} has no random effect: write (1 | {formula.cluster}).")
    return Analysis(formula, family, outcomes, terms(formula.common), slopes)


def _check_auxiliary(auxiliary: Sequence[str], frame: pd.DataFrame, cluster: str | None) -> None:
    if isinstance(auxiliary, str):
        raise FormulaError(f"auxiliary must be a list of columns such as [{auxiliary!r}], not a text.")
    for name in auxiliary:
        if name not in frame.columns:
            raise FormulaError(
                f"The auxiliary variable {name!r} is not a column of the table. Columns: {some(frame.columns, 20)}."
            )
        if name == cluster:
            raise FormulaError(f"Column {name!r} is the cluster and also an auxiliary variable. Leave it out of the latter.")


def _check_outcome(problem: Problem) -> None:
    analysis = problem.analysis
    if analysis.family != BINOMIAL or analysis.outcome.is_function:
        return
    column = problem.columns[analysis.outcomes[0]]
    if column.n_values > 2:
        raise FormulaError(
            f"The outcome {column.name!r} has {column.n_values} distinct values, but the family of the analysis is 'binomial', "
            "which needs two. Give another family, or make a column with two categories."
        )

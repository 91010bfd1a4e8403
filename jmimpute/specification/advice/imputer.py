"""An imputation model as advice sees it: who is a response, at which level, and with which covariates and random effects."""

from dataclasses import dataclass

import pandas as pd

from jmimpute.specification.advice.terms import Part, Term, has_intercept, spans
from jmimpute.specification.families import Variable
from jmimpute.specification.formula import Formula
from jmimpute.specification.specify import Specification


@dataclass(frozen=True)
class Imputer:
    """A specification, by response.

    Attributes
    ----------
    specification : Specification
    frame : pandas.DataFrame
        The table that it was made of.
    level1, level2 : dict of str to Formula
        The formula of each response.
    variables : dict of str to Variable
        Responses of both levels.
    """

    specification: Specification
    frame: pd.DataFrame
    level1: dict[str, Formula]
    level2: dict[str, Formula]
    variables: dict[str, Variable]

    @property
    def cluster(self) -> str | None:
        """The cluster column."""
        return self.specification.clusters.name

    @property
    def covariates(self) -> set[str]:
        """Covariates of any level-1 response."""
        return {name for formula in self.level1.values() for name in formula.columns}

    def has_modelled(self, part: Part | Term) -> bool:
        """Tell whether a column of a part or term is a response."""
        return any(name in self.variables for name in part.columns)

    def is_given(self, term: Part | Term) -> bool:
        """Tell whether all columns of a part or term are covariates of level-1 responses."""
        return all(name in self.covariates for name in term.columns)

    def has_fixed(self, response: str, text: str) -> bool:
        """Tell whether a term is in the fixed part of a level-1 response, as it is or as a combination of others."""
        return spans(self.level1[response].common, text, self.frame)

    def has_slope(self, response: str, text: str) -> bool:
        """Tell the same of the random part."""
        return spans(self.level1[response].random, text, self.frame)

    def has_random_intercept(self, response: str) -> bool:
        """Tell whether a level-1 response has a random intercept."""
        return has_intercept(self.level1[response].random)


def imputer(specification: Specification, frame: pd.DataFrame) -> Imputer:
    """Sort a specification by response.

    Parameters
    ----------
    specification : Specification
    frame : pandas.DataFrame
        The table that it was made of.
    """
    layout = specification.layout
    return Imputer(
        specification,
        frame,
        {name: formula for formula in specification.formulas for name in formula.responses},
        {name: formula for formula in specification.level2_formulas for name in formula.responses},
        {variable.name: variable for variable in (*layout.variables, *layout.level2.variables)},
    )

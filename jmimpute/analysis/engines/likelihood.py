"""The engine of maximum likelihood: statsmodels, and fits of our own where it has none that can be relied on."""

from collections.abc import Callable

import pandas as pd

from jmimpute.analysis.engines import categories, generalised, linear
from jmimpute.analysis.engines.arrays import LINKS, Arrays, arrays_of
from jmimpute.analysis.engines.responses import NOMINAL, ORDERED
from jmimpute.analysis.estimates import Estimates
from jmimpute.errors import AnalysisError, options

FAMILIES = (*LINKS, *ORDERED, NOMINAL)


def statsmodels(formula: str, family: str = "gaussian", *, reml: bool = True) -> Callable[[pd.DataFrame], Estimates]:
    """Prepare `fit_statsmodels` for several tables.

    Parameters
    ----------
    formula, family, reml
        See `fit_statsmodels`.

    Returns
    -------
    callable
        Takes a completed table and gives Estimates.
    """
    return lambda table: fit_statsmodels(formula, table, family, reml)


def fit_statsmodels(formula: str, table: pd.DataFrame, family: str = "gaussian", reml: bool = True) -> Estimates:
    """Fit a formula by maximum likelihood.

    OLS, GLM and multinomial logits are those of statsmodels; mixed models and ordinal regressions are
    `jmimpute.analysis.mixed`, `jmimpute.analysis.mixed_glm` and `jmimpute.analysis.ordinal`, each of which says why.

    Parameters
    ----------
    formula : str
        ``"english ~ ravens + sex + (1 | school)"``. Left of ``~`` stands one term: a column, or a call such as
        ``log(english)`` or ``I(english > 40)``. Of a gaussian model, ``(1 + sex || school)`` has uncorrelated random effects.
    table : pandas.DataFrame
        A completed table.
    family : {"gaussian", "binomial", "poisson", "ordinal", "ordinal-probit", "nominal"}, optional
        Binomial has a logit link and poisson a log link. A binomial response is 0/1, boolean, or has two categories, of
        which the second counts. With a grouping term, these two have a random intercept, ``(1 | school)``, and no slopes.
        Ordinal is the proportional odds model ``P(y <= j) = F(cut_j - x'b)`` of a response of numbers or an ordered
        categorical, with a logit or probit link; cut points are called ``low|medium``. Nominal has log odds of each category
        against the first; terms are called ``category:term``. Ordinal and nominal have no grouping term.
    reml : bool, optional
        For a gaussian model with a grouping term: restricted (default) or ordinary maximum likelihood. Others are fitted by
        maximum likelihood.

    Returns
    -------
    Estimates
        ``df_complete`` is n - k without a grouping term (as broom and mice take it), and infinite for a mixed model, where no
        residual degrees of freedom are defined (as mitml takes it).

    Raises
    ------
    AnalysisError
        If the family is unknown, it has no such random part, a value is missing, or the design has no full rank.
    FormulaError
        If the formula does not parse or cannot be evaluated.
    """
    if family not in FAMILIES:
        raise AnalysisError(f"The family {family!r} is not known. Choose {options(FAMILIES)}.")
    arrays = arrays_of(formula, table, family, allow_uncorrelated=family == "gaussian")
    if arrays.grouping is None:
        return _single_level(arrays, family)
    if family == "gaussian":
        return linear.mixed(arrays, arrays.grouping, reml)
    if family in LINKS:
        return generalised.mixed(arrays, arrays.grouping, family)
    raise AnalysisError(
        f"Engine 'statsmodels' has no {family} model with random effects: leave ({arrays.grouping.side} | "
        f"{arrays.grouping.name}) out, or fit the model with engine='bambi' (ordinal responses)."
    )


def _single_level(arrays: Arrays, family: str) -> Estimates:
    if family == "gaussian":
        return linear.linear(arrays)
    if family in LINKS:
        return generalised.generalised(arrays, family)
    return categories.nominal(arrays) if family == NOMINAL else categories.ordinal(arrays, family)

"""Engines: functions that fit one formula to one completed table.

An engine is a function ``(formula, table, family, reml) -> Estimates`` and stands in `ENGINES` by name.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jmimpute.analysis.estimates import Estimates, RandomEffects
from jmimpute.analysis.mixed import fit_mixed
from jmimpute.analysis.mixed_glm import fit_mixed_glm
from jmimpute.errors import AnalysisError, options, some
from jmimpute.names import INTERCEPT
from jmimpute.specification.design import Design, design
from jmimpute.specification.formula import Formula, parse

FAMILIES = ("gaussian", "binomial", "poisson")

DIVERGED = "did not converge"
SINGULAR = "singular: a random effect has variance zero, or two are perfectly correlated"
SEPARATED = "covariates separate the response perfectly: estimates run off to infinity"


@dataclass(frozen=True)
class _Grouping:
    """The random part of a mixed model."""

    name: str
    design: Design
    codes: np.ndarray  # cluster of each row, (n_rows,)


@dataclass(frozen=True)
class _Arrays:
    """What a fit needs of a table."""

    y: np.ndarray  # (n_rows,)
    fixed: Design
    grouping: _Grouping | None


def fit_statsmodels(formula: str, table: pd.DataFrame, family: str = "gaussian", reml: bool = True) -> Estimates:
    """Fit a formula: OLS and GLM by statsmodels, mixed models by `jmimpute.analysis.mixed` and `jmimpute.analysis.mixed_glm`.

    Parameters
    ----------
    formula : str
        ``"english ~ ravens + sex + (1 | school)"``. Left of ``~`` stands one term: a column, or a call such as
        ``log(english)`` or ``I(english > 40)``.
    table : pandas.DataFrame
        A completed table.
    family : {"gaussian", "binomial", "poisson"}, optional
        Binomial has a logit link and poisson a log link. A binomial response is 0/1, boolean, or has two categories, of
        which the second counts. With a grouping term, these two have a random intercept, ``(1 | school)``, and no slopes.
    reml : bool, optional
        For a gaussian model with a grouping term: restricted (default) or ordinary maximum likelihood. Others are fitted by
        maximum likelihood.

    Returns
    -------
    Estimates
        ``df_complete`` is n - k for OLS and GLM (as broom and mice take it), and infinite for a mixed model, where no
        residual degrees of freedom are defined (as mitml takes it).

    Raises
    ------
    AnalysisError
        If the family is unknown, a mixed GLM has random slopes, a value is missing, or the design has no full rank.
    FormulaError
        If the formula does not parse or cannot be evaluated.

    Notes
    -----
    Mixed models are not given to statsmodels' MixedLM; `jmimpute.analysis.mixed` says why.
    """
    if family not in FAMILIES:
        raise AnalysisError(f"The family {family!r} is not known. Choose {options(FAMILIES)}.")
    parsed = parse(formula, [str(column) for column in table.columns])
    _check_formula(parsed)
    arrays = _arrays(parsed, table, family)
    if arrays.grouping is None:
        return _linear(arrays) if family == "gaussian" else _generalised(arrays, family)
    if family == "gaussian":
        return _mixed(arrays, arrays.grouping, reml)
    return _mixed_generalised(arrays, arrays.grouping, family)


#: Engines by name.
ENGINES: dict[str, Callable[[str, pd.DataFrame, str, bool], Estimates]] = {"statsmodels": fit_statsmodels}


def _check_formula(parsed: Formula) -> None:
    if len(parsed.responses) != 1:
        raise AnalysisError(
            f"The formula {parsed.text!r} has {len(parsed.responses)} responses. An analysis has one; write a sum as "
            "'I(a + b)'."
        )


def _arrays(parsed: Formula, table: pd.DataFrame, family: str) -> _Arrays:
    """Evaluate and check all parts of the formula."""
    (response,) = parsed.responses
    # A response formula names its columns by the same rules as a covariate.
    own = parse(f"{response} ~ {response}", [str(column) for column in table.columns]).columns
    _check_complete(table, [*own, *parsed.columns, *([parsed.cluster] if parsed.cluster else [])])
    y = _response(response, table, family)
    fixed = _checked_design(parsed.common, table, "fixed part")
    return _Arrays(y, fixed, _grouping(parsed, table))


def _grouping(parsed: Formula, table: pd.DataFrame) -> _Grouping | None:
    if parsed.cluster is None or parsed.random is None:
        return None
    random = _checked_design(parsed.random, table, "random part")
    codes, labels = pd.factorize(table[parsed.cluster], sort=False)
    if len(labels) < 2 or len(labels) * len(random.names) >= len(table):
        raise AnalysisError(
            f"The table has {len(table)} rows in {len(labels)} clusters of {parsed.cluster!r}, and {len(random.names)} "
            "random effects a cluster. A mixed model needs at least two clusters, and fewer random effects than rows "
            "in all."
        )
    return _Grouping(parsed.cluster, random, codes)


def _check_complete(table: pd.DataFrame, columns: list[str]) -> None:
    for column in dict.fromkeys(columns):
        missing = int(np.sum(pd.isna(table[column])))
        if missing:
            raise AnalysisError(
                f"Column {column!r} has missing values in {missing} rows. An analysis needs a completed table: make "
                "the column part of the imputation model, or leave it out of the analysis."
            )


def _response(text: str, table: pd.DataFrame, family: str) -> np.ndarray:
    """Evaluate the left-hand side, shape (n_rows,)."""
    column = text.strip("`")
    if column in table.columns:
        y = _as_numbers(pd.Series(table[column]), family)
    else:
        evaluated = design(f"0 + {text}", table)
        if len(evaluated.names) != 1:
            raise AnalysisError(
                f"The response {text!r} makes {len(evaluated.names)} columns. It must be one column of numbers."
            )
        y = evaluated.matrix[:, 0]
    if not np.isfinite(y).all():
        raise AnalysisError(f"The response {text!r} is not finite in {int((~np.isfinite(y)).sum())} rows.")
    if family == "binomial" and not (np.isin(y, [0, 1]).all() and y.min() < y.max()):
        raise AnalysisError(
            f"The response {text!r} has the values {some(np.unique(y))}. A binomial response has the two values 0 and "
            "1, or two categories."
        )
    if family == "poisson" and (y < 0).any():
        raise AnalysisError(f"The response {text!r} is negative in {int((y < 0).sum())} rows. A poisson response counts.")
    return y


def _as_numbers(column: pd.Series, family: str) -> np.ndarray:
    """Take a column of numbers as it is; for a binomial model, also turn the second of two categories into 1."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float)
    if family != "binomial":
        raise AnalysisError(f"The response {column.name!r} is {column.dtype}. A {family} response must be numbers.")
    categories = column.astype("category").cat.categories
    if len(categories) != 2:
        raise AnalysisError(
            f"The response {column.name!r} has {len(categories)} categories ({some(categories)}). A binomial response "
            f"has two: compare it in the formula, as in 'I({column.name} == \"{categories[0]}\")'."
        )
    return (column == categories[1]).to_numpy(dtype=float)


def _checked_design(side: str, table: pd.DataFrame, part: str) -> Design:
    """Evaluate one part of the right-hand side, and make sure that its columns are finite and independent."""
    result = design(side, table)
    if not result.names:
        raise AnalysisError(f"The {part} {side!r} has no terms. It needs at least one, for example the intercept '1'.")
    for name, column in zip(result.names, result.matrix.T, strict=True):
        if not np.isfinite(column).all():
            raise AnalysisError(f"The term {name!r} is not finite in {int((~np.isfinite(column)).sum())} rows.")
    if len(table) <= len(result.names):
        raise AnalysisError(f"The table has {len(table)} rows for {len(result.names)} terms of the {part}. It needs more rows.")
    dependent = _dependent_columns(result)
    if dependent:
        raise AnalysisError(
            f"The {part} {side!r} has terms that are constant or follow from the terms before them: {some(dependent)}. "
            "Leave them out."
        )
    return result


def _dependent_columns(matrix: Design) -> list[str]:
    """Names of the columns that are linear combinations of the columns before them."""
    lengths = np.linalg.norm(matrix.matrix, axis=0)
    # R has the same dependencies between columns as the matrix, in k rows.
    r = np.linalg.qr(matrix.matrix / np.where(lengths > 0, lengths, 1.0), mode="r")
    basis, dependent = np.empty((len(r), 0)), []
    for name, column in zip(matrix.names, r.T, strict=True):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length < 1e-9:
            dependent.append(name)
        else:
            basis = np.column_stack([basis, rest / length])
    return dependent


def _linear(arrays: _Arrays) -> Estimates:
    from statsmodels.regression.linear_model import OLS

    fit = OLS(arrays.y, arrays.fixed.matrix).fit()
    return Estimates(
        arrays.fixed.names,
        fit.params,
        fit.cov_params(),
        df_complete=float(fit.df_resid),
        n_rows=len(arrays.y),
        residual_variance=float(fit.scale),
        log_likelihood=float(fit.llf),
    )


def _generalised(arrays: _Arrays, family: str) -> Estimates:
    from statsmodels.genmod.families import Binomial, Poisson
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    chosen = {"binomial": Binomial, "poisson": Poisson}[family]()
    # What statsmodels would say for every table is said once for all of them, by `analyze`.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = GLM(arrays.y, arrays.fixed.matrix, family=chosen).fit()
        covariance, log_likelihood = fit.cov_params(), float(fit.llf)
    separated = any(issubclass(warning.category, PerfectSeparationWarning) for warning in caught)
    return Estimates(
        arrays.fixed.names,
        fit.params,
        covariance,
        df_complete=float(fit.df_resid),
        n_rows=len(arrays.y),
        log_likelihood=log_likelihood,
        problems=tuple([DIVERGED] * (not fit.converged) + [SEPARATED] * separated),
    )


def _mixed(arrays: _Arrays, grouping: _Grouping, reml: bool) -> Estimates:
    fit = fit_mixed(arrays.y, arrays.fixed.matrix, grouping.design.matrix, grouping.codes, reml)
    return Estimates(
        arrays.fixed.names,
        fit.values,
        fit.covariance,
        n_rows=len(arrays.y),
        random=RandomEffects(grouping.name, grouping.design.names, fit.random),
        residual_variance=fit.residual,
        log_likelihood=fit.log_likelihood,
        problems=tuple([DIVERGED] * (not fit.converged) + [SINGULAR] * fit.singular),
    )


def _mixed_generalised(arrays: _Arrays, grouping: _Grouping, family: str) -> Estimates:
    if grouping.design.names != (INTERCEPT,):
        raise AnalysisError(
            f"The random part of this {family} model has the terms {some(grouping.design.names)}. Engine 'statsmodels' fits "
            f"such models with a random intercept, (1 | {grouping.name}). For more, give a function instead of a formula: it "
            "gets a completed table and returns (estimates, covariance), so that any other package can do the fit."
        )
    fit = fit_mixed_glm(arrays.y, arrays.fixed.matrix, grouping.codes, family)
    return Estimates(
        arrays.fixed.names,
        fit.values,
        fit.covariance,
        n_rows=len(arrays.y),
        random=RandomEffects(grouping.name, grouping.design.names, np.array([[fit.variance]])),
        log_likelihood=fit.log_likelihood,
        problems=tuple([DIVERGED] * (not fit.converged) + [SINGULAR] * fit.singular + [SEPARATED] * fit.separated),
    )

"""Everything that makes a specification unusable with these data, each refused with its place and a remedy."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError, TableError, meant, options, some
from jmimpute.names import INTERCEPT
from jmimpute.specification.covariances import COMMON, STRUCTURES
from jmimpute.specification.design import Design
from jmimpute.specification.formula import Formula
from jmimpute.specification.layout import Layout
from jmimpute.table.clusters import Clusters
from jmimpute.table.columns import require_complete
from jmimpute.table.kinds import CATEGORIES, MOMENTS, TEXTS, kind

#: So few rows or clusters may be as many categories: a toy.
FEW = 10


def unquoted(formula: Formula) -> Formula:
    """Responses without backquotes: in a joint model they are columns, where an analysis may transform them."""
    return replace(formula, responses=tuple(name.strip("`") for name in formula.responses))


def check_roles(formulas: Sequence[Formula], columns: Sequence[str]) -> None:
    """Each column has one role: response, covariate or cluster."""
    responses = [name for formula in formulas for name in formula.responses]
    for name in responses:
        if name not in columns:
            raise FormulaError(
                f"{name!r} stands left of '~' but is not a column.{meant(name, columns)} Write plain column names there, "
                "joined by '+'; put a transformed variable into a column of its own first."
            )
    repeated = [name for name in dict.fromkeys(responses) if responses.count(name) > 1]
    if repeated:
        raise FormulaError(f"Response {repeated[0]!r} stands left of '~' more than once. Give each response one formula.")
    clusters = list(dict.fromkeys(formula.cluster for formula in formulas if formula.cluster))
    if len(clusters) > 1:
        raise FormulaError(f"The formulas group by {some(map(repr, clusters))}. All must use the same cluster column.")
    for formula in formulas:
        if INTERCEPT in formula.columns:
            raise FormulaError(f"A covariate is called {INTERCEPT!r}, which is the name of the constant. Rename the column.")
        both = [name for name in formula.columns if name in responses]
        if both:
            raise FormulaError(
                f"Column {both[0]!r} is a response and also a covariate of {some(formula.responses)}. In a joint model the "
                "responses already depend on each other through their covariances: drop it from the right-hand side."
            )
        for name in (*formula.columns, *formula.responses):
            if name in clusters:
                raise FormulaError(f"Column {name!r} is the cluster and also a variable of the model. Drop one of the roles.")


def check_levels(level2: Sequence[Formula], level1: Sequence[Formula]) -> None:
    """Level-2 responses need clusters, and a column is a response at one level only, and nothing else there."""
    cluster = next((formula.cluster for formula in level1 if formula.cluster), None)
    if cluster is None:
        raise FormulaError(
            f"The level-2 formula {level2[0].text!r} needs clusters, but no level-1 formula has a grouping term. Add one, such "
            f"as '{level1[0].text} + (1 | cluster)'."
        )
    responses = [name for formula in level1 for name in formula.responses]
    covariates = [name for formula in level1 for name in formula.columns]
    for name in dict.fromkeys(name for formula in level2 for name in (*formula.responses, *formula.columns)):
        if name == cluster:
            raise FormulaError(f"Column {name!r} is the cluster and also a variable of level 2. Drop one of the roles.")
    for name in (name for formula in level2 for name in formula.responses):
        if name in responses:
            raise FormulaError(f"Column {name!r} is a response at level 1 and at level 2. Keep it where its values vary.")
        if name in covariates:
            raise FormulaError(
                f"Column {name!r} is a response at level 2 and a covariate at level 1. The responses of level 1 depend on it "
                "already, through the covariances of their random effects with it: drop it from the right-hand sides."
            )
    for name in (name for formula in level2 for name in formula.columns):
        if name in responses:
            raise FormulaError(
                f"Column {name!r} is a response at level 1 and a covariate at level 2. The level-2 responses depend on its "
                "random effects already: drop it from the right-hand sides."
            )


def check_covariance(covariance: Any, formulas: Sequence[Formula]) -> None:
    """The structure of the level-1 covariance exists, and there are clusters that it can differ between."""
    if covariance not in STRUCTURES:
        raise FormulaError(f"There is no covariance {covariance!r}: choose {options(STRUCTURES)}.")
    if covariance != COMMON and not any(formula.cluster for formula in formulas):
        raise FormulaError(
            f"covariance={covariance!r} gives each cluster a level-1 covariance matrix of its own, but no formula has a "
            "grouping term such as (1 | cluster), so that there are no clusters. Add one, or leave the covariance out."
        )


def check_families(families: Any, responses: Sequence[str]) -> None:
    """Families are given by response, for responses that exist."""
    if families is not None and not isinstance(families, Mapping):
        raise FormulaError(f"Families must be given as a dict such as {{'smoker': 'binary'}}, not {families!r}.")
    for name in families or {}:
        if name not in responses:
            raise FormulaError(f"A family is given for {name!r}, which is not a response. Responses: {some(responses, 20)}.")


def checked_bounds(bounds: Any, layout: Layout, is_structured: bool) -> tuple[float, float] | None:
    """A box for latents has two ends with 0 between them, and a latent to hold, in a model where there is a sampler for it."""
    if bounds is None:
        return None
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError) as error:
        raise FormulaError(f"latent_bounds must be two numbers such as (-3, 4), not {bounds!r}.") from error
    if not -np.inf < low < 0 < high < np.inf:
        raise FormulaError(f"latent_bounds must be finite and on both sides of 0, as (-3, 4) is, not {bounds!r}.")
    if not layout.has_latents:
        raise FormulaError("latent_bounds are given, but no response is categorical. Leave them out.")
    if is_structured:
        raise FormulaError(
            "latent_bounds are there to compare simple models with jomo: they cannot be combined with level-2 responses, with "
            "covariances that differ between clusters, or with '||'. Leave them out."
        )
    return low, high


def check_covariates(frame: pd.DataFrame, formulas: Sequence[Formula]) -> None:
    """Covariates are complete, finite and vary."""
    remedy = "Make it a response (left of '~') so that it is imputed too, or leave these rows out."
    for name in dict.fromkeys(name for formula in formulas for name in formula.columns):
        require_complete(frame, name, "a covariate", remedy)
        check_kind(frame[name], "rows")
        check_finite(frame[name])
        check_varies(frame[name], "row")


def check_kind(series: pd.Series, units: str) -> None:
    """A covariate, complete, is a number, or has categories that are fewer than what they are categories of."""
    holds = kind(series)
    if holds == MOMENTS:
        raise TableError(
            f"Covariate {series.name!r} holds dates, which a formula cannot use. Put a number into a column of its own first, "
            f"such as the days since the first: (data[{series.name!r}] - data[{series.name!r}].min()).dt.days."
        )
    n_categories = series.nunique() if holds in (TEXTS, CATEGORIES) else 0
    if 2 * n_categories > len(series) > FEW:
        raise TableError(
            f"Covariate {series.name!r} has {n_categories} categories in {len(series)} {units}: too many for coefficients of "
            "their own. Drop an identifier; make numbers of dates or numbers that were read as texts (pandas.to_datetime, "
            "pandas.to_numeric)."
        )


def check_finite(series: pd.Series) -> None:
    """A covariate has no infinite value."""
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        infinite = np.flatnonzero(np.isinf(series.to_numpy(dtype=float, na_value=np.nan)))
        if infinite.size:
            raise TableError(
                f"Covariate {series.name!r} has infinite values in {len(infinite)} row(s), counted from 0: {some(infinite)}. "
                "Replace them or leave these rows out."
            )


def check_varies(series: pd.Series, unit: str) -> None:
    """A covariate, complete, does not have the same value in every row or cluster."""
    if _is_constant(series):
        (value,) = series.iloc[:1].tolist()
        raise TableError(f"Covariate {series.name!r} does not vary: every {unit} has {value!r}. Drop it from the formula.")


def check_present(name: str, lacking: Sequence) -> None:
    """Every cluster has a value of a level-2 covariate in some row."""
    if lacking:
        raise TableError(
            f"Column {name!r} is a covariate at level 2 but {len(lacking)} cluster(s) have no value of it in any row: "
            f"{some(map(str, lacking))}. Make it a level-2 response (left of '~') so that it is imputed too, or leave these "
            "clusters out."
        )


def _is_constant(series: pd.Series) -> bool:
    try:
        return series.nunique() == 1
    except TypeError as error:
        raise TableError(
            f"Covariate {series.name!r} holds values that are neither numbers nor texts, such as {series.iloc[0]!r}. "
            "Convert or drop it."
        ) from error


def check_response(name: str, values: np.ndarray, units: str = "rows") -> None:
    """A response has observed values, and they differ."""
    observed = values[~np.isnan(values)]
    if not observed.size:
        raise TableError(
            f"Response {name!r} has no observed value in any of the {len(values)} {units}. Drop it from the formula."
        )
    if observed.min() == observed.max():
        raise TableError(
            f"Response {name!r} is constant: all {observed.size} observed values are {observed[0]:g}. A constant cannot be "
            "modelled; drop it from the formula and fill its missing cells by that value if this is right."
        )


def check_design(design: Design, formula: Formula, part: str) -> None:
    """The columns of one design matrix are finite and not collinear."""
    bad = [name for name, column in zip(design.names, design.matrix.T, strict=True) if not np.all(np.isfinite(column))]
    if bad:
        raise TableError(f"Column {bad[0]!r} of {formula.text!r} is not finite in every row. Check the transformation.")
    repeated = [name for name in dict.fromkeys(design.names) if design.names.count(name) > 1]
    if repeated:
        raise FormulaError(f"Two columns of {formula.text!r} are called {repeated[0]!r}. Rename that column of the table.")
    scale = np.linalg.norm(design.matrix, axis=0)
    empty = [name for name, norm in zip(design.names, scale, strict=True) if norm == 0]
    if empty:
        raise TableError(f"{empty[0]!r} is 0 in every row of the {part} of {formula.text!r}: drop the category or the term.")
    constant = [name for name, column in zip(design.names, design.matrix.T, strict=True) if np.ptp(column) == 0]
    if constant not in ([], [INTERCEPT]):
        name = next(name for name in constant if name != INTERCEPT)
        raise TableError(f"{name!r} is the same in every row of the {part} of {formula.text!r}: drop it, or write 1 instead.")
    dependent = first_dependent(design.matrix / scale)
    if dependent is not None:
        raise TableError(
            f"{design.names[dependent]!r} is collinear with the columns before it ({some(design.names[:dependent])}) in the "
            f"{part} of {formula.text!r}. Drop one of them."
        )


def first_dependent(matrix: np.ndarray) -> int | None:
    """Position of the first column that is a linear combination of those before it."""
    if not matrix.shape[1]:
        return None
    diagonal = np.abs(np.diagonal(np.linalg.qr(matrix, mode="r")))
    if matrix.shape[0] < matrix.shape[1]:
        return matrix.shape[0]
    dependent = np.flatnonzero(diagonal < 1e-10)
    return int(dependent[0]) if dependent.size else None


def check_names(design: Design, others: dict[str, np.ndarray], formula: Formula) -> None:
    """Columns of several formulas that share a name are the same."""
    for name, column in zip(design.names, design.matrix.T, strict=True):
        if name in others and not np.array_equal(others[name], column):
            raise FormulaError(
                f"{name!r} of {formula.text!r} is not the {name!r} of another formula. Rename that column of the table."
            )


def check_fixed(formula: Formula, design: Design) -> None:
    """A response has at least one fixed effect."""
    if not design.names:
        raise FormulaError(f"The formula {formula.text!r} has no fixed effect, not even {INTERCEPT!r}. Remove the '0'.")


def check_random(formula: Formula, design: Design) -> None:
    """A grouping term has at least one random effect."""
    if formula.cluster and not design.names:
        raise FormulaError(f"The grouping term of {formula.text!r} has no random effect: write (1 | {formula.cluster}).")


def check_clusters(clusters: Clusters) -> None:
    """There are several clusters, and some hold more than one row."""
    if clusters.name is None:
        return
    sizes = clusters.sizes
    if len(sizes) == 1:
        raise TableError(
            f"Column {clusters.name!r} has one cluster only ({clusters.labels[0]!r}). With one cluster there is no second "
            "level: leave the grouping term out."
        )
    if sizes.max() == 1:
        raise TableError(
            f"Every cluster of {clusters.name!r} has a single row, so random effects cannot be told from residuals: leave the "
            "grouping term out, or check that this is the right column."
        )

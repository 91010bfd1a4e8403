"""From formulas and a table to arrays in canonical order: parse, check, lay out, standardise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError
from jmimpute.specification import checks, priors, scaling
from jmimpute.specification.design import Design, design
from jmimpute.specification.families import Family, Variable
from jmimpute.specification.formula import Formula, parse
from jmimpute.specification.layout import Layout, lay_out
from jmimpute.specification.propriety import check_posterior
from jmimpute.specification.separation import Separation, separations
from jmimpute.specification.variables import coordinates, encode, resolve
from jmimpute.table import clusters as cluster_codes
from jmimpute.table import order, patterns
from jmimpute.table.clusters import Clusters
from jmimpute.table.patterns import Patterns


@dataclass(frozen=True)
class Specification:
    """A model and the arrays it is about.

    Attributes
    ----------
    formulas : tuple of Formula
    layout : Layout
    priors : Priors
    scaling : Scaling
    clusters : Clusters
        Labels and, in canonical order, codes; no label for a single-level model.
    order : ndarray of int, shape (n_rows,)
        Row of the table at each canonical position.
    y : ndarray, shape (n_rows, p)
        Responses on the standardised scale, in canonical order, NaN for missing cells. Latent normals are 0 where the
        category is observed.
    categories : ndarray of int, shape (n_rows, n_variables)
        Position of the observed category among the levels of its variable; -1 for missing cells and gaussian responses.
    x, z : ndarray, shapes (n_rows, q), (n_rows, r)
        Likewise.
    patterns : Patterns
        Of y.
    latent_bounds : tuple of float, optional
        Box for latent normals of observed categories, which is not part of the model but of jomo since version 2.7.
    """

    formulas: tuple[Formula, ...]
    layout: Layout
    priors: priors.Priors
    scaling: scaling.Scaling
    clusters: Clusters
    order: np.ndarray
    y: np.ndarray
    categories: np.ndarray
    x: np.ndarray
    z: np.ndarray
    patterns: Patterns
    latent_bounds: tuple[float, float] | None = None

    @property
    def n_clusters(self) -> int:
        """Clusters, J; 0 for a single-level model."""
        return len(self.clusters.labels)

    @cached_property
    def separations(self) -> list[Separation]:
        """Responses whose categories covariates tell apart without error, cut points being free to move."""
        return separations(self.layout, self.categories, self.x, free=True)


def specify(
    formulas: str | Sequence[str],
    frame: pd.DataFrame,
    given_families: Mapping[str, str | Family] | None = None,
    given_priors: priors.Priors | Mapping[str, Any] | None = None,
    latent_bounds: tuple[float, float] | None = None,
) -> Specification:
    """Turn what the analyst wrote into a specification.

    Parameters
    ----------
    formulas : str or sequence of str
        One formula for all responses, or several, each with its own covariates and random effects.
    frame : pandas.DataFrame, n_rows rows
    given_families : mapping of str to str or Family, optional
        See `jmimpute.specification.variables.resolve`.
    given_priors : Priors or mapping, optional
        See `jmimpute.specification.priors.resolve`.
    latent_bounds : tuple of float, optional
        See `Specification`.

    Returns
    -------
    Specification

    Raises
    ------
    FormulaError, TableError, PriorError
        See `jmimpute.specification.checks` and `jmimpute.specification.propriety`.
    """
    parsed = _parse_all(formulas, list(frame.columns))
    responses = tuple(name for formula in parsed for name in formula.responses)
    checks.check_families(given_families, responses)
    checks.check_covariates(frame, parsed)
    variables = resolve(frame, responses, given_families or {})
    y = np.column_stack([coordinates(frame[variable.name], variable) for variable in variables])
    categories = np.column_stack([encode(frame[variable.name], variable) for variable in variables])
    for variable in variables:
        if not variable.is_latent:
            checks.check_response(variable.name, y[:, variable.first])
    clusters = cluster_codes.code(frame, next((f.cluster for f in parsed if f.cluster), None))
    checks.check_clusters(clusters)
    covariates = list(dict.fromkeys(name for formula in parsed for name in formula.columns))
    rows = order.canonical(frame, clusters.codes, [*responses, *covariates])
    y = y[rows]
    layout, x, z = _designs(parsed, variables, frame[covariates].iloc[rows])
    scales = scaling.find(y, x, z, layout)
    y = (y - scales.center) / scales.scale
    specification = Specification(
        formulas=tuple(parsed),
        layout=layout,
        priors=_fitting(priors.resolve(given_priors), layout),
        scaling=scales,
        clusters=Clusters(clusters.name, clusters.labels, clusters.codes[rows]),
        order=rows,
        y=y,
        categories=np.ascontiguousarray(categories[rows]),
        x=x @ scales.x_transform,
        z=z @ scales.z_transform,
        patterns=patterns.find(y),
        latent_bounds=checks.checked_bounds(latent_bounds, layout),
    )
    check_posterior(specification)
    return specification


def _fitting(resolved: priors.Priors, layout: Layout) -> priors.Priors:
    """Settle priors that depend on the responses; refuse a scale matrix of another dimension than the model's."""
    resolved = priors.concrete(resolved, layout.has_latents)
    for prior, dim in ((resolved.Omega_e, len(layout.responses)), (resolved.Omega_u, layout.n_effects)):
        if dim and isinstance(prior, priors.InverseWishart):
            prior.scale_matrix(dim)
    return resolved


def _parse_all(formulas: str | Sequence[str], columns: list[str]) -> list[Formula]:
    texts = [formulas] if isinstance(formulas, str) else list(formulas)
    if not texts:
        raise FormulaError("No formula was given. Write one such as 'y1 + y2 ~ x + (1 | cluster)'.")
    parsed = [_unquoted(parse(text, columns)) for text in texts]
    checks.check_roles(parsed, columns)
    return parsed


def _unquoted(formula: Formula) -> Formula:
    """Responses without backquotes: here they are columns, where an analysis may transform them."""
    return replace(formula, responses=tuple(name.strip("`") for name in formula.responses))


def _designs(
    formulas: list[Formula], variables: tuple[Variable, ...], frame: pd.DataFrame
) -> tuple[Layout, np.ndarray, np.ndarray]:
    """Evaluate both sides of every formula and put the columns of all responses side by side."""
    fixed: dict[str, tuple[str, ...]] = {}
    random: dict[str, tuple[str, ...]] = {}
    x_columns: dict[str, np.ndarray] = {}
    z_columns: dict[str, np.ndarray] = {}
    for formula in formulas:
        x = _design(formula.common, frame, formula, "fixed part", x_columns)
        z = _design(formula.random, frame, formula, "random part", z_columns)
        checks.check_fixed(formula, x)
        checks.check_random(formula, z)
        fixed.update(dict.fromkeys(formula.responses, x.names))
        random.update(dict.fromkeys(formula.responses, z.names))
    layout = lay_out(variables, fixed, random)
    return layout, _stack(x_columns, layout.covariates, len(frame)), _stack(z_columns, layout.random, len(frame))


def _design(side: str | None, frame: pd.DataFrame, formula: Formula, part: str, columns: dict[str, np.ndarray]) -> Design:
    """Evaluate and check one side, and add its columns to those of the other responses."""
    built = design(side, frame) if side else Design(np.empty((len(frame), 0)), ())
    checks.check_design(built, formula, part)
    checks.check_names(built, columns, formula)
    columns.update(zip(built.names, built.matrix.T, strict=True))
    return built


def _stack(columns: dict[str, np.ndarray], names: tuple[str, ...], n_rows: int) -> np.ndarray:
    return np.column_stack([columns[name] for name in names]) if names else np.empty((n_rows, 0))

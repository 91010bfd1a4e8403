"""From formulas and a table to arrays in canonical order: parse, check, lay out, standardise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError
from jmimpute.specification import checks, priors, scaling, selected, selection_checks
from jmimpute.specification.covariances import CLUSTER_SPECIFIC as CLUSTER_SPECIFIC
from jmimpute.specification.covariances import COMMON as COMMON
from jmimpute.specification.covariances import RANDOM as RANDOM
from jmimpute.specification.designs import add, stack
from jmimpute.specification.families import Family, Variable
from jmimpute.specification.formula import Formula, parse
from jmimpute.specification.layout import Layout, Level2, lay_out
from jmimpute.specification.level2 import collect, parse_level2
from jmimpute.specification.propriety import check_posterior
from jmimpute.specification.selected import Selected
from jmimpute.specification.selection import Selection
from jmimpute.specification.separation import Separation, separations
from jmimpute.specification.settling import settle
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
    covariance : {"common", "cluster-specific", "random"}
        Whether clusters share Omega_e.
    w : ndarray, shape (J, p2)
        Level-2 responses on the standardised scale by cluster, as `y`.
    categories2 : ndarray of int, shape (J, n_variables2)
        As `categories`.
    x2 : ndarray, shape (J, q2)
        On the standardised scale.
    w_given : ndarray, shape (J, p2)
        `w` on the scale of the table, to the last bit.
    level2_formulas : tuple of Formula
    carried, carried_covariates : dict of str to ndarray of int
        Rows of the table without a value in clusters that have one in another row, for each level-2 response column and each
        level-2 covariate column that has such rows.
    selections : tuple of Selected
        Selection submodels, whose indicators are the last responses of the layout.
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
    covariance: str = COMMON
    w: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    categories2: np.ndarray = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    x2: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    w_given: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    level2_formulas: tuple[Formula, ...] = ()
    carried: dict[str, np.ndarray] = field(default_factory=dict)
    carried_covariates: dict[str, np.ndarray] = field(default_factory=dict)
    selections: tuple[Selected, ...] = ()

    @property
    def outcomes(self) -> tuple[Variable, ...]:
        """Responses at level 1 that are columns of the table: all but the indicators of selection submodels."""
        return self.layout.variables[: len(self.layout.variables) - len(self.selections)]

    @cached_property
    def layout_of_outcomes(self) -> Layout:
        """The layout without the indicators of selection submodels, but for random effects."""
        return self.layout.without_last(len(self.selections))

    @property
    def clauses(self) -> dict[str, Selection]:
        """What the analyst said of variables that are missing not at random."""
        return {selected.variable.name: selected.clause for selected in self.selections}

    @property
    def formulas_of_outcomes(self) -> tuple[Formula, ...]:
        """What the analyst wrote for level 1, without the selection formulas."""
        return self.formulas[: len(self.formulas) - len(self.selections)]

    @property
    def is_structured(self) -> bool:
        """Whether there is more than one level-1 covariance, a level-2 response, or a zero in Omega_u."""
        return _is_structured(self.layout, self.covariance)

    @property
    def has_latents(self) -> bool:
        """Whether any response, of rows or of clusters, is categorical."""
        return self.layout.has_latents or bool(self.layout.level2.latent.any())

    @property
    def n_clusters(self) -> int:
        """Clusters, J; 0 for a single-level model."""
        return len(self.clusters.labels)

    @cached_property
    def separations(self) -> list[Separation]:
        """Responses of both levels whose categories covariates tell apart without error, cut points being free to move."""
        found = separations(self.layout, self.categories, self.x, free=True)
        level2 = self.layout.level2
        return found + separations(level2, self.categories2, self.x2, free=True) if level2.variables else found


def specify(
    formulas: str | Sequence[str],
    frame: pd.DataFrame,
    given_families: Mapping[str, str | Family] | None = None,
    given_priors: priors.Priors | Mapping[str, Any] | None = None,
    latent_bounds: tuple[float, float] | None = None,
    *,
    level2: str | Sequence[str] | None = None,
    covariance: str = COMMON,
    missing: Mapping[str, Selection] | None = None,
) -> Specification:
    """Turn what the analyst wrote into a specification.

    Parameters
    ----------
    formulas : str or sequence of str
        One formula for all responses, or several, each with its own covariates and random effects.
    frame : pandas.DataFrame, n_rows rows
    given_families : mapping of str to str or Family, optional
        See `jmimpute.specification.variables.resolve`; for responses of both levels.
    given_priors : Priors or mapping, optional
        See `jmimpute.specification.priors.resolve`.
    latent_bounds : tuple of float, optional
        See `Specification`.
    level2 : str or sequence of str, optional
        Formulas of responses that belong to clusters.
    covariance : {"common", "cluster-specific", "random"}
    missing : mapping of str to Selection, optional
        Selection submodels by response.

    Returns
    -------
    Specification

    Raises
    ------
    FormulaError, TableError, PriorError
        See `jmimpute.specification.checks` and `jmimpute.specification.propriety`.
    """
    parsed = _parse_all(formulas, list(frame.columns))
    parsed2 = parse_level2(level2, list(frame.columns), parsed)
    checks.check_covariance(covariance, parsed)
    expanded = selected.expand(missing or {}, parsed, frame)
    frame, parsed = expanded.frame, [*parsed, *expanded.formulas]
    checks.check_roles(parsed, list(frame.columns))
    responses = [name for formula in parsed for name in formula.responses]
    checks.check_families(given_families, [*responses, *(name for formula in parsed2 for name in formula.responses)])
    families = {**(given_families or {}), **expanded.families}
    checks.check_covariates(frame, parsed)
    variables = resolve(frame, responses, families)
    y, categories = _response_columns(frame, variables)
    clusters = cluster_codes.code(frame, next((f.cluster for f in parsed if f.cluster), None))
    checks.check_clusters(clusters)
    of_clusters = collect(parsed2, frame, clusters, families)
    rows = order.canonical(frame, clusters.codes, _modelled(parsed, parsed2))
    covariates = list(dict.fromkeys(name for formula in parsed for name in formula.columns))
    y = y[rows]
    layout, x, z = _designs(parsed, variables, frame[covariates].iloc[rows], of_clusters.level2)
    scales = scaling.find(y, x, z, of_clusters.w, of_clusters.x2, layout)
    y = (y - scales.center) / scales.scale
    selections = selected.place(missing or {}, expanded, layout, rows)
    specification = Specification(
        formulas=tuple(parsed),
        layout=layout,
        priors=settle(priors.resolve(given_priors), layout, covariance, len(expanded.formulas)),
        scaling=scales,
        clusters=Clusters(clusters.name, clusters.labels, clusters.codes[rows]),
        order=rows,
        y=y,
        categories=np.ascontiguousarray(categories[rows]),
        x=x @ scales.x_transform,
        z=z @ scales.z_transform,
        patterns=patterns.find(y),
        latent_bounds=checks.checked_bounds(latent_bounds, layout, _is_structured(layout, covariance)),
        covariance=covariance,
        w=(of_clusters.w - scales.center2) / scales.scale2,
        categories2=of_clusters.categories,
        x2=of_clusters.x2 @ scales.x2_transform,
        w_given=of_clusters.w,
        level2_formulas=parsed2,
        carried=of_clusters.carried,
        carried_covariates=of_clusters.carried_covariates,
        selections=selections,
    )
    check_posterior(specification)
    selection_checks.check(specification)
    return specification


def _is_structured(layout: Layout, covariance: str) -> bool:
    return covariance != COMMON or bool(layout.level2.variables) or bool(layout.blocks.any())


def _parse_all(formulas: str | Sequence[str], columns: list[str]) -> list[Formula]:
    texts = [formulas] if isinstance(formulas, str) else list(formulas)
    if not texts:
        raise FormulaError("No formula was given. Write one such as 'y1 + y2 ~ x + (1 | cluster)'.")
    parsed = [checks.unquoted(parse(text, columns, allow_uncorrelated=True)) for text in texts]
    checks.check_roles(parsed, columns)
    return parsed


def _response_columns(frame: pd.DataFrame, variables: tuple[Variable, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and category codes of the responses."""
    y = np.column_stack([coordinates(frame[variable.name], variable) for variable in variables])
    categories = np.column_stack([encode(frame[variable.name], variable) for variable in variables])
    for variable in variables:
        if not variable.is_latent:
            checks.check_response(variable.name, y[:, variable.first])
    return y, categories


def _modelled(level1: Sequence[Formula], level2: Sequence[Formula]) -> list[str]:
    """The columns of a model, responses first, those of level 1 before those of level 2."""
    names = [name for formulas in (level1, level2) for formula in formulas for name in formula.responses]
    return list(dict.fromkeys([*names, *(name for formula in (*level1, *level2) for name in formula.columns)]))


def _designs(
    formulas: list[Formula], variables: tuple[Variable, ...], frame: pd.DataFrame, level2: Level2
) -> tuple[Layout, np.ndarray, np.ndarray]:
    """Evaluate both sides of every formula and put the columns of all responses side by side."""
    fixed: dict[str, tuple[str, ...]] = {}
    random: dict[str, tuple[str, ...]] = {}
    x_columns: dict[str, np.ndarray] = {}
    z_columns: dict[str, np.ndarray] = {}
    for formula in formulas:
        x = add(formula.common, frame, formula, "fixed part", x_columns)
        z = add(formula.random, frame, formula, "random part", z_columns)
        checks.check_fixed(formula, x)
        checks.check_random(formula, z)
        fixed.update(dict.fromkeys(formula.responses, x.names))
        random.update(dict.fromkeys(formula.responses, z.names))
    uncorrelated = [name for formula in formulas if formula.uncorrelated for name in formula.responses]
    layout = lay_out(variables, fixed, random, uncorrelated, level2)
    return layout, stack(x_columns, layout.covariates, len(frame)), stack(z_columns, layout.random, len(frame))

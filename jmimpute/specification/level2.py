"""Responses and covariates of clusters: formulas without grouping term about columns that do not vary within a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from jmimpute.errors import FormulaError
from jmimpute.specification import checks
from jmimpute.specification.designs import add, stack
from jmimpute.specification.families import Family
from jmimpute.specification.formula import Formula, parse
from jmimpute.specification.layout import NO_LEVEL_2, Level2, lay_out_level2
from jmimpute.specification.variables import coordinates, encode, resolve
from jmimpute.table.clusters import Clusters
from jmimpute.table.level2 import Held, hold


@dataclass(frozen=True)
class ClusterData:
    """Level-2 part of a model, clusters in the order of their codes.

    Attributes
    ----------
    level2 : Level2
    w : ndarray, shape (J, p2)
        Responses on the original scale, NaN for missing cells; latent normals are 0 where the category is observed.
    categories : ndarray of int, shape (J, n_variables2)
    x2 : ndarray, shape (J, q2)
        On the original scale.
    carried, carried_covariates : dict of str to ndarray of int
        Rows of the table without a value in clusters that have one, for each response and covariate column that has such rows.
    """

    level2: Level2
    w: np.ndarray
    categories: np.ndarray
    x2: np.ndarray
    carried: dict[str, np.ndarray] = field(default_factory=dict)
    carried_covariates: dict[str, np.ndarray] = field(default_factory=dict)


def parse_level2(level2: str | Sequence[str] | None, columns: Sequence[str], level1: Sequence[Formula]) -> tuple[Formula, ...]:
    """Parse and check the formulas of level-2 responses.

    Parameters
    ----------
    level2 : str or sequence of str, optional
        Such as ``"avslrt ~ 1"``.
    columns : sequence of str
        Of the table.
    level1 : sequence of Formula

    Raises
    ------
    FormulaError
        If a formula has a grouping term, level 1 has none, or a column has a role at both levels that it cannot have.
    """
    if level2 is not None and not isinstance(level2, Sequence):
        raise FormulaError(f"level2 must be a formula such as 'w ~ 1' or a list of formulas, not {level2!r}.")
    texts = [level2] if isinstance(level2, str) else list(level2 or ())
    parsed = tuple(checks.unquoted(parse(text, columns, allow_uncorrelated=True)) for text in texts)
    for formula in parsed:
        if formula.cluster is not None:
            raise FormulaError(
                f"The level-2 formula {formula.text!r} has a grouping term. Its responses have one value for each cluster, and "
                f"depend on the random effects of level 1 without being told: leave (... | {formula.cluster}) out."
            )
    if parsed:
        checks.check_roles(parsed, columns)
        checks.check_levels(parsed, level1)
    return parsed


def collect(
    formulas: Sequence[Formula], frame: pd.DataFrame, clusters: Clusters, families: Mapping[str, str | Family]
) -> ClusterData:
    """Collect the values of clusters and lay the level-2 part of a model out.

    Parameters
    ----------
    formulas : sequence of Formula
        Made by `parse_level2`; may be empty.
    frame : pandas.DataFrame, n_rows rows
    clusters : Clusters
        Of the rows of the frame.
    families : mapping of str to str or Family

    Returns
    -------
    ClusterData

    Raises
    ------
    FormulaError, TableError
        If rows of a cluster have different values, or for what is refused at level 1 as well.
    """
    n_clusters = len(clusters.labels)
    if not formulas:
        return ClusterData(
            NO_LEVEL_2, np.empty((n_clusters, 0)), np.empty((n_clusters, 0), dtype=np.int64), np.empty((n_clusters, 0))
        )
    responses = [name for formula in formulas for name in formula.responses]
    covariates = list(dict.fromkeys(name for formula in formulas for name in formula.columns))
    held = {name: hold(frame[name], clusters) for name in (*responses, *covariates)}
    values = _covariates(covariates, frame, clusters, held)
    # Rows that have a value have that of their cluster, so that families and categories of rows are those of clusters, and
    # what is wrong with a value is told with its rows.
    variables = resolve(frame, responses, families)
    w = np.column_stack([coordinates(frame[v.name], v)[held[v.name].rows] for v in variables])
    categories = np.column_stack([encode(frame[v.name], v)[held[v.name].rows] for v in variables])
    for variable in variables:
        if not variable.is_latent:
            checks.check_response(variable.name, w[:, variable.first], "clusters")
    fixed: dict[str, tuple[str, ...]] = {}
    columns: dict[str, np.ndarray] = {}
    for formula in formulas:
        x2 = add(formula.common, values, formula, "fixed part", columns)
        checks.check_fixed(formula, x2)
        fixed.update(dict.fromkeys(formula.responses, x2.names))
    level2 = lay_out_level2(variables, fixed)
    x2 = stack(columns, level2.covariates, n_clusters)
    return ClusterData(level2, w, categories, x2, _carried(responses, held), _carried(covariates, held))


def _covariates(names: list[str], frame: pd.DataFrame, clusters: Clusters, held: dict[str, Held]) -> pd.DataFrame:
    """Covariates of clusters, complete, finite and not constant."""
    values = pd.DataFrame(index=range(len(clusters.labels)))
    for name in names:
        checks.check_present(name, [clusters.labels[j] for j in np.flatnonzero(held[name].absent)])
        checks.check_finite(frame[name])
        values[name] = frame[name].iloc[held[name].rows].reset_index(drop=True)
        checks.check_kind(values[name], "clusters")
        checks.check_varies(values[name], "cluster")
    return values


def _carried(names: list[str], held: dict[str, Held]) -> dict[str, np.ndarray]:
    return {name: held[name].carried for name in names if held[name].carried.size}

"""One stream of chained equations: fill, then sweep over the incomplete variables, each drawn given the others."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jmimpute.chained.columns import Column, dummies
from jmimpute.chained.equations import Equation
from jmimpute.chained.filling import fill
from jmimpute.chained.passive import Passive
from jmimpute.chained.regression import check_full_rank
from jmimpute.chained.target import Target
from jmimpute.errors import ChainedWarning, ImputationError
from jmimpute.names import INTERCEPT
from jmimpute.table.clusters import Clusters


@dataclass(frozen=True)
class Plan:
    """All that a stream needs; rows are in canonical order.

    Attributes
    ----------
    columns : dict of str to Column
        Columns of the table that are used.
    equations : tuple of Equation
        In visiting order.
    passive : tuple of Passive
        Each after those that it needs.
    clusters : Clusters
    rows : ndarray of int, shape (n_rows,)
        Row of the table that stands at each place.
    iterations : int
        Sweeps.
    """

    columns: dict[str, Column]
    equations: tuple[Equation, ...]
    passive: tuple[Passive, ...]
    clusters: Clusters
    rows: np.ndarray
    iterations: int


@dataclass(frozen=True)
class Stream:
    """What a stream ended with.

    Attributes
    ----------
    cells : dict of str to ndarray, shape (n_missing,)
        Missing cells after the last sweep, in canonical order.
    means, sds : ndarray, shape (iterations, n_equations)
        Of the imputed cells after each sweep; of codes for categories.
    problems : tuple of str
        Warnings of its methods.
    """

    cells: dict[str, np.ndarray]
    means: np.ndarray
    sds: np.ndarray
    problems: tuple[str, ...] = field(default=())


def run(plan: Plan, seed: np.random.SeedSequence) -> Stream:
    """Run one stream; in a process of its own, or not.

    Parameters
    ----------
    plan : Plan
    seed : numpy.random.SeedSequence

    Returns
    -------
    Stream

    Raises
    ------
    ImputationError
        If a conditional model cannot be fitted.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    # Products of matrices are rounded otherwise when several threads share them.
    with warnings.catch_warnings(record=True) as caught, threadpool_limits(1, user_api="blas"):
        warnings.simplefilter("always", ChainedWarning)
        state = _filled(plan, rng)
        means, sds = np.empty((2, plan.iterations, len(plan.equations)))
        for sweep in range(plan.iterations):
            for place, equation in enumerate(plan.equations):
                imputed = _drawn(plan, equation, state, rng, sweep)
                means[sweep, place], sds[sweep, place] = imputed.mean(), imputed.std()
    for warning in caught:
        if not issubclass(warning.category, ChainedWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    problems = (str(warning.message) for warning in caught if issubclass(warning.category, ChainedWarning))
    incomplete = [name for name, column in plan.columns.items() if name in state and column.is_incomplete]
    cells = {name: state[name][~plan.columns[name].observed] for name in incomplete}
    return Stream(cells, means, sds, tuple(dict.fromkeys(problems)))


def _filled(plan: Plan, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Completed values by column and passive variable, before the first sweep."""
    of_clusters = {equation.name for equation in plan.equations if equation.of_clusters}
    computed = {one.name for one in plan.passive}
    state = {}
    for name, column in plan.columns.items():
        if name not in computed:
            incomplete = column.is_incomplete
            state[name] = fill(column, plan.clusters.codes, name in of_clusters, rng) if incomplete else column.values
    for one in plan.passive:
        _recompute(plan, one, state)
    return state


def _recompute(plan: Plan, one: Passive, state: dict[str, np.ndarray]) -> None:
    """Compute a passive variable; cells of it that are observed stay."""
    values = one.computed(plan.columns, state, plan.rows)
    column = plan.columns.get(one.name)
    state[one.name] = values if column is None else np.where(column.observed, column.values, values)


def _drawn(plan: Plan, equation: Equation, state: dict[str, np.ndarray], rng: np.random.Generator, sweep: int) -> np.ndarray:
    """Draw the missing cells of a variable into the state, and what is computed from it; returns these cells."""
    target = target_of(plan, equation, state)
    try:
        if sweep == 0:
            check_full_rank(target.x[target.observed], equation.name, target.columns)
        imputed = np.asarray(equation.method(target, rng), dtype=float)
    except (ImputationError, np.linalg.LinAlgError) as error:
        raise ImputationError(f"{error} (Variable {equation.name!r}, sweep {sweep + 1}.)") from error
    _check(imputed, target)
    values = state[equation.name].copy()
    values[target.missing] = imputed
    state[equation.name] = values
    for one in plan.passive:
        if equation.name in one.sources:
            _recompute(plan, one, state)
    return imputed


def target_of(plan: Plan, equation: Equation, state: Mapping[str, np.ndarray]) -> Target:
    """What a method sees of a variable, at the current completed values.

    Parameters
    ----------
    plan : Plan
    equation : Equation
    state : mapping of str to ndarray, shape (n_rows,)

    Returns
    -------
    Target
        Cluster means are columns of `x` for methods in which coefficients may be fixed, else they are in `means`.
    """
    column, predictors, codes = plan.columns[equation.name], equation.predictors, plan.clusters.codes
    names, x, origins = _design(plan, predictors.fixed, state)
    _, of_clusters, _ = _design(plan, predictors.of_clusters, state)
    meant, averaged, _ = _design(plan, equation.means, state)
    sizes = np.bincount(codes)
    means = [np.bincount(codes, part) / sizes for part in (*of_clusters[1:], *averaged[1:])]
    if equation.entry.random != "all":
        x += [mean[codes] for mean in means]
        names += [f"mean({name})" for name in meant[1:]]
        means = []
    is_random = [origin in predictors.random for origin in origins[1:]]
    selection = None if equation.selection is None else np.column_stack(_design(plan, equation.selection, state)[1])
    return Target(
        name=equation.name,
        y=state[equation.name],
        observed=column.observed,
        x=np.column_stack(x),
        columns=tuple(names),
        random=np.flatnonzero([predictors.random_intercept, *is_random]),
        codes=codes,
        labels=plan.clusters.labels or ["all rows"],
        means=np.column_stack(means) if means else np.empty((len(sizes), 0)),
        selection=selection,
        n_categories=len(column.levels),
    )


def _design(
    plan: Plan, columns: Sequence[str], state: Mapping[str, np.ndarray]
) -> tuple[list[str], list[np.ndarray], list[str]]:
    """Names and columns of a design matrix, the constant first, and the predictor that each comes from."""
    names, parts, origins = [INTERCEPT], [np.ones(len(plan.rows))], [INTERCEPT]
    for name in columns:
        one = plan.columns.get(name)
        labels, own = ([name], [state[name]]) if one is None else dummies(one, state[name])
        names, parts, origins = names + labels, parts + own, origins + [name] * len(own)
    return names, parts, origins


def _check(imputed: np.ndarray, target: Target) -> None:
    """A method returned a possible value for each missing cell."""
    n_missing, k = int(target.missing.sum()), target.n_categories
    if imputed.shape != (n_missing,):
        raise ImputationError(f"The method of {target.name!r} returned an array of shape {imputed.shape}, not ({n_missing},).")
    bad = ~np.isfinite(imputed) if not k else ~np.isin(imputed, np.arange(k))
    if bad.any():
        what = f"categories 0 to {k - 1}" if k else "finite numbers"
        raise ImputationError(f"The method of {target.name!r} returned {imputed[bad][0]!r}; its values must be {what}.")

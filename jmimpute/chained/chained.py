"""The entry point of chained equations: check, run the streams side by side, and make Imputations of what they end with."""

import os
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from jmimpute.chained.loop import Plan, Stream, run
from jmimpute.chained.plan import Request, make_plan
from jmimpute.chained.target import Method
from jmimpute.chained.traces import judge, to_record
from jmimpute.errors import ChainedWarning, ConvergenceWarning, ImputationError, InterruptedWarning
from jmimpute.imputations import Imputations
from jmimpute.progress import progress
from jmimpute.stopwatch import CPU, SECONDS, Stopwatch
from jmimpute.table.reading import Table, read

#: Warnings of methods that are shown.
MOST_WARNINGS = 5


def chained(
    data: Any,
    methods: Mapping[str, str | Method | None] | None = None,
    predictors: Mapping[str, str] | None = None,
    *,
    cluster: str | None = None,
    m: int = 20,
    iterations: int = 10,
    passive: Mapping[str, str] | None = None,
    cluster_means: bool | Sequence[str] = False,
    visit: Sequence[str] | None = None,
    selection: Mapping[str, str] | None = None,
    random_seed: int | None = None,
    cores: int | None = None,
    progressbar: bool = True,
) -> Imputations:
    """Impute by fully conditional specification (chained equations): each incomplete variable by a model of its own.

    For comparison with the joint model. Each of m streams fills the missing cells by random observed values and then goes over
    the incomplete variables again and again: it fits the model of one to the rows where it is observed, with the current
    values of the others as predictors, draws parameters, and draws its missing cells anew.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame or pyarrow.Table
    methods : mapping of str to str, Method or None, optional
        By incomplete column: a name such as ``"two-stage"``, an object of `jmimpute.methods` that has options, a function of a
        `jmimpute.chained.target.Target` and a generator, or None to leave the column incomplete. For columns not named see
        `jmimpute.chained.choosing.default_method`. Complete columns are never imputed.
    predictors : mapping of str to str, optional
        By column, a formula of other columns: ``{"x1": "~ x2 + y + (1 + x2 + y | school)"}``. In methods in which all
        coefficients vary between clusters the grouping term may be left out; columns that do not vary within clusters then
        predict the coefficients of clusters. If not given: all others (see Notes).
    cluster : str, optional
        Cluster column.
    m : int
        Number of imputations, and streams.
    iterations : int
        Sweeps of a stream. With a single incomplete variable there is one, which is all it takes.
    passive : mapping of str to str, optional
        Variables computed from others, anew whenever these change: ``{"x1_y": "x1 * y"}``. Arithmetic as in
        `Imputations.assign`. A column of the table keeps its observed cells; other names exist only as predictors.
    cluster_means : bool or sequence of str
        Add the cluster means of these predictors, of their current values, or those of all predictors.
    visit : sequence of str, optional
        Order in which incomplete columns are imputed; that of the table if not given.
    selection : mapping of str to str, optional
        For methods with a selection equation, its formula by column: ``{"y": "~ x + z"}``.
    random_seed : int, optional
        The same seed gives the same imputations for any order of rows and number of cores, and those for a smaller m are the
        first of those for a larger one.
    cores : int, optional
        Streams that run at a time, -1 for all cores. If not given, one, or what ``joblib.parallel_config`` says.
    progressbar : bool

    Returns
    -------
    Imputations
        Whose `traces` say whether the streams converged. Of a KeyboardInterrupt, the streams that were done.

    Raises
    ------
    ImputationError
        If a method does not suit a column, or a conditional model cannot be fitted.
    FormulaError
        If a formula or expression is not allowed.
    TableError
        If a column is not there, or cannot be used.

    Warns
    -----
    ChainedWarning
        What methods say of their fits, once; passive variables that are observed where their sources are not.
    ConvergenceWarning
        If streams disagree.
    InterruptedWarning
        If there are fewer streams than were asked for.

    Notes
    -----
    Predictors where no formula is given are all other columns but the cluster, columns that are left incomplete, do not vary,
    number the rows (whole numbers that are all different), hold dates or more than 20 categories, and passive variables
    computed from the column itself; `provenance` says which were left out. They have random coefficients in methods that have
    no others; in other methods with random effects there is a random intercept only.

    References
    ----------
    van Buuren and Groothuis-Oudshoorn (2011), J Stat Softw 45(3). Resche-Rigon and White (2018), Stat Methods Med Res
    27:1634-1649.

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils")
    >>> chosen = {"reading": "mixed", "maths": "mixed", "motivation": "mixed"}
    >>> jm.chained(pupils, chosen, cluster="school", m=2, iterations=2, random_seed=1, progressbar=False)  # doctest: +SKIP
    """
    _check_numbers(m=m, iterations=iterations)
    watch = Stopwatch()
    table = read(data)
    request = Request(
        {} if methods is None else methods,
        {} if predictors is None else predictors,
        cluster,
        iterations,
        {} if passive is None else passive,
        cluster_means,
        visit,
        {} if selection is None else selection,
    )
    plan, left_out = make_plan(table.frame, request)
    seed: Any = np.random.SeedSequence(random_seed).entropy
    streams, cpu_elsewhere = _collected(_streams(plan, int(seed), m, cores), m, progressbar)
    problems = Counter(problem for stream in streams for problem in stream.problems)
    _warn(problems, len(streams))
    record = {"left_out": left_out, "problems": dict(problems), **_record(plan, request, streams)}
    seconds = watch.seconds()
    seconds[CPU] += cpu_elsewhere
    provenance = {"chained": record, "seed": int(seed), "versions": _versions(), SECONDS: seconds}
    imputations = _imputations(table, plan, streams, provenance)
    verdict = judge(record["traces"])
    if not verdict.ok and not verdict.table.empty:
        warnings.warn(" ".join(verdict.messages), ConvergenceWarning, stacklevel=2)
    return imputations


def _check_numbers(**numbers: Any) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ImputationError(f"{name} must be a whole number of at least 1, not {value!r}.")


def _streams(plan: Plan, seed: int, m: int, cores: int | None) -> Iterator[tuple[Stream, float]]:
    from joblib import Parallel, delayed

    tasks = (delayed(_run)(plan, np.random.SeedSequence(seed, spawn_key=(k,)), os.getpid()) for k in range(m))
    return Parallel(n_jobs=cores, return_as="generator")(tasks)  # type: ignore[return-value]


def _run(plan: Plan, seed: np.random.SeedSequence, caller: int) -> tuple[Stream, float]:
    """A stream, and the CPU seconds it took where that was in another process than the caller's."""
    start = time.process_time()
    stream = run(plan, seed)
    return stream, 0.0 if os.getpid() == caller else time.process_time() - start


def _collected(found: Iterator[tuple[Stream, float]], m: int, progressbar: bool) -> tuple[list[Stream], float]:
    """Streams one after the other, those that were done if the user interrupts, and CPU seconds of other processes."""
    streams: list[Stream] = []
    cpu = 0.0
    try:
        with progress("Imputing", m, progressbar) as report:
            for stream, elsewhere in found:
                streams.append(stream)
                cpu += elsewhere
                report(len(streams))
    except KeyboardInterrupt:
        if not streams:
            raise
        warnings.warn(f"Interrupted: {len(streams)} of {m} streams were done and kept.", InterruptedWarning, 3)
    return streams, cpu


def _warn(problems: Counter, n_streams: int) -> None:
    """Hand on what methods warned of, each once, and not too many."""
    for problem, count in problems.most_common(MOST_WARNINGS):
        warnings.warn(f"{problem} (In {count} of {n_streams} streams.)", ChainedWarning, 3)
    if len(problems) > MOST_WARNINGS:
        rest = len(problems) - MOST_WARNINGS
        warnings.warn(f"{rest} more warnings are in imputations.provenance['chained']['problems'].", ChainedWarning, 3)


def _imputations(table: Table, plan: Plan, streams: Sequence[Stream], record: dict[str, Any]) -> Imputations:
    """Cells of all streams in the order of the table."""
    rows, values, levels = {}, {}, {}
    for name in (name for name in table.frame.columns if name in streams[0].cells):
        column = plan.columns[name]
        places = plan.rows[~column.observed]
        order = np.argsort(places)
        drawn = np.array([stream.cells[name] for stream in streams])[:, order]
        rows[name], values[name] = places[order], drawn.astype(np.int64) if column.levels else drawn
        if column.levels:
            levels[name] = column.levels
    return Imputations(table, rows, values, len(streams), plan.clusters.name, record, levels)


def _record(plan: Plan, request: Request, streams: Sequence[Stream]) -> dict[str, Any]:
    """What was run, and its traces."""
    means, sds = (np.array([getattr(stream, what) for stream in streams]) for what in ("means", "sds"))
    variables = [one.name for one in plan.equations]
    return {
        "methods": {one.name: repr(one.method) for one in plan.equations},
        "predictors": {one.name: one.predictors.text(one.name, plan.clusters.name) for one in plan.equations},
        "cluster_means": {one.name: list(one.means) for one in plan.equations if one.means},
        "selection": dict(request.selection),
        "passive": dict(request.passive),
        "visit": variables,
        "iterations": plan.iterations,
        "traces": to_record(variables, means, sds),
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("jmimpute", "numpy", "pandas")}

"""Compare: one analysis by several methods, beside complete cases and, where it is known, the truth."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from jmimpute.analysis.analyze import Analysis, analyze
from jmimpute.analysis.compare_causes import causes
from jmimpute.analysis.compare_methods import COMPLETE_CASES, COMPLETE_DATA, TRUTH, Method, imputed, known, single
from jmimpute.analysis.compare_methods import published as as_published
from jmimpute.analysis.compare_result import Comparison, parts_of
from jmimpute.analysis.compare_tables import check_complete, check_same, columns_of, complete_rows
from jmimpute.analysis.estimates import Estimates, problems_by_imputation
from jmimpute.errors import AnalysisError, AnalysisWarning, JMImputeError, some
from jmimpute.table.reading import read


def compare(
    sources: Mapping[str, Any],
    analysis: Analysis,
    truth: Any = None,
    *,
    published: Mapping[str, Any] | None = None,
    data: Any = None,
    engine: str = "statsmodels",
    family: str = "gaussian",
    level: float = 0.95,
    **settings: Any,
) -> Comparison:
    """Put the results of one analysis by several methods side by side; complete cases are always among them.

    Parameters
    ----------
    sources : mapping of str to Imputations
        By the name of the method: ``{"joint": fit.impute(m=50), "mice": jm.read_mice(path)}``, or by what is assumed of missing
        values: ``{"MAR": imputations, "one lower": imputations.delta("reading", jm.shift(-1))}``. All must be imputations of
        the same table, as far as the analysis uses it.
    analysis : str or callable
        Formula or function, as in `Imputations.analyze`; `jmimpute.mean` makes a function.
    truth : mapping, Series or table, optional
        What is true by term, or the complete table from which values were removed, to which the analysis is fitted.
    published : mapping of str to table, optional
        Results that exist only as numbers, by the name of the method: columns ``term``, ``estimate`` and ``std_error``, and
        those of ``df``, ``conf_low``, ``conf_high``, ``riv``, ``fmi`` and ``mc_error`` that are known; and ``m``, ``rows``,
        ``wall_seconds`` and ``cpu_seconds``, the same in all rows.
    data : table, optional
        The incomplete table that complete cases are taken from; that of the sources if not given.
    engine, family
        As in `Imputations.analyze`.
    level : float
        Of the confidence intervals.
    **settings
        Of the engine.

    Returns
    -------
    Comparison

    Raises
    ------
    AnalysisError
        If there is nothing to compare, a name is used twice or reserved, the tables of two sources differ, the analysis fails
        for a source, or published results or the truth do not fit it.

    Warns
    -----
    AnalysisWarning
        If fits did not converge or are singular, or complete cases cannot be analysed; the method is named.

    Notes
    -----
    Complete cases are the rows that are complete in all columns of the analysis; for a function that does not list them as
    ``columns``, in all columns that a source imputed.

    Examples
    --------
    >>> import jmimpute as jm
    >>> pupils = jm.datasets.load("pupils")
    >>> model = jm.JointModel("reading + maths + motivation ~ sex + age + (1 | school)", pupils)
    >>> imputations = model.fit(random_seed=1, progressbar=False).impute(5, progressbar=False)
    >>> sources = {"MAR": imputations, "reading 3 lower": imputations.delta("reading", jm.shift(-3))}
    >>> comparison = jm.compare(sources, "maths ~ reading + sex + (1 | school)")
    >>> comparison.names
    ('complete cases', 'MAR', 'reading 3 lower')
    >>> comparison.differences().query("method == 'reading 3 lower' and term == 'reading'")["difference"].item() < 0
    True
    """
    given = published or {}
    _check(sources, given, data, level)
    frames = {name: source.original for name, source in sources.items()}
    frame = next(iter(frames.values())) if data is None else read(data).frame
    used = columns_of(analysis, frame)
    check_same(frames if data is None else {"data": frame, **frames}, used)
    analyst = _Analyst(analysis, {"engine": engine, "family": family, **settings}, level)
    imputed_columns = {column for source in sources.values() for column in source.columns}
    complete = complete_rows(frame, used, [name for name in frame if name in imputed_columns or not sources])
    methods = [analyst.pooled(name, source) for name, source in sources.items()]
    methods = [*analyst.complete_cases(pd.DataFrame(frame[complete])), *methods]
    if not methods:
        raise AnalysisError(f"There is nothing to set the published results beside. {analyst.notes[0]}")
    parts = parts_of(methods)
    methods += [as_published(name, table, parts, level) for name, table in given.items()]
    methods += _truth(truth, frame, used, analyst, parts)
    return Comparison(
        tuple(methods),
        analysis if isinstance(analysis, str) else getattr(analysis, "__name__", type(analysis).__name__),
        level,
        causes(sources, analysis, family, used, complete),
        tuple(analyst.notes),
    )


class _Analyst:
    """Fits the analysis to one source after the other, and keeps notes of what should be looked at."""

    def __init__(self, analysis: Analysis, options: dict[str, Any], level: float) -> None:
        self.analysis, self.options, self.level = analysis, options, level
        self.notes: list[str] = []

    def pooled(self, name: str, source: Any) -> Method:
        """Results of imputations."""
        try:
            fits = self._fits(lambda: source.analyze(self.analysis, **self.options).fits)
            self._look_at(name, fits)
            return imputed(name, fits, self.level, source.provenance)
        except JMImputeError as error:
            raise AnalysisError(f"Source {name!r}: {error}") from error

    def complete_cases(self, frame: pd.DataFrame) -> list[Method]:
        """Results of complete cases; none where they cannot be analysed, which need not keep others from it."""
        try:
            if frame.empty:
                raise AnalysisError("no row is complete in all columns of the analysis.")
            return [self.single(COMPLETE_CASES, frame)]
        except JMImputeError as error:
            self._note(f"There are no estimates from {COMPLETE_CASES}: {error}")
            return []

    def single(self, name: str, frame: pd.DataFrame) -> Method:
        """Results of one table."""
        try:
            fits = self._fits(lambda: analyze([frame.reset_index(drop=True)], self.analysis, **self.options).fits)
        except AnalysisError as error:
            raise AnalysisError(str(error).removeprefix("Imputation 1: ")) from error
        self._look_at(name, fits)
        return single(name, fits[0], self.level)

    def _fits(self, fit: Callable[[], tuple[Estimates, ...]]) -> tuple[Estimates, ...]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AnalysisWarning)  # told with the name of the method
            return fit()

    def _look_at(self, name: str, fits: tuple[Estimates, ...]) -> None:
        for problem, where in problems_by_imputation(fits).items():
            which = f" (imputations {some(where, 10)})" if len(fits) > 1 else ""
            self._note(f"{name}: {problem}{which}.")

    def _note(self, note: str) -> None:
        warnings.warn(note, AnalysisWarning, 4)
        self.notes.append(note)


def _check(sources: Mapping[str, Any], given: Mapping[str, Any], data: Any, level: float) -> None:
    """Refuse what cannot be compared before anything is fitted."""
    for mapping, what in ((sources, "sources"), (given, "published results")):
        if not isinstance(mapping, Mapping):
            raise AnalysisError(f"Give the {what} by the name of their method, not {type(mapping).__name__}.")
    if not sources and data is None:
        raise AnalysisError(
            "There are no sources. Give imputations by the name of their method, such as {'joint': imputations}."
        )
    for name, source in sources.items():
        if not all(hasattr(source, part) for part in ("original", "analyze", "provenance")):
            raise AnalysisError(
                f"Source {name!r} is {type(source).__name__}. Sources are Imputations; jm.read_mice, jm.read_long and "
                "jm.from_tables make them of what others wrote, and published= takes numbers."
            )
    for name in (*sources, *given):
        if not isinstance(name, str) or not name.strip():
            raise AnalysisError(f"The name of a method must be a text, not {name!r}.")
        if name in (COMPLETE_CASES, COMPLETE_DATA, TRUTH):
            raise AnalysisError(f"{name!r} is what the comparison itself adds. Give that method another name.")
    twice = [name for name in sources if name in given]
    if twice:
        raise AnalysisError(f"{some(map(repr, twice))} is the name of a source and of published results. Rename one of them.")
    if not 0 < level < 1:
        raise AnalysisError(f"The level is {level}. It must lie between 0 and 1, for example 0.95.")


def _truth(
    truth: Any, frame: pd.DataFrame, used: list[str] | None, analyst: _Analyst, parts: Mapping[str, str]
) -> list[Method]:
    """The truth by term, or what the analysis finds in a complete table."""
    if truth is None:
        return []
    if isinstance(truth, Mapping | pd.Series):
        return [known(dict(truth), parts)]
    complete = read(truth).frame
    check_complete(complete, frame, used)
    try:
        return [analyst.single(COMPLETE_DATA, complete)]
    except AnalysisError as error:
        raise AnalysisError(f"The complete table of the truth: {error}") from error

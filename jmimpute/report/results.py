"""Section on results: pooled estimates, random effects, complete cases and other methods, and whether m is enough."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from jmimpute.analysis.compare_methods import COMPLETE_CASES, Method, imputed, single
from jmimpute.analysis.compare_result import Comparison
from jmimpute.analysis.compare_tables import columns_of, complete_rows
from jmimpute.analysis.estimates import problems_by_imputation
from jmimpute.analysis.pool import Pooled
from jmimpute.errors import AnalysisError, JMImputeError, some
from jmimpute.report.blocks import Block, Heading, Items, NotDone, Section, Table, Text, listed, picture
from jmimpute.report.materials import Materials, Result
from jmimpute.report.numbers import interval, number

COLUMNS = ["term", "estimate", "std_error", "conf_low", "conf_high", "df", "p_value", "fmi", "riv", "mc_error"]
#: Coefficient of variation of standard errors that the number of imputations is judged by.
REPRODUCED_TO = 0.05
MULTIPLY_IMPUTED = "imputed"


def monte_carlo_errors(pooled: Pooled) -> np.ndarray:
    """Monte Carlo errors of pooled estimates, sqrt(B / m), with B the variance between imputations.

    Of the total variance T, the share lambda is (1 + 1/m) B.

    Parameters
    ----------
    pooled : Pooled

    Returns
    -------
    ndarray, shape (k,)
    """
    table = pooled.table
    return np.asarray(table["std_error"] * np.sqrt(table["lambda"] / (pooled.m + 1)))


def results(materials: Materials, beside: dict[str, Comparison], notes: list[str]) -> Section:
    """All results, with what is needed to judge them.

    Parameters
    ----------
    materials : Materials
    beside : dict of str to Comparison
        Complete cases and other methods, by title.
    notes : list of str
        Why complete cases were not analysed.
    """
    blocks: list[Block] = [block for result in materials.results for block in _analysis(result)]
    blocks = blocks or [NotDone("No analysis of the imputations was given.")]
    for title, comparison in beside.items():
        blocks += _comparison(title, comparison)
    if notes:
        blocks += [Heading("Without complete cases"), *map(NotDone, notes)]
    return Section("results", "Results", tuple(blocks))


def _analysis(result: Result) -> Iterator[Block]:
    pooled = result.pooled
    table = pooled.table.assign(mc_error=monte_carlo_errors(pooled))[COLUMNS]
    yield Heading(result.name)
    level = f"{100 * pooled.level:g} %"
    yield Table(
        "pooled",
        f"Estimates pooled over {pooled.m} imputations by Rubin's rules, with {level} confidence intervals; FMI, fraction of "
        "missing information; RIV, relative increase in variance; MC error, what other imputations would change.",
        table,
        of=result.name,
    )
    if len(pooled.random_effects):
        caption = f"Variances, standard deviations and correlations of random effects and residuals, {level} intervals."
        yield Table("random_effects", caption, pooled.random_effects, of=result.name)
    if pooled.icc is not None:
        limits = f" ({level} interval {interval(*pooled.icc_interval, 3)})" if pooled.icc_interval else ""
        yield Text(f"Intraclass correlation given the covariates: {number(pooled.icc, 3)}{limits}.")
    if len(pooled.r2):
        yield Table("r_squared", "Shares of explained variance.", pooled.r2.dropna(axis=1, how="all"), of=result.name)
    yield Text(enough(pooled))
    problems = [] if result.analyses is None else problems_by_imputation(result.analyses.fits).items()
    notes = [*pooled.notes, *(f"{problem} in imputations {some(where, 20)}" for problem, where in problems)]
    yield from [Items(tuple(notes))] if notes else []


def enough(pooled: Pooled) -> str:
    """Say how large Monte Carlo errors are, and whether there are imputations enough.

    Parameters
    ----------
    pooled : Pooled
    """
    errors, table = monte_carlo_errors(pooled), pooled.table
    shares = np.divide(errors, table["std_error"], out=np.zeros(len(errors)), where=table["std_error"] > 0)
    worst, needed = int(shares.argmax()), pooled.required_m(REPRODUCED_TO)
    verdict = f"{pooled.m} are enough" if needed <= pooled.m else f"{needed} are needed, and there are {pooled.m}"
    return (
        f"Monte Carlo errors of the estimates are at most {100 * shares[worst]:.1f} % of the standard error "
        f"({table['term'].iloc[worst]}). For standard errors that other imputations reproduce to within "
        f"{100 * REPRODUCED_TO:g} % (coefficient of variation; von Hippel 2020), {verdict}."
    )


def beside_complete_cases(materials: Materials) -> tuple[dict[str, Comparison], list[str]]:
    """Comparisons as given, and complete cases beside the imputations for every other analysis that can be fitted to them.

    Parameters
    ----------
    materials : Materials

    Returns
    -------
    comparisons : dict of str to Comparison
        By title.
    notes : list of str
        Why complete cases were not analysed.
    """
    found = {_title(comparison.analysis, k): comparison for k, comparison in enumerate(materials.comparisons)}
    known, notes = {comparison.analysis for comparison in materials.comparisons}, []
    for result in materials.results:
        if result.analyses is not None and result.analyses.model in known:
            continue
        try:
            comparison = _complete_cases(result, materials.imputations)
        except JMImputeError as error:
            notes.append(f"{result.name}: complete cases cannot be analysed. {error}")
            continue
        if comparison is None:
            notes.append(f"{result.name}: complete cases were not analysed; jm.compare does so.")
        else:
            found[f"{result.name}: complete cases and imputations"] = comparison
    return found, notes


def _title(analysis: str, number_: int) -> str:
    return f"{analysis}: methods beside each other" + (f" ({number_ + 1})" if number_ else "")


def _complete_cases(result: Result, imputations: Any) -> Comparison | None:
    """The same analysis of complete cases; None where it is not known how, or where it would mean to sample."""
    analyses, level = result.analyses, result.pooled.level
    if analyses is None or analyses.source is None or analyses.engine == "bambi":
        return None
    frame = imputations.original
    rows = complete_rows(frame, columns_of(analyses.model, frame), imputations.columns)
    complete = pd.DataFrame(frame[rows]).reset_index(drop=True)
    if complete.empty:
        raise AnalysisError("No row is complete in the columns of the analysis.")
    fit = analyses.source.fit(analyses.model, complete, "Complete cases", analyses.fits[0].restricted)
    methods: tuple[Method, ...] = (
        single(COMPLETE_CASES, fit, level),
        imputed(MULTIPLY_IMPUTED, analyses.fits, level, imputations.provenance),
    )
    problems = tuple(f"{COMPLETE_CASES}: {problem}" for problem in fit.problems)
    return Comparison(methods, analyses.model, level, notes=problems)


def _comparison(title: str, comparison: Comparison) -> Iterator[Block]:
    from jmimpute.plots.compare import comparison as draw

    wide = comparison.wide().rename_axis("term").reset_index()
    yield Heading(title)
    yield Table("methods", "Estimates (standard errors) by method.", wide, of=comparison.analysis)
    columns = ["method", "term", "estimate", "std_error", "conf_low", "conf_high", "fmi", "mc_error", "m", "rows"]
    yield Table("methods_numbers", "The same with intervals.", comparison.table[columns], of=comparison.analysis)
    terms = list(dict.fromkeys(comparison.table["term"]))
    yield picture(
        "methods",
        draw(comparison),
        "Estimates and intervals by method; thick lines are what other imputations would change.",
        f"Forest plot of {listed(terms)} by {listed(comparison.names)}; the table above has the numbers.",
    )
    for heading, lines in (("Why methods may differ", comparison.causes), ("Notes", comparison.notes)):
        if lines:
            yield Text(f"{heading}:")
            yield Items(tuple(lines))
